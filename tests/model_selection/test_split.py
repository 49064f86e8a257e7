import numpy as np
import pandas as pd
import pytest

from sk_emotion.exceptions import LabelError
from sk_emotion.model_selection import train_val_test_split


@pytest.fixture
def labels():
    return np.repeat(["anger", "fear", "pain"], [50, 35, 15])


def test_each_row_is_in_exactly_one_set(labels):
    X = np.arange(100)
    X_train, X_val, X_test, y_train, y_val, y_test = train_val_test_split(X, labels, random_state=0)
    assert sorted(np.concatenate([X_train, X_val, X_test])) == list(X)
    for rows, y in ((X_train, y_train), (X_val, y_val), (X_test, y_test)):
        np.testing.assert_array_equal(labels[rows], y)


def test_sets_keep_the_share_of_each_class(labels):
    *_, y_val, y_test = train_val_test_split(np.arange(100), labels, random_state=0)
    for y in (y_val, y_test):
        assert pd.Series(y).value_counts().to_dict() == {"anger": 10, "fear": 7, "pain": 3}


@pytest.mark.parametrize("size", [15, 0.15])
def test_sizes_are_numbers_or_shares(labels, size):
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
def test_lists_and_frames_stay_what_they_are(kind, labels):
    X = kind([f"{i}.jpg" for i in range(100)])
    X_train, X_val, X_test, *_ = train_val_test_split(X, labels.tolist(), random_state=0)
    assert type(X_train) is type(X_val) is type(X_test) is type(X)


@pytest.mark.parametrize("stratify", [True, False])
def test_a_person_is_in_one_set(stratify):
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


def test_a_class_of_three_people_is_in_every_set():
    groups = np.repeat(np.arange(15), 10)
    y = np.where(np.isin(groups, [2, 7, 11]) & (np.arange(150) % 2 == 0), "pain", "fear")
    *_, y_train, y_val, y_test = train_val_test_split(y, y, groups=groups, random_state=0)
    assert all("pain" in set(part) for part in (y_train, y_val, y_test))


def test_a_class_of_two_people_warns_of_the_set_without_it():
    groups = np.repeat(np.arange(10), 10)
    y = np.where(groups < 2, "pain", "fear")
    with pytest.warns(UserWarning, match="set has no sample of class pain, which occurs in 2 group"):
        *_, y_train, _, _ = train_val_test_split(y, y, groups=groups, random_state=0)
    assert "pain" in set(y_train)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["a"] * 9}, "X has 10 samples, but y has 9 labels"),
        ({"y": ["a"] * 8 + ["b"] * 2}, r"class b has 2 sample"),
        ({"groups": [1, 2, 3]}, "groups has 3 entries"),
        ({"groups": [1] * 5 + [2] * 5}, r"holds 2 group"),
        ({"val_size": 0.5, "test_size": 0.5}, "leave nothing to train on"),
        ({"test_size": 1.5}, r"test_size=1.5 is out of range"),
        ({"val_size": 0}, "val_size=0 is out of range"),
        ({"test_size": 10}, "test_size=10 is out of range"),
    ],
)
def test_what_cannot_be_split_is_named(change, message):
    arguments = {"y": ["a", "b"] * 5} | change
    with pytest.raises(LabelError, match=message):
        train_val_test_split(list(range(10)), **arguments)
