from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.pipeline import make_pipeline
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError

from sk_emotion import AugmentationOverSampler, FaceAugmentation
from sk_emotion.exceptions import ImageArrayError, LabelError

Y = np.array(["pain"] * 3 + ["happiness"] * 9 + ["fear"] * 6)
MIRROR = FaceAugmentation(flip=1, rotation=0, scale=0, translation=0, brightness=0, contrast=0, erasing=0)
MOVES = FaceAugmentation(brightness=0, contrast=0)


def make_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def resample(X, y=Y, **settings):
    sampler = AugmentationOverSampler(**{"random_state": 0, **settings})
    return *sampler.fit_resample(X, y), sampler


X = make_images(len(Y), 16, 20)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("auto", {"fear": 9, "happiness": 9, "pain": 9}),
        ("not majority", {"fear": 9, "happiness": 9, "pain": 9}),
        ("all", {"fear": 9, "happiness": 9, "pain": 9}),
        ("not minority", {"fear": 9, "happiness": 9, "pain": 3}),
        ("minority", {"fear": 6, "happiness": 9, "pain": 9}),
        ({"pain": 5}, {"fear": 6, "happiness": 9, "pain": 5}),
        ({"pain": 3, "happiness": 20}, {"fear": 6, "happiness": 20, "pain": 3}),
        (lambda y: {"pain": 2 * int((y == "pain").sum())}, {"fear": 6, "happiness": 9, "pain": 6}),
    ],
)
def test_sampling_strategy_sets_the_size_of_classes(strategy, expected):
    X_new, y_new, sampler = resample(X, sampling_strategy=strategy)
    assert Counter(y_new.tolist()) == expected
    assert len(X_new) == len(y_new) == len(sampler.sample_indices_)
    assert Counter(sampler.sampling_strategy_) == Counter(expected) - Counter(Y.tolist())


def test_class_counts_are_those_before_resampling():
    _, labels, sampler = resample(X)
    assert sampler.class_counts_ == {"fear": 6, "happiness": 9, "pain": 3}
    after = {label: n + sampler.sampling_strategy_.get(label, 0) for label, n in sampler.class_counts_.items()}
    assert after == Counter(labels)


def test_float_strategy_is_the_ratio_of_two_classes():
    rows = Y != "fear"
    _, y_new, _ = resample(X[rows], Y[rows], sampling_strategy=2 / 3)
    assert Counter(y_new.tolist()) == {"happiness": 9, "pain": 6}


@pytest.mark.parametrize(
    ("strategy", "error", "message"),
    [
        ("majority", ValueError, "majority"),
        ("most", InvalidParameterError, "sampling_strategy"),
        (0.5, ValueError, "multi-class"),
        ({"pain": 1}, ValueError, "should be greater or equal"),
        ({"boredom": 9}, ValueError, "boredom"),
        (["pain"], InvalidParameterError, "sampling_strategy"),
    ],
)
def test_invalid_strategy_raises_the_error_of_imbalanced_learn(strategy, error, message):
    with pytest.raises(error, match=message):
        resample(X, sampling_strategy=strategy)


@pytest.mark.parametrize("shape", [(16, 20), (16, 20, 3), (16, 20, 1), (256,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_originals_come_first_and_are_unchanged(shape, dtype):
    images = make_images(len(Y), *shape).astype(dtype)
    before = images.copy()
    X_new, y_new, sampler = resample(images)
    assert X_new.shape == (27, *shape) and X_new.dtype == dtype
    np.testing.assert_array_equal(X_new[: len(Y)], before)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(y_new[: len(Y)], Y)
    np.testing.assert_array_equal(sampler.sample_indices_[: len(Y)], np.arange(len(Y)))


@pytest.mark.parametrize("strategy", ["auto", {"pain": 3}])
def test_result_shares_no_memory_with_the_input(strategy):
    X_new, y_new, _ = resample(X, sampling_strategy=strategy)
    assert not np.shares_memory(X_new, X)
    assert not np.shares_memory(y_new, Y)


def test_sample_indices_identify_the_original_of_each_row():
    _, y_new, sampler = resample(X)
    np.testing.assert_array_equal(y_new, Y[sampler.sample_indices_])
    X_new, _, sampler = resample(X, augmentation=MIRROR)
    n = len(Y)
    np.testing.assert_array_equal(X_new[n:], X[sampler.sample_indices_[n:]][:, :, ::-1])


def test_each_image_of_a_class_is_copied_equally_often():
    _, _, sampler = resample(X, sampling_strategy={"pain": 10, "fear": 20, "happiness": 9})
    copies = np.bincount(sampler.sample_indices_[len(Y) :], minlength=len(Y))
    assert sorted(copies[Y == "pain"]) == [2, 2, 3]
    assert sorted(copies[Y == "fear"]) == [2, 2, 2, 2, 3, 3]
    assert not copies[Y == "happiness"].any()


@pytest.mark.parametrize("shape", [(16, 20), (16, 20, 3)])
def test_copies_differ_from_their_original_and_from_each_other(shape):
    X_new, _, _ = resample(make_images(len(Y), *shape))
    assert len(np.unique(X_new.reshape(len(X_new), -1), axis=0)) == len(X_new)


def test_rows_and_images_have_the_same_copies():
    faces = make_images(len(Y), 16, 16)
    X_new, _, _ = resample(faces)
    np.testing.assert_array_equal(resample(faces.reshape(len(Y), -1))[0], X_new.reshape(len(X_new), -1))
    X_new, _, _ = resample(X)
    rows, _, sampler = resample(X.reshape(len(Y), -1), image_shape=(16, 20))
    np.testing.assert_array_equal(rows, X_new.reshape(len(X_new), -1))
    assert sampler.image_shape_ == (16, 20) and sampler.n_features_in_ == 320


@pytest.mark.parametrize("scale", ["[0, 1]", "[0, 255]", "standardized"])
def test_floats_keep_their_range(scale):
    factor, offset = {"[0, 1]": (1 / 255, 0), "[0, 255]": (1, 0), "standardized": (1 / 64, -2)}[scale]
    floats = X.astype(np.float32) * np.float32(factor) + np.float32(offset)
    X_new, _, sampler = resample(floats)
    low, high = sampler.pixel_range_
    copies = X_new[len(Y) :]
    assert low - 1e-6 <= copies.min() and copies.max() <= high + 1e-6
    assert AugmentationOverSampler().fit(X_new, resample(floats)[1]).pixel_range_ == pytest.approx((low, high))
    as_bytes = (copies - offset) / factor
    assert np.abs(as_bytes - resample(X)[0][len(Y) :]).max() < 3


def test_copies_by_a_custom_augmentation_are_uint8():
    too_bright, _, _ = resample(X, augmentation=lambda images, generator: images + 2)
    assert (too_bright[len(Y) :] == 255).all()
    black, _, _ = resample(X, augmentation=lambda images, generator: images - 2)
    assert not black[len(Y) :].any()


@pytest.mark.parametrize("random_state", [0, np.random.RandomState])
def test_same_seed_draws_the_same_copies(random_state):
    def draw(seed):
        return resample(X, random_state=seed if random_state == 0 else random_state(seed))[0]

    np.testing.assert_array_equal(draw(3), draw(3))
    assert not np.array_equal(draw(3), draw(4))


def test_global_random_states_are_not_changed():
    state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - NumPy's old state
    resample(X)
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002 - NumPy's old state


@pytest.mark.parametrize("shape", [(15, 15), (15, 40), (40, 15, 3), (2,), (100,)])
def test_tiny_images_are_copied_unchanged(shape):
    tiny = make_images(len(Y), *shape)
    X_new, _, sampler = resample(tiny)
    np.testing.assert_array_equal(X_new, tiny[sampler.sample_indices_])


def test_balanced_classes_are_unchanged():
    X_new, y_new, _ = resample(X, np.repeat(["fear", "happiness", "pain"], 6))
    np.testing.assert_array_equal(X_new, X)
    assert Counter(y_new.tolist()) == {"fear": 6, "happiness": 6, "pain": 6}


def test_many_copies_are_augmented_in_chunks():
    sizes = []

    def write_down(images, generator):
        sizes.append(len(images))
        return images

    _, y_new, _ = resample(X, sampling_strategy={"pain": 1503}, augmentation=write_down)
    assert Counter(y_new.tolist())["pain"] == 1503
    assert sizes == [1024, 476]


def test_labels_keep_their_type():
    series = pd.Series(Y, name="emotion", index=np.arange(100, 100 + len(Y)))
    _, y_new, _ = resample(X, series)
    assert isinstance(y_new, pd.Series) and y_new.name == "emotion"
    assert Counter(y_new) == {"fear": 9, "happiness": 9, "pain": 9}
    _, y_new, _ = resample(X, pd.Series(Y).astype("category"))
    assert y_new.dtype == "category"
    _, y_new, _ = resample(X, Y.tolist())
    assert isinstance(y_new, list)
    _, y_new, _ = resample(X, (Y == "pain").astype(np.int32))
    assert y_new.dtype == np.int32


def test_dataframe_of_pixels_stays_a_dataframe():
    table = pd.DataFrame(make_images(len(Y), 256)).add_prefix("pixel")
    X_new, _, _ = resample(table)
    assert X_new.columns.tolist() == table.columns.tolist()
    assert (X_new.dtypes == np.uint8).all() and len(X_new) == 27


@pytest.mark.parametrize("shape", [(16, 20), (256,)])
def test_list_of_images_stays_a_list(shape):
    images = make_images(len(Y), *shape)
    X_new, _, _ = resample(list(images))
    assert isinstance(X_new, list)
    np.testing.assert_array_equal(X_new, resample(images)[0])


@pytest.mark.parametrize("value", [np.nan, None, pd.NA])
def test_missing_label_is_an_error_in_fit_too(value):
    labels = [value, *Y[1:]]
    for method in (AugmentationOverSampler().fit, AugmentationOverSampler().fit_resample):
        with pytest.raises(LabelError, match=r"^AugmentationOverSampler: .*1 of 18 places, first in y\[0\]"):
            method(X, labels)


def test_continuous_labels_are_an_error_in_fit_too():
    for method in (AugmentationOverSampler().fit, AugmentationOverSampler().fit_resample):
        with pytest.raises(LabelError, match=r"y contains no class labels \(Unknown label type"):
            method(X, np.linspace(0, 1, 18))


def test_tags_describe_input_and_output():
    tags = get_tags(AugmentationOverSampler())
    assert tags.input_tags.three_d_array is True
    assert tags.input_tags.sparse is False
    assert tags.input_tags.dataframe is False
    assert tags.sampler_tags.sample_indices is True


def test_invalid_data_is_an_error():
    with pytest.raises(LabelError, match=r"18 images, but y has 17 labels\. Pass one label per image\.$"):
        resample(X, Y[:-1])
    with pytest.raises(LabelError, match=r"y contains only one class: pain\. Add images of another class\.$"):
        resample(X, np.full(len(Y), "pain"))
    with pytest.raises(LabelError, match="y contains only one class: pain"):
        resample(X[:1], ["pain"])
    with pytest.raises(ImageArrayError, match=r"image_shape=\(62, 47\)"):
        resample(make_images(len(Y), 2914))
    with pytest.raises(ValueError, match="NaN"):
        resample(np.full(X.shape, np.nan))
    with pytest.raises(ImageArrayError, match="Drop the alpha channel"):
        resample(make_images(len(Y), 16, 16, 4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augmentation": "strong"}, "augmentation"),
        ({"image_shape": 16}, "image_shape"),
        ({"random_state": "a"}, "random"),
    ],
)
def test_invalid_parameter_is_an_error(settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        resample(X, **settings)


def test_sampler_clones_with_its_augmentation():
    sampler = AugmentationOverSampler(augmentation=FaceAugmentation(flip=0), random_state=0)
    copy = clone(sampler).set_params(augmentation__rotation=45)
    assert copy.augmentation.get_params() == {**sampler.augmentation.get_params(), "rotation": 45}
    assert sampler.augmentation.rotation == 10


class RecordingClassifier(ClassifierMixin, BaseEstimator):
    """Record its input, and predict at random."""

    seen: list = []  # noqa: RUF012 - shared by all clones on purpose

    def __init__(self, tag=0):
        self.tag = tag

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.seen.append(("fit", X.copy(), np.asarray(y)))
        return self

    def predict(self, X):
        self.seen.append(("predict", X.copy(), None))
        return np.full(len(X), self.classes_[0])


def levels(images):
    """Return the gray level of each constant image."""
    assert (images == images[:, :1, :1]).all()
    return set(images[:, 0, 0].tolist())


@pytest.fixture
def witness():
    RecordingClassifier.seen.clear()
    yield RecordingClassifier()
    RecordingClassifier.seen.clear()


def test_no_test_image_nor_a_copy_of_it_is_trained_on(witness):
    # Each image has a unique gray level, which identifies its copies in spite of rotation, shift and erasing.
    y = np.array(["happiness"] * 24 + ["pain"] * 6)
    X = np.repeat(np.arange(30, dtype=np.uint8) * 8, 256).reshape(30, 16, 16)
    search = GridSearchCV(
        make_pipeline(AugmentationOverSampler(augmentation=MOVES, random_state=0), witness),
        {"recordingclassifier__tag": [0, 1], "augmentationoversampler__sampling_strategy": ["auto", 0.75]},
        scoring="accuracy",
        cv=StratifiedKFold(3),
    )
    search.fit(X, y)

    *rounds, refit = RecordingClassifier.seen
    assert [call for call, _, _ in rounds] == ["fit", "predict"] * 12
    for (_, trained, labels), (_, tested, _) in zip(rounds[::2], rounds[1::2], strict=True):
        assert levels(trained).isdisjoint(levels(tested))
        assert levels(trained) | levels(tested) == levels(X)
        assert len(trained) > 20 and (labels == "pain").sum() > 4
        np.testing.assert_array_equal(tested, X[np.isin(X[:, 0, 0], list(levels(tested)))])
    assert refit[0] == "fit" and levels(refit[1]) == levels(X)


def test_predict_receives_unchanged_images(witness):
    pipeline = make_pipeline(AugmentationOverSampler(random_state=0), witness).fit(X, Y)
    pipeline.predict(X)
    (_, trained, labels), (_, tested, _) = RecordingClassifier.seen
    assert Counter(labels.tolist()) == {"fear": 9, "happiness": 9, "pain": 9}
    np.testing.assert_array_equal(trained[: len(Y)], X)
    np.testing.assert_array_equal(tested, X)


def test_augmentation_none_copies_unchanged():
    X_new, _, sampler = resample(X, augmentation=None)
    np.testing.assert_array_equal(X_new, X[sampler.sample_indices_])


def test_nested_parameters_of_the_default_can_be_set():
    sampler = AugmentationOverSampler().set_params(augmentation__rotation=45)
    assert sampler.augmentation.rotation == 45
