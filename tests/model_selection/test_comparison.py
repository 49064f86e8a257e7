import math
import re
import sys
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_validate,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sk_emotion import find_duplicates
from sk_emotion.exceptions import DatasetWarning, LabelError, TrainingError
from sk_emotion.model_selection import Comparison, compare_classifiers
from sk_emotion.model_selection._comparison import _list_caveats, _name_estimators
from sk_emotion.model_selection._comparison_scores import adjust_holm

MODELS = {"Bayes": GaussianNB(), "neighbors": KNeighborsClassifier(3)}


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X[:, :2], np.array(["anger", "fear", "pain"])[y]


@pytest.fixture(scope="module")
def groups():
    return np.random.default_rng(0).integers(0, 15, 150)


@pytest.fixture(scope="module")
def result(iris):
    return compare_classifiers(MODELS, *iris, cv=4, random_state=0)


class RefusesGroups(ClassifierMixin, BaseEstimator):
    """Fails if it receives groups, which it accepts but does not request."""

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        if groups is not None:
            raise AssertionError("received groups that were not requested")
        return self

    def predict(self, X):
        return np.resize(self.classes_, len(X))

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class Failing(RefusesGroups):
    def fit(self, X, y):
        raise RuntimeError("no convergence")


class FailingOnce(GaussianNB):
    """Fails in `method` if row 0 is among the samples."""

    def __init__(self, method="fit"):
        super().__init__()
        self.method = method

    def fit(self, X, y):
        self._check(X, "fit")
        return super().fit(X, y)

    def predict(self, X):
        self._check(X, "predict")
        return super().predict(X)

    def predict_proba(self, X):
        self._check(X, "predict_proba")
        return super().predict_proba(X)

    def _check(self, X, method):
        if self.method == method and (X[:, -1] == 0).any():
            raise np.linalg.LinAlgError("no <convergence>\nin row 0")


@pytest.fixture(scope="module")
def numbered(iris):
    """Return samples that are identified by their last column."""
    return np.column_stack([iris[0], np.arange(150)]), iris[1]


@pytest.fixture(scope="module")
def partly_failed(numbered):
    models = {"broken": FailingOnce("predict_proba"), **MODELS}
    with pytest.warns(FitFailedWarning, match="broken failed in 1 of 3 folds"):
        return compare_classifiers(models, *numbered, cv=3, scoring="roc_auc_ovr", random_state=0)


def make_comparison(scores, n_train=120, n_test=30):
    """Build a comparison from the scores of each estimator."""
    rows = [
        {"estimator": name, "fold": fold, "f1_macro": score, "fit_time": 1.0, "score_time": 0.1}
        for name, values in scores.items()
        for fold, score in enumerate(values)
    ]
    frame = pd.DataFrame(rows).assign(n_train=n_train, n_test=n_test)
    reference = pd.DataFrame({"f1_macro": [0.2]}, index=["chance"])
    return Comparison(frame, reference, n_classes=3)


def test_scores_match_cross_validate(iris, result):
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    expected = cross_validate(GaussianNB(), *iris, cv=folds, scoring=["f1_macro", "accuracy", "roc_auc_ovr"])
    frame = result.to_frame()
    bayes = frame[frame["estimator"] == "Bayes"]
    for metric in ("f1_macro", "accuracy", "roc_auc_ovr"):
        np.testing.assert_allclose(bayes[metric], expected["test_" + metric])


def test_frame_has_a_row_per_estimator_and_fold(result):
    frame = result.to_frame()
    assert list(frame["estimator"]) == ["Bayes"] * 4 + ["neighbors"] * 4
    assert list(frame["fold"]) == [0, 1, 2, 3] * 2
    assert set(frame.columns) >= {"fit_time", "score_time", "n_train", "n_test"}
    assert (frame["n_train"] + frame["n_test"] == 150).all()


def test_summary_has_mean_and_standard_deviation_over_folds(result):
    scores = result.scores.query("estimator == 'Bayes'")["accuracy"]
    summary = result.summary()
    assert summary.loc["Bayes", ("accuracy", "mean")] == pytest.approx(scores.mean())
    assert summary.loc["Bayes", ("accuracy", "std")] == pytest.approx(scores.std(ddof=1))


def test_baselines_are_scored_on_the_same_folds(result):
    assert result.reference.loc["majority class", "accuracy"] == pytest.approx(1 / 3, abs=0.02)
    assert result.reference.loc["chance", "accuracy"] == pytest.approx(1 / 3, abs=0.05)
    assert result.reference.loc["chance", "roc_auc_ovr"] == pytest.approx(0.5)


@pytest.mark.parametrize("names", [[0, 1], ["no", "yes"]])
def test_default_metrics_for_binary_labels(names):
    X, y = make_classification(60, random_state=0)
    result = compare_classifiers({"Bayes": GaussianNB()}, X, np.array(names)[y], cv=3, random_state=0)
    assert result.metrics == ["f1_macro", "accuracy", "roc_auc"]
    assert result.tests.empty


def test_groups_do_not_overlap_between_training_and_test_set(iris, groups):
    seen = []

    class Spy(GaussianNB):
        def fit(self, X, y):
            seen.append(set(X[:, -1]))
            return super().fit(X, y)

    X = np.column_stack([iris[0], groups])
    result = compare_classifiers([Spy()], X, iris[1], groups=groups, cv=3, scoring="accuracy", random_state=0)
    assert len(seen) == 3
    splits = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(X, iris[1], groups)
    assert seen == [set(groups[train]) for train, _ in splits]
    assert list(result.summary().index) == ["Spy"]


@pytest.mark.parametrize(("in_pipeline", "n_jobs"), [(False, None), (True, 2)])
def test_groups_reach_nested_searches(iris, groups, in_pipeline, n_jobs):
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 9]}, cv=GroupKFold(3))
    model = make_pipeline(StandardScaler(), search) if in_pipeline else search
    result = compare_classifiers(
        {"tuned": model}, *iris, groups=groups, cv=3, scoring="accuracy", n_jobs=n_jobs, random_state=0
    )
    assert len(result.scores) == 3


@pytest.mark.parametrize("cv", [None, 3])
def test_search_with_integer_cv_splits_by_group(iris, groups, cv, monkeypatch):
    used = []
    split = StratifiedGroupKFold.split

    def record(self, X, y, groups=None):
        used.append((self.n_splits, len(X), len(groups)))
        return split(self, X, y, groups)

    monkeypatch.setattr(StratifiedGroupKFold, "split", record)
    search = GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}, cv=cv)
    compare_classifiers([search], *iris, groups=groups, cv=2, scoring="accuracy", random_state=0)
    inner = [call for call in used if call[1] < 150]
    assert len(inner) == 2
    assert all(n_splits == (cv or 5) and n_rows == n_groups for n_splits, n_rows, n_groups in inner)
    assert search.cv == cv


def test_groups_are_not_passed_to_estimators_that_do_not_request_them(iris, groups):
    search = GridSearchCV(RefusesGroups(), {}, cv=2)
    sampled = make_imblearn_pipeline(RandomOverSampler(random_state=0), RefusesGroups())
    models = {"alone": RefusesGroups(), "searched": search, "sampled": sampled}
    compare_classifiers(models, *iris, groups=groups, cv=2, scoring="accuracy", random_state=0)


def test_configuration_is_restored(iris):
    with config_context(enable_metadata_routing=False):
        compare_classifiers([GaussianNB()], *iris, cv=2, scoring="accuracy", random_state=0)
        assert get_config()["enable_metadata_routing"] is False


def test_fold_without_every_class_is_scored(iris, groups):
    people = np.where(iris[1] == "pain", groups % 2, groups % 5)
    with pytest.warns(DatasetWarning, match="of 5 folds have no test face of a class"):
        result = compare_classifiers(MODELS, *iris, groups=people, cv=LeaveOneGroupOut(), random_state=0)
    assert result.scores["roc_auc_ovr"].notna().all()


def test_cv_generator_is_consumed_once(iris):
    splits = list(StratifiedKFold(2).split(*iris))
    result = compare_classifiers(MODELS, *iris, cv=(split for split in splits), scoring="accuracy", random_state=0)
    assert list(result.scores["n_test"]) == [75] * 4


@pytest.mark.parametrize("scoring", ["accuracy", ["accuracy", "f1_weighted"]])
def test_scoring_accepts_names_and_lists(iris, scoring):
    result = compare_classifiers([SVC()], *iris, cv=2, scoring=scoring, random_state=0)
    assert result.metrics[0] == "accuracy"


def test_roc_auc_of_classifier_without_probabilities(iris):
    assert compare_classifiers([SVC()], *iris, cv=2, random_state=0).scores["roc_auc_ovr"].between(0.5, 1).all()


def test_list_is_named_after_last_steps(iris):
    models = [make_pipeline(StandardScaler(), GaussianNB()), GaussianNB(), ("mine", GaussianNB())]
    summary = compare_classifiers(models, *iris, cv=2, scoring="accuracy", random_state=0).summary()
    assert list(summary.index) == ["GaussianNB-1", "GaussianNB-2", "mine"]


def test_lists_are_accepted(iris):
    X = [list(row) for row in iris[0]]
    assert (
        len(compare_classifiers([GaussianNB()], X, list(iris[1]), cv=2, scoring="accuracy", random_state=0).scores) == 2
    )


def test_equal_classifiers_do_not_differ(iris):
    models = {"one": GaussianNB(), "same": GaussianNB()}
    tests = compare_classifiers(models, *iris, cv=3, scoring="accuracy", random_state=0).tests
    assert list(tests["p"]) == list(tests["p_holm"]) == [1]
    assert list(tests[["better", "other"]].iloc[0]) == ["one", "same"]


def test_corrected_t_test_matches_manual_calculation():
    # Nadeau & Bengio (2003): t = mean / sqrt((1/k + n_test/n_train) * variance), k - 1 degrees of freedom.
    # Differences 0.10, 0.05, 0.08, 0.02, 0.05 have the mean 0.06 and the squared deviations below; 120 train, 30 test.
    variance = (0.0016 + 0.0001 + 0.0004 + 0.0016 + 0.0001) / 4
    t = 0.06 / math.sqrt((1 / 5 + 30 / 120) * variance)
    assert t == pytest.approx(2.9019, abs=1e-4)
    # Student's distribution with four degrees of freedom has a closed form.
    scaled = 1 + t**2 / 4
    p = 1 - 0.75 * t / math.sqrt(scaled) * (1 - t**2 / scaled / 12)
    assert p == pytest.approx(0.0440, abs=1e-4)
    result = make_comparison({"low": [0.50, 0.60, 0.55, 0.70, 0.65], "high": [0.60, 0.65, 0.63, 0.72, 0.70]})
    (test,) = result.tests.to_dict("records")
    assert (test["better"], test["other"], test["df"]) == ("high", "low", 4)
    assert test["difference"] == pytest.approx(0.06)
    assert test["t"] == pytest.approx(t)
    assert test["p"] == test["p_holm"] == pytest.approx(p)
    assert "  high over low: +0.060, t(4) = 2.90, p = 0.044" in str(result).splitlines()
    assert "Holm" not in str(result)


def test_all_pairs_are_tested_and_those_of_the_best_come_first():
    rng = np.random.default_rng(0)
    level = rng.normal(size=10) / 20
    means = {"third": 0.5, "best": 0.7, "fourth": 0.45, "second": 0.68}
    scores = {name: mean + level + rng.normal(size=10) / 100 for name, mean in means.items()}
    result = make_comparison(scores)
    tests = result.tests
    assert list(tests.columns) == ["better", "other", "difference", "t", "df", "p", "p_holm"]
    pairs = list(zip(tests["better"], tests["other"], strict=True))
    assert result.best == "best"
    assert [better for better, _ in pairs[:3]] == ["best"] * 3
    assert set(pairs[3:]) == {("second", "third"), ("second", "fourth"), ("third", "fourth")}
    assert tests["p"][:3].is_monotonic_increasing
    assert tests["p"][3:].is_monotonic_increasing
    assert (tests["difference"] > 0).all()
    np.testing.assert_allclose(tests["p_holm"], adjust_holm(tests["p"]))
    # With four estimators, only the pairs of the best one are shown.
    lines = result.describe_tests()
    assert lines[0].endswith("p Holm-adjusted for the 6 pairs:")
    assert [line.split(" over ")[0] for line in lines[1:]] == ["  best"] * 3


def test_all_pairs_of_three_are_shown_with_their_adjusted_p():
    a = np.array([0.50, 0.60, 0.55, 0.70, 0.65])
    result = make_comparison({"a": a, "b": a[::-1] + 0.02, "c": a[[1, 0, 3, 2, 4]] + 0.01})
    lines = result.describe_tests()
    assert len(lines) == 4
    assert lines[0].endswith("p Holm-adjusted for the 3 pairs:")
    assert all(f"p = {p:.3f}" in line for line, p in zip(lines[1:], result.tests["p_holm"], strict=True))


def test_text_table_shows_all_rows(result):
    lines = str(result).splitlines()
    assert lines[0].startswith("4 folds, ") and ", 3 classes; " in lines[0]
    table = [line for line in lines if line.startswith((" ", "Bayes", "neigh", "chance", "majority"))]
    assert any("macro F1" in line and "ROC AUC" in line and "fit (s)" in line for line in table)
    assert any(line.startswith("Bayes") and "±" in line for line in table)
    assert any(line.startswith("chance") for line in table)
    assert any("Nadeau & Bengio" in line for line in lines)


def test_page_is_self_contained(result, tmp_path):
    page = result.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    assert "<svg" in page
    assert not re.search(r'<script|<link rel="(?!icon)|src="(?!data:)|url\("?(?!#|data:)', page)
    assert "<table" in result._repr_html_()
    for section in ("Summary", "Differences", "Times", "Folds", "Parameters", "Environment"):
        assert f">{section}</a>" in page
    assert ">Failures</a>" not in page


def test_page_shows_differences_of_the_best_in_each_fold(result):
    scores = result.to_frame().pivot(index="fold", columns="estimator", values="f1_macro")
    other = next(name for name in MODELS if name != result.best)
    page = result.to_html()
    differences = scores[result.best] - scores[other]
    for fold, difference in differences.items():
        assert f'<th scope="row">fold {fold}</th><td>{difference:+.3f}</td>' in page
    assert f"<td>{(differences > 0).sum()} of 4</td>" in page


def test_page_shows_parameters_and_environment(result):
    assert "<div>GaussianNB</div>" in result.estimators_html["Bayes"]
    page = result.to_html()
    assert all(f"<h3>{name}</h3>" in page for name in MODELS)
    assert "n_neighbors" in page
    assert result.environment["scikit-learn"] in page
    # A comparison built from scores has no parameters.
    assert ">Parameters</a>" not in make_comparison({"a": [0.5, 0.6], "b": [0.4, 0.7]}).to_html()


def test_page_escapes_names(iris):
    page = compare_classifiers({"<b>&": GaussianNB()}, *iris, cv=2, scoring="accuracy", random_state=0).to_html()
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page


def test_plot_shows_each_fold(result):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    ax = result.plot()
    assert sum(len(points.get_offsets()) for points in ax.collections) == 8
    assert result.plot(ax, metric="accuracy") is ax
    with pytest.raises(ValueError, match="metric='f2'"):
        result.plot(metric="f2")
    plt.close("all")


def test_plot_with_failures_many_folds_and_special_names(numbered):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    models = {
        "$a$ $b": GaussianNB(),
        "a search over a great many things, in a pipeline with a scaler": Failing(),
        "broken": FailingOnce("predict"),
    }
    with pytest.warns(FitFailedWarning):
        result = compare_classifiers(models, *numbered, cv=5, n_repeats=4, scoring="accuracy", random_state=0)
    ax = result.plot()
    ax.figure.canvas.draw()
    points = [np.ma.compressed(points.get_offsets()[:, 0]) for points in ax.collections]
    assert [len(xs) for xs in points] == [20, 0, 16]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0] == r"\$a\$ \$b"
    assert labels[1].splitlines()[-1] == "(failed in 20 folds)"
    assert max(map(len, labels[1].splitlines())) <= 26
    assert "nan" not in "".join(text.get_text() for text in ax.texts)
    assert len(ax.texts) == 2  # one mean, and chance
    plt.close("all")
    assert result._repr_html_().count("<use ") >= 36
    assert "nan" not in result.to_html()


def test_error_score_raise_names_the_estimator(iris):
    with pytest.raises(TrainingError, match=r"'broken' failed in fold 0 \(RuntimeError: no convergence"):
        compare_classifiers(
            {"fine": GaussianNB(), "broken": Failing()}, *iris, cv=2, error_score="raise", random_state=0
        )


@pytest.mark.parametrize("scoring", [None, "roc_auc_ovr"])
def test_error_score_raise_covers_scoring(numbered, scoring):
    with pytest.raises(TrainingError, match=r"'broken' failed in fold \d \(LinAlgError"):
        compare_classifiers(
            {"broken": FailingOnce("predict_proba")},
            *numbered,
            cv=2,
            scoring=scoring,
            error_score="raise",
            random_state=0,
        )


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_failure_does_not_affect_other_estimators(iris, n_jobs):
    models = {"broken": make_pipeline(StandardScaler(), KNeighborsClassifier(120)), **MODELS}
    with pytest.warns(FitFailedWarning, match=r"broken failed in 3 of 3 folds, first in fold 0 \(.*ValueError: "):
        result = compare_classifiers(models, *iris, cv=3, n_jobs=n_jobs, random_state=0)
    alone = compare_classifiers(MODELS, *iris, cv=3, random_state=0)
    assert list(result.failures["fold"]) == [0, 1, 2]
    metrics = ["f1_macro", "accuracy", "roc_auc_ovr"]
    assert list(result.scores.columns) == list(alone.scores.columns)
    others = result.scores.query("estimator != 'broken'").reset_index(drop=True)
    pd.testing.assert_frame_equal(others[metrics], alone.scores[metrics])
    pd.testing.assert_frame_equal(result.reference[metrics], alone.reference[metrics])
    pd.testing.assert_frame_equal(result.tests, alone.tests)
    assert result.best == alone.best


def test_failed_fold_is_reported_in_text_and_pages(partly_failed, tmp_path):
    result = partly_failed
    assert list(result.failures.columns) == ["estimator", "fold", "error"]
    ((name, fold, error),) = result.failures.to_numpy()
    assert (name, error) == ("broken", "LinAlgError: no <convergence>\nin row 0")
    said = f"broken failed in 1 of 3 folds, first in fold {fold} (LinAlgError: no <convergence> in row 0)"
    assert any(line.startswith(said) and "neither ranked nor tested" in line for line in str(result).splitlines())
    escaped = said.replace("<", "&lt;").replace(">", "&gt;")
    assert escaped in result._repr_html_()
    page = result.to_html(tmp_path / "report.html")
    assert escaped in page
    assert "(failed in 1 fold)</text>" in page
    for text in (str(result), page):
        assert "nan" not in text


def test_failed_estimator_keeps_its_other_folds_but_has_no_mean(partly_failed):
    scores = partly_failed.to_frame().set_index(["estimator", "fold"])["roc_auc_ovr"]
    assert scores["broken"].notna().sum() == 2
    assert scores["Bayes"].notna().all()
    summary = partly_failed.summary()
    assert summary.loc["broken"].isna().all()
    assert summary.drop("broken").notna().all(axis=None)
    assert partly_failed.best in MODELS
    assert set(partly_failed.tests[["better", "other"]].to_numpy().ravel()) == set(MODELS)
    row = next(line for line in str(partly_failed).splitlines() if line.startswith("broken  "))
    assert row.split() == ["broken", "–", "–", "–"]  # noqa: RUF001 - an en dash for "none"


def test_one_metric_can_fail_alone(numbered):
    models = {"broken": FailingOnce("predict_proba"), "Bayes": GaussianNB()}
    with pytest.warns(FitFailedWarning, match=r"no mean of ROC AUC \(one vs rest\)\."):
        result = compare_classifiers(models, *numbered, cv=3, scoring=["f1_macro", "roc_auc_ovr"], random_state=0)
    (error,) = result.failures["error"]
    assert error == "roc_auc_ovr: LinAlgError: no <convergence>\nin row 0"
    assert result.scores["f1_macro"].notna().all()
    assert result.scores["roc_auc_ovr"].isna().sum() == 1
    means = result.summary().loc["broken"].xs("mean", level=1)
    assert means.isna().to_dict() == {"f1_macro": False, "roc_auc_ovr": True, "fit_time": False, "score_time": False}
    assert len(result.tests) == 1


def test_error_score_can_be_a_number(numbered):
    models = {"broken": FailingOnce(), "Bayes": GaussianNB()}
    with pytest.warns(FitFailedWarning, match="count with the given error_score"):
        result = compare_classifiers(models, *numbered, cv=3, error_score=0, random_state=0)
    failed = result.scores.query("estimator == 'broken' and accuracy == 0")
    assert len(failed) == 2
    assert (failed[["f1_macro", "roc_auc_ovr"]] == 0).all(axis=None)
    assert result.summary().loc["broken", ("accuracy", "mean")] < 0.4
    assert list(result.tests["other"]) == ["broken"]
    assert "nan" not in str(result)


@pytest.mark.parametrize("scoring", [None, "accuracy", ["accuracy", "f1_macro"], lambda estimator, X, y: 1 / 0])
def test_all_estimators_failing_is_an_error(iris, scoring):
    model = GaussianNB() if callable(scoring) else Failing()
    with pytest.raises(
        TrainingError, match=r"every estimator failed in every fold, first 'one' in fold 0 \(\w+Error: "
    ):
        compare_classifiers({"one": model, "two": model}, *iris, cv=2, scoring=scoring, random_state=0)


def test_all_metrics_failing_is_an_error(iris):
    scoring = {"one": lambda estimator, X, y: 1 / 0, "two": lambda estimator, X, y: 1 / 0}
    with pytest.raises(TrainingError, match=r"first 'Bayes' in fold 0 .*one: ZeroDivisionError: division by zero"):
        compare_classifiers({"Bayes": GaussianNB()}, *iris, cv=2, scoring=scoring, random_state=0)


def test_best_is_none_if_every_estimator_failed_in_a_fold(numbered):
    with pytest.warns(FitFailedWarning, match=r"one failed in 2 of 3 folds.* two failed in 1 of 3 folds"):
        result = compare_classifiers(
            {"one": FailingOnce(), "two": FailingOnce("predict")}, *numbered, cv=3, scoring="accuracy", random_state=0
        )
    assert result.best is None
    assert result.tests.empty
    assert 'class="best"' not in result.to_html()
    assert "nan" not in str(result)


def test_unknown_metric_is_rejected_before_fitting(iris):
    with pytest.raises(ValueError, match="'f2_macro' is not a valid scoring value"):
        compare_classifiers({"broken": Failing()}, *iris, scoring=["accuracy", "f2_macro"], random_state=0)


def test_progress_shows_number_of_failed_folds(numbered, capsys):
    models = {"broken": FailingOnce(), "Bayes": GaussianNB(), "halves": FailingOnce("predict_proba")}
    with pytest.warns(FitFailedWarning):
        compare_classifiers(models, *numbered, cv=3, verbose=1, random_state=0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("[1/3] broken: failed in 2 of 3 folds, ")
    assert lines[1].startswith("[2/3] Bayes: f1_macro 0.")
    assert lines[2].startswith("[3/3] halves: f1_macro 0.")
    assert "failed in 1 of 3 folds" in lines[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(
            ({"n_repeats": number}, f"n_repeats={number!r}, expected an integer of at least 1.")
            for number in (0, 2.0, True, None)
        ),
        (
            {"n_repeats": 3, "cv": LeaveOneGroupOut()},
            "n_repeats=3 with cv=LeaveOneGroupOut(), but only an integer cv can be repeated. Pass an int, or "
            "cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=3).",
        ),
        *(
            ({"error_score": score}, f"error_score={score!r}, expected 'raise' or a number, such as np.nan.")
            for score in ("rise", None, True)
        ),
    ],
)
def test_invalid_parameters_raise(iris, arguments, message):
    with pytest.raises(ValueError) as error:
        compare_classifiers(MODELS, *iris, **arguments)
    assert str(error.value) == f"compare_classifiers: {message}"


def test_repeated_folds_match_scikit_learn(iris):
    compare = partial(compare_classifiers, MODELS, *iris, scoring="accuracy")
    repeated = compare(cv=3, n_repeats=2, random_state=4)
    given = compare(cv=RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=4))
    once = compare(cv=3, random_state=4)
    metrics = ["estimator", "fold", "accuracy"]
    pd.testing.assert_frame_equal(repeated.scores[metrics], given.scores[metrics])
    first = repeated.scores[repeated.scores["fold"] < 3].reset_index(drop=True)
    pd.testing.assert_frame_equal(first[metrics], once.scores[metrics])
    assert list(repeated.scores["fold"]) == [0, 1, 2, 3, 4, 5] * 2
    assert list(repeated.tests["df"]) == [5]
    for result in (repeated, given):
        assert str(result).startswith("2 x 3 folds, about 100 training and 50 test images each")
    assert str(once).startswith("3 folds, ")
    other = compare(cv=RepeatedKFold(n_splits=3, n_repeats=2, random_state=0))
    assert str(other).startswith("2 x 3 folds, ")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no forks")
def test_backend_without_generator_is_supported(iris):
    alone = compare_classifiers(MODELS, *iris, cv=2, random_state=0)
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        shared = compare_classifiers(MODELS, *iris, cv=2, random_state=0)
    pd.testing.assert_frame_equal(shared.scores[shared.metrics], alone.scores[alone.metrics])


@pytest.mark.parametrize(
    "scoring", [["f1_macro", "roc_auc_ovr"], {"f1_macro": "f1_macro", "roc_auc_ovr": "roc_auc_ovr"}]
)
def test_several_scorers_with_nested_searches_and_groups(iris, groups, scoring):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        {"kneighborsclassifier__n_neighbors": [1, 9]},
        scoring=["f1_macro", "roc_auc_ovr"],
        refit="f1_macro",
        cv=GroupKFold(3),
    )
    models = {"tuned": search, "Bayes": GaussianNB()}
    result = compare_classifiers(models, *iris, groups=groups, cv=3, scoring=scoring, n_jobs=2, random_state=0)
    assert result.metrics == ["f1_macro", "roc_auc_ovr"]
    assert result.failures.empty
    assert result.scores[result.metrics].notna().all(axis=None)
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=0)
    expected = cross_validate(GaussianNB(), *iris, groups=groups, cv=folds, scoring=["f1_macro", "roc_auc_ovr"])
    bayes = result.scores.query("estimator == 'Bayes'")
    for metric in result.metrics:
        np.testing.assert_allclose(bayes[metric], expected[f"test_{metric}"])
    with pytest.raises(ValueError, match="metric='accuracy'"):
        result.plot(metric="accuracy")


def test_progress_is_a_line_per_estimator_on_standard_error(iris, capsys):
    compare_classifiers(MODELS, *iris, cv=2, scoring="f1_macro", verbose=1, random_state=0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("[1/2] Bayes: f1_macro 0.")
    assert len(captured.err.splitlines()) == 2


@pytest.mark.parametrize(
    ("y", "arguments", "message"),
    [
        (["a", "b"] * 5, {}, ": X has 12 samples, but y has 10 labels. Pass one label per sample."),
        (["a"] * 12, {}, " needs at least two classes; y contains only one class: a."),
        (
            ["a"] * 9 + ["pain"] * 3,
            {},
            ": class pain has 3 sample(s), fewer than the 5 folds. Add samples, "
            "drop the class, or use a smaller cv of at least 2.",
        ),
        (
            ["a", "b"] * 6,
            {"groups": [1] * 11},
            ": X has 12 samples, but groups has 11 entries. Pass one group per sample.",
        ),
        (
            ["a", "b"] * 6,
            {"groups": [1, 2] * 6},
            ": groups contains 2 group(s), fewer than the 5 folds. Use a smaller cv.",
        ),
        (
            ["a", "b"] * 6,
            {"groups": [1, None] * 6},
            ": Input groups contains NaN or None in 6 of 12 places, first in groups[1]. Drop these samples.",
        ),
        (["a", None] * 6, {}, ": Input y contains NaN or None in 6 of 12 places, first in y[1]. Drop these samples."),
        (["a", "b"] * 6, {"cv": 1}, ": cv=1, expected at least 2 folds."),
        (
            ["a"] * 6 + ["b"] * 6,
            {"groups": [0] * 6 + [1, 1, 2, 2, 3, 3], "cv": 2},
            ": fold 0 trains without class a. Use a smaller cv, or more groups per class.",
        ),
        (
            ["a", "b"] * 6,
            {"cv": [(range(6), range(6, 12)), (range(12), [])]},
            ": fold 1 has an empty test set. Use a smaller cv, or more groups per class.",
        ),
    ],
)
def test_invalid_labels_groups_and_folds_raise(y, arguments, message):
    with pytest.raises(LabelError) as error:
        compare_classifiers({"Bayes": GaussianNB()}, np.arange(24.0).reshape(12, 2), y, **arguments)
    assert str(error.value) == "compare_classifiers" + message


def test_continuous_labels_raise():
    with pytest.raises(LabelError, match=r"^compare_classifiers: y contains no class labels \(.+\)\.$"):
        compare_classifiers(
            {"Bayes": GaussianNB()}, np.arange(24.0).reshape(12, 2), np.linspace(0, 1, 12), random_state=0
        )


def test_empty_labels_raise():
    with pytest.raises(LabelError, match=r"^compare_classifiers needs at least two classes; y contains no labels\.$"):
        compare_classifiers({"Bayes": GaussianNB()}, [], [], random_state=0)


@pytest.mark.parametrize(
    ("estimators", "message"),
    [
        ({}, "estimators is empty. Pass at least one, as in {'SVM': make_hog_svm()}."),
        ([], "estimators is empty. Pass at least one, as in {'SVM': make_hog_svm()}."),
        ({"svm": SVC}, "'svm' is <class 'sklearn.svm._classes.SVC'>, expected a classifier."),
        ({"scaler": StandardScaler()}, "'scaler' is StandardScaler(), expected a classifier."),
        ({"Bayes": GaussianNB(), "text": "svm"}, "'text' is 'svm', expected a classifier."),
    ],
)
def test_non_classifiers_raise(iris, estimators, message):
    with pytest.raises(TypeError) as error:
        compare_classifiers(estimators, *iris, random_state=0)
    assert str(error.value) == f"compare_classifiers: {message}"


@pytest.mark.parametrize("wrap", [CalibratedClassifierCV, TunedThresholdClassifierCV])
def test_calibration_and_threshold_split_by_group(groups, wrap):
    seen = []

    class Spy(GaussianNB):
        def fit(self, X, y):
            seen.append(set(X[:, -1]))
            return super().fit(X, y)

    X = np.column_stack([np.random.default_rng(0).normal(size=150), groups])
    y = np.where(np.random.default_rng(1).random(150) < 0.5, "fear", "pain")
    compare_classifiers([wrap(Spy(), cv=2)], X, y, groups=groups, cv=2, scoring="accuracy", random_state=0)
    n_groups = len(set(groups))
    # Inner fits see about half of the groups of a training set, which has half of all groups.
    assert min(map(len, seen)) <= n_groups / 4 + 1


@pytest.mark.filterwarnings("ignore:Only one class is present")
def test_fold_without_a_score_is_excluded_from_the_test(iris):
    y = np.where(iris[1] == "pain", "pain", "fear")
    people = np.repeat(np.arange(5), 30)
    with pytest.warns(DatasetWarning, match=r"of 5 folds have no test face of a class \(fold 0 lacks pain\): "):
        result = compare_classifiers(
            MODELS, iris[0], y, groups=people, cv=LeaveOneGroupOut(), scoring=["roc_auc"], random_state=0
        )
    assert "nan" not in str(result)


def test_estimators_are_named_in_order():
    search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), {})
    models = [SVC(), GaussianNB(), ("SVC", SVC()), make_pipeline(StandardScaler(), search), SVC(), search, (7, SVC())]
    named = _name_estimators(models)
    assert list(named) == ["SVC-1", "GaussianNB", "SVC-2", "SVC, tuned-1", "SVC-3", "SVC, tuned-2", "7"]
    assert [named["SVC-1"], named["SVC-2"], named["SVC-3"]] == [models[0], models[2][1], models[4]]
    assert _name_estimators({1: search, "one": models[0]}) == {"1": search, "one": models[0]}
    assert _name_estimators(search) == {"SVC, tuned": search}


# Train on the first half, test on the second.
HALVES = [(np.arange(48), np.arange(48, 96))]


class RecordsImages(ClassifierMixin, BaseEstimator):
    """Guesses, and records the images of each fit."""

    trainings: list = []  # noqa: RUF012 - shared by clones

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.trainings.append(X)
        return self

    def predict(self, X):
        return np.resize(self.classes_, len(X))

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


@pytest.fixture
def images():
    """Return distinct images of noise, and alternating labels of two classes."""
    X = np.random.default_rng(0).integers(20, 256, (96, 16, 16), dtype=np.uint8)
    # The last pixel makes all images distinct.
    X[:, -1, -1] = np.arange(96)
    return X, np.resize(["fear", "pain"], 96)


def compare_quietly(X, y, **options):
    return compare_classifiers([RecordsImages()], X, y, **{"scoring": "accuracy", "random_state": 0, **options})


def compare_with_caveats(X, y, **options):
    """Return the message of the only warning, and the result."""
    with pytest.warns(DatasetWarning) as record:
        result = compare_quietly(X, y, **options)
    (warning,) = [each for each in record if issubclass(each.category, DatasetWarning)]
    message = str(warning.message)
    assert message == "compare_classifiers: " + " ".join(result.caveats)
    return message, result


def test_no_caveats_without_problems(images):
    result = compare_quietly(*images, cv=3)
    assert result.caveats == []
    assert "test face" not in str(result) and 'class="failed"' not in result.to_html()


def test_warning_points_at_the_caller(images):
    X, y = images
    X[50] = X[7]
    with pytest.warns(DatasetWarning) as record:
        compare_classifiers([RecordsImages()], X, y, scoring="accuracy", cv=HALVES, random_state=0)
    assert record[0].filename == __file__


@pytest.mark.parametrize("change", [lambda image: image, lambda image: (0.8 * image).astype(np.uint8)])
def test_copy_in_training_and_test_set_warns(images, change):
    X, y = images
    X[50], X[52] = change(X[7]), change(X[7])
    message, _ = compare_with_caveats(X, y, cv=HALVES)
    assert "2 of 48 test images have a copy or near copy in the training set" in message
    assert "(test image 50 matches training image 7, for example), " in message
    assert message.endswith(
        "Pass groups='duplicates', and a cv that keeps groups together, such as StratifiedGroupKFold."
    )


def test_groups_can_be_duplicates(images):
    X, y = images
    X[50:60] = X[:10]
    message, _ = compare_with_caveats(X, y, cv=3)
    assert message.endswith("Pass groups='duplicates'.")
    RecordsImages.trainings.clear()
    result = compare_quietly(X, y, groups="duplicates", cv=3)
    assert result.caveats == []
    expected = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(X, y, find_duplicates(X))
    for (train, _), shown in zip(expected, RecordsImages.trainings, strict=True):
        np.testing.assert_array_equal(shown, X[train])


def test_splitter_that_separates_duplicates_warns_once(images):
    X, y = images
    X[50:60] = X[:10]
    message, _ = compare_with_caveats(X, y, groups="duplicates", cv=HALVES)
    assert "10 of 48 test images" in message and "groups='duplicates', and a cv" in message
    assert "are in both the training and the test set" not in message


def test_caveats_are_in_text_page_and_notebook_view(images):
    X, y = images
    X[50] = X[7]
    y = np.where(np.isin(np.arange(96), [0, 60]), "<joy>", y)
    _, result = compare_with_caveats(X, y, cv=HALVES)
    assert [caveat in str(result).splitlines() for caveat in result.caveats] == [True, True]
    for page in (result.to_html(), result._repr_html_()):
        assert "&lt;joy&gt; (1)" in page and "training image 7" in page
        assert "<joy>" not in page
        assert page.count('class="failed"') == 2


PERSONS = np.arange(96) // 8
KEEP_TOGETHER = ", and a cv that keeps groups together, such as StratifiedGroupKFold"


@pytest.mark.parametrize(
    ("groups", "cv", "by_copies", "remedy"),
    [
        (None, 3, False, "'duplicates'"),
        (None, np.int64(3), False, "'duplicates'"),
        (None, None, False, "'duplicates'"),
        (None, StratifiedKFold(3), False, "'duplicates'" + KEEP_TOGETHER),
        (PERSONS, 3, False, "find_duplicates(X, groups=groups)"),
        (PERSONS, HALVES, False, "find_duplicates(X, groups=groups)" + KEEP_TOGETHER),
        (np.arange(96) % 95, HALVES, True, "'duplicates'" + KEEP_TOGETHER),
    ],
)
def test_remedy_depends_on_groups_and_cv(images, groups, cv, by_copies, remedy):
    X, y = images
    if not by_copies:
        X[95] = X[0]
    assert _list_caveats(X, y, groups, HALVES, cv, by_copies=by_copies, n_jobs=None) == [
        "1 of 48 test images have a copy or near copy in the training set (test image 95 matches training image 0, "
        f"for example), so scores are too high. Pass groups={remedy}."
    ]


def test_shared_persons_come_before_copies(images):
    X, y = images
    X[95] = X[0]
    persons = np.arange(96) // 9
    caveats = _list_caveats(X, y, persons, HALVES, HALVES, by_copies=False, n_jobs=None)
    assert caveats[0] == (
        "1 of 6 groups (5, for example) are in both the training and the test set, so scores are too high for new "
        "groups. Pass a cv that keeps groups together, such as StratifiedGroupKFold."
    )
    assert "test image 95" in caveats[1] and len(caveats) == 2


def test_images_tested_twice_are_counted_once(images):
    X, y = images
    (few,) = _list_caveats(X, y, None, [(np.arange(60), np.arange(60, 96))] * 2, 3, by_copies=False, n_jobs=None)
    assert few.startswith("Fewer than 20 test faces: fear (18), pain (18).")
