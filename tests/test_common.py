"""The common checks of scikit-learn and imbalanced-learn, on every public estimator."""

import pytest
from imblearn.utils.estimator_checks import estimator_checks_generator as generate_sampler_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_emotion import AugmentationOverSampler
from sk_emotion.utils import all_estimators


def expected_failures(estimator):
    """Name the checks excused, as scikit-learn excuses them for its own stochastic estimators."""
    if type(estimator).__name__ != "EmotionClassifier":
        return {}
    reason = "a shuffled stochastic fit repeats in expectation alone; a statistical test stands in"
    return {"check_sample_weight_equivalence_on_dense_data": reason}


@parametrize_with_checks(all_estimators(), expected_failed_checks=expected_failures, xfail_strict=True)
def test_estimator_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("estimator", "check"), list(generate_sampler_checks(AugmentationOverSampler(random_state=0))))
def test_sampler_passes_the_checks_of_imbalanced_learn(estimator, check):
    check(estimator)
