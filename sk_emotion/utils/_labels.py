"""Validate labels."""

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
from ._arrays import as_numpy
from ._text import abridge, withhold


def check_labels(y: Any, owner: str, name: str = "y") -> NDArray[Any]:
    """Return labels as an array of shape (n_samples,); reject missing ones."""
    y = as_numpy(y, owner, name)
    values = y if hasattr(y, "shape") else np.asarray(y)
    if np.ndim(values) != 1 and np.shape(values)[1:] != (1,):
        raise LabelError(f"{owner}: {name} has shape {np.shape(values)}, expected one label per sample: (n_samples,).")
    labels = column_or_1d(values, warn=True)
    refuse_missing(y, owner, name)
    if labels.dtype.kind == "f":
        try:
            assert_all_finite(labels, input_name=name)
        except ValueError as error:
            raise LabelError(f"{owner}: {error}") from error
    return labels


def refuse_missing(y: Any, owner: str, name: str = "y") -> None:
    """Reject NaN, None and other missing values among labels of any dtype."""
    y = as_numpy(y, owner, name)
    # NumPy would convert a NaN among strings in a list to text.
    labels = y if hasattr(y, "shape") else np.asarray(y, dtype=object)
    missing = np.flatnonzero(pd.isna(labels) & (np.ndim(labels) > 0))
    if len(missing):
        raise LabelError(
            f"{owner}: Input {name} contains NaN or None in {len(missing)} of {len(labels)} places, first in "
            f"{name}[{missing[0]}]. Drop these samples."
        )


def check_classes(y: Any, owner: str) -> None:
    """Reject missing labels, and numbers that are not class labels."""
    y = as_numpy(y, owner, "y")
    refuse_missing(y, owner)
    try:
        check_classification_targets(y)
    except (TypeError, ValueError) as error:
        raise LabelError(f"{owner}: y contains no class labels ({error}).") from error
    refuse_encoded(np.asarray(y).ravel().tolist(), f"{owner}: y")


def refuse_encoded(labels: Iterable[Any], owner: str, error: type[Exception] = LabelError) -> None:
    """Reject base64 in the place of labels, which tables and pages would show."""
    for label in {label for label in labels if isinstance(label, str)}:
        if (shown := withhold(label)) != label:
            raise error(f"{owner} holds '{shown}', which is encoded data. Pass names of classes or numbers as labels.")


def check_lengths(owner: str, n_samples: int, n_labels: int, groups: Any) -> None:
    """Check that there is one label and one group per sample."""
    samples = ("X", n_samples, "samples")
    check_same_length(owner, samples, ("y", n_labels, "labels"), "one label per sample")
    if groups is not None:
        check_same_length(owner, samples, ("groups", len(groups), "entries"), "one group per sample")


def check_same_length(
    owner: str,
    first: tuple[str, int, str],
    second: tuple[str, int, str],
    remedy: str,
    error: type[ValueError] = LabelError,
) -> None:
    """Check that two inputs have the same length; each is a name, a number, and what it counts."""
    if first[1] != second[1]:
        has = ", but ".join(f"{name} has {number} {unit}" for name, number, unit in (first, second))
        raise error(f"{owner}: {has}. Pass {remedy}.")


def check_known(owner: str, name: str, labels: NDArray[Any], classes: NDArray[Any], advice: str = "") -> None:
    """Check that all labels are among the classes."""
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise LabelError(
            f"{owner}: {name} contains {unknown.tolist()}, which are not among the classes {classes.tolist()}."
            + (f" {advice}{describe_spelling(unknown.tolist(), classes)}" if advice else "")
        )


def describe_spelling(labels: Iterable[Any], classes: Iterable[Any]) -> str:
    """Describe labels that are synonyms of classes, in a sentence that begins with a space; else an empty string."""
    known = set(classes)
    names = {normalize_emotion(name) for name in known if isinstance(name, str)}
    others = sorted({label for label in labels if isinstance(label, str) and label not in known})
    respelled = [label for label in others if normalize_emotion(label) in names]
    if not respelled:
        return ""
    meant = abridge([f"{label!r} as {normalize_emotion(label)!r}" for label in respelled], 5)
    both = "" if names <= known else " for fit, too"
    return f" sk_emotion.normalize_emotion returns {meant}: pass [normalize_emotion(label) for label in y]{both}."


def check_scored_labels(y: Any, classes: NDArray[Any], owner: str) -> None:
    """Warn about synonyms of the classes, which count as errors; reject numbers in place of names."""
    labels = np.ravel(np.asarray(as_numpy(y, owner, "y")))
    known = classes.tolist()
    unknown = set(labels.tolist()).difference(known)
    texts = {isinstance(label, str) for label in unknown}
    if unknown and texts.isdisjoint({isinstance(label, str) for label in known}):
        raise LabelError(
            f"{owner}: y contains {abridge(sorted(map(repr, unknown)), 5)}, but the classes are "
            f"{abridge(list(map(repr, known)), 10)}. Pass labels of the same type as in fit."
        )
    if spelling := describe_spelling(unknown, known):
        # Point to the caller of score.
        warnings.warn(
            f"{owner}: y contains synonyms of the classes, which count as errors.{spelling}",
            DatasetWarning,
            stacklevel=3,
        )
