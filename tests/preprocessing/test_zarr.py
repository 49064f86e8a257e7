import io
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sk_emotion import FaceLoader, make_faces
from sk_emotion.exceptions import DatasetError, DatasetWarning, FaceNotFoundError, ImageArrayError, ImageReadError
from sk_emotion.preprocessing import _store

zarr = pytest.importorskip("zarr")


@pytest.fixture
def paths(tmp_path, monkeypatch):
    """Twenty photos, of which eight stand in a chunk."""
    monkeypatch.setattr(_store, "_CHUNK_BYTES", 8 * 24 * 24)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, face in enumerate(make_faces(20, emotions=["happiness", "pain"], image_size=32, random_state=0)[0]):
        Image.fromarray(face).save(folder / f"{number:02}.png")
    return sorted(folder.iterdir())


class CountingLoader(FaceLoader):
    """Counts the pictures that it decodes, and may fail at one of them."""

    made = 0
    fails_at = None

    def _make_face(self, source):
        if self.made == self.fails_at:
            raise KeyboardInterrupt
        self.made += 1
        return super()._make_face(source)


def test_array_holds_the_faces_of_transform(paths, tmp_path):
    X = FaceLoader(24).to_zarr(paths, tmp_path / "faces.zarr")
    assert (X.shape, X.chunks, X.dtype) == ((20, 24, 24), (8, 24, 24), np.uint8)
    np.testing.assert_array_equal(X[:], FaceLoader(24).fit_transform(paths))
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "faces.zarr/images")[:], X[:])


def test_threads_and_colour_give_the_faces_of_transform(paths, tmp_path):
    X = FaceLoader(24, color=True, n_jobs=2).to_zarr(paths, tmp_path / "faces.zarr")
    np.testing.assert_array_equal(X[:], FaceLoader(24, color=True).fit_transform(paths))


def test_array_is_written_once(paths, tmp_path):
    for _ in range(2):
        loader = CountingLoader(24)
        X = loader.to_zarr(paths, tmp_path / "faces.zarr")
    assert loader.made == 0
    np.testing.assert_array_equal(X[:], FaceLoader(24).fit_transform(paths))


def test_interrupted_run_goes_on(paths, tmp_path):
    loader = CountingLoader(24, n_jobs=1)
    loader.fails_at = 13
    with pytest.raises(KeyboardInterrupt):
        loader.to_zarr(paths, tmp_path / "faces.zarr")
    again = CountingLoader(24)
    X = again.to_zarr(paths, tmp_path / "faces.zarr")
    assert again.made == 12
    np.testing.assert_array_equal(X[:], FaceLoader(24).fit_transform(paths))


def test_killed_run_goes_on(paths, tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from sk_emotion import FaceLoader
from sk_emotion.preprocessing import _store
_store._CHUNK_BYTES = 8 * 24 * 24
class KilledAtTheTwelfth(FaceLoader):
    def _make_face(self, source):
        if source.name == {paths[12].name!r}:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._make_face(source)
KilledAtTheTwelfth(24, n_jobs=1).to_zarr(
    sorted(Path({str(paths[0].parent)!r}).iterdir()), {str(tmp_path / "faces.zarr")!r}
)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert (tmp_path / "faces.zarr/status/c/0").exists()
    assert not (tmp_path / "faces.zarr/status/c/1").exists()
    loader = CountingLoader(24)
    X = loader.to_zarr(paths, tmp_path / "faces.zarr")
    assert loader.made == 12
    np.testing.assert_array_equal(X[:], FaceLoader(24).fit_transform(paths))


def test_bad_picture_is_an_error_that_names_it(paths, tmp_path):
    paths[10].write_bytes(b"none")
    with pytest.raises(ImageReadError, match=r"10\.png' is not a picture.*on_error"):
        FaceLoader(24).to_zarr(paths, tmp_path / "faces.zarr")
    # What was there before it need not be made again.
    loader = CountingLoader(24, on_error="blank")
    with pytest.warns(DatasetWarning, match="1 of 20 pictures"):
        X = loader.to_zarr(paths, tmp_path / "faces.zarr")
    assert loader.made <= 12
    assert not X[10].any() and X[9].any() and list(loader.unread_) == [10]


def test_bad_pictures_are_told_of_again_when_nothing_is_left_to_do(paths, tmp_path):
    paths[3].unlink()
    loader = FaceLoader(24, on_error="blank")
    for _ in range(2):
        with pytest.warns(DatasetWarning, match=r"03\.png' does not exist"):
            X = loader.to_zarr(paths, tmp_path / "faces.zarr")
    assert zarr.open_array(tmp_path / "faces.zarr/status")[3] == 3 and not X[3].any()
    with pytest.raises(ImageReadError, match="does not exist"):
        FaceLoader(24).to_zarr(paths, tmp_path / "faces.zarr")


def find_bright(picture):
    return [(0, 0, 20, 20)] if picture[0, 0, 0] > 200 else []


def test_faces_found_are_remembered(paths, tmp_path):
    pictures = [np.full((30, 30, 3), 250 if index % 3 else 10, dtype=np.uint8) for index in range(20)]
    for _ in range(2):
        loader = FaceLoader(24, detector=find_bright)
        loader.to_zarr(pictures, tmp_path / "faces.zarr")
        np.testing.assert_array_equal(loader.face_found_, np.arange(20) % 3 > 0)
    with pytest.raises(FaceNotFoundError, match="picture 0, picture 3"):
        FaceLoader(24, detector=find_bright, on_missing="raise").to_zarr(pictures, tmp_path / "faces.zarr")


@pytest.mark.parametrize(
    ("changed", "what"), [({"image_size": 16}, "image_size"), ({"margin": 0.5}, "margin"), ({"color": True}, "color")]
)
def test_other_parameters_need_another_store(paths, tmp_path, changed, what):
    FaceLoader(24).to_zarr(paths, tmp_path / "faces.zarr")
    with pytest.raises(DatasetError, match=what):
        FaceLoader(**{"image_size": 24, **changed}).to_zarr(paths, tmp_path / "faces.zarr")


def test_other_pictures_need_another_store(paths, tmp_path):
    FaceLoader(24).to_zarr(paths, tmp_path / "faces.zarr")
    with pytest.raises(DatasetError, match="other pictures"):
        FaceLoader(24).to_zarr(paths[1:], tmp_path / "faces.zarr")


def test_what_is_there_is_not_overwritten(paths, tmp_path):
    zarr.create_array(tmp_path / "mine.zarr", shape=(3,), dtype="uint8")
    with pytest.raises(DatasetError, match=r"mine\.zarr cannot be opened"):
        FaceLoader(24).to_zarr(paths, tmp_path / "mine.zarr")
    zarr.create_array(tmp_path / "group.zarr/mine", shape=(3,), dtype="uint8")
    with pytest.raises(DatasetError, match="none of to_zarr"):
        FaceLoader(24).to_zarr(paths, tmp_path / "group.zarr")


def test_numbers_are_no_pictures(tmp_path):
    with pytest.raises(ImageArrayError, match="X holds numbers"):
        FaceLoader(24).to_zarr(np.zeros((3, 24, 24)), tmp_path / "faces.zarr")


def test_file_objects_are_the_same_pictures_wherever_they_stand(paths, tmp_path):
    files = [io.BytesIO(path.read_bytes()) for path in paths[:3]]
    loader = CountingLoader(24)
    X = loader.to_zarr(files, tmp_path / "faces.zarr")
    np.testing.assert_array_equal(X[:], FaceLoader(24).fit_transform(paths[:3]))
    files[1].seek(5)
    loader.to_zarr((file for file in files), tmp_path / "faces.zarr")
    assert loader.made == 3
    with pytest.raises(DatasetError, match="faces of other pictures"):
        loader.to_zarr([*files[:2], io.BytesIO(b"")], tmp_path / "faces.zarr")


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_frames_in_another_order_of_channels_are_other_pictures(tmp_path, order):
    frames = list(np.random.default_rng(0).integers(0, 256, (3, 30, 30, 3), dtype=np.uint8))
    other = {"rgb": "bgr", "bgr": "rgb"}[order]
    X = FaceLoader(24, color=True, channel_order=order).to_zarr(frames, tmp_path / "faces.zarr")
    expected = FaceLoader(24, color=True, channel_order=order).fit_transform(frames)
    np.testing.assert_array_equal(X[:], expected)
    with pytest.raises(DatasetError, match="faces of other pictures"):
        FaceLoader(24, color=True, channel_order=other).to_zarr(frames, tmp_path / "faces.zarr")


def test_order_of_channels_changes_no_files(paths, tmp_path):
    loader = CountingLoader(24)
    loader.to_zarr(paths, tmp_path / "faces.zarr")
    loader.set_params(channel_order="bgr").to_zarr(paths, tmp_path / "faces.zarr")
    assert loader.made == len(paths)
