"""What a forked process must not inherit: locks that are locked, and threads that are gone."""

import os
import sys
import threading
from functools import cache
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


@cache
def compute_alone_after_fork() -> None:
    """Let PyTorch use one thread in processes that are forked from this one, as its own DataLoader does.

    It would wait without end for the other threads of its team, which a fork leaves behind (measured, PyTorch 2.15 with
    GNU's OpenMP). A team is there once weights have been loaded.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_use_one_thread)


def _use_one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
