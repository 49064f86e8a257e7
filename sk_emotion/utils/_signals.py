"""Detect signals such as that of Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def watch_signals() -> Iterator[list[int]]:
    """Record the signals received within the context whose handlers raise, as Python's handler of Ctrl-C does.

    A KeyboardInterrupt does not show whether code or the user raised it. Signals reach only the main thread; in other
    threads, nothing is recorded.

    Yields
    ------
    list of int
        Numbers of the signals, in order of arrival.
    """
    noted: list[int] = []

    def watch(handler: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
        def note(number: int, frame: Any) -> None:
            try:
                handler(number, frame)
            except BaseException:
                noted.append(number)
                # Restore here too, since a second signal may interrupt the end of the context.
                put_back(number)
                raise

        return note

    def put_back(number: int) -> None:
        handler, watcher = watched[number]
        # Keep handlers set within the context.
        if signal.getsignal(number) is watcher:
            signal.signal(number, handler)

    watched: dict[int, tuple[Any, Any]] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        watched = {number: (handler, watch(handler)) for number, handler in handlers.items() if callable(handler)}
    try:
        for number, (_, watcher) in watched.items():
            signal.signal(number, watcher)
        yield noted
    finally:
        for number in watched:
            put_back(number)
