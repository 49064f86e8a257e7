import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn import metrics
from sklearn.naive_bayes import GaussianNB

from sk_emotion import ConfusionMatrixDisplay, EmotionReport

TRUE = np.repeat(["anger", "fear", "pain"], [8, 2, 10])
PREDICTED = np.array(["anger"] * 6 + ["pain"] * 2 + ["fear", "anger"] + ["pain"] * 10)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def texts(display):
    return [[text.get_text() for text in row] for row in display.text_]


def test_cells_show_count_and_share_of_the_true_class():
    display = ConfusionMatrixDisplay.from_predictions(TRUE, PREDICTED)
    assert texts(display) == [
        ["6\n75%", "0\n0%", "2\n25%"],
        ["1\n50%", "1\n50%", "0\n0%"],
        ["0\n0%", "0\n0%", "10\n100%"],
    ]
    assert display.ax_.get_title() == "Images, and share of the true class"


def test_cells_are_colored_by_share():
    display = ConfusionMatrixDisplay.from_predictions(TRUE, PREDICTED)
    shares = metrics.confusion_matrix(TRUE, PREDICTED, normalize="true")
    np.testing.assert_allclose(display.im_.get_array(), shares)
    assert display.im_.get_clim() == (0, 1)


def test_matrix_matches_scikit_learn():
    ours = ConfusionMatrixDisplay.from_predictions(TRUE, PREDICTED)
    theirs = metrics.ConfusionMatrixDisplay.from_predictions(TRUE, PREDICTED)
    np.testing.assert_array_equal(ours.confusion_matrix, theirs.confusion_matrix)
    assert isinstance(ours, metrics.ConfusionMatrixDisplay)
    assert list(ours.display_labels) == list(theirs.display_labels)


def test_from_estimator_uses_predictions():
    X = np.arange(20.0)[:, np.newaxis]
    model = GaussianNB().fit(X, TRUE)
    display = ConfusionMatrixDisplay.from_estimator(model, X, TRUE, labels=["pain", "anger", "fear"])
    np.testing.assert_array_equal(
        display.confusion_matrix, metrics.confusion_matrix(TRUE, model.predict(X), labels=["pain", "anger", "fear"])
    )


def test_text_contrasts_with_the_cell():
    display = ConfusionMatrixDisplay.from_predictions(TRUE, PREDICTED)
    assert display.text_[2, 2].get_color() == "white"
    assert display.text_[2, 0].get_color() == "black"
    dark = display.plot(cmap="Blues_r")
    assert dark.text_[2, 2].get_color() == "black"
    assert dark.text_[2, 0].get_color() == "white"


@pytest.mark.parametrize(
    ("normalize", "title"), [("true", "the true class"), ("pred", "the predicted class"), ("all", "all images")]
)
def test_normalized_matrix_is_shown_unchanged(normalize, title):
    display = ConfusionMatrixDisplay.from_predictions(TRUE, PREDICTED, normalize=normalize)
    shares = metrics.confusion_matrix(TRUE, PREDICTED, normalize=normalize)
    np.testing.assert_allclose(display.im_.get_array(), shares)
    assert texts(display)[0][0] == f"{shares[0, 0]:.0%}"
    assert display.ax_.get_title() == f"Share of {title}"


def test_weights_are_summed():
    display = ConfusionMatrixDisplay.from_predictions(TRUE, PREDICTED, sample_weight=np.full(20, 1.5))
    assert texts(display)[0][0] == "9\n75%"
    assert texts(display.plot(values_format=".2f"))[0][0] == "9.00\n75%"


def test_class_without_images_has_zero_shares():
    display = ConfusionMatrixDisplay.from_predictions(TRUE, PREDICTED, labels=["anger", "fear", "pain", "surprise"])
    assert texts(display)[3] == ["0\n0%"] * 4


def test_many_names_are_rotated():
    few, many = (
        ConfusionMatrixDisplay(np.eye(n, dtype=int), display_labels=list("abcdefg"[:n])).plot() for n in (3, 7)
    )
    assert [name.get_rotation() for name in few.ax_.get_xticklabels()] == [0] * 3
    assert [name.get_rotation() for name in many.ax_.get_xticklabels()] == [35] * 7
    upright = many.plot(xticks_rotation="vertical")
    assert upright.ax_.get_xticklabels()[0].get_rotation() == 90


def test_values_and_colorbar_are_optional():
    display = ConfusionMatrixDisplay.from_predictions(TRUE, PREDICTED, include_values=False, colorbar=True)
    assert display.text_ is None
    assert len(display.figure_.axes) == 2
    _, ax = plt.subplots()
    display.plot(ax=ax, text_kw={"fontsize": 12})
    assert display.ax_ is ax
    assert len(ax.figure.axes) == 1
    assert display.text_[0, 0].get_fontsize() == 12


def test_report_uses_this_display():
    # At least 20 images of each class avoid a warning.
    true, predicted = np.tile(TRUE, 10), np.tile(PREDICTED, 10)
    report = EmotionReport.from_predictions(true, predicted, n_resamples=0).plot()
    drawn = [text.get_text() for text in report.axes[0].texts]
    assert drawn == [text for row in texts(ConfusionMatrixDisplay.from_predictions(true, predicted)) for text in row]


def test_inconsistent_lengths_raise():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ConfusionMatrixDisplay.from_predictions(TRUE, PREDICTED[:-1])
