"""Searches, calibrations and thresholds that keep groups together."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_emotion.model_selection._comparison_folds import keep_groups_together

PEOPLE = np.repeat(np.arange(12), 4)
# Train on ten persons, then on seven.
SPLITS = [(np.arange(40), np.arange(40, 48)), (np.arange(28), np.arange(28, 48))]


class TakesGroups(ClassifierMixin, BaseEstimator):
    def __init__(self, kind=None):
        self.kind = kind

    def fit(self, X, y, groups=None):
        return self


def prepare(estimator, groups=PEOPLE, splits=SPLITS):
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


@pytest.mark.parametrize("cv", [GroupKFold(2), StratifiedKFold(2), SPLITS])
def test_custom_splitters_are_kept(cv):
    for model in (GridSearchCV(GaussianNB(), {}, cv=cv), CalibratedClassifierCV(GaussianNB(), cv=cv)):
        assert type(prepare(model).cv) is type(cv)


@pytest.mark.parametrize("wrap", [CalibratedClassifierCV, TunedThresholdClassifierCV])
def test_calibration_has_at_most_half_as_many_folds_as_training_groups(wrap):
    def n_splits(cv, splits=SPLITS):
        prepared = prepare(make_pipeline(StandardScaler(), wrap(GaussianNB(), cv=cv)), splits=splits)[-1].cv
        assert isinstance(prepared, StratifiedGroupKFold)
        return prepared.n_splits

    assert [n_splits(cv) for cv in (None, 10, 3, 2)] == [3, 3, 3, 2]
    assert n_splits(4, SPLITS[:1]) == 4
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
