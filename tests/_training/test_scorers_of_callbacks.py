"""Scoring in skorch's callbacks with the user's labels."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    fbeta_score,
    get_scorer,
    log_loss,
    make_scorer,
    recall_score,
    roc_auc_score,
)
from skorch.callbacks import BatchScoring, EarlyStopping, EpochScoring

from sk_emotion import EmotionClassifier, make_sensitivity_scorer, networks
from sk_emotion.utils._arrays import as_numpy

pytestmark = pytest.mark.training

LABELS = {
    "words": ("happiness", "pain"),
    "objects": np.array(["calm", "tense"], dtype=object),
    "numbers": (0, 1),
    "other numbers": (1, 2),
    "booleans": (False, True),
    "signs": (-1.0, 1.0),
}


@pytest.fixture(scope="module")
def images(faces):
    X, y, _ = faces
    return np.asarray(X)[:, :24, :24], (y == "pain").astype(int)


def fit(images, labels, scoring, *, kind=EpochScoring, **parameters):
    """Train with a callback for an epoch; return the classifier, and the images and labels that were scored."""
    X, codes = images
    y = np.asarray(labels)[codes]
    callback = kind(scoring, name="own", lower_is_better=False, **parameters)
    clf = EmotionClassifier(
        networks.VGG(width=4), max_epochs=1, precision="fp32", augmentation=None, callbacks=[callback], random_state=0
    )
    clf.fit(X[:50], y[:50], X_val=X[50:], y_val=y[50:])
    return clf, X[50:], y[50:]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("positive", [0, 1])
def test_positive_class_is_named_by_the_users_label(images, labels, use_caching, positive):
    labels = LABELS[labels]
    for metric in (f1_score, recall_score):
        scorer = make_scorer(metric, pos_label=labels[positive], zero_division=0)
        clf, X, y = fit(images, labels, scorer, use_caching=use_caching)
        assert clf.history_[-1]["own"] == pytest.approx(scorer(clf, X, y))


@pytest.mark.parametrize(
    "scorer",
    [
        make_scorer(average_precision_score, response_method="predict_proba", pos_label="happiness"),
        make_scorer(fbeta_score, beta=2, pos_label="happiness", zero_division=0),
        make_scorer(log_loss, response_method="predict_proba", greater_is_better=False, labels=["happiness", "pain"]),
        make_scorer(recall_score, labels=["happiness"], average="macro", pos_label=None, zero_division=0),
        make_sensitivity_scorer(0.5, pos_label="happiness"),
        lambda net, X, y: (net.predict(X) == y).mean() + (y == "pain").mean() + len(net.history),
        lambda net, X, y: roc_auc_score(y == "pain", net.predict_proba(X)[:, list(net.classes_).index("pain")]),
        None,
        accuracy_score,
        "neg_log_loss",
        "roc_auc",
        "balanced_accuracy",
        "f1_macro",
        "f1_weighted",
    ],
)
@pytest.mark.parametrize("use_caching", [True, False])
def test_score_equals_that_of_the_classifier(images, scorer, use_caching):
    clf, X, y = fit(images, LABELS["words"], scorer, use_caching=use_caching)
    clf.history = clf.net_.history
    scorer = clf_score if scorer is None or scorer is accuracy_score else scorer
    expected = (get_scorer(scorer) if isinstance(scorer, str) else scorer)(clf, X, y)
    assert clf.history_[-1]["own"] == pytest.approx(expected, rel=1e-4)


def clf_score(clf, X, y):
    return clf.score(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("name", ["f1", "precision", "recall", "jaccard", "average_precision", "neg_brier_score"])
@pytest.mark.parametrize("labels", LABELS)
def test_default_positive_class_is_1_or_the_second(images, name, labels):
    labels = LABELS[labels]
    clf, X, y = fit(images, labels, name)
    positive = 1 if 1 in list(labels) else labels[1]
    if name == "neg_brier_score":
        positive = labels[1]
    scorer = get_scorer(name)
    expected = make_scorer(
        scorer._score_func,
        response_method="predict" if name in ("f1", "precision", "recall", "jaccard") else "predict_proba",
        greater_is_better=not name.startswith("neg"),
        pos_label=positive,
    )
    assert clf.history_[-1]["own"] == pytest.approx(expected(clf, X, y), rel=1e-4)


def test_averages_over_two_classes_need_no_positive_class(images):
    clf, X, y = fit(images, LABELS["words"], make_scorer(f1_score, average="macro"))
    assert clf.history_[-1]["own"] == pytest.approx(f1_score(y, clf.predict(X), average="macro"))


def test_training_images_are_scored_with_labels(images):
    seen = []

    def note(net, X, y):
        seen.append((net.predict(X), y))
        return 0.0

    for use_caching in (True, False):
        fit(images, LABELS["words"], note, on_train=True, use_caching=use_caching)
        predicted, true = seen.pop()
        assert len(predicted) == len(true) == 50
        assert set(predicted) | set(true) <= set(LABELS["words"])


def test_batches_are_scored_with_labels(images):
    scorer = make_scorer(recall_score, pos_label="happiness", zero_division=0)
    clf, _, _ = fit(images, LABELS["words"], scorer, kind=BatchScoring)
    assert 0 <= clf.history_[-1]["own"] <= 1


class OwnScoring(EpochScoring):
    def get_test_data(self, dataset_train, dataset_valid, use_caching):
        X, y, predicted = super().get_test_data(dataset_train, dataset_valid, use_caching)
        return X, y, predicted


def test_subclasses_and_extractors_of_targets_work(images):
    scorer = make_scorer(f1_score, pos_label="happiness", zero_division=0)
    clf, X, y = fit(images, LABELS["words"], scorer, kind=OwnScoring)
    assert clf.history_[-1]["own"] == pytest.approx(scorer(clf, X, y))
    names = np.array(LABELS["words"])
    clf, X, y = fit(images, LABELS["words"], scorer, target_extractor=lambda codes: names[as_numpy(codes, "a test")])
    assert clf.history_[-1]["own"] == pytest.approx(scorer(clf, X, y))


def test_three_classes_are_scored_with_labels(images):
    X, _ = images
    y = np.tile(["anger", "happiness", "pain", "anger"], 20)
    scorer = make_scorer(recall_score, labels=["pain"], average="macro", zero_division=0)
    callback = EpochScoring(scorer, name="own", lower_is_better=False)
    clf = EmotionClassifier(networks.VGG(width=4), max_epochs=1, callbacks=[callback], random_state=0)
    clf.fit(X[:50], y[:50], X_val=X[50:], y_val=y[50:])
    assert clf.history_[-1]["own"] == pytest.approx(scorer(clf, X[50:], y[50:]))


def test_callback_can_be_reused_and_stops_early(images):
    X, codes = images
    y = np.asarray(LABELS["words"])[codes]
    scorer = make_scorer(f1_score, pos_label="pain", zero_division=0)
    callbacks = [
        EpochScoring(scorer, name="pain_f1", lower_is_better=False),
        EarlyStopping(monitor="pain_f1", lower_is_better=False, patience=2),
    ]
    clf = EmotionClassifier(networks.VGG(width=4), max_epochs=2, callbacks=callbacks, warm_start=True, random_state=0)
    for _ in range(2):
        clf.fit(X[:50], y[:50], X_val=X[50:], y_val=y[50:])
        assert clf.history_[-1]["pain_f1"] == pytest.approx(scorer(clf, X[50:], y[50:]))
    assert callbacks[0].scoring is scorer
