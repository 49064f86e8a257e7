"""Read damaged images: only errors of sk_emotion may be raised, within limits of time and memory.

    python tests/soak/fuzz_pictures.py --count 20000 --keep escapes

Images are read in small groups ("handfuls"). Each is determined by the seed and its number, so that ``--only NUMBER``
reproduces it. Plain random numbers are used rather than Hypothesis, which runs a few seconds of the same test in
``tests/preprocessing/test_fuzz_pictures.py``: shrinking a compressed file is not informative, and without it many times
more inputs are tested. Images are read in child processes, so that a crash or hang of a decoder costs one handful.
Messages of libtiff on standard error can be ignored.
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
# Limit of memory per image, and so for the largest of a handful.
MAX_MEMORY = 300_000_000
# Limit of CPU time per handful.
MAX_SECONDS = 5
# Limits of address space and wall-clock time that protect the machine.
MAX_ADDRESSES = 2**33
MAX_WAIT = 300
BATCH = 100

DECODED, TOO_LARGE = "decoded", "is too large"
_REASONS = re.compile(
    r"is (truncated|damaged|empty|not an image|too large)|needs more memory|has pixels"
    r"|has ([\d,]+ (scans|strips|comments)|too many segments|several sizes|parts that overlap|more than)"
)


class EscapeError(Exception):
    """An outcome that no user should see."""


def read_bytes(pictures, color=False, image_size=16):
    """Load faces from encoded images; return the outcome of each, or raise an EscapeError."""
    return _load(pictures, color, image_size)


def read_files(pictures, folder):
    """Load faces from files, and load their folder; both must accept the same images as `read_bytes`."""
    for path in folder.glob("pain/[0-9]*"):
        path.unlink()
    paths = [folder / "pain" / str(index) for index in range(len(pictures))]
    for path, data in zip(paths, pictures, strict=True):
        path.write_bytes(data)
    found = _load([str(path) for path in paths], False, 16)
    for path, reason in zip(paths, found, strict=True):
        if reason == TOO_LARGE:
            # load_face_folder has a higher limit.
            path.unlink()
    photos = {Path(path).name for path in _watch(lambda: load_face_folder(folder, groups=None).data)}
    wanted = {path.name for path, reason in zip(paths, found, strict=True) if reason == DECODED} | {"whole.png"}
    if photos != wanted:
        raise EscapeError(f"the loader accepts {sorted(wanted)}, the folder {sorted(photos)}")
    return found


def make_folder(folder, files):
    """Make two class folders with one valid photo each."""
    for emotion in ("pain", "fear"):
        (folder / emotion).mkdir()
        (folder / emotion / "whole.png").write_bytes(files["png"])


def _load(pictures, color, image_size):
    loader = FaceLoader(image_size, color=color, n_jobs=1, on_error="blank")
    loaded = _watch(lambda: loader.fit(pictures).load(pictures))
    faces = loaded.images
    if faces.shape[:3] != (len(pictures), image_size, image_size) or faces.dtype != "uint8":
        raise EscapeError(f"faces of shape {faces.shape}, {faces.dtype}")
    return [_find_reason(loaded.unread[index]) if index in loaded.unread else DECODED for index in range(len(faces))]


def _find_reason(error):
    reason = _REASONS.search(error)
    if reason is None:
        raise EscapeError(f"an error without a reason: {error}")
    return re.sub(r"[\d,]+ ", "", reason[0])


def _watch(action):
    """Run a function; any error, and any warning other than a DatasetWarning, is an escape."""
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
    """Read a handful as files if its number is a multiple of four, else as bytes."""
    if number % 4 == 0:
        return read_files(pictures, folder)
    return read_bytes(pictures, color=number % 4 == 1, image_size=48 if number % 4 == 2 else 16)


class Batch:
    """Handfuls read by a child process, which reports its progress in shared memory.

    Parameters
    ----------
    files : dict of str to bytes
        Valid files.
    seed : int
    numbers : range
        Numbers of the handfuls to read.
    folder : Path
        Folder made by `make_folder`.
    """

    def __init__(self, files, seed, numbers, folder):
        self.files, self.seed, self.numbers, self.folder = files, seed, numbers, folder
        self.counts = collections.Counter()
        self.escape = None
        self.slowest = self.memory = 0
        # The number of the current handful, and its start time.
        self.place = mmap.mmap(-1, 16)

    def run(self):
        """Read until the end or the first escape; return the number after the last handful read."""
        self._report(self.numbers.start)
        source, sink = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(source)
            self._read_all(sink)
        os.close(sink)
        killed = self._wait(child)
        with os.fdopen(source) as file:
            result = file.read()
        number, _ = struct.unpack("qd", self.place)
        if result:
            self.counts, self.escape, self.slowest, self.memory = json.loads(result)
        else:
            self.escape = killed
        return number + 1

    def _report(self, number):
        self.place[:] = struct.pack("qd", number, time.monotonic())

    def _wait(self, child):
        """Wait for the child, and kill it if a handful takes too long; return how it ended."""
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
        # Limit resources, and measure their use.
        resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESSES, MAX_ADDRESSES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        before = _peak_memory()
        for number in self.numbers:
            pictures = make_handful(self.files, self.seed, number)
            self._report(number)
            start = time.process_time()
            # When the limit is exceeded, the process receives SIGXCPU.
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
                self.escape = f"{self.slowest:.1f} s of CPU time"
            if self.escape:
                break
        os.write(sink, json.dumps([self.counts, self.escape, self.slowest, self.memory]).encode())
        os._exit(0)


def _peak_memory():
    """Return the peak memory of this process in bytes, including that of decoders in C."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--count", type=int, help="number of images, instead of a time limit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of a single handful to read in this process")
    parser.add_argument("--keep", type=Path, default=Path("escapes"), help="folder for images that escape")
    arguments = parser.parse_args()

    files, seed = make_files(), arguments.seed
    number, n_escapes, counts, slowest, memory = 0, 0, collections.Counter(), 0.0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder, files)
        if arguments.only is not None:
            print(read_handful(make_handful(files, seed, arguments.only), arguments.only, folder))
            return 0
        # Read once here, so that all imports are done before forking.
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
        f"seed {seed}: {number * HANDFUL:,} inputs made from {len(files)} files, ",
        end="",
    )
    print(f"{used.ru_utime + used.ru_stime:.0f} s of CPU time")
    for kind, count in counts.most_common():
        print(f"{count:9,} {kind}")
    print(
        f"the slowest handful took {slowest:.1f} s of CPU time, the peak memory was {memory / 1e6:.0f} MB; "
        f"{n_escapes} escapes"
    )
    return 1 if n_escapes else 0


if __name__ == "__main__":
    sys.exit(main())
