import unicodedata

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import get_scorer

from sk_emotion import EMOTIONS, consolidate_emotions, normalize_emotion
from sk_emotion.emotions import is_known_emotion, normalize_emotions
from sk_emotion.exceptions import DatasetWarning, LabelError

ANSWERS = ["pain", "happy", "neutral", "sadness", "pain", "anger", "fear", "disgust"]


def test_six_emotions_are_sorted_as_classes_are():
    assert list(EMOTIONS) == sorted(EMOTIONS) == np.unique(EMOTIONS).tolist()
    assert len(EMOTIONS) == 6


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("happy", "happiness"),
        ("joy", "happiness"),
        ("Angry", "anger"),
        ("SAD", "sadness"),
        ("Fearful", "fear"),
        ("scared", "fear"),
        ("disgusted", "disgust"),
        ("surprised", "surprise"),
        ("contemptuous", "contempt"),
        ("neutrality", "neutral"),
        ("in_pain", "pain"),
        ("In-Pain", "pain"),
        ("  in   pain ", "pain"),
        (np.str_("happy"), "happiness"),
    ],
)
def test_alias_gets_the_standard_name(alias, name):
    assert normalize_emotion(alias) == name


@pytest.mark.parametrize("name", [*EMOTIONS, "neutral", "surprise", "contempt"])
def test_standard_name_stays_in_any_case(name):
    assert normalize_emotion(name) == normalize_emotion(name.upper()) == normalize_emotion(name.title()) == name


@pytest.mark.parametrize("value", ["Boredom", "not happy", "", 3, 2.5, None, True, ("happy",)])
def test_unknown_names_are_returned_unchanged(value):
    assert normalize_emotion(value) is value


@pytest.mark.parametrize("form", [list, tuple, np.array, pd.Series, pd.Index, iter])
def test_many_labels_are_named_at_once(form):
    names = normalize_emotions(form(["happy", "Boredom", "SAD"]))
    assert names.tolist() == ["happiness", "Boredom", "sadness"]
    assert names.dtype.kind == "U"


def test_labels_that_are_not_text_stay_what_they_are():
    assert normalize_emotions([2, 0, 1]).dtype.kind == "i"
    assert normalize_emotions(np.array([0.5], dtype=np.float32)).dtype == np.float32


@pytest.mark.parametrize("form", [list, lambda labels: np.array(labels, dtype=object)])
@pytest.mark.parametrize("other", [3, None, np.nan])
def test_other_values_among_names_are_unchanged(form, other):
    names = normalize_emotions(form(["happy", other]))
    assert names[0] == "happiness" and names[1] is other


@pytest.mark.parametrize("form", [lambda: np.array([], dtype=str), lambda: np.array([], dtype=object)])
def test_no_labels_return_an_empty_array(form):
    names = normalize_emotions(form())
    assert names.shape == (0,) and names.dtype.kind == "U"


@pytest.mark.parametrize("name", ["pain", "In-Pain", "happy", "neutral"])
def test_emotion_is_known_in_any_spelling(name):
    assert is_known_emotion(name) is True


@pytest.mark.parametrize("name", ["Boredom", "", 3, None])
def test_other_names_are_not_known(name):
    assert is_known_emotion(name) is False


@pytest.mark.parametrize(
    ("positive", "expected"),
    [
        ("pain", [1, 0, 0, 0, 1, 0, 0, 0]),
        ("In Pain", [1, 0, 0, 0, 1, 0, 0, 0]),
        (["pain", "sad"], [1, 0, 0, 1, 1, 0, 0, 0]),
        ({"happiness", "neutral"}, [0, 1, 1, 0, 0, 0, 0, 0]),
        (EMOTIONS, [1, 1, 0, 1, 1, 1, 1, 1]),
        ("neutral", [0, 0, 1, 0, 0, 0, 0, 0]),
    ],
)
@pytest.mark.parametrize("form", [list, np.array, pd.Series])
def test_any_classes_against_the_rest(positive, expected, form):
    answer = consolidate_emotions(form(ANSWERS), positive=positive)
    assert answer.tolist() == expected
    assert answer.dtype.kind == "i"


def test_target_without_positive_samples_warns():
    with pytest.warns(DatasetWarning, match="no label is surprise, so all samples are negative"):
        assert not consolidate_emotions(ANSWERS, positive="surprise").any()


def test_one_class_against_one_other():
    y = np.array(ANSWERS)
    both = np.isin(y, ["pain", "neutral"])
    assert consolidate_emotions(y[both], positive="pain").tolist() == [1, 0, 1]


def test_labels_outside_the_vocabulary_are_asked_for_as_they_are():
    assert consolidate_emotions(["Boredom", "pain"], positive="Boredom").tolist() == [1, 0]
    assert consolidate_emotions([3, 1, 2], positive=[1, 2]).tolist() == [0, 1, 1]
    assert consolidate_emotions([3, 1, 2], positive=3).tolist() == [1, 0, 0]
    assert consolidate_emotions(np.array([b"pain", b"fear"]), positive=b"pain").tolist() == [1, 0]
    assert consolidate_emotions([], positive="pain").tolist() == []


def test_names_make_the_answer_text():
    answer = consolidate_emotions(ANSWERS, positive="pain", names=("no pain", "pain"))
    assert answer.tolist() == ["pain", "no pain", "no pain", "no pain", "pain"] + ["no pain"] * 3


def test_labels_given_are_left_alone():
    y = np.array(ANSWERS)
    consolidate_emotions(y, positive="happiness")
    assert y.tolist() == ANSWERS


@pytest.mark.parametrize("scoring", ["f1", "roc_auc", "average_precision"])
def test_result_works_with_binary_scorers(scoring):
    y = consolidate_emotions(ANSWERS, positive="pain")
    X = np.zeros((len(y), 1))
    assert 0 <= get_scorer(scoring)(DummyClassifier(strategy="stratified", random_state=0).fit(X, y), X, y) <= 1


@pytest.mark.parametrize(
    ("y", "settings", "message"),
    [
        (ANSWERS, {"positive": []}, r"^consolidate_emotions: positive is empty\. Pass at least one class\.$"),
        (ANSWERS, {"positive": ["pain", "boredom"]}, r"\['boredom'\] is neither in y nor a known emotion"),
        ([1, 2], {"positive": 3}, r"\[3\] is neither in y"),
        (["pain", 2], {"positive": "boredom"}, r"y contains \[2, 'pain'\]"),
        ([True, False], {"positive": "pain"}, r"\['pain'\] are names, but y contains \[False, True\]. Pass one or m"),
        (np.array([b"a", 1], dtype=object), {"positive": "pain"}, r"but y contains \[1, b'a'\]"),
        ([1, "pain"], {"positive": 3}, r"\[3\] is neither in y"),
        (np.array([b"pain"]), {"positive": [b"pain", "fear"]}, r"\['fear'\] are names, but y contains \[b'pain'\]"),
        ([["pain", "fear"]], {"positive": "pain"}, r"shape \(1, 2\), expected one label per sample"),
        ("pain", {"positive": "pain"}, r"shape \(\)"),
        (["pain", None], {"positive": "pain"}, "1 labels in y are missing"),
        (["pain", np.nan], {"positive": "pain"}, "1 labels in y are missing"),
        (pd.Series(["pain", np.nan, pd.NA]), {"positive": "pain"}, "2 labels in y are missing"),
        (
            ANSWERS,
            {"positive": "pain", "names": ("pain", "pain")},
            r'the negative one first, as in names=\("no pain", "pain"\)\.$',
        ),
        (ANSWERS, {"positive": "pain", "names": "no"}, "two different names"),
        (ANSWERS, {"positive": "pain", "names": ("a", "b", "c")}, "two different names"),
    ],
)
def test_invalid_parameters_raise(y, settings, message):
    with pytest.raises(LabelError, match=message):
        consolidate_emotions(y, **settings)


def test_accents_are_one_character():
    names = [unicodedata.normalize(form, "Überraschung") for form in ("NFC", "NFD")]
    assert {normalize_emotion(name) for name in names} == {names[0]}


@pytest.mark.parametrize("names", [(1, "1"), (None, "pain")])
def test_names_that_become_one_or_none_raise(names):
    with pytest.raises(LabelError, match="expected two different names"):
        consolidate_emotions(["pain", "fear"], "pain", names=names)
