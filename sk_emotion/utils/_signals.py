"""Whether a signal came, such as that of Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def watch_signals() -> Iterator[list[int]]:
    """Note the signals that come inside the context and whose handlers raise, as Python's own of Ctrl-C does.

    A KeyboardInterrupt does not show who raised it: code that wants to stop, or the user. Signals reach the main thread
    alone; in others there is nothing to note.

    Yields
    ------
    list of int
        Their numbers, as they come.
    """
    noted: list[int] = []

    def watch(handler: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
        def note(number: int, frame: Any) -> None:
            try:
                handler(number, frame)
            except BaseException:
                noted.append(number)
                # Here too, since a second signal may keep the context from coming to its end.
                put_back(number)
                raise

        return note

    def put_back(number: int) -> None:
        handler, watcher = watched[number]
        # What was set inside the context stays.
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
