import numpy as np
import pytest
from sklearn.base import BaseEstimator

from sk_emotion.exceptions import ImageArrayError
from sk_emotion.images import infer_image_shape, validate_images


class Taker(BaseEstimator):
    """An estimator that does nothing but take images."""

    def __init__(self, image_shape=None):
        self.image_shape = image_shape


def fit(X, **parameters):
    estimator = Taker(**parameters)
    return estimator, validate_images(estimator, X, reset=True)


GREY = np.arange(2 * 6 * 5, dtype=np.uint8).reshape(2, 6, 5)
RGB = np.repeat(GREY[..., None], 3, axis=3)


@pytest.mark.parametrize(
    ("X", "shape"),
    [
        (GREY, (6, 5)),
        (RGB, (6, 5, 3)),
        (GREY[..., None], (6, 5)),
        (np.zeros((3, 49)), (7, 7)),
        (np.ones((3, 7)), (1, 7)),
    ],
)
def test_shape_is_learned(X, shape):
    estimator, images = fit(X)
    assert estimator.image_shape_ == shape
    assert estimator.n_features_in_ == np.prod(shape)
    assert images.shape == (len(X), *shape)


@pytest.mark.parametrize("image_shape", [(6, 5), [6, 5], (2, 5, 3)])
def test_flat_rows_are_read_as_told(image_shape):
    estimator, _ = fit(np.zeros((4, 30)), image_shape=image_shape)
    assert estimator.image_shape_ == tuple(image_shape)


def test_bytes_stay_bytes_and_are_not_copied():
    _, images = fit(GREY)
    assert images.dtype == np.uint8
    assert np.shares_memory(images, GREY)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16])
def test_whole_numbers_up_to_255_become_bytes(dtype):
    _, images = fit(GREY.astype(dtype))
    assert images.dtype == np.uint8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type(dtype):
    assert fit(GREY.astype(dtype))[1].dtype == dtype


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (GREY, (0.0, 255.0)),
        (GREY / 255, (0.0, 1.0)),
        (GREY.astype(float), (0.0, 255.0)),
        (GREY - 3.5, (-3.5, 55.5)),
    ],
)
def test_pixel_range_is_learned(X, expected):
    assert fit(X)[0].pixel_range_ == expected


@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_same_scale_is_accepted_dark_or_bright(scale):
    estimator, _ = fit(GREY * scale if scale < 1 else GREY)
    for other in (np.zeros_like(GREY), np.ones_like(GREY), np.full_like(GREY, 255)):
        batch = other * scale if scale < 1 else other
        assert validate_images(estimator, batch, reset=False).shape == GREY.shape


@pytest.mark.parametrize(
    ("fitted", "given"),
    [
        (GREY, GREY / 255),
        (GREY.astype(float), GREY / 255),
        (GREY / 255, GREY),
        (GREY / 255, GREY.astype(float)),
        (GREY, GREY - 30.0),
        ((GREY - 30.0) / 30, GREY),
    ],
)
def test_another_scale_is_refused(fitted, given):
    estimator, _ = fit(fitted)
    with pytest.raises(ImageArrayError, match="Bring X to the scale of the training images"):
        validate_images(estimator, given, reset=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (GREY[:, :5], "5x5 grey images, but was fitted on 6x5 grey"),
        (RGB, "6x5 RGB images, but was fitted on 6x5 grey"),
        (GREY[0], "without the batch axis"),
        (np.zeros((2, 29)), "29 features, but Taker is expecting 30"),
    ],
)
def test_other_images_after_fit_are_refused(given, message):
    estimator, _ = fit(GREY)
    with pytest.raises(ValueError, match=message):
        validate_images(estimator, given, reset=False)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((48, 48, 3)), "one RGB image without the batch axis"),
        (np.zeros((2, 3, 8, 8)), "Move the channels last"),
        (np.zeros((2, 8, 8, 4)), "Drop the alpha channel"),
        (np.zeros((2, 8, 8, 5)), "Expected 1 or 3 channels"),
        (np.zeros((2, 2, 8, 8, 3)), "expected images as"),
        (np.zeros((2, 0, 8)), "without pixels"),
        (np.array([["a.jpg", "b.jpg"]]), "FaceLoader"),
        (np.zeros((2, 2914)), r"image_shape=\(62, 47\)"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(X, message):
    with pytest.raises(ImageArrayError, match=message):
        fit(X)


@pytest.mark.parametrize("X", [np.full((2, 6, 5), np.nan), np.full((2, 30), np.inf)])
def test_what_is_not_finite_is_refused(X):
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        fit(X)


def test_declared_shape_must_be_the_shape():
    with pytest.raises(ImageArrayError, match=r"image_shape=\(5, 6\), but X holds 6x5 grey"):
        fit(GREY, image_shape=(5, 6))
    with pytest.raises(ImageArrayError, match="holds 30 values, but X has 31 features"):
        infer_image_shape(31, (6, 5), "Taker")


def test_one_flat_row_of_a_strip_is_a_batch_of_one():
    estimator, _ = fit(np.zeros((4, 3)))
    assert validate_images(estimator, np.zeros((1, 3)), reset=False).shape == (1, 1, 3)
