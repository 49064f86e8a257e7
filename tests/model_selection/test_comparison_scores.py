"""Scores and errors of one classifier in one fold."""

import math
import traceback

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.naive_bayes import GaussianNB

from sk_emotion.exceptions import TrainingError
from sk_emotion.model_selection._comparison_scores import (
    _N_GUESSES,
    _read_traceback,
    _score_roc_auc_ovr,
    adjust_holm,
    corrected_t_test,
    default_scoring,
    gather_scores,
    list_differences,
    score_fold,
    score_references,
)

X = np.random.default_rng(0).normal(size=(24, 2))
Y = np.resize(["fear", "joy", "pain"], 24)
SPLIT = (np.arange(15), np.arange(15, 24))


class Fixed(ClassifierMixin, BaseEstimator):
    """Returns X as scores from the named method."""

    def __init__(self, method, classes):
        self.classes_ = np.array(classes)
        setattr(self, method, lambda X: X)


class TakesGroups(GaussianNB):
    seen: list = []  # noqa: RUF012 - shared by clones

    def fit(self, X, y, groups=None):
        self.seen.append(groups)
        return super().fit(X, y)


class Failing(GaussianNB):
    def fit(self, X, y):
        raise RuntimeError("no convergence")


def fail(estimator, X, y):
    raise ZeroDivisionError("no scale")


def score(estimator, scoring, error_score=math.nan, groups=None):
    with config_context(enable_metadata_routing=True):
        return score_fold("mine", estimator, X, Y, groups, SPLIT, 2, scoring, error_score)


def test_roc_auc_is_averaged_over_the_classes_in_the_fold():
    scores = np.array([[0.6, 0.3, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3], [0.5, 0.4, 0.1]])
    y = np.array(["a", "b", "a", "b"])
    expected = np.mean([roc_auc_score(y == label, scores[:, column]) for column, label in enumerate("ab")])
    for method in ("predict_proba", "decision_function"):
        assert _score_roc_auc_ovr(Fixed(method, list("abc")), scores, y) == pytest.approx(expected)
    assert expected not in (0, 0.5, 1)
    assert math.isnan(_score_roc_auc_ovr(Fixed("predict_proba", list("abc")), scores, np.repeat("a", 4)))
    margins = np.array([-1.0, 0.5, 1.0, 2.0])
    assert _score_roc_auc_ovr(Fixed("decision_function", ["a", "b"]), margins, y) == roc_auc_score(y == "b", margins)


def test_default_metrics_depend_on_the_number_of_classes():
    assert list(default_scoring(Y)) == ["f1_macro", "accuracy", "roc_auc_ovr"]
    assert list(default_scoring(Y[Y != "joy"])) == ["f1_macro", "accuracy", "roc_auc"]


@pytest.mark.parametrize(
    "scoring", ["accuracy", ["accuracy", "f1_macro"], {"accuracy": "accuracy", "mine": "f1_macro"}]
)
@pytest.mark.parametrize("error_score", ["raise", math.nan])
def test_row_contains_scores_times_and_sizes(scoring, error_score):
    row = score(GaussianNB(), scoring, error_score)
    metrics = [scoring] if isinstance(scoring, str) else list(scoring)
    assert list(row) == ["estimator", "fold", "error", *metrics, "fit_time", "score_time", "n_train", "n_test"]
    assert (row["estimator"], row["fold"], row["error"], row["n_train"], row["n_test"]) == ("mine", 2, "", 15, 9)
    predicted = GaussianNB().fit(X[:15], Y[:15]).predict(X[15:])
    assert row["accuracy"] == accuracy_score(Y[15:], predicted)
    if len(metrics) > 1:
        assert row[metrics[1]] == pytest.approx(f1_score(Y[15:], predicted, average="macro"))
    assert 0 < row["fit_time"] < 60 and 0 < row["score_time"] < 60


def test_scoring_can_be_a_function():
    row = score(GaussianNB(), lambda estimator, X, y: 0.25)
    assert row["score"] == 0.25
    row = score(GaussianNB(), lambda estimator, X, y: {"one": 0.25, "two": 0.5})
    assert (row["one"], row["two"]) == (0.25, 0.5)


def test_groups_are_passed_if_requested():
    people = np.arange(24)
    for requested, expected in ((True, people[:15]), (False, None)):
        with config_context(enable_metadata_routing=True):
            model = TakesGroups().set_fit_request(groups=requested)
        TakesGroups.seen.clear()
        assert score(model, "accuracy", groups=people)["error"] == ""
        assert score(GaussianNB(), "accuracy", groups=people)["error"] == ""
        np.testing.assert_array_equal(TakesGroups.seen, [expected])
        TakesGroups.seen.clear()
        score(model, "accuracy")
        assert TakesGroups.seen == [None]


def test_failed_fold_has_sizes_but_no_scores():
    expected = {"estimator": "mine", "fold": 2, "error": "RuntimeError: no convergence", "n_train": 15, "n_test": 9}
    for scoring in ("accuracy", ["accuracy", "f1_macro"]):
        assert score(Failing(), scoring) == expected
        with pytest.raises(TrainingError) as error:
            score(Failing(), scoring, "raise")
        assert str(error.value) == ("compare_classifiers: 'mine' failed in fold 2 (RuntimeError: no convergence)")
        assert isinstance(error.value.__cause__, RuntimeError)


def test_only_the_metric_that_fails_has_the_error_score():
    row = score(GaussianNB(), {"accuracy": "accuracy", "ratio": fail}, -1.0)
    assert row["error"] == "ratio: ZeroDivisionError: no scale"
    assert row["ratio"] == -1
    assert row["accuracy"] == score(GaussianNB(), "accuracy")["accuracy"]
    with pytest.raises(TrainingError, match=r"'mine' failed in fold 2 \(ZeroDivisionError: no scale\)"):
        score(GaussianNB(), {"accuracy": "accuracy", "ratio": fail}, "raise")
    row = score(GaussianNB(), {"one": fail, "two": fail})
    assert row["error"] == "one: ZeroDivisionError: no scale; two: ZeroDivisionError: no scale"
    assert list(row) == ["estimator", "fold", "error", "n_train", "n_test"]


SIZES = {"n_train": 15, "n_test": 9}
TIMES = {"fit_time": 1.0, "score_time": 0.5}
ROWS = [
    {"estimator": "a", "fold": 0, "error": "E: x", **SIZES},
    {"estimator": "a", "fold": 1, "error": "", "f1": 0.5, "f2": 0.25, **TIMES, **SIZES},
    {"estimator": "b", "fold": 0, "error": "f2: E: y", "f1": 0.75, "f2": math.nan, **TIMES, **SIZES},
]


@pytest.mark.parametrize(("error_score", "expected"), [(0, 0), (math.nan, math.nan)])
def test_rows_are_split_into_scores_and_failures(error_score, expected):
    scores, failures = gather_scores(ROWS, error_score)
    pd.testing.assert_frame_equal(
        scores,
        pd.DataFrame(
            {
                "estimator": ["a", "a", "b"],
                "fold": [0, 1, 0],
                "f1": [expected, 0.5, 0.75],
                "f2": [expected, 0.25, math.nan],
                "fit_time": [math.nan, 1, 1],
                "score_time": [math.nan, 0.5, 0.5],
                "n_train": [15] * 3,
                "n_test": [9] * 3,
            }
        ),
    )
    pd.testing.assert_frame_equal(
        failures, pd.DataFrame({"estimator": ["a", "b"], "fold": [0, 0], "error": ["E: x", "f2: E: y"]})
    )
    scores, failures = gather_scores(ROWS[1:2], "raise")
    assert len(scores) == 1 and failures.empty


def test_no_scores_is_an_error_with_the_first_failure():
    with pytest.raises(TrainingError) as error:
        gather_scores(ROWS[:1] * 2, 0)
    assert str(error.value) == ("compare_classifiers: every estimator failed in every fold, first 'a' in fold 0 (E: x)")


def test_references_are_means_over_folds_and_guesses():
    y = np.repeat(["fear", "pain"], [16, 8])
    rows = np.arange(24)
    splits = [(rows[rows % 3 != fold], rows[rows % 3 == fold]) for fold in (0, 1)]
    reference = score_references(y, splits, ["accuracy", "f1_macro"])
    assert list(reference.index) == ["chance", "majority class"]
    assert list(reference.columns) == ["accuracy", "f1_macro", "fit_time", "score_time"]
    pixels = np.zeros((24, 1))
    guesses = [
        accuracy_score(
            y[test], DummyClassifier(strategy="uniform", random_state=seed).fit(pixels, y).predict(pixels[test])
        )
        for seed in range(_N_GUESSES)
        for _, test in splits
    ]
    assert reference.loc["chance", "accuracy"] == pytest.approx(np.mean(guesses))
    majority = np.mean([np.mean(y[test] == "fear") for _, test in splits])
    assert reference.loc["majority class", "accuracy"] == pytest.approx(majority)
    # A custom scorer may not support a DummyClassifier.
    assert score_references(y, splits, lambda estimator, X, y: estimator.theta_[0, 0]).empty


def raise_in_a_chain():
    try:
        np.linalg.inv(np.zeros((2, 2)))
    except np.linalg.LinAlgError as error:
        raise KeyError("no such\n  class") from error


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: np.linalg.inv(np.zeros((2, 2))), "LinAlgError: Singular matrix"),
        (raise_in_a_chain, "KeyError: 'no such\\n  class'"),
        (lambda: (_ for _ in ()).throw(ValueError("a.b: one\n  two\nthree")), "ValueError: a.b: one\n  two\nthree"),
        (lambda: (_ for _ in ()).throw(StopIteration), "RuntimeError: generator raised StopIteration"),
    ],
)
def test_last_error_of_a_traceback_is_found(function, expected):
    try:
        function()
    except Exception:
        trace = traceback.format_exc()
    assert _read_traceback(trace) == expected


def test_corrected_t_test_scales_the_paired_t_test():
    difference = np.array([0.1, 0.05, 0.08, 0.02, 0.07])
    t, p = corrected_t_test(difference, 0.25)
    plain = stats.ttest_1samp(difference, 0)
    assert t == pytest.approx(plain.statistic * np.sqrt(0.2 / 0.45))
    assert p == pytest.approx(2 * stats.t.sf(t, 4))
    assert p > plain.pvalue


def test_holm_adjustment_matches_manual_calculation():
    # Holm (1979), section 2: the smallest of four p times 4, the next ones times 3, 2 and 1, non-decreasing.
    # In order 4 x 0.005 = 0.02, 3 x 0.01 = 0.03, 2 x 0.03 = 0.06, and 0.04, which becomes 0.06.
    np.testing.assert_allclose(adjust_holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(adjust_holm([0.7, 0.6]), [1, 1])
    assert adjust_holm([0.3]) == [0.3]


@pytest.mark.parametrize(("difference", "expected"), [(0.5, (math.inf, 0)), (-0.5, (-math.inf, 0)), (0, (0, 1))])
def test_constant_differences_have_p_zero_or_one(difference, expected):
    assert corrected_t_test(np.full(3, float(difference)), 0.25) == expected


def test_differences_of_the_best_skip_estimators_without_scores():
    scores = pd.DataFrame(
        {
            "estimator": np.repeat(["low", "best", "failed", "half"], 2),
            "fold": [0, 1] * 4,
            "f1": [0.25, 0.5, 0.75, 0.625, math.nan, math.nan, 0.5, math.nan],
        }
    )
    differences = list_differences(scores, "f1", "best")
    assert list(differences.columns) == ["low", "half"]
    assert differences["low"].tolist() == [0.5, 0.125]
    np.testing.assert_array_equal(differences["half"], [0.25, math.nan])
    assert list_differences(scores, "f1", None).empty
