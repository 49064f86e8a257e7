"""Behavior of each public estimator for each kind of array, in one table.

A kind of array is either the same to an estimator as the plain array, or refused by an error that says what was given,
what was expected, and what to do.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    FaceLoader,
    HOGTransformer,
    LeastSquaresSVC,
    make_faces,
    make_hog_svm,
    networks,
)
from sk_emotion.exceptions import ImageArrayError, ImageReadError

X, Y, _ = make_faces(12, emotions=["fear", "pain"], weights=[7, 5], image_size=24, random_state=0)
RGB = np.repeat(X[..., np.newaxis], 3, axis=-1)


def make_classifier():
    return EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0, device="cpu")


# Fitted on the plain array:
SEE = ("EmotionClassifier", "HOGTransformer", "FaceLoader", "make_hog_svm")
# Called with the array only:
FIT = ("EmotionClassifier.fit", "HOGTransformer.fit", "FaceLoader.fit", "AugmentationOverSampler")
# These read a list, an object array or a Series of arrays as images of different sizes.
PICTURES = ("FaceLoader", "FaceLoader.fit", "make_hog_svm")
SAMPLER = ("AugmentationOverSampler",)


@pytest.fixture(scope="module")
def rooms():
    """Functions called with an array, by estimator or function."""
    return {
        "EmotionClassifier": make_classifier().fit(X, Y).predict_proba,
        "HOGTransformer": HOGTransformer().fit(X).transform,
        "FaceLoader": FaceLoader(24).fit(X).transform,
        "make_hog_svm": make_hog_svm(image_size=24).fit(X, Y).predict_proba,
        "EmotionClassifier.fit": lambda images: make_classifier().fit(images, Y),
        "HOGTransformer.fit": lambda images: HOGTransformer().fit_transform(images),
        "FaceLoader.fit": lambda images: FaceLoader(24).fit_transform(images),
        "AugmentationOverSampler": lambda images: AugmentationOverSampler(random_state=0).fit_resample(images, Y)[0],
    }


@pytest.fixture(scope="module")
def plain(rooms):
    return {name: np.asarray(rooms[name](X)) for name in (*SEE, *SAMPLER)}


@dataclass
class Kind:
    """Kind of array, made from the plain one, with the expected behavior by estimator or function."""

    name: str
    make: Any
    words: tuple[str, ...] = ()
    rooms: tuple[str, ...] = (*SEE, *FIT)
    but: tuple[str, ...] = ()
    error: type[Exception] = ImageArrayError

    def spread(self):
        return [pytest.param(self, room, id=f"{self.name}-{room}") for room in self.rooms if room not in self.but]


def put(value, dtype=float):
    """Return the images with one pixel of the fourth changed."""
    images = X.astype(dtype)
    images[3, 0, 0] = value
    return images


def apart(images):
    """Return images as an array of arrays."""
    array = np.empty(len(images), dtype=object)
    array[:] = list(images)
    return array


def widen(images):
    """Return the images as every other column of a wider array."""
    wide = np.zeros((len(images), 24, 48), dtype=np.uint8)
    wide[:, :, ::2] = images
    return wide[:, :, ::2]


def lock(images):
    images = images.copy()
    images.flags.writeable = False
    return images


def store(images, folder):
    np.save(folder / "images.npy", images)
    return np.load(folder / "images.npy", mmap_mode="r")


class Subclass(np.ndarray):
    pass


MEASURED = (*SEE, *SAMPLER)
SAME = [
    Kind("Fortran order", np.asfortranarray, rooms=MEASURED),
    Kind("every other column", widen, rooms=MEASURED),
    Kind("negative strides", lambda X: np.ascontiguousarray(X[::-1, ::-1, ::-1])[::-1, ::-1, ::-1], rooms=MEASURED),
    Kind("read-only", lock, rooms=MEASURED),
    Kind("memory-map", store, rooms=MEASURED),
    Kind("list of images", list, rooms=MEASURED),
    Kind("nested lists", lambda X: X.tolist(), rooms=MEASURED),
    Kind("tensor", torch.from_numpy, rooms=MEASURED),
    Kind("subclass", lambda X: X.view(Subclass), rooms=MEASURED),
    Kind("mask that hides nothing", np.ma.array, rooms=MEASURED),
    Kind("one channel", lambda X: X[..., np.newaxis], rooms=MEASURED),
    Kind("flattened", lambda X: X.reshape(len(X), -1), rooms=MEASURED),
    Kind("table", lambda X: pd.DataFrame(X.reshape(len(X), -1)), rooms=MEASURED),
    Kind("int64", lambda X: X.astype(np.int64), rooms=MEASURED),
    Kind("uint64", lambda X: X.astype(np.uint64), rooms=MEASURED),
    Kind("big-endian int16", lambda X: X.astype(">i2"), rooms=MEASURED),
    # Copies of floats are not rounded.
    Kind("float16", lambda X: X.astype(np.float16), rooms=SEE),
    Kind("float32", lambda X: X.astype(np.float32), rooms=SEE),
    Kind("big-endian float64", lambda X: X.astype(">f8"), rooms=SEE),
    Kind("long double", lambda X: X.astype(np.longdouble), rooms=SEE),
    Kind("numbers as objects", lambda X: X.astype(object), rooms=SEE),
    Kind("one row", lambda X: X[:1], rooms=SEE),
    Kind("array of arrays", apart, rooms=("FaceLoader", "make_hog_svm")),
    Kind("Series of arrays", lambda X: pd.Series(list(X)), rooms=("FaceLoader", "make_hog_svm")),
    Kind("gray as RGB", lambda X: RGB, rooms=("FaceLoader", "make_hog_svm")),
]


@pytest.mark.parametrize(("kind", "room"), [case for kind in SAME for case in kind.spread()])
def test_kind_of_array_is_the_same_as_the_plain_one(kind, room, rooms, plain, tmp_path):
    images = kind.make(X, tmp_path) if kind.make is store else kind.make(X)
    answer = np.asarray(rooms[room](images))
    expected = plain[room][: len(answer)]
    np.testing.assert_allclose(answer.reshape(expected.shape), expected, rtol=0, atol=1e-6)


ANOTHER_SCALE = "Scale X to the range of the training images"
REFUSED = [
    Kind("NaN", lambda X: put(np.nan), ("NaN in 1 of 12 images", "X[3]", "Drop these images")),
    Kind("infinity", lambda X: put(np.inf), ("infinity in 1 of 12 images", "X[3]", "Drop these images")),
    Kind("minus infinity", lambda X: put(-np.inf, np.float32), ("infinity in 1 of 12 images", "X[3]")),
    Kind("NaN in a row", lambda X: put(np.nan).reshape(12, -1), ("NaN in 1 of 12 images", "X[3]")),
    Kind("hidden pixel", lambda X: np.ma.array(X, mask=put(np.nan) != X), ("masked array", "X.filled(0)")),
    Kind("no image", lambda X: X[:0], ("0 sample(s)", "minimum of 1 is required")),
    Kind("no row", lambda X: X[:0].reshape(0, 576), ("0 sample(s)", "minimum of 1 is required")),
    Kind("no pixel", lambda X: X[:, :0], ("(12, 0, 24), images without pixels",)),
    Kind("no feature", lambda X: np.zeros((12, 0)), ("0 feature(s)", "minimum of 1 is required")),
    Kind("one flat image", lambda X: X[0].ravel(), ("(576,)", "expected images as (n, H, W)", "X.reshape(1, -1)")),
    Kind("number", lambda X: np.float64(3), ("shape ()", "expected images as (n, H, W)")),
    Kind("None", lambda X: None, ("X is NoneType, expected images as (n, H, W)",)),
    Kind("dict", lambda X: {"faces": X}, ("X is dict, expected images as (n, H, W)",)),
    Kind("iterator", iter, ("expected images as (n, H, W)", "Pass np.stack(list(X))")),
    Kind("array of arrays", apart, ("X contains 12 arrays, expected one. Pass np.stack(X)",), but=PICTURES),
    Kind("Series of arrays", lambda X: pd.Series(list(X)), ("expected one. Pass np.stack(X)",), but=PICTURES),
    Kind("list of sizes", lambda X: [X[0], X[1, :20]], ("different sizes", "FaceLoader"), but=PICTURES),
    Kind("five axes", lambda X: RGB[:, np.newaxis], ("(12, 1, 24, 24, 3)", "expected images as (n, H, W)")),
    Kind("channels first", lambda X: np.moveaxis(RGB, -1, 1), ("(12, 3, 24, 24)", "np.moveaxis(X, 1, -1)")),
    Kind("tensor of a network", lambda X: torch.from_numpy(X)[:, None], ("(12, 1, 24, 24)", "np.moveaxis(X, 1, -1)")),
    Kind("two channels", lambda X: RGB[..., :2], ("(12, 24, 24, 2)", "Expected 1 or 3 channels")),
    Kind("alpha channel", lambda X: RGB[..., [0, 1, 2, 0]], ("four channels", "X[..., :3]")),
    Kind("complex", lambda X: X * 1j, ("X holds complex128", "Pass uint8 or floats")),
    Kind("text of numbers", lambda X: X.astype(str), ("X contains str_ values, expected pixels",)),
    Kind("times", lambda X: X.astype("timedelta64[s]"), ("timedelta64 values, expected pixels",)),
    Kind("records", lambda X: np.zeros((12, 576), dtype=[("gray", "u1")]), ("void values, expected pixels",)),
    Kind("paths", lambda X: ["a.jpg"] * 12, ("X contains str", "put a FaceLoader before it"), but=PICTURES),
    Kind("sparse", lambda X: csr_matrix(X.reshape(12, -1)), ("dense data is required", "toarray()"), error=TypeError),
    # Any scale that can be computed with is valid in fit.
    Kind("beyond float32", lambda X: X * 1e40, ("X has pixels from 0 to", "Scale X to 0 to 255"), rooms=FIT),
    Kind("seen beyond float32", lambda X: X * 1e40, ("X has pixels from 0 to", "Scale X to"), rooms=SEE),
    Kind("[0, 1] after bytes", lambda X: X / 255, ("from 0 to 1", "fitted on pixels from 0 to 255"), rooms=SEE),
    Kind("above 255", lambda X: put(300, np.int64), ("from 0 to 300", ANOTHER_SCALE), rooms=SEE),
    Kind("16 bits", lambda X: X.astype(np.uint16) * 257, ("fitted on pixels from 0 to 255", ANOTHER_SCALE), rooms=SEE),
    Kind("below 0", lambda X: put(-1, np.int64), ("from -1 to", ANOTHER_SCALE), rooms=SEE),
    Kind("standardized after bytes", lambda X: X / 64 - 2, ("from -2 to", ANOTHER_SCALE), rooms=SEE),
    Kind("one image", lambda X: X[0], ("one image without the batch axis", "X[np.newaxis]"), rooms=SEE),
    Kind("other size", lambda X: X[:, :20], ("20x24 gray images", "24x24 gray", "FaceLoader"), rooms=SEE, but=PICTURES),
    Kind("RGB after gray", lambda X: RGB, ("24x24 RGB", "fitted on 24x24 gray images"), rooms=SEE, but=PICTURES),
    Kind("rows of another length", lambda X: X.reshape(12, -1)[:, :400], ("X has 400 features", "576"), rooms=SEE),
    Kind("one color image", lambda X: RGB[0], ("one RGB image without the batch axis", "X[np.newaxis]"), rooms=FIT),
    Kind("rows of no square", lambda X: np.zeros((12, 62 * 47)), ("image_shape=(62, 47)",), rooms=FIT),
    Kind("one path", lambda X: "a.jpg", ("X is one path", "Pass a list"), rooms=PICTURES, error=ImageReadError),
]


@pytest.mark.parametrize(("kind", "room"), [case for kind in REFUSED for case in kind.spread()])
def test_invalid_array_raises_with_what_to_do(kind, room, rooms):
    with pytest.raises(kind.error) as caught:
        rooms[room](kind.make(X))
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for text in kind.words:
        assert text in message


@pytest.mark.parametrize("size", [(20, 20), (24, 30), (100, 48)])
def test_loader_brings_arrays_of_other_sizes_to_its_own(size, rooms):
    assert rooms["FaceLoader"](np.resize(X, (3, *size))).shape == (3, 24, 24)
    assert rooms["make_hog_svm"](np.resize(X, (3, *size))).shape == (3, 2)


FEATURES = HOGTransformer().fit_transform(X)


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda features: np.repeat(features, 2, axis=1)[:, ::2],
        lambda features: np.ascontiguousarray(features[::-1])[::-1],
        lock,
        list,
        lambda features: features.tolist(),
        pd.DataFrame,
        torch.from_numpy,
        lambda features: features.astype(">f8"),
        lambda features: features.astype(object),
        lambda features: features[:1],
    ],
)
def test_form_of_features_does_not_matter_to_the_support_vector_machine(change):
    machine = LeastSquaresSVC().fit(FEATURES, Y)
    changed = change(FEATURES)
    expected = machine.predict_proba(FEATURES)[: len(changed)]
    np.testing.assert_allclose(machine.predict_proba(changed), expected, rtol=1e-9)
    if len(changed) == len(Y):
        np.testing.assert_allclose(LeastSquaresSVC().fit(changed, Y).predict_proba(FEATURES), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda features: np.where(features == features.max(), np.nan, features), "Input X contains NaN"),
        (lambda features: np.where(features == features.max(), np.inf, features), "Input X contains infinity"),
        (lambda features: X, "Found array with dim 3, while dim <= 2 is required"),
        (lambda features: features[0], "Reshape your data"),
        (lambda features: features[:0], r"0 sample\(s\)"),
        (lambda features: features[:, :9], "X has 9 features, but LeastSquaresSVC is expecting 81"),
        (lambda features: features * 1j, "Complex data not supported"),
    ],
)
def test_invalid_features_raise_as_in_scikit_learn(change, message):
    with pytest.raises(ValueError, match=message):
        LeastSquaresSVC().fit(FEATURES, Y).predict(change(FEATURES))


def test_images_given_are_left_alone(rooms):
    before = X.copy()
    for room in (*SEE, *SAMPLER):
        rooms[room](X)
        rooms[room](X.astype(float))
    np.testing.assert_array_equal(X, before)
