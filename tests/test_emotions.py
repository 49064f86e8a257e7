import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_validate

from sk_emotion import EMOTIONS, consolidate_emotions, normalize_emotion
from sk_emotion.emotions import normalize_emotions
from sk_emotion.exceptions import LabelError


def test_six_emotions_are_in_the_order_of_scikit_learn():
    assert EMOTIONS == ("anger", "disgust", "fear", "happiness", "pain", "sadness")
    assert list(EMOTIONS) == np.unique(EMOTIONS).tolist()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("happy", "happiness"),
        ("Happiness", "happiness"),
        (" JOY ", "happiness"),
        ("Angry", "anger"),
        ("SAD", "sadness"),
        ("Fearful", "fear"),
        ("disgusted", "disgust"),
        ("in_pain", "pain"),
        ("Neutral", "neutral"),
        ("surprised", "surprise"),
        ("Contempt", "contempt"),
    ],
)
def test_spelling_and_aliases_become_the_noun(given, expected):
    assert normalize_emotion(given) == expected


@pytest.mark.parametrize("name", ["Boredom", "class 7", "", 3, None, 2.5])
def test_what_is_not_known_passes_through(name):
    assert normalize_emotion(name) is name


def test_many_labels_are_normalised_at_once():
    np.testing.assert_array_equal(normalize_emotions(pd.Series(["Sad", "sadness", "x"])), ["sadness", "sadness", "x"])
    np.testing.assert_array_equal(normalize_emotions([1, 2]), [1, 2])
    assert len(normalize_emotions([])) == 0


@pytest.mark.parametrize(
    ("positive", "expected"),
    [
        ("pain", [1, 0, 0, 0]),
        ("Painful", [1, 0, 0, 0]),
        (["pain", "sad"], [1, 0, 0, 1]),
        (EMOTIONS, [1, 1, 0, 1]),
        ("fear", [0, 0, 0, 0]),
    ],
)
def test_classes_are_told_from_the_rest(positive, expected):
    y = ["pain", "happy", "neutral", "sadness"]
    answer = consolidate_emotions(y, positive=positive)
    assert answer.dtype == np.int64
    assert answer.tolist() == expected


def test_names_are_given_negative_first():
    y = consolidate_emotions(pd.Series(["pain", "neutral"]), positive="pain", names=("no pain", "pain"))
    assert y.tolist() == ["pain", "no pain"]


def test_numbers_are_consolidated_too():
    assert consolidate_emotions([0, 1, 2, 1], positive=[1]).tolist() == [0, 1, 0, 1]


def test_answers_suit_the_binary_scorers():
    y = consolidate_emotions(["pain", "fear"] * 10, positive="pain")
    model = DummyClassifier(strategy="stratified", random_state=0)
    scores = cross_validate(model, np.zeros((20, 1)), y, scoring=["f1", "roc_auc", "average_precision"], cv=2)
    assert np.isfinite(scores["test_f1"]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"positive": []}, "positive is empty"),
        ({"positive": "boredom"}, r"\['boredom'\] is neither in y nor a known emotion"),
        ({"positive": "pain", "names": ("a", "a")}, "two different names"),
        ({"positive": "pain", "names": "ab"}, "two different names"),
        ({"y": [["pain"]], "positive": "pain"}, r"shape \(1, 1\)"),
    ],
)
def test_what_cannot_be_consolidated_is_named(arguments, message):
    with pytest.raises(LabelError, match=message):
        consolidate_emotions(**{"y": ["pain", "fear"], **arguments})
