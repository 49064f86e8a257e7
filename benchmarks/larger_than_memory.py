"""Measure how much memory training and prediction take on images that stay on the disk, against their number.

    python benchmarks/larger_than_memory.py

Up to a million 48x48 faces are written to a temporary folder, as a memory-map, a Zarr array and tar files of JPEGs.
Each is trained on for an epoch and predicted in a process of its own. Resident memory is the peak that Linux tells
(VmHWM); its parts, of the process itself and mapped from files (PyTorch's libraries among them), are looked at every
20 ms. What the library promises is asserted at the end, unless with ``--quick``.
"""

import io
import itertools
import re
import tarfile
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
from PIL import Image
from torch import nn

from sk_emotion import EmotionClassifier, make_faces, networks
from sk_emotion.datasets import load_face_shards

PROMISED_MEGABYTES = 1000
BLOCK = 10_000
IN_SHARD = 5_000
# Decoding is slow, and an array in memory is only here for comparison.
MOST = {"tar": 100_000, "in memory": 300_000}


class OneLayer(nn.Module):
    """A network that takes next to no time and memory of its own."""

    def __init__(self, n_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.AvgPool2d(12), nn.Flatten(), nn.Linear(16, n_classes))

    def forward(self, images):
        return self.layers(images)


def draw_faces(number):
    """Give drawn faces and labels in blocks: a thousand of them, with noise of their own."""
    faces, labels, _ = make_faces(min(1000, number), random_state=0)
    rng = np.random.default_rng(0)
    for start in range(0, number, BLOCK):
        rows = rng.integers(len(faces), size=min(BLOCK, number - start))
        noise = rng.integers(16, size=(len(rows), 48, 48), dtype=np.uint8)
        yield np.minimum(faces[rows], 240) + noise, labels[rows]


def write_arrays(folder, number):
    """Write a memory-map, a Zarr array and the labels."""
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


def write_shards(folder, number):
    """Write tar files of JPEGs and labels."""
    names = iter(range(number))
    pairs = ((face, label) for block in draw_faces(number) for face, label in zip(*block, strict=True))
    for shard in range(-(-number // IN_SHARD)):
        with tarfile.open(folder / f"faces-{shard:05}.tar", "w") as tar:
            for face, label in itertools.islice(pairs, IN_SHARD):
                picture = io.BytesIO()
                Image.fromarray(face).save(picture, format="jpeg")
                name = next(names)
                for kind, content in (("jpg", picture.getvalue()), ("txt", label.encode())):
                    member = tarfile.TarInfo(f"{name:08}.{kind}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def read_memory():
    """Read the resident megabytes of this process: at the peak, now its own, now mapped from files."""
    status = Path("/proc/self/status").read_text()
    return [int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) / 1000 for name in ("VmHWM", "RssAnon", "RssFile")]


def open_images(kind, folder):
    if kind == "tar":
        faces = load_face_shards(folder / "*.tar")
        return faces.data, faces.target
    images = {
        "in memory": lambda: np.load(folder / "faces.npy"),
        "memory-map": lambda: np.load(folder / "faces.npy", mmap_mode="r"),
        "Zarr": lambda: zarr.open_array(folder / "faces.zarr", mode="r"),
    }[kind]()
    return images, np.load(folder / "labels.npy")


def measure(kind, folder):
    """Train for an epoch and predict; give seconds and megabytes."""
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
            kinds = [kind for kind in ("in memory", "memory-map", "Zarr", "tar") if number <= MOST.get(kind, number)]
            if "tar" in kinds:
                write_shards(folder, number)
            for kind in kinds:
                # A process of its own has a peak of its own.
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    rows.append(pool.submit(measure, kind, folder).result())

    table = pd.DataFrame(rows)
    print(describe_machine())
    print(table.to_string(index=False))
    if arguments.quick:
        return
    for row in rows:
        if row["images on"] != "in memory":
            assert row["peak (MB)"] < PROMISED_MEGABYTES, f"{row}, promised {PROMISED_MEGABYTES} MB"


if __name__ == "__main__":
    main()
