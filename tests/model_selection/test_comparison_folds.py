"""The folds of a comparison, as they are drawn for whatever is given as cv."""

import numpy as np
import pytest
from sklearn.model_selection import (
    GroupKFold,
    LeaveOneGroupOut,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from sk_emotion.exceptions import LabelError
from sk_emotion.model_selection._comparison_folds import draw_splits

Y = np.resize(["fear", "pain"], 24)
PEOPLE = np.arange(24) // 4


def draw(cv, y=Y, groups=None, *, random_state=0, **options):
    return draw_splits(np.arange(len(y)), y, groups, cv, random_state=random_state, owner="test", **options)


def assert_same(splits, expected):
    for (train, test), (train_expected, test_expected) in zip(splits, expected, strict=True):
        np.testing.assert_array_equal(train, train_expected)
        np.testing.assert_array_equal(test, test_expected)


def test_number_means_shuffled_stratified_folds_of_whole_groups():
    assert_same(draw(3)[0], StratifiedKFold(3, shuffle=True, random_state=0).split(Y, Y))
    grouped = draw(3, groups=PEOPLE)[0]
    assert_same(grouped, StratifiedGroupKFold(3, shuffle=True, random_state=0).split(Y, Y, PEOPLE))
    assert len(draw(None)[0]) == len(draw(np.int64(5))[0]) == 5
    assert draw(3)[1] == draw(3, groups=PEOPLE)[1] == 1


def test_splitter_is_given_the_groups():
    assert_same(draw(GroupKFold(3), groups=PEOPLE)[0], GroupKFold(3).split(Y, Y, PEOPLE))
    assert len(draw(LeaveOneGroupOut(), groups=PEOPLE)[0]) == 6


def test_masks_and_lists_of_rows_are_taken():
    mask = np.arange(24) < 12
    splits, n_repeats = draw([(mask, ~mask), (list(range(12, 24)), range(12))])
    assert_same(splits, [(np.arange(12), np.arange(12, 24)), (np.arange(12, 24), np.arange(12))])
    assert n_repeats == 1


def test_repeats_of_a_splitter_count_if_they_are_alike():
    assert draw(RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0))[1] == 2

    class Odd(StratifiedKFold):
        n_repeats = 2

    assert draw(Odd(3))[1] == 1
    Odd.n_repeats = "two"
    assert draw(Odd(2))[1] == 1


def test_as_many_samples_of_a_class_or_groups_as_folds_are_enough():
    assert len(draw(3, y=np.repeat(["fear", "pain"], [21, 3]))[0]) == 3
    assert len(draw(6, groups=PEOPLE)[0]) == 6
    assert len(draw(2)[0]) == 2
    with pytest.raises(LabelError, match="class pain has 3"):
        draw(4, y=np.repeat(["fear", "pain"], [21, 3]))


@pytest.mark.parametrize("groups", [None, np.arange(24) // 2])
def test_every_repeat_has_folds_of_its_own_from_one_seed(groups):
    splits, n_repeats = draw(2, groups=groups, n_repeats=6)
    assert n_repeats == 6
    assert len(splits) == 12
    ways = {frozenset(test.tobytes() for _, test in splits[start : start + 2]) for start in range(0, 12, 2)}
    assert len(ways) == 6
    assert_same(draw(2, groups=groups, n_repeats=6)[0], splits)
    other = draw(2, groups=groups, n_repeats=6, random_state=1)[0]
    assert {test.tobytes() for _, test in other} != {test.tobytes() for _, test in splits}


def test_all_ways_that_there_are_can_be_asked_for():
    # Four samples of each class fall into halves in eighteen ways; three groups into three folds in one.
    y = np.array(["fear", "pain"] * 4)
    assert len(draw(2, y=y, n_repeats=10)[0]) == 20
    with pytest.raises(LabelError) as error:
        draw(3, groups=np.arange(24) // 8, n_repeats=2)
    assert str(error.value) == (
        "test: n_repeats=2, but 1 different way(s) to make 3 folds are all that was found in 20 draws. Use fewer "
        "repeats or a smaller cv."
    )


def test_repeats_train_with_every_class():
    # Pain is shown by two persons, who must not be tested together.
    y = np.where(np.isin(PEOPLE, [0, 3]) & (np.arange(24) % 2 == 0), "pain", "fear")
    for train, _ in draw(2, y=y, groups=PEOPLE, n_repeats=5)[0]:
        assert set(y[train]) == {"fear", "pain"}
