import inspect
import re

import pytest
from sklearn.base import BaseEstimator

import sk_emotion
from sk_emotion import networks
from sk_emotion.utils import all_estimators

SPECIFICATIONS = [getattr(networks, name) for name in networks.__all__ if name != "Network"]
DOCUMENTED = [type(estimator) for estimator in all_estimators()] + [sk_emotion.FaceAugmentation, *SPECIFICATIONS]


def test_every_public_estimator_is_listed():
    public = [getattr(sk_emotion, name) for name in sk_emotion.__all__]
    estimators = {value for value in public if inspect.isclass(value) and issubclass(value, BaseEstimator)}
    expected = estimators - set(SPECIFICATIONS) - {sk_emotion.FaceAugmentation}
    assert {type(estimator) for estimator in all_estimators()} == expected


@pytest.mark.parametrize("estimator", DOCUMENTED, ids=lambda estimator: estimator.__name__)
def test_every_parameter_is_documented(estimator):
    section = inspect.getdoc(estimator).split("Parameters\n----------\n")[1].split("\n\n")
    documented = set(re.findall(r"^(\w[\w, ]*) :", "\n\n".join(section), flags=re.MULTILINE))
    names = {name for group in documented for name in group.split(", ")}
    assert set(inspect.signature(estimator).parameters) <= names


@pytest.mark.parametrize("estimator", all_estimators(), ids=lambda estimator: type(estimator).__name__)
def test_every_parameter_has_a_constraint(estimator):
    assert set(estimator.get_params(deep=False)) == set(estimator._parameter_constraints)
