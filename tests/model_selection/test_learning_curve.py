import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from sklearn import config_context, model_selection
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold, _plot
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sk_emotion import FaceLoader, LearningCurveDisplay, make_hog_svm
from sk_emotion.exceptions import LabelError
from sk_emotion.model_selection._comparison_folds import draw_splits
from sk_emotion.model_selection._learning_curve import _draw_splits, _name_score, _read_once, _spread_classes

SIZES = [20, 40, 80]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    # Sorted by class, as a folder is.
    return X, np.array(["anger", "fear", "pain"])[y]


class Recorder(ClassifierMixin, BaseEstimator):
    """Guesses, and records the rows and labels of each fit."""

    trainings: list = []  # noqa: RUF012 - shared by clones

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.trainings.append((np.asarray(X)[:, 0].astype(int), np.asarray(y)))
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def recorder():
    Recorder.trainings.clear()
    return Recorder()


def test_default_scores_are_macro_f1_on_the_folds_of_a_comparison(iris):
    X, y = iris
    display = LearningCurveDisplay.from_estimator(GaussianNB(), X, y, train_sizes=[60, 120])
    assert display.train_sizes.tolist() == [60, 120]
    splits, _ = draw_splits(X, y, None, 5, random_state=0, owner="test")
    expected = [f1_score(y[test], GaussianNB().fit(X[train], y[train]).predict(X[test]), average="macro")
                for train, test in splits]  # fmt: skip
    np.testing.assert_allclose(display.test_scores[1], expected)
    assert display.ax_.get_ylabel() == "macro F1"
    assert isinstance(display, model_selection.LearningCurveDisplay)


def test_training_sets_are_nested_and_stratified(iris, recorder):
    _, y = iris
    rows = np.arange(150)[:, np.newaxis]
    LearningCurveDisplay.from_estimator(recorder, rows, y, train_sizes=SIZES, cv=3)
    trainings = recorder.trainings
    assert [len(labels) for _, labels in trainings] == SIZES * 3
    for position, (drawn, labels) in enumerate(trainings):
        counts = np.unique(labels, return_counts=True)[1]
        assert len(counts) == 3
        assert np.ptp(counts) <= 1
        if position % 3:
            assert set(trainings[position - 1][0]) < set(drawn)


def test_shuffle_false_keeps_the_order(iris, recorder):
    _, y = iris
    rows = np.arange(150)[:, np.newaxis]
    LearningCurveDisplay.from_estimator(recorder, rows, y, train_sizes=SIZES, cv=StratifiedKFold(3), shuffle=False)
    assert np.array_equal(recorder.trainings[0][0], np.arange(17, 37))


def test_random_state_seeds_folds_and_order(iris):
    first, again, other = (
        LearningCurveDisplay.from_estimator(GaussianNB(), *iris, train_sizes=SIZES, random_state=seed).test_scores
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_integer_cv_with_groups_keeps_groups_together(iris, recorder):
    _, y = iris
    groups = np.random.default_rng(0).integers(0, 15, 150)
    rows = np.arange(150)[:, np.newaxis]
    display = LearningCurveDisplay.from_estimator(recorder, rows, y, groups=groups, cv=3, train_sizes=[0.3, 1.0])
    splits, _ = draw_splits(rows, y, groups, 3, random_state=0, owner="test")
    splits = sorted(splits, key=lambda split: len(split[0]))
    assert display.train_sizes[-1] == len(splits[0][0])
    for (train, test), (drawn, _) in zip(splits, recorder.trainings[1::2], strict=True):
        assert set(drawn) <= set(train)
        assert not set(groups[drawn]) & set(groups[test])


def test_groups_can_be_duplicates(recorder):
    rows = np.column_stack([np.arange(90), np.random.default_rng(0).normal(size=(90, 256))])
    y = np.resize(["fear", "pain"], 90)
    rows[60:] = rows[:30]
    LearningCurveDisplay.from_estimator(recorder, rows, y, groups="duplicates", cv=3, train_sizes=[0.5, 1.0])
    full = recorder.trainings[1::2]
    # Each image and its copy are in the same set.
    assert [np.unique(drawn[drawn < 30], return_counts=True)[1].tolist() for drawn, _ in full] == [[2] * 20] * 3
    with pytest.raises(LabelError, match="LearningCurveDisplay: groups='twins'"):
        LearningCurveDisplay.from_estimator(recorder, rows, y, groups="twins")


def test_groups_reach_a_nested_search(iris):
    X, y = iris
    groups = np.random.default_rng(0).integers(0, 15, 150)
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 5]}, cv=StratifiedGroupKFold(2))
    display = LearningCurveDisplay.from_estimator(
        search, X, y, groups=groups, cv=3, train_sizes=[0.5, 1.0], error_score="raise"
    )
    assert np.isfinite(display.test_scores).all()
    assert not hasattr(search, "best_estimator_")


def test_photos_are_read_once(tmp_path, faces, monkeypatch):
    X, y, _ = faces
    paths = [str(tmp_path / f"{row}.png") for row in range(40)]
    for path, face in zip(paths, X, strict=False):
        Image.fromarray(face).save(path)
    read = []
    opened = Image.open
    monkeypatch.setattr(Image, "open", lambda source, *args, **kwargs: (read.append(source), opened(source))[1])
    pipeline = make_hog_svm(image_size=24, probability=False)
    display = LearningCurveDisplay.from_estimator(pipeline, paths, y[:40], cv=2, train_sizes=[0.5, 1.0])
    assert len(read) == 40
    direct = LearningCurveDisplay.from_estimator(pipeline, X[:40], y[:40], cv=2, train_sizes=[0.5, 1.0])
    np.testing.assert_allclose(display.test_scores, direct.test_scores)
    assert not hasattr(pipeline[0], "face_found_")


def test_pipeline_of_loader_and_classifier(faces):
    X, y, _ = faces

    class Flat(GaussianNB):
        def fit(self, X, y):
            return super().fit(X.reshape(len(X), -1), y)

        def predict(self, X):
            return super().predict(X.reshape(len(X), -1))

    pipeline = make_pipeline(FaceLoader(image_size=24), Flat())
    display = LearningCurveDisplay.from_estimator(pipeline, list(X), y, cv=2, train_sizes=[0.5, 1.0])
    assert display.test_scores.shape == (2, 2)
    assert display.train_sizes.tolist() == [20, 40]


def test_axis_is_labeled_with_the_score(iris):
    def name(**options):
        display = LearningCurveDisplay.from_estimator(GaussianNB(), *iris, cv=2, train_sizes=SIZES[:2], **options)
        return display.ax_.get_ylabel()

    assert name(scoring="balanced_accuracy") == "balanced accuracy"
    assert name(scoring="neg_log_loss") == "Negative log loss"
    assert name(scoring="neg_log_loss", negate_score=True) == "Log loss"
    assert name(scoring=make_scorer(f1_score, average="macro")) == "score"
    assert name(score_name="F1") == "F1"


def test_plot_on_given_or_new_axes(iris):
    _, ax = plt.subplots()
    display = LearningCurveDisplay.from_estimator(GaussianNB(), *iris, cv=2, train_sizes=SIZES[:2], ax=ax)
    assert display.ax_ is ax
    assert [label.get_text() for label in ax.get_xticklabels()] == ["20", "40"]
    colors = [line.get_color() for line in display.lines_]
    assert display.plot() is display
    assert display.ax_ is not ax
    display.plot(score_type="test")
    assert [line.get_color() for line in display.lines_] == colors[1:]
    assert display.plot(std_display_style="errorbar").lines_ is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"train_sizes": [1.0]}, ValueError, "at least two sizes"),
        ({"groups": np.arange(10)}, LabelError, "X has 150 samples, but groups has 10 entries"),
        (
            {"groups": [None, *range(149)]},
            LabelError,
            "LearningCurveDisplay: Input groups contains NaN or None in 1 of",
        ),
        ({"cv": 60}, LabelError, "LearningCurveDisplay: class anger has 50 sample"),
        ({"groups": np.arange(150) % 2}, LabelError, "LearningCurveDisplay: groups contains 2 group"),
        ({"train_sizes": [0.5, 1.5]}, ValueError, "train_sizes"),
    ],
)
def test_invalid_input_raises(iris, options, error, message):
    with pytest.raises(error, match=message):
        LearningCurveDisplay.from_estimator(clone(GaussianNB()), *iris, **options)


def test_label_count_mismatch_raises(iris):
    X, y = iris
    with pytest.raises(LabelError, match="X has 150 samples, but y has 149"):
        LearningCurveDisplay.from_estimator(GaussianNB(), X, y[:-1])


def draw(iris, estimator=None, **options):
    options = {"cv": 2, "train_sizes": SIZES[:2], **options}
    return LearningCurveDisplay.from_estimator(estimator or GaussianNB(), *iris, **options)


def test_plot_options_are_applied(iris):
    display = draw(
        iris, score_type="test", line_kw={"linewidth": 7}, fill_between_kw={"alpha": 0.5}, scoring="neg_log_loss"
    )
    (line,), (band,) = display.lines_, display.fill_between_
    assert (line.get_linewidth(), line.get_marker(), line.get_markersize()) == (7, "o", 4)
    assert (band.get_alpha(), band.get_linewidth()) == (0.5, 0)
    assert (line.get_ydata() < 0).all()
    (line,) = draw(iris, score_type="test", scoring="neg_log_loss", negate_score=True).lines_
    assert (line.get_ydata() > 0).all()
    display = draw(iris, std_display_style="errorbar", errorbar_kw={"capsize": 9})
    assert display.lines_ is None and display.fill_between_ is None
    line, caps, _ = display.errorbar_[0]
    assert (line.get_marker(), line.get_markersize(), caps[0].get_markersize()) == ("o", 4, 18)
    display = draw(iris, std_display_style=None, score_name="mine")
    assert len(display.lines_) == 2 and display.fill_between_ is None and display.errorbar_ is None
    assert display.plot(score_name="other").ax_.get_ylabel() == "other"
    assert display.ax_.get_xlabel() == "training images"


def test_ticks_are_the_sizes_unless_there_are_too_many(iris):
    def ticks(sizes):
        scores = np.full((len(sizes), 2), 0.5)
        axis = (
            LearningCurveDisplay(train_sizes=np.array(sizes), train_scores=scores, test_scores=scores).plot().ax_.xaxis
        )
        assert len(axis.get_minorticklocs()) == 0
        return [label.get_text() for label in axis.get_ticklabels()]

    assert ticks([500, 1000, 20_000]) == ["500", "1,000", "20,000"]
    assert ticks(range(100, 900, 100)) == [str(size) for size in range(100, 900, 100)]
    assert ticks(range(110, 1010, 100)) != [str(size) for size in range(110, 1010, 100)]


def test_options_are_passed_to_scikit_learn(iris, monkeypatch):
    calls = []
    learning_curve = _plot.learning_curve
    monkeypatch.setattr(
        _plot, "learning_curve", lambda *args, **options: (calls.append(options), learning_curve(*args, **options))[1]
    )
    given = {"exploit_incremental_learning": True, "n_jobs": 1, "pre_dispatch": "2*n_jobs", "error_score": -2.0}
    draw(iris, **given, verbose=0, scoring="accuracy")
    draw(iris, verbose=True)
    (options, defaults) = calls
    assert {name: options[name] for name in given} == given
    assert (options["verbose"], options["scoring"]) == (0, "accuracy")
    assert (defaults["verbose"], defaults["scoring"], defaults["n_jobs"]) == (True, "f1_macro", None)
    assert (
        defaults["pre_dispatch"] == "all"
        and np.isnan(defaults["error_score"])
        and defaults["exploit_incremental_learning"] is False
    )


class TakesGroups(GaussianNB):
    seen: list = []  # noqa: RUF012 - shared by clones

    def fit(self, X, y, groups=None, mood=None):
        self.seen.append((None if groups is None else len(groups), mood))
        return super().fit(X, y)


def test_groups_and_fit_params_are_passed_if_requested(iris):
    people = np.arange(150) % 10
    TakesGroups.seen.clear()
    with config_context(enable_metadata_routing=True):
        model = TakesGroups().set_fit_request(groups=True, mood=True)
    draw(iris, model, groups=people, fit_params={"mood": "calm"})
    draw(iris, model, groups=people)
    draw(iris, TakesGroups(), groups=people)
    draw(iris, model, fit_params={})
    sizes = [20, 40] * 2
    requested = [*((size, "calm") for size in sizes), *((size, None) for size in sizes)]
    assert TakesGroups.seen == [*requested, *[(None, None)] * 8]


def test_nested_search_splits_by_group(iris):
    people = np.random.default_rng(0).integers(0, 15, 150)
    used = []

    class Spy(GaussianNB):
        def fit(self, X, y):
            used.append(set(X[:, -1]))
            return super().fit(X, y)

    X = np.column_stack([iris[0], people])
    draw((X, iris[1]), GridSearchCV(Spy(), {}, cv=2, refit=False, scoring="accuracy", error_score="raise"),
         groups=people, train_sizes=[60, 70], error_score=0, scoring=lambda estimator, X, y: 0.5)  # fmt: skip
    # The two inner fits see disjoint halves of the persons.
    assert len(used) == 8
    assert all(not one & other for one, other in zip(used[::2], used[1::2], strict=True))


def test_smallest_training_set_comes_first(iris):
    people = np.repeat(np.arange(6), [50, 10, 40, 20, 20, 10])
    splits = _draw_splits("test", iris[0], np.resize(iris[1][::50], 150), people, LeaveOneGroupOut(), None)
    assert [len(train) for train, _ in splits] == [100, 110, 130, 130, 140, 140]
    with pytest.raises(LabelError, match="test: class anger has 50 sample"):
        _draw_splits("test", *iris, None, 60, None)
    first, again, other = (_draw_splits("test", *iris, None, 3, seed)[0][1].tolist() for seed in (3, 3, 4))
    assert first == again != other


def test_leading_rows_are_stratified():
    labels = np.repeat(["fear", "pain", "joy"], [60, 30, 10])
    train = np.arange(100)[::-1]
    rows = _spread_classes(train, labels, np.random.RandomState(0))
    assert sorted(rows) == list(range(100))
    seen = np.cumsum(labels[rows][:, np.newaxis] == ["fear", "pain", "joy"], axis=0)
    shares = np.arange(1, 101)[:, np.newaxis] * [0.6, 0.3, 0.1]
    assert np.abs(seen - shares).max() <= 1
    # Rows of a class are shuffled.
    assert (np.diff(rows[labels[rows] == "fear"]) < 0).any() and (np.diff(rows[labels[rows] == "fear"]) > 0).any()


def test_only_a_loader_at_the_head_of_a_pipeline_is_applied_once(faces):
    X = list(faces[0][:3])
    loader = FaceLoader(image_size=24)
    for estimator in (GaussianNB(), make_pipeline(GaussianNB()), GridSearchCV(make_pipeline(loader, GaussianNB()), {})):
        assert _read_once(estimator, X) == (estimator, X)
    rest, read = _read_once(make_pipeline(loader, GaussianNB()), X)
    assert list(rest.named_steps) == ["gaussiannb"]
    np.testing.assert_array_equal(read, clone(loader).fit_transform(X))
    assert not hasattr(loader, "face_found_")


def test_scores_are_named_as_in_a_comparison_or_by_scikit_learn():
    def my_own(estimator, X, y):
        return 0.5

    assert _name_score("roc_auc_ovr") == "ROC AUC (one vs rest)"
    assert _name_score(my_own) == "my_own"
    assert _name_score(make_scorer(f1_score, average="macro")) == "score"
    assert _name_score("neg_log_loss") is _name_score(None) is None
