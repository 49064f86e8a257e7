"""A lock that a forked process does not inherit locked."""

import os
import threading
from typing import Any


class ForkSafeLock:
    """A re-entrant lock, new in a forked process: no thread is left there that would release the old one."""

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: Any) -> None:
        self._lock.release()
