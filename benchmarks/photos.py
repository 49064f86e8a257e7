"""Measure the detection of faces in photos, and the time from a photo to its labels.

    python benchmarks/photos.py --photos human_emotions_6

Without ``--photos``, mosaics of 1 to 36 faces of scikit-image's ``lfw_subset`` are used. The other detector is the
cascade of local binary patterns in scikit-image, at 320 pixels. ``found`` counts the faces of mosaics, or the photos
with a face. Photos are decoded before they are timed. The command ``predict`` is timed from its start to its end, side
by side with the import of PyTorch. The bounds are asserted at the end, except with ``--quick``.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _timing import describe_machine, parse_arguments, tabulate, time_side_by_side
from PIL import Image, ImageOps
from skimage.data import astronaut, lbp_frontal_face_cascade_filename, lfw_subset
from skimage.feature import Cascade

from sk_emotion import FaceLoader, detect_faces, load_pretrained, predict_faces

# Maximum ratios of times, and minimum ratio of the speed of two threads to that of one.
PROMISED_DETECTION = {320: 0.3, 640: 1.0}
PROMISED_START = 1.5
PROMISED_THREADS = 1.3

LONG_SIDE = 1200

OTHER = "scikit-image's cascade"

N_FACES = 100
"""Images of lfw_subset that are faces; the others are not."""


def make_mosaics(n_mosaics, n_faces):
    """Return square pictures of faces in a grid, and the number of columns of the grid."""
    rng = np.random.default_rng(n_faces)
    n_columns = round(n_faces**0.5)
    side = LONG_SIDE // n_columns
    mosaics = []
    for _ in range(n_mosaics):
        mosaic = Image.new("L", (LONG_SIDE, LONG_SIDE), 128)
        for place, face in enumerate(rng.permutation(lfw_subset()[:N_FACES])[:n_faces]):
            tile = Image.fromarray(np.uint8(255 * face)).resize((side, side), Image.Resampling.BICUBIC)
            mosaic.paste(tile, (place % n_columns * side, place // n_columns * side))
        mosaics.append((np.asarray(mosaic.convert("RGB")), n_columns))
    return mosaics


def count_tiles(boxes, n_columns):
    """Return in how many tiles of a mosaic a box is centered."""
    centers = (boxes[:, :2] + boxes[:, 2:] / 2) * n_columns / LONG_SIDE
    near = np.abs(centers % 1 - 0.5).max(axis=1, initial=0) < 0.25
    return len(np.unique(np.floor(centers[near]), axis=0))


def read_photos(folder, number):
    """Decode photos of a folder, evenly spaced in the order of their names; each has no grid."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    photos = []
    for path in paths[:: max(1, len(paths) // number)][:number]:
        with Image.open(path) as image:
            photos.append((np.asarray(ImageOps.exif_transpose(image).convert("RGB")), None))
    return photos


def detect_with_cascade(photo, cascade, size=320):
    """Return the boxes that scikit-image's cascade finds in a photo reduced to `size` pixels."""
    image = Image.fromarray(photo).convert("L")
    image.thumbnail((size, size))
    found = cascade.detect_multi_scale(np.asarray(image), 1.2, 1, (24, 24), (min(image.size),) * 2)
    boxes = np.array([[box["c"], box["r"], box["width"], box["height"]] for box in found], dtype=float)
    return boxes.reshape(-1, 4) * max(photo.shape) / max(image.size)


def detect_with_centerface(photo, size):
    """Return the boxes that CenterFace finds with one thread."""
    return detect_faces([photo], detection_size=size, n_jobs=1)[["x", "y", "width", "height"]].to_numpy()


def measure_detection(photos, rounds):
    """Return the speed of the detectors, and in how many photos, or tiles of mosaics, they find a face."""
    cascade = Cascade(lbp_frontal_face_cascade_filename())
    detectors = {
        OTHER: partial(detect_with_cascade, cascade=cascade),
        **{f"CenterFace at {size}": partial(detect_with_centerface, size=size) for size in PROMISED_DETECTION},
    }
    contenders = {
        name: lambda detect=detect: [detect(photo) for photo, _ in photos] for name, detect in detectors.items()
    }
    table = tabulate(time_side_by_side(contenders, rounds=rounds), len(photos), against=OTHER, item="photos")
    for name, detect in detectors.items():
        found = [(detect(photo), n_columns) for photo, n_columns in photos]
        counts = [count_tiles(boxes, n_columns) if n_columns else len(boxes) > 0 for boxes, n_columns in found]
        table.loc[table["contender"] == name, "found"] = f"{sum(counts)} of {sum((n or 1) ** 2 for _, n in photos)}"
    return table


def measure_threads(photos, rounds):
    """Compare FaceLoader with one thread and with two."""
    photos = [photo for photo, _ in photos]
    loaders = {n_jobs: FaceLoader(n_jobs=n_jobs).fit(photos) for n_jobs in (1, 2)}
    contenders = {
        f"FaceLoader(n_jobs={n_jobs})": lambda loader=loader: loader.transform(photos)
        for n_jobs, loader in loaders.items()
    }
    return tabulate(
        time_side_by_side(contenders, rounds=rounds), len(photos), against="FaceLoader(n_jobs=1)", item="photos"
    )


def measure_prediction(photo, rounds):
    """Return the milliseconds of `predict_faces` for one photo, and of its classifier alone, with both engines."""
    rows = []
    for engine in ("onnx", "torch"):
        contenders = {}
        for size in (320, 640):
            model = load_pretrained(engine=engine)
            model[0].set_params(detection_size=size, n_jobs=1)
            contenders[f"photo at {size} (ms)"] = lambda model=model: predict_faces(model, [photo], faces="all")
        face = model[0].transform([photo])
        contenders["classifier (ms)"] = lambda model=model, face=face: model[-1].predict_proba(face)
        seconds = time_side_by_side(contenders, rounds=rounds)
        rows.append({"engine": engine} | {name: 1000 * statistics.median(runs) for name, runs in seconds.items()})
    return pd.DataFrame(rows)


def measure_start(rounds):
    """Compare the command for one photo with the import of PyTorch, in new processes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "astronaut.png")
        Image.fromarray(astronaut()).save(path)
        commands = {
            "import torch": ["-c", "import torch"],
            "sk-emotion predict": ["-m", "sk_emotion", "predict", str(path)],
        }
        contenders = {
            name: lambda command=command: subprocess.run(
                [sys.executable, *command], check=True, capture_output=True, cwd=Path(__file__).parents[1]
            )
            for name, command in commands.items()
        }
        seconds = time_side_by_side(contenders, rounds=rounds)
    ratios = [ours / theirs for theirs, ours in zip(*seconds.values(), strict=True)]
    return {name: statistics.median(runs) for name, runs in seconds.items()}, statistics.median(ratios)


def main() -> None:
    arguments = parse_arguments(
        __doc__,
        photos={"help": "folder of photos; by default, mosaics of faces"},
        number={"type": int, "default": 100, "help": "number of photos"},
        rounds={"type": int, "default": 5},
    )
    rounds = 1 if arguments.quick else arguments.rounds
    if arguments.photos:
        photos = read_photos(arguments.photos, 6 if arguments.quick else arguments.number)
    else:
        photos = [mosaic for n_faces in (1, 4, 16, 36) for mosaic in make_mosaics(1 if arguments.quick else 5, n_faces)]
    torch.set_num_threads(1)
    detection = measure_detection(photos, rounds)
    threads = measure_threads(photos, rounds)
    prediction = measure_prediction(astronaut(), 2 if arguments.quick else 4 * rounds)
    start, ratio = measure_start(rounds)
    print(describe_machine())
    print(detection.to_string(index=False), threads.to_string(index=False), sep="\n\n")
    print(prediction.to_string(index=False, float_format="{:.1f}".format))
    print(", ".join(f"{name}: {seconds:.2f} s" for name, seconds in start.items()), f"ratio {ratio:.2f}")
    if arguments.quick:
        return
    speed = detection.set_index("contender")[f"x {OTHER}"]
    for size, bound in PROMISED_DETECTION.items():
        slowdown = 1 / speed[f"CenterFace at {size}"]
        assert slowdown <= bound, f"{size} pixels: {slowdown:.2f} times the cascade, expected at most {bound}"
    if len(os.sched_getaffinity(0)) > 1:
        gain = threads.set_index("contender").at["FaceLoader(n_jobs=2)", "x FaceLoader(n_jobs=1)"]
        assert gain >= PROMISED_THREADS, f"two threads are {gain} times as fast as one, expected {PROMISED_THREADS}"
    assert ratio <= PROMISED_START, f"the command takes {ratio:.2f} times import torch, expected {PROMISED_START}"


if __name__ == "__main__":
    main()
