"""Folds that are dealt out anew, and errors that scoring ended in."""

import traceback

import numpy as np
import pytest

from sk_emotion.model_selection._comparison_folds import _deal_groups
from sk_emotion.model_selection._comparison_scores import _read_traceback


def raise_in_a_chain():
    try:
        np.linalg.inv(np.zeros((2, 2)))
    except np.linalg.LinAlgError as error:
        raise KeyError("no such\n  class") from error


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: np.linalg.inv(np.zeros((2, 2))), "LinAlgError: Singular matrix"),
        (raise_in_a_chain, "KeyError: 'no such\\n  class'"),
        (lambda: (_ for _ in ()).throw(ValueError("a.b: one\n  two\nthree")), "ValueError: a.b: one\n  two\nthree"),
        (lambda: (_ for _ in ()).throw(StopIteration), "RuntimeError: generator raised StopIteration"),
    ],
)
def test_error_that_a_traceback_ends_in_is_read(function, expected):
    try:
        function()
    except Exception:
        trace = traceback.format_exc()
    assert _read_traceback(trace) == expected


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_dealt_where_their_classes_lack_most(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 14, 300)
    # A frequent and a rare class, and groups that are all of one class.
    y = np.where(groups < 4, 0, rng.choice(3, 300, p=[0.6, 0.3, 0.1]))
    folds = _deal_groups(y, groups, 4, np.random.RandomState(seed))
    counts = np.array([[np.sum((groups == group) & (y == label)) for label in range(3)] for group in range(14)])
    shares = counts / np.bincount(y)
    # Uneven groups come first, but only roughly so.
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
