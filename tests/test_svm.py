import subprocess
import sys

import numpy as np
import pytest
from scipy.linalg import LinAlgError
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV

from sk_emotion import LeastSquaresSVC, load_model, save_model
from sk_emotion.exceptions import LabelError


@pytest.fixture(scope="module")
def iris():
    """Three overlapping classes with names."""
    data = load_iris()
    X = data.data[:, :2] + np.random.RandomState(0).normal(scale=0.05, size=(150, 2))
    return X, data.target_names[data.target]


@pytest.fixture(scope="module")
def many():
    """More rows than are fitted in double precision."""
    return make_classification(4300, n_features=20, n_informative=10, n_classes=3, flip_y=0.2, random_state=0)


# The solution


def test_functions_solve_the_equations_of_the_least_squares_svm(iris):
    X, y = iris
    model = LeastSquaresSVC(C=3.0, gamma=0.7).fit(X, y)
    residuals = 2 * (y[:, np.newaxis] == model.classes_) - 1 - model.decision_function(X)
    places = (X[:, np.newaxis] == model.support_vectors_).all(axis=2).argmax(axis=1)
    np.testing.assert_allclose(model.dual_coef_[places], 3.0 * residuals, atol=1e-8)
    np.testing.assert_allclose(model.dual_coef_.sum(axis=0), 0, atol=1e-8)
    expected = rbf_kernel(X, model.support_vectors_, gamma=0.7) @ model.dual_coef_ + model.intercept_
    np.testing.assert_allclose(model.decision_function(X), expected, atol=1e-10)


def test_temperature_is_optimal_for_left_out_rows(iris):
    X, y = iris[0][::3], iris[1][::3]
    model = LeastSquaresSVC(gamma=1.0).fit(X, y)
    left_out = np.vstack(
        [
            LeastSquaresSVC(gamma=1.0).fit(np.delete(X, i, axis=0), np.delete(y, i)).decision_function(X[[i]])
            for i in range(len(X))
        ]
    )

    def lose(temperature):
        wanted = (50 * (y[:, np.newaxis] == model.classes_) + 1) / 53
        return -(wanted * np.log(softmax(left_out / temperature, axis=1))).sum()

    assert lose(model.temperature_) < min(lose(model.temperature_ * 1.01), lose(model.temperature_ / 1.01))
    assert log_loss(y, model.predict_proba(X)) < log_loss(y, softmax(model.decision_function(X), axis=1))


def test_duplicate_row_has_double_weight_and_is_left_out_as_one(iris):
    X, y = iris
    weights = np.arange(150) % 3
    weighted = LeastSquaresSVC().fit(X, y, sample_weight=weights)
    repeated = LeastSquaresSVC().fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert len(weighted.support_vectors_) == len(repeated.support_vectors_) == 100
    assert weighted.temperature_ == pytest.approx(repeated.temperature_, rel=1e-9)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9)


def test_row_with_labels_of_two_classes_has_a_value_in_between():
    X = np.array([[0.0], [-0.0], [5.0], [9.0]])
    model = LeastSquaresSVC(C=1e6, gamma=1.0).fit(X, [0, 1, 1, 0])
    np.testing.assert_allclose(model.decision_function(X), [0, 0, 1, -1], atol=1e-4)


def test_single_distinct_row_predicts_class_frequencies():
    model = LeastSquaresSVC().fit(np.ones((4, 2)), ["a", "b", "b", "b"])
    np.testing.assert_allclose(model.decision_function([[1.0, 1.0]]), [0.5])
    assert np.isfinite(model.predict_proba([[1.0, 1.0]])).all()


def test_balanced_classes_have_equal_weight(iris):
    X, y = iris[0][40:110], iris[1][40:110]
    counts = {name: (y == name).sum() for name in np.unique(y)}
    balanced = LeastSquaresSVC(class_weight="balanced").fit(X, y)
    given = LeastSquaresSVC(class_weight={name: 70 / (3 * count) for name, count in counts.items()}).fit(X, y)
    np.testing.assert_allclose(balanced.predict_proba(X), given.predict_proba(X))
    plain = LeastSquaresSVC().fit(X, y)
    assert (balanced.predict(X) == "setosa").sum() > (plain.predict(X) == "setosa").sum() - 1
    assert not np.allclose(balanced.decision_function(X), plain.decision_function(X))


def test_single_precision_hardly_changes_decision_values(many):
    X, y = many
    model = LeastSquaresSVC().fit(X, y)
    assert model.support_vectors_.dtype == np.float32
    expected = rbf_kernel(X, model.support_vectors_, gamma=model.gamma_) @ model.dual_coef_ + model.intercept_
    np.testing.assert_allclose(model.decision_function(X), expected, atol=5e-3)
    residuals = 2 * (y[:, np.newaxis] == model.classes_) - 1 - model.decision_function(X)
    order = np.lexsort(X.astype(np.float32).T), np.lexsort(model.support_vectors_.T)
    np.testing.assert_allclose(model.dual_coef_[order[1]] / 10, residuals[order[0]], atol=5e-3)


def test_ill_conditioned_kernel_is_solved_in_double_precision(many):
    X, y = many
    assert LeastSquaresSVC(C=1e6).fit(X[:, :2], y).support_vectors_.dtype == np.float64


def test_unsolvable_equations_are_an_error():
    X = np.arange(20.0)[:, np.newaxis]
    with pytest.raises(LinAlgError, match=r"C=1e\+200 and gamma=1e-12 .* Decrease C"):
        LeastSquaresSVC(C=1e200, gamma=1e-12).fit(X, np.arange(20) % 2)


# Fewer components than rows


def test_as_many_components_as_rows_are_exact(iris):
    X, y = iris
    exact, same = LeastSquaresSVC().fit(X, y), LeastSquaresSVC(n_components=150).fit(X, y)
    np.testing.assert_array_equal(exact.predict_proba(X), same.predict_proba(X))


@pytest.mark.parametrize(("n_rows", "dtype"), [(1500, np.float64), (4300, np.float32)])
def test_components_approximate_the_exact_solution(many, n_rows, dtype):
    X, y = many[0][:n_rows], many[1][:n_rows]
    train = np.arange(n_rows) % 20 > 0
    exact = LeastSquaresSVC(gamma="auto").fit(X[train], y[train])
    fewer = LeastSquaresSVC(gamma="auto", n_components=600).fit(X[train], y[train])
    assert fewer.support_vectors_.shape == (600, 20)
    assert fewer.support_vectors_.dtype == dtype
    assert fewer.temperature_ == pytest.approx(exact.temperature_, rel=0.3)
    losses = [log_loss(y[~train], model.predict_proba(X[~train])) for model in (fewer, exact)]
    assert losses[0] < 1.15 * losses[1]


def test_components_are_stratified(iris):
    X, y = iris
    support = LeastSquaresSVC(n_components=30).fit(X, y).support_vectors_
    labels = y[(X[:, np.newaxis] == support).all(axis=2).argmax(axis=0)]
    assert [(labels == name).sum() for name in np.unique(y)] == [10, 10, 10]


def test_kernel_larger_than_memory_suggests_n_components():
    code = """
import resource
import numpy as np
from sk_emotion import LeastSquaresSVC
X = np.random.RandomState(0).normal(size=(25_000, 2))
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    LeastSquaresSVC().fit(X, X[:, 0] > 0)
except MemoryError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Pass n_components below 25000" in done.stdout


# Estimator interface


def test_predicted_class_is_the_most_probable(many):
    X, y = many[0][:600], many[1][:600]
    for labels in (y, y == 1):
        model = LeastSquaresSVC(gamma="auto").fit(X[:300], labels[:300])
        probabilities = model.predict_proba(X)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X))


def test_rows_of_weight_0_add_no_class(iris):
    X, y = iris
    assert LeastSquaresSVC().fit(X, y, sample_weight=y != "virginica").classes_.tolist() == ["setosa", "versicolor"]
    with pytest.raises(LabelError, match=r"y contains 1 class: \['setosa'\]"):
        LeastSquaresSVC().fit(X, y, sample_weight=y == "setosa")


def test_without_probability_nothing_is_calibrated(iris):
    model = LeastSquaresSVC(probability=False).fit(*iris)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "temperature_")


def test_probabilities_of_separable_classes_are_not_0_or_1():
    X = np.r_[np.random.RandomState(0).normal(size=(20, 2)), np.random.RandomState(1).normal(9, size=(20, 2))]
    probabilities = LeastSquaresSVC().fit(X, np.arange(40) // 20).predict_proba(X)
    assert 0.001 < probabilities.min() < 0.2


def test_svm_can_be_searched_and_cloned(iris):
    search = GridSearchCV(LeastSquaresSVC(), {"C": [0.1, 10], "gamma": ["scale", 2.0]}, scoring="neg_log_loss", cv=3)
    search.fit(*iris)
    np.testing.assert_array_equal(
        clone(search.best_estimator_).fit(*iris).predict_proba(iris[0]), search.predict_proba(iris[0])
    )


@pytest.mark.parametrize("params", [{"C": 0}, {"gamma": "wide"}, {"n_components": 0}])
def test_invalid_parameters_are_an_error(iris, params):
    with pytest.raises(ValueError, match=next(iter(params))):
        LeastSquaresSVC(**params).fit(*iris)


def test_svm_can_be_saved_and_loaded(iris, tmp_path):
    X, y = iris
    model = LeastSquaresSVC().fit(X, y)
    save_model(model, tmp_path / "model.skops")
    np.testing.assert_array_equal(load_model(tmp_path / "model.skops").predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("weight", [0, -1, np.inf])
def test_invalid_class_weight_is_an_error(weight):
    X = np.random.default_rng(0).normal(size=(12, 3))
    with pytest.raises(LabelError, match="expected finite weights above 0"):
        LeastSquaresSVC(class_weight={0: weight, 1: 1}).fit(X, np.arange(12) % 2)
