"""Measure the memory of training and prediction on images on disk, depending on their number.

    python benchmarks/larger_than_memory.py

Up to a million 48x48 faces are written to a temporary folder as a memory-mapped array and a Zarr array. For each, a
separate process trains for an epoch and predicts. The peak of resident memory is Linux's VmHWM; its anonymous and
file-backed parts (including PyTorch's libraries) are sampled every 20 ms. The bounds are asserted at the end, except
with ``--quick``.
"""

import re
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import zarr
from _timing import describe_machine, parse_arguments
from torch import nn

from sk_emotion import EmotionClassifier, make_faces, networks

PROMISED_MEGABYTES = 1000
BLOCK = 10_000
# Limit the array in memory, which is only used for comparison.
MOST = {"in memory": 300_000}


class OneLayer(nn.Module):
    """A network that needs very little time and memory."""

    def __init__(self, n_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.AvgPool2d(12), nn.Flatten(), nn.Linear(16, n_classes))

    def forward(self, images):
        return self.layers(images)


def draw_faces(number):
    """Yield blocks of synthetic faces and labels: a thousand different faces with independent noise."""
    faces, labels, _ = make_faces(min(1000, number), random_state=0)
    rng = np.random.default_rng(0)
    for start in range(0, number, BLOCK):
        rows = rng.integers(len(faces), size=min(BLOCK, number - start))
        noise = rng.integers(16, size=(len(rows), 48, 48), dtype=np.uint8)
        yield np.minimum(faces[rows], 240) + noise, labels[rows]


def write_arrays(folder, number):
    """Write a memory-mapped array, a Zarr array and the labels."""
    shape = (number, 48, 48)
    mapped = np.lib.format.open_memmap(folder / "faces.npy", mode="w+", dtype=np.uint8, shape=shape)
    stored = zarr.create_array(
        folder / "faces.zarr", shape=shape, chunks=(512, 48, 48), dtype="uint8", compressors=None
    )
    labels = []
    for index, (block, emotions) in enumerate(draw_faces(number)):
        rows = slice(index * BLOCK, index * BLOCK + len(block))
        mapped[rows] = stored[rows] = block
        labels.append(emotions)
    mapped.flush()
    np.save(folder / "labels.npy", np.concatenate(labels))


def read_memory():
    """Return the resident memory of this process in MB: peak, anonymous and file-backed."""
    status = Path("/proc/self/status").read_text()
    return [int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) / 1000 for name in ("VmHWM", "RssAnon", "RssFile")]


def open_images(kind, folder):
    images = {
        "in memory": lambda: np.load(folder / "faces.npy"),
        "memory-map": lambda: np.load(folder / "faces.npy", mmap_mode="r"),
        "Zarr": lambda: zarr.open_array(folder / "faces.zarr", mode="r"),
    }[kind]()
    return images, np.load(folder / "labels.npy")


def measure(kind, folder):
    """Train for an epoch and predict; return times and memory."""
    peaks, done = [], threading.Event()

    def watch():
        while not done.wait(0.02):
            peaks.append(read_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    images, labels = open_images(kind, folder)
    before = read_memory()[0]
    classifier = EmotionClassifier(
        networks.TorchNetwork(OneLayer), augmentation=None, max_epochs=1, batch_size=256, random_state=0
    )
    start = time.perf_counter()
    classifier.fit(images, labels)
    fitted = time.perf_counter()
    probabilities = classifier.predict_proba(images)
    predicted = time.perf_counter()
    done.set()
    watcher.join()
    assert probabilities.shape == (len(labels), len(classifier.classes_))
    own, mapped = np.max(peaks, axis=0)[1:]
    return {
        "images": len(labels),
        "images on": kind,
        "pixels (MB)": round(48 * 48 * len(labels) / 1e6),
        "fit (s)": round(fitted - start, 1),
        "predict (s)": round(predicted - fitted, 1),
        "before (MB)": round(before),
        "peak (MB)": round(read_memory()[0]),
        "own (MB)": round(own),
        "mapped (MB)": round(mapped),
    }


def main() -> None:
    arguments = parse_arguments(
        __doc__,
        numbers={"type": int, "nargs": "+", "default": [100_000, 300_000, 1_000_000], "help": "numbers of images"},
    )
    numbers = [2000] if arguments.quick else arguments.numbers
    rows = []
    for number in numbers:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_arrays(folder, number)
            kinds = [kind for kind in ("in memory", "memory-map", "Zarr") if number <= MOST.get(kind, number)]
            for kind in kinds:
                # Use a new process for each measurement, because the peak cannot decrease.
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    rows.append(pool.submit(measure, kind, folder).result())

    table = pd.DataFrame(rows)
    print(describe_machine())
    print(table.to_string(index=False))
    if arguments.quick:
        return
    for row in rows:
        if row["images on"] != "in memory":
            assert row["peak (MB)"] < PROMISED_MEGABYTES, f"{row}, expected less than {PROMISED_MEGABYTES} MB"


if __name__ == "__main__":
    main()
