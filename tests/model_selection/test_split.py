import numpy as np
import pandas as pd
import pytest

from sk_emotion import find_duplicates
from sk_emotion.exceptions import DatasetWarning, LabelError
from sk_emotion.model_selection import train_val_test_split
from sk_emotion.model_selection._split import _assign, _split_groups


@pytest.fixture
def labels():
    return np.repeat(["anger", "fear", "pain"], [50, 35, 15])


def test_each_row_is_in_exactly_one_set(labels):
    X = np.arange(100)
    X_train, X_val, X_test, y_train, y_val, y_test = train_val_test_split(X, labels, random_state=0)
    assert sorted(np.concatenate([X_train, X_val, X_test])) == list(X)
    for rows, y in ((X_train, y_train), (X_val, y_val), (X_test, y_test)):
        np.testing.assert_array_equal(labels[rows], y)


def test_sets_are_stratified(labels):
    *_, y_val, y_test = train_val_test_split(np.arange(100), labels, random_state=0)
    for y in (y_val, y_test):
        assert pd.Series(y).value_counts().to_dict() == {"anger": 10, "fear": 7, "pain": 3}


@pytest.mark.parametrize("size", [15, 0.15])
def test_sizes_are_numbers_or_fractions(labels, size):
    split = train_val_test_split(np.arange(100), labels, val_size=size, test_size=size, random_state=0)
    assert [len(part) for part in split[:3]] == [70, 15, 15]


def test_rarest_class_is_in_every_set():
    y = np.array(["happiness"] * 200 + ["pain"] * 3)
    *_, y_train, y_val, y_test = train_val_test_split(np.arange(203), y, val_size=0.1, test_size=0.1, random_state=0)
    assert all("pain" in set(part) for part in (y_train, y_val, y_test))


def test_same_seed_gives_same_split(labels):
    first, second, other = (train_val_test_split(np.arange(100), labels, random_state=seed)[2] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda rows: pd.DataFrame({"path": rows})])
def test_type_of_input_is_preserved(kind, labels):
    X = kind([f"{i}.jpg" for i in range(100)])
    X_train, X_val, X_test, *_ = train_val_test_split(X, labels.tolist(), random_state=0)
    assert type(X_train) is type(X_val) is type(X_test) is type(X)


@pytest.mark.parametrize("stratify", [True, False])
def test_groups_are_in_one_set(stratify):
    rng = np.random.default_rng(0)
    groups = np.repeat([f"p{i}" for i in range(20)], rng.integers(5, 40, 20))
    y = rng.choice(["fear", "pain"], len(groups), p=[0.8, 0.2])
    *_, train, val, test = train_val_test_split(
        y, y, groups=groups, stratify=stratify, return_indices=True, random_state=0
    )
    people = [set(groups[rows]) for rows in (train, val, test)]
    assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
    assert len(val) / len(y) == pytest.approx(0.2, abs=0.05)
    assert len(test) / len(y) == pytest.approx(0.2, abs=0.05)


def test_class_with_three_groups_is_in_every_set():
    groups = np.repeat(np.arange(15), 10)
    y = np.where(np.isin(groups, [2, 7, 11]) & (np.arange(150) % 2 == 0), "pain", "fear")
    *_, y_train, y_val, y_test = train_val_test_split(y, y, groups=groups, random_state=0)
    assert all("pain" in set(part) for part in (y_train, y_val, y_test))


def test_class_with_two_groups_warns():
    groups = np.repeat(np.arange(10), 10)
    y = np.where(groups < 2, "pain", "fear")
    with pytest.warns(DatasetWarning, match="set has no sample of class pain, which occurs in 2 group"):
        *_, y_train, _, _ = train_val_test_split(y, y, groups=groups, random_state=0)
    assert "pain" in set(y_train)


def test_groups_can_be_duplicates():
    cells = np.random.default_rng(0).integers(0, 200, (30, 8, 8), dtype=np.uint8)
    X, y = np.kron(cells, np.ones((2, 2), dtype=np.uint8)), np.resize(["fear", "pain"], 30)
    X[20:] = np.clip(1.2 * X[:10] + 3, 0, 255)
    by_name, by_groups = (
        train_val_test_split(X, y, groups=groups, return_indices=True, random_state=0)
        for groups in ("duplicates", find_duplicates(X))
    )
    assert all(map(np.array_equal, by_name, by_groups))
    sets = np.empty(30, dtype=int)
    for number, rows in enumerate(by_name[-3:]):
        sets[rows] = number
    np.testing.assert_array_equal(sets[20:], sets[:10])
    with pytest.raises(LabelError, match="train_val_test_split: groups='faces', expected one group a sample"):
        train_val_test_split(X, y, groups="faces")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["a"] * 9}, "X has 10 samples, but y has 9 labels. Give one label a sample."),
        (
            {"y": ["a", None] * 5},
            "Input y contains NaN or None in 5 of 10 places, first in y[1]. Drop these samples.",
        ),
        (
            {"groups": ["anna", None] * 5},
            "Input groups contains NaN or None in 5 of 10 places, first in groups[1]. Drop these samples.",
        ),
        (
            {"y": ["a"] * 8 + ["b"] * 2},
            "class b has 2 sample(s), too few for three sets. Add samples, drop the class, or use stratify=False.",
        ),
        (
            {"y": ["a"] * 10, "groups": [1, 2, 3]},
            "X has 10 samples, but groups has 3 entries. Give one group a sample.",
        ),
        (
            {"groups": [1] * 5 + [2] * 5},
            "groups contains 2 group(s), but three sets need at least three. Use more groups, or omit groups.",
        ),
        (
            {"val_size": 0.5, "test_size": 0.5},
            "val_size=0.5 and test_size=0.5 leave no training samples out of 10. Use smaller sizes.",
        ),
        (
            {"val_size": 5, "test_size": 5},
            "val_size=5 and test_size=5 leave no training samples out of 10. Use smaller sizes.",
        ),
        *(
            (
                {name: size},
                f"{name}={size!r} is out of range for 10 samples. Expected a fraction between 0 and 1, or a number of "
                "samples.",
            )
            for name in ("val_size", "test_size")
            for size in (1.5, 0, 0.0, 1.0, 10, -0.5, -1, True, "3", None)
        ),
    ],
)
def test_invalid_input_raises(change, message):
    arguments = {"y": ["a", "b"] * 5} | change
    with pytest.raises(LabelError) as error:
        train_val_test_split(list(range(10)), **arguments)
    assert str(error.value) == f"train_val_test_split: {message}"


def test_fewer_than_three_samples_raise_without_stratification():
    with pytest.raises(LabelError) as error:
        train_val_test_split([1, 2], ["a", "b"], stratify=False, val_size=0.4, test_size=0.4)
    assert str(error.value) == "train_val_test_split: there are 2 samples, too few for three sets."


def test_default_sizes():
    y = np.repeat(["a", "b"], 50)
    assert [len(part) for part in train_val_test_split(y, y)[3:]] == [60, 20, 20]
    groups = np.arange(100) // 2
    assert [len(part) for part in train_val_test_split(y, y, groups=groups)[3:]] == [60, 20, 20]


def test_one_training_sample_of_each_class_is_kept():
    y = np.repeat(["a", "b"], 5)
    *_, y_train, y_val, y_test = train_val_test_split(y, y, val_size=0.4, test_size=0.5, random_state=0)
    assert [sorted(part) for part in (y_train, y_val, y_test)] == [
        ["a", "b"],
        ["a"] * 2 + ["b"] * 2,
        ["a"] * 2 + ["b"] * 2,
    ]


def test_different_sizes_of_validation_and_test_set():
    y = np.repeat(["a", "b"], [60, 40])
    *_, y_train, y_val, y_test = train_val_test_split(y, y, val_size=0.1, test_size=0.3, random_state=0)
    counts = [np.unique(part, return_counts=True)[1].tolist() for part in (y_train, y_val, y_test)]
    assert counts == [[36, 24], [6, 4], [18, 12]]


def test_small_class_has_one_sample_in_each_held_out_set():
    y = np.repeat(["a", "b"], [94, 6])
    *_, y_train, y_val, y_test = train_val_test_split(y, y, val_size=0.05, test_size=0.05, random_state=0)
    assert [(part == "b").sum() for part in (y_train, y_val, y_test)] == [4, 1, 1]


@pytest.mark.parametrize(("val_size", "test_size", "expected"), [(0.5, 0.4, [1, 2, 2]), (0.4, 0.5, [1, 2, 2])])
def test_the_kept_training_sample_is_taken_from_the_larger_set(val_size, test_size, expected):
    y = np.repeat(["a", "b"], 5)
    *_, y_train, y_val, y_test = train_val_test_split(y, y, val_size=val_size, test_size=test_size, random_state=0)
    assert [(part == "a").sum() for part in (y_train, y_val, y_test)] == expected


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_assigned_to_minimize_distance_from_targets(seed):
    rng = np.random.default_rng(seed)
    # With rare classes, some groups are the last ones that can fill a set.
    counts = rng.poisson(2, (12, 4)) * (rng.random((12, 4)) < [0.9, 0.6, 0.3, 0.25])
    counts[:3] += 1
    shares, fractions = counts / counts.sum(axis=0), np.array([0.5, 0.2, 0.3])
    order = rng.permutation(12)
    assigned, filled = _assign(shares, order, fractions)
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


@pytest.mark.filterwarnings("ignore:train_val_test_split. the .* set has no sample")
@pytest.mark.parametrize("seed", [1, 3, 4])
def test_best_of_thirty_group_orders_is_kept(seed):
    draw = np.random.default_rng(seed)
    groups, fractions = draw.integers(0, 8, 120), np.array([0.5, 0.2, 0.3])
    # The last of five classes occur in few groups, some of which contain several of them.
    codes = np.minimum(draw.integers(0, 5, 120), draw.integers(1, 5, 8)[groups])
    table = np.zeros((8, 5))
    np.add.at(table, (groups, codes), 1)
    table = table[:, table.any(axis=0)]
    codes = np.unique(codes, return_inverse=True)[1]
    shares = table / table.sum(axis=0)

    def judge(assigned):
        filled = np.array([shares[assigned == part].sum(axis=0) for part in range(3)])
        unusable = (filled[0] == 0).sum() + (np.bincount(assigned, minlength=3) == 0).sum()
        return unusable, (filled[1:] == 0).sum(), round(((filled - fractions[:, np.newaxis]) ** 2).sum(), 9)

    rng = np.random.RandomState(seed)
    outcomes = []
    for _ in range(30):
        order = rng.permutation(8)
        order = order[np.argsort(-shares[order].max(axis=1), kind="stable")]
        outcomes.append(judge(_assign(shares, order, fractions)[0]))
    parts = _split_groups(codes, np.arange(table.shape[1]), groups, fractions, np.random.RandomState(seed))
    assigned = np.array([parts[groups == group][0] for group in range(8)])
    assert judge(assigned) == min(outcomes) < max(outcomes)


def test_samples_are_allocated_by_largest_remainder():
    # A tenth of 24, 15 and 11 is 2.4, 1.5 and 1.1, five in total: the fifth sample goes to the largest remainder.
    y = np.repeat(["a", "b", "c"], [24, 15, 11])
    *_, y_val, y_test = train_val_test_split(y, y, val_size=0.1, test_size=0.1, random_state=0)
    for part in (y_val, y_test):
        assert np.unique(part, return_counts=True)[1].tolist() == [2, 2, 1]


def test_classes_are_ignored_without_stratification():
    y = np.repeat(["a", "b"], [98, 2])
    X_train, X_val, X_test, *_ = train_val_test_split(np.arange(100), y, stratify=False, random_state=0)
    assert [len(X_train), len(X_val), len(X_test)] == [60, 20, 20]


def test_sets_are_shuffled():
    y = np.repeat(["a", "b"], 50)
    for groups in (None, np.arange(100)):
        *_, train, val, test = train_val_test_split(y, y, groups=groups, return_indices=True, random_state=0)
        for rows in (train, val, test):
            assert (np.diff(rows) < 0).any()
            # Classes are mixed.
            assert len(set(y[rows[: len(rows) // 2]])) == 2


def test_groups_of_a_rare_class_are_stratified():
    # Each person shows one emotion; a tenth of them show pain.
    groups = np.arange(200) // 2
    y = np.where(groups % 10 == 0, "pain", "fear")
    *_, y_train, y_val, y_test = train_val_test_split(y, y, groups=groups, random_state=0)
    assert [(part == "pain").sum() for part in (y_train, y_val, y_test)] == [12, 4, 4]
    assert [len(part) for part in (y_train, y_val, y_test)] == [120, 40, 40]


@pytest.mark.parametrize("stratify", [True, False])
def test_group_split_approximates_the_sizes(stratify):
    groups = np.repeat(np.arange(12), [30, 28, 26, 24, 22, 20, 10, 10, 10, 8, 6, 6])
    y = np.resize(["a", "b"], 200)
    *_, train, val, test = train_val_test_split(
        y, y, groups=groups, val_size=0.1, test_size=0.3, stratify=stratify, return_indices=True, random_state=0
    )
    assert [len(train), len(val), len(test)] == pytest.approx([120, 20, 60], abs=2)


def test_class_missing_from_training_raises_and_from_test_warns():
    groups = np.repeat(np.arange(3), 10)
    y = np.where(groups == 0, "pain", "fear")
    with (
        pytest.warns(DatasetWarning, match="the validation set has no sample of class pain"),
        pytest.raises(LabelError) as error,
    ):
        train_val_test_split(y, y, groups=groups, random_state=0)
    assert str(error.value) == (
        "train_val_test_split: the test set has no sample of class fear, which occurs in 2 group(s). Change the sizes "
        "or add groups."
    )
    groups = np.repeat(np.arange(6), 5)
    y = np.where(groups == 0, "pain", "fear")
    with pytest.warns(DatasetWarning) as record:
        *_, y_train, _, _ = train_val_test_split(y, y, groups=groups, random_state=0)
    assert "pain" in y_train
    messages = [str(warning.message) for warning in record]
    assert messages == [
        f"train_val_test_split: the {part} set has no sample of class pain, which occurs in 1 group(s)."
        for part in ("validation", "test")
    ]


def test_warning_points_at_the_caller():
    groups = np.repeat(np.arange(6), 5)
    y = np.where(groups == 0, "pain", "fear")
    with pytest.warns(DatasetWarning) as record:
        train_val_test_split(y, y, groups=groups, random_state=0)
    assert {warning.filename for warning in record} == {__file__}


def test_small_stratified_sets_have_the_requested_size():
    y = np.repeat(["anger", "fear", "pain"], [60, 30, 10])
    *_, y_val, y_test = train_val_test_split(np.arange(100), y, val_size=5, test_size=7, random_state=0)
    assert (len(y_val), len(y_test)) == (5, 7)
    assert set(y_val) == set(y_test) == set(y)
