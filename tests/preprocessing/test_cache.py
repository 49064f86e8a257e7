import contextlib
import os
import shutil
import signal
import socket
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
from sk_emotion.preprocessing import FaceLoader, _cache
from sk_emotion.preprocessing._cache import FaceCache
from sk_emotion.preprocessing._faces import find_face_shape, list_cache_parameters
from sk_emotion.utils._files import lock_file


class LogCalls:
    """Detector that finds no face and writes a line to a file for each image, to count calls across processes."""

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


@contextlib.contextmanager
def limit_seconds(seconds):
    """Interrupt blocking calls by a signal."""

    def stop(number, frame):
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def flatten(faces):
    return faces.reshape(len(faces), -1) / 255


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_search_decodes_each_photo_once(photos, tmp_path, n_jobs):
    paths, labels = photos
    detector = LogCalls(str(tmp_path / "log"), seconds=0.002)
    loader = FaceLoader(image_size=24, cache=tmp_path / "cache", detector=detector, n_jobs=n_jobs)
    pipeline = make_pipeline(loader, FunctionTransformer(flatten), LogisticRegression(max_iter=1000))
    grid = {"logisticregression__C": [0.001, 0.01, 0.1]}
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
    detector = LogCalls(str(tmp_path / "log"), seconds=0.02)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_cache import FaceLoader, LogCalls; "
        "FaceLoader(cache=sys.argv[2], detector=LogCalls(sys.argv[3], 0.02)).fit_transform(sys.argv[4:])"
    )
    folder, cache = str(Path(__file__).parent), str(tmp_path / "cache")
    with subprocess.Popen([sys.executable, "-c", code, folder, cache, detector.log, *paths]) as process:
        while detector.count() < 5:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    whole = [entry for entry in Path(cache).rglob("*.face") if entry.stat().st_size]
    # As after a kill during writing.
    whole[0].write_bytes(whole[0].read_bytes()[:1000])
    before = detector.count()
    faces = FaceLoader(cache=cache, detector=detector).fit_transform(paths)
    np.testing.assert_array_equal(faces, FaceLoader().fit_transform(paths))
    assert detector.count() - before == 60 - (len(whole) - 1)


def test_hanging_worker_is_not_awaited_forever(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("sk_emotion.preprocessing._cache._PATIENCE", 0.1)
    loader = FaceLoader(cache=tmp_path / "cache").fit(photos[0])
    expected = loader.transform(photos[0][:1])
    (entry,) = (tmp_path / "cache").rglob("*.face")
    with entry.open("r+b", buffering=0) as file:
        file.truncate(10)
        assert lock_file(file, 0.0)
        np.testing.assert_array_equal(loader.transform(photos[0][:1]), expected)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:9] + b"\x07" + data[10:], bytes.upper])
def test_incomplete_entry_is_replaced(photos, tmp_path, damage):
    loader = FaceLoader(cache=tmp_path / "cache").fit(photos[0])
    expected = loader.transform(photos[0])
    entries = {entry: entry.read_bytes() for entry in (tmp_path / "cache").rglob("*.face")}
    for entry, data in entries.items():
        entry.write_bytes(damage(data))
    np.testing.assert_array_equal(loader.transform(photos[0]), expected)
    assert {entry: entry.read_bytes() for entry in entries} == entries


def link_to(target):
    return lambda entry, others: entry.symlink_to(target)


def make_socket(entry, others):
    # The path of a socket must be short.
    with socket.socket(socket.AF_UNIX) as opened, contextlib.chdir(entry.parent):
        opened.bind(entry.name)


IN_PLACE_OF_AN_ENTRY = {
    "a link to another face": lambda entry, others: entry.symlink_to(others[1]),
    "another face": lambda entry, others: shutil.copy(others[1], entry),
    "another name of another face": lambda entry, others: os.link(others[1], entry),
    "a link to nothing": lambda entry, others: entry.symlink_to(entry.parent / "nothing"),
    "a link to itself": lambda entry, others: entry.symlink_to(entry),
    "a link to a pipe": lambda entry, others: [os.mkfifo(entry.parent / "pipe"), entry.symlink_to("pipe")],
    "a link to endless zeros": link_to("/dev/zero"),
    "a link to a terminal": link_to("/dev/tty"),
    "a pipe": lambda entry, others: os.mkfifo(entry),
    "a socket": make_socket,
    "an empty folder": lambda entry, others: entry.mkdir(),
    "a folder": lambda entry, others: [entry.mkdir(), (entry / "file").touch()],
    "a hole of a terabyte": lambda entry, others: [entry.touch(), os.truncate(entry, 2**40)],
    "an entry with more behind it": lambda entry, others: entry.write_bytes(others[0].read_bytes() + b"\0"),
    "a link in the place of its folder": lambda entry, others: [
        entry.parent.rename(entry.parents[1] / "away"),
        entry.parent.symlink_to(entry.parents[1] / "away"),
    ],
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
@pytest.mark.parametrize("place", IN_PLACE_OF_AN_ENTRY.values(), ids=IN_PLACE_OF_AN_ENTRY)
@pytest.mark.filterwarnings("ignore::sk_emotion.exceptions.DatasetWarning")
def test_links_and_pipes_in_place_of_entries_are_never_followed_or_awaited(photos, tmp_path, place):
    paths = photos[0][:3]
    expected = FaceLoader().fit_transform(paths)
    loader = FaceLoader(cache=tmp_path / "cache", n_jobs=1).fit(paths)
    cache = FaceCache(loader.cache, find_face_shape(loader), (*list_cache_parameters(loader), "largest"))
    loader.transform(paths)
    entry, *others = (Path(cache._locate(path)) for path in paths)
    (tmp_path / "whole").write_bytes(entry.read_bytes())
    before = [other.read_bytes() for other in others]
    entry.unlink()
    place(entry, [tmp_path / "whole", others[0]])
    for _ in range(2):
        with limit_seconds(20):
            np.testing.assert_array_equal(loader.transform(paths), expected)
    assert [other.read_bytes() for other in others] == before
    assert not (entry.parent / "nothing").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets links be made by few")
def test_link_in_the_place_of_an_entry_leaves_what_it_leads_to(photos, tmp_path):
    (tmp_path / "diary").write_text("dear diary")
    loader = FaceLoader(cache=tmp_path / "cache").fit(photos[0])
    expected = loader.transform(photos[0][:1])
    (entry,) = (tmp_path / "cache").rglob("*.face")
    whole = entry.read_bytes()
    for link in (os.symlink, os.link):
        entry.unlink()
        link(tmp_path / "diary", entry)
        np.testing.assert_array_equal(loader.transform(photos[0][:1]), expected)
        assert (tmp_path / "diary").read_text() == "dear diary"
        # The next call finds a complete entry.
        assert not entry.is_symlink() and entry.read_bytes() == whole


def test_hanging_workers_are_awaited_once(photos, tmp_path, monkeypatch):
    assert _cache._PATIENCE <= 10
    monkeypatch.setattr(_cache, "_PATIENCE", 0.3)
    waited = []

    def lock_for(file, seconds):
        start = time.monotonic()
        locked = lock_file(file, seconds)
        waited.append(0.0 if locked else time.monotonic() - start)
        return locked

    monkeypatch.setattr(_cache, "lock_file", lock_for)
    loader = FaceLoader(cache=tmp_path / "cache", n_jobs=1).fit(photos[0])
    expected = loader.transform(photos[0][:8])
    with contextlib.ExitStack() as stack:
        for entry in (tmp_path / "cache").rglob("*.face"):
            file = stack.enter_context(entry.open("r+b", buffering=0))
            file.truncate(10)
            assert lock_file(file, 0.0)
        np.testing.assert_array_equal(loader.transform(photos[0][:8]), expected)
    assert sum(seconds >= 0.3 for seconds in waited) == 1


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder.write_bytes(b"no folder"), "it is not a folder"),
        (lambda folder: folder.symlink_to(folder.parent / "nothing"), "it is a broken link"),
        (lambda folder: folder.symlink_to(folder), "it is a broken link"),
        (lambda folder: f"{folder}\0", "null"),
        (lambda folder: "", "its name is empty"),
        (lambda folder: "x" * 5000, "File name too long"),
        (lambda folder: "/proc/faces", "No such file"),
    ],
)
@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="other systems say it in other words")
def test_invalid_folder_disables_the_cache_and_the_reason_is_named(photos, tmp_path, make, reason):
    folder = make(tmp_path / "cache")
    folder = folder if isinstance(folder, str) else tmp_path / "cache"
    with pytest.warns(DatasetWarning, match=f"cannot be written .*{reason}") as record:
        faces = FaceLoader(cache=folder, n_jobs=1).fit_transform(photos[0][:3])
    assert len(record) == 1
    np.testing.assert_array_equal(faces, FaceLoader().fit_transform(photos[0][:3]))


def test_folder_that_cannot_be_created_disables_the_cache_and_warns_once(photos, tmp_path):
    (tmp_path / "file").write_bytes(b"no folder")
    with pytest.warns(DatasetWarning, match=r"cache='.*' cannot be written .*Free some space, or pass") as record:
        faces = FaceLoader(cache=tmp_path / "file", n_jobs=1).fit_transform(photos[0])
    assert len(record) == 1
    np.testing.assert_array_equal(faces, FaceLoader().fit_transform(photos[0]))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_full_disk_disables_the_cache_and_warns(photos, tmp_path):
    code = (
        "import sys, resource; from sk_emotion import FaceLoader; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "print(FaceLoader(cache=sys.argv[1]).fit_transform(sys.argv[2:]).shape)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cache"), *photos[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(60, 48, 48)"
    assert "cannot be written" in done.stderr
    assert not [entry for entry in (tmp_path / "cache").rglob("*") if entry.is_file()]
    assert FaceLoader(cache=tmp_path / "cache").fit_transform(photos[0]).shape == (60, 48, 48)


def test_detector_of_a_script_is_cached_in_worker_processes(photos, tmp_path):
    code = """
import sys
import joblib
from sk_emotion import FaceLoader

class Nothing:
    def __init__(self, number):
        self.number = number

    def __call__(self, image):
        return None

def load(number):
    loader = FaceLoader(24, detector=Nothing(number), cache=sys.argv[1])
    return loader.fit_transform(sys.argv[2:]).shape

print(joblib.Parallel(n_jobs=2)(joblib.delayed(load)(number) for number in (1, 2)))
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    paths = photos[0][:3]
    done = subprocess.run(
        [sys.executable, script, tmp_path / "cache", *paths], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[(3, 24, 24), (3, 24, 24)]\n"
    # Detectors with other attributes do not share entries.
    assert len(list((tmp_path / "cache").rglob("*.face"))) == 6
