"""Common checks of scikit-learn and imbalanced-learn on every public estimator."""

import inspect

import pytest
from imblearn.utils.estimator_checks import estimator_checks_generator as generate_sampler_checks
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_emotion import AugmentationOverSampler
from sk_emotion.utils import all_estimators
from sk_emotion.utils._files import FOLDER

EXPECTED_FAILURES = {
    "EmotionClassifier": {
        "a shuffled stochastic fit is equivalent only in expectation, which a statistical test checks": [
            "sample_weight_equivalence_on_dense_data"
        ]
    },
    # scikit-learn exempts FrozenEstimator from all checks.
    "OnnxClassifier": {
        "fit trains nothing, so it accepts any data": [
            *("classifiers_one_label_sample_weights", "classifiers_regression_target", "classifiers_train"),
            *("complex_data", "estimator_sparse_tag", "estimators_empty_data_messages", "estimators_nan_inf", "fit1d"),
            *("n_features_in", "n_features_in_after_fitting", "supervised_y_no_nan"),
        ],
        "the images and labels of the checks are not those of the file": [
            *("classifier_data_not_an_array", "classifiers_classes", "classifiers_one_label", "dict_unchanged"),
            *("dtype_object", "estimators_dtypes", "estimators_pickle", "f_contiguous_array_estimator"),
            *("fit_idempotent", "fit_score_takes_y", "methods_sample_order_invariance", "methods_subset_invariance"),
            *("pipeline_consistency", "supervised_y_2d"),
        ],
    },
}


def expected_failures(estimator):
    """Return the checks expected to fail, as scikit-learn does for its own stochastic estimators."""
    reasons = EXPECTED_FAILURES.get(type(estimator).__name__, {})
    return {f"check_{name}": reason for reason, names in reasons.items() for name in names}


def make(kind):
    """Make an instance as scikit-learn does in these checks: seeded, with few epochs, around a fast classifier."""
    shipped = FOLDER / "human-emotions.onnx"
    values = {"estimator": LogisticRegression(), "max_epochs": 5, "path": shipped, "random_state": 0}
    return kind(**{name: values[name] for name in inspect.signature(kind).parameters if name in values})


ESTIMATORS = [make(kind) for _, kind in all_estimators()]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures, xfail_strict=True)
def test_estimator_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("estimator", "check"), list(generate_sampler_checks(AugmentationOverSampler(random_state=0))))
def test_sampler_passes_the_checks_of_imbalanced_learn(estimator, check):
    check(estimator)
