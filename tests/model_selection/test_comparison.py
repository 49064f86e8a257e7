import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from scipy import stats
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
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

from sk_emotion.exceptions import LabelError, TrainingError
from sk_emotion.model_selection import compare_classifiers
from sk_emotion.model_selection._comparison_result import corrected_t_test

MODELS = {"Bayes": GaussianNB(), "neighbours": KNeighborsClassifier(3)}


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X[:, :2], np.array(["anger", "fear", "pain"])[y]


@pytest.fixture(scope="module")
def groups():
    return np.random.default_rng(0).integers(0, 15, 150)


@pytest.fixture(scope="module")
def result(iris):
    return compare_classifiers(MODELS, *iris, cv=4)


class GroupRecorder(ClassifierMixin, BaseEstimator):
    """Keeps the groups it is given, and takes them without having asked."""

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        if groups is not None:
            raise AssertionError("got groups that were not requested")
        return self

    def predict(self, X):
        return np.resize(self.classes_, len(X))

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class Failing(GroupRecorder):
    def fit(self, X, y):
        raise RuntimeError("no convergence")


def test_scores_are_those_of_scikit_learn_on_the_same_folds(iris, result):
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    expected = cross_validate(GaussianNB(), *iris, cv=folds, scoring=["f1_macro", "accuracy", "roc_auc_ovr"])
    frame = result.to_frame()
    bayes = frame[frame["estimator"] == "Bayes"]
    for metric in ("f1_macro", "accuracy", "roc_auc_ovr"):
        np.testing.assert_allclose(bayes[metric], expected["test_" + metric])


def test_frame_has_a_row_per_estimator_and_fold(result):
    frame = result.to_frame()
    assert list(frame["estimator"]) == ["Bayes"] * 4 + ["neighbours"] * 4
    assert list(frame["fold"]) == [0, 1, 2, 3] * 2
    assert set(frame.columns) >= {"fit_time", "score_time", "n_train", "n_test"}
    assert (frame["n_train"] + frame["n_test"] == 150).all()


def test_summary_is_mean_and_deviation_over_folds(result):
    scores = result.scores_.query("estimator == 'Bayes'")["accuracy"]
    summary = result.summary()
    assert summary.loc["Bayes", ("accuracy", "mean")] == pytest.approx(scores.mean())
    assert summary.loc["Bayes", ("accuracy", "std")] == pytest.approx(scores.std(ddof=1))


def test_chance_and_majority_are_scored_on_the_same_folds(result):
    assert result.reference_.loc["majority class", "accuracy"] == pytest.approx(1 / 3, abs=0.02)
    assert result.reference_.loc["chance", "accuracy"] == pytest.approx(1 / 3, abs=0.05)
    assert result.reference_.loc["chance", "roc_auc_ovr"] == pytest.approx(0.5)


@pytest.mark.parametrize("names", [[0, 1], ["no", "yes"]])
def test_binary_labels_get_the_area_under_the_curve(names):
    X, y = make_classification(60, random_state=0)
    result = compare_classifiers({"Bayes": GaussianNB()}, X, np.array(names)[y], cv=3)
    assert result.metrics_ == ["f1_macro", "accuracy", "roc_auc"]
    assert result.tests_.empty


def test_nobody_is_in_training_and_test_set(iris, groups):
    seen = []

    class Spy(GaussianNB):
        def fit(self, X, y):
            seen.append(set(X[:, -1]))
            return super().fit(X, y)

    X = np.column_stack([iris[0], groups])
    result = compare_classifiers([Spy()], X, iris[1], groups=groups, cv=3)
    assert len(seen) == 3
    splits = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(X, iris[1], groups)
    assert seen == [set(groups[train]) for train, _ in splits]
    assert list(result.summary().index) == ["Spy"]


@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_groups_reach_nested_searches(iris, groups, in_pipeline, n_jobs):
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 9]}, cv=GroupKFold(3))
    model = make_pipeline(StandardScaler(), search) if in_pipeline else search
    result = compare_classifiers({"tuned": model}, *iris, groups=groups, cv=3, n_jobs=n_jobs)
    assert len(result.scores_) == 3


@pytest.mark.parametrize("cv", [None, 3])
def test_search_with_integer_cv_splits_by_group(iris, groups, cv, monkeypatch):
    used = []
    split = StratifiedGroupKFold.split

    def record(self, X, y, groups=None):
        used.append((self.n_splits, len(X), len(groups)))
        return split(self, X, y, groups)

    monkeypatch.setattr(StratifiedGroupKFold, "split", record)
    search = GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}, cv=cv)
    compare_classifiers([search], *iris, groups=groups, cv=2)
    inner = [call for call in used if call[1] < 150]
    assert len(inner) == 2
    assert all(n_splits == (cv or 5) and n_rows == n_groups for n_splits, n_rows, n_groups in inner)
    assert search.cv == cv


def test_estimator_that_did_not_ask_gets_no_groups(iris, groups):
    search = GridSearchCV(GroupRecorder(), {}, cv=2)
    sampled = make_imblearn_pipeline(RandomOverSampler(random_state=0), GroupRecorder())
    compare_classifiers({"alone": GroupRecorder(), "searched": search, "sampled": sampled}, *iris, groups=groups, cv=2)


def test_configuration_is_left_as_it_was(iris):
    with config_context(enable_metadata_routing=False):
        compare_classifiers([GaussianNB()], *iris, cv=2)
        assert get_config()["enable_metadata_routing"] is False


def test_person_without_every_emotion_is_scored(iris, groups):
    people = np.where(iris[1] == "pain", groups % 2, groups)
    result = compare_classifiers(MODELS, *iris, groups=people, cv=LeaveOneGroupOut())
    assert result.scores_["roc_auc_ovr"].notna().all()


def test_given_splits_are_used_and_generators_are_drawn_once(iris):
    splits = list(StratifiedKFold(2).split(*iris))
    result = compare_classifiers(MODELS, *iris, cv=(split for split in splits))
    assert list(result.scores_["n_test"]) == [75] * 4


@pytest.mark.parametrize("scoring", ["accuracy", ["accuracy", "f1_weighted"]])
def test_scoring_is_as_in_scikit_learn(iris, scoring):
    result = compare_classifiers([SVC()], *iris, cv=2, scoring=scoring)
    assert result.metrics_[0] == "accuracy"


def test_classifier_without_probabilities_has_an_area_under_the_curve(iris):
    assert compare_classifiers([SVC()], *iris, cv=2).scores_["roc_auc_ovr"].between(0.5, 1).all()


def test_list_is_named_after_last_steps(iris):
    models = [make_pipeline(StandardScaler(), GaussianNB()), GaussianNB(), ("mine", GaussianNB())]
    assert list(compare_classifiers(models, *iris, cv=2).summary().index) == ["GaussianNB-1", "GaussianNB-2", "mine"]


def test_paths_in_a_list_are_taken(iris):
    X = [list(row) for row in iris[0]]
    assert len(compare_classifiers([GaussianNB()], X, list(iris[1]), cv=2).scores_) == 2


def test_corrected_test_is_nadeau_and_bengio():
    difference = np.array([0.1, 0.05, 0.08, 0.02, 0.07])
    t, p = corrected_t_test(difference, 0.25)
    plain = stats.ttest_1samp(difference, 0)
    assert t == pytest.approx(plain.statistic * np.sqrt(0.2 / 0.45))
    assert p == pytest.approx(2 * stats.t.sf(t, 4))
    assert p > plain.pvalue


def test_equal_classifiers_do_not_differ(iris):
    tests = compare_classifiers({"one": GaussianNB(), "same": GaussianNB()}, *iris, cv=3).tests_
    assert tests.loc["same", "p"] == 1


def test_table_shows_every_row_aligned(result):
    lines = str(result).splitlines()
    table = [line for line in lines if line.startswith((" ", "Bayes", "neigh", "chance", "majority"))]
    assert any("macro F1" in line and "ROC AUC" in line and "fit (s)" in line for line in table)
    assert any(line.startswith("Bayes") and "±" in line for line in table)
    assert any(line.startswith("chance") for line in table)
    assert any("Nadeau & Bengio" in line for line in lines)


def test_page_is_self_contained(result, tmp_path):
    page = result.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    assert "<svg" in page
    assert "http" not in page
    assert "<table" in result._repr_html_()
    assert page.count("<table") == 2


def test_page_escapes_names(iris):
    page = compare_classifiers({"<b>&": GaussianNB()}, *iris, cv=2).to_html()
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


def test_failure_names_the_estimator(iris):
    with pytest.raises(TrainingError, match=r"'broken' failed in fold 0 \(RuntimeError: no convergence"):
        compare_classifiers({"fine": GaussianNB(), "broken": Failing()}, *iris, cv=2)


def test_progress_is_a_line_per_estimator_on_standard_error(iris, capsys):
    compare_classifiers(MODELS, *iris, cv=2, verbose=1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("[1/2] Bayes: f1_macro 0.")
    assert len(captured.err.splitlines()) == 2


@pytest.mark.parametrize(
    ("y", "arguments", "message"),
    [
        (["a", "b"] * 5, {}, "X has 12 samples, but y has 10 labels"),
        (["a"] * 12, {}, "holds one class: a"),
        (["a"] * 9 + ["pain"] * 3, {}, r"class pain has 3 sample\(s\), fewer than the 5 folds"),
        (["a", "b"] * 6, {"groups": [1] * 11}, "groups has 11 entries"),
        (["a", "b"] * 6, {"groups": [1, 2] * 6}, r"holds 2 group\(s\), fewer than the 5 folds"),
        (["a", "b"] * 6, {"cv": 1}, "cv=1"),
        (["a"] * 6 + ["b"] * 6, {"groups": [0] * 6 + [1, 1, 2, 2, 3, 3], "cv": 2}, "trains without class a"),
        (np.linspace(0, 1, 12), {}, "no class labels"),
    ],
)
def test_labels_that_cannot_be_folded_are_named(y, arguments, message):
    with pytest.raises(LabelError, match=message):
        compare_classifiers({"Bayes": GaussianNB()}, np.arange(24.0).reshape(12, 2), y, **arguments)


@pytest.mark.parametrize("estimators", [{}, {"svm": SVC}, {"scaler": StandardScaler()}, {"text": "svm"}])
def test_what_is_no_classifier_is_refused(iris, estimators):
    with pytest.raises(TypeError, match="compare_classifiers"):
        compare_classifiers(estimators, *iris)


def test_single_estimator_needs_no_list(iris):
    result = compare_classifiers(LogisticRegression(max_iter=500), *iris, cv=2)
    assert result.best_ == "LogisticRegression"


@pytest.mark.parametrize("wrap", [CalibratedClassifierCV, TunedThresholdClassifierCV])
def test_calibration_and_threshold_split_by_group(groups, wrap):
    seen = []

    class Spy(GaussianNB):
        def fit(self, X, y):
            seen.append(set(X[:, -1]))
            return super().fit(X, y)

    X = np.column_stack([np.random.default_rng(0).normal(size=150), groups])
    y = np.where(np.random.default_rng(1).random(150) < 0.5, "fear", "pain")
    compare_classifiers([wrap(Spy(), cv=2)], X, y, groups=groups, cv=2, scoring="accuracy")
    n_groups = len(set(groups))
    # Inner fits see about half of the groups of a training set, which has half of all.
    assert min(map(len, seen)) <= n_groups / 4 + 1


@pytest.mark.filterwarnings("ignore:Only one class is present")
def test_fold_without_a_score_is_left_out_of_the_test(iris):
    y = np.where(iris[1] == "pain", "pain", "fear")
    people = np.repeat(np.arange(15), 10)
    result = compare_classifiers(MODELS, iris[0], y, groups=people, cv=LeaveOneGroupOut(), scoring=["roc_auc"])
    assert "nan" not in str(result)


def test_masks_are_splits_too(iris):
    mask = np.arange(150) % 3 == 0
    result = compare_classifiers([GaussianNB()], *iris, cv=[(~mask, mask)])
    assert result.scores_[["n_train", "n_test"]].iloc[0].tolist() == [100, 50]
