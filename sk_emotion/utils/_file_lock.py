"""Lock files across threads and processes. The system releases the lock of a killed process."""

import sys
import time
from io import FileIO

_PAUSE = 0.005

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: FileIO) -> bool:
        # Windows blocks reads of a locked region, so lock a byte far beyond the content.
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
            # Some network drives have no locks: two workers may then do the same work, and write the same content.
            return True
        return True


def lock_file(file: FileIO, seconds: float) -> bool:
    """Lock an open file until it is closed; return False if another worker holds the lock for that many seconds."""
    deadline = time.monotonic() + seconds
    while not _try_lock(file):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
    return True
