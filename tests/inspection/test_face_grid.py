import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from sklearn.linear_model import RidgeClassifier

from sk_emotion import FaceGridDisplay, make_hog_svm
from sk_emotion.exceptions import LabelError

TRUE = np.array(["anger", "fear", "pain", "pain", "fear"])
PREDICTED = np.array(["anger", "pain", "pain", "fear", "fear"])
SCORES = np.array([[0.9, 0.1, 0.0], [0.0, 0.4, 0.6], [0.2, 0.3, 0.5], [0.0, 1.0, 0.0], [0.3, 0.4, 0.3]])
FACES = np.arange(5 * 64, dtype=np.uint8).reshape(5, 8, 8)


def titles(display):
    return [ax.get_title() for ax in display.axes_]


def grid(**options):
    return FaceGridDisplay.from_predictions(FACES, TRUE, PREDICTED, SCORES, **options)


def test_titles_show_label_and_probability():
    display = grid()
    assert titles(display) == ["anger 90%", "pain 60%\ntrue: fear", "pain 50%", "fear 100%\ntrue: pain", "fear 40%"]
    np.testing.assert_array_equal(display.images, FACES)
    np.testing.assert_allclose(display.axes_[1].images[0].get_array(), FACES[1] / 255)


def test_misclassified_faces_are_not_marked_by_color_only():
    display = grid()
    marks = [[text.get_text() for text in ax.texts] for ax in display.axes_]
    assert [bool(mark) for mark in marks] == [False, True, False, True, False]
    widths = [ax.spines["top"].get_linewidth() for ax in display.axes_]
    assert widths[1] > widths[0]


@pytest.mark.parametrize(
    ("order", "indices"), [("given", [0, 1, 2, 3]), ("mistakes", [3, 1, 0, 2]), ("doubtful", [4, 1, 2, 0])]
)
def test_order(order, indices):
    display = grid(order=order, n_faces=4)
    assert display.indices.tolist() == indices
    assert display.y_pred.tolist() == PREDICTED[indices].tolist()
    np.testing.assert_array_equal(display.images, FACES[indices])


def test_decision_values_are_used_for_order_only():
    display = FaceGridDisplay.from_predictions(FACES, TRUE, PREDICTED, SCORES * 10 - 3, order="mistakes")
    assert display.confidence is None
    assert display.indices[:2].tolist() == [3, 1]
    assert titles(display)[0] == "fear\ntrue: pain"


def test_no_face_is_marked_without_true_labels():
    display = FaceGridDisplay.from_predictions(FACES, None, PREDICTED, SCORES, classes=["anger", "fear", "pain"])
    assert titles(display)[1] == "pain 60%"
    assert not display.axes_[1].texts


def test_single_column_of_scores_is_that_of_the_last_class():
    display = FaceGridDisplay.from_predictions(FACES[:2], ["a", "b"], ["a", "b"], [0.2, 0.7])
    assert titles(display) == ["a 80%", "b 70%"]


def test_faces_are_those_of_the_loader_of_the_estimator(faces, tmp_path):
    X, y, _ = faces
    paths = [str(tmp_path / f"{row}.png") for row in range(40)]
    for path, face in zip(paths, X, strict=False):
        Image.fromarray(face).resize((60, 60)).save(path)
    model = make_hog_svm(image_size=24).fit(paths, y[:40])
    display = FaceGridDisplay.from_estimator(model, paths, y[:40], n_faces=6, order="doubtful")
    probabilities = model.predict_proba(paths).max(axis=1)
    assert display.images.shape == (6, 24, 24)
    np.testing.assert_allclose(display.confidence, np.sort(probabilities)[:6])
    np.testing.assert_array_equal(display.images, model[0].transform([paths[row] for row in display.indices]))


def test_flattened_images(faces):
    X, y, _ = faces
    rows = X.reshape(80, -1) / 255
    model = RidgeClassifier().fit(rows, y)
    display = FaceGridDisplay.from_estimator(model, rows, y, n_faces=3)
    assert display.images.shape == (3, 24, 24)
    assert display.confidence is None
    strip = FaceGridDisplay.from_estimator(model, rows, y, n_faces=3, image_shape=(12, 48))
    assert strip.images.shape == (3, 12, 48)


def test_only_plotted_images_are_read(tmp_path):
    Image.fromarray(FACES[3]).save(tmp_path / "face.png")
    paths = [tmp_path / name for name in ("lost", "lost", "lost", "face.png", "lost")]
    display = FaceGridDisplay.from_predictions(paths, TRUE, PREDICTED, SCORES, order="mistakes", n_faces=1)
    assert display.images.shape == (1, 96, 96, 3)


def test_faces_are_plotted_on_given_axes():
    _, axes = plt.subplots(1, 5)
    display = grid(axes=axes)
    assert list(display.axes_) == list(axes)
    assert display.plot() is display
    assert display.figure_ is not axes[0].figure
    with pytest.raises(ValueError, match="plot: got 4 axes, expected 5"):
        display.plot(axes[:4])


def test_many_faces_leave_no_empty_axes():
    faces = np.zeros((11, 8, 8), dtype=np.uint8)
    display = FaceGridDisplay.from_predictions(faces, None, ["fear"] * 11, n_faces=20)
    assert len(display.figure_.axes) == 11


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_faces": 0}, "n_faces=0, expected an integer"),
        ({"order": "random"}, "order='random', expected one of 'given', 'mistakes', 'doubtful'"),
        ({"classes": ["anger", "fear"]}, "y_pred contains \\['pain'\\]"),
        ({"classes": ["anger", "calm", "fear", "pain"]}, "y_score has shape \\(5, 3\\)"),
    ],
)
def test_invalid_parameters_are_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        grid(**options)


def test_inconsistent_lengths_are_an_error(faces):
    with pytest.raises(LabelError, match="X has 5 faces, but y_pred has 4"):
        FaceGridDisplay.from_predictions(FACES, TRUE, PREDICTED[:4])
    with pytest.raises(LabelError, match="X has 5 faces, but y has 4"):
        FaceGridDisplay.from_predictions(FACES, TRUE[:4], PREDICTED)


def test_order_without_labels_or_scores_is_an_error():
    with pytest.raises(ValueError, match="needs the true labels"):
        FaceGridDisplay.from_predictions(FACES, None, PREDICTED, order="mistakes")
    with pytest.raises(ValueError, match="needs scores"):
        FaceGridDisplay.from_predictions(FACES, TRUE, PREDICTED, order="doubtful")


def test_classifier_without_scores_shows_labels_only():
    class WithoutScores(RidgeClassifier):
        decision_function = property()

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    rows = FACES.reshape(5, -1)
    display = FaceGridDisplay.from_estimator(WithoutScores().fit(rows, TRUE), rows, TRUE)
    assert titles(display)[1] == "anger\ntrue: fear"
