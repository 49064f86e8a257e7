"""Answer a binary question with a multi-class classifier."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, _fit_context, clone, is_classifier
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from ..emotions import normalize_emotion
from ..exceptions import LabelError
from ..utils._labels import check_labels


class ConsolidatedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Answer a binary question, such as pain or no pain, with a classifier of more classes.

    The probability of the positive answer is the sum of the probabilities of the positive classes. If the classifier
    has two classes, its own prediction is used, since it may have a tuned threshold.

    Parameters
    ----------
    estimator : classifier
        It is cloned and fitted to all classes. Wrap a fitted classifier in :class:`sklearn.frozen.FrozenEstimator`.
    positive : label or list of labels, default=None
        The positive class or classes, compared after :func:`~sk_emotion.normalize_emotion`; those that the classifier
        does not know are ignored, if it knows one of them. None for a classifier of two classes, which is used as is.
    names : tuple of (label, label), default=None
        Names of the negative and the positive answer, as in :func:`~sk_emotion.consolidate_emotions`; by default 0 and
        1. They need `positive`.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two answers, sorted.
    estimator_ : classifier
        The fitted classifier.
    n_features_in_ : int
        Number of features seen by the classifier, if it has this attribute.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen by the classifier, if it has this attribute.

    See Also
    --------
    consolidate_emotions : Convert the labels to the same binary target.

    Notes
    -----
    `fit` needs the labels of all classes, `predict` returns answers, and `score` accepts both, so that searches and
    cross-validation work with the default scoring. Other scorers compare answers with the labels that they receive:
    tune the classifier of all classes, and wrap the result.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sk_emotion import ConsolidatedClassifier, consolidate_emotions, make_faces, make_hog_svm
    >>> X, y, _ = make_faces(90, emotions=["happiness", "neutral", "pain"], random_state=0)
    >>> clf = make_hog_svm(random_state=0).fit(X[:60], y[:60])
    >>> pain = ConsolidatedClassifier(FrozenEstimator(clf), positive="pain").fit(X[:60], y[:60])
    >>> pain.predict_proba(X[60:]).shape
    (30, 2)
    >>> pain.score(X[60:], consolidate_emotions(y[60:], positive="pain")) > 0.7
    True
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's form
        "estimator": [HasMethods(["fit", "predict"])],
        "positive": "no_validation",
        "names": ["array-like", None],
    }

    def __init__(self, estimator: Any, *, positive: Any = None, names: Any = None):
        self.estimator = estimator
        self.positive = positive
        self.names = names

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, **fit_params: Any) -> "ConsolidatedClassifier":
        """Fit the classifier to labels of all classes.

        Parameters
        ----------
        X : array-like of length n_samples
            Input of the classifier.
        y : array-like of shape (n_samples,)
            Labels of the classifier, not the answers.
        **fit_params : dict
            Passed to ``fit`` of the classifier.

        Returns
        -------
        ConsolidatedClassifier

        Raises
        ------
        LabelError
            If none or all classes are positive, if there are more than two classes and `positive` is None, if `names`
            is not a pair of different names, or if there are more than two classes and the classifier has no
            ``predict_proba``.
        """
        names = [0, 1] if self.names is None else list(self.names)
        is_pair = len({str(name) for name in names}) == len(names) == 2
        if self.names is not None and (self.positive is None or not is_pair or np.array(names).dtype.kind == "O"):
            raise LabelError(
                f"ConsolidatedClassifier: names={self.names!r}, expected two different names, the negative one first, "
                "and positive."
            )
        if len({isinstance(name, str) for name in names}) > 1:
            raise LabelError(f"ConsolidatedClassifier: names={self.names!r}, expected two strings or two numbers.")
        if y is None:
            raise LabelError("ConsolidatedClassifier requires y to be passed, but the target y is None.")
        y = check_labels(y, "ConsolidatedClassifier")
        if self.positive is None and type_of_target(y) == "multiclass":
            _refuse_multiclass()
        check_consistent_length(X, y)
        self.estimator_ = clone(self.estimator).fit(X, y, **fit_params)
        if not is_classifier(self.estimator_):
            raise LabelError(f"ConsolidatedClassifier: {type(self.estimator_).__name__} is not a classifier.")
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        known = self.estimator_.classes_
        if self.positive is None:
            if len(known) > 2:
                _refuse_multiclass()
            self.classes_, self._is_positive = known, np.arange(len(known)) == len(known) - 1
            self._positive_class = known[-1]
            return self
        is_list = isinstance(self.positive, Iterable) and not isinstance(self.positive, str)
        wanted = {normalize_emotion(label) for label in (self.positive if is_list else [self.positive])}
        self._is_positive = np.array([normalize_emotion(label) in wanted for label in known.tolist()])
        if self._is_positive.all() or not self._is_positive.any():
            which = "all" if self._is_positive.any() else "none"
            raise LabelError(
                f"ConsolidatedClassifier: {which} of the classes {known.tolist()} are in positive={self.positive!r}. "
                "Pass at least one of them, but not all."
            )
        if len(known) > 2 and not hasattr(self.estimator_, "predict_proba"):
            raise LabelError(
                f"ConsolidatedClassifier: {type(self.estimator_).__name__} has {len(known)} classes, but no "
                "predict_proba, whose probabilities are summed."
            )
        self.classes_, self._positive_class = np.sort(names), names[1]
        return self

    @available_if(lambda self: hasattr(getattr(self, "estimator_", self.estimator), "predict_proba"))
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each answer.

        Parameters
        ----------
        X : array-like of length n_samples
            Input of the classifier.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self)
        probabilities = self.estimator_.predict_proba(X)
        yes = probabilities[:, self._is_positive].sum(axis=1, keepdims=True)
        no = probabilities[:, ~self._is_positive].sum(axis=1, keepdims=True)
        return np.where(self.classes_ == self._positive_class, yes, no)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the answer: the classifier's own choice of two classes, or the more probable answer.

        Parameters
        ----------
        X : array-like of length n_samples
            Input of the classifier.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        if len(self.estimator_.classes_) > 2:
            return self.classes_[self.predict_proba(X).argmax(axis=1)]
        return self._answer(np.isin(self.estimator_.predict(X), self.estimator_.classes_[self._is_positive]))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of the answers.

        Parameters
        ----------
        X : array-like of length n_samples
            Input of the classifier.
        y : array-like of shape (n_samples,)
            True answers, or labels of the classifier, which are converted to answers.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        float
            Accuracy, the share of samples answered correctly.
        """
        check_is_fitted(self)
        y = check_labels(y, "ConsolidatedClassifier")
        known = self.estimator_.classes_
        if np.isin(y, known).all() and not np.isin(y, self.classes_).all():
            y = self._answer(np.isin(y, known[self._is_positive]))
        return super().score(X, y, sample_weight)

    def _answer(self, is_positive: NDArray[np.bool_]) -> NDArray[Any]:
        yes = self.classes_ == self._positive_class
        return np.where(is_positive, self.classes_[yes][0], self.classes_[~yes][0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        tags.classifier_tags.multi_class = self.positive is not None
        return tags


def _refuse_multiclass() -> None:
    raise LabelError(
        "Only binary classification is supported. The type of the target is multiclass. ConsolidatedClassifier needs "
        "positive=, the positive classes."
    )
