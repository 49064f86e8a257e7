"""Make locks and PyTorch's threads safe in forked processes."""

import os
import sys
import threading
from functools import cache
from typing import Any


class ForkSafeLock:
    """Reentrant lock that is renewed in a forked process, where no thread would release the old one."""

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
def use_one_thread_after_fork() -> None:
    """Limit PyTorch to one thread in processes forked from this one, as its DataLoader does.

    Otherwise it would wait forever for the other threads of its pool, which a fork does not copy (measured, PyTorch
    2.15 with GNU OpenMP). The pool exists once weights have been loaded.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_use_one_thread)


def _use_one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
