import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import FixedThresholdClassifier, StratifiedGroupKFold, TunedThresholdClassifierCV

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    FaceLoader,
    consolidate_emotions,
    find_operating_point,
    make_faces,
    make_hog_svm,
    make_sensitivity_scorer,
    networks,
)
from sk_emotion.exceptions import LabelError


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [150, 50])
    return y, rng.normal(size=200) + 1.2 * y


@pytest.fixture(scope="module")
def faces():
    X, y, groups = make_faces(
        120, emotions=["happiness", "neutral", "pain"], image_size=24, noise=2, n_subjects=12, random_state=0
    )
    return X, consolidate_emotions(y, positive="pain"), groups


def rates(y, score, threshold):
    positive = score >= threshold
    return positive[y == 1].mean(), (~positive[y == 0]).mean()


@pytest.mark.parametrize("minimum", [0.0, 0.5, 0.8, 0.9, 0.95, 1.0])
def test_point_maximizes_sensitivity_at_a_minimum_specificity(scored, minimum):
    y, score = scored
    point = find_operating_point(y, score, specificity=minimum)
    np.testing.assert_allclose(point[1:], rates(y, score, point.threshold))
    assert point.specificity >= minimum
    # No other threshold does better.
    possible = [rates(y, score, threshold) for threshold in np.append(score, np.inf)]
    assert point.sensitivity == max(sensitivity for sensitivity, specificity in possible if specificity >= minimum)


@pytest.mark.parametrize("minimum", [0.0, 0.6, 0.9, 1.0])
def test_point_maximizes_specificity_at_a_minimum_sensitivity(scored, minimum):
    y, score = scored
    point = find_operating_point(y, score, sensitivity=minimum)
    np.testing.assert_allclose(point[1:], rates(y, score, point.threshold))
    possible = [rates(y, score, threshold) for threshold in np.append(score, np.inf)]
    assert point.sensitivity >= minimum
    best = max(specificity for sensitivity, specificity in possible if sensitivity >= minimum)
    assert point.specificity == pytest.approx(best)


def test_specificity_is_met_despite_rounding():
    # 1 - 0.9 is less than 0.1 in floating point.
    y = np.repeat([0, 1], [10, 2])
    score = np.r_[np.arange(10.0), 0.5, 9.5]
    assert find_operating_point(y, score, specificity=0.1).specificity == pytest.approx(0.1)


def test_threshold_lies_midway_between_scores():
    assert find_operating_point([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9], specificity=1.0).threshold == pytest.approx(0.4)


def test_positive_class_can_be_named(scored):
    y, score = scored
    names = np.array(["not anger", "anger"])[y]
    point = find_operating_point(names, score, specificity=0.9, pos_label="anger")
    assert point == find_operating_point(y, score, specificity=0.9)


@pytest.mark.parametrize(
    ("y", "score", "options", "message"),
    [
        ([0, 1], [0.1, 0.9], {}, "pass exactly one of specificity and sensitivity; got 0"),
        ([0, 1], [0.1, 0.9], {"specificity": 0.9, "sensitivity": 0.9}, "got 2"),
        ([0, 1], [0.1, 0.9], {"specificity": 90}, "specificity=90"),
        ([0, 1, 2], [0.1, 0.9, 0.5], {"specificity": 0.9}, r"contains 3 class\(es\)"),
        ([0, 1], [[0.9, 0.1], [0.1, 0.9]], {"specificity": 0.9}, "one score per sample"),
        ([0, 1], [0.1], {"specificity": 0.9}, "y_score has shape"),
        ([0, 0], [0.1, 0.2], {"specificity": 0.9}, r"contains 1 class\(es\)"),
    ],
)
def test_invalid_input_raises(y, score, options, message):
    with pytest.raises(ValueError, match=message):
        find_operating_point(y, score, **options)


def test_scorer_returns_sensitivity_or_shortfall():
    class Echo(ClassifierMixin, BaseEstimator):
        """A classifier that predicts its input."""

        classes_ = np.array([0, 1])

        def predict(self, X):
            return np.asarray(X)

    y = np.array([0, 0, 0, 0, 1, 1])
    scorer = make_sensitivity_scorer(specificity=0.75)
    assert scorer(Echo(), [0, 0, 0, 1, 1, 0], y) == 0.5
    assert scorer(Echo(), [0, 0, 1, 1, 1, 1], y) == -1.25
    with pytest.raises(ValueError, match=r"specificity=1\.5"):
        make_sensitivity_scorer(1.5)


def test_threshold_of_a_pipeline_is_tuned_to_a_specificity(faces):
    X, y, groups = faces
    tuned = TunedThresholdClassifierCV(
        make_hog_svm(image_size=24, class_weight="balanced"),
        scoring=make_sensitivity_scorer(specificity=0.9),
        cv=list(StratifiedGroupKFold(3).split(X, y, groups)),
        store_cv_results=True,
    ).fit(X, y)
    assert recall_score(1 - y, 1 - tuned.predict(X)) >= 0.9
    assert 0 < tuned.best_score_ <= 1


def test_threshold_of_a_network_after_a_sampler_is_tuned(faces):
    from imblearn.pipeline import make_pipeline

    X, y, _ = faces
    network = make_pipeline(
        FaceLoader(image_size=24),
        AugmentationOverSampler(random_state=0),
        EmotionClassifier(networks.ResNet(width=4), max_epochs=2, random_state=0),
    )
    tuned = TunedThresholdClassifierCV(network, scoring="balanced_accuracy", cv=2).fit(X, y)
    assert tuned.predict(X).shape == y.shape
    assert 0 <= tuned.best_threshold_ <= 1


@pytest.mark.parametrize("ensemble", [True, False])
def test_probabilities_of_pipelines_are_calibrated(faces, ensemble):
    X, y, _ = faces
    model = make_hog_svm(image_size=24, probability=False)
    calibrated = CalibratedClassifierCV(model, cv=3, ensemble=ensemble).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    network = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0)
    calibrated = CalibratedClassifierCV(network, method="isotonic", cv=2, ensemble=ensemble).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)


def test_fitted_model_is_calibrated_and_thresholded_on_a_validation_set(faces):
    X, y, groups = faces
    validation = np.isin(groups, np.unique(groups)[:4])
    model = make_hog_svm(image_size=24).fit(X[~validation], y[~validation])
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(X[validation], y[validation])
    point = find_operating_point(y[validation], calibrated.predict_proba(X[validation])[:, 1], specificity=0.8)
    fixed = FixedThresholdClassifier(
        FrozenEstimator(calibrated), threshold=point.threshold, response_method="predict_proba"
    ).fit(X[validation], y[validation])
    predicted = fixed.predict(X[validation])
    assert recall_score(y[validation], predicted) == pytest.approx(point.sensitivity)
    assert recall_score(1 - y[validation], 1 - predicted) == pytest.approx(point.specificity)


def test_threshold_of_string_labels_is_tuned(faces):
    X, y, _ = faces
    names = np.array(["no pain", "pain"])[y]
    tuned = TunedThresholdClassifierCV(
        LogisticRegression(), scoring=make_sensitivity_scorer(0.8, pos_label="pain"), cv=2
    ).fit(X.reshape(len(X), -1) / 255, names)
    assert set(tuned.predict(X.reshape(len(X), -1) / 255)) <= {"no pain", "pain"}
    with pytest.raises(LabelError, match="pos_label='anger'"):
        find_operating_point(names, y.astype(float), specificity=0.5, pos_label="anger")
