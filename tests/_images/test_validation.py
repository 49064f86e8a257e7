"""Validation of image arrays, tested with a minimal estimator."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator

from sk_emotion._images._validation import validate_images
from sk_emotion.exceptions import ImageArrayError


class Looker(BaseEstimator):
    def __init__(self, image_shape=None):
        self.image_shape = image_shape

    def fit(self, X):
        self.images_ = validate_images(self, X, reset=True)
        return self

    def see(self, X):
        return validate_images(self, X, reset=False)


def make_images(*shape, dtype=np.uint8):
    pixels = np.random.default_rng(0).integers(0, 256, shape)
    return pixels.astype(dtype) if np.dtype(dtype).kind in "iu" else (pixels / 255).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [
        ((5, 12, 12), (12, 12)),
        ((5, 12, 20), (12, 20)),
        ((5, 12, 12, 1), (12, 12)),
        ((5, 12, 12, 3), (12, 12, 3)),
        ((5, 144), (12, 12)),
        ((5, 2), (1, 2)),
        ((5, 1), (1, 1)),
        ((5, 250), (1, 250)),
        ((1, 12, 12), (12, 12)),
        ((5, 1, 7), (1, 7)),
    ],
)
def test_shape_of_the_images_is_learned(shape, image_shape):
    X = make_images(*shape)
    looker = Looker().fit(X)
    assert looker.image_shape_ == image_shape
    assert looker.n_features_in_ == np.prod(image_shape)
    np.testing.assert_array_equal(looker.images_, X.reshape(len(X), *image_shape))
    np.testing.assert_array_equal(looker.see(X), looker.images_)


@pytest.mark.parametrize("image_shape", [(62, 47), [62, 47], (62, 47, 1), (np.int64(62), 47)])
def test_flat_rows_are_read_as_they_are_declared(image_shape):
    looker = Looker(image_shape).fit(make_images(3, 62 * 47))
    assert looker.image_shape_ == (62, 47)
    assert Looker((12, 12, 3)).fit(make_images(3, 432)).image_shape_ == (12, 12, 3)


def test_flat_rows_and_images_are_the_same_to_a_fitted_estimator():
    X = make_images(4, 12, 12, 3)
    looker = Looker().fit(X)
    np.testing.assert_array_equal(looker.see(X.reshape(4, -1)), X)
    rows = Looker((12, 12, 3)).fit(X.reshape(4, -1))
    np.testing.assert_array_equal(rows.see(X), X)


def test_strip_of_one_row_is_a_batch_of_one():
    looker = Looker().fit(make_images(6, 5))
    assert looker.see(make_images(1, 5)).shape == (1, 1, 5)


def test_long_row_that_is_no_square_asks_for_its_shape():
    with pytest.raises(ImageArrayError, match=r"rows of 2914 features.*image_shape=\(62, 47\)"):
        Looker().fit(make_images(3, 62 * 47))


@pytest.mark.parametrize(
    ("image_shape", "message"),
    [
        ((10, 10), r"image_shape=\(10, 10\) holds 100 values, but X has 144"),
        ((144,), r"expected \(height, width\)"),
        ((-12, -12), r"expected \(height, width\)"),
        ((12.0, 12.0), r"expected \(height, width\)"),
        ((6, 6, 4), r"expected \(height, width\)"),
        ((6, 6, 2, 2), r"expected \(height, width\)"),
    ],
)
def test_declared_shape_that_does_not_fit_raises(image_shape, message):
    with pytest.raises(ImageArrayError, match=message):
        Looker(image_shape).fit(make_images(3, 144))


def test_declared_shape_must_be_that_of_an_array_of_images():
    X = make_images(3, 12, 12)
    assert Looker([12, 12]).fit(X).image_shape_ == (12, 12)
    assert Looker((12, 12, 1)).fit(X[..., np.newaxis]).image_shape_ == (12, 12)
    with pytest.raises(ImageArrayError, match=r"image_shape=\(8, 18\), but X has 12x12 gray images"):
        Looker((8, 18)).fit(X)


@pytest.mark.parametrize("shape", [(3, 12, 12), (3, 12, 12, 3), (3, 144)])
def test_list_of_images_is_an_array_of_images(shape):
    X = make_images(*shape)
    looker = Looker().fit(list(X))
    np.testing.assert_array_equal(looker.images_, looker.see(X))
    assert looker.images_.dtype == np.uint8
    np.testing.assert_array_equal(looker.see(X.tolist()), looker.images_)


def test_list_of_images_of_different_sizes_raises():
    with pytest.raises(ImageArrayError, match="different sizes"):
        Looker().fit([make_images(12, 12), make_images(12, 13)])


def test_tables_and_tensors_are_accepted():
    X = make_images(4, 4)
    table = pd.DataFrame(X, columns=list("abcd"))
    looker = Looker().fit(table)
    assert looker.images_.shape == (4, 2, 2) and looker.images_.dtype == np.uint8
    assert looker.feature_names_in_.tolist() == list("abcd")
    assert Looker().fit(torch.from_numpy(make_images(4, 12, 12))).image_shape_ == (12, 12)


def test_names_of_columns_do_not_outlive_their_fit():
    looker = Looker().fit(pd.DataFrame(make_images(4, 4), columns=list("abcd")))
    assert not hasattr(looker.fit(make_images(4, 2, 2)), "feature_names_in_")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_bytes_and_floats_keep_their_type_and_are_not_copied(dtype):
    X = make_images(4, 12, 12, dtype=dtype)
    assert Looker().fit(X).images_.dtype == dtype
    assert np.shares_memory(Looker().fit(X).images_, X)
    assert np.shares_memory(Looker().fit(X.reshape(4, -1)).images_, X)


@pytest.mark.parametrize("dtype", [np.int64, np.int16, np.uint16])
def test_integers_that_are_bytes_become_bytes(dtype):
    X = make_images(4, 12, 12, dtype=dtype)
    looker = Looker().fit(X)
    assert looker.images_.dtype == np.uint8 and looker.pixel_range_ == (0, 255)
    np.testing.assert_array_equal(looker.images_, X)


@pytest.mark.parametrize("X", [np.arange(-72, 72).reshape(1, 12, 12), np.arange(300, 444).reshape(1, 12, 12)])
def test_other_integers_become_floats(X):
    looker = Looker().fit(X)
    assert looker.images_.dtype == np.float64
    assert looker.pixel_range_ == (X.min(), X.max())
    np.testing.assert_array_equal(looker.images_, X)


def test_bools_and_half_floats_become_floats():
    assert Looker().fit(make_images(3, 12, 12) > 127).images_.dtype == np.float64
    assert Looker().fit(make_images(3, 12, 12, dtype=np.float16)).images_.dtype == np.float64
    assert Looker().fit(make_images(3, 144).astype(object)).images_.dtype == np.float64


def test_read_only_memory_map_is_read_where_it_lies(tmp_path):
    np.save(tmp_path / "faces.npy", make_images(4, 12, 12))
    X = np.load(tmp_path / "faces.npy", mmap_mode="r")
    looker = Looker().fit(X)
    assert np.shares_memory(looker.images_, X)
    assert np.shares_memory(looker.see(X), X)


def test_one_color_image_without_batch_axis_raises():
    X = make_images(12, 12, 3)
    with pytest.raises(ImageArrayError, match=r"one RGB image without the batch axis. Pass X\[np.newaxis\]"):
        Looker().fit(X)
    assert Looker().fit(X[np.newaxis]).image_shape_ == (12, 12, 3)


@pytest.mark.parametrize("shape", [(12, 12), (12, 20), (12, 12, 3)])
def test_one_image_without_batch_axis_raises_after_fit(shape):
    X = make_images(4, *shape)
    with pytest.raises(ImageArrayError, match=r"without the batch axis. Pass X\[np.newaxis\]"):
        Looker().fit(X).see(X[0])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 3, 12, 12), r"Move the channels last: np.moveaxis\(X, 1, -1\)"),
        ((4, 1, 12, 12), "Move the channels last"),
        ((4, 12, 12, 4), r"four channels. Drop the alpha channel: X\[..., :3\]"),
        ((4, 12, 12, 2), "Expected 1 or 3 channels"),
        ((4, 2, 12, 12, 3), r"shape \(4, 2, 12, 12, 3\)"),
        ((4, 0, 12), "images without pixels"),
    ],
)
def test_error_for_other_layouts_says_what_to_do(shape, message):
    with pytest.raises(ImageArrayError, match=message):
        Looker().fit(np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize("shape", [(0, 12, 12), (0, 144)])
def test_batch_of_no_image_raises(shape):
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        Looker().fit(np.zeros(shape))


@pytest.mark.parametrize(
    ("fitted", "seen", "message"),
    [
        ((4, 12, 12), (4, 12, 10), "12x10 gray images, but was fitted on 12x12 gray"),
        ((4, 12, 12), (4, 12, 12, 3), "12x12 RGB images, but was fitted on 12x12 gray"),
        ((4, 12, 12, 3), (4, 12, 12), "12x12 gray images, but was fitted on 12x12 RGB"),
    ],
)
def test_other_size_or_channels_after_fit_raise(fitted, seen, message):
    with pytest.raises(ImageArrayError, match=message):
        Looker().fit(make_images(*fitted)).see(make_images(*seen))


def test_flat_rows_of_another_length_after_fit_raise():
    with pytest.raises(ValueError, match="X has 100 features, but Looker is expecting 144"):
        Looker().fit(make_images(4, 12, 12)).see(make_images(4, 100))


@pytest.mark.parametrize("shape", [(4, 12, 12), (4, 144)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_finite_raise(shape, value):
    X = make_images(*shape, dtype=np.float32)
    looker = Looker().fit(X)
    X[0, 0] = value
    for call in (looker.fit, looker.see):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            call(X)


@pytest.mark.parametrize(
    "X",
    [
        ["a.jpg", "b.jpg"],
        np.array(["a.jpg", "b.jpg"]),
        np.array([["a.jpg"], ["b.jpg"]]),
        pd.Series(["a.jpg", "b.jpg"]),
        pd.DataFrame({"image": ["a.jpg", "b.jpg"]}),
    ],
    ids=["list", "array", "column", "series", "table"],
)
def test_paths_are_sent_to_the_face_loader(X):
    with pytest.raises(ImageArrayError, match="To read paths, put a FaceLoader before it"):
        Looker().fit(X)


def test_datetimes_raise():
    with pytest.raises(ImageArrayError, match="expected pixels"):
        Looker().fit(np.zeros((3, 4), dtype="datetime64[s]"))


@pytest.mark.parametrize(
    ("X", "pixel_range"),
    [
        (make_images(4, 12, 12), (0, 255)),
        (make_images(4, 12, 12) // 255, (0, 255)),
        (make_images(4, 12, 12, dtype=np.float32), (0, 1)),
        (make_images(4, 12, 12, dtype=np.float32) * np.float32(1.0000001), (0, 1)),
        (make_images(4, 12, 12, dtype=np.float32) * 0.1, (0, 1)),
        (make_images(4, 12, 12).astype(float), (0, 255)),
        (make_images(4, 12, 12) / 16, (0, 255)),
        (make_images(4, 12, 12) / 64.0 - 2, (-2, 255 / 64 - 2)),
        (make_images(4, 12, 12) / 255 - 0.5, (-0.5, 0.5)),
        (np.full((4, 12, 12), -3.0), (-3, -2)),
    ],
)
def test_range_of_the_pixels_is_learned(X, pixel_range):
    assert Looker().fit(X).pixel_range_ == pixel_range


BYTES = make_images(4, 12, 12)
FLOATS = BYTES / 255


@pytest.mark.parametrize(
    ("fitted", "seen"),
    [
        (FLOATS, BYTES),
        (FLOATS, BYTES.astype(float)),
        (FLOATS, FLOATS * 8 - 4),
        (BYTES, FLOATS),
        (BYTES, FLOATS * 4 - 2),
        (BYTES, BYTES * 257.0),
        (BYTES.astype(float), FLOATS),
        (FLOATS * 4 - 2, BYTES),
    ],
)
def test_batch_on_another_scale_than_in_fit_raises(fitted, seen):
    with pytest.raises(ImageArrayError, match="Scale X to the range of the training images"):
        Looker().fit(fitted).see(seen)


@pytest.mark.parametrize(
    ("fitted", "seen"),
    [
        (BYTES, BYTES // 64),
        (BYTES, BYTES // 255),
        (BYTES, BYTES * 0),
        (BYTES, BYTES.astype(np.float32)),
        (BYTES, BYTES * np.float32(1.0001)),
        (BYTES.astype(float), BYTES),
        (BYTES.astype(float), BYTES * 0.0),
        (BYTES.astype(float), BYTES.astype(np.int64)),
        (FLOATS, FLOATS * 0.1),
        (FLOATS, FLOATS * 1.2 - 0.1),
        (FLOATS * 4 - 2, FLOATS * 8 - 4),
    ],
)
def test_dark_or_slightly_out_of_range_batch_is_accepted(fitted, seen):
    np.testing.assert_array_equal(Looker().fit(fitted).see(seen), seen)
