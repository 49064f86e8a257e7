"""Measure the speed and memory of FaceLoader without a detector, and the effect of its cache in a search.

    python benchmarks/loading.py --photos human_emotions_6

The folder is passed to ``load_face_folder``; without one, synthetic JPEG photos of up to 6 megapixels are used. The
bounds stated in ``benchmarks/README.md`` are asserted at the end, except with ``--quick``.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _memory import measure_peak
from _timing import describe_machine, parse_arguments, tabulate, time_side_by_side
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_emotion import FaceLoader, load_face_folder, make_faces

PROMISED_SPEED = 2.5
PROMISED_MEGABYTES = 400
PROMISED_PASSES = 1.2

# Imports and threads, which are excluded from the peak.
SET_UP = """
import warnings
import numpy as np
from PIL import Image
from sk_emotion import FaceLoader, load_face_folder

warnings.simplefilter("ignore")
Image.init()
FaceLoader(detector=None, n_jobs={n_jobs}).fit_transform([np.zeros((64, 64), np.uint8)] * 8)
paths = list(load_face_folder({folder!r}, groups=None).data)[::{step}]
"""


class LogImages:
    """A detector that finds no face, and logs each image that it is called for: those that are decoded."""

    def __init__(self, log):
        self.log = log

    def __call__(self, image):
        write_log(self.log, "decoded 1")


class LoggingLoader(FaceLoader):
    """A FaceLoader that logs each decoded image and the time of each `transform`."""

    def __init__(self, image_size=48, *, detector=None, cache=None, n_jobs=None):
        super().__init__(image_size, detector=detector, cache=cache, n_jobs=n_jobs)

    def transform(self, X):
        start = time.perf_counter()
        faces = super().transform(X)
        write_log(self.detector.log, f"seconds {time.perf_counter() - start}")
        return faces


def write_log(path, line):
    """Append a line to a log that several processes may write."""
    with open(path, "a") as file:
        file.write(f"{line}\n")


def read_log(path):
    """Return the number of decoded images and the total time in seconds over all processes."""
    lines = [line.split() for line in Path(path).read_text().splitlines()]
    return [sum(float(value) for kind, value in lines if kind == name) for name in ("decoded", "seconds")]


class Averages(TransformerMixin, BaseEstimator):
    """Compute the mean gray level of a face, so that loading dominates the time of a search."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X.reshape(len(X), -1).mean(axis=1, keepdims=True)


def draw_photos(folder, number):
    """Write JPEG photos of 0.1 to 6 megapixels, half of them progressive, to one folder per emotion."""
    images, labels, _ = make_faces(number, random_state=0)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        height = (320, 480, 640, 800, 2100)[index % 5]
        photo = Image.fromarray(image).convert("RGB").resize((height * 4 // 3, height), Image.Resampling.BICUBIC)
        grain = Image.effect_noise(photo.size, 40).convert("RGB")
        (folder / label).mkdir(exist_ok=True)
        Image.blend(photo, grain, 0.2).save(folder / label / f"{index}.jpg", quality=88, progressive=index % 2 == 1)


def load_with_pillow(paths):
    """Load photos with a simple loop."""
    faces = []
    for path in paths:
        with Image.open(path) as image:
            faces.append(np.asarray(image.convert("L").resize((48, 48))))
    return np.stack(faces)


def measure_speed(paths, folder, rounds):
    cached = FaceLoader(detector=None, cache=folder).fit(paths)
    cached.transform(paths)
    contenders = {
        "Pillow loop": lambda: load_with_pillow(paths),
        "FaceLoader()": lambda: FaceLoader(detector=None).fit_transform(paths),
        "FaceLoader(n_jobs=1)": lambda: FaceLoader(detector=None, n_jobs=1).fit_transform(paths),
        "FaceLoader(n_jobs=2)": lambda: FaceLoader(detector=None, n_jobs=2).fit_transform(paths),
        "FaceLoader(cache), second pass": lambda: cached.transform(paths),
    }
    return tabulate(time_side_by_side(contenders, rounds=rounds), len(paths), against="Pillow loop", item="photos")


def measure_search(paths, labels, folder, n_jobs):
    """Search 6 candidates in 3 folds; return the number of decoding passes and the total loading time."""
    folder.mkdir()
    loader = LoggingLoader(detector=LogImages(folder / "log"), cache=folder / "cache")
    candidates = {"dummyclassifier__random_state": range(6)}
    search = GridSearchCV(make_pipeline(loader, Averages(), DummyClassifier()), candidates, cv=3, n_jobs=n_jobs)
    search.set_params(error_score="raise").fit(paths, labels)
    decoded, seconds = read_log(folder / "log")
    LoggingLoader(detector=LogImages(folder / "one"), n_jobs=1).fit(paths).transform(paths)
    return {
        "6 x 3 search": f"n_jobs={n_jobs}",
        "photos": len(paths),
        "decoded": int(decoded),
        "passes": round(decoded / len(paths), 2),
        "loading (s)": round(seconds, 2),
        "one pass, n_jobs=1 (s)": round(read_log(folder / "one")[1], 2),
    }


def main() -> None:
    arguments = parse_arguments(__doc__, photos={"help": "folder for load_face_folder; by default, synthetic photos"})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos = arguments.photos
        if photos is None:
            photos = folder / "photos"
            photos.mkdir()
            draw_photos(photos, 40 if arguments.quick else 300)
        faces = load_face_folder(photos, groups=None)
        paths, labels = list(faces.data), faces.target
        step = max(1, len(paths) // 100) if arguments.quick else 1
        paths, labels = paths[::step], labels[::step]
        speed = measure_speed(paths, folder / "speed", rounds=1 if arguments.quick else 5)
        memory = {
            n_jobs: measure_peak(
                f"FaceLoader(detector=None, n_jobs={n_jobs}).fit_transform(paths)",
                set_up=SET_UP.format(n_jobs=n_jobs, folder=str(photos), step=step),
            )
            for n_jobs in (1, 2)
        }
        searches = [measure_search(paths, labels, folder / f"search{n_jobs}", n_jobs) for n_jobs in (1, 2)]

    print(describe_machine())
    print(
        f"{len(paths)} photos; peak memory above the import: "
        + ", ".join(f"{megabytes:.0f} MB with n_jobs={n_jobs}" for n_jobs, megabytes in memory.items())
    )
    print(speed.to_string(index=False), pd.DataFrame(searches).to_string(index=False), sep="\n\n")
    if arguments.quick:
        return
    ratio = speed.set_index("contender").loc["FaceLoader()", "x Pillow loop"]
    assert ratio >= PROMISED_SPEED, f"FaceLoader() is {ratio:.2f} x the Pillow loop, expected {PROMISED_SPEED}"
    assert max(memory.values()) < PROMISED_MEGABYTES, f"{memory} MB, expected less than {PROMISED_MEGABYTES}"
    for search in searches:
        assert search["passes"] <= PROMISED_PASSES, f"{search}, expected at most {PROMISED_PASSES} passes"


if __name__ == "__main__":
    main()
