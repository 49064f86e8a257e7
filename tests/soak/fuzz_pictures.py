"""Read as many damaged pictures as asked: only errors of sk_emotion may come out, soon and in little memory.

    python tests/soak/fuzz_pictures.py --count 20000 --keep escapes

Pictures are read by the handful. Each handful follows from the seed and its number, so that ``--only NUMBER`` makes it
again. That is why plain random numbers drive this and not Hypothesis, which drives some seconds of the same in
``tests/preprocessing/test_fuzz_pictures.py``: shrinking says little of a compressed file, and without it there are many
times more inputs. They are read in child processes, so that a crash or a hang of a decoder in C costs a handful. What
libtiff writes to standard error is its own.
"""

import argparse
import collections
import json
import math
import mmap
import os
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "preprocessing"))
from mutate_pictures import make_files, mutate

from sk_emotion import FaceLoader, load_face_folder
from sk_emotion.exceptions import DatasetWarning

HANDFUL = 8
# What is promised of a picture, and so of the largest in a handful.
MAX_MEMORY = 300_000_000
# Of a processor, for a handful; and by the clock, should it wait for something.
MAX_SECONDS = 5
# What the machine has to be kept from.
MAX_ADDRESSES = 2**33
MAX_WAIT = 300
BATCH = 100

DECODED, TOO_LARGE = "decoded", "is too large"
_REASONS = re.compile(
    r"is (truncated|damaged|empty|not an image|too large)|needs more memory|has pixels"
    r"|has ([\d,]+ (scans|strips|comments)|too many segments|parts that overlap|more than)"
)


class EscapeError(Exception):
    """Something came out that no user should see."""


def read_bytes(pictures, color=False, image_size=16):
    """Make faces of pictures; give what came of each, or raise an EscapeError."""
    return _load(pictures, color, image_size)


def read_files(pictures, folder):
    """Make faces of pictures in files, and load the folder around them; both must take what is taken as bytes."""
    for path in folder.glob("pain/[0-9]*"):
        path.unlink()
    paths = [folder / "pain" / str(index) for index in range(len(pictures))]
    for path, data in zip(paths, pictures, strict=True):
        path.write_bytes(data)
    found = _load([str(path) for path in paths], False, 16)
    for path, reason in zip(paths, found, strict=True):
        if reason == TOO_LARGE:
            # The limit of a folder is higher.
            path.unlink()
    photos = {Path(path).name for path in _watch(lambda: load_face_folder(folder, groups=None).data)}
    wanted = {path.name for path, reason in zip(paths, found, strict=True) if reason == DECODED} | {"whole.png"}
    if photos != wanted:
        raise EscapeError(f"the loader takes {sorted(wanted)}, the folder {sorted(photos)}")
    return found


def make_folder(folder, files):
    """Make two class folders with a whole photo in each."""
    for emotion in ("pain", "fear"):
        (folder / emotion).mkdir()
        (folder / emotion / "whole.png").write_bytes(files["png"])


def _load(pictures, color, image_size):
    loader = FaceLoader(image_size, color=color, n_jobs=1, on_error="blank")
    faces = _watch(lambda: loader.fit_transform(pictures))
    if faces.shape[:3] != (len(pictures), image_size, image_size) or faces.dtype != "uint8":
        raise EscapeError(f"faces of shape {faces.shape}, {faces.dtype}")
    return [_find_reason(loader.unread_[index]) if index in loader.unread_ else DECODED for index in range(len(faces))]


def _find_reason(error):
    reason = _REASONS.search(error)
    if reason is None:
        raise EscapeError(f"an error without a reason: {error}")
    return re.sub(r"[\d,]+ ", "", reason[0])


def _watch(action):
    """Do it; any error, and any warning but the one that pictures are left out, is an escape."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = action()
        except Exception as error:
            raise EscapeError(f"{type(error).__name__}: {error}") from error
    for warning in caught:
        if warning.category is not DatasetWarning:
            raise EscapeError(f"{warning.category.__name__}: {warning.message}")
    return result


def make_handful(files, seed, number):
    rng = random.Random(f"{seed} {number}")
    return [mutate(files, rng) for _ in range(HANDFUL)]


def read_handful(pictures, number, folder):
    """Read pictures in the way that their number says: one time in four as files, else as bytes."""
    if number % 4 == 0:
        return read_files(pictures, folder)
    return read_bytes(pictures, color=number % 4 == 1, image_size=48 if number % 4 == 2 else 16)


class Batch:
    """Handfuls read by a child process, which tells where it is in a shared piece of memory.

    Parameters
    ----------
    files : dict of str to bytes
        Whole files.
    seed : int
    numbers : range
        Which handfuls to read.
    folder : Path
        Of `make_folder`.
    """

    def __init__(self, files, seed, numbers, folder):
        self.files, self.seed, self.numbers, self.folder = files, seed, numbers, folder
        self.counts = collections.Counter()
        self.escape = None
        self.slowest = self.memory = 0
        # The number that is being read, and when it was begun.
        self.place = mmap.mmap(-1, 16)

    def run(self):
        """Read until the end or the first escape; give the number after the last that was read."""
        self._tell(self.numbers.start)
        source, sink = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(source)
            self._read_all(sink)
        os.close(sink)
        killed = self._wait(child)
        with os.fdopen(source) as file:
            told = file.read()
        number, _ = struct.unpack("qd", self.place)
        if told:
            self.counts, self.escape, self.slowest, self.memory = json.loads(told)
        else:
            self.escape = killed
        return number + 1

    def _tell(self, number):
        self.place[:] = struct.pack("qd", number, time.monotonic())

    def _wait(self, child):
        """Wait for the child, but not for a handful that takes too long; say how it died."""
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            if time.monotonic() - struct.unpack("qd", self.place)[1] > MAX_WAIT:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return f"waited for more than {MAX_WAIT} s"
            time.sleep(0.05)

    def _read_all(self, sink):
        # What is promised is measured.
        resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESSES, MAX_ADDRESSES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        before = _peak_memory()
        for number in self.numbers:
            pictures = make_handful(self.files, self.seed, number)
            self._tell(number)
            start = time.process_time()
            # Beyond it, the system ends the process by SIGXCPU.
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(start) + MAX_SECONDS, resource.RLIM_INFINITY))
            try:
                self.counts.update(read_handful(pictures, number, self.folder))
            except EscapeError as error:
                self.escape = str(error)
            self.slowest = max(self.slowest, time.process_time() - start)
            self.memory = _peak_memory() - before
            if self.memory > MAX_MEMORY:
                self.escape = f"{self.memory / 1e6:.0f} MB of memory"
            if self.slowest > MAX_SECONDS:
                self.escape = f"{self.slowest:.1f} s of a processor"
            if self.escape:
                break
        os.write(sink, json.dumps([self.counts, self.escape, self.slowest, self.memory]).encode())
        os._exit(0)


def _peak_memory():
    """Tell the most memory of this process, in bytes, that of decoders in C among it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--count", type=int, help="read so many pictures, however long it takes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="read this handful again, in this process")
    parser.add_argument("--keep", type=Path, default=Path("escapes"), help="folder for what escaped")
    arguments = parser.parse_args()

    files, seed = make_files(), arguments.seed
    number, n_escapes, counts, slowest, memory = 0, 0, collections.Counter(), 0.0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder, files)
        if arguments.only is not None:
            print(read_handful(make_handful(files, seed, arguments.only), arguments.only, folder))
            return 0
        # Read once here, so that children find everything imported.
        read_files([files["tiff"]], folder)
        deadline = math.inf if arguments.count else time.monotonic() + 60 * arguments.minutes
        last = math.ceil(arguments.count / HANDFUL) if arguments.count else sys.maxsize
        while time.monotonic() < deadline and number < last:
            batch = Batch(files, seed, range(number, min(number + BATCH, last)), folder)
            number = batch.run()
            counts.update(batch.counts)
            slowest, memory = max(slowest, batch.slowest), max(memory, batch.memory)
            if batch.escape:
                n_escapes += 1
                kept = arguments.keep / f"{seed}-{number - 1}"
                kept.mkdir(parents=True, exist_ok=True)
                for index, data in enumerate(make_handful(files, seed, number - 1)):
                    (kept / str(index)).write_bytes(data)
                print(f"handful {number - 1}, kept in {kept}: {batch.escape}", flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"seed {seed}: {number * HANDFUL:,} inputs made of {len(files)} files, ",
        end="",
    )
    print(f"{used.ru_utime + used.ru_stime:.0f} s of a processor")
    for kind, count in counts.most_common():
        print(f"{count:9,} {kind}")
    print(
        f"the slowest handful took {slowest:.1f} s of a processor, the most memory was {memory / 1e6:.0f} MB; "
        f"{n_escapes} escapes"
    )
    return 1 if n_escapes else 0


if __name__ == "__main__":
    sys.exit(main())
