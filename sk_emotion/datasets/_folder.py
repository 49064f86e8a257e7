"""Load photos from folders named by emotion."""

import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ..emotions import is_known_emotion, normalize_emotion
from ..exceptions import DatasetError, DatasetWarning, ImageReadError
from ..leakage._duplicates import number_looks
from ..leakage._groups import describe_label_conflicts, extract_groups, find_label_conflicts
from ..leakage._thumbnails import read_thumbnails
from ..utils._files import is_copy
from ..utils._text import name_some
from ._base import (
    check_classes,
    check_exists,
    find_unnamed,
    is_hidden,
    is_split,
    is_table,
    label_files,
    leads_back,
    list_files,
    looks_like_photo,
    make_bunch,
    map_labels,
    resolve_parents,
    warn_of_no_emotions,
)

_ADVICE = "Pass a folder that contains one folder of photos per emotion."
_INNERMOST = r"r'([^/]+)/[^/]+$'"


class _Photo(NamedTuple):
    """A photo with its class, its path relative to the folder, and the class before mapping and normalizing."""

    label: str
    name: str
    given: str
    thumbnail: Any = None


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
    photos, skipped, left_out = _read_photos(root, label, labels)
    passed_over = _list_names("Skipped (no label)", skipped)
    if not photos:
        raise DatasetError(f"load_face_folder: '{root}' contains no photos. {left_out}{passed_over.strip() or _ADVICE}")
    names = [photo.name for photo in photos]
    target = np.array([photo.label for photo in photos])
    check_classes(target, f"load_face_folder: '{root}'", f"{left_out}{passed_over}{_advise(root, target[0])}")
    found: NDArray[Any] | None
    contradictions: list[NDArray[np.intp]] = []
    if isinstance(groups, str) and groups == "duplicates":
        found = number_looks([photo.thumbnail for photo in photos])
        contradictions = find_label_conflicts(target, found)
    else:
        found = extract_groups(names, groups)
    # Functions and mappings skip files on purpose; a pattern may do so by mistake.
    unintended = left_out + (passed_over if isinstance(label, str | re.Pattern) else "")
    if unintended:
        # Point to the caller, above scikit-learn's parameter validation.
        warnings.warn(f"load_face_folder: '{root}': {unintended.strip()}", DatasetWarning, stacklevel=3)
    warn_of_no_emotions(np.unique(target).tolist(), labels, f"load_face_folder: '{root}'")
    data = np.array([os.path.join(root, name) for name in names], dtype=object)
    return make_bunch(
        data,
        target,
        found,
        name=f"Photos of faces from the folder '{root}'.",
        notes=[
            *_describe_merged(photos),
            left_out.strip() or "No file left out.",
            *([passed_over.strip()] if skipped else []),
            _describe_grouping(groups),
            *describe_label_conflicts(names, contradictions),
        ],
        return_X_y=return_X_y,
        as_frame=as_frame,
        skipped=np.array([os.path.join(root, name) for name in skipped], dtype=object),
    )


def _find_class_folders(root: Path, labels: Mapping[Any, Any] | None) -> list[str]:
    """Return the names of the class folders; raise if they cannot be classes."""
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


def _read_photos(root: Path, label: Any, labels: Mapping[Any, Any] | None) -> tuple[list[_Photo], list[str], str]:
    """Read each file once; return the photos, the names of files without a label, and what else was left out."""
    check_exists(root, "load_face_folder: there is no folder", _ADVICE)
    if not root.is_dir():
        hint = "Load a table with load_face_table." if is_table(root) else _ADVICE
        raise DatasetError(f"load_face_folder: '{root}' is a file, not a folder. {hint}")
    unlisted: list[str] = []
    folders: list[str] = []
    if label is not None:
        names = [name for name in list_files(root, "", unlisted) if looks_like_photo(root / name)]
        given = label_files(root, names, label)
    else:
        folders = _find_class_folders(root, labels)
        names = [name for folder in folders for name in list_files(root, folder, unlisted)]
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
        _Photo(str(classes.get(of_file, of_file)), name, of_file)
        for of_file, name in zip(given, names, strict=True)
        if of_file is not None and classes.get(of_file, of_file) is not None
    )
    kept = {photo.name for photo in found}
    skipped = [name for name in names if name not in kept]
    copies = [photo for photo in found if is_copy(root / photo.name)]
    found = [photo for photo in found if photo not in copies]
    photos, damaged = _read_thumbnails(root, found)
    left_out = _list_names("Left out (not an image, damaged or too large)", damaged)
    left_out += _list_names("Left out (written by sk-emotion predict)", [photo.name for photo in copies])
    left_out += _list_names("Folders that cannot be read", unlisted)
    if label is None:
        beside = sorted(name for _, _, names in islice(os.walk(root), 1) for name in names if not is_hidden(name))
        loose, _ = _read_thumbnails(root, [_Photo("", name, "") for name in beside])
        left_out += _list_names("Left out (not in a class folder)", [photo.name for photo in loose])
        used = {name.split("/")[0] for name in (*(photo.name for photo in photos), *skipped)}
        if empty := [folder for folder in folders if folder not in used]:
            left_out += f"Folders without photos: {name_some(empty)}. "
    return photos, skipped, left_out


def _read_thumbnails(root: Path, files: list[_Photo]) -> tuple[list[_Photo], list[str]]:
    """Return the photos among files with their thumbnails, and the names of the other files."""
    looks = read_thumbnails((root / file.name for file in files), n_jobs=-1)
    read = [file._replace(thumbnail=look) for file, look in zip(files, looks, strict=True)]
    damaged = [file.name for file in read if isinstance(file.thumbnail, ImageReadError)]
    return [file for file in read if not isinstance(file.thumbnail, ImageReadError)], damaged


def _list_names(what: str, names: list[str]) -> str:
    """List names in a sentence that ends with a space; an empty string without names."""
    return f"{what}: {len(names)} ({name_some(names)}). " if names else ""


def _advise(root: Path, label: str) -> str:
    """Return advice for a single class, which is often a folder around the class folders."""
    inner = root / label
    if inner.is_dir() and sum(entry.is_dir() and not is_hidden(entry.name) for entry in inner.iterdir()) > 1:
        return f"Did you mean '{inner}'?"
    if is_known_emotion(label):
        return "Add a folder with photos of another class."
    return "Add a folder with photos of another class, or extract the emotion from the paths with label=."


def _describe_merged(photos: list[_Photo]) -> list[str]:
    """Describe which folders were merged into one class."""
    folders: dict[str, list[str]] = {}
    for label, given in dict.fromkeys((photo.label, photo.given) for photo in photos):
        folders.setdefault(label, []).append(given)
    return [f"{label} combines {name_some(known)}." for label, known in folders.items() if len(known) > 1]


def _describe_grouping(groups: Any) -> str:
    if groups is None:
        return "No groups were requested."
    if isinstance(groups, str | re.Pattern):
        pattern = getattr(groups, "pattern", groups)
        return "Near-duplicates are grouped." if groups == "duplicates" else f"Grouped by the pattern {pattern!r}."
    return "Grouped by a mapping."
