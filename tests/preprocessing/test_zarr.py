import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sk_emotion import FaceLoader, make_faces
from sk_emotion.exceptions import DatasetError, DatasetWarning, FaceNotFoundError, ImageArrayError, ImageReadError
from sk_emotion.preprocessing import _zarr
from sk_emotion.preprocessing._faces import load_face

zarr = pytest.importorskip("zarr")


@pytest.fixture
def paths(tmp_path, monkeypatch):
    """Twenty photos, eight per chunk."""
    monkeypatch.setattr(_zarr, "_CHUNK_BYTES", 8 * 24 * 24)
    monkeypatch.setattr(_zarr, "load_face", count_and_load)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, face in enumerate(make_faces(20, emotions=["happiness", "pain"], image_size=32, random_state=0)[0]):
        Image.fromarray(face).save(folder / f"{number:02}.png")
    return sorted(folder.iterdir())


class CountingLoader(FaceLoader):
    """Loader that counts decoded images, and may fail at one of them."""

    made = 0
    fails_at = None


def count_and_load(source, loader, **options):
    if isinstance(loader, CountingLoader):
        if loader.made == loader.fails_at:
            raise KeyboardInterrupt
        loader.made += 1
    return load_face(source, loader, **options)


def test_array_holds_the_faces_of_transform(paths, tmp_path):
    X = FaceLoader(24).to_zarr(paths, tmp_path / "faces.zarr")
    assert (X.shape, X.chunks, X.dtype) == ((20, 24, 24), (8, 24, 24), np.uint8)
    np.testing.assert_array_equal(X[:], FaceLoader(24).fit_transform(paths))
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "faces.zarr/images")[:], X[:])


def test_threads_and_color_give_the_faces_of_transform(paths, tmp_path):
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
from sk_emotion.preprocessing import _zarr
from sk_emotion.preprocessing._faces import load_face
_zarr._CHUNK_BYTES = 8 * 24 * 24
def load_or_die(source, **options):
    if source.name == {paths[12].name!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return load_face(source, **options)
_zarr.load_face = load_or_die
FaceLoader(24, n_jobs=1).to_zarr(
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


def test_bad_image_raises_that_names_it(paths, tmp_path):
    paths[10].write_bytes(b"none")
    with pytest.raises(ImageReadError, match=r"10\.png' is not an image.*on_error"):
        FaceLoader(24).to_zarr(paths, tmp_path / "faces.zarr")
    # Earlier faces are not computed again.
    loader = CountingLoader(24, on_error="blank")
    with pytest.warns(DatasetWarning, match="1 of 20 images"):
        X = loader.to_zarr(paths, tmp_path / "faces.zarr")
    assert loader.made <= 12
    assert not X[10].any() and X[9].any()
    assert list(zarr.open_group(tmp_path / "faces.zarr").attrs["unread"]) == ["10"]


def test_unreadable_images_are_reported_again_when_nothing_is_left_to_do(paths, tmp_path):
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
        FaceLoader(24, detector=find_bright).to_zarr(pictures, tmp_path / "faces.zarr")
        status = zarr.open_array(tmp_path / "faces.zarr/status")[:]
        np.testing.assert_array_equal(status, np.where(np.arange(20) % 3 > 0, 1, 2))
    with pytest.raises(FaceNotFoundError, match="image 0, image 3"):
        FaceLoader(24, detector=find_bright, on_missing="raise").to_zarr(pictures, tmp_path / "faces.zarr")


@pytest.mark.parametrize(
    ("changed", "what"), [({"image_size": 16}, "image_size"), ({"margin": 0.5}, "margin"), ({"color": True}, "color")]
)
def test_other_parameters_need_another_store(paths, tmp_path, changed, what):
    FaceLoader(24).to_zarr(paths, tmp_path / "faces.zarr")
    with pytest.raises(DatasetError, match=what):
        FaceLoader(**{"image_size": 24, **changed}).to_zarr(paths, tmp_path / "faces.zarr")


def test_other_images_need_another_store(paths, tmp_path):
    FaceLoader(24).to_zarr(paths, tmp_path / "faces.zarr")
    with pytest.raises(DatasetError, match="other pictures"):
        FaceLoader(24).to_zarr(paths[1:], tmp_path / "faces.zarr")


def test_what_is_there_is_not_overwritten(paths, tmp_path):
    zarr.create_array(tmp_path / "mine.zarr", shape=(3,), dtype="uint8")
    with pytest.raises(DatasetError, match=r"mine\.zarr cannot be opened"):
        FaceLoader(24).to_zarr(paths, tmp_path / "mine.zarr")
    zarr.create_array(tmp_path / "group.zarr/mine", shape=(3,), dtype="uint8")
    with pytest.raises(DatasetError, match="was not written by to_zarr"):
        FaceLoader(24).to_zarr(paths, tmp_path / "group.zarr")


def test_numeric_array_raises(tmp_path):
    with pytest.raises(ImageArrayError, match="X is numeric"):
        FaceLoader(24).to_zarr(np.zeros((3, 24, 24)), tmp_path / "faces.zarr")


def test_file_objects_are_the_same_images_wherever_they_stand(paths, tmp_path):
    files = [io.BytesIO(path.read_bytes()) for path in paths[:3]]
    loader = CountingLoader(24)
    X = loader.to_zarr(files, tmp_path / "faces.zarr")
    np.testing.assert_array_equal(X[:], FaceLoader(24).fit_transform(paths[:3]))
    files[1].seek(5)
    loader.to_zarr((file for file in files), tmp_path / "faces.zarr")
    assert loader.made == 3
    with pytest.raises(DatasetError, match="with other pictures"):
        loader.to_zarr([*files[:2], io.BytesIO(b"")], tmp_path / "faces.zarr")


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_frames_in_another_order_of_channels_are_other_images(tmp_path, order):
    frames = list(np.random.default_rng(0).integers(0, 256, (3, 30, 30, 3), dtype=np.uint8))
    other = {"rgb": "bgr", "bgr": "rgb"}[order]
    X = FaceLoader(24, color=True, channel_order=order).to_zarr(frames, tmp_path / "faces.zarr")
    expected = FaceLoader(24, color=True, channel_order=order).fit_transform(frames)
    np.testing.assert_array_equal(X[:], expected)
    with pytest.raises(DatasetError, match="with other pictures"):
        FaceLoader(24, color=True, channel_order=other).to_zarr(frames, tmp_path / "faces.zarr")


def test_order_of_channels_changes_no_files(paths, tmp_path):
    loader = CountingLoader(24)
    loader.to_zarr(paths, tmp_path / "faces.zarr")
    loader.set_params(channel_order="bgr").to_zarr(paths, tmp_path / "faces.zarr")
    assert loader.made == len(paths)


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def forge_attribute(value):
    return lambda store: change_json(store / "zarr.json", lambda group: group.update(attributes={"sk_emotion": value}))


def forge_unread(value):
    return lambda store: change_json(store / "zarr.json", lambda group: group["attributes"].update(unread=value))


def forge_array(name, **values):
    return lambda store: change_json(store / name / "zarr.json", lambda array: array.update(values))


def replace_array(name, **options):
    def replace(store):
        shutil.rmtree(store / name)
        zarr.create_array(store / name, **{"shape": (20,), "chunks": (8,), "dtype": "uint8", **options})

    return replace


def forge_pickle(store):
    """Write a store in Zarr format 2, whose chunks are unpickled."""
    identity = json.loads((store / "zarr.json").read_text())["attributes"]
    shutil.rmtree(store)
    about = {"zarr_format": 2, "shape": [20], "chunks": [20], "fill_value": 0, "order": "C", "compressor": None}
    faces = {"shape": [20, 24, 24], "chunks": [8, 24, 24], "dtype": "|u1", "filters": None}
    files = {".zgroup": {"zarr_format": 2}, ".zattrs": identity, "images/.zarray": {**about, **faces}}
    files["status/.zarray"] = {**about, "dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}]}
    for name, content in files.items():
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text(json.dumps(content))
    (store / "status/0").write_bytes(pickle.dumps(Trap()))


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def damage(path, content):
    return lambda store: (store / path).write_bytes(content)


def lead_away(path, target):
    def replace(store):
        shutil.rmtree(store / path) if (store / path).is_dir() else (store / path).unlink()
        (store / path).symlink_to(store.parent / target)

    return replace


def make_pipe(path):
    def replace(store):
        (store / path).unlink()
        os.mkfifo(store / path)

    return replace


NOT_OURS = {
    "identity is a list": forge_attribute(["faces"]),
    "identity is a word": forge_attribute("faces"),
    "identity of others": forge_attribute({"pictures": "0" * 64, "image_size": [24, 24], "color": False}),
    "unread is a list": forge_unread([3]),
    "unread has no numbers": forge_unread({"three": "is damaged"}),
    "group is no JSON": damage("zarr.json", b"{"),
    "array is no JSON": damage("images/zarr.json", b"no"),
    "array is a list": damage("status/zarr.json", b"[]"),
    "images of another shape": forge_array("images", shape=[20, 24, 25]),
    "images of floats": forge_array("images", data_type="float32"),
    "status of another length": replace_array("status", shape=(19,)),
    "status is compressed": replace_array("status", compressors="auto"),
    "status of other chunks": replace_array("status", chunks=(7,)),
    "status of other values": damage("status/c/0", bytes([9] * 8)),
    "status is cut off": damage("status/c/1", b"\1"),
    "status is unpickled": forge_pickle,
    "a link to other faces": lead_away("images/c/1/0/0", "faces.zarr/images/c/0/0/0"),
    "a link to endless zeros": lead_away("images/c/1/0/0", "/dev/zero"),
    "a link to nothing": lead_away("status/c/0", "nothing"),
    "a link to an array": lead_away("images", "away"),
    "a link in the place of the identity": lead_away("zarr.json", "/dev/zero"),
    "a pipe": make_pipe("images/c/0/0/0"),
    "a pipe in the place of the identity": make_pipe("zarr.json"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
@pytest.mark.parametrize("forge", NOT_OURS.values(), ids=NOT_OURS)
def test_forged_or_damaged_store_raises(paths, tmp_path, forge):
    store = tmp_path / "faces.zarr"
    paths[3].write_bytes(b"none")
    with pytest.warns(DatasetWarning, match="cannot be read"):
        FaceLoader(24, on_error="blank").to_zarr(paths, store)
    forge(store)
    with pytest.raises(DatasetError, match=r"(Delete the store|[Cc]hoose another)"):
        FaceLoader(24, on_error="blank").to_zarr(paths, store)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:100]), Path.touch])
@pytest.mark.parametrize("chunk", [0, 2])
def test_chunk_that_is_not_whole_is_replaced(paths, tmp_path, damage, chunk):
    expected = FaceLoader(24).to_zarr(paths, tmp_path / "faces.zarr")[:]
    path = tmp_path / f"faces.zarr/images/c/{chunk}/0/0"
    damage(path)
    loader = CountingLoader(24)
    np.testing.assert_array_equal(loader.to_zarr(paths, tmp_path / "faces.zarr")[:], expected)
    whole = damage is Path.touch
    assert loader.made == (0 if whole else 8 if chunk == 0 else 4)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_full_disk_raises_after_which_the_rest_is_made(paths, tmp_path):
    code = """
import resource, sys
from sk_emotion import FaceLoader
from sk_emotion.exceptions import DatasetError
from sk_emotion.preprocessing import _zarr
from sk_emotion.preprocessing._faces import load_face
_zarr._CHUNK_BYTES = 8 * 24 * 24
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    FaceLoader(24).to_zarr(sys.argv[2:], sys.argv[1])
except DatasetError as error:
    print(error)
"""
    store = tmp_path / "faces.zarr"
    done = subprocess.run([sys.executable, "-c", code, store, *paths], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout and "Free some space" in done.stdout
    assert not [path for path in store.rglob("*") if path.is_file() and path.name != "zarr.json"]
    np.testing.assert_array_equal(FaceLoader(24).to_zarr(paths, store)[:], FaceLoader(24).fit_transform(paths))
