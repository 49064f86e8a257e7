import numpy as np
import pytest

from sk_emotion.exceptions import LabelError
from sk_emotion.utils._splits import assign_groups, split_validation


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_assigned_to_minimize_distance_from_targets(seed):
    rng = np.random.default_rng(seed)
    # With rare classes, some groups are the last ones that can fill a set.
    counts = rng.poisson(2, (12, 4)) * (rng.random((12, 4)) < [0.9, 0.6, 0.3, 0.25])
    counts[:3] += 1
    shares, fractions = counts / counts.sum(axis=0), np.array([0.5, 0.2, 0.3])
    order = rng.permutation(12)
    assigned, filled = assign_groups(counts, order, fractions)
    expected = np.zeros((3, 4))
    for position, group in enumerate(order):
        left = (counts[order[position:]] > 0).sum(axis=0)
        distances = []
        for part in range(3):
            after = expected.copy()
            after[part] += shares[group]
            lacking = expected == 0
            # A class with as few groups as sets that lack it outweighs any distance.
            needed = lacking[part] & (left <= lacking.sum(axis=0)) & (counts[group] > 0)
            distances.append(((after - fractions[:, np.newaxis]) ** 2).sum() - 100 * needed.sum())
        part = int(np.argmin(distances))
        assert assigned[group] == part
        expected[part] += shares[group]
    np.testing.assert_allclose(filled, expected)


def test_parts_of_equal_targets_have_even_sizes_on_request():
    # Every group has the same share of the only class: all parts tie until each has a group.
    counts = np.full((6, 1), 5)
    assigned, filled = assign_groups(counts, np.arange(6), np.full(3, 1 / 3), even=True)
    assert np.bincount(assigned).tolist() == [2, 2, 2]
    np.testing.assert_allclose(filled, 1 / 3)


def test_validation_set_keeps_groups_together(faces):
    _, y, groups = faces
    codes = (y == "pain").astype(np.int64)
    train, held_out = split_validation(codes, 0.25, groups=groups, random_state=np.random.RandomState(0))
    assert not set(groups[train]) & set(groups[held_out])
    assert sorted([*train, *held_out]) == list(range(len(y)))
    assert len(held_out) == pytest.approx(20, abs=6)


@pytest.mark.parametrize(("size", "share"), [(0.05, 1 / 6), (0.25, 0.25), (0.75, 0.75), (12, 0.25)])
def test_size_of_the_validation_set_is_approximated_by_whole_groups(size, share):
    codes, groups = np.tile([0, 1], 24), np.repeat(np.arange(6), 8)
    _, held_out = split_validation(codes, size, groups=groups, random_state=np.random.RandomState(0))
    assert len(held_out) / 48 == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize(
    ("codes", "groups", "message"),
    [
        (
            [0, 0, 0, 1],
            None,
            r"Cannot split 4 images of 2 classes with validation_fraction=0.5 \(.*\). Add images, or pass",
        ),
        ([0, 0, 0, 1], [1, 2], "4 images, but groups has 2 entries"),
        ([0, 0, 1, 1], [1, 1, 2, 2], "validation_fraction=0.5 leaves a class without .* groups. Pass X_val and y_val."),
    ],
)
def test_too_few_images_or_groups_raise(codes, groups, message):
    with pytest.raises(LabelError, match=message):
        split_validation(np.array(codes), 0.5, groups=groups, random_state=0)
