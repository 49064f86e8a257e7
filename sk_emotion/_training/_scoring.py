"""Scoring in skorch's callbacks with the user's labels instead of class codes."""

import copy
import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, check_scoring
from sklearn.metrics._scorer import _BaseScorer


class LabelScorer:
    """Wrap a scorer so that it sees a classifier that predicts labels, where the net predicts their codes.

    Parameters
    ----------
    scoring : str, callable or None
        As in skorch's EpochScoring; None means accuracy.
    classes : ndarray of shape (n_classes,)
        The label of each code.
    """

    def __init__(self, scoring: Any, classes: NDArray[Any]):
        self.scoring = scoring
        self.classes = classes

    def __call__(self, net: Any, X: Any, y: Any) -> Any:
        label_net = _LabelNet(net, self.classes)
        scorer = self._name_positive(check_scoring(label_net, self.scoring))
        codes = np.asarray(y)
        # A custom target_extractor may have replaced the codes.
        return scorer(label_net, X, self.classes[codes] if codes.ndim == 1 and codes.dtype.kind in "iu" else y)

    def _name_positive(self, scorer: Any) -> Any:
        """Set `pos_label` to the second of two classes if the metric's default of 1 is not a class."""
        if not isinstance(scorer, _BaseScorer) or len(self.classes) != 2 or "pos_label" in scorer._kwargs:
            return scorer
        parameters = inspect.signature(scorer._score_func).parameters
        if "pos_label" not in parameters or parameters["pos_label"].default in self.classes.tolist():
            return scorer
        # Metrics such as F1 have no positive class if they average over classes.
        is_binary = "average" not in parameters or parameters["average"].default != "binary"
        is_binary = is_binary or scorer._kwargs.get("average", "binary") == "binary"
        scorer = copy.copy(scorer)
        scorer._kwargs = {**scorer._kwargs, "pos_label": self.classes[1] if is_binary else None}
        return scorer


class _LabelNet:
    """A net that predicts labels; all other attributes are those of the wrapped net."""

    def __init__(self, net: Any, classes: NDArray[Any]):
        self._net = net
        self.classes_ = classes

    def predict(self, X: Any) -> NDArray[Any]:
        return self.classes_[self._net.predict(X)]

    def score(self, X: Any, y: Any) -> float:
        return accuracy_score(y, self.predict(X))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net, name)
