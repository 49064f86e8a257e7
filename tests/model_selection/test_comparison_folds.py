"""Drawing the folds of a comparison, and splitters inside its estimators that keep groups together."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_emotion.exceptions import LabelError
from sk_emotion.model_selection._comparison import keep_groups_together
from sk_emotion.model_selection._split import _assign_groups, check_data, draw_splits

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


def test_repeats_assign_groups_to_different_folds():
    # Many samples per person, and no two persons with the same class counts, so that the shuffle of
    # StratifiedGroupKFold has no effect.
    rng = np.random.default_rng(0)
    y, people = rng.integers(0, 4, 600), rng.integers(0, 30, 600)
    splits, n_repeats = draw_splits(people, y, people, 5, n_repeats=4, random_state=0, owner="test")
    assert n_repeats == 4
    assert len(splits) == 20
    first = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(y, y, people)
    for (train, test), (train_first, test_first) in zip(splits, first, strict=False):
        np.testing.assert_array_equal(train, train_first)
        np.testing.assert_array_equal(test, test_first)
    folds = np.empty((4, 600), dtype=int)
    unevenness = np.zeros(4)
    for number, (train, test) in enumerate(splits):
        assert not set(people[train]) & set(people[test])
        assert sorted([*train, *test]) == list(range(600))
        folds[number // 5, test] = number % 5
        shares = np.bincount(y[test], minlength=4) / np.bincount(y)
        unevenness[number // 5] += ((shares - 1 / 5) ** 2).sum()
    # Classes are as balanced as in the first folds, which are scikit-learn's.
    assert unevenness.max() < 1.5 * unevenness[0]
    together = folds[:, :, np.newaxis] == folds[:, np.newaxis]
    for one in range(4):
        for other in range(one):
            assert (together[one] & together[other]).sum() < 0.6 * together[one].sum()


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


TRAINED = np.repeat(np.arange(12), 4)
# Train on ten persons, then on seven.
TRAININGS = [(np.arange(40), np.arange(40, 48)), (np.arange(28), np.arange(28, 48))]


class TakesGroups(ClassifierMixin, BaseEstimator):
    def __init__(self, kind=None):
        self.kind = kind

    def fit(self, X, y, groups=None):
        return self


def prepare(estimator, groups=TRAINED, splits=TRAININGS):
    with config_context(enable_metadata_routing=True):
        return keep_groups_together(estimator, groups, splits)


@pytest.mark.parametrize(("cv", "n_splits"), [(None, 5), (3, 3), (np.int64(7), 7)])
def test_integer_cv_of_a_search_becomes_stratified_group_folds(cv, n_splits):
    search = GridSearchCV(GaussianNB(), {}, cv=cv)
    for model, find in [
        (search, lambda model: model),
        (make_pipeline(StandardScaler(), search), lambda model: model[-1]),
    ]:
        prepared = prepare(model)
        assert isinstance(find(prepared).cv, StratifiedGroupKFold)
        assert find(prepared).cv.n_splits == n_splits
        assert prepared is not model
    # The original search is unchanged.
    assert search.cv is cv


def test_clone_is_unchanged_without_groups():
    search = GridSearchCV(TakesGroups(), {}, cv=3)
    prepared = prepare(search, groups=None)
    assert prepared is not search
    assert prepared.cv == 3
    with config_context(enable_metadata_routing=True):
        assert prepared.estimator.get_metadata_routing().fit.requests == {"groups": None}


@pytest.mark.parametrize("cv", [GroupKFold(2), StratifiedKFold(2), TRAININGS])
def test_custom_splitters_are_kept(cv):
    for model in (GridSearchCV(GaussianNB(), {}, cv=cv), CalibratedClassifierCV(GaussianNB(), cv=cv)):
        assert type(prepare(model).cv) is type(cv)


@pytest.mark.parametrize("wrap", [CalibratedClassifierCV, TunedThresholdClassifierCV])
def test_calibration_has_at_most_half_as_many_folds_as_training_groups(wrap):
    def n_splits(cv, splits=TRAININGS):
        prepared = prepare(make_pipeline(StandardScaler(), wrap(GaussianNB(), cv=cv)), splits=splits)[-1].cv
        assert isinstance(prepared, StratifiedGroupKFold)
        return prepared.n_splits

    assert [n_splits(cv) for cv in (None, 10, 3, 2)] == [3, 3, 3, 2]
    assert n_splits(4, TRAININGS[:1]) == 4
    assert n_splits(5, [(np.arange(12), np.arange(12, 48))]) == 2


def test_calibration_without_an_ensemble_is_unchanged():
    plain = CalibratedClassifierCV(GaussianNB(), cv=3, ensemble=False)
    prepared = prepare(VotingClassifier([("plain", plain), ("search", GridSearchCV(GaussianNB(), {}, cv=3))]))
    plain, search = (estimator for _, estimator in prepared.estimators)
    assert plain.cv == 3
    assert isinstance(search.cv, StratifiedGroupKFold)


def test_estimators_without_a_request_get_no_groups():
    with config_context(enable_metadata_routing=True):
        asking = TakesGroups().set_fit_request(groups=True)
        prepared = prepare(VotingClassifier([("silent", TakesGroups()), ("asking", asking), ("none", GaussianNB())]))
        requests = [estimator.get_metadata_routing().fit.requests for _, estimator in prepared.estimators]
    assert [request.get("groups", "unknown") for request in requests] == [False, True, "unknown"]


def test_class_as_parameter_is_ignored():
    assert prepare(TakesGroups(kind=TakesGroups)).kind is TakesGroups


def test_labels_and_groups_are_converted_to_arrays():
    y, groups = ["pain", "fear", "pain"], ["anna", "ben", "anna"]
    X, labels, persons = check_data(np.zeros((3, 2)), y, groups, "test")
    assert X.shape == (3, 2) and labels.tolist() == y and persons.tolist() == groups
    assert isinstance(labels, np.ndarray) and isinstance(persons, np.ndarray)
    assert check_data([1, 2, 3], y, None, "test")[2] is None
    with pytest.raises(LabelError, match="test: Input groups contains NaN or None in 1 of 3"):
        check_data([1, 2, 3], y, ["anna", None, "ben"], "test")
