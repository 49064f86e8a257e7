"""The one check of labels."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from ..emotions import normalize_emotion
from ..exceptions import DatasetWarning, LabelError
from ._tensors import as_numpy
from ._text import abridge, withhold


def check_labels(y: Any, owner: str, name: str = "y") -> NDArray[Any]:
    """Give labels as an array of shape (n_samples,); refuse missing ones."""
    y = as_numpy(y, owner, name)
    values = y if hasattr(y, "shape") else np.asarray(y)
    if np.ndim(values) != 1 and np.shape(values)[1:] != (1,):
        raise LabelError(f"{owner}: {name} has shape {np.shape(values)}, expected one label a sample: (n_samples,).")
    labels = column_or_1d(values, warn=True)
    refuse_missing(y, owner, name)
    if labels.dtype.kind == "f":
        try:
            assert_all_finite(labels, input_name=name)
        except ValueError as error:
            raise LabelError(f"{owner}: {error}") from error
    return labels


def refuse_missing(y: Any, owner: str, name: str = "y") -> None:
    """Refuse NaN, None and their like among labels of any kind."""
    y = as_numpy(y, owner, name)
    # NumPy makes text of a NaN that stands among names in a list.
    labels = y if hasattr(y, "shape") else np.asarray(y, dtype=object)
    missing = np.flatnonzero(pd.isna(labels) & (np.ndim(labels) > 0))
    if len(missing):
        raise LabelError(
            f"{owner}: Input {name} contains NaN or None in {len(missing)} of {len(labels)} places, first in "
            f"{name}[{missing[0]}]. Drop these samples."
        )


def check_classes(y: Any, owner: str) -> None:
    """Refuse missing labels, and numbers that are no labels of classes."""
    y = as_numpy(y, owner, "y")
    refuse_missing(y, owner)
    try:
        check_classification_targets(y)
    except (TypeError, ValueError) as error:
        raise LabelError(f"{owner}: y holds no class labels ({error}).") from error
    refuse_encoded(np.asarray(y).ravel().tolist(), f"{owner}: y")


def refuse_encoded(labels: Iterable[Any], owner: str, error: type[Exception] = LabelError) -> None:
    """Refuse pictures in base64 in the place of labels, which tables and pages would show."""
    for label in {label for label in labels if isinstance(label, str)}:
        if (shown := withhold(label)) != label:
            raise error(f"{owner} holds '{shown}', which is encoded data. Pass names of classes or numbers as labels.")


def check_lengths(owner: str, n_samples: int, n_labels: int, groups: Any) -> None:
    """Refuse labels or groups that are not one a sample."""
    if n_labels != n_samples:
        raise LabelError(f"{owner}: X has {n_samples} samples, but y has {n_labels} labels. Give one label a sample.")
    if groups is not None and len(groups) != n_samples:
        raise LabelError(
            f"{owner}: X has {n_samples} samples, but groups has {len(groups)} entries. Give one group a sample."
        )


def describe_spelling(labels: Iterable[Any], classes: Iterable[Any]) -> str:
    """Say which labels are other words for classes, in a sentence that begins with a blank; nothing if none is."""
    known = set(classes)
    names = {normalize_emotion(name) for name in known if isinstance(name, str)}
    others = sorted({label for label in labels if isinstance(label, str) and label not in known})
    respelled = [label for label in others if normalize_emotion(label) in names]
    if not respelled:
        return ""
    meant = abridge([f"{label!r} as {normalize_emotion(label)!r}" for label in respelled], 5)
    both = "" if names <= known else " for fit, too"
    return f" sk_emotion.normalize_emotion writes {meant}: pass [normalize_emotion(label) for label in y]{both}."


def check_scored_labels(y: Any, classes: NDArray[Any], owner: str) -> None:
    """Point out labels that a classifier gives in other words, which all count as mistakes; refuse numbers for names.

    Labels of other classes are mistakes as they are: those of a fold, say.
    """
    labels = np.ravel(np.asarray(as_numpy(y, owner, "y")))
    known = classes.tolist()
    unknown = set(labels.tolist()).difference(known)
    texts = {isinstance(label, str) for label in unknown}
    if unknown and texts.isdisjoint({isinstance(label, str) for label in known}):
        raise LabelError(
            f"{owner}: y holds {abridge(sorted(map(repr, unknown)), 5)}, but the classes are "
            f"{abridge(list(map(repr, known)), 10)}. Pass names for names and numbers for numbers, in y as in fit."
        )
    if spelling := describe_spelling(unknown, known):
        # The level of the caller of score.
        warnings.warn(
            f"{owner}: y holds labels in other words than the classes, which count as mistakes.{spelling}",
            DatasetWarning,
            stacklevel=3,
        )
