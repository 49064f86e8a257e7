"""The binary question: asked of labels, and of models that tell more classes."""

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
    """Make a binary question of many classes; give the labels and the positive one.

    It is asked before faces are looked for, which takes minutes. A question that names no label is refused; that
    `of_model` may name some that these labels lack, but not all.
    """
    if binary is None:
        return labels, None
    wanted, positive = _find_positive(labels, binary, of_model)
    no, yes = _name_answers(wanted)
    with warnings.catch_warnings():
        # How many say yes is told below; a set of those who do not is of use to judge by.
        warnings.simplefilter("ignore", DatasetWarning)
        labels = consolidate_emotions(labels, positive=positive or wanted, names=(no, yes))
    progress.say(f"Question: {describe_classes(labels)}")
    return labels, yes


def find_question(classes: Any) -> str | None:
    """Find the binary question that a model with these classes was trained on, if it was one of :func:`ask_binary`."""
    names = [str(label) for label in classes]
    if len(names) != 2:
        return None
    asked = [name for name in names if f"not {name}" in names]
    return asked[0] if asked else None


def same_question(one: str, other: str) -> bool:
    """Tell whether two questions name the same classes."""
    return set(_split_names(one)) == set(_split_names(other))


def find_obstacle(classifier: Any, labels: Any, binary: str) -> str:
    """Say why a classifier of more classes cannot answer for images with these labels; nothing if it can."""
    wanted = set(_split_names(binary))
    known = {str(normalize_emotion(label)) for label in classifier.classes_}
    told = ", ".join(map(str, classifier.classes_))
    unknown = sorted(wanted & {str(normalize_emotion(label)) for label in labels} - known)
    if unknown or not wanted & known:
        return f"the model does not tell {' or '.join(unknown or sorted(wanted))}, but {told}"
    if known <= wanted:
        return f"all that the model tells ({told}) would be yes"
    if len(known) > 2 and not hasattr(classifier, "predict_proba"):
        return "the model gives no probabilities to add up"
    return ""


class BinaryAnswer(ClassifierMixin, BaseEstimator):
    """Answers a binary question by a fitted classifier of other or more classes.

    The probability of yes is the sum of those of the classes that say so. Of two classes, the classifier chooses by
    itself, since it may have a threshold of its own.

    Parameters
    ----------
    classifier : classifier
        Fitted.
    binary : str
        Its classes that say yes, as for :func:`ask_binary`.
    """

    def __init__(self, classifier: Any, binary: str):
        self.classifier = classifier
        self.binary = binary

    def fit(self, X: Any = None, y: Any = None) -> "BinaryAnswer":
        """Name the answers; the classifier learns nothing more."""
        wanted = _split_names(self.binary)
        no, self.yes_ = _name_answers(wanted)
        self.classes_ = np.sort([no, self.yes_])
        names = [str(normalize_emotion(label)) for label in self.classifier.classes_]
        self.says_yes_ = np.isin(names, wanted)
        return self

    @available_if(lambda self: hasattr(self.classifier, "predict_proba"))
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Give a column of probabilities for each of `classes_`."""
        probabilities = self.classifier.predict_proba(X)
        yes = probabilities[:, self.says_yes_].sum(axis=1, keepdims=True)
        no = probabilities[:, ~self.says_yes_].sum(axis=1, keepdims=True)
        return np.where(self.classes_ == self.yes_, yes, no)

    def predict(self, X: Any) -> NDArray[Any]:
        """Give the answer that the classifier chooses of two, or the likelier one."""
        if len(self.classifier.classes_) > 2:
            return self.classes_[self.predict_proba(X).argmax(axis=1)]
        is_yes = np.isin(self.classifier.predict(X), self.classifier.classes_[self.says_yes_])
        return np.where(is_yes, self.yes_, self.classes_[self.classes_ != self.yes_])


def _split_names(binary: str) -> list[str]:
    """Name the classes that say yes. The name of the answer is a question too: a model keeps no other trace of it."""
    return [str(normalize_emotion(name.strip())) for name in re.split(r",| or ", binary) if name.strip()]


def _name_answers(wanted: list[str]) -> tuple[str, str]:
    name = " or ".join(wanted)
    return f"not {name}", name


def _find_positive(labels: Any, binary: str, of_model: bool) -> tuple[list[str], list[Any]]:
    """Find the classes that answer yes: as they were named, and as they stand among the labels."""
    wanted = _split_names(binary)
    classes = np.unique(labels).tolist()
    positive = [label for label in classes if str(label) in wanted]
    unknown = [name for name in wanted if name not in map(str, classes) and not is_known_emotion(name)]
    answerless = not positive and (unknown or not all(is_known_emotion(label) for label in classes))
    if answerless or (unknown and not of_model):
        raise LabelError(
            f"{'the model asks for it, but' if of_model else '--binary:'} no label is "
            f"{' or '.join(unknown or wanted)}. There are {abridge([str(label) for label in classes], _N_NAMED)}. "
            f"{'Rename' if of_model else 'Name'} one of these; in a table, --label-column says where the emotions are."
        )
    return wanted, positive
