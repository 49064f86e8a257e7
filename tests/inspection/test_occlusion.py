import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sk_emotion import FaceLoader, HOGTransformer, OcclusionDisplay
from sk_emotion.exceptions import LabelError


class OnePixel(ClassifierMixin, BaseEstimator):
    """Classifier that only uses the pixel in row 5, column 2 of 8x8 images."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        bright = np.reshape(X, (len(X), 8, 8))[:, 5, 2]
        return np.column_stack([1 - bright, bright])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture(scope="module")
def pixel():
    images = np.zeros((2, 8, 8))
    images[0, 5, 2] = 1
    return OnePixel().fit(images, ["dark", "bright"]), images


def test_map_highlights_the_informative_part(marked, network, share_at_region):
    X, y = marked
    svm = make_pipeline(FaceLoader(), HOGTransformer(), SVC(kernel="linear")).fit(X, y)
    for model in (network, svm):
        display = OcclusionDisplay.from_estimator(model, X[:8])
        assert display.targets.tolist() == y[:8].tolist()
        assert share_at_region(display.maps) >= 0.9


def test_drop_is_the_mean_over_patches_that_cover_a_pixel():
    model = OnePixel().fit(None, ["a", "b"])
    images = np.zeros((1, 8, 8))
    images[0, 5, 2] = 1
    display = OcclusionDisplay.from_estimator(model, images, patch_size=0.25, stride=0.25)
    # When covered by the mean of the face, the pixel is 1/64.
    expected = np.zeros((8, 8))
    expected[4:6, 2:4] = 1 - 1 / 64
    np.testing.assert_allclose(display.drops[0], expected)
    np.testing.assert_allclose(display.maps[0], expected > 0)
    np.testing.assert_allclose(display.confidence, [1])


def test_rising_score_is_clipped_to_0(pixel):
    model, images = pixel
    display = OcclusionDisplay.from_estimator(model, images, target="bright")
    assert model.classes_.tolist() == ["bright", "dark"]
    assert display.drops[0].min() < 0
    np.testing.assert_array_equal(display.maps[0], 0)


def test_patches_reach_all_edges():
    class Sum(OnePixel):
        def predict_proba(self, X):
            bright = np.reshape(X, (len(X), -1)).mean(axis=1)
            return np.column_stack([1 - bright, bright])

    image = np.triu(np.ones((15, 15)))[np.newaxis]
    display = OcclusionDisplay.from_estimator(Sum().fit(None, ["a", "b"]), image, patch_size=0.3, stride=0.25)
    assert (display.drops[0] != 0).all()


def test_flattened_images_and_decision_values(marked):
    X, y = marked
    model = RidgeClassifier().fit(X.reshape(80, -1) / 255, y)
    display = OcclusionDisplay.from_estimator(model, X[:2].reshape(2, -1) / 255)
    assert display.maps.shape == (2, 48, 48)
    assert display.confidence is None
    assert display.axes_[0].get_title() == y[0]
    strips = OcclusionDisplay.from_estimator(
        GaussianNB().fit(X[:, :30].reshape(80, -1), y), X[:2, :30].reshape(2, -1), image_shape=(30, 48)
    )
    assert strips.maps.shape == (2, 30, 48)


def test_color_images_are_covered_by_their_mean():
    seen = []

    class Keeper(OnePixel):
        def predict_proba(self, X):
            seen.append(X)
            return np.full((len(X), 2), 0.5)

    image = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    image[..., 0] = 200
    OcclusionDisplay.from_estimator(Keeper().fit(None, ["a", "b"]), image, patch_size=0.5, stride=0.5)
    copies = seen[-1]
    assert copies.shape == (4, 8, 8, 3)
    assert copies.dtype == np.uint8
    np.testing.assert_array_equal(copies, np.repeat(image, 4, axis=0))


def test_faces_are_not_modified(marked, network):
    X, _ = marked
    before = X[:2].copy()
    OcclusionDisplay.from_estimator(network, X[:2], patch_size=0.5, stride=0.5)
    np.testing.assert_array_equal(X[:2], before)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"patch_size": 0}, ValueError, "patch_size=0, expected a fraction"),
        ({"stride": 8}, ValueError, "stride=8, expected a fraction"),
        ({"target": "neither"}, LabelError, "target contains \\['neither'\\]"),
    ],
)
def test_invalid_parameters_are_an_error(pixel, options, error, message):
    with pytest.raises(error, match=message):
        OcclusionDisplay.from_estimator(*pixel, **options)


def test_classifier_without_scores_is_an_error(pixel):
    class WithoutScores(RidgeClassifier):
        decision_function = property()

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    model = WithoutScores().fit(np.eye(64), ["a", "b"] * 32)
    with pytest.raises(TypeError, match="WithoutScores has neither predict_proba nor decision_function"):
        OcclusionDisplay.from_estimator(model, pixel[1].reshape(2, -1))


def test_maps_are_plotted_on_given_axes(pixel):
    _, axes = plt.subplots(1, 2)
    display = OcclusionDisplay.from_estimator(*pixel, axes=axes)
    assert list(display.axes_) == list(axes)
    assert len(axes[0].images) == 2
    assert display.plot() is display
