import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from sk_emotion import MulticlassPrecisionRecallDisplay, MulticlassRocCurveDisplay
from sk_emotion.exceptions import LabelError

DISPLAYS = [MulticlassRocCurveDisplay, MulticlassPrecisionRecallDisplay]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.repeat(["anger", "fear", "pain"], 30)
    X = rng.normal(size=(90, 2)) + np.repeat([[0, 0], [1, 0], [0, 1.5]], 30, axis=0)
    return X, y


@pytest.fixture(scope="module")
def model(data):
    return GaussianNB().fit(*data)


def test_areas_match_scikit_learn(data, model):
    X, y = data
    scores = model.predict_proba(X)
    display = MulticlassRocCurveDisplay.from_estimator(model, X, y)
    assert display.classes == ["anger", "fear", "pain"]
    for column, label in enumerate(display.classes):
        assert display.roc_auc[label] == pytest.approx(roc_auc_score(y == label, scores[:, column]))
        np.testing.assert_allclose(display.tpr[label], roc_curve(y == label, scores[:, column])[1])
    assert display.macro_roc_auc == pytest.approx(roc_auc_score(y, scores, multi_class="ovr"))


def test_macro_average_curve_has_the_area_in_its_label(data, model):
    display = MulticlassRocCurveDisplay.from_estimator(model, *data)
    line = next(line for line in display.ax_.lines if "macro" in str(line.get_label()))
    assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(display.macro_roc_auc, abs=2e-3)
    assert f"{display.macro_roc_auc:.3f}" in line.get_label()


def test_average_precisions_match_scikit_learn(data, model):
    X, y = data
    display = MulticlassPrecisionRecallDisplay.from_estimator(model, X, y)
    scores = model.predict_proba(X)
    for column, label in enumerate(display.classes):
        assert display.average_precision[label] == pytest.approx(average_precision_score(y == label, scores[:, column]))
        assert display.prevalence[label] == pytest.approx(1 / 3)
    assert display.macro_average_precision == pytest.approx(np.mean(list(display.average_precision.values())))


@pytest.mark.parametrize("display", DISPLAYS)
def test_plot_uses_the_given_axes_and_returns_self(display, data, model):
    _, ax = plt.subplots()
    drawn = display.from_estimator(model, *data, ax=ax)
    assert drawn.ax_ is ax
    assert drawn.figure_ is ax.figure
    assert len(drawn.lines_) == 3
    assert drawn.plot() is drawn
    assert drawn.ax_ is not ax


@pytest.mark.parametrize("display", DISPLAYS)
def test_decision_function_replaces_probabilities(display, data):
    X, y = data
    assert len(display.from_estimator(LinearSVC(random_state=0).fit(X, y), X, y).classes) == 3


@pytest.mark.parametrize("display", DISPLAYS)
def test_two_classes_have_one_curve(display, data):
    X, y = data
    two = y != "anger"
    model = LogisticRegression().fit(X[two], y[two])
    assert display.from_estimator(model, X[two], y[two]).classes == ["pain"]
    assert display.from_estimator(model, X[two], y[two], pos_label="fear").classes == ["fear"]
    column = model.predict_proba(X[two])[:, 1]
    assert display.from_predictions(y[two], column).classes == ["pain"]


def test_pos_label_flips_the_scores(data):
    X, y = data
    two = y != "anger"
    model = LogisticRegression().fit(X[two], y[two])
    areas = [
        MulticlassRocCurveDisplay.from_estimator(model, X[two], y[two], pos_label=label).macro_roc_auc
        for label in ("fear", "pain")
    ]
    assert areas[0] == pytest.approx(areas[1])
    assert areas[0] > 0.6


@pytest.mark.parametrize("display", DISPLAYS)
def test_absent_class_has_no_curve(display, data, model):
    X, y = data
    known = y != "anger"
    assert display.from_estimator(model, X[known], y[known]).classes == ["fear", "pain"]


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize(
    ("y_true", "options", "message"),
    [
        (["fear"] * 3, {"classes": ["anger", "fear", "pain"]}, "contains a single class, fear"),
        (["fear", "pain", "calm"], {"classes": ["anger", "fear", "pain"]}, "y_true contains \\['calm'\\]"),
        (["fear", "pain", "fear"], {}, "y_score has shape \\(3, 3\\), expected \\(3, 2\\)"),
    ],
)
def test_mismatched_input_raises(display, y_true, options, message):
    with pytest.raises(LabelError, match=message):
        display.from_predictions(y_true, np.full((3, 3), 1 / 3), **options)


def test_classifier_without_scores_raises(data):
    class Silent(GaussianNB):
        predict_proba = property()

    with pytest.raises(TypeError, match="neither predict_proba nor decision_function"):
        MulticlassRocCurveDisplay.from_estimator(Silent().fit(*data), *data)
