"""The binary question: asked of labels, and of models that tell more classes."""

import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from ..emotions import consolidate_emotions, is_known_emotion, normalize_emotion
from ..exceptions import DatasetWarning, LabelError
from ._output import Progress, describe_classes

_N_NAMED = 10


def ask_binary(
    labels: Any, binary: str | None, progress: Progress, *, of_model: bool = False
) -> tuple[Any, str | None]:
    """Make a binary question of many classes; give the labels and the positive one.

    It is asked before any picture is read, which takes minutes: a question about no label is refused, unless it is that
    `of_model`, which may know classes that these labels lack.
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


def answers(classifier: Any, binary: str) -> bool:
    """Tell whether a classifier of more classes can answer: some of them say yes and some no, by probabilities."""
    wanted = _split_names(binary)
    n_positive = sum(str(label) in wanted for label in classifier.classes_)
    return 0 < n_positive < len(classifier.classes_) and hasattr(classifier, "predict_proba")


class BinaryAnswer(ClassifierMixin, BaseEstimator):
    """Answers a binary question by a fitted classifier of more classes.

    The probability of yes is the sum of those of the classes that say so.

    Parameters
    ----------
    classifier : classifier
        Fitted, with `predict_proba`.
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
        self.says_yes_ = np.isin(self.classifier.classes_.astype(str), wanted)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Give a column of probabilities for each of `classes_`."""
        yes = self.classifier.predict_proba(X)[:, self.says_yes_].sum(axis=1, keepdims=True)
        return np.where(self.classes_ == self.yes_, yes, 1 - yes)

    def predict(self, X: Any) -> NDArray[Any]:
        """Give the likelier answer."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


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
            f"--binary: no label is {' or '.join(unknown or wanted)}. There are "
            f"{', '.join(map(str, classes[:_N_NAMED]))}{' and more' if len(classes) > _N_NAMED else ''}: name one of "
            "these; in a table, --label-column says where the emotions are."
        )
    return wanted, positive
