"""Solve least squares with an RBF kernel, exactly or by components, and calibrate the decision values."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.optimize import brentq
from scipy.special import softmax
from sklearn.utils import gen_batches

# Rows of the kernel computed at once.
BLOCK = 1024

# Above this condition number, single precision may change decision values by 0.01.
_CONDITION_IN_SINGLE = 1e5

# Beyond these bounds, probabilities are practically uniform, or 0 and 1.
_TEMPERATURES = (1e-3, 1e3)

_Array: TypeAlias = NDArray[Any]


def merge_duplicates(X: _Array, codes: _Array, weights: _Array) -> tuple[_Array, _Array]:
    """Return the distinct rows, and the total weight of each class in each."""
    # The bytes of -0.0 and 0.0 differ.
    rows = np.ascontiguousarray(X + X.dtype.type(0))
    _, first, inverse = np.unique(rows.view(f"V{rows[0].nbytes}")[:, 0], return_index=True, return_inverse=True)
    counts = np.zeros((len(first), codes.max() + 1))
    np.add.at(counts, (inverse, codes), weights)
    return rows[first], counts


def choose_stratified(labels: _Array, n_chosen: int) -> _Array:
    """Return the indices of a stratified subset of at most `n_chosen` rows."""
    places = np.linspace(0, len(labels) - 1, min(n_chosen, len(labels))).round().astype(int)
    return np.argsort(labels, kind="stable")[places]


def rbf_kernel(A: _Array, B: _Array, out: _Array | None = None) -> _Array:
    """Compute the RBF kernel between the scaled rows of A and B."""
    kernel = np.matmul(A, B.T, out=out)
    kernel *= 2
    kernel -= np.einsum("ij,ij->i", A, A)[:, np.newaxis]
    kernel -= np.einsum("ij,ij->i", B, B)
    np.minimum(kernel, 0, out=kernel)
    return np.exp(kernel, out=kernel)


def solve_exactly(points: _Array, targets: _Array, penalties: _Array, n_left_out: int) -> tuple[_Array, ...]:
    """Return coefficients, intercepts, and leave-one-out decision values of the last `n_left_out` rows."""
    n_rows = len(points)
    system = np.empty((n_rows, n_rows), dtype=points.dtype)
    column_sums = penalties.astype(np.float64)
    for rows in gen_batches(n_rows, BLOCK):
        kernel = rbf_kernel(points[rows], points[rows.start :], out=system[rows, rows.start :])
        column_sums[rows] += kernel.sum(axis=1)
        column_sums[rows.stop :] += kernel[:, rows.stop - rows.start :].sum(axis=0)
    np.fill_diagonal(system, 1 + penalties)
    # The transposed upper triangle is the lower one of LAPACK, which then works in place.
    factor = linalg.cholesky(system.T, lower=True, overwrite_a=True, check_finite=False)
    ones = np.ones((n_rows, 1), dtype=points.dtype)
    solved = linalg.cho_solve((factor, True), np.hstack([targets, ones]), check_finite=False)
    solved, ones_solved = solved[:, :-1], solved[:, -1]
    total = ones_solved.sum()
    intercept = solved.sum(axis=0) / total
    coefficients = solved - np.outer(ones_solved, intercept)
    # The last block of the inverse only depends on the last block of the factor.
    trtri = linalg.get_lapack_funcs("trtri", (factor,))
    inverse, _ = trtri(factor[-n_left_out:, -n_left_out:], lower=1)
    diagonal = np.einsum("ij,ij->j", inverse, inverse)
    if points.dtype == np.float32 and column_sums.max() * diagonal.max() > _CONDITION_IN_SINGLE:
        raise linalg.LinAlgError("The kernel is ill-conditioned.")
    diagonal -= ones_solved[-n_left_out:] ** 2 / total
    # It is 0 if there is a single distinct row.
    diagonal = np.maximum(diagonal, np.finfo(points.dtype).tiny)[:, np.newaxis]
    return coefficients, intercept, targets[-n_left_out:] - coefficients[-n_left_out:] / diagonal


def solve_by_components(
    points: _Array, support: _Array, targets: _Array, penalties: _Array, left_out: _Array
) -> tuple[_Array, ...]:
    """Fit combinations of the support vectors; the return values are those of `solve_exactly`."""
    dtype, n_support = points.dtype, len(support)
    kernel = rbf_kernel(support, support)
    kernel[np.diag_indices(n_support)] += 10 * n_support * np.finfo(dtype).eps
    largest_sum = kernel.sum(axis=0).max()
    root = linalg.cholesky(kernel.T, lower=True, overwrite_a=True, check_finite=False)
    if dtype == np.float32 and largest_sum > _CONDITION_IN_SINGLE * root.diagonal().min() ** 2:
        raise linalg.LinAlgError("The kernel is ill-conditioned.")

    def embed(rows: Any) -> _Array:
        """Return columns whose inner products are the kernel, with a last row of ones for the intercept."""
        columns = linalg.solve_triangular(root, rbf_kernel(support, points[rows]), lower=True, check_finite=False)
        return np.vstack([columns, np.ones((1, columns.shape[1]), dtype=dtype)])

    gram = np.zeros((n_support + 1, n_support + 1), dtype=dtype, order="F")
    moments = np.zeros((n_support + 1, targets.shape[1]), dtype=dtype)
    syrk = linalg.get_blas_funcs("syrk", (gram,))
    for rows in gen_batches(len(points), BLOCK):
        columns = embed(rows) / np.sqrt(penalties[rows])
        gram = syrk(1, columns, beta=1, c=gram, lower=1, overwrite_c=1)
        moments += columns @ (targets[rows] / np.sqrt(penalties[rows])[:, np.newaxis])
    # The intercept is not regularized.
    gram[np.diag_indices(n_support)] += 1
    factor = linalg.cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
    weights = linalg.cho_solve((factor, True), moments, check_finite=False)
    coefficients = linalg.solve_triangular(root, weights[:-1], lower=True, trans="T", check_finite=False)
    columns, targets = embed(left_out), targets[left_out]
    leverages = np.square(linalg.solve_triangular(factor, columns, lower=True, check_finite=False)).sum(axis=0)
    kept = np.maximum(1 - leverages / penalties[left_out], np.finfo(dtype).eps)[:, np.newaxis]
    return coefficients, weights[-1], targets - (targets - columns.T @ weights) / kept


def as_class_columns(values: _Array) -> NDArray[np.float64]:
    """Return decision values with one column per class, also for two classes."""
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    return np.hstack([-values, values]) if values.shape[1] == 1 else values


def find_temperature(values: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Find the temperature that minimizes the log loss on `counts`, the weight of each class in each row."""
    n_rows, n_classes = values.shape
    weights = counts.sum(axis=1, keepdims=True)
    # Smooth the targets as in Platt scaling: the temperature of separable data would be 0.
    wanted = (counts / weights * n_rows + 1) / (n_rows + n_classes)

    def differentiate(inverse: float) -> float:
        return float((weights * (softmax(inverse * values, axis=1) - wanted) * values).sum())

    low, high = 1 / _TEMPERATURES[1], 1 / _TEMPERATURES[0]
    if differentiate(low) >= 0:
        return _TEMPERATURES[1]
    if differentiate(high) <= 0:
        return _TEMPERATURES[0]
    return 1 / brentq(differentiate, low, high, xtol=1e-12)
