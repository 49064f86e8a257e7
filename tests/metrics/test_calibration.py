"""Expected calibration error against values computed by hand, and reliability diagrams."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.calibration import calibration_curve
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from sk_emotion import MulticlassCalibrationDisplay
from sk_emotion.exceptions import LabelError
from sk_emotion.metrics import expected_calibration_error

NAMES = np.array(["anger", "fear", "pain"])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.repeat(NAMES, 60)
    X = rng.normal(size=(180, 2)) + np.repeat([[0, 0], [1, 0], [0, 1.5]], 60, axis=0)
    return X, y


@pytest.fixture(scope="module")
def model(data):
    return GaussianNB().fit(*data)


def test_bins_hold_confidence_and_accuracy_of_the_predicted_label(data, model):
    X, y = data
    display = MulticlassCalibrationDisplay.from_estimator(model, X, y, n_bins=5)
    probabilities = model.predict_proba(X)
    confidence, correct = probabilities.max(axis=1), model.predict(X) == y
    inside = (confidence >= 0.6) & (confidence < 0.8)
    assert display.counts[3] == inside.sum()
    assert display.prob_pred[3] == pytest.approx(confidence[inside].mean())
    assert display.prob_true[3] == pytest.approx(correct[inside].mean())


def test_error_matches_the_function_and_is_in_the_legend(data, model):
    X, y = data
    display = MulticlassCalibrationDisplay.from_estimator(model, X, y)
    error = expected_calibration_error(y, model.predict_proba(X))
    assert display.expected_calibration_error == pytest.approx(error)
    gaps = np.abs(display.prob_pred - display.prob_true)
    assert np.nansum(gaps * display.counts) / len(y) == pytest.approx(error)
    assert f"ECE {error:.3f}" in display.line_.get_label()


def test_labels_drawn_from_the_probabilities_are_calibrated():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([0.5, 0.5, 0.5], size=20_000)
    y = NAMES[(probabilities.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)]
    display = MulticlassCalibrationDisplay.from_predictions(y, probabilities, n_bins=10)
    filled = display.counts > 200
    np.testing.assert_allclose(display.prob_true[filled], display.prob_pred[filled], atol=0.05)
    assert display.expected_calibration_error < 0.02


@pytest.mark.parametrize("pos_label", [None, "fear"])
def test_binary_curve_matches_scikit_learn(data, pos_label):
    X, y = data
    two = y != "anger"
    model = GaussianNB().fit(X[two], y[two])
    display = MulticlassCalibrationDisplay.from_estimator(model, X[two], y[two], n_bins=5, pos_label=pos_label)
    positive = pos_label or "pain"
    column = model.predict_proba(X[two])[:, list(model.classes_).index(positive)]
    prob_true, prob_pred = calibration_curve(y[two] == positive, column, n_bins=5)
    filled = display.counts > 0
    np.testing.assert_allclose(display.prob_true[filled], prob_true)
    np.testing.assert_allclose(display.prob_pred[filled], prob_pred)
    assert display.pos_label == positive
    assert positive in display.ax_.get_xlabel()
    alone = MulticlassCalibrationDisplay.from_predictions(y[two], column, n_bins=5, pos_label=pos_label)
    np.testing.assert_allclose(alone.prob_true, display.prob_true)
    assert alone.expected_calibration_error == pytest.approx(display.expected_calibration_error)


def test_plot_uses_the_given_axes_and_returns_self(data, model):
    _, ax = plt.subplots()
    display = MulticlassCalibrationDisplay.from_estimator(model, *data, n_bins=5, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    np.testing.assert_allclose([bar.get_height() for bar in display.bars_], display.counts / 180)
    np.testing.assert_allclose(display.line_.get_ydata(), display.prob_true[display.counts > 0])
    assert display.plot() is display
    assert display.ax_ is not ax


@pytest.mark.parametrize(
    ("y_proba", "options", "message"),
    [
        (np.full((3, 2), 0.5), {}, "y_proba|y_score has shape \\(3, 2\\), expected \\(3, 3\\)"),
        (np.eye(3) * 2 - 1, {}, "values from -1 to 1 and rows that do not sum to 1"),
        (np.full((3, 3), 0.5), {}, "expected probabilities"),
        (np.eye(3), {"classes": ["fear", "pain", "calm"]}, "y_true contains \\['anger'\\]"),
    ],
)
def test_invalid_probabilities_raise(y_proba, options, message):
    with pytest.raises(LabelError, match=message):
        MulticlassCalibrationDisplay.from_predictions(NAMES, y_proba, **options)


@pytest.mark.parametrize("n_bins", [0, 2.5, True])
def test_invalid_number_of_bins_raises(n_bins):
    with pytest.raises(ValueError, match=f"n_bins={n_bins!r}, expected an integer"):
        MulticlassCalibrationDisplay.from_predictions(NAMES, np.eye(3), n_bins=n_bins)


def test_classifier_without_probabilities_raises(data):
    with pytest.raises(TypeError, match="LinearSVC has no predict_proba"):
        MulticlassCalibrationDisplay.from_estimator(LinearSVC(random_state=0).fit(*data), *data)


def test_error_is_zero_when_confidence_equals_accuracy():
    proba = np.tile([0.75, 0.25], (8, 1))
    assert expected_calibration_error(["a"] * 6 + ["b"] * 2, proba) == pytest.approx(0)


def test_bins_are_weighted_by_size():
    # Three faces with confidence 0.9, one of them classified correctly; one correct face with 0.6.
    proba = [[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6]]
    expected = 0.75 * abs(0.9 - 1 / 3) + 0.25 * abs(0.6 - 1)
    assert expected_calibration_error(["a", "b", "b", "b"], proba) == pytest.approx(expected)


def test_single_bin_compares_means():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), size=50)
    y = rng.integers(0, 3, 50)
    gap = proba.max(axis=1).mean() - (proba.argmax(axis=1) == y).mean()
    assert expected_calibration_error(y, proba, n_bins=1) == pytest.approx(abs(gap))


def test_columns_match_classes():
    proba = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert expected_calibration_error(["b", "a"], proba, classes=["a", "b", "c"]) == 0
    with pytest.raises(ValueError, match=r"3 columns for 2 classes: \['a', 'b'\]. Pass classes=model.classes_"):
        expected_calibration_error(["b", "a"], proba)
