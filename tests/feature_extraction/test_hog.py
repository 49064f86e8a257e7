import numpy as np
import pytest
from skimage.feature import hog
from sklearn.utils._param_validation import InvalidParameterError

from sk_emotion import HOGTransformer, make_faces
from sk_emotion.exceptions import ImageArrayError


@pytest.fixture(scope="module")
def grey():
    return make_faces(6, random_state=0)[0]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"orientations": 8, "pixels_per_cell": (8, 8), "cells_per_block": (2, 2)},
        {"pixels_per_cell": (6, 12), "block_norm": "L1"},
        {"transform_sqrt": True, "block_norm": "L2"},
    ],
)
@pytest.mark.parametrize("kind", ["grey", "rgb", "floats"])
def test_it_equals_scikit_image(grey, settings, kind):
    X = {"grey": grey, "rgb": make_faces(6, color=True, random_state=0)[0], "floats": grey / 255}[kind]
    expected = [hog(image, **settings, channel_axis=-1 if kind == "rgb" else None) for image in X]
    np.testing.assert_array_equal(HOGTransformer(**settings).fit_transform(X), expected)


def test_flat_rows_are_images(grey):
    rows = grey.reshape(6, -1)
    np.testing.assert_array_equal(HOGTransformer().fit_transform(rows), HOGTransformer().fit_transform(grey))
    shaped = HOGTransformer(image_shape=(36, 64)).fit(rows)
    assert shaped.image_shape_ == (36, 64)


@pytest.mark.parametrize(("shape", "cells", "block"), [((1, 2), (1, 2), (1, 1)), ((7, 30), (7, 8), (1, 3))])
def test_cells_and_blocks_are_clipped_to_a_small_image(shape, cells, block):
    X = np.random.default_rng(0).random((4, *shape))
    transformer = HOGTransformer().fit(X)
    assert transformer.pixels_per_cell_ == cells
    assert transformer.cells_per_block_ == block
    assert np.isfinite(transformer.transform(X)).all()


def test_parallel_jobs_change_nothing():
    X = make_faces(300, image_size=16, random_state=0)[0]
    np.testing.assert_array_equal(HOGTransformer(n_jobs=2).fit_transform(X), HOGTransformer().fit_transform(X))


def test_features_are_named_for_pandas(grey):
    frame = HOGTransformer().set_output(transform="pandas").fit_transform(grey)
    assert list(frame.columns[:2]) == ["hog0", "hog1"]
    assert frame.shape[1] == HOGTransformer().fit_transform(grey).shape[1]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"pixels_per_cell": (8,)}, ValueError, r"pixels_per_cell=\(8,\), expected two positive integers"),
        ({"cells_per_block": (2, 0)}, ValueError, r"cells_per_block=\(2, 0\)"),
        ({"block_norm": "L3"}, InvalidParameterError, "block_norm"),
        ({"orientations": 0}, InvalidParameterError, "orientations"),
    ],
)
def test_wrong_parameter_is_named(grey, settings, error, message):
    with pytest.raises(error, match=message):
        HOGTransformer(**settings).fit(grey)


def test_other_size_is_refused(grey):
    with pytest.raises(ImageArrayError, match="24x24 grey images, but was fitted on 48x48"):
        HOGTransformer().fit(grey).transform(grey[:, :24, :24])
