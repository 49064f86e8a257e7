import warnings

import numpy as np
import pytest
from sklearn.base import clone

from sk_emotion import LeastSquaresSVC, make_faces, make_hog_svm


def test_names_of_steps_can_be_used_in_a_grid():
    pipeline = make_hog_svm(orientations=6, C=3.0)
    assert list(pipeline.named_steps) == ["faceloader", "hogtransformer", "standardscaler", "svc"]
    assert pipeline.get_params()["hogtransformer__orientations"] == 6
    assert pipeline.get_params()["svc__C"] == 3.0
    assert make_hog_svm(solver="libsvm", C=3.0).get_params()["svc__estimator__C"] == 3.0
    assert make_hog_svm(solver="libsvm", probability=False, C=3.0).get_params()["svc__C"] == 3.0


def test_parameters_are_passed_to_the_svm():
    svm = make_hog_svm(C=3.0, gamma=0.1, class_weight="balanced", probability=False).named_steps["svc"]
    assert isinstance(svm, LeastSquaresSVC)
    assert (
        svm.get_params().items()
        >= {
            "C": 3.0,
            "gamma": 0.1,
            "class_weight": "balanced",
            "probability": False,
        }.items()
    )


def test_unknown_solver_is_an_error():
    with pytest.raises(ValueError, match=r"solver='liblinear', expected \"least_squares\" or \"libsvm\""):
        make_hog_svm(solver="liblinear")


def test_baseline_learns_synthetic_faces_well_but_not_perfectly():
    X, y, _ = make_faces(400, random_state=0)
    accuracy = make_hog_svm().fit(X[:300], y[:300]).score(X[300:], y[300:])
    assert 0.4 < accuracy < 0.95


@pytest.mark.parametrize("solver", ["least_squares", "libsvm"])
def test_probabilities_are_reproducible_and_raise_no_warnings(faces, solver):
    X, y, _ = faces
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (
            clone(make_hog_svm(solver=solver, random_state=0)).fit(X, y).predict_proba(X) for _ in range(2)
        )
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first.sum(axis=1), 1)


@pytest.mark.parametrize("solver", ["least_squares", "libsvm"])
def test_without_probability_there_is_only_decision_function(faces, solver):
    X, y, _ = faces
    model = make_hog_svm(solver=solver, probability=False).fit(X, y)
    assert not hasattr(model, "predict_proba")
    assert len(model.decision_function(X)) == len(X)


@pytest.mark.parametrize("color", [False, True])
def test_images_of_any_size_are_accepted(faces, color):
    X, y, _ = faces
    images = [face[: 20 + i % 4] for i, face in enumerate(X)]
    assert make_hog_svm(image_size=24, color=color).fit(images, y).predict(images).shape == (80,)
