import numpy as np
import pandas as pd
import pytest
from skimage.feature import hog
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from sk_emotion import HOGTransformer
from sk_emotion.exceptions import ImageArrayError


def make_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 32, 32, 3), (3, 33, 41), (3, 30, 25, 3)])
@pytest.mark.parametrize("scale", [None, 1.0, 1 / 255])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"orientations": 5, "pixels_per_cell": (5, 6), "cells_per_block": (2, 1), "block_norm": "L1"},
        {"cells_per_block": (1, 2), "block_norm": "L1-sqrt", "transform_sqrt": True},
        {"pixels_per_cell": (6, 6), "block_norm": "L2"},
    ],
)
def test_histograms_are_those_of_scikit_image(shape, scale, settings):
    X = make_images(*shape) if scale is None else make_images(*shape) * scale
    features = HOGTransformer(**settings).fit_transform(X)
    channel_axis = -1 if X.ndim == 4 else None
    names = {"pixels_per_cell": (8, 8), "cells_per_block": (3, 3), **settings}
    np.testing.assert_array_equal(features, [hog(image, **names, channel_axis=channel_axis) for image in X])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_features_are_doubles(dtype):
    assert HOGTransformer().fit_transform(make_images(2, 24, 24).astype(dtype)).dtype == np.float64


def test_flat_rows_and_images_give_the_same_features():
    X = make_images(4, 24, 32)
    flat = HOGTransformer(image_shape=(24, 32)).fit(X.reshape(4, -1))
    np.testing.assert_array_equal(flat.transform(X), flat.transform(X.reshape(4, -1)))
    np.testing.assert_array_equal(flat.transform(X), HOGTransformer().fit_transform(X))
    assert flat.n_features_in_ == 768 and flat.image_shape_ == (24, 32)


@pytest.mark.parametrize(
    ("shape", "cell", "block"),
    [
        ((2, 2, 2), (2, 2), (1, 1)),
        ((2, 5), (1, 5), (1, 1)),
        ((2, 1), (1, 1), (1, 1)),
        ((2, 6, 20, 3), (6, 8), (1, 2)),
        ((2, 16, 16), (8, 8), (2, 2)),
    ],
)
def test_cells_and_blocks_are_clipped_to_a_tiny_image(shape, cell, block):
    transformer = HOGTransformer()
    features = transformer.fit_transform(make_images(*shape))
    assert transformer.pixels_per_cell_ == cell and transformer.cells_per_block_ == block
    assert features.shape == (2, len(transformer.get_feature_names_out()))
    assert np.isfinite(features).all()


def test_batches_and_jobs_do_not_matter():
    X = make_images(520, 10, 10)
    expected = HOGTransformer().fit_transform(X)
    assert len(expected) == 520
    np.testing.assert_array_equal(HOGTransformer(n_jobs=2).fit_transform(X), expected)
    np.testing.assert_array_equal(HOGTransformer().fit(X[:5]).transform(X[300:310]), expected[300:310])


def test_features_have_names():
    transformer = HOGTransformer(orientations=4, cells_per_block=(2, 2)).fit(make_images(2, 24, 32))
    names = transformer.get_feature_names_out()
    assert len(names) == transformer.transform(make_images(2, 24, 32)).shape[1] == 2 * 3 * 2 * 2 * 4
    assert names[0] == "hog0" and names[-1] == "hog95"


def test_output_may_be_a_table():
    X = make_images(3, 24, 24)
    table = HOGTransformer().set_output(transform="pandas").fit_transform(X)
    assert isinstance(table, pd.DataFrame) and table.columns[0] == "hog0"
    np.testing.assert_array_equal(table, HOGTransformer().fit_transform(X))


def test_images_of_fit_need_not_be_those_of_transform():
    X = make_images(6, 24, 24)
    transformer = HOGTransformer().fit(X[:1])
    np.testing.assert_array_equal(transformer.transform(X), HOGTransformer().fit_transform(X))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"orientations": 0}, InvalidParameterError, "orientations"),
        ({"block_norm": "L3"}, InvalidParameterError, "block_norm"),
        ({"pixels_per_cell": 8}, InvalidParameterError, "pixels_per_cell"),
        ({"pixels_per_cell": (8, 0)}, ValueError, r"pixels_per_cell=\(8, 0\), expected two positive integers"),
        ({"cells_per_block": (3,)}, ValueError, r"cells_per_block=\(3,\), expected two positive integers"),
        ({"cells_per_block": (3, 1.5)}, ValueError, "expected two positive integers"),
    ],
)
def test_wrong_parameter_is_named(settings, error, message):
    with pytest.raises(error, match=message):
        HOGTransformer(**settings).fit(make_images(2, 24, 24))


def test_other_images_than_those_of_fit_are_refused():
    X = make_images(2, 24, 24)
    with pytest.raises(NotFittedError):
        HOGTransformer().transform(X)
    with pytest.raises(ImageArrayError, match="16x16 grey images, but was fitted on 24x24"):
        HOGTransformer().fit(X).transform(X[:, :16, :16])
    with pytest.raises(ImageArrayError, match="scale of the training images"):
        HOGTransformer().fit(X / 255).transform(X)


def test_square_root_of_negative_pixels_is_refused():
    X = make_images(2, 24, 24) / 64 - 2
    assert np.isfinite(HOGTransformer().fit_transform(X)).all()
    with pytest.raises(ImageArrayError, match="negative pixels"):
        HOGTransformer(transform_sqrt=True).fit_transform(X)
