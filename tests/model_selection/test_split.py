import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.datasets import load_iris
from sklearn.model_selection import LearningCurveDisplay, LeaveOneGroupOut
from sklearn.naive_bayes import GaussianNB

from sk_emotion import find_duplicates
from sk_emotion.exceptions import DatasetWarning, LabelError
from sk_emotion.model_selection import draw_folds, train_val_test_split
from sk_emotion.model_selection._split import _split_groups, draw_splits
from sk_emotion.utils._splits import assign_groups, split_validation


@pytest.fixture
def labels():
    return np.repeat(["anger", "fear", "pain"], [50, 35, 15])


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    # Sorted by class, as a folder is.
    return X, np.array(["anger", "fear", "pain"])[y]


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
    with pytest.raises(LabelError, match="train_val_test_split: groups='faces', expected one group per sample"):
        train_val_test_split(X, y, groups="faces")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["a"] * 9}, "X has 10 samples, but y has 9 labels. Pass one label per sample."),
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
            "X has 10 samples, but groups has 3 entries. Pass one group per sample.",
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
            for size in (1.5, 1.0, 10, -0.5, -1, True, False, "3", None, *((0, 0.0) if name == "val_size" else ()))
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
        outcomes.append(judge(assign_groups(table, order, fractions)[0]))
    parts = _split_groups(codes, groups, fractions, np.random.RandomState(seed))
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


class TestWithoutTestSet:
    @pytest.mark.parametrize("by_groups", [False, True])
    @pytest.mark.parametrize("val_size", [0.2, 30])
    def test_validation_set_is_that_of_a_classifier(self, labels, by_groups, val_size):
        groups = np.arange(100) // 4 if by_groups else None
        codes = np.unique(labels, return_inverse=True)[1]
        _, expected = split_validation(codes, val_size, groups=groups, random_state=np.random.RandomState(3))
        *_, train, val, test = train_val_test_split(
            labels, labels, groups=groups, val_size=val_size, test_size=0, return_indices=True, random_state=3
        )
        np.testing.assert_array_equal(np.sort(val), expected)
        assert len(test) == 0 and sorted([*train, *val]) == list(range(100))
        assert len(val) == pytest.approx(val_size if val_size > 1 else 20, abs=7 if by_groups else 0)

    def test_classes_are_ignored_without_stratification(self):
        y = np.repeat(["a", "b"], [99, 1])
        assert len(train_val_test_split(y, y, stratify=False, test_size=0.0, random_state=0)[1]) == 20
        with pytest.raises(
            LabelError, match=r"Cannot split 100 images .* with train_val_test_split\(val_size=0.2, test_"
        ):
            train_val_test_split(y, y, test_size=0)

    def test_class_in_one_group_warns_or_raises(self):
        groups, y = np.repeat(np.arange(6), 5), np.repeat(["pain", "fear"], [5, 25])
        outcomes = set()
        for seed in range(8):
            try:
                with pytest.warns(DatasetWarning, match="the validation set has no sample of class pain") as record:
                    train_val_test_split(y, y, groups=groups, test_size=0, random_state=seed)
                outcomes.add(tuple(warning.filename for warning in record))
            except LabelError as error:
                outcomes.add(str(error))
        assert (__file__,) in outcomes
        assert outcomes <= {
            (__file__,),
            "train_val_test_split(val_size=0.2, test_size=0) leaves a class without training images, since it has too "
            "few groups. Use a different val_size or more groups.",
        }


class TestDrawFolds:
    def test_folds_are_those_of_a_comparison(self, iris):
        for groups in (None, np.random.default_rng(0).integers(0, 15, 150)):
            expected, _ = draw_splits(*iris, groups, 3, random_state=0, owner="test")
            expected.sort(key=lambda split: len(split[0]))
            folds = draw_folds(*iris, groups=groups, cv=3, random_state=0)
            for (train, test), (drawn, drawn_test) in zip(expected, folds, strict=True):
                assert sorted(train) == sorted(drawn)
                np.testing.assert_array_equal(test, drawn_test)

    def test_leading_rows_are_stratified_and_random(self):
        labels = np.repeat(["fear", "pain", "joy"], [60, 30, 10])
        every = np.arange(100)
        ((rows, _),) = draw_folds(labels, labels, cv=[(every[::-1], every[:1])], random_state=0)
        assert sorted(rows) == list(range(100))
        seen = np.cumsum(labels[rows][:, np.newaxis] == ["fear", "pain", "joy"], axis=0)
        assert np.abs(seen - np.arange(1, 101)[:, np.newaxis] * [0.6, 0.3, 0.1]).max() <= 1
        steps = np.diff(rows[labels[rows] == "fear"])
        assert (steps < 0).any() and (steps > 0).any()

    def test_random_state_seeds_folds_and_order(self, iris):
        first, again, other = (draw_folds(*iris, random_state=seed) for seed in (3, 3, 4))
        for one, two in zip(first, again, strict=True):
            assert all(map(np.array_equal, one, two))
        assert not np.array_equal(first[0][0], other[0][0]) and not np.array_equal(first[0][1], other[0][1])

    def test_smallest_training_set_comes_first(self, iris):
        people = np.repeat(np.arange(6), [50, 10, 40, 20, 20, 10])
        folds = draw_folds(iris[0], np.resize(iris[1][::50], 150), groups=people, cv=LeaveOneGroupOut())
        assert [len(train) for train, _ in folds] == [100, 110, 130, 130, 140, 140]

    def test_groups_can_be_duplicates(self):
        rows = np.random.default_rng(0).normal(size=(90, 256))
        rows[60:] = rows[:30]
        for train, _ in draw_folds(rows, np.resize(["fear", "pain"], 90), groups="duplicates", cv=3, random_state=0):
            assert np.isin(train[train >= 60] - 60, train).all() and len(train) == 60

    def test_learning_curve_of_scikit_learn_has_nested_stratified_training_sets(self, iris):
        trainings = []

        class Recorder(GaussianNB):
            def fit(self, X, y):
                trainings.append((set(X[:, -1]), np.unique(y, return_counts=True)[1]))
                return super().fit(X, y)

        X = np.column_stack([iris[0], np.arange(150)])
        folds = draw_folds(*iris, cv=3, random_state=0)
        display = LearningCurveDisplay.from_estimator(Recorder(), X, iris[1], cv=folds, train_sizes=[20, 40, 80])
        plt.close(display.figure_)
        assert display.test_scores.shape == (3, 3)
        assert [len(rows) for rows, _ in trainings] == [20, 40, 80] * 3
        assert all(len(counts) == 3 and np.ptp(counts) <= 1 for _, counts in trainings)
        assert all(trainings[at][0] < trainings[at + 1][0] < trainings[at + 2][0] for at in (0, 3, 6))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"groups": np.arange(10)}, "X has 150 samples, but groups has 10 entries"),
            ({"groups": [None, *range(149)]}, "Input groups contains NaN or None in 1 of"),
            ({"groups": "twins"}, "groups='twins'"),
            ({"cv": 60}, "class anger has 50 sample"),
            ({"groups": np.arange(150) % 2}, "groups contains 2 group"),
            ({"y": ["anger"] * 149}, "X has 150 samples, but y has 149"),
        ],
    )
    def test_invalid_input_raises(self, iris, options, message):
        X, y = iris
        with pytest.raises(LabelError, match=f"draw_folds: {message}"):
            draw_folds(X, **{"y": y, **options})
