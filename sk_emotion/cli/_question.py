"""Binary questions ("pain or not?") for labels and for models of more classes."""

import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if

from ..emotions import consolidate_emotions, is_known_emotion, normalize_emotion
from ..exceptions import DatasetWarning, LabelError
from ..utils._text import abridge
from ._output import Progress, describe_classes

_N_NAMED = 10


def ask_binary(
    labels: Any, binary: str | None, progress: Progress, *, of_model: bool = False
) -> tuple[Any, str | None]:
    """Convert labels to the answers of a binary question; return them and the positive one.

    Called before face detection, which takes minutes. A question that names no label raises an error; if the question
    is `of_model`, some of its classes may be missing from the labels, but not all.
    """
    if binary is None:
        return labels, None
    wanted, positive = _find_positive(labels, binary, of_model)
    no, yes = _name_answers(wanted)
    with warnings.catch_warnings():
        # The counts are printed below; a set without positive samples is still useful for evaluation.
        warnings.simplefilter("ignore", DatasetWarning)
        labels = consolidate_emotions(labels, positive=positive or wanted, names=(no, yes))
    progress.say(f"Question: {describe_classes(labels)}")
    return labels, yes


def find_question(classes: Any) -> str | None:
    """Return the binary question that a model with these classes was trained on, or None."""
    names = [str(label) for label in classes]
    if len(names) != 2:
        return None
    asked = [name for name in names if f"not {name}" in names]
    return asked[0] if asked else None


def same_question(one: str, other: str) -> bool:
    """Return whether two questions name the same classes."""
    return set(_split_names(one)) == set(_split_names(other))


def find_obstacle(classifier: Any, labels: Any, binary: str) -> str:
    """Return the reason why a classifier cannot answer a question for these labels, or an empty string."""
    wanted = set(_split_names(binary))
    known = {str(normalize_emotion(label)) for label in classifier.classes_}
    classes = ", ".join(map(str, classifier.classes_))
    unknown = sorted(wanted & {str(normalize_emotion(label)) for label in labels} - known)
    if unknown or not wanted & known:
        return f"the model has no class {' or '.join(unknown or sorted(wanted))}; its classes are {classes}"
    if known <= wanted:
        return f"all classes of the model ({classes}) would be positive"
    if len(known) > 2 and not hasattr(classifier, "predict_proba"):
        return "the model has no predict_proba, whose probabilities are summed"
    return ""


class BinaryAnswer(ClassifierMixin, BaseEstimator):
    """Answer a binary question with a fitted classifier of other or more classes.

    The probability of the positive answer is the sum of the probabilities of the positive classes. With two classes,
    the prediction of the classifier is used, since it may have a tuned threshold.

    Parameters
    ----------
    classifier : classifier
        Fitted classifier.
    binary : str
        Positive classes, as for :func:`ask_binary`.
    """

    def __init__(self, classifier: Any, binary: str):
        self.classifier = classifier
        self.binary = binary

    def fit(self, X: Any = None, y: Any = None) -> "BinaryAnswer":
        """Set the classes; the classifier is not refitted."""
        wanted = _split_names(self.binary)
        no, self.yes_ = _name_answers(wanted)
        self.classes_ = np.sort([no, self.yes_])
        names = [str(normalize_emotion(label)) for label in self.classifier.classes_]
        self.is_positive_ = np.isin(names, wanted)
        return self

    @available_if(lambda self: hasattr(self.classifier, "predict_proba"))
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of `classes_`, one column each."""
        probabilities = self.classifier.predict_proba(X)
        yes = probabilities[:, self.is_positive_].sum(axis=1, keepdims=True)
        no = probabilities[:, ~self.is_positive_].sum(axis=1, keepdims=True)
        return np.where(self.classes_ == self.yes_, yes, no)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the answer: the classifier's own choice of two classes, or the more probable one."""
        if len(self.classifier.classes_) > 2:
            return self.classes_[self.predict_proba(X).argmax(axis=1)]
        is_yes = np.isin(self.classifier.predict(X), self.classifier.classes_[self.is_positive_])
        return np.where(is_yes, self.yes_, self.classes_[self.classes_ != self.yes_])


def _split_names(binary: str) -> list[str]:
    """Split a question, or the name of its positive answer, into the positive classes."""
    return [str(normalize_emotion(name.strip())) for name in re.split(r",| or ", binary) if name.strip()]


def _name_answers(wanted: list[str]) -> tuple[str, str]:
    name = " or ".join(wanted)
    return f"not {name}", name


def _find_positive(labels: Any, binary: str, of_model: bool) -> tuple[list[str], list[Any]]:
    """Return the positive classes, as named in the question and as they occur in the labels."""
    wanted = _split_names(binary)
    classes = np.unique(labels).tolist()
    positive = [label for label in classes if str(label) in wanted]
    unknown = [name for name in wanted if name not in map(str, classes) and not is_known_emotion(name)]
    unanswerable = not positive and (unknown or not all(is_known_emotion(label) for label in classes))
    if unanswerable or (unknown and not of_model):
        raise LabelError(
            f"{'the model was trained for it, but' if of_model else '--binary:'} no label is "
            f"{' or '.join(unknown or wanted)}. The labels are {abridge([str(label) for label in classes], _N_NAMED)}. "
            f"{'Rename' if of_model else 'Pass'} one of these; in a table, --label-column names the column of labels."
        )
    return wanted, positive
