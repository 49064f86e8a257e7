import numpy as np
import pytest
from imblearn.pipeline import make_pipeline
from matplotlib import pyplot as plt
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB

from sk_emotion import EmotionClassifier, FaceLoader, TrainingCurves, make_hog_svm, networks


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def trained(faces):
    X, y, _ = faces
    return EmotionClassifier(
        networks.ResNet(width=4), max_epochs=3, validation_fraction=0.25, augmentation=None, random_state=0
    ).fit(X, y)


def lines(ax):
    return {line.get_label(): line.get_ydata() for line in ax.lines}


def test_four_panels_show_the_history(trained):
    curves = TrainingCurves.from_estimator(trained)
    assert len(curves.axes) == 4
    titles = [ax.get_title() for ax in curves.axes]
    assert titles == ["loss", "accuracy", "macro F1", "learning rate"]
    history = trained.history_
    for ax, ending in zip(curves.axes, ["loss", "acc", "f1_macro"], strict=False):
        drawn = lines(ax)
        np.testing.assert_allclose(drawn["training"], [epoch[f"train_{ending}"] for epoch in history])
        np.testing.assert_allclose(drawn["validation"], [epoch[f"valid_{ending}"] for epoch in history])
    np.testing.assert_allclose(curves.axes[3].lines[0].get_ydata(), [epoch["lr"] for epoch in history])
    assert curves.best_epoch == 1 + np.argmin([epoch["valid_loss"] for epoch in history])


def test_training_scores_are_those_of_predictions_during_training(faces):
    X, y, _ = faces
    # With a negligible learning rate and no dropout, weights and predictions stay the same.
    model = EmotionClassifier(
        networks.ResNet(width=4, dropout=0.0), max_epochs=1, learning_rate=1e-12, batch_size=80, augmentation=None,
        precision="fp32", random_state=0, schedule=None,
    ).fit(X, y)  # fmt: skip
    model.net_.module_.train()
    images = model.net_.preparation(model.net_.get_dataset(X).images)
    predicted = model.classes_[model.net_.module_(images).argmax(dim=1).numpy()]
    assert model.history_[0]["train_acc"] == pytest.approx(accuracy_score(y, predicted))
    assert model.history_[0]["train_f1_macro"] == pytest.approx(f1_score(y, predicted, average="macro"))


def test_only_training_is_drawn_without_validation(faces):
    X, y, _ = faces
    clf = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0).fit(X, y)
    curves = TrainingCurves.from_estimator(clf)
    assert curves.best_epoch is None
    assert list(lines(curves.axes[1])) == ["training"]


def test_network_inside_a_search_is_found(faces):
    X, y, _ = faces
    pipeline = make_pipeline(
        FaceLoader(image_size=24), EmotionClassifier(networks.ResNet(width=4), max_epochs=2, random_state=0)
    )
    search = GridSearchCV(pipeline, {"emotionclassifier__network__width": [4]}, cv=2).fit(X, y)
    assert len(TrainingCurves.from_estimator(search).history) == 2


def test_from_history(trained):
    curves = TrainingCurves.from_history(trained.history_)
    assert curves.history["epoch"].tolist() == [1, 2, 3]
    figure, axes = plt.subplots(2, 2)
    assert curves.plot(axes) is curves
    assert curves.figure is figure
    with pytest.raises(ValueError, match="2 axes, expected 4"):
        curves.plot(axes[0])


def test_estimator_without_history_raises(faces):
    X, y, _ = faces
    with pytest.raises(TypeError, match="LeastSquaresSVC has no history_"):
        TrainingCurves.from_estimator(make_hog_svm(image_size=24).fit(X, y))
    with pytest.raises(TypeError, match="GaussianNB"):
        TrainingCurves.from_estimator(GaussianNB().fit(X.reshape(len(X), -1), y))
    with pytest.raises(ValueError, match="history is empty"):
        TrainingCurves.from_history([])
