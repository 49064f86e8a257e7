"""Images of weight 0 are ignored."""

import numpy as np
import pytest

from sk_emotion import EmotionClassifier, LeastSquaresSVC, networks
from sk_emotion.exceptions import LabelError

pytestmark = pytest.mark.training


def make_classifier(**settings):
    settings = {"network": networks.VGG(width=4), "max_epochs": 2, "precision": "fp32", "random_state": 0, **settings}
    return EmotionClassifier(**settings)


def assert_equal(one, other, X):
    np.testing.assert_array_equal(one.net_.preparation.mean, other.net_.preparation.mean)
    np.testing.assert_array_equal(one.net_.preparation.std, other.net_.preparation.std)
    assert one.pixel_range_ == other.pixel_range_
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


@pytest.fixture(scope="module")
def images(faces):
    X, y, persons = faces
    return np.asarray(X)[:48, :24, :24], y[:48], persons[:48]


SPOILED = {
    "dark": lambda X: X // 8,
    "white": lambda X: np.full_like(X, 255),
    "noise": lambda X: np.random.default_rng(0).integers(0, 255, X.shape).astype(X.dtype),
}


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize(
    "settings", [{}, {"balance_batches": True}, {"optimizer": "adamw", "ema": 0.9}, {"class_weight": "balanced"}]
)
def test_fit_equals_fit_without_them(images, spoil, settings):
    X, y, _ = images
    weight = np.where(np.arange(48) % 3 == 0, 0.0, 1.0 + np.arange(48) % 2)
    given = np.where((weight > 0)[:, None, None], X, SPOILED[spoil](X))
    weighted = make_classifier(**settings).fit(given, y, sample_weight=weight)
    present = weight > 0
    absent = make_classifier(**settings).fit(X[present], y[present], sample_weight=weight[present])
    assert_equal(weighted, absent, X)


@pytest.mark.parametrize("scale", [100.0, 255.0, -3.0])
def test_pixel_range_ignores_them(images, scale):
    X, y, _ = images
    given = (X / 255).astype(np.float32)
    given[::4] *= scale
    weight = np.ones(48)
    weight[::4] = 0
    weighted = make_classifier().fit(given, y, sample_weight=weight)
    assert weighted.pixel_range_ == (0.0, 1.0)
    absent = make_classifier().fit(given[weight > 0], y[weight > 0])
    assert_equal(weighted, absent, X / 255)


def test_class_of_weight_0_is_in_classes_but_not_trained_on(images):
    X, _, _ = images
    y = np.tile(["anger", "happiness", "pain"], 16)
    given = np.where((y == "pain")[:, None, None], 255 - X, X)
    clf = make_classifier(class_weight={"anger": 1, "happiness": 1, "pain": 0}).fit(given, y)
    other = make_classifier(class_weight={"anger": 1, "happiness": 1, "pain": 0}).fit(X, y)
    assert clf.classes_.tolist() == ["anger", "happiness", "pain"]
    assert_equal(clf, other, X)


def test_balanced_class_weight_uses_sample_weights(images):
    X, y, _ = images
    weight = np.where(y == y[0], 2.0, 1.0)
    weight[y == y[1]] = 0
    given = weight.copy()
    clf = make_classifier(class_weight="balanced").fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(weight, given)
    totals = {name: weight[y == name].sum() for name in np.unique(y)}
    other = make_classifier().fit(
        X, y, sample_weight=[w / totals[name] if w else 0 for w, name in zip(weight, y, strict=True)]
    )
    np.testing.assert_allclose(clf.predict_proba(X), other.predict_proba(X), atol=1e-4)


def test_partial_fit_ignores_them(images):
    X, y, _ = images
    weight = (np.arange(48) % 2).astype(float)
    given = np.where((weight > 0)[:, None, None], X, 0)
    weighted, absent = make_classifier(), make_classifier()
    for _ in range(2):
        weighted.partial_fit(given, y, classes=np.unique(y), sample_weight=weight)
        absent.partial_fit(X[1::2], y[1::2], classes=np.unique(y))
    assert_equal(weighted, absent, X)


def test_validation_set_ignores_them(images):
    X, y, persons = images
    weight = np.where(np.arange(48) % 4 == 0, 0, 1)
    settings = {"validation_fraction": 0.3}
    present = weight > 0
    for groups in (None, persons):
        weighted = make_classifier(**settings).fit(X, y, sample_weight=weight, groups=groups)
        kept = None if groups is None else groups[present]
        absent = make_classifier(**settings).fit(X[present], y[present], groups=kept)
        assert_equal(weighted, absent, X)
    with pytest.raises(LabelError, match="groups has 36 entries"):
        make_classifier(**settings).fit(X, y, sample_weight=weight, groups=persons[present])


def test_memory_maps_are_trained_without_them(images, tmp_path):
    X, y, _ = images
    np.save(tmp_path / "faces.npy", X)
    mapped = np.load(tmp_path / "faces.npy", mmap_mode="r")
    weight = (np.arange(48) % 3 > 0).astype(float)
    weighted = make_classifier().fit(mapped, y, sample_weight=weight)
    assert_equal(weighted, make_classifier().fit(X[weight > 0], y[weight > 0]), X)


def test_svm_scales_gamma_without_them():
    X = np.random.default_rng(0).normal(size=(30, 4))
    y = np.arange(30) % 2
    weight = (np.arange(30) % 3 > 0).astype(float)
    given = np.where(weight[:, None] > 0, X, 1000.0)
    weighted = LeastSquaresSVC().fit(given, y, sample_weight=weight)
    absent = LeastSquaresSVC().fit(X[weight > 0], y[weight > 0])
    assert weighted.gamma_ == absent.gamma_
    np.testing.assert_array_equal(weighted.predict_proba(X), absent.predict_proba(X))
