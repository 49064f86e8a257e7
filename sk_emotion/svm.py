"""A least squares support vector machine."""

from contextlib import suppress
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import (
    LinAlgError,
    cho_solve,
    cholesky,
    get_blas_funcs,
    get_lapack_funcs,
    solve_triangular,
)
from scipy.optimize import brentq
from scipy.special import softmax
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import compute_class_weight, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._images._validation import check_one_label_each, errors_of_images, find_shape, refuse_one_image
from .exceptions import ImageArrayError, LabelError
from .utils._arrays import as_numpy
from .utils._estimators import ClassifierOfLabels, as_fitted, fit_aside
from .utils._labels import check_labels

# Up to this number of rows, double precision is used, at no noticeable cost.
_ROWS_IN_DOUBLE = 4000
# Maximum number of leave-one-out rows for the temperature, which is a single parameter.
_ROWS_LEFT_OUT = 5000
# Rows of the kernel computed at once.
_BLOCK = 1024
# Above this condition number, single precision may change decision values by 0.01.
_CONDITION_IN_SINGLE = 1e5
# Beyond these bounds, probabilities are practically uniform, or 0 and 1.
_TEMPERATURES = (1e-3, 1e3)


class LeastSquaresSVC(ClassifierOfLabels, BaseEstimator):
    """Support vector machine with squared loss, fitted exactly with one factorization of an RBF kernel.

    One-vs-rest functions are fitted to targets of 1 for a class and -1 for the others [1]_, [2]_. The functions, the
    leave-one-out decision values [3]_, [4]_, and thereby the calibration of probabilities, are all computed from the
    same factorization.

    Parameters
    ----------
    C : float, default=10.0
        Inverse regularization strength, as in :class:`sklearn.svm.SVC`.
    gamma : {"scale", "auto"} or float, default="scale"
        Coefficient of the RBF kernel ``exp(-gamma * ||a - b||**2)``. ``"scale"`` is ``1 / (n_features * X.var())``,
        ``"auto"`` is ``1 / n_features``.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes. Probabilities then correspond to the weighted class frequencies.
    probability : bool, default=True
        Whether to calibrate probabilities, which enables `predict_proba`.
    n_components : int, default=30000
        Maximum number of support vectors. With more distinct rows, a stratified subset of this size is chosen, and all
        rows are fitted with combinations of it. This bounds memory: ``4 * n_components**2`` bytes (3.6 GB by default)
        for up to `n_components` rows, and twice that for more.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of features.
    support_vectors_ : ndarray of shape (n_support_vectors, n_features)
        The distinct rows, or a subset of them.
    dual_coef_ : ndarray of shape (n_support_vectors, n_functions)
        Coefficients of the support vectors in each function. There is one function per class, and a single one for two
        classes.
    intercept_ : ndarray of shape (n_functions,)
        Intercepts of the functions.
    gamma_ : float
        Coefficient of the kernel.
    temperature_ : float
        Temperature by which decision values are divided before the softmax. Only available if `probability` is True.

    See Also
    --------
    make_hog_svm : HOG features and this classifier.
    sklearn.svm.SVC : Support vector machine with hinge loss and sparse support vectors, slower on many samples.
    sklearn.linear_model.RidgeClassifier : The same loss with a linear kernel.

    Notes
    -----
    Fit time is cubic in the number of rows, in optimized BLAS and LAPACK routines, and memory is quadratic. More than
    4,000 rows are fitted in single precision, or, if the kernel is too ill-conditioned, in double precision with twice
    the memory.

    Identical rows are merged into one, with the sum of their weights, and left out together. Other dependencies between
    rows are not taken into account: many photos of one person, or augmented copies, make probabilities overconfident.

    Probabilities are the softmax of the decision values divided by one temperature [5]_, so the most probable class is
    always the predicted one. The temperature is fitted to leave-one-out decision values of up to 5,000 rows. A
    multinomial logistic regression on the same values was better on 11,000 images of FER2013 (log loss 1.371 instead of
    1.419, ROC AUC 0.800 instead of 0.791), but cost 1.7 points of accuracy on 720 web photos. For other calibration
    methods, see :class:`sklearn.calibration.CalibratedClassifierCV`.

    Fewer components cost little accuracy, but take more time: on 8,000 images of FER2013, 8,000, 6,000 and 4,000
    components have a log loss of 1.446, 1.455 and 1.463, in 5, 17 and 12 s.

    References
    ----------
    .. [1] Suykens, J. A. K., & Vandewalle, J. (1999). Least squares support vector machine classifiers. Neural
       Processing Letters, 9.
    .. [2] Rifkin, R., Yeo, G., & Poggio, T. (2003). Regularized least-squares classification. Advances in Learning
       Theory.
    .. [3] Cawley, G. C., & Talbot, N. L. C. (2004). Fast exact leave-one-out cross-validation of sparse least-squares
       support vector machines. Neural Networks, 17.
    .. [4] Rifkin, R., & Lippert, R. (2007). Notes on regularized least squares. MIT-CSAIL-TR-2007-025.
    .. [5] Guo, C., Pleiss, G., Sun, Y., & Weinberger, K. Q. (2017). On calibration of modern neural networks. ICML.

    Examples
    --------
    >>> from sk_emotion import HOGTransformer, LeastSquaresSVC, make_faces
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> features = HOGTransformer().fit_transform(X)
    >>> LeastSquaresSVC().fit(features, y).predict_proba(features[:2]).shape
    (2, 2)
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's form
        "C": [Interval(Real, 0, None, closed="neither")],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0, None, closed="neither")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "probability": ["boolean"],
        "n_components": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, C=10.0, *, gamma="scale", class_weight=None, probability=True, n_components=30_000):
        self.C = C
        self.gamma = gamma
        self.class_weight = class_weight
        self.probability = probability
        self.n_components = n_components

    @_fit_context(prefer_skip_nested_validation=True)
    @fit_aside
    def fit(self, X, y, sample_weight=None):
        """Fit the model, and calibrate its probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights. A row of weight 2 counts as two rows, and a row of weight 0 is ignored.

        Returns
        -------
        self : LeastSquaresSVC
            The fitted classifier.

        Raises
        ------
        LabelError
            If there are fewer than two classes with a weight above 0.
        MemoryError
            If the kernel does not fit in memory.
        scipy.linalg.LinAlgError
            If `C` is too large to solve the equations.
        """
        X = _as_features(X)
        if y is not None:
            y = check_labels(y, "LeastSquaresSVC")
            if len(find_shape(X)) == 2:
                check_one_label_each("LeastSquaresSVC", X, find_shape(X)[0], y)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        sample_weight = as_numpy(sample_weight, "LeastSquaresSVC", "sample_weight")
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        present = weights > 0
        X, y, weights = X[present], y[present], weights[present]
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise LabelError(
                "LeastSquaresSVC needs at least two classes; among the rows with a weight above 0, y contains 1 class: "
                f"{self.classes_.tolist()}. Add images of another class."
            )
        self.gamma_ = self._find_gamma(X, weights)
        of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y, sample_weight=weights)
        if not (np.isfinite(of_class).all() and of_class.min() > 0):
            raise LabelError(
                f"LeastSquaresSVC: class_weight={self.class_weight!r}, expected finite weights above 0. To ignore a "
                "class, remove it from X and y."
            )
        weights *= of_class[codes]
        try:
            self._fit(X, codes, weights)
        except MemoryError as error:
            raise MemoryError(
                f"LeastSquaresSVC: {error}. Pass n_components below {min(len(X), self.n_components)}; memory is "
                "quadratic in it."
            ) from error
        return self

    @as_fitted
    def decision_function(self, X):
        """Evaluate the decision function.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            About 1 for rows of the class (the second of two), and -1 for others.
        """
        check_is_fitted(self)
        # Catch images passed in place of their features.
        X = _as_features(X, (1, self.n_features_in_))
        with errors_of_images(X, self.n_features_in_):
            X = validate_data(self, X, dtype=self.support_vectors_.dtype, reset=False)
        support = self._scale(self.support_vectors_)
        values = np.empty((len(X), len(self.intercept_)))
        for rows in gen_batches(len(X), _BLOCK):
            values[rows] = _rbf_kernel(self._scale(X[rows]), support) @ self.dual_coef_
        values += self.intercept_
        return values[:, 0] if len(self.classes_) == 2 else values

    @as_fitted
    def predict(self, X):
        """Predict labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            The class with the largest decision value.
        """
        columns = _as_class_columns(self.decision_function(X)).argmax(axis=1)
        return self.classes_[columns]

    @available_if(lambda self: self.probability)
    @as_fitted
    def predict_proba(self, X):
        """Predict the probability of each class. Only available with ``probability=True``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            One column per class, in the order of ``classes_``.
        """
        values = _as_class_columns(self.decision_function(X))
        return softmax(values / self.temperature_, axis=1)

    def _find_gamma(self, X, weights):
        """Return the coefficient of the kernel, from weighted rows if it is "scale"."""
        if not isinstance(self.gamma, str):
            return float(self.gamma)
        variance = 1.0
        if self.gamma == "scale":
            mean = np.average(X.mean(axis=1, dtype=np.float64), weights=weights)
            variance = np.average(np.square(X - mean).mean(axis=1, dtype=np.float64), weights=weights)
        return float(1 / (X.shape[1] * variance)) if variance > 0 else 1.0

    def _fit(self, X, codes, weights):
        """Fit in single precision if there are many rows and it is accurate enough, otherwise in double precision."""
        if len(X) > _ROWS_IN_DOUBLE:
            with suppress(LinAlgError):
                self._fit_in(np.float32, X, codes, weights)
                return
        try:
            self._fit_in(np.float64, X, codes, weights)
        except LinAlgError as error:
            raise LinAlgError(
                f"LeastSquaresSVC: the equations cannot be solved with C={self.C} and gamma={self.gamma_:.3g} "
                f"({error}). Decrease C or increase gamma."
            ) from error

    def _fit_in(self, dtype, X, codes, weights):
        X, counts = _merge_duplicates(X.astype(dtype, copy=False), codes, weights)
        totals = counts.sum(axis=1)
        # Fitting identical rows is equivalent to fitting their mean target.
        targets = (2 * counts / totals[:, np.newaxis] - 1).astype(X.dtype)
        if len(self.classes_) == 2:
            targets = targets[:, 1:]
        penalties = (1 / (self.C * totals)).astype(X.dtype)
        labels = counts.argmax(axis=1)
        every = np.arange(len(X))
        chosen = _choose_stratified(labels, self.n_components)
        # With a subset of support vectors, those are not representative of new rows.
        candidates = every if len(chosen) == len(X) else np.delete(every, chosen)
        left_out = candidates[_choose_stratified(labels[candidates], _ROWS_LEFT_OUT)]
        if len(chosen) == len(X):
            order = np.concatenate([np.delete(every, left_out), left_out])
            self.support_vectors_ = X[order]
            solution = _solve_exactly(
                self._scale(self.support_vectors_), targets[order], penalties[order], len(left_out)
            )
        else:
            self.support_vectors_ = X[chosen]
            solution = _solve_by_components(
                self._scale(X), self._scale(self.support_vectors_), targets, penalties, left_out
            )
        self.dual_coef_, self.intercept_, values = solution
        if self.probability:
            self.temperature_ = _find_temperature(_as_class_columns(values), counts[left_out])

    def _scale(self, X):
        """Center rows for accuracy, and scale them so that squared distances are exponents of the kernel."""
        return (X - self.support_vectors_.mean(axis=0)) * X.dtype.type(np.sqrt(self.gamma_))


def _as_features(X: Any, fitted: tuple[int, int] | None = None) -> Any:
    """Convert tensors to arrays, and raise ImageArrayError for images."""
    X = as_numpy(X, "LeastSquaresSVC")
    refuse_one_image(X, "LeastSquaresSVC", fitted)
    if len(getattr(X, "shape", ())) > 2:
        raise ImageArrayError(
            f"Found array with dim {len(X.shape)}, while dim <= 2 is required by LeastSquaresSVC, which expects "
            "features. Put a HOGTransformer before it, as make_hog_svm() does, or pass X.reshape(len(X), -1)."
        )
    return X


def _merge_duplicates(
    X: NDArray[Any], codes: NDArray[Any], weights: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the distinct rows, and the total weight of each class in each."""
    # The bytes of -0.0 and 0.0 differ.
    rows = np.ascontiguousarray(X + X.dtype.type(0))
    _, first, inverse = np.unique(rows.view(f"V{rows[0].nbytes}")[:, 0], return_index=True, return_inverse=True)
    counts = np.zeros((len(first), codes.max() + 1))
    np.add.at(counts, (inverse, codes), weights)
    return rows[first], counts


def _choose_stratified(labels: NDArray[Any], n_chosen: int) -> NDArray[Any]:
    """Return the indices of a stratified subset of at most `n_chosen` rows."""
    places = np.linspace(0, len(labels) - 1, min(n_chosen, len(labels))).round().astype(int)
    return np.argsort(labels, kind="stable")[places]


def _rbf_kernel(A: NDArray[Any], B: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Compute the RBF kernel between the scaled rows of A and B."""
    kernel = np.matmul(A, B.T, out=out)
    kernel *= 2
    kernel -= np.einsum("ij,ij->i", A, A)[:, np.newaxis]
    kernel -= np.einsum("ij,ij->i", B, B)
    np.minimum(kernel, 0, out=kernel)
    return np.exp(kernel, out=kernel)


def _solve_exactly(
    points: NDArray[Any], targets: NDArray[Any], penalties: NDArray[Any], n_left_out: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return coefficients, intercepts, and leave-one-out decision values of the last `n_left_out` rows."""
    n_rows = len(points)
    system = np.empty((n_rows, n_rows), dtype=points.dtype)
    column_sums = penalties.astype(np.float64)
    for rows in gen_batches(n_rows, _BLOCK):
        kernel = _rbf_kernel(points[rows], points[rows.start :], out=system[rows, rows.start :])
        column_sums[rows] += kernel.sum(axis=1)
        column_sums[rows.stop :] += kernel[:, rows.stop - rows.start :].sum(axis=0)
    np.fill_diagonal(system, 1 + penalties)
    # The transposed upper triangle is the lower one of LAPACK, which then works in place.
    factor = cholesky(system.T, lower=True, overwrite_a=True, check_finite=False)
    ones = np.ones((n_rows, 1), dtype=points.dtype)
    solved = cho_solve((factor, True), np.hstack([targets, ones]), check_finite=False)
    solved, ones_solved = solved[:, :-1], solved[:, -1]
    total = ones_solved.sum()
    intercept = solved.sum(axis=0) / total
    coefficients = solved - np.outer(ones_solved, intercept)
    # The last block of the inverse only depends on the last block of the factor.
    trtri = get_lapack_funcs("trtri", (factor,))
    inverse, _ = trtri(factor[-n_left_out:, -n_left_out:], lower=1)
    diagonal = np.einsum("ij,ij->j", inverse, inverse)
    if points.dtype == np.float32 and column_sums.max() * diagonal.max() > _CONDITION_IN_SINGLE:
        raise LinAlgError("The kernel is ill-conditioned.")
    diagonal -= ones_solved[-n_left_out:] ** 2 / total
    # It is 0 if there is a single distinct row.
    diagonal = np.maximum(diagonal, np.finfo(points.dtype).tiny)[:, np.newaxis]
    return coefficients, intercept, targets[-n_left_out:] - coefficients[-n_left_out:] / diagonal


def _solve_by_components(
    points: NDArray[Any],
    support: NDArray[Any],
    targets: NDArray[Any],
    penalties: NDArray[Any],
    left_out: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Fit combinations of the support vectors; the return values are those of `_solve_exactly`."""
    dtype, n_support = points.dtype, len(support)
    kernel = _rbf_kernel(support, support)
    kernel[np.diag_indices(n_support)] += 10 * n_support * np.finfo(dtype).eps
    largest_sum = kernel.sum(axis=0).max()
    root = cholesky(kernel.T, lower=True, overwrite_a=True, check_finite=False)
    if dtype == np.float32 and largest_sum > _CONDITION_IN_SINGLE * root.diagonal().min() ** 2:
        raise LinAlgError("The kernel is ill-conditioned.")

    def embed(rows: Any) -> NDArray[Any]:
        """Return columns whose inner products are the kernel, with a last row of ones for the intercept."""
        columns = solve_triangular(root, _rbf_kernel(support, points[rows]), lower=True, check_finite=False)
        return np.vstack([columns, np.ones((1, columns.shape[1]), dtype=dtype)])

    gram = np.zeros((n_support + 1, n_support + 1), dtype=dtype, order="F")
    moments = np.zeros((n_support + 1, targets.shape[1]), dtype=dtype)
    syrk = get_blas_funcs("syrk", (gram,))
    for rows in gen_batches(len(points), _BLOCK):
        columns = embed(rows) / np.sqrt(penalties[rows])
        gram = syrk(1, columns, beta=1, c=gram, lower=1, overwrite_c=1)
        moments += columns @ (targets[rows] / np.sqrt(penalties[rows])[:, np.newaxis])
    # The intercept is not regularized.
    gram[np.diag_indices(n_support)] += 1
    factor = cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
    weights = cho_solve((factor, True), moments, check_finite=False)
    coefficients = solve_triangular(root, weights[:-1], lower=True, trans="T", check_finite=False)
    columns, targets = embed(left_out), targets[left_out]
    leverages = np.square(solve_triangular(factor, columns, lower=True, check_finite=False)).sum(axis=0)
    kept = np.maximum(1 - leverages / penalties[left_out], np.finfo(dtype).eps)[:, np.newaxis]
    return coefficients, weights[-1], targets - (targets - columns.T @ weights) / kept


def _as_class_columns(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return decision values with one column per class, also for two classes."""
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    return np.hstack([-values, values]) if values.shape[1] == 1 else values


def _find_temperature(values: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
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
