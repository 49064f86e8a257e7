"""The range of pixels is the same for images in a list, a batch or a file."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import ndimage
from skimage.data import astronaut

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    FaceLoader,
    HOGTransformer,
    make_faces,
    make_hog_svm,
    networks,
    predict_faces,
)
from sk_emotion.exceptions import ImageArrayError, ImageReadError

PHOTO = astronaut()[:200, 100:300]
GRAY = np.asarray(Image.fromarray(PHOTO).convert("L"))
UNIT = GRAY / 255

# Results of resizing, sharpening and rounding of floats in [0, 1].
OVERSTEPPING = {
    "rounding": (UNIT * np.float32(1 + 2e-7)).astype(np.float32),
    "a hair": UNIT * 1.0001,
    "the tolerance": UNIT * 1.12 - 0.06,
    "spline": ndimage.zoom(UNIT, 1.3, order=3),
    "spline, half the size": ndimage.zoom(UNIT, 0.5, order=3).astype(np.float32),
    "unsharp mask": UNIT + 0.3 * (UNIT - ndimage.gaussian_filter(UNIT, 2)),
    "brighter": UNIT * 1.3,
    "half precision": (UNIT * 1.02).astype(np.float16),
}
SIZES = [24, 48, 150]


def round_off(unit):
    return np.clip(np.rint(unit.astype(float) * 255), 0, 255).astype(np.uint8)


def assert_near(faces, expected, atol=1):
    assert faces.dtype == np.uint8
    assert np.abs(faces.astype(int) - expected).max() <= atol


@pytest.mark.filterwarnings("ignore:FaceLoader. 1 of . images have more than 256 pixels")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize("name", [name for name in OVERSTEPPING if name not in ("brighter",)])
def test_floats_slightly_outside_their_range_are_clipped_the_same_everywhere(name, top, size, tmp_path):
    unit = OVERSTEPPING[name]
    picture = unit * np.array(top, dtype=unit.dtype)
    stored = Image.fromarray(picture.astype(np.float32))
    stored.save(tmp_path / "picture.tif")
    loader = FaceLoader(size, detector=None).fit([GRAY])
    expected = loader.transform([round_off(unit)])
    for form in ([picture], [PHOTO, picture], picture[np.newaxis], [stored], [tmp_path / "picture.tif"]):
        assert_near(loader.transform(form)[-1:], expected)
    assert_near(FaceLoader(size, detector=None).fit_transform(picture[np.newaxis]), expected)


@pytest.mark.parametrize("picture", [UNIT * 1.6, UNIT * 3, UNIT - 0.5, UNIT * 4 - 2, UNIT * 255 - 100, UNIT * 1e4])
def test_floats_on_no_range_of_pixels_raise_in_list_batch_and_file(picture, tmp_path):
    loader = FaceLoader(detector=None).fit([GRAY])
    Image.fromarray(picture.astype(np.float32)).save(tmp_path / "picture.tif")
    for form in ([picture], [tmp_path / "picture.tif"]):
        with pytest.raises(ImageReadError, match="expected 0 to 1 or 0 to 255"):
            loader.transform(form)
    with pytest.raises(ImageArrayError, match="Scale X to 0 to 255"):
        loader.transform(picture[np.newaxis])


DARK = GRAY / GRAY.max()


@pytest.mark.parametrize("picture", [DARK * 70 - 10, DARK * 60 - 7, DARK * 40 - 4, DARK * 120 - 16, DARK * 0.25 - 0.05])
def test_dark_floats_a_hair_below_their_range_are_clipped(picture, tmp_path):
    Image.fromarray(picture.astype(np.float32)).save(tmp_path / "picture.tif")
    loader = FaceLoader(48, detector=None).fit([GRAY])
    expected = loader.transform([round_off(picture / (255 if picture.max() > 1 else 1))])
    for form in ([picture], picture[np.newaxis], [tmp_path / "picture.tif"]):
        assert_near(loader.transform(form), expected)


ELSEWHERE = {
    "fractions with an outlier": np.where(GRAY.max() == GRAY, 3, UNIT),
    "brightened too much": UNIT * 1.6,
    "standardized": (UNIT - UNIT.mean()) / UNIT.std(),
    "from -1 to 1": UNIT * 2 - 1,
    "without their mean": GRAY - GRAY.mean(),
    "binarized": np.rint(UNIT),
    "switches": GRAY > 100,
    "one white picture": np.ones_like(UNIT),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_floats_that_are_no_bytes_raise_after_fit_on_bytes(name):
    batch = ELSEWHERE[name][np.newaxis]
    for fitted in (
        FaceLoader(48, detector=None).fit(GRAY[np.newaxis]),
        HOGTransformer().fit(GRAY[np.newaxis].astype(float)),
    ):
        with pytest.raises(ImageArrayError, match="was fitted on pixels from 0 to 255"):
            fitted.transform(batch)


@pytest.mark.parametrize("fitted", [GRAY.astype(np.uint16) * 257, GRAY.astype(np.uint16) * 16, GRAY * 257.0])
@pytest.mark.parametrize("seen", [UNIT, UNIT * 1.02, UNIT * 0.1, UNIT.astype(np.float32), GRAY > 100])
def test_fractions_raise_after_fit_on_deep_pixels(fitted, seen):
    describer = HOGTransformer().fit(fitted[np.newaxis])
    with pytest.raises(ImageArrayError, match="Scale X to the range of the training images"):
        describer.transform(seen[np.newaxis])
    assert np.isfinite(describer.transform(seen[np.newaxis] * 0.0)).all()


def test_negative_integers_beside_deep_ones_raise():
    frames = [GRAY.astype(np.int16) * 100, GRAY.astype(np.int16) - 2]
    with pytest.raises(ImageReadError, match="image 1 has pixels from -"):
        FaceLoader(detector=None).fit_transform([frames[0], frames[1] - frames[1].min() - 1])


def test_dark_whole_floats_are_pixels_up_to_255():
    dark = (GRAY // 100).astype(float)
    np.testing.assert_array_equal(FaceLoader(200, detector=None).fit([dark]).transform([dark])[0], GRAY // 100)


@pytest.fixture(scope="module")
def faces():
    return make_faces(24, emotions=["fear", "pain"], image_size=24, random_state=0)


@pytest.mark.parametrize("top", [1, 255])
def test_estimators_see_clipped_floats(faces, top):
    X, y, _ = faces
    clipped, beyond = X / 255 * top, X / 255 * top
    beyond[X == 0] = -0.06 * top
    beyond[X == 255] = 1.06 * top
    beyond[0, :2, :2] = [[-0.06 * top, 1.06 * top], [1.06 * top, -0.06 * top]]
    clipped[0, :2, :2] = [[0, top], [top, 0]]
    network = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, precision="fp32", random_state=0)
    network.fit(clipped, y)
    np.testing.assert_array_equal(network.predict_proba(beyond), network.predict_proba(clipped))
    np.testing.assert_array_equal(network.fit(beyond, y).predict_proba(X[:4] / 255 * top).shape, (4, 2))
    assert network.pixel_range_ == (0, top)
    describer = HOGTransformer().fit(clipped)
    np.testing.assert_array_equal(describer.transform(beyond), describer.transform(clipped))


def test_training_on_out_of_range_floats_is_training_on_clipped_ones(faces):
    X, y, _ = faces
    beyond = X / 255 * 1.12 - 0.06
    models = [
        EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0).fit(images, y)
        for images in (beyond, np.clip(beyond, 0, 1))
    ]
    np.testing.assert_array_equal(*[model.predict_proba(X / 255) for model in models])


@pytest.mark.parametrize("top", [1, 255])
def test_faces_made_of_out_of_range_floats_are_those_of_clipped_ones(faces, top):
    X, y, _ = faces
    few = np.r_[np.flatnonzero(y == "fear"), np.flatnonzero(y == "pain")[:3]]
    beyond = (X[few] / 255 * 1.12 - 0.06) * top
    made = [
        AugmentationOverSampler(random_state=0).fit_resample(images, y[few])[0][len(few) :]
        for images in (beyond, np.clip(beyond, 0, top))
    ]
    np.testing.assert_array_equal(*made)


FRAMES = {
    "12 bits": [GRAY.astype(np.uint16) * 16, GRAY.astype(np.uint16)],
    "16 bits": [GRAY.astype(np.uint16) * 257, GRAY.astype(np.uint16) * 16],
    "int32": [GRAY.astype(np.int32) * 257, GRAY.astype(np.int32)],
    "big-endian": [GRAY.astype(">u2") * 257, GRAY.astype(">u2") * 20],
    "two types": [GRAY.astype(np.uint16) * 257, GRAY.astype(np.int64) * 30],
    "floats": [GRAY.astype(np.float32), UNIT],
    "floats of two types": [GRAY.astype(np.float64), UNIT.astype(np.float16)],
}


@pytest.mark.parametrize("name", FRAMES)
def test_dark_frame_beside_a_bright_one_stays_dark(name):
    bright, dark = FRAMES[name]
    faces = FaceLoader(200, detector=None).fit([GRAY]).transform([dark, PHOTO, bright])
    scale = {"12 bits": 255 / 4095}.get(name, 1 if "floats" in name else 255 / 65535)
    assert_near(faces[0], np.rint(dark.astype(float) * scale))
    assert_near(faces[2], np.rint(bright.astype(float) * scale))
    assert faces[0].mean() < faces[2].mean() / 4


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, ">u2", np.uint32])
@pytest.mark.parametrize("factor", [1, 4, 16, 257])
def test_list_and_batch_of_16_bits_are_the_same(dtype, factor):
    frames = np.stack([GRAY.astype(dtype) * factor, GRAY.astype(dtype)])
    for loader in (
        FaceLoader(40, detector=None).fit([GRAY]),
        FaceLoader(40, detector=None).fit(list(frames)),
        FaceLoader(40, detector=None).fit(frames),
    ):
        expected = loader.transform(list(frames))
        assert expected.dtype == np.uint8
        np.testing.assert_array_equal(loader.transform(frames), expected)
    np.testing.assert_array_equal(FaceLoader(40, detector=None).fit_transform(frames), expected)


def test_pil_images_of_16_bits_and_of_floats_are_decided_on_together():
    bright, dark = FRAMES["16 bits"]
    loader = FaceLoader(200, detector=None).fit([GRAY])
    images = [Image.fromarray(dark), bright, Image.fromarray(UNIT.astype(np.float32)), GRAY.astype(float)]
    expected = loader.transform([dark, bright, UNIT, GRAY.astype(float)])
    np.testing.assert_array_equal(loader.transform(images), expected)
    np.testing.assert_array_equal(expected[0], np.rint(dark / 257))


@pytest.mark.parametrize("form", [list, np.stack])
def test_dark_frame_is_the_same_after_fit_on_brighter_ones(form):
    bright, dark = FRAMES["12 bits"]
    loader = pickle.loads(pickle.dumps(FaceLoader(200, detector=None).fit(form([bright, dark]))))
    expected = loader.transform(form([bright, dark]))[1:]
    np.testing.assert_array_equal(loader.transform(form([dark])), expected)
    np.testing.assert_array_equal(loader.transform([dark]), expected)


def test_dark_frames_are_dark_to_a_network_of_16_bits(faces):
    X, y, _ = faces
    deep = X.astype(np.uint16) * 257
    clf = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0).fit(deep, y)
    both = np.concatenate([deep[:1], X[1:2].astype(np.uint16)])
    np.testing.assert_allclose(clf.predict_proba(X[1:2].astype(np.uint16)), clf.predict_proba(both)[1:], atol=1e-6)


def as_table(frames):
    return pd.DataFrame(np.reshape(frames, (len(frames), -1)))


def as_zarr(frames):
    zarr = pytest.importorskip("zarr")
    frames = np.stack(frames)
    return zarr.array(frames, chunks=(10, *frames.shape[1:]))


def as_tensor(frames):
    frames = torch.from_numpy(np.stack(frames).astype(np.int32 if frames[0].dtype.kind == "u" else np.float32))
    return frames if frames.dtype == torch.int32 else frames.bfloat16()


@pytest.mark.parametrize("form", [list, np.stack, as_table, as_zarr, as_tensor])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_table_of_predictions_decides_on_all_frames_not_on_parts(form, dtype, faces):
    X, y, _ = faces
    model = make_hog_svm(image_size=24).fit(list(X), y)
    bright = (X[:1].astype(np.uint16) * 257).astype(dtype) if dtype is np.uint16 else X[:1].astype(dtype)
    dark = X[1:2].astype(dtype) if dtype is np.uint16 else (X[1:2] / 255).astype(dtype)
    frames = form([*bright, *np.repeat(dark, 40, axis=0)])
    table = predict_faces(model, frames)
    np.testing.assert_allclose(table["probability_pain"], model.predict_proba(frames)[:, 1])
    assert table["probability_pain"].iloc[1:].nunique() == 1
    assert table["picture"].tolist() == [f"picture {index}" for index in range(41)]


@pytest.mark.parametrize("fitted", [np.stack, list])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("factor", [16, 257])
def test_table_of_predictions_takes_the_frames_of_fit(fitted, dtype, factor, faces):
    X, y, _ = faces
    frames = X.astype(dtype) * factor
    model = make_hog_svm(image_size=24).fit(fitted(list(frames)), y)
    expected = model.predict_proba(frames)[:, 1]
    for form in (frames, list(frames), frames.reshape(len(frames), -1), frames[:1]):
        table = predict_faces(model, form)
        np.testing.assert_allclose(table["probability_pain"], expected[: len(table)])


def test_zarr_array_decides_on_all_frames(tmp_path):
    pytest.importorskip("zarr")
    bright, dark = FRAMES["16 bits"]
    loader = FaceLoader(200, detector=None)
    written = loader.to_zarr([dark, bright], tmp_path / "faces.zarr")
    np.testing.assert_array_equal(written[:], loader.fit_transform([dark, bright]))


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X.astype(object),
        lambda X: X.astype(np.int64),
        lambda X: X.astype(np.uint64),
        lambda X: X.astype(">i2"),
        lambda X: X.astype(np.float16),
        lambda X: X.astype(">f4"),
        lambda X: X.astype(float).astype(object),
        lambda X: np.asfortranarray(X),
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: np.broadcast_to(X, (1, *X.shape))[0],
        lambda X: X.view(np.ma.MaskedArray),
    ],
)
@pytest.mark.parametrize("picture", [GRAY, PHOTO])
def test_form_of_an_array_in_a_list_does_not_matter(change, picture):
    loader = FaceLoader(30, detector=None, color=picture.ndim == 3).fit([picture])
    np.testing.assert_array_equal(loader.transform([change(picture)]), loader.transform([picture]))


def test_sharpened_integers_are_clipped():
    sharp = GRAY.astype(np.int16) + (GRAY - ndimage.gaussian_filter(GRAY.astype(float), 2)).astype(np.int16) // 4
    sharp[0, :2] = -6, 262
    loader = FaceLoader(30, detector=None).fit([GRAY])
    expected = loader.transform([np.clip(sharp, 0, 255).astype(np.uint8)])
    np.testing.assert_array_equal(loader.transform([sharp]), expected)
    np.testing.assert_array_equal(loader.transform(sharp[np.newaxis]), expected)


def test_bools_are_black_and_white():
    switches = GRAY > 100
    loader = FaceLoader(30, detector=None).fit([GRAY])
    expected = loader.transform([switches * np.uint8(255)])
    np.testing.assert_array_equal(loader.transform([switches]), expected)
    np.testing.assert_array_equal(loader.transform(switches[np.newaxis]), expected)


def test_objects_that_are_no_numbers_are_named():
    with pytest.raises(ImageReadError, match="image 0 holds object values"):
        FaceLoader(detector=None).fit_transform([np.full((20, 20), None)])


def test_standardized_batch_keeps_its_own_range():
    small = (UNIT - UNIT.mean())[np.newaxis] / 10
    assert small.min() > -0.125
    loader = FaceLoader(detector=None).fit(small)
    assert loader.pixel_range_ == (small.min(), small.max())
    assert loader.transform(small).dtype == np.float32
