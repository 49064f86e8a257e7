"""A binary question is answered with a classifier of more classes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, cross_val_score
from sklearn.svm import LinearSVC

from sk_emotion import ConsolidatedClassifier, consolidate_emotions, load_model, save_model
from sk_emotion.exceptions import LabelError

NAMES = np.array(["happiness", "neutral", "pain"])


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X, NAMES[y]


@pytest.fixture(scope="module")
def multiclass(iris):
    return LogisticRegression(max_iter=500).fit(*iris)


def test_probabilities_of_positive_classes_are_summed(iris, multiclass):
    X, y = iris
    clf = ConsolidatedClassifier(FrozenEstimator(multiclass), positive=["pain", "happy"]).fit(X, y)
    assert clf.classes_.tolist() == [0, 1]
    expected = multiclass.predict_proba(X)[:, [0, 2]].sum(axis=1)
    np.testing.assert_allclose(clf.predict_proba(X), np.column_stack([1 - expected, expected]), atol=1e-12)
    np.testing.assert_array_equal(clf.predict(X), (expected > 0.5).astype(int))
    assert clf.score(X, consolidate_emotions(y, positive=["pain", "happiness"])) > 0.6


def test_names_are_the_classes_in_sorted_order(iris, multiclass):
    X, y = iris
    clf = ConsolidatedClassifier(FrozenEstimator(multiclass), positive="pain", names=("well", "in pain")).fit(X, y)
    assert clf.classes_.tolist() == ["in pain", "well"]
    np.testing.assert_allclose(clf.predict_proba(X)[:, 0], multiclass.predict_proba(X)[:, 2])
    assert set(clf.predict(X)) == {"in pain", "well"}


def test_frozen_classifier_is_kept_and_another_one_is_cloned(iris, multiclass):
    frozen = ConsolidatedClassifier(FrozenEstimator(multiclass), positive="pain").fit(*iris)
    assert frozen.estimator_.estimator is multiclass
    inner = LogisticRegression(max_iter=500)
    fitted = ConsolidatedClassifier(inner, positive="pain").fit(*iris, sample_weight=np.ones(150))
    assert not hasattr(inner, "coef_") and fitted.estimator_.classes_.tolist() == NAMES.tolist()
    assert fitted.n_features_in_ == 4


def test_tuned_threshold_of_two_classes_is_used(iris):
    X, y = iris
    rows = y != "neutral"
    tuned = FixedThresholdClassifier(LogisticRegression(), threshold=1.0, pos_label="pain").fit(X[rows], y[rows])
    clf = ConsolidatedClassifier(FrozenEstimator(tuned), positive="pain", names=("no", "yes")).fit(X[rows], y[rows])
    assert set(clf.predict(X[rows])) == {"no"}
    assert clf.predict_proba(X[rows])[:, 1].max() > 0.9


def test_scorers_of_scikit_learn_work(iris):
    X, y = iris
    clf = ConsolidatedClassifier(LogisticRegression(max_iter=500), positive="pain")
    clf.fit(X, y)
    from sklearn.metrics import get_scorer

    assert get_scorer("roc_auc")(clf, X, consolidate_emotions(y, positive="pain")) > 0.95
    binary = ConsolidatedClassifier(LogisticRegression(max_iter=500))
    assert cross_val_score(binary, X, consolidate_emotions(y, positive="pain"), scoring="f1").mean() > 0.8


def test_names_of_features_are_forgotten_by_a_fit_without_them(iris):
    X, y = iris
    clf = ConsolidatedClassifier(LogisticRegression(max_iter=500), positive="pain").fit(
        pd.DataFrame(X).add_prefix("x"), y
    )
    assert clf.feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]
    assert not hasattr(clf.fit(X, y), "feature_names_in_")


def test_model_file_keeps_the_answers(iris, multiclass, tmp_path):
    X, y = iris
    clf = ConsolidatedClassifier(FrozenEstimator(multiclass), positive="pain", names=("no", "yes")).fit(X, y)
    save_model(clf, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "Only binary classification is supported"),
        ({"positive": "anger"}, "none of the classes"),
        ({"positive": list(NAMES)}, "all of the classes"),
        ({"positive": []}, "none of the classes"),
        ({"positive": "pain", "names": ("a", "a")}, "two different names"),
        ({"names": ("a", "b")}, "and positive"),
        ({"positive": "pain", "names": ("no", 1)}, "two strings or two numbers"),
        ({"positive": "pain", "names": (None, "pain")}, "two different names"),
    ],
)
def test_invalid_question_is_an_error(iris, multiclass, kwargs, message):
    X, y = iris
    with pytest.raises(LabelError, match=message):
        ConsolidatedClassifier(FrozenEstimator(multiclass), **kwargs).fit(X, y)


def test_classes_without_probabilities_cannot_be_summed(iris):
    X, y = iris
    clf = ConsolidatedClassifier(LinearSVC(), positive="pain")
    assert not hasattr(clf, "predict_proba")
    with pytest.raises(LabelError, match="LinearSVC has 3 classes, but no predict_proba"):
        clf.fit(X, y)
    two = clf.fit(X[:100], np.where(y[:100] == "neutral", "pain", "neutral"))
    assert set(two.predict(X[:100])) == {0, 1}


@pytest.mark.parametrize("names", [None, ("no pain", "pain")])
def test_score_accepts_answers_and_labels_of_the_classifier(iris, multiclass, names):
    X, y = iris
    clf = ConsolidatedClassifier(FrozenEstimator(multiclass), positive="pain", names=names).fit(X, y)
    no, yes = names or (0, 1)
    answers = np.where(y == "pain", yes, no)
    assert clf.score(X, y) == clf.score(X, answers) == np.mean(clf.predict(X) == answers) > 0.8


def test_cross_validation_scores_answers(iris):
    X, y = iris
    clf = ConsolidatedClassifier(LogisticRegression(max_iter=500), positive="pain")
    assert cross_val_score(clf, X, y, cv=3).min() > 0.8


def test_labels_of_another_length_and_regressors_are_errors(iris, multiclass):
    X, y = iris
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ConsolidatedClassifier(FrozenEstimator(multiclass), positive="pain").fit(X, y[:-1])
    with pytest.raises(LabelError, match="LinearRegression is not a classifier"):
        ConsolidatedClassifier(LinearRegression(), positive=1).fit(X, np.arange(len(X)))
