import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sk_emotion import make_faces
from sk_emotion.exceptions import DatasetWarning
from sk_emotion.preprocessing import FaceLoader
from sk_emotion.utils._file_lock import lock_file


class LogCalls:
    """A detector that sees no face and writes a line to a file for each picture, so that processes can be counted."""

    def __init__(self, log, seconds=0.0):
        self.log = log
        self.seconds = seconds

    def __call__(self, picture):
        with open(self.log, "a") as file:
            file.write("decoded\n")
        time.sleep(self.seconds)

    def count(self):
        return Path(self.log).read_text().count("decoded") if Path(self.log).exists() else 0


@pytest.fixture
def photos(tmp_path):
    """Sixty PNG files of faces, and their labels."""
    images, labels, _ = make_faces(60, random_state=0)
    paths = [str(tmp_path / f"{index}.png") for index in range(60)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths, labels


def flatten(faces):
    return faces.reshape(len(faces), -1) / 255


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_search_decodes_each_photo_once(photos, tmp_path, n_jobs):
    paths, labels = photos
    detector = LogCalls(str(tmp_path / "log"), seconds=0.002)
    loader = FaceLoader(image_size=24, cache=tmp_path / "cache", detector=detector, n_jobs=n_jobs)
    pipeline = make_pipeline(loader, FunctionTransformer(flatten), LogisticRegression(max_iter=1000))
    grid = {"logisticregression__C": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]}
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs, error_score="raise").fit(paths, labels)
    assert detector.count() == 60
    expected = FaceLoader(image_size=24).fit_transform(paths)
    np.testing.assert_array_equal(search.best_estimator_[0].transform(paths), expected)


def test_processes_that_walk_in_step_share_the_work(photos, tmp_path):
    paths, _ = photos
    detector = LogCalls(str(tmp_path / "log"), seconds=0.01)
    loader = FaceLoader(cache=tmp_path / "cache", detector=detector).fit(paths)
    both = joblib.Parallel(n_jobs=2)(joblib.delayed(loader.transform)(paths) for _ in range(2))
    assert detector.count() == 60
    np.testing.assert_array_equal(both[0], both[1])


def test_threads_make_a_photo_that_is_named_twice_once(photos, tmp_path):
    detector = LogCalls(str(tmp_path / "log"), seconds=0.01)
    FaceLoader(cache=tmp_path / "cache", detector=detector, n_jobs=4).fit_transform(photos[0][:3] * 8)
    assert detector.count() == 3


def test_next_process_goes_on_after_a_kill(photos, tmp_path):
    paths, _ = photos
    detector = LogCalls(str(tmp_path / "log"), seconds=0.05)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_cache import FaceLoader, LogCalls; "
        "FaceLoader(cache=sys.argv[2], detector=LogCalls(sys.argv[3], 0.05)).fit_transform(sys.argv[4:])"
    )
    folder, cache = str(Path(__file__).parent), str(tmp_path / "cache")
    with subprocess.Popen([sys.executable, "-c", code, folder, cache, detector.log, *paths]) as process:
        while detector.count() < 5:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    whole = [entry for entry in Path(cache).rglob("*.face") if entry.stat().st_size]
    # As a kill in the middle of writing, too.
    whole[0].write_bytes(whole[0].read_bytes()[:1000])
    before = detector.count()
    faces = FaceLoader(cache=cache, detector=detector).fit_transform(paths)
    np.testing.assert_array_equal(faces, FaceLoader().fit_transform(paths))
    assert detector.count() - before == 60 - (len(whole) - 1)


def test_worker_that_hangs_is_not_waited_for_for_ever(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("sk_emotion.preprocessing._cache._PATIENCE", 0.1)
    loader = FaceLoader(cache=tmp_path / "cache").fit(photos[0])
    expected = loader.transform(photos[0][:1])
    (entry,) = (tmp_path / "cache").rglob("*.face")
    with entry.open("r+b", buffering=0) as file:
        file.truncate(10)
        assert lock_file(file, 0.0)
        np.testing.assert_array_equal(loader.transform(photos[0][:1]), expected)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:9] + b"\x07" + data[10:], bytes.upper])
def test_entry_that_is_not_whole_is_made_again(photos, tmp_path, damage):
    loader = FaceLoader(cache=tmp_path / "cache").fit(photos[0])
    expected = loader.transform(photos[0])
    entries = {entry: entry.read_bytes() for entry in (tmp_path / "cache").rglob("*.face")}
    for entry, data in entries.items():
        entry.write_bytes(damage(data))
    np.testing.assert_array_equal(loader.transform(photos[0]), expected)
    assert {entry: entry.read_bytes() for entry in entries} == entries


def test_folder_that_cannot_be_made_costs_the_cache_and_warns_once(photos, tmp_path):
    (tmp_path / "file").write_bytes(b"no folder")
    with pytest.warns(DatasetWarning, match=r"cache='.*' cannot be written .*Make room in it, or pass") as record:
        faces = FaceLoader(cache=tmp_path / "file", n_jobs=1).fit_transform(photos[0])
    assert len(record) == 1
    np.testing.assert_array_equal(faces, FaceLoader().fit_transform(photos[0]))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_full_disk_costs_the_cache_and_warns(photos, tmp_path):
    code = (
        "import sys, resource; from sk_emotion import FaceLoader; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "print(FaceLoader(cache=sys.argv[1]).fit_transform(sys.argv[2:]).shape)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cache"), *photos[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(60, 48, 48)"
    assert "cannot be written" in done.stderr
    assert FaceLoader(cache=tmp_path / "cache").fit_transform(photos[0]).shape == (60, 48, 48)
