"""A file locked by one worker at a time, whether a thread or a process. The system lifts the lock of a killed one."""

import sys
import time
from io import FileIO

_PAUSE = 0.005

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: FileIO) -> bool:
        # Windows lets no one else read what is locked, so it is a byte far beyond the content.
        file.seek(2**30)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: FileIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # Some network drives know no locks: two workers may then do the same work, and write the same.
            return True
        return True


def lock_file(file: FileIO, seconds: float) -> bool:
    """Lock an open file until it is closed; False if another worker keeps it for so many seconds."""
    deadline = time.monotonic() + seconds
    while not _try_lock(file):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
    return True
