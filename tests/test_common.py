"""Common checks of scikit-learn and imbalanced-learn on every public estimator."""

import pytest
from imblearn.utils.estimator_checks import estimator_checks_generator as generate_sampler_checks
from sklearn.utils.estimator_checks import check_classifiers_train, parametrize_with_checks

from sk_emotion import AugmentationOverSampler, EmotionClassifier
from sk_emotion.utils import all_estimators


def expected_failures(estimator):
    """Return the checks expected to fail, as scikit-learn does for its own stochastic estimators."""
    if type(estimator).__name__ != "EmotionClassifier":
        return {}
    reason = "a shuffled stochastic fit is equivalent only in expectation, which a statistical test checks"
    return {"check_sample_weight_equivalence_on_dense_data": reason}


def with_few_epochs(estimator):
    """Limit the number of epochs, as scikit-learn does for its own estimators in these checks."""
    return estimator.set_params(max_epochs=5) if "max_epochs" in estimator.get_params() else estimator


ESTIMATORS = [with_few_epochs(estimator) for estimator in all_estimators()]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures, xfail_strict=True)
def test_estimator_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("estimator", "check"), list(generate_sampler_checks(AugmentationOverSampler(random_state=0))))
def test_sampler_passes_the_checks_of_imbalanced_learn(estimator, check):
    check(estimator)


def test_classifier_with_default_epochs_passes_check_classifiers_train():
    check_classifiers_train("EmotionClassifier", EmotionClassifier(random_state=0))
