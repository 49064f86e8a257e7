"""Load photos from folders named by emotion."""

import itertools
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ..emotions import is_known_emotion, normalize_emotion
from ..exceptions import DatasetError, DatasetNotFoundError, DatasetWarning, ImageReadError
from ..leakage._duplicates import number_looks
from ..leakage._groups import describe_label_conflicts, extract_groups, find_label_conflicts
from ..leakage._thumbnails import read_thumbnails
from ..utils._text import name_some, show_missing
from ._files import is_hidden, is_table, leads_back, list_files, looks_like_photo, resolve_parents
from ._labels import (
    check_classes,
    find_unnamed,
    is_split,
    label_files,
    make_bunch,
    map_labels,
    warn_of_no_emotions,
)

_ADVICE = "Pass a folder that contains one folder of photos per emotion."
_INNERMOST = r"r'([^/]+)/[^/]+$'"


@dataclass
class _Contents:
    """Contents of a folder: readable photos, and what was left out."""

    names: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


@validate_params(
    {
        "path": [str, os.PathLike],
        "label": [str, re.Pattern, callable, None],
        "labels": [Mapping, None],
        "groups": [str, re.Pattern, Mapping, None],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_face_folder(
    path: str | os.PathLike[str],
    *,
    label: str | re.Pattern[str] | Callable[[Path], Any] | None = None,
    labels: Mapping[Any, Any] | None = None,
    groups: str | re.Pattern[str] | Mapping[str, Any] | None = "duplicates",
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple[Any, Any]:
    """Load photos from a folder that contains one folder per emotion.

    Folders inside a class folder belong to that class. Photos are recognized by content, whatever their file suffix.
    Hidden files are ignored; other files that are not intact photos, or exceed the default limits of
    :class:`~sk_emotion.FaceLoader`, are left out with a warning. To this end, each photo is decoded once at low
    resolution. Symbolic links are followed, except those to a parent folder.

    With `label`, photos may be anywhere below the folder, and their labels are extracted from their paths.

    Parameters
    ----------
    path : str or path-like
        Path of the folder.
    label : str, compiled regular expression or callable, default=None
        How to extract the label of a photo, if it is not the name of its folder:

        - a regular expression whose first group is the label, as in ``r"_(happy|sad)_\\d+\\.jpg$"``. It is searched in
          the path relative to `path`, with ``/`` between folders. Photos that it does not match are skipped with a
          warning;
        - a function of the photo's ``pathlib.Path`` that returns the label as str or int, or None to skip the
          photo.
    labels : mapping, default=None
        Mapping from folder names, or labels extracted by `label`, to classes, as in ``{1: "surprise", "AF": "fear"}``;
        names mapped to None are left out. A number and its text are the same key. Names that are not in the mapping
        must be emotions. Add custom classes, such as calm and tense, to mark them as intended; also names of parts of a
        split, which are rejected otherwise.
    groups : {"duplicates"}, regular expression, mapping or None, default="duplicates"
        Groups of photos that must not be split between training and test:

        - ``"duplicates"``: near-duplicates, found by :func:`find_duplicates`;
        - another string: a regular expression that extracts the person from the photo's path, as in
          ``r"subject(\\d+)"``.
          The group is the match of the group named ``person``, as in ``r"(?P<person>[a-z]+)_\\d+"``, else of the first
          group, else the whole match. The path is relative to `path`, with ``/`` between folders;
        - a mapping from that relative path, or from the file name alone, to the group;
        - ``None``: no groups.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to return pandas objects.

    Returns
    -------
    Bunch
        With the attributes

        - ``data``: ndarray of str objects of shape (n_samples,), the paths; with `as_frame` a DataFrame with the column
          ``image``. Sorted by emotion, then by name.
        - ``target``: ndarray of str of shape (n_samples,), the folder names or extracted labels, mapped by
          `labels`, as standard names where :func:`~sk_emotion.normalize_emotion` knows them (``happy`` and
          ``Happiness`` become one class; ``01`` stays ``01``); with `as_frame` a Series.
        - ``target_names``: ndarray of str, the classes, sorted.
        - ``groups``: ndarray of int or str of shape (n_samples,), or None.
        - ``frame``: with `as_frame`, a DataFrame with the columns ``image``, ``label`` and, where there are groups,
          ``group``; else None.
        - ``skipped``: ndarray of str objects, the paths of photos for which `label` or `labels` says nothing or None.
        - ``DESCR``: str, the number of photos per class, files left out, number of groups, and with
          ``groups="duplicates"`` the photos that are near-duplicates of photos with another label.

        Or, with `return_X_y`, the tuple ``(data, target)``.

    Raises
    ------
    DatasetNotFoundError
        If the folder does not exist.
    DatasetError
        If the path is a file; if the folder contains no class folders, no photos or a single class; if its folders are
        parts of a split or contain the same emotions again; if `label` or `groups` is not a valid regular expression;
        if `label` matches nothing, raises or returns no label; or if a photo has no group or no class in `labels`.

    Warns
    -----
    DatasetWarning
        For files left out, folders that cannot be read, and classes without photos; and if no class is a known
        emotion, or one is a number or a part of a split.

    See Also
    --------
    load_face_table : Load photos listed in a table.
    FaceLoader : Load the photos as arrays.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from sk_emotion.datasets import load_face_folder, make_faces
    >>> X, y, _ = make_faces(6, emotions=["happiness", "pain"], random_state=0)
    >>> folder = Path(tempfile.mkdtemp())
    >>> for number, (face, emotion) in enumerate(zip(X, y)):
    ...     (folder / emotion).mkdir(exist_ok=True)
    ...     Image.fromarray(face).save(folder / emotion / f"anna_{number}.png")
    >>> faces = load_face_folder(folder, groups=r"(?P<person>[a-z]+)_\\d+")
    >>> faces.target.tolist()
    ['happiness', 'happiness', 'happiness', 'pain', 'pain', 'pain']
    >>> set(faces.groups.tolist())
    {'anna'}
    """
    root = Path(path).expanduser()
    contents = _read_photos(root, None if label is not None else _find_class_folders(root, labels), label, labels)
    target = np.array(contents.labels)
    if not contents.names:
        advice = _describe_skipped(contents) if contents.skipped else _ADVICE
        raise DatasetError(f"load_face_folder: '{root}' contains no photos. {_describe_left_out(contents)}{advice}")
    skipped = f"{_describe_skipped(contents)} " if contents.skipped else ""
    hint = f"{_describe_left_out(contents)}{skipped}{_advise(root, target[0])}"
    check_classes(target, f"load_face_folder: '{root}'", hint)
    found: NDArray[Any] | None
    contradictions: list[NDArray[np.intp]] = []
    if isinstance(groups, str) and groups == "duplicates":
        found = number_looks(contents.thumbnails)
        contradictions = find_label_conflicts(target, found)
    else:
        found = extract_groups(contents.names, groups)
    _warn_of_left_out(root, contents, matched=isinstance(label, str | re.Pattern))
    warn_of_no_emotions(np.unique(target).tolist(), labels, f"load_face_folder: '{root}'")
    data = np.array([os.path.join(root, name) for name in contents.names], dtype=object)
    return make_bunch(
        data,
        target,
        found,
        name=f"Photos of faces from the folder '{root}'.",
        notes=[
            *_describe_merged(contents),
            _describe_left_out(contents).strip() or "No file left out.",
            *([_describe_skipped(contents)] if contents.skipped else []),
            _describe_grouping(groups),
            *describe_label_conflicts(contents.names, contradictions),
        ],
        return_X_y=return_X_y,
        as_frame=as_frame,
        skipped=np.array([os.path.join(root, name) for name in contents.skipped], dtype=object),
    )


def _refuse_no_folder(root: Path) -> None:
    # Not Path.exists, which raises an OSError for a name that is too long.
    if not os.path.exists(root):
        raise DatasetNotFoundError(f"load_face_folder: there is no folder {show_missing(root)}. {_ADVICE}")
    if not root.is_dir():
        hint = "Load a table with load_face_table." if is_table(root) else _ADVICE
        raise DatasetError(f"load_face_folder: '{root}' is a file, not a folder. {hint}")


def _find_class_folders(root: Path, labels: Mapping[Any, Any] | None) -> list[str]:
    """Return the names of the class folders; raise if they cannot be classes."""
    _refuse_no_folder(root)
    around = resolve_parents(root)
    try:
        entries = sorted(entry for entry in root.iterdir() if not is_hidden(entry.name))
        folders = [entry.name for entry in entries if entry.is_dir() and not leads_back(entry, around)]
    except OSError as error:
        raise DatasetError(
            f"load_face_folder: '{root}' cannot be listed ({type(error).__name__}: {error}). Check its permissions."
        ) from error
    if not folders:
        found = f"contains {len(entries)} files, but no folders" if entries else "is empty"
        raise DatasetError(
            f"load_face_folder: '{root}' {found}. Put the photos of each emotion into a folder of their own, "
            "extract the emotion from the file names with label=, or list the photos with their labels in a table "
            "for load_face_table."
        )
    parts = [name for name in find_unnamed(folders, labels) if is_split(name)]
    if len(parts) > 1 or parts == folders:
        first = next((name for name in parts if name.casefold().startswith("train")), parts[0])
        raise DatasetError(
            f"load_face_folder: '{root}' contains {name_some(parts)}, which are parts of a split, not emotions. "
            f"Load one of them, such as '{root / first}', or all of them with label={_INNERMOST}, which takes the "
            "label from the innermost folder."
        )
    return folders


def _refuse_repeated(root: Path, files: Iterable[str]) -> None:
    """Reject folders that contain the same emotions again."""
    below: dict[str, set[str]] = {}
    for folder in {name.rpartition("/")[0] for name in files}:
        top, *inner = folder.split("/")
        below.setdefault(top, set()).update(normalize_emotion(name) for name in inner if is_known_emotion(name))
    classes = {normalize_emotion(top) for top in below if is_known_emotion(top)}
    others = {top: inner for top, inner in below.items() if not is_known_emotion(top)}
    refused = [
        top
        for top, inner in sorted(others.items())
        if len(inner) > 1 or inner & classes.union(*(others[name] for name in others if name != top))
    ]
    if refused and len(below) > 1:
        again = ", ".join(sorted(set().union(*(others[top] for top in refused))))
        raise DatasetError(
            f"load_face_folder: '{root}' contains {name_some(refused)}, which contain the same emotions again "
            f"({again}): parts of a split, or persons, not emotions. Load one, such as '{root / refused[0]}', or "
            f"all of them with label={_INNERMOST}, which takes the label from the innermost folder."
        )


def _read_photos(root: Path, folders: list[str] | None, label: Any, labels: Mapping[Any, Any] | None) -> _Contents:
    """Read each file once, and separate photos from other files."""
    contents = _Contents()
    if folders is None:
        _refuse_no_folder(root)
        names = [name for name in list_files(root, "", contents.unlisted) if looks_like_photo(root / name)]
        given = label_files(root, names, label)
    else:
        names = [name for folder in folders for name in list_files(root, folder, contents.unlisted)]
        unnamed = set(find_unnamed(folders, labels))
        _refuse_repeated(root, [name for name in names if name.split("/")[0] in unnamed])
        given = [name.split("/")[0] for name in names]
    # Folders without photos need no class.
    of_photos = [
        of_file
        for of_file, name in zip(given, names, strict=True)
        if of_file is not None and (labels is None or looks_like_photo(root / name))
    ]
    classes = map_labels(of_photos, labels, f"load_face_folder: '{root}'")
    found = sorted(
        (str(classes.get(of_file, of_file)), name, of_file)
        for of_file, name in zip(given, names, strict=True)
        if of_file is not None and classes.get(of_file, of_file) is not None
    )
    kept = {name for _, name, _ in found}
    contents.skipped = [name for name in names if name not in kept]
    thumbnails = read_thumbnails((root / name for _, name, _ in found), n_jobs=-1)
    for (of_photo, name, of_file), thumbnail in zip(found, thumbnails, strict=True):
        if isinstance(thumbnail, ImageReadError):
            contents.left_out.append(name)
        else:
            contents.labels.append(of_photo)
            contents.names.append(name)
            contents.given.append(of_file)
            contents.thumbnails.append(thumbnail)
    if folders is None:
        return contents
    beside = sorted(name for _, _, names in itertools.islice(os.walk(root), 1) for name in names if not is_hidden(name))
    looks = read_thumbnails((root / name for name in beside), n_jobs=-1)
    contents.loose = [name for name, look in zip(beside, looks, strict=True) if not isinstance(look, ImageReadError)]
    used = {name.split("/")[0] for name in (*contents.names, *contents.skipped)}
    contents.empty = [folder for folder in folders if folder not in used]
    return contents


def _describe_left_out(contents: _Contents) -> str:
    """Describe what was left out, in sentences that end with a space; empty if nothing was."""
    text = ""
    if contents.left_out:
        text += (
            "Left out (not an image, damaged or too large): "
            f"{len(contents.left_out)} ({name_some(contents.left_out)}). "
        )
    if contents.unlisted:
        text += f"Folders that cannot be read: {len(contents.unlisted)} ({name_some(contents.unlisted)}). "
    if contents.loose:
        text += f"Left out (not in a class folder): {len(contents.loose)} ({name_some(contents.loose)}). "
    if contents.empty:
        text += f"Folders without photos: {name_some(contents.empty)}. "
    return text


def _describe_skipped(contents: _Contents) -> str:
    return f"Skipped (no label): {len(contents.skipped)} ({name_some(contents.skipped)})."


def _warn_of_left_out(root: Path, contents: _Contents, *, matched: bool) -> None:
    text = _describe_left_out(contents)
    # Functions and mappings skip files on purpose; a pattern may do so by mistake.
    if matched and contents.skipped:
        text += _describe_skipped(contents)
    if text := text.strip():
        # Point to the caller of load_face_folder, above scikit-learn's parameter validation.
        warnings.warn(f"load_face_folder: '{root}': {text}", DatasetWarning, stacklevel=4)


def _advise(root: Path, label: str) -> str:
    """Return advice for a single class, which is often a folder around the class folders."""
    inner = root / label
    if inner.is_dir() and sum(entry.is_dir() and not is_hidden(entry.name) for entry in inner.iterdir()) > 1:
        return f"Did you mean '{inner}'?"
    if is_known_emotion(label):
        return "Add a folder with photos of another class."
    return "Add a folder with photos of another class, or extract the emotion from the paths with label=."


def _describe_merged(contents: _Contents) -> list[str]:
    """Describe which folders were merged into one class."""
    folders: dict[str, list[str]] = {}
    for label, given in zip(contents.labels, contents.given, strict=True):
        known = folders.setdefault(label, [])
        if given not in known:
            known.append(given)
    return [f"{label} combines {name_some(known)}." for label, known in folders.items() if len(known) > 1]


def _describe_grouping(groups: Any) -> str:
    if groups is None:
        return "No groups were requested."
    if isinstance(groups, str | re.Pattern):
        pattern = getattr(groups, "pattern", groups)
        return "Near-duplicates are grouped." if groups == "duplicates" else f"Grouped by the pattern {pattern!r}."
    return "Grouped by a mapping."
