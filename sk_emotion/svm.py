"""A least squares support vector machine."""

from contextlib import suppress
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError
from scipy.special import softmax
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import compute_class_weight, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from ._images._validation import check_one_label_each, errors_of_images, find_shape, refuse_one_image
from ._kernel_solver import (
    BLOCK,
    as_class_columns,
    choose_stratified,
    find_temperature,
    merge_duplicates,
    rbf_kernel,
    solve_by_components,
    solve_exactly,
)
from .exceptions import ImageArrayError, LabelError
from .utils._arrays import as_numpy
from .utils._estimators import ClassifierOfLabels, as_fitted, fit_aside
from .utils._labels import check_labels

# Up to this number of rows, double precision is used, at no noticeable cost.
_ROWS_IN_DOUBLE = 4000
# Maximum number of leave-one-out rows for the temperature, which is a single parameter.
_ROWS_LEFT_OUT = 5000


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
        Coefficients of the support vectors in each function: one per class, or a single one for two classes.
    intercept_ : ndarray of shape (n_functions,)
        Intercepts of the functions.
    gamma_ : float
        Coefficient of the kernel.
    temperature_ : float
        Temperature by which decision values are divided before the softmax, if `probability` is True.

    See Also
    --------
    make_hog_svm : HOG features and this classifier.
    sklearn.svm.SVC : Support vector machine with hinge loss and sparse support vectors, slower on many samples.
    sklearn.linear_model.RidgeClassifier : The same loss with a linear kernel.

    Notes
    -----
    Fit time is cubic in the number of rows, and memory is quadratic. More than 4,000 rows are fitted in single
    precision, or, if the kernel is too ill-conditioned, in double precision with twice the memory.

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
        # Catch images passed in place of their features.
        X = _as_features(X, (1, self.n_features_in_))
        with errors_of_images(X, self.n_features_in_):
            X = validate_data(self, X, dtype=self.support_vectors_.dtype, reset=False)
        support = self._scale(self.support_vectors_)
        values = np.empty((len(X), len(self.intercept_)))
        for rows in gen_batches(len(X), BLOCK):
            values[rows] = rbf_kernel(self._scale(X[rows]), support) @ self.dual_coef_
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
        columns = as_class_columns(self.decision_function(X)).argmax(axis=1)
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
        values = as_class_columns(self.decision_function(X))
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
        X, counts = merge_duplicates(X.astype(dtype, copy=False), codes, weights)
        totals = counts.sum(axis=1)
        # Fitting identical rows is equivalent to fitting their mean target.
        targets = (2 * counts / totals[:, np.newaxis] - 1).astype(X.dtype)
        if len(self.classes_) == 2:
            targets = targets[:, 1:]
        penalties = (1 / (self.C * totals)).astype(X.dtype)
        labels = counts.argmax(axis=1)
        every = np.arange(len(X))
        chosen = choose_stratified(labels, self.n_components)
        # With a subset of support vectors, those are not representative of new rows.
        candidates = every if len(chosen) == len(X) else np.delete(every, chosen)
        left_out = candidates[choose_stratified(labels[candidates], _ROWS_LEFT_OUT)]
        if len(chosen) == len(X):
            order = np.concatenate([np.delete(every, left_out), left_out])
            self.support_vectors_ = X[order]
            solution = solve_exactly(
                self._scale(self.support_vectors_), targets[order], penalties[order], len(left_out)
            )
        else:
            self.support_vectors_ = X[chosen]
            solution = solve_by_components(
                self._scale(X), self._scale(self.support_vectors_), targets, penalties, left_out
            )
        self.dual_coef_, self.intercept_, values = solution
        if self.probability:
            self.temperature_ = find_temperature(as_class_columns(values), counts[left_out])

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
