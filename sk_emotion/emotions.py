"""Names of emotions, their aliases, and binary targets."""

import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .exceptions import DatasetWarning, LabelError

EMOTIONS = ("anger", "disgust", "fear", "happiness", "pain", "sadness")
"""The six emotions of the project, in alphabetical order, as scikit-learn sorts classes."""

_SPELLINGS = {
    "anger": ("angry", "angriness", "mad", "rage", "furious"),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted", "disgusting"),
    "fear": ("fearful", "feared", "afraid", "scared", "fright", "frightened"),
    "happiness": ("happy", "joy", "joyful", "smiling", "smile"),
    "neutral": ("neutrality", "no emotion"),
    "pain": ("painful", "pained", "in pain"),
    "sadness": ("sad", "unhappy", "sorrow"),
    "surprise": ("surprised", "surprising"),
}
_CANONICAL = {alias: name for name, aliases in _SPELLINGS.items() for alias in (name, *aliases)}


def normalize_emotion(name: Any) -> Any:
    """Return the standard name of an emotion.

    Parameters
    ----------
    name : str
        The name in any case, as a noun or adjective: ``"happy"``, ``"Angry"``, ``"SAD"``, ``"in_pain"``.

    Returns
    -------
    str
        The standard noun in lower case: one of :data:`EMOTIONS`, ``"neutral"``, ``"surprise"`` or ``"contempt"``.
        Any other value is returned as is, with accents normalized (Unicode NFC).

    Examples
    --------
    >>> from sk_emotion import normalize_emotion
    >>> [normalize_emotion(name) for name in ["happy", "Angry", "SAD", "neutral", "Boredom"]]
    ['happiness', 'anger', 'sadness', 'neutral', 'Boredom']
    """
    if not isinstance(name, str):
        return name
    folded = " ".join(name.replace("_", " ").replace("-", " ").split()).casefold()
    # Some systems encode an accented letter as two characters.
    return _CANONICAL.get(folded, unicodedata.normalize("NFC", name))


def is_known_emotion(name: Any) -> bool:
    """Return whether a name, in any spelling, is a known emotion, including neutral."""
    return normalize_emotion(name) in _SPELLINGS


def normalize_emotions(y: Iterable[Any]) -> NDArray[Any]:
    """Return the standard names of labels, computed once per distinct label."""
    labels = _as_array(y if hasattr(y, "__len__") else list(y))
    if labels.dtype.kind not in "OUT":
        return labels
    known = {label: normalize_emotion(label) for label in set(labels.tolist())}
    names = np.array([known[label] for label in labels.tolist()], dtype=object)
    # NumPy would convert numbers and missing values among strings to text.
    return names.astype(str) if all(isinstance(name, str) for name in known.values()) else names


def consolidate_emotions(
    y: ArrayLike, positive: str | Sequence[str], names: tuple[str, str] | None = None
) -> NDArray[Any]:
    """Convert multiclass labels to a binary target.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of any number of classes; names are compared after :func:`normalize_emotion`.
    positive : str or sequence of str
        The positive class or classes; all others are negative.
    names : tuple of (str, str), default=None
        Names of the negative and the positive class. By default 0 and 1, so that scikit-learn's ``f1``,
        ``roc_auc`` and ``average_precision`` scorers work as they are.

    Returns
    -------
    ndarray of shape (n_samples,)
        1 (or ``names[1]``) where the label is among `positive`, else 0 (or ``names[0]``).

    Raises
    ------
    LabelError
        If a label is missing, if `positive` is empty, contains a name that is neither in `y` nor a known emotion, or
        any name while `y` contains none, or if `names` is not a pair of different names.

    Warns
    -----
    DatasetWarning
        If no label is among `positive`.

    Examples
    --------
    One or more classes against the rest:

    >>> import numpy as np
    >>> from sk_emotion import EMOTIONS, consolidate_emotions
    >>> y = np.array(["pain", "happy", "neutral", "sadness"])
    >>> consolidate_emotions(y, positive="pain")
    array([1, 0, 0, 0])
    >>> consolidate_emotions(y, positive=["pain", "sadness"], names=("well", "unwell"))
    array(['unwell', 'well', 'well', 'unwell'], dtype='<U6')

    All six emotions against neutral:

    >>> consolidate_emotions(y, positive=EMOTIONS)
    array([1, 1, 0, 1])

    One against one: select the rows of both first.

    >>> both = np.isin(y, ["pain", "neutral"])
    >>> consolidate_emotions(y[both], positive="pain")
    array([1, 0])
    """
    labels = _as_array(y)
    if labels.ndim != 1:
        raise LabelError(
            f"consolidate_emotions: y has shape {labels.shape}, expected one label per sample: (n_samples,)."
        )
    missing = int(pd.isna(labels).sum())
    if missing:
        raise LabelError(f"consolidate_emotions: {missing} labels in y are missing. Drop these samples.")
    labels = normalize_emotions(labels)
    wanted = [positive] if isinstance(positive, str | bytes) or not isinstance(positive, Iterable) else list(positive)
    wanted = [normalize_emotion(name) for name in wanted]
    if not wanted:
        raise LabelError("consolidate_emotions: positive is empty. Pass at least one class.")
    present = set(labels.tolist())
    if present and not any(isinstance(label, str) for label in present):
        nameless = [name for name in wanted if isinstance(name, str)]
        if nameless:
            raise LabelError(
                f"consolidate_emotions: positive={nameless} are names, but y contains {sorted(present, key=str)}. Pass "
                "one or more of these."
            )
    unknown = [name for name in wanted if name not in present and name not in _SPELLINGS]
    if unknown:
        raise LabelError(
            f"consolidate_emotions: positive={unknown} is neither in y nor a known emotion. "
            f"y contains {sorted(present, key=str)}."
        )
    answer = np.array([label in wanted for label in labels.tolist()], dtype=np.int64)
    if len(answer) and not answer.any():
        warnings.warn(
            f"consolidate_emotions: no label is {' or '.join(map(str, wanted))}, so all samples are negative. "
            f"y contains {sorted(present, key=str)}.",
            DatasetWarning,
            stacklevel=2,
        )
    if names is None:
        return answer
    if isinstance(names, str) or len(names) != 2 or None in names or str(names[0]) == str(names[1]):
        raise LabelError(
            f"consolidate_emotions: names={names!r}, expected two different names, the negative one first, "
            'as in names=("no pain", "pain").'
        )
    return np.asarray(names)[answer]


def _as_array(y: Any) -> NDArray[Any]:
    """Convert labels to an array without converting numbers and missing values among strings to text."""
    labels = np.asarray(y)
    return np.asarray(y, dtype=object) if labels.dtype.kind == "U" else labels
