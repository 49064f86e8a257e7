"""Sources of images are read, or named in errors that say what to pass and do not quote them."""

# ruff: noqa: SIM115 - the fixture `keep` closes what a test opens

import array
import asyncio
import base64
import collections
import contextlib
import gzip
import io
import mmap
import pickle
import tarfile
import tempfile
import traceback
import warnings
import zipfile
from pathlib import Path, PurePath

import numpy as np
import pandas as pd
import pytest
from encoded import encode
from PIL import Image

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    FaceLoader,
    HOGTransformer,
    find_duplicates,
    load_face_folder,
    load_face_table,
    load_fer2013,
    load_model,
    make_hog_svm,
    predict_faces,
)
from sk_emotion.exceptions import DatasetError, DatasetWarning, ImageArrayError, ImageReadError, SkEmotionError
from sk_emotion.utils._text import explain_text, show_path

RAMP = Image.fromarray(np.linspace(0, 255, 60 * 60).reshape(60, 60).astype(np.uint8))
PNG, JPEG = encode(RAMP, "PNG"), encode(RAMP, "JPEG", quality=95)
FACE = FaceLoader().fit_transform([PNG])[0]


@pytest.fixture(scope="module")
def model(faces):
    X, y, _ = faces
    return make_hog_svm(image_size=24).fit(X, y)


class AsyncUpload:
    """Upload of Starlette and FastAPI: its own methods are coroutines, those of its file are not."""

    def __init__(self, data):
        self.file = io.BytesIO(data)
        self.filename = "face.jpg"

    async def read(self, size=-1):
        return self.file.read(size)

    async def seek(self, offset):
        self.file.seek(offset)

    async def tell(self):
        return self.file.tell()


class ProxyUpload:
    """Upload of Flask: a stream whose methods are looked up on access."""

    def __init__(self, data):
        self.stream = io.BytesIO(data)
        self.filename = "face.jpg"

    def __getattr__(self, name):
        return getattr(self.__dict__["stream"], name)


class FormField:
    """Upload of aiohttp."""

    def __init__(self, data):
        self.name, self.file, self.headers = "image", io.BytesIO(data), {}


class Once(io.RawIOBase):
    """Network stream, which can be read once."""

    def __init__(self, data):
        self.data = data

    def readable(self):
        return True

    def read(self, size=-1):
        data, self.data = self.data, b""
        return data


class Unfinished(io.BytesIO):
    """A file whose reading fails."""

    def read(self, size=-1):
        raise RuntimeError("no more")


@pytest.fixture
def keep():
    """Register objects to close at the end of the test."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context


def fill(file):
    file.write(PNG)
    file.flush()
    return file


def write_png(folder):
    (folder / "a.png").write_bytes(PNG)
    return folder / "a.png"


def open_zipped(folder, keep):
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", PNG)
    return keep(keep(zipfile.ZipFile(folder / "a.zip")).open("a.png"))


def open_tarred(folder, keep):
    with tarfile.open(folder / "a.tar", "w") as archive:
        member = tarfile.TarInfo("a.png")
        member.size = len(PNG)
        archive.addfile(member, io.BytesIO(PNG))
    return keep(keep(tarfile.open(folder / "a.tar")).extractfile("a.png"))


def map_file(folder, keep):
    with open(write_png(folder), "rb") as file:
        return keep(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


FILES = {
    "BytesIO": lambda folder, keep: io.BytesIO(PNG),
    "buffered reader": lambda folder, keep: io.BufferedReader(io.BytesIO(PNG)),
    "spooled": lambda folder, keep: fill(keep(tempfile.SpooledTemporaryFile())),
    "spooled to a disk": lambda folder, keep: fill(keep(tempfile.SpooledTemporaryFile(max_size=9))),
    "temporary": lambda folder, keep: fill(keep(tempfile.NamedTemporaryFile(dir=folder))),
    "open": lambda folder, keep: keep(open(write_png(folder), "rb")),
    "unbuffered": lambda folder, keep: keep(open(write_png(folder), "rb", buffering=0)),
    "zip member": open_zipped,
    "tar member": open_tarred,
    "gzip": lambda folder, keep: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(PNG))),
    "mmap": map_file,
    "async upload": lambda folder, keep: AsyncUpload(PNG),
    "proxy upload": lambda folder, keep: ProxyUpload(PNG),
    "form field": lambda folder, keep: FormField(PNG),
}


def find_position(source):
    return (source.file if isinstance(source, AsyncUpload | FormField) else source).tell()


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_file_objects_are_read_from_their_beginning_as_often_as_they_are_passed(make, tmp_path, keep):
    source = make(tmp_path, keep)
    (getattr(source, "file", None) or source).seek(7)
    loader = FaceLoader(n_jobs=2).fit([source])
    for pictures in ([source], [source, PNG, source], [source] * 8):
        np.testing.assert_array_equal(loader.transform(pictures), [FACE] * len(pictures))
        assert find_position(source) == 7
    assert find_duplicates([source, PNG, source]).tolist() == [0, 0, 0]


@pytest.mark.parametrize("size", [len(PNG), len(PNG) - 1])
def test_limit_of_bytes_holds_for_file_objects_and_buffers(size):
    loader = FaceLoader(max_file_size=size).fit([PNG])
    for source in (io.BytesIO(PNG), bytearray(PNG), memoryview(PNG)):
        if size == len(PNG):
            assert loader.transform([source]).any()
        else:
            with pytest.raises(ImageReadError, match="is too large"):
                loader.transform([source])


def make_text_file(folder, keep):
    (folder / "a.txt").write_text("a photo")
    return keep(open(folder / "a.txt"))


def close(source):
    getattr(source, "file", source).close()
    return source


BAD_FILES = {
    "text file": (make_text_file, "is a file in text mode", "open(path, 'rb')"),
    "StringIO": (lambda folder, keep: io.StringIO("text"), "is a file in text mode", "open(path, 'rb')"),
    "temporary": (lambda folder, keep: keep(tempfile.NamedTemporaryFile("w+", dir=folder)), "in text mode", "'rb'"),
    "closed": (lambda folder, keep: close(io.BytesIO(PNG)), "is a closed file (BytesIO)", "open it again"),
    "closed upload": (lambda folder, keep: close(AsyncUpload(PNG)), "is a closed file (AsyncUpload)", "open it again"),
    "read once": (lambda folder, keep: Once(PNG), "is Once, expected", "pass what its read() returns"),
    "write only": (lambda folder, keep: keep(open(folder / "new", "wb")), "cannot be read (UnsupportedOperation", ""),
    "failing": (lambda folder, keep: Unfinished(PNG), "cannot be read (RuntimeError: no more)", ""),
    "empty": (lambda folder, keep: io.BytesIO(), "is empty", ""),
    "no picture": (lambda folder, keep: io.BytesIO(b"no picture"), "is not an image in a supported format", ""),
    "truncated": (lambda folder, keep: io.BytesIO(PNG[:80]), "truncated", ""),
}


@pytest.mark.parametrize(("make", "what", "cure"), BAD_FILES.values(), ids=BAD_FILES)
def test_file_objects_that_cannot_be_read_are_named_with_what_to_do(make, what, cure, tmp_path, keep):
    source = make(tmp_path, keep)
    for pictures, place in (([source], 0), ([PNG, PNG, source], 2)):
        with pytest.raises(ImageReadError) as caught:
            FaceLoader().fit_transform(pictures)
        assert f"image {place} " in str(caught.value)
        assert what in str(caught.value)
        assert cure in str(caught.value)


def test_upload_whose_reading_is_awaited_can_still_be_used_after():
    upload = AsyncUpload(PNG)
    FaceLoader().fit_transform([upload])
    assert asyncio.run(upload.read()) == PNG


BUFFERS = {
    "bytearray": bytearray,
    "memoryview": memoryview,
    "memoryview of a bytearray": lambda data: memoryview(bytearray(data)),
    "memoryview of every byte": lambda data: memoryview(data)[::1],
    "array.array": lambda data: array.array("B", data),
    "frombuffer": lambda data: np.frombuffer(data, np.uint8),
    "column of imencode": lambda data: np.frombuffer(data, np.uint8)[:, np.newaxis],
    "row": lambda data: np.frombuffer(data, np.uint8)[np.newaxis],
    "numpy bytes": np.bytes_,
}
FORMATS = {
    "JPEG": JPEG,
    "PNG": PNG,
    **{format: encode(RAMP, format) for format in ("WEBP", "BMP", "TIFF", "PPM", "GIF")},
}


@pytest.mark.parametrize("form", BUFFERS.values(), ids=BUFFERS)
@pytest.mark.parametrize("data", FORMATS.values(), ids=FORMATS)
def test_encoded_bytes_are_never_pixels(form, data):
    expected = FaceLoader().fit_transform([data])
    for pictures in ([form(data)], [form(data)] * 2, [form(data), RAMP]):
        np.testing.assert_array_equal(FaceLoader().fit_transform(pictures)[0], expected[0])
    with pytest.raises(ImageReadError, match=r"X is one image .*Pass a list: \[X\]"):
        FaceLoader().fit(form(data))
    assert len(set(find_duplicates([form(data), data]).tolist())) == 1


@pytest.mark.parametrize("form", [bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_part_of_a_file_whose_length_is_a_square_is_no_image(form):
    with pytest.raises(ImageReadError, match="image 0 is truncated"):
        FaceLoader().fit_transform([form(JPEG[:400])] * 2)
    with pytest.raises(ImageReadError, match="image 0 is truncated"):
        FaceLoader().fit_transform(np.array([np.frombuffer(JPEG[:400], np.uint8)] * 2))


def test_rows_of_pixels_stay_rows_of_pixels():
    rows = np.random.default_rng(0).integers(0, 256, (5, 576), dtype=np.uint8)
    # One row begins like a JPEG.
    rows[2, :4] = 0xFF, 0xD8, 0xFF, 0xE0
    expected = FaceLoader().fit_transform(rows)
    for same in (
        list(rows),
        [memoryview(row.astype(np.int32)) for row in rows],
        [array.array("H", row) for row in rows],
    ):
        np.testing.assert_array_equal(FaceLoader().fit_transform(same), expected)
    picture = np.asarray(RAMP)
    np.testing.assert_array_equal(
        FaceLoader().fit_transform([memoryview(picture)]), FaceLoader().fit_transform([picture])
    )


def test_released_memoryview_raises():
    view = memoryview(PNG)
    view.release()
    with pytest.raises(ImageReadError, match="image 1 is a released memoryview"):
        FaceLoader().fit_transform([PNG, view])


WRONG = {
    "None": (None, "is NoneType", "cv2.imread returns None"),
    "nan": (float("nan"), "is float", "nan is a missing value"),
    "NumPy's nan": (np.float32("nan"), "is float32", "nan is a missing value"),
    "missing value of pandas": (pd.NA, "is NAType", ""),
    "missing time": (pd.NaT, "is NaTType", ""),
    "read that failed": ((False, None), "is tuple", "pass the frame"),
    "read that worked": ((True, np.zeros((9, 9, 3), np.uint8)), "is tuple", "pass the frame"),
    "dict": ({"image": PNG}, "is dict", ""),
    "path and label": (("a.jpg", "pain"), "is tuple", ""),
    "list of paths": (["a.jpg"], "is list", ""),
    "set": ({"a.jpg"}, "is set", ""),
    "object": (object(), "is object", ""),
    "class": (Path, "is type", ""),
    "function": (len, "is builtin_function_or_method", ""),
}


@pytest.mark.parametrize(("wrong", "what", "cure"), WRONG.values(), ids=WRONG)
def test_other_objects_are_named_with_position_and_type(wrong, what, cure):
    frame = np.zeros((60, 60, 3), np.uint8)
    for pictures, place in (([wrong], 0), ([wrong, wrong], 0), ([frame, wrong, frame], 1), ([PNG] * 3 + [wrong], 3)):
        with pytest.raises(ImageReadError) as caught:
            FaceLoader().fit_transform(pictures)
        assert f"image {place} {what}, expected a path, bytes, a file" in str(caught.value)
        assert cure in str(caught.value)
        with pytest.warns(DatasetWarning, match=f"image {place} {what}"):
            blank = FaceLoader(on_error="blank").fit_transform(pictures)
        assert not blank[place].any()


def test_missing_values_in_a_column_of_paths_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    for missing in (None, np.nan, pd.NA):
        column = pd.Series([str(tmp_path / "a.png"), missing], dtype=object)
        with pytest.raises(ImageReadError, match="image 1 is "):
            FaceLoader().fit_transform(column)
        with pytest.raises(ImageReadError, match="image 0 is "):
            FaceLoader().fit_transform(column[1:])


@pytest.fixture
def paths(tmp_path):
    names = [tmp_path / f"{number}.png" for number in range(4)]
    for name in names:
        name.write_bytes(PNG)
    return names


ITERATORS = {
    "generator": lambda paths: (path for path in paths),
    "glob": lambda paths: iter(paths[0].parent.glob("*.png")),
    "map": lambda paths: map(str, paths),
    "filter": lambda paths: filter(None, paths),
    "open files": lambda paths: (io.BytesIO(path.read_bytes()) for path in paths),
    "bytes": lambda paths: (path.read_bytes() for path in paths),
    "values": lambda paths: dict(enumerate(paths)).values(),
    "keys": lambda paths: dict.fromkeys(paths).keys(),
    "deque": collections.deque,
    "reversed": reversed,
}


@pytest.mark.parametrize("make", ITERATORS.values(), ids=ITERATORS)
def test_iterators_of_images_are_listed_once(make, paths, model):
    loader = FaceLoader()
    np.testing.assert_array_equal(loader.fit_transform(make(paths)), [FACE] * 4)
    np.testing.assert_array_equal(loader.fit(make(paths)).transform(make(paths)), [FACE] * 4)
    assert len(predict_faces(model, make(paths))) == 4
    assert len(model.predict(make(paths))) == 4
    assert find_duplicates(make(paths)).tolist() == [0] * 4


def test_pipeline_is_fitted_on_an_iterator_of_paths(faces, tmp_path):
    X, y, _ = faces
    paths = []
    for number, image in enumerate(X[:20]):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(paths[-1])
    expected = make_hog_svm(image_size=24).fit(paths, y[:20]).predict_proba(paths)
    model = make_hog_svm(image_size=24).fit((path for path in paths), y[:20])
    np.testing.assert_array_equal(model.predict_proba(iter(paths)), expected)


def test_iterator_that_is_used_up_says_to_pass_a_list(paths, model):
    used = iter(paths)
    FaceLoader().fit(used)
    for use in (FaceLoader().fit(paths).transform, model.predict, lambda X: predict_faces(model, X)):
        with pytest.raises(ImageReadError, match=r"Found array with 0 sample\(s\).*Pass list\(X\)"):
            use(used)


def test_iterator_of_frames_raises_at_its_first(model):
    def film():
        yield np.zeros((60, 60, 3), np.uint8)
        raise AssertionError("a camera never ends")

    for use in (FaceLoader().fit_transform, model.predict, lambda X: predict_faces(model, X)):
        with pytest.raises(ImageArrayError, match=r"X is generator, .*Pass np\.stack\(list\(X\)\)"):
            use(film())


@pytest.mark.parametrize("kind", [set, frozenset])
def test_images_without_an_order_say_to_sort_them(kind, paths, model):
    for use in (FaceLoader().fit_transform, model.predict, lambda X: predict_faces(model, X)):
        with pytest.raises(ImageReadError, match=rf"X is a {kind.__name__}, which has no order\. .*sorted\(X\)"):
            use(kind(paths))


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (None, "X is NoneType, expected images"),
        (5, "X is int, expected images"),
        ({"a": "a.jpg"}, r"X is dict.*Pass list\(X\.values\(\)\)"),
        ({"data": ["a.jpg"], "target": ["pain"]}, r"X is dict.*Pass X\['data'\]"),
        (object(), "X is object, expected images"),
    ],
)
def test_containers_without_images_raise_everywhere(X, words, model):
    for use in (FaceLoader().fit_transform, model.predict, lambda X: predict_faces(model, X)):
        with pytest.raises(ImageArrayError, match=words):
            use(X)


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_one_file_object_without_a_list_says_to_pass_a_list(make, tmp_path, keep, model):
    for use in (FaceLoader().fit_transform, model.predict, lambda X: predict_faces(model, X)):
        with pytest.raises(ImageReadError, match=r"X is one image .*Pass a list: \[X\]"):
            use(make(tmp_path, keep))


class Name(str):
    """Path as web frameworks create it for an upload."""


@pytest.mark.parametrize("kind", [str, Path, PurePath, Name, np.str_, lambda path: np.array([str(path)])[0]])
def test_every_kind_of_path_is_a_path(kind, paths):
    np.testing.assert_array_equal(FaceLoader().fit_transform([kind(paths[0])]), [FACE])


# At most 60 characters of these may be shown.
SECRET = base64.b64encode(np.random.default_rng(0).bytes(900)).decode()
IN_BASE64 = base64.b64encode(JPEG).decode()
NO_PATHS = {
    "data URI": (f"data:image/jpeg;base64,{IN_BASE64}", "is a data URI", "base64.b64decode(uri.partition(',')[2])"),
    "capital data URI": (f"DATA:image/png;base64,{SECRET}", "is a data URI", "base64.b64decode"),
    "Path of a data URI": (Path(f"data:image/jpeg;base64,{IN_BASE64}"), "is a data URI", "base64.b64decode"),
    "JPEG in base64": (IN_BASE64, "is an image in base64", "base64.b64decode(text)"),
    "PNG in base64": (base64.b64encode(PNG).decode(), "is an image in base64", "base64.b64decode(text)"),
    "WEBP in base64": (base64.b64encode(FORMATS["WEBP"]).decode(), "is an image in base64", "base64.b64decode(text)"),
    "lines of base64": (base64.encodebytes(JPEG).decode(), "is an image in base64", "base64.b64decode(text)"),
    "base64 for URLs": (base64.urlsafe_b64encode(JPEG).decode(), "is an image in base64", "base64.b64decode(text)"),
    "base64 in bytes": (base64.b64encode(JPEG), "is an image in base64", "base64.b64decode(text)"),
    "base64 in a file object": (io.BytesIO(base64.b64encode(JPEG)), "is an image in base64", "base64.b64decode"),
    "data URI in bytes": (f"data:image/jpeg;base64,{IN_BASE64}".encode(), "is a data URI", "base64.b64decode"),
    "https": (f"https://example.org/face.jpg?token={SECRET}", "is a URL", "download it"),
    "http": (f"http://example.org/{SECRET}.png", "is a URL", "download it"),
    "Path of a URL": (Path(f"https://example.org/{SECRET}"), "is a URL", "download it"),
    "bucket": (f"s3://faces/{SECRET}", "is a URL", "download it"),
    "other bucket": (f"gs://faces/{SECRET}", "is a URL", "download it"),
    "blob": (f"blob:https://example.org/{SECRET}", "is a URL", "download it"),
    "file URL": (f"file:///home/anna/{SECRET}.jpg", "is a file URL", "urllib.request.url2pathname"),
    "anything long": (SECRET, "", ""),
    "long words": ("a face " * 100, "", ""),
    "markup": (f"<img alt='{SECRET}'>", "", ""),
    "control characters": (f"\x1b[2J\x00{SECRET}\r\n", "", ""),
    "no Unicode": (f"\udcff\ud800{SECRET}", "", ""),
}


def find_longest_echo(text, source):
    """Return the length of the longest part of a source that occurs in a text."""
    whole = source.getvalue() if isinstance(source, io.BytesIO) else source
    whole = whole.decode() if isinstance(whole, bytes) else str(whole)
    shown = [start for start in range(len(whole) - 60) if whole[start : start + 61] in text]
    return whole[shown[0] :][:80] if shown else ""


@pytest.mark.parametrize(("source", "what", "cure"), NO_PATHS.values(), ids=NO_PATHS)
def test_strings_that_are_no_paths_say_what_to_pass_and_are_not_shown(source, what, cure, model):
    for use in (FaceLoader().fit_transform, model.predict, find_duplicates):
        for pictures in ([source], [PNG, source, source]):
            with pytest.raises(ImageReadError) as caught:
                use(pictures)
            assert what in str(caught.value)
            assert cure in str(caught.value)
            assert len(str(caught.value)) < 400
            assert find_longest_echo("".join(traceback.format_exception(caught.value)), source) == ""
    if isinstance(source, str | Path):
        with pytest.raises(SkEmotionError) as caught:
            FaceLoader().fit(source)
        assert find_longest_echo("".join(traceback.format_exception(caught.value)), source) == ""


@pytest.mark.parametrize(("source", "what", "cure"), NO_PATHS.values(), ids=NO_PATHS)
def test_tables_and_warnings_show_no_string_that_is_no_path(source, what, cure, model):
    table = predict_faces(model, [PNG, source])
    assert table["rejected"].str.startswith("cannot be read").tolist() == [False, True]
    assert what in table.loc[1, "rejected"]
    assert find_longest_echo(table.to_csv() + repr(table.to_dict()), source) == ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loader = FaceLoader(on_error="blank").fit([PNG])
        loaded = loader.load([source, PNG])
    assert find_longest_echo(str(caught[0].message) + repr(loaded.unread), source) == ""


def test_column_of_a_table_shows_no_string_that_is_no_path():
    frame = pd.DataFrame({"image": [f"data:image/png;base64,{SECRET}"] * 2, "label": ["pain", "fear"]})
    with pytest.raises(DatasetError) as caught:
        load_face_table(frame)
    assert find_longest_echo(str(caught.value), SECRET) == ""


@pytest.mark.parametrize("load", [load_face_folder, load_face_table, load_fer2013, load_model])
@pytest.mark.parametrize("name", [name for name, (source, *_) in NO_PATHS.items() if isinstance(source, str | Path)])
def test_strings_in_the_place_of_a_data_set_or_a_model_are_not_shown(load, name):
    source, what, cure = NO_PATHS[name]
    with pytest.raises(SkEmotionError, match="there is no") as caught:
        load(source)
    assert find_longest_echo("".join(traceback.format_exception(caught.value)), source) == ""
    assert what != "is a URL" or cure in str(caught.value)


@pytest.mark.parametrize("text", [IN_BASE64, f"https://example.org/{SECRET}", Path(SECRET), SECRET.encode(), "a.jpg"])
@pytest.mark.parametrize("fit", [EmotionClassifier().fit, HOGTransformer().fit, AugmentationOverSampler().fit_resample])
def test_text_beside_numbers_is_named_by_its_type_and_not_shown(fit, text):
    for X in (pd.DataFrame({"id": [1, 2], "photo": [text] * 2}), np.array([[1.0, 2.0], [3.0, text]], dtype=object)):
        with pytest.raises(ImageArrayError, match=r"X contains (str|bytes|PosixPath|WindowsPath) values") as caught:
            fit(X, ["fear", "pain"])
        assert find_longest_echo("".join(traceback.format_exception(caught.value)), text) == ""


@pytest.mark.parametrize(
    "name",
    [
        "a" * 90 + ".jpg",
        "/data/faces/of/people/who/agreed/to/take/part/in/the/second/study/of/pain/anna_003.jpeg",
        "C:\\Users\\anna\\faces\\photo.png",
        "~/faces/anna.jpg",
        "faces:2024/anna.jpg",
        "9j/4AAQSkZJ/anna.jpg",
        "data/anna.jpg",
        "https/anna.jpg",
    ],
)
def test_paths_are_shown_in_full_whether_they_exist_or_not(name, tmp_path):
    assert show_path(name) == name
    assert explain_text(name) is None
    with pytest.raises(ImageReadError) as caught:
        FaceLoader().fit_transform([name])
    assert repr(name) in str(caught.value)
    assert "does not exist" in str(caught.value)


def test_long_path_of_a_file_that_exists_is_shown_in_full(tmp_path, model):
    folder = tmp_path / ("a" * 200) / ("b" * 200)
    folder.mkdir(parents=True)
    (folder / "face").write_bytes(PNG)
    assert predict_faces(model, [folder / "face"])["picture"].tolist() == [str(folder / "face")]
    (folder / "face").write_bytes(b"no picture")
    with pytest.raises(ImageReadError, match=str(folder / "face")):
        FaceLoader().fit_transform([folder / "face"])


def test_home_is_not_expanded_and_the_error_says_so():
    with pytest.raises(ImageReadError, match=r"does not exist \(pass os\.path\.expanduser\(path\)\)"):
        FaceLoader().fit_transform(["~/no such photo.jpg"])


COLORS = np.random.default_rng(1).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "form",
    [
        lambda X: list(X),
        lambda X: X,
        lambda X: X.reshape(3, -1),
        lambda X: X / 255,
        lambda X: [np.dstack([image, np.full((40, 40), 255, np.uint8)]) for image in X],
        lambda X: [image.astype(np.uint16) * 257 for image in X],
        lambda X: [memoryview(image) for image in np.ascontiguousarray(X)],
        lambda X: pd.Series(list(X)),
        lambda X: (X - 128.0) / 60,
    ],
    ids=["list", "batch", "rows", "floats", "with alpha", "16 bits", "memoryviews", "Series", "standardized"],
)
@pytest.mark.parametrize("color", [True, False])
def test_blue_first_is_red_last_in_arrays(form, color):
    rgb = FaceLoader(image_size=40, color=color, image_shape=None)
    if getattr(form(COLORS), "ndim", 0) == 2:
        rgb.set_params(image_shape=(40, 40, 3))
    bgr = FaceLoader(**{**rgb.get_params(), "channel_order": "bgr"})
    expected = rgb.fit_transform(form(COLORS))
    np.testing.assert_array_equal(bgr.fit_transform(form(COLORS[..., ::-1])), expected)
    assert (bgr.fit_transform(form(COLORS)) != expected).any()


def test_order_of_channels_changes_neither_files_nor_grays(tmp_path):
    image = Image.fromarray(COLORS[0])
    image.save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    sources = [tmp_path / "a.png", data, io.BytesIO(data), bytearray(data), image, np.frombuffer(data, np.uint8)]
    for color in (True, False):
        rgb, bgr = (FaceLoader(image_size=40, color=color, channel_order=order) for order in ("rgb", "bgr"))
        np.testing.assert_array_equal(bgr.fit_transform(sources), rgb.fit_transform(sources))
        for grays in (list(COLORS[..., 0]), COLORS[..., 0], COLORS[..., :1], COLORS[..., 0].reshape(3, -1)):
            np.testing.assert_array_equal(bgr.fit_transform(grays), rgb.fit_transform(grays))


def test_memory_map_of_frames_is_accepted_blue_first(tmp_path):
    np.save(tmp_path / "frames.npy", COLORS[..., ::-1])
    frames = np.load(tmp_path / "frames.npy", mmap_mode="r")
    expected = FaceLoader(color=True).fit_transform(COLORS)
    np.testing.assert_array_equal(FaceLoader(color=True, channel_order="bgr").fit_transform(frames), expected)


@pytest.mark.parametrize("form", [list, np.asarray, lambda X: (X - 128.0) / 60])
def test_detector_sees_red_first(form):
    seen = []

    def look(picture):
        seen.append(picture.reshape(-1, 3).mean(axis=0))

    red = np.zeros((2, 90, 90, 3), np.uint8)
    red[..., 2] = 250
    red[:, 0, 0, 1] = 255
    FaceLoader(detector=look, channel_order="bgr").fit_transform(form(red))
    assert all(mean[0] > 200 and mean[2] < 50 for mean in seen)
    assert len(seen) == 2


def test_order_of_channels_is_a_parameter_like_any_other(faces):
    with pytest.raises(ValueError, match="channel_order"):
        FaceLoader(channel_order="grb").fit([PNG])
    X, y, _ = faces
    model = make_hog_svm(image_size=24).fit(X, y).set_params(faceloader__channel_order="bgr")
    colored = np.stack([X[:4], X[:4] // 2, X[:4] // 4], axis=-1)
    expected = make_hog_svm(image_size=24).fit(X, y).predict_proba(colored)
    np.testing.assert_array_equal(model.predict_proba(list(colored[..., ::-1])), expected)
    np.testing.assert_array_equal(predict_faces(model, colored[..., ::-1]).iloc[:, -2:].to_numpy(), expected)


def test_loader_of_an_older_version_takes_red_first():
    loader = FaceLoader(color=True).fit([PNG])
    state = {name: value for name, value in loader.__getstate__().items() if name != "channel_order"}
    older = FaceLoader.__new__(FaceLoader)
    older.__setstate__(state)
    assert pickle.loads(pickle.dumps(older)).channel_order == "rgb"
    np.testing.assert_array_equal(older.transform(list(COLORS)), loader.transform(list(COLORS)))
