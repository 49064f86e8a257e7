"""Drawing the folds of a comparison for every kind of cv."""

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
from sk_emotion.model_selection._comparison_folds import _assign_groups, draw_splits

Y = np.resize(["fear", "pain"], 24)
PEOPLE = np.arange(24) // 4


def draw(cv, y=Y, groups=None, *, random_state=0, **options):
    return draw_splits(np.arange(len(y)), y, groups, cv, random_state=random_state, owner="test", **options)


def assert_same(splits, expected):
    for (train, test), (train_expected, test_expected) in zip(splits, expected, strict=True):
        np.testing.assert_array_equal(train, train_expected)
        np.testing.assert_array_equal(test, test_expected)


def test_integer_cv_means_shuffled_stratified_folds():
    assert_same(draw(3)[0], StratifiedKFold(3, shuffle=True, random_state=0).split(Y, Y))
    grouped = draw(3, groups=PEOPLE)[0]
    assert_same(grouped, StratifiedGroupKFold(3, shuffle=True, random_state=0).split(Y, Y, PEOPLE))
    assert len(draw(None)[0]) == len(draw(np.int64(5))[0]) == 5
    assert draw(3)[1] == draw(3, groups=PEOPLE)[1] == 1


def test_groups_are_passed_to_the_splitter():
    assert_same(draw(GroupKFold(3), groups=PEOPLE)[0], GroupKFold(3).split(Y, Y, PEOPLE))
    assert len(draw(LeaveOneGroupOut(), groups=PEOPLE)[0]) == 6


def test_masks_and_lists_of_rows_are_accepted():
    mask = np.arange(24) < 12
    splits, n_repeats = draw([(mask, ~mask), (list(range(12, 24)), range(12))])
    assert_same(splits, [(np.arange(12), np.arange(12, 24)), (np.arange(12, 24), np.arange(12))])
    assert n_repeats == 1


def test_repeats_of_a_splitter_must_divide_its_folds():
    assert draw(RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0))[1] == 2

    class Odd(StratifiedKFold):
        n_repeats = 2

    assert draw(Odd(3))[1] == 1
    Odd.n_repeats = "two"
    assert draw(Odd(2))[1] == 1


def test_one_sample_per_class_or_group_per_fold_is_enough():
    assert len(draw(3, y=np.repeat(["fear", "pain"], [21, 3]))[0]) == 3
    assert len(draw(6, groups=PEOPLE)[0]) == 6
    assert len(draw(2)[0]) == 2
    with pytest.raises(LabelError, match="class pain has 3"):
        draw(4, y=np.repeat(["fear", "pain"], [21, 3]))


@pytest.mark.parametrize("groups", [None, np.arange(24) // 2])
def test_repeats_are_different_and_reproducible(groups):
    splits, n_repeats = draw(2, groups=groups, n_repeats=6)
    assert n_repeats == 6
    assert len(splits) == 12
    partitions = {frozenset(test.tobytes() for _, test in splits[start : start + 2]) for start in range(0, 12, 2)}
    assert len(partitions) == 6
    assert_same(draw(2, groups=groups, n_repeats=6)[0], splits)
    other = draw(2, groups=groups, n_repeats=6, random_state=1)[0]
    assert {test.tobytes() for _, test in other} != {test.tobytes() for _, test in splits}


def test_number_of_repeats_is_limited_by_distinct_splits():
    # There are eighteen ways to halve four samples of each class, and one to assign three groups to three folds.
    y = np.array(["fear", "pain"] * 4)
    assert len(draw(2, y=y, n_repeats=10)[0]) == 20
    with pytest.raises(LabelError) as error:
        draw(3, groups=np.arange(24) // 8, n_repeats=2)
    assert str(error.value) == (
        "test: n_repeats=2, but only 1 different split(s) into 3 folds found in 20 draws. Use fewer "
        "repeats or a smaller cv."
    )


def test_repeats_train_with_every_class():
    # Two persons show pain, so they must be in different folds.
    y = np.where(np.isin(PEOPLE, [0, 3]) & (np.arange(24) % 2 == 0), "pain", "fear")
    for train, _ in draw(2, y=y, groups=PEOPLE, n_repeats=5)[0]:
        assert set(y[train]) == {"fear", "pain"}


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_assigned_to_the_folds_that_lack_their_classes_most(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 14, 300)
    # A frequent and a rare class, and groups with a single class.
    y = np.where(groups < 4, 0, rng.choice(3, 300, p=[0.6, 0.3, 0.1]))
    folds = _assign_groups(y, groups, 4, np.random.RandomState(seed))
    counts = np.array([[np.sum((groups == group) & (y == label)) for label in range(3)] for group in range(14)])
    shares = counts / np.bincount(y)
    # Roughly, unbalanced groups come first.
    order = np.argsort(-counts.std(axis=1) * np.random.RandomState(seed).uniform(0.5, 1.5, 14))
    filled, sizes, expected = np.zeros((4, 3)), np.zeros(4), np.empty(14, dtype=int)
    for group in order:
        growth = [((filled[fold] + shares[group]) ** 2).sum() - (filled[fold] ** 2).sum() for fold in range(4)]
        nearest = [fold for fold in range(4) if growth[fold] <= min(growth) + 1e-12]
        fold = min(nearest, key=lambda fold: sizes[fold])
        expected[group] = fold
        filled[fold] += shares[group]
        sizes[fold] += counts[group].sum()
    for fold, (train, test) in enumerate(folds):
        np.testing.assert_array_equal(test, np.flatnonzero(expected[groups] == fold))
        np.testing.assert_array_equal(train, np.flatnonzero(expected[groups] != fold))
