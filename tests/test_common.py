"""Common checks of scikit-learn and imbalanced-learn on every public estimator."""

import inspect

import pytest
from imblearn.utils.estimator_checks import estimator_checks_generator as generate_sampler_checks
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_emotion import AugmentationOverSampler
from sk_emotion.utils import all_estimators


def expected_failures(estimator):
    """Return the checks expected to fail, as scikit-learn does for its own stochastic estimators."""
    if type(estimator).__name__ != "EmotionClassifier":
        return {}
    reason = "a shuffled stochastic fit is equivalent only in expectation, which a statistical test checks"
    return {"check_sample_weight_equivalence_on_dense_data": reason}


def make(kind):
    """Make an instance as scikit-learn does in these checks: seeded, with few epochs, around a fast classifier."""
    values = {"estimator": LogisticRegression(), "max_epochs": 5, "random_state": 0}
    return kind(**{name: values[name] for name in inspect.signature(kind).parameters if name in values})


ESTIMATORS = [make(kind) for _, kind in all_estimators()]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures, xfail_strict=True)
def test_estimator_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("estimator", "check"), list(generate_sampler_checks(AugmentationOverSampler(random_state=0))))
def test_sampler_passes_the_checks_of_imbalanced_learn(estimator, check):
    check(estimator)
