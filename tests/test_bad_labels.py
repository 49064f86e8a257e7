"""Invalid labels and folds that cannot be learned raise before any training."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    EmotionReport,
    FaceLoader,
    compare_classifiers,
    consolidate_emotions,
    make_faces,
    make_hog_svm,
    networks,
)
from sk_emotion.exceptions import DatasetWarning, LabelError

X, Y, _ = make_faces(12, emotions=["fear", "pain"], weights=[7, 5], image_size=24, random_state=0)


def make_classifier(**settings):
    return EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0, device="cpu", **settings)


@pytest.fixture(scope="module")
def fitted():
    return make_classifier().fit(X, Y)


def compare(y, **settings):
    return compare_classifiers({"dummy": DummyClassifier()}, X, y, **{"cv": 2, "random_state": 0, **settings})


def report(y, fitted):
    return EmotionReport.from_estimator(fitted, X, y, n_resamples=0)


LABELED = {
    "EmotionClassifier.fit": lambda y, _: make_classifier().fit(X, y),
    "AugmentationOverSampler": lambda y, _: AugmentationOverSampler().fit_resample(X, y),
    "compare_classifiers": lambda y, _: compare(y),
    "EmotionReport": report,
    "make_hog_svm": lambda y, _: make_hog_svm(image_size=24).fit(X, y),
    "consolidate_emotions": lambda y, _: consolidate_emotions(y, positive="pain"),
}
TRAINING = ("EmotionClassifier.fit", "AugmentationOverSampler", "compare_classifiers")
EVERYWHERE = tuple(LABELED)
NUMBERS = (Y == "pain").astype(int)


def replace(y, value, form):
    labels = list(y)
    labels[3] = value
    return form(labels)


BAD_LABELS = [
    ("NaN among numbers", replace(NUMBERS, np.nan, np.array), ("Drop these samples",), EVERYWHERE),
    ("NaN among names", replace(Y, np.nan, list), ("Drop these samples",), EVERYWHERE),
    ("NA in a Series", replace(Y, pd.NA, pd.Series), ("Drop these samples",), EVERYWHERE),
    ("None", replace(Y, None, np.array), ("Drop these samples",), EVERYWHERE),
    ("NaT", replace(Y, pd.NaT, list), ("Drop these samples",), EVERYWHERE),
    ("nothing", None, ("got None",), ("AugmentationOverSampler",)),
    ("nothing", None, ("requires y to be passed",), ("EmotionClassifier.fit",)),
    ("nothing", None, ("shape ()", "expected one label per sample"), ("compare_classifiers", "EmotionReport")),
    ("too few", Y[:-1], ("12", "11 labels", "one label"), (*TRAINING, "EmotionReport")),
    ("none", [], ("12", "0 labels", "one label"), (*TRAINING, "EmotionReport")),
    ("one class", ["pain"] * 12, ("at least two classes", "class: pain"), TRAINING),
    ("two columns", np.c_[Y, Y], ("(12, 2)", "expected one label per sample"), (*EVERYWHERE[:1], *EVERYWHERE[2:])),
    ("infinity", [1.0, np.inf] * 6, ("infinity",), ("EmotionClassifier.fit", "compare_classifiers", "EmotionReport")),
    (
        "fractions",
        np.linspace(0, 1, 12),
        ("no class labels",),
        ("EmotionClassifier.fit", "AugmentationOverSampler", "compare_classifiers"),
    ),
    (
        "bytes",
        Y.astype("S"),
        ("no class labels", "Convert the labels"),
        ("EmotionClassifier.fit", "AugmentationOverSampler"),
    ),
    ("bytes", Y.astype("S"), ("['pain'] are names, but y contains [b'fear', b'pain']",), ("consolidate_emotions",)),
    ("numbers", NUMBERS, ("['pain'] are names, but y contains [0, 1]",), ("consolidate_emotions",)),
    ("unseen", ["joy", "pain"] * 6, ("['joy']", "not among the classes", "spelled"), ("EmotionReport",)),
]


@pytest.mark.parametrize(
    ("y", "words", "room"),
    [
        pytest.param(y, words, room, id=f"{name}-{room}")
        for name, y, words, names_of_rooms in BAD_LABELS
        for room in names_of_rooms
    ],
)
def test_invalid_labels_raise_with_what_to_do(y, words, room, fitted):
    with pytest.raises(LabelError) as caught:
        LABELED[room](y, fitted)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for text in words:
        assert text in message


def leave_out(train, test):
    return [(np.flatnonzero(train), np.flatnonzero(test))] * 2


@pytest.mark.parametrize(
    ("y", "settings", "words"),
    [
        (["fear"] * 11 + ["pain"], {}, ("class pain has 1 sample(s), fewer than the 2 folds", "smaller cv")),
        (Y, {"cv": leave_out(Y == "fear", Y == "pain")}, ("fold 0 trains without class pain", "smaller cv")),
        (Y, {"cv": leave_out(Y != "", Y == "")}, ("fold 0 has an empty test set",)),
        (Y, {"cv": 1}, ("cv=1, expected at least 2 folds",)),
        (Y, {"groups": np.zeros(12)}, ("groups contains 1 group(s), fewer than the 2 folds", "smaller cv")),
        (Y, {"groups": [np.nan] * 12}, ("groups contains NaN", "Drop these samples")),
        (Y, {"groups": np.arange(11)}, ("12 samples, but groups has 11 entries", "Pass one group")),
    ],
    ids=["rare class", "untrained class", "no test", "one fold", "one group", "unknown groups", "too few groups"],
)
def test_folds_that_cannot_be_learned_raise_before_any_training(y, settings, words):
    with pytest.raises(LabelError) as caught:
        compare(y, **settings)
    for text in words:
        assert text in str(caught.value)


@pytest.mark.parametrize("classes", [2, 3])
def test_class_missing_in_a_test_fold_is_reported_and_has_no_roc_curve(classes):
    y = np.array(["fear", "pain", "joy"])[np.arange(12) % classes]
    test = np.flatnonzero((y != "joy") if classes == 3 else (y == "pain"))
    with pytest.warns(DatasetWarning, match="have no test face of a class"):
        scores = compare(y, cv=[(np.arange(12), test)] * 2).to_frame()
    # Of three classes, two can still be distinguished.
    assert scores.filter(like="roc_auc").isna().all(axis=None) == (classes == 2)
    assert scores[["f1_macro", "accuracy"]].notna().all(axis=None)


def test_report_on_one_class_tells_which_is_missing(fitted):
    with pytest.warns(DatasetWarning, match="No test face of fear"):
        scores = EmotionReport.from_estimator(fitted, X[Y == "pain"], Y[Y == "pain"], n_resamples=0).scores["value"]
    assert scores["accuracy"] == pytest.approx(fitted.score(X[Y == "pain"], Y[Y == "pain"]))
    assert np.isnan(scores["roc_auc"])


def test_validation_labels_that_training_has_not_seen_are_named(fitted):
    with pytest.raises(LabelError, match=r"y_val.*\['joy'\].*Known: \['fear', 'pain'\]"):
        make_classifier().fit(X, Y, X_val=X[:2], y_val=["joy", "pain"])
    with pytest.raises(LabelError, match=r"\['joy'\]"):
        make_classifier(warm_start=True).set_params(max_epochs=1).fit(X, Y).fit(X, ["joy", "pain"] * 6)


def test_unseen_labels_are_wrong_answers_to_a_scorer(fitted):
    assert fitted.score(X, ["joy"] * 12) == 0
    right = fitted.predict(X)
    right[:3] = "joy"
    assert fitted.score(X, right) == pytest.approx(9 / 12)


@pytest.fixture(scope="module")
def baseline():
    return make_hog_svm(image_size=24).fit(X, Y)


SCORED = {
    "network": lambda fitted, baseline: fitted,
    "pipeline": lambda fitted, baseline: Pipeline([("loader", FaceLoader(image_size=24).fit(X)), ("net", fitted)]),
    "HOG+SVM": lambda fitted, baseline: baseline,
}


@pytest.mark.parametrize("kind", SCORED)
@pytest.mark.parametrize("word", ["afraid", "Fear", "FEARFUL", "scared", " fear ", "Fright"])
@pytest.mark.parametrize("form", [list, np.array, pd.Series, lambda y: np.array(y, dtype=object)])
def test_synonyms_of_classes_are_reported_by_score(fitted, baseline, kind, word, form):
    classifier = SCORED[kind](fitted, baseline)
    y = np.where(Y == "fear", word, Y).tolist()
    with pytest.warns(DatasetWarning, match=rf"normalize_emotion returns '{word}' as 'fear': pass \[normalize"):
        score = classifier.score(X, form(y))
    assert score == pytest.approx(np.mean(classifier.predict(X) == y))


@pytest.mark.parametrize("kind", SCORED)
@pytest.mark.parametrize(
    "y", [Y, ["pain"] * 12, ["joy"] * 12, ["Boredom", "pain"] * 6, ["feargh", "fear"] * 6, ["no pain", "pain"] * 6]
)
def test_score_is_quiet_about_classes_that_are_missing_or_foreign(fitted, baseline, kind, y):
    assert 0 <= SCORED[kind](fitted, baseline).score(X, y) <= 1


def test_score_after_training_on_synonyms_says_to_rename_those_too():
    classifier = make_classifier().fit(X, np.where(Y == "fear", "afraid", "In Pain"))
    with pytest.warns(DatasetWarning, match=r"'fear' as 'fear', 'pain' as 'pain'.* for fit, too"):
        classifier.score(X, Y)


@pytest.mark.parametrize("kind", SCORED)
def test_numbers_for_names_raise_by_score(fitted, baseline, kind):
    with pytest.raises(LabelError, match=r"y contains 0, 1, but the classes are 'fear', 'pain'"):
        SCORED[kind](fitted, baseline).score(X, NUMBERS)
    with pytest.raises(LabelError, match=r"y contains 'fear', 'pain', but the classes are 0, 1"):
        make_classifier().fit(X, NUMBERS).score(X, Y)


def test_score_in_a_search_is_quiet(recwarn):
    search = GridSearchCV(
        make_hog_svm(image_size=24), {"svc__C": [1, 10]}, cv=[(np.arange(12), np.arange(3))], refit=False
    )
    search.fit(X, Y)
    assert not [warning for warning in recwarn if issubclass(warning.category, DatasetWarning)]


def test_report_and_validation_explain_synonyms(fitted):
    y = np.where(Y == "fear", "afraid", Y)
    with pytest.raises(LabelError, match="normalize_emotion returns 'afraid' as 'fear'"):
        EmotionReport.from_estimator(fitted, X, y, n_resamples=0)
    with pytest.raises(LabelError, match="normalize_emotion returns 'afraid' as 'fear'"):
        make_classifier().fit(X, Y, X_val=X, y_val=y)


def test_one_image_a_class_is_enough_to_train_and_to_copy():
    images, labels = X[[0, -1]], np.array(["fear", "pain"])
    np.testing.assert_array_equal(make_classifier().fit(images, labels).classes_, labels)
    _, copied = AugmentationOverSampler(sampling_strategy={"pain": 4}).fit_resample(images, labels)
    assert Counter(copied.tolist()) == {"fear": 1, "pain": 4}
