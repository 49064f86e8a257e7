from collections import Counter

import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import make_pipeline
from sklearn.base import clone

from sk_emotion import AugmentationOverSampler, FaceAugmentation, HOGTransformer, make_faces
from sk_emotion.exceptions import ImageArrayError, LabelError


@pytest.fixture(scope="module")
def rare():
    """Eighteen happy, eight sad and four pained faces."""
    X, y, _ = make_faces(
        30, emotions=["happiness", "pain", "sadness"], weights=[18, 4, 8], image_size=16, random_state=0
    )
    return X, y


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("auto", [18, 18, 18]),
        ("not majority", [18, 18, 18]),
        ("all", [18, 18, 18]),
        ("minority", [18, 18, 8]),
        ({"pain": 10, "sadness": 8}, [18, 10, 8]),
        (lambda y: {"sadness": 12}, [18, 4, 12]),
    ],
)
def test_classes_grow_as_asked(rare, strategy, expected):
    X, y = rare
    _, resampled = AugmentationOverSampler(sampling_strategy=strategy, random_state=0).fit_resample(X, y)
    counts = Counter(resampled.tolist())
    assert [counts[name] for name in ("happiness", "pain", "sadness")] == expected


def test_float_is_the_ratio_of_two_classes(rare):
    X, y = rare
    two = y != "sadness"
    _, resampled = AugmentationOverSampler(sampling_strategy=0.5, random_state=0).fit_resample(X[two], y[two])
    assert Counter(resampled.tolist()) == {"happiness": 18, "pain": 9}


@pytest.mark.parametrize("form", ["grey", "one channel", "rgb", "flat"])
def test_originals_come_first_and_unchanged_in_their_own_form(rare, form):
    X, y = rare
    X = {
        "grey": X,
        "one channel": X[..., None],
        "rgb": np.repeat(X[..., None], 3, axis=3),
        "flat": X.reshape(30, -1),
    }[form]
    resampled, labels = AugmentationOverSampler(random_state=0).fit_resample(X, y)
    assert resampled.dtype == np.uint8
    assert resampled.shape == (54, *X.shape[1:])
    np.testing.assert_array_equal(resampled[:30], X)
    np.testing.assert_array_equal(labels[:30], y)


def test_flat_rows_and_images_grow_alike(rare):
    X, y = rare
    images, _ = AugmentationOverSampler(random_state=0).fit_resample(X, y)
    rows, _ = AugmentationOverSampler(random_state=0).fit_resample(X.reshape(30, -1), y)
    np.testing.assert_array_equal(images.reshape(54, -1), rows)


def test_indices_say_whose_copy_each_row_is(rare):
    X, y = rare
    sampler = AugmentationOverSampler(augmentation=FaceAugmentation(flip=0, rotation=0, scale=0, translation=0,
                                      brightness=0, contrast=0, erasing=0), random_state=0)  # fmt: skip
    resampled, labels = sampler.fit_resample(X, y)
    np.testing.assert_array_equal(resampled, X[sampler.sample_indices_])
    np.testing.assert_array_equal(labels, y[sampler.sample_indices_])
    # Each of the four pained faces is copied as often as the others, give or take once.
    copies = Counter(sampler.sample_indices_[30:][labels[30:] == "pain"].tolist())
    assert set(copies.values()) == {3, 4}


def test_copies_are_changed_and_repeat_with_the_seed(rare):
    X, y = rare
    sampler = AugmentationOverSampler(random_state=0)
    first, _ = sampler.fit_resample(X, y)
    again, _ = clone(sampler).fit_resample(X, y)
    np.testing.assert_array_equal(first, again)
    assert not (first[30:] == X[sampler.sample_indices_[30:]]).all(axis=(1, 2)).any()
    other, _ = AugmentationOverSampler(random_state=1).fit_resample(X, y)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (-2, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type_and_range(rare, low, high, dtype):
    X, y = rare
    X = ((X - X.min()) / (X.max() - X.min()) * (high - low) + low).astype(dtype)
    resampled, _ = AugmentationOverSampler(random_state=0).fit_resample(X, y)
    assert resampled.dtype == dtype
    assert resampled.min() >= low - 1e-4
    assert resampled.max() <= high + 1e-4
    # The copies are as bright as the originals, not on another scale.
    assert resampled[30:].mean() == pytest.approx(X.mean(), abs=0.2 * (high - low))


def test_tiny_images_are_copied_as_they_are():
    X = np.arange(40.0).reshape(10, 4)
    sampler = AugmentationOverSampler(random_state=0)
    resampled, y = sampler.fit_resample(X, [0] * 7 + [1] * 3)
    np.testing.assert_array_equal(resampled, X[sampler.sample_indices_])
    assert Counter(np.asarray(y).tolist()) == {0: 7, 1: 7}


def test_series_of_labels_comes_back_as_a_series(rare):
    X, y = rare
    _, labels = AugmentationOverSampler(random_state=0).fit_resample(X, pd.Series(y, name="emotion"))
    assert isinstance(labels, pd.Series)
    assert labels.name == "emotion"


def test_balanced_classes_stay_as_they_are(rare):
    X, y = rare
    rows = np.r_[np.flatnonzero(y == "pain"), np.flatnonzero(y == "sadness")[:4]]
    resampled, _ = AugmentationOverSampler(random_state=0).fit_resample(X[rows], y[rows])
    np.testing.assert_array_equal(resampled, X[rows])


def test_pipeline_grows_the_training_set_alone(rare):
    X, y = rare
    pipeline = make_pipeline(AugmentationOverSampler(random_state=0), HOGTransformer(cells_per_block=(1, 1)))
    assert len(pipeline.fit_transform(X, y)) == 54
    assert len(pipeline.transform(X)) == 30


def test_global_random_state_of_torch_is_left_alone(rare):
    import torch

    X, y = rare
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    AugmentationOverSampler(random_state=1).fit_resample(X, y)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": ["pain"] * 29}, LabelError, "X has 30 images, but y has 29 labels"),
        ({"y": ["pain"] * 30}, ValueError, "more than 1 class"),
        ({"X": np.zeros((30, 2914))}, ImageArrayError, "image_shape"),
        ({"X": np.full((30, 16, 16), np.nan)}, ValueError, "NaN"),
    ],
)
def test_what_cannot_be_resampled_is_named(rare, change, error, message):
    X, y = rare
    with pytest.raises(error, match=message):
        AugmentationOverSampler().fit_resample(**{"X": X, "y": y, **change})
