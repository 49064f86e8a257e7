"""Scores of skorch's callbacks, in the labels that the user gave."""

import copy
import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, check_scoring
from sklearn.metrics._scorer import _BaseScorer


class LabelScorer:
    """A scorer that shows another one the net as a classifier of labels, where the net itself knows their codes.

    Parameters
    ----------
    scoring : str, callable or None
        As for skorch's EpochScoring; None is the accuracy.
    classes : ndarray of shape (n_classes,)
        The label of each code.
    """

    def __init__(self, scoring: Any, classes: NDArray[Any]):
        self.scoring = scoring
        self.classes = classes

    def __call__(self, net: Any, X: Any, y: Any) -> Any:
        labelled = _LabelledNet(net, self.classes)
        scorer = self._name_positive(check_scoring(labelled, self.scoring))
        codes = np.asarray(y)
        # A target_extractor of the user's may have made something else of the codes.
        return scorer(labelled, X, self.classes[codes] if codes.ndim == 1 and codes.dtype.kind in "iu" else y)

    def _name_positive(self, scorer: Any) -> Any:
        """Let a metric whose positive class is 1 by default take the second of two classes, if none of them is 1."""
        if not isinstance(scorer, _BaseScorer) or len(self.classes) != 2 or "pos_label" in scorer._kwargs:
            return scorer
        parameters = inspect.signature(scorer._score_func).parameters
        if "pos_label" not in parameters or parameters["pos_label"].default in self.classes.tolist():
            return scorer
        # Metrics such as F1 have no positive class where they average over classes.
        is_binary = "average" not in parameters or parameters["average"].default != "binary"
        is_binary = is_binary or scorer._kwargs.get("average", "binary") == "binary"
        scorer = copy.copy(scorer)
        scorer._kwargs = {**scorer._kwargs, "pos_label": self.classes[1] if is_binary else None}
        return scorer


class _LabelledNet:
    """A net that predicts labels; all else is the net's own."""

    def __init__(self, net: Any, classes: NDArray[Any]):
        self._net = net
        self.classes_ = classes

    def predict(self, X: Any) -> NDArray[Any]:
        return self.classes_[self._net.predict(X)]

    def score(self, X: Any, y: Any) -> float:
        return accuracy_score(y, self.predict(X))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net, name)
