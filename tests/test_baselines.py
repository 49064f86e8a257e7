import warnings

import numpy as np
import pytest
from sklearn.base import clone

from sk_emotion import LeastSquaresSVC, make_faces, make_hog_svm


def test_steps_are_named_so_that_a_grid_reaches_them():
    pipeline = make_hog_svm(orientations=6, C=3.0)
    assert list(pipeline.named_steps) == ["faceloader", "hogtransformer", "standardscaler", "svc"]
    assert pipeline.get_params()["hogtransformer__orientations"] == 6
    assert pipeline.get_params()["svc__C"] == 3.0
    assert make_hog_svm(solver="libsvm", C=3.0).get_params()["svc__estimator__C"] == 3.0
    assert make_hog_svm(solver="libsvm", probability=False, C=3.0).get_params()["svc__C"] == 3.0


def test_parameters_reach_the_svm():
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


def test_unknown_solver_is_refused():
    with pytest.raises(ValueError, match=r"solver='liblinear', expected \"least_squares\" or \"libsvm\""):
        make_hog_svm(solver="liblinear")


def test_it_learns_drawn_faces_well_but_not_perfectly():
    X, y, _ = make_faces(400, random_state=0)
    accuracy = make_hog_svm().fit(X[:300], y[:300]).score(X[300:], y[300:])
    assert 0.4 < accuracy < 0.95


@pytest.mark.parametrize("solver", ["least_squares", "libsvm"])
def test_probabilities_come_without_warnings_and_repeat(faces, solver):
    X, y, _ = faces
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (
            clone(make_hog_svm(solver=solver, random_state=0)).fit(X, y).predict_proba(X) for _ in range(2)
        )
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first.sum(axis=1), 1)


@pytest.mark.parametrize("solver", ["least_squares", "libsvm"])
def test_without_probability_there_is_a_decision_alone(faces, solver):
    X, y, _ = faces
    model = make_hog_svm(solver=solver, probability=False).fit(X, y)
    assert not hasattr(model, "predict_proba")
    assert len(model.decision_function(X)) == len(X)


@pytest.mark.parametrize("color", [False, True])
def test_pictures_of_any_size_are_taken(faces, color):
    X, y, _ = faces
    pictures = [face[: 20 + i % 4] for i, face in enumerate(X)]
    assert make_hog_svm(image_size=24, color=color).fit(pictures, y).predict(pictures).shape == (80,)
