import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_emotion import consolidate_emotions, normalize_emotion
from sk_emotion.emotions import _CANONICAL, _SPELLINGS, normalize_emotions
from sk_emotion.exceptions import LabelError
from sk_emotion.utils._labels import check_labels

SPELLINGS = st.sampled_from(sorted(_CANONICAL))
# Loading all of Unicode takes seconds.
TEXTS = st.text("abehnpiy É_- ", max_size=8)
LABELS = st.one_of(SPELLINGS, TEXTS, st.integers(-5, 5), st.booleans(), st.none())
ANSWERS = st.lists(st.sampled_from([*_CANONICAL, "Boredom", "sleepy"]), min_size=1, max_size=12)
FORMS = st.sampled_from([list, tuple, np.array, pd.Series, pd.Index, lambda y: pd.Series(y, dtype="category")])


@st.composite
def draw_questions(draw):
    """Draw labels, and some but not all of their classes as positive."""
    y = draw(ANSWERS.filter(lambda y: len(set(normalize_emotions(y))) > 1))
    classes = sorted(set(normalize_emotions(y)))
    return y, draw(st.lists(st.sampled_from(classes), min_size=1, max_size=len(classes) - 1, unique=True)), classes


@given(
    SPELLINGS, st.sampled_from([str, str.upper, str.title, str.swapcase]), st.sampled_from([" ", "_", "-", "  ", "_-"])
)
def test_case_and_spaces_do_not_matter(alias, change, space):
    assert normalize_emotion(f" {change(alias).replace(' ', space)} ") == _CANONICAL[alias]


@given(LABELS)
def test_standard_name_of_a_standard_name_is_itself(label):
    once = normalize_emotion(label)
    assert normalize_emotion(once) == once
    assert once in _SPELLINGS or once is label


@given(st.lists(LABELS, max_size=8))
def test_many_names_are_those_of_each(labels):
    assert normalize_emotions(labels).tolist() == [normalize_emotion(label) for label in labels]


@given(draw_questions())
def test_answer_says_whether_the_label_is_among_the_positive(question):
    y, positive, _ = question
    answer = consolidate_emotions(y, positive=positive)
    assert answer.tolist() == [int(normalize_emotion(label) in positive) for label in y]


@given(draw_questions())
def test_other_classes_give_the_opposite_answer(question):
    y, positive, classes = question
    negative = [name for name in classes if name not in positive]
    opposite = consolidate_emotions(y, positive=negative)
    np.testing.assert_array_equal(opposite, 1 - consolidate_emotions(y, positive=positive))


@given(draw_questions(), st.randoms(use_true_random=False))
def test_order_of_labels_is_that_of_answers(question, random):
    y, positive, _ = question
    order = random.sample(range(len(y)), len(y))
    shuffled = consolidate_emotions([y[index] for index in order], positive=positive)
    np.testing.assert_array_equal(shuffled, consolidate_emotions(y, positive=positive)[order])


@given(draw_questions(), FORMS)
def test_form_of_labels_and_spelling_of_the_question_do_not_matter(question, form):
    y, positive, _ = question
    expected = consolidate_emotions(y, positive=positive)
    np.testing.assert_array_equal(consolidate_emotions(form(y), positive=positive), expected)
    respelled = [alias for alias, name in _CANONICAL.items() if name in positive]
    respelled += [name for name in positive if name not in _CANONICAL]
    np.testing.assert_array_equal(consolidate_emotions(normalize_emotions(y), positive=respelled), expected)


@given(draw_questions(), st.lists(TEXTS, min_size=2, max_size=2, unique=True))
def test_names_say_what_numbers_say(question, names):
    y, positive, _ = question
    named = consolidate_emotions(y, positive=positive, names=tuple(names))
    assert named.tolist() == [names[code] for code in consolidate_emotions(y, positive=positive)]


@given(ANSWERS, FORMS)
def test_labels_are_the_same_in_any_form(y, form):
    assert check_labels(form(y), "somebody").tolist() == y


@given(
    st.one_of(ANSWERS, st.lists(st.integers(0, 3), min_size=1, max_size=9)),
    st.sampled_from([None, np.nan, pd.NA, pd.NaT, float("nan")]),
    st.sampled_from([list, lambda y: np.array(y, dtype=object), lambda y: pd.Series(y, dtype=object)]),
    st.data(),
)
def test_missing_label_is_found_wherever_it_is(y, missing, form, data):
    place = data.draw(st.integers(0, len(y)))
    labels = form([*y[:place], missing, *y[place:]])
    with pytest.raises(LabelError, match=rf"1 of {len(y) + 1} places, first in y\[{place}\]"):
        check_labels(labels, "somebody")
    with pytest.raises(LabelError, match="1 labels in y are missing"):
        consolidate_emotions(labels, positive="pain")
