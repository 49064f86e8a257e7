import inspect
import re

import numpy as np
import pytest
from sklearn.base import BaseEstimator

import sk_emotion
from sk_emotion import EmotionClassifier, FaceAugmentation, FaceLoader, networks
from sk_emotion.utils import all_estimators

PUBLIC = [getattr(sk_emotion, name) for name in sk_emotion.__all__]
ESTIMATORS = [value for value in PUBLIC if inspect.isclass(value) and hasattr(value, "fit")]
SPECS = [getattr(networks, name) for name in networks.__all__ if name != "Network"]


def list_parameters(kind):
    return list(inspect.signature(kind).parameters)


def list_documented_parameters(kind):
    section = re.search(r"^Parameters\n-+\n(.*?)\n\n(?=\S[^\n]*\n-+\n|\Z)", inspect.getdoc(kind) + "\n\n", re.S | re.M)
    entries = re.findall(r"^(\S[^:\n]*?)(?: : .*)?$", section[1], re.M)
    return [name for entry in entries for name in entry.split(", ")]


def test_every_public_estimator_is_found():
    assert {estimator for _, estimator in all_estimators()} == set(ESTIMATORS)
    assert len(ESTIMATORS) >= 4


def test_estimators_are_sorted_pairs_of_name_and_class():
    names = [name for name, _ in all_estimators()]
    assert names == sorted(names)
    assert all(estimator.__name__ == name for name, estimator in all_estimators())


def test_specs_and_augmentations_are_no_estimators():
    assert not {estimator for _, estimator in all_estimators()} & {*SPECS, FaceAugmentation}


@pytest.mark.parametrize("kind", [*ESTIMATORS, *SPECS, FaceAugmentation])
def test_every_parameter_is_documented_in_order(kind):
    assert issubclass(kind, BaseEstimator)
    # Parameters of classes, such as criterion__gamma, are documented, but not in the signature.
    assert [name for name in list_documented_parameters(kind) if name != "**params"] == list_parameters(kind)


@pytest.mark.parametrize("kind", [*ESTIMATORS, FaceAugmentation])
def test_every_parameter_has_a_constraint(kind):
    assert set(kind._parameter_constraints) == set(list_parameters(kind))


@pytest.mark.parametrize("kind", [*ESTIMATORS, *SPECS, FaceAugmentation])
def test_documented_default_is_the_default(kind):
    doc = inspect.getdoc(kind)
    for name, parameter in inspect.signature(kind).parameters.items():
        found = re.search(rf"^{name}\b[^\n]*default=(.+)$", doc, re.M)
        if found:
            assert eval(found[1], {}) == parameter.default, name
        else:
            assert parameter.default in (inspect.Parameter.empty, None), f"{name} has an undocumented default"


@pytest.mark.parametrize(
    ("estimator", "new"),
    [
        (EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0), "checkpoint_dir"),
        (FaceLoader(image_size=24), "max_pixels"),
    ],
)
def test_state_of_an_older_version_gets_the_parameters_that_it_lacks(estimator, new, faces):
    X, y, _ = faces
    estimator.fit(X, y)
    state = dict(estimator.__getstate__())
    del state[new]
    restored = type(estimator).__new__(type(estimator))
    restored.__setstate__(state)
    assert restored.get_params()[new] == type(estimator)().get_params()[new]
    answer = "predict_proba" if hasattr(estimator, "predict_proba") else "transform"
    np.testing.assert_array_equal(getattr(restored, answer)(X), getattr(estimator, answer)(X))
