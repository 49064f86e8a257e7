import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_config
from skimage.feature import hog
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from sk_emotion import HOGTransformer
from sk_emotion.exceptions import ImageArrayError


def make_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def describe_by_scikit_image(images, **settings):
    settings = {"pixels_per_cell": (8, 8), "cells_per_block": (3, 3), **settings}
    return np.array([hog(image, **settings, channel_axis=-1 if images.ndim == 4 else None) for image in images])


def draw_pixels(random, shape):
    """Draw noise, or pixels whose gradients are often on the border of two bins or equally strong in two channels."""
    height, width = shape[1:3]
    rows, columns = (axis.reshape(height, width, *[1] * (len(shape) - 3)) for axis in np.indices(shape[1:3]))
    kind = random.choice(["noise", "few levels", "flat", "checkerboard", "ramp"])
    if kind == "flat":
        return np.full(shape, random.integers(256), dtype=np.uint8)
    if kind == "ramp":
        down, across = random.integers(-9, 10, 2)
        return np.broadcast_to((down * rows + across * columns) % 256, shape).astype(np.uint8)
    pixels = random.integers(0, {"noise": 256, "few levels": 3, "checkerboard": 9}[kind], shape)
    return (28 * pixels * ((rows + columns) % 2) if kind == "checkerboard" else pixels).astype(np.uint8)


def draw_case(random):
    """Draw images and valid settings for them."""
    shape = (random.integers(1, 4), *random.integers(1, 36, 2), *[3][: random.integers(2)])
    cell = tuple(int(random.integers(1, min(side, 12) + 1)) for side in shape[1:3])
    n_cells = [side // size for side, size in zip(shape[1:3], cell, strict=True)]
    settings = {
        "orientations": int(random.integers(1, 20)),
        "pixels_per_cell": cell,
        "cells_per_block": tuple(int(random.integers(1, min(n, 3) + 1)) for n in n_cells),
        "block_norm": str(random.choice(["L1", "L1-sqrt", "L2", "L2-Hys"])),
        "transform_sqrt": bool(random.integers(2)),
    }
    images = draw_pixels(random, shape)
    dtype = random.choice(["uint8", "float32", "float64"])
    if dtype != "uint8":
        images = images.astype(dtype) * np.dtype(dtype).type(random.choice([1, 1 / 255, 1e-20, 1e-3, 1e10, 1e28]))
        if not settings["transform_sqrt"]:
            images -= random.choice([0, images.mean()]).astype(dtype)
    return images, settings


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
def test_histograms_match_scikit_image(shape, scale, settings):
    X = make_images(*shape) if scale is None else make_images(*shape) * scale
    features = HOGTransformer(**settings).fit_transform(X)
    np.testing.assert_allclose(features, describe_by_scikit_image(X, **settings), rtol=0, atol=1e-6)


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("seed", range(8))
def test_histograms_match_scikit_image_on_random_images(seed, device):
    random = np.random.default_rng(seed)
    for _ in range(25):
        images, settings = draw_case(random)
        # The width of a narrow image could be mistaken for color channels.
        flat = images.reshape(len(images), -1)
        features = HOGTransformer(**settings, device=device, image_shape=images.shape[1:]).fit_transform(flat)
        expected = describe_by_scikit_image(images, **settings)
        np.testing.assert_allclose(features, expected, rtol=0, atol=1e-6, err_msg=f"{images.dtype} {settings}")


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("orientations", [4, 8, 9, 180])
def test_every_uint8_gradient_falls_into_the_bin_of_scikit_image(orientations, device):
    # The middle pixel of 3x3 has a gradient of any (down, across).
    down, across = np.random.default_rng(0).integers(-255, 256, (2, 400))
    down[:100] = across[:100] * np.repeat([1, -1, 0, 2], 25)
    down = down.clip(-255, 255)
    X = np.zeros((400, 3, 3), dtype=np.uint8)
    X[:, 0, 1], X[:, 2, 1] = np.maximum(-down, 0), np.maximum(down, 0)
    X[:, 1, 0], X[:, 1, 2] = np.maximum(-across, 0), np.maximum(across, 0)
    settings = {"orientations": orientations, "pixels_per_cell": (3, 3), "cells_per_block": (1, 1)}
    expected = describe_by_scikit_image(X, **settings)
    features = HOGTransformer(**settings, device=device).fit_transform(X)
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(HOGTransformer(**settings).fit_transform(X * 1.0), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("block_norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
def test_constant_images_have_no_gradients(channels, block_norm):
    X = np.full((2, 24, 24, *channels), 7)
    for images in (X.astype(np.uint8), X / 255):
        assert not HOGTransformer(block_norm=block_norm).fit_transform(images).any()


def test_channel_with_the_strongest_gradient_is_used():
    X = make_images(3, 24, 24, 3) // 4
    strongest = make_images(3, 24, 24)
    X[..., 1] = strongest
    X[..., [0, 2]] = strongest[..., np.newaxis] // 3
    features = HOGTransformer().fit_transform(X)
    np.testing.assert_allclose(features, describe_by_scikit_image(X), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(HOGTransformer().fit_transform(strongest), features)
    grey_as_rgb = np.repeat(strongest[..., np.newaxis], 3, axis=-1) / 255
    np.testing.assert_array_equal(
        HOGTransformer().fit_transform(grey_as_rgb), HOGTransformer().fit_transform(strongest / 255)
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_features_are_float64(dtype):
    assert HOGTransformer().fit_transform(make_images(2, 24, 24).astype(dtype)).dtype == np.float64


def test_rows_and_images_have_the_same_features():
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
def test_cells_and_blocks_are_clipped_to_small_images(shape, cell, block):
    transformer = HOGTransformer()
    features = transformer.fit_transform(make_images(*shape))
    assert transformer.pixels_per_cell_ == cell and transformer.cells_per_block_ == block
    assert features.shape == (2, len(transformer.get_feature_names_out()))
    assert np.isfinite(features).all()


def test_features_do_not_depend_on_batches_and_jobs():
    # More pixels than in one batch.
    X = make_images(520, 26, 26)
    expected = HOGTransformer().fit_transform(X)
    assert len(expected) == 520
    np.testing.assert_array_equal(HOGTransformer(n_jobs=2).fit_transform(X), expected)
    with parallel_config(backend="loky", n_jobs=2):
        np.testing.assert_array_equal(HOGTransformer().fit_transform(X), expected)
    np.testing.assert_array_equal(HOGTransformer().fit(X[:5]).transform(X[380:390]), expected[380:390])
    np.testing.assert_array_equal(
        [HOGTransformer().fit(X).transform(X[i : i + 1])[0] for i in (0, 519)], expected[[0, -1]]
    )


@pytest.mark.parametrize("device", [None, "cpu"])
def test_images_can_be_a_read_only_memory_map(tmp_path, device):
    X = make_images(5, 24, 24)
    np.save(tmp_path / "images.npy", X)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    features = HOGTransformer(device=device).fit_transform(mapped)
    np.testing.assert_allclose(features, HOGTransformer().fit_transform(X), rtol=0, atol=1e-6)


def test_images_can_be_any_view():
    X = make_images(5, 24, 24)
    view = X[::-1, ::2, ::-1]
    np.testing.assert_array_equal(HOGTransformer().fit_transform(view), HOGTransformer().fit_transform(view.copy()))


def test_automatic_device_has_the_same_features():
    X = make_images(5, 24, 24)
    features = HOGTransformer(device="auto").fit_transform(X)
    np.testing.assert_allclose(features, HOGTransformer().fit_transform(X), rtol=0, atol=1e-6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_unavailable_device_is_an_error():
    with pytest.raises(ValueError, match="PyTorch finds no CUDA device"):
        HOGTransformer(device="cuda").fit_transform(make_images(2, 24, 24))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("seed", range(4))
def test_histograms_on_a_gpu_match_numpy(seed):
    random = np.random.default_rng(seed)
    for _ in range(25):
        images, settings = draw_case(random)
        # The width of a narrow image could be mistaken for color channels.
        flat = images.reshape(len(images), -1)
        features = HOGTransformer(**settings, device="cuda", image_shape=images.shape[1:]).fit_transform(flat)
        expected = HOGTransformer(**settings, image_shape=images.shape[1:]).fit_transform(flat)
        np.testing.assert_allclose(features, expected, rtol=0, atol=1e-6)


def test_feature_names_out():
    transformer = HOGTransformer(orientations=4, cells_per_block=(2, 2)).fit(make_images(2, 24, 32))
    names = transformer.get_feature_names_out()
    assert len(names) == transformer.transform(make_images(2, 24, 32)).shape[1] == 2 * 3 * 2 * 2 * 4
    assert names[0] == "hog0" and names[-1] == "hog95"


def test_output_can_be_a_dataframe():
    X = make_images(3, 24, 24)
    table = HOGTransformer().set_output(transform="pandas").fit_transform(X)
    assert isinstance(table, pd.DataFrame) and table.columns[0] == "hog0"
    np.testing.assert_array_equal(table, HOGTransformer().fit_transform(X))


def test_transform_accepts_new_images():
    X = make_images(6, 24, 24)
    transformer = HOGTransformer().fit(X[:1])
    np.testing.assert_array_equal(transformer.transform(X), HOGTransformer().fit_transform(X))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"orientations": 0}, InvalidParameterError, "orientations"),
        ({"device": 0}, InvalidParameterError, "device"),
        ({"block_norm": "L3"}, InvalidParameterError, "block_norm"),
        ({"pixels_per_cell": 8}, InvalidParameterError, "pixels_per_cell"),
        ({"pixels_per_cell": (8, 0)}, ValueError, r"pixels_per_cell=\(8, 0\), expected two positive integers"),
        ({"cells_per_block": (3,)}, ValueError, r"cells_per_block=\(3,\), expected two positive integers"),
        ({"cells_per_block": (3, 1.5)}, ValueError, "expected two positive integers"),
    ],
)
def test_invalid_parameter_is_an_error(settings, error, message):
    with pytest.raises(error, match=message):
        HOGTransformer(**settings).fit(make_images(2, 24, 24))


def test_images_unlike_those_of_fit_are_an_error():
    X = make_images(2, 24, 24)
    with pytest.raises(NotFittedError):
        HOGTransformer().transform(X)
    with pytest.raises(ImageArrayError, match="16x16 gray images, but was fitted on 24x24"):
        HOGTransformer().fit(X).transform(X[:, :16, :16])
    with pytest.raises(ImageArrayError, match="range of the training images"):
        HOGTransformer().fit(X / 255).transform(X)


def test_square_root_of_negative_pixels_is_an_error():
    X = make_images(2, 24, 24) / 64 - 2
    assert np.isfinite(HOGTransformer().fit_transform(X)).all()
    with pytest.raises(ImageArrayError, match="negative pixels"):
        HOGTransformer(transform_sqrt=True).fit_transform(X)
