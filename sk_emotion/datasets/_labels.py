"""Map labels to classes, and make the Bunch that every loader returns."""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch

from ..emotions import is_known_emotion, normalize_emotion
from ..exceptions import DatasetError, DatasetWarning
from ..utils._text import abridge, name_some, printable, quote_name, show_path

_N_COLUMNS = 20

# Names in common data sets: train, Training, PublicTest, val_set, test2, fold_1.
_SPLIT = re.compile(
    r"(train(ing)?|test(ing)?|val(id(ation)?)?|dev|eval(uation)?|public[ _-]?test|private[ _-]?test|hold[ _-]?out"
    r"|fold|split)([ _-]*(set|data|images|faces|split|fold|\d+))*",
    re.IGNORECASE,
)
_FLOAT = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_MOST_DIGITS = 100


def is_split(name: str) -> bool:
    """Return whether a folder name denotes a part of a split rather than a class."""
    return _SPLIT.fullmatch(name) is not None


def find_unnamed(folders: Iterable[str], labels: Mapping[Any, Any] | None) -> list[str]:
    """Return the folders that are not keys of `labels`; the keys are explicitly mapped to classes or left out."""
    named = {_as_key(key) for key in labels or ()}
    return [name for name in folders if name.strip() not in named]


def label_files(
    root: Path, names: Sequence[str], label: str | re.Pattern[str] | Callable[[Path], Any]
) -> list[str | None]:
    """Extract the label of each file from its path; None for files without one.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    names : sequence of str
        Paths relative to it, with ``/`` between folders.
    label : str, compiled regular expression or callable
        As in :func:`load_face_folder`.

    Returns
    -------
    list of str or None

    Raises
    ------
    DatasetError
        If `label` is not a regular expression with a group, matches nothing, raises, or returns anything but a str,
        an int or None.
    """
    if not isinstance(label, str | re.Pattern):
        return [_call(label, root, name) for name in names]
    try:
        pattern = re.compile(label)
    except re.error as error:
        raise DatasetError(
            f"load_face_folder: label={label!r} is not a valid regular expression ({error}). Pass one, or a function."
        ) from error
    if not pattern.groups or isinstance(pattern.pattern, bytes):
        raise DatasetError(
            f"load_face_folder: label={pattern.pattern!r} is not a str pattern with a capturing group. Put the part of "
            r"the path that is the label in parentheses, as in r'_(happy|sad)\.jpg'."
        )
    matches = (pattern.search(name) for name in names)
    found = [(match[1] or "").strip() or None if match else None for match in matches]
    if names and not any(found):
        raise DatasetError(
            f"load_face_folder: label={pattern.pattern!r} matches none of {len(names)} photos in '{root}': "
            f"{name_some(names)}. The pattern is searched in these paths, and its first group is the label."
        )
    return found


def _call(label: Callable[[Path], Any], root: Path, name: str) -> str | None:
    try:
        found = label(root / name)
    except Exception as error:
        raise DatasetError(
            f"load_face_folder: label raised {type(error).__name__} ({error}) for '{name}'. Return None to skip a file."
        ) from error
    if found is None:
        return None
    if _is_label(found):
        return str(found).strip()
    raise DatasetError(
        f"load_face_folder: label returned {found!r:.60} ({type(found).__name__}) for '{name}'. Return the label as "
        "str or int, or None to skip the file."
    )


def _is_label(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, Integral) and not isinstance(value, bool)


def strip_label(label: Any) -> Any:
    """Return a name without the blanks around it, which nobody sees: they do not make another class."""
    return label.strip() if isinstance(label, str) else label


def _join_spellings(classes: dict[Any, Any]) -> dict[Any, Any]:
    """Make one class of those that differ in the blanks around them."""
    written: dict[Any, set[Any]] = {}
    for label in classes.values():
        written.setdefault(strip_label(label), set()).add(label)
    return {
        name: strip_label(label) if len(written[strip_label(label)]) > 1 else label for name, label in classes.items()
    }


def map_labels(names: Iterable[Any], labels: Mapping[Any, Any] | None, where: str) -> dict[Any, Any]:
    """Map each distinct name or code to its class, or to None to leave it out.

    Parameters
    ----------
    names : iterable of str or number
        Names of folders, or codes.
    labels : mapping or None
        From names or codes to classes, or to None. A number and its text are the same key.
    where : str
        Source of the names, for errors.

    Returns
    -------
    dict
        Mapping from the names to str or int, with standard names for emotions. A name that is not in `labels` is kept
        if it is an emotion.

    Raises
    ------
    DatasetError
        If a name is neither in `labels` nor an emotion, or `labels` maps to anything but str, int or None.
    """
    distinct = list(dict.fromkeys(names))
    if labels is None:
        return _join_spellings({name: normalize_emotion(name) for name in distinct})
    wrong = [value for value in labels.values() if value is not None and not _is_label(value)]
    if wrong:
        raise DatasetError(f"{where}: labels maps to {wrong[0]!r:.60}. Map to a str or int, or to None to leave out.")
    by_key = {_as_key(key): value for key, value in labels.items()}
    if len(by_key) < len(labels):
        raise DatasetError(f"{where}: labels={dict(labels)!r:.200} contains the same name twice. Remove one of them.")
    by_number = {_as_number(key): value for key, value in by_key.items() if _as_number(key) is not None}
    spelled = {normalize_emotion(key): value for key, value in by_key.items()}
    mapped: dict[Any, Any] = {}
    unknown = []
    for name in distinct:
        key = _as_key(name)
        places: list[tuple[Mapping[Any, Any], Any]] = [
            (by_key, key),
            (by_number, _as_number(key)),
            (spelled, normalize_emotion(key)),
        ]
        if found := [known[wanted] for known, wanted in places if wanted in known]:
            mapped[name] = normalize_emotion(found[0])
        elif is_known_emotion(name):
            mapped[name] = normalize_emotion(name)
        else:
            unknown.append(name)
    if unknown:
        raise DatasetError(
            f"{where}: labels has no entry for {name_some(unknown)}, which are not known emotions. Add them, or map "
            "them to None to leave them out."
        )
    if any(isinstance(name, str) for name in mapped.values()):
        # Classes must be all str or all int.
        mapped = {name: found if found is None else str(found) for name, found in mapped.items()}
    return mapped


def _as_key(name: Any) -> str:
    """Convert a number to text, an integer without a decimal point."""
    whole = isinstance(name, Real) and not isinstance(name, Integral) and float(name).is_integer()
    return str(int(name)) if whole else str(name).strip()


def _as_number(key: str) -> int | None:
    """Parse an integer in any notation: the code 1 may be the folder 01, or 1.0 in a table."""
    if key.isdecimal():
        # Python limits the number of digits of an int.
        return int(key) if len(key) <= _MOST_DIGITS else None
    number = float(key) if _FLOAT.fullmatch(key) else None
    return int(number) if number is not None and number.is_integer() else None


def warn_of_no_emotions(classes: Sequence[Any], labels: Mapping[Any, Any] | None, where: str) -> None:
    """Warn about classes that seem to be persons, parts of a split or codes; those named in `labels` are intended."""
    meant = {str(normalize_emotion(value)) for value in (labels or {}).values()}
    unknown = [str(name) for name in classes if not is_known_emotion(name) and str(name) not in meant]
    odd = [name for name in unknown if is_split(name) or name.isdecimal()]
    if not unknown or not (odd or len(unknown) == len(classes)):
        return
    what = (
        f"no class is a known emotion: {name_some(unknown)}"
        if len(unknown) == len(classes)
        else f"the classes {name_some(odd)} are not emotions"
    )
    warnings.warn(
        f"{where}: {what}. If they are persons or parts of a split, extract the emotion from the paths with label=; if "
        "they are codes, map them to emotions with labels={'1': 'surprise', ...}; if they are custom classes, add them "
        "to labels.",
        DatasetWarning,
        # Point to the caller of load_face_folder, above scikit-learn's parameter validation.
        stacklevel=4,
    )


def make_bunch(
    data: Any,
    target: NDArray[Any],
    groups: NDArray[Any] | None,
    *,
    name: str,
    notes: Iterable[str],
    return_X_y: bool,
    as_frame: bool,
    **others: Any,
) -> Bunch | tuple[Any, Any]:
    """Make the return value of a loader.

    Parameters
    ----------
    data : array-like of shape (n_samples,) or (n_samples, H, W)
        Paths, or pixels.
    target : ndarray of shape (n_samples,)
        Labels.
    groups : ndarray of shape (n_samples,) or None
        Groups that a splitter must keep together.
    name : str
        Name of the data set in ``DESCR``.
    notes : iterable of str
        Further lines of the ``DESCR``.
    return_X_y, as_frame : bool
        As in the loaders of scikit-learn.
    **others : dict
        Further attributes of the Bunch.

    Returns
    -------
    Bunch or tuple of (data, target)
    """
    X: Any = data
    y: Any = target
    frame = None
    if as_frame:
        X, y = _make_frame(data), pd.Series(target, name="label")
        columns = [X, y] if groups is None else [X, y, pd.Series(groups, name="group")]
        frame = pd.concat(columns, axis=1)
    if return_X_y:
        return X, y
    classes, counts = np.unique(target, return_counts=True)
    sizes = ", ".join(f"{label} {count}" for label, count in zip(classes, counts, strict=True))
    lines = [name, "", f"{len(target)} images in {len(classes)} classes: {sizes}.", *notes, _describe_groups(groups)]
    text = "\n".join(map(printable, lines)) + "\n"
    return Bunch(data=X, target=y, target_names=classes, groups=groups, frame=frame, DESCR=text, **others)


def check_classes(target: NDArray[Any], where: str, hint: str) -> None:
    """Reject labels of a single class."""
    classes = np.unique(target)
    if len(classes) == 1:
        name = printable(show_path(str(classes[0])))
        raise DatasetError(f"{where} holds a single class: {name} ({len(target)} images). {hint}")


def name_columns(columns: Iterable[Any]) -> str:
    """Format the names of a table's columns, shortened if there are many or if they are long text."""
    return f"[{abridge(list(map(quote_name, columns)), _N_COLUMNS)}]"


def _make_frame(data: NDArray[Any]) -> pd.DataFrame:
    if data.ndim == 1:
        return pd.DataFrame({"image": data})
    rows = data.reshape(len(data), -1)
    return pd.DataFrame(rows, columns=[f"pixel_{number}" for number in range(rows.shape[1])])


def _describe_groups(groups: NDArray[Any] | None) -> str:
    if groups is None:
        return "No groups."
    sizes = pd.Series(groups).value_counts()
    return f"{len(sizes)} groups; {int((sizes > 1).sum())} of more than one image, the largest of {sizes.max()}."
