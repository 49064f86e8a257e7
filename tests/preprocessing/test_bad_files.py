"""Special files, unusual file names, and limits on reading."""

import contextlib
import io
import multiprocessing.dummy  # noqa: F401 - a user without rights may not read where Python lies
import os
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sk_emotion import FaceLoader, find_duplicates, load_face_folder, load_face_table, load_fer2013, load_model
from sk_emotion.exceptions import (
    DatasetError,
    DatasetNotFoundError,
    DatasetWarning,
    ImageReadError,
    ModelNotFoundError,
)
from sk_emotion.preprocessing._decode import decode_picture

needs_posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes and devices among files")


def encode(picture, format, **options):
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


PNG = encode(Image.linear_gradient("L").resize((40, 30)), "PNG")


@contextlib.contextmanager
def unprivileged():
    """Drop root's privileges, which override file permissions."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def make_folder(path):
    path.mkdir()


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server, contextlib.chdir(path.parent):
        # The path of a socket must be short.
        server.bind(path.name)


def make_loop(path):
    path.symlink_to(path)


def make_dangling(path):
    path.symlink_to(path.with_name("gone"))


def make_link_to(target):
    return lambda path: path.symlink_to(target)


def make_nothing(path):
    pass


def make_empty(path):
    path.touch()


def make_unreadable(path):
    path.write_bytes(PNG)
    path.chmod(0)


IN_PLACE_OF_A_FILE = [
    ("a folder", make_folder, "is a folder, expected a file"),
    ("a pipe", make_pipe, "is a pipe, expected a file"),
    ("a socket", make_socket, "is a socket, expected a file"),
    ("a link to endless zeros", make_link_to("/dev/zero"), "is a device, expected a file"),
    ("a link to nothing at all", make_link_to("/dev/null"), "is a device, expected a file"),
    ("a link to itself", make_loop, "cannot be opened (OSError"),
    ("a link to what is gone", make_dangling, "does not exist"),
    ("nothing", make_nothing, "does not exist"),
    ("an empty file", make_empty, "is empty"),
    ("a file that may not be read", make_unreadable, "cannot be opened (PermissionError"),
]

ODD_NAMES = [
    "new\nline.png",
    "-rf.png",
    "--help",
    "smile \N{GRINNING FACE}.png",
    "Ångström å.png",
    "name in bytes \udcff\udcfe.png",
    "[0-9]*?.png",
    "%s {0} $HOME ~ `id` 'a' \"b\" \\.png",
    "  blanks  ",
    "no extension",
    "photo.txt",
    "a" * 250 + ".png",
]


@pytest.fixture
def folder():
    """Two class folders with a photo each, readable by others, unlike pytest's own folders."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for emotion in ("fear", "pain"):
            (folder / emotion).mkdir()
            (folder / emotion / "whole.png").write_bytes(PNG)
        yield folder


@needs_posix
@pytest.mark.parametrize(
    ("make", "words"), [row[1:] for row in IN_PLACE_OF_A_FILE], ids=[row[0] for row in IN_PLACE_OF_A_FILE]
)
def test_unreadable_files_raise_at_once(folder, make, words):
    path = folder / "pain" / "odd.jpg"
    make(path)
    with unprivileged():
        with pytest.raises(ImageReadError) as caught:
            FaceLoader(n_jobs=1).fit_transform([path])
        assert f"odd.jpg' {words}" in str(caught.value)
        with pytest.raises(ImageReadError) as caught:
            find_duplicates([folder / "pain/whole.png", path])
        assert f"odd.jpg' {words}" in str(caught.value)
        # A folder in a class folder contains more photos, or none.
        listed = os.path.lexists(path) and not path.is_dir()
        with pytest.warns(DatasetWarning, match=r"1 \('pain/odd\.jpg'\)") if listed else contextlib.nullcontext():
            assert len(load_face_folder(folder).data) == 2


@needs_posix
def test_pipe_beside_the_class_folders_is_skipped(folder):
    os.mkfifo(folder / "pipe.jpg")
    assert len(load_face_folder(folder).data) == 2


@needs_posix
@pytest.mark.parametrize("make", [make_pipe, make_link_to("/dev/zero")], ids=["pipe", "device"])
def test_table_is_read_from_a_file_alone_and_lists_files_alone(folder, make):
    make(folder / "odd")
    with pytest.raises(DatasetError, match="is not a regular file"):
        load_face_table(folder / "odd")
    (folder / "table.csv").write_text("image,label\nfear/whole.png,fear\nodd,pain\n")
    with pytest.raises(DatasetError, match=r"1 of 2 photos .* are not files: .*odd"):
        load_face_table(folder / "table.csv")


@needs_posix
def test_table_that_may_not_be_read_raises(folder):
    make_unreadable(folder / "table.csv")
    with unprivileged(), pytest.raises(DatasetError, match=r"cannot be read \(PermissionError"):
        load_face_table(folder / "table.csv")


@needs_posix
def test_folders_that_may_not_be_listed_are_named(folder):
    hidden = folder / "pain" / "others"
    hidden.mkdir(0)
    with unprivileged(), pytest.warns(DatasetWarning, match=r"Folders that cannot be read: 1 \('.*others'\)"):
        assert len(load_face_folder(folder).data) == 2
    folder.chmod(0)
    with unprivileged(), pytest.raises(DatasetError, match=r"cannot be listed \(PermissionError"):
        load_face_folder(folder)
    folder.chmod(0o755)


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000, "a\0b", "\ud800", f"{__file__}/below"], ids=range(5))
def test_name_that_no_file_can_have_raises(name, tmp_path):
    with pytest.raises(ImageReadError, match=r"(cannot be opened|does not exist)"):
        FaceLoader(n_jobs=1).fit_transform([name])
    with pytest.raises(DatasetNotFoundError, match="there is no folder"):
        load_face_folder(name)
    with pytest.raises(DatasetNotFoundError, match="there is no file"):
        load_face_table(name)
    with pytest.raises(DatasetNotFoundError, match="there is no"):
        load_fer2013(name)
    with pytest.raises(ModelNotFoundError, match="there is no file"):
        load_model(name)


@needs_posix
@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_unusual_names_are_valid(folder, name):
    (folder / "pain" / name).write_bytes(PNG)
    faces = load_face_folder(folder)
    assert len(faces.data) == 3
    assert str(folder / "pain" / name) in faces.data.tolist()
    assert FaceLoader(n_jobs=1, cache=folder / ".cache").fit_transform(faces.data).shape == (3, 48, 48)
    (folder / "pain" / name).write_bytes(b"no picture")
    with pytest.raises(ImageReadError) as caught:
        FaceLoader(n_jobs=1).fit_transform(faces.data)
    # The name can be printed on one line.
    assert len(str(caught.value).encode().splitlines()) == 1
    with pytest.warns(DatasetWarning) as caught:
        load_face_folder(folder)
    assert len(str(caught[0].message).encode().splitlines()) == 1


def test_file_that_vanishes_after_it_was_listed_costs_the_others_nothing(folder):
    faces = load_face_folder(folder, groups=None)

    def remove_next(picture):
        Path(faces.data[1]).unlink(missing_ok=True)

    with pytest.warns(DatasetWarning, match=r"1 of 2 images .*whole\.png' does not exist"):
        loaded = FaceLoader(detector=remove_next, on_error="blank", n_jobs=1).fit_transform(faces.data)
    assert loaded[0].any() and not loaded[1].any()


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="Linux alone has such files")
def test_file_is_read_no_further_than_it_was_checked():
    # It has content, but reports a size of 0.
    with pytest.raises(ImageReadError, match="is empty"):
        FaceLoader().fit_transform(["/proc/self/maps"])


def test_file_of_more_bytes_than_allowed_is_not_read(tmp_path):
    path = tmp_path / "long.png"
    path.write_bytes(PNG)
    for source in (path, PNG):
        assert FaceLoader(max_file_size=len(PNG)).fit_transform([source]).any()
        with pytest.raises(ImageReadError, match=rf"is too large \({len(PNG)} bytes, max_file_size={len(PNG) - 1}\)"):
            FaceLoader(max_file_size=len(PNG) - 1).fit_transform([source])
    # A sparse file of a terabyte takes no space, but reading it would exhaust memory.
    with open(path, "r+b") as file:
        file.truncate(2**40)
    with pytest.raises(ImageReadError, match=r"is too large \(1,099,511,627,776 bytes, max_file_size=100,000,000\)"):
        FaceLoader().fit_transform([path])
    with pytest.raises(ImageReadError, match=r"cannot be opened \(MemoryError"):
        FaceLoader(max_file_size=None).fit_transform([path])


def test_image_of_more_pixels_than_allowed_is_not_decoded(tmp_path):
    path = tmp_path / "wide.png"
    path.write_bytes(PNG)
    for source in (path, PNG, Image.open(path)):
        assert FaceLoader(max_pixels=1200).fit_transform([source]).any()
        with pytest.raises(ImageReadError, match=r"is too large \(40 x 30 pixels, max_pixels=1,199\)"):
            FaceLoader(max_pixels=1199).fit_transform([source])
    assert FaceLoader(max_pixels=1).fit_transform([np.zeros((40, 30), np.uint8)]).shape == (1, 48, 48)


@pytest.mark.parametrize("name", ["max_pixels", "max_file_size"])
def test_limits_are_integers_from_one(name):
    assert FaceLoader(**{name: None}).fit_transform([PNG]).any()
    for value in (0, -1, 1.5, "many"):
        with pytest.raises(ValueError, match=name):
            FaceLoader(**{name: value}).fit([PNG])


def test_limits_of_pillow_are_left_alone(monkeypatch):
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageReadError):
        FaceLoader(max_pixels=10).fit_transform([PNG])
    assert before == Image.MAX_IMAGE_PIXELS
    # A lower limit is respected, apart from Pillow's warning.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert FaceLoader().fit_transform([PNG]).any()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(ImageReadError, match=r"is too large \(Image size"):
        FaceLoader().fit_transform([PNG])


def test_higher_limit_leaves_the_cache_as_it_is(tmp_path):
    paths = [tmp_path / "small.png", tmp_path / "large.png"]
    for path, side in zip(paths, (20, 40), strict=True):
        Image.new("L", (side, side), 90).save(path)
    calls = []

    def count(picture):
        calls.append(picture.shape)

    loader = FaceLoader(detector=count, cache=tmp_path / "cache", max_pixels=400, n_jobs=1)
    with pytest.raises(ImageReadError, match="40 x 40 pixels"):
        loader.fit_transform(paths)
    assert (loader.set_params(max_pixels=None, max_file_size=None).fit_transform(paths) == 90).all()
    assert calls == [(20, 20, 3), (40, 40, 3)]


def test_threads_that_read_images_leave_the_filters_of_warnings_alone():
    # Pillow warns about an animation without frames, and reads the image.
    control = b"acTL" + bytes(8)
    chunk = (8).to_bytes(4) + control + zlib.crc32(control).to_bytes(4)
    picture = PNG[:33] + chunk + PNG[33:]
    with pytest.warns(UserWarning, match="Invalid APNG"):
        Image.open(io.BytesIO(picture)).load()
    errors = []

    def read():
        try:
            for _ in range(50):
                decode_picture(picture)
        except Exception as error:
            errors.append(error)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert warnings.filters == before
        FaceLoader(n_jobs=2).fit_transform([picture] * 20)
        assert warnings.filters == before


@pytest.mark.skipif(sys.platform == "win32", reason="resource is of POSIX")
def test_thin_image_takes_little_memory():
    code = """
import io, resource, sys
from PIL import Image
from sk_emotion.preprocessing._decode import decode_picture
from sk_emotion.preprocessing._centerface import find_with_centerface
from sk_emotion.preprocessing._crop import crop_center

buffer = io.BytesIO()
Image.new("1", (10_000_000, 1)).save(buffer, "PNG")
picture = decode_picture(buffer.getvalue())
find_with_centerface(Image.new("L", (640, 1)), 640, 0.5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
crop_center(picture, (48, 48))
find_with_centerface(picture, 640, 0.5)
# In bytes on macOS, in KiB elsewhere.
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / (2**20 if sys.platform == "darwin" else 2**10))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(result.stdout) < 40
