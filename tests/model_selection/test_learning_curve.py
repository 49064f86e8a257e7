import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from sklearn import model_selection
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sk_emotion import FaceLoader, LearningCurveDisplay, make_hog_svm
from sk_emotion.exceptions import LabelError
from sk_emotion.model_selection._comparison_folds import draw_splits

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
    """Guesses, and keeps the rows and labels of each training."""

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


def test_scores_are_macro_f1_on_the_folds_of_a_comparison(iris):
    X, y = iris
    display = LearningCurveDisplay.from_estimator(GaussianNB(), X, y, train_sizes=[60, 120])
    assert display.train_sizes.tolist() == [60, 120]
    splits, _ = draw_splits(X, y, None, 5, random_state=0, owner="test")
    expected = [f1_score(y[test], GaussianNB().fit(X[train], y[train]).predict(X[test]), average="macro")
                for train, test in splits]  # fmt: skip
    np.testing.assert_allclose(display.test_scores[1], expected)
    assert display.ax_.get_ylabel() == "macro F1"
    assert isinstance(display, model_selection.LearningCurveDisplay)


def test_sets_grow_by_whole_beginnings_with_each_class_by_its_share(iris, recorder):
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


def test_order_is_a_choice(iris, recorder):
    _, y = iris
    rows = np.arange(150)[:, np.newaxis]
    LearningCurveDisplay.from_estimator(recorder, rows, y, train_sizes=SIZES, cv=StratifiedKFold(3), shuffle=False)
    assert np.array_equal(recorder.trainings[0][0], np.arange(17, 37))


def test_random_state_repeats_folds_and_order(iris):
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


def test_duplicates_are_groups_by_a_word(recorder):
    rows = np.column_stack([np.arange(90), np.random.default_rng(0).normal(size=(90, 256))])
    y = np.resize(["fear", "pain"], 90)
    rows[60:] = rows[:30]
    LearningCurveDisplay.from_estimator(recorder, rows, y, groups="duplicates", cv=3, train_sizes=[0.5, 1.0])
    full = recorder.trainings[1::2]
    # Each picture and its copy are trained on together, or held out together.
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


def test_pictures_are_read_once(tmp_path, faces, monkeypatch):
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


def test_loader_alone_before_a_classifier_is_enough(faces):
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


def test_scores_of_other_kinds_are_named(iris):
    def name(**options):
        display = LearningCurveDisplay.from_estimator(GaussianNB(), *iris, cv=2, train_sizes=SIZES[:2], **options)
        return display.ax_.get_ylabel()

    assert name(scoring="balanced_accuracy") == "balanced accuracy"
    assert name(scoring="neg_log_loss") == "Negative log loss"
    assert name(scoring="neg_log_loss", negate_score=True) == "Log loss"
    assert name(scoring=make_scorer(f1_score, average="macro")) == "score"
    assert name(score_name="F1") == "F1"


def test_curves_are_drawn_where_they_are_told(iris):
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
        ({"cv": 60}, LabelError, "LearningCurveDisplay: class anger has 50 sample"),
        ({"groups": np.arange(150) % 2}, LabelError, "LearningCurveDisplay: groups holds 2 group"),
        ({"train_sizes": [0.5, 1.5]}, ValueError, "train_sizes"),
    ],
)
def test_bad_input_is_named(iris, options, error, message):
    with pytest.raises(error, match=message):
        LearningCurveDisplay.from_estimator(clone(GaussianNB()), *iris, **options)


def test_labels_that_do_not_match_are_refused(iris):
    X, y = iris
    with pytest.raises(LabelError, match="X has 150 samples, but y has 149"):
        LearningCurveDisplay.from_estimator(GaussianNB(), X, y[:-1])
