"""Photos sorted into folders, one for each emotion."""

import itertools
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ..emotions import normalize_emotion
from ..exceptions import DatasetError, DatasetNotFoundError, DatasetWarning, ImageReadError
from ._bunch import check_classes, make_bunch, name_some
from ._duplicates import group_thumbnails
from ._groups import describe_contradictions, find_contradictions, groups_from_names
from ._thumbnails import read_thumbnails

_HIDDEN = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}
_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
_ADVICE = "Give a folder that holds one folder of photos for each emotion."


@dataclass
class _Contents:
    """What a folder holds: readable photos, and what was left out."""

    names: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


@validate_params(
    {
        "path": [str, os.PathLike],
        "groups": [str, Mapping, None],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_face_folder(
    path: str | os.PathLike[str],
    *,
    groups: str | Mapping[str, Any] | None = "duplicates",
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple[Any, Any]:
    """Load photos from a folder that holds one folder for each emotion.

    Folders inside a class folder belong to that class. A photo is known by its content, whatever its name ends with.
    Hidden files are passed over; other files that are no whole photo, or larger than :class:`~sk_emotion.FaceLoader`
    takes by default, are left out with a warning. Each photo is decoded once, small, to know that.

    Parameters
    ----------
    path : str or path-like
        The folder.
    groups : {"duplicates"}, regular expression, mapping or None, default="duplicates"
        What must not be on two sides of a split:

        - ``"duplicates"``: near copies of a photo, by :func:`find_duplicates`;
        - another string: a regular expression that finds the person in the photo's path, as in ``r"subject(\\d+)"``.
          The group is what the part named ``person`` matches, as in ``r"(?P<person>[a-z]+)_\\d+"``, else its first
          part in brackets, else the whole match. The path is relative to `path` and has ``/`` between folders;
        - a mapping from that relative path, or from the file's name alone, to the group;
        - ``None``: no groups.
    return_X_y : bool, default=False
        Whether to give ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to give pandas objects.

    Returns
    -------
    Bunch
        With the attributes

        - ``data``: ndarray of str objects of shape (n_samples,), the paths; with `as_frame` a DataFrame with the column
          ``image``. Sorted by emotion, then by name.
        - ``target``: ndarray of str of shape (n_samples,), the names of the folders, as standard names where
          :func:`~sk_emotion.normalize_emotion` knows them (``happy`` and ``Happiness`` become one class);
          with `as_frame` a Series.
        - ``target_names``: ndarray of str, the classes, sorted.
        - ``groups``: ndarray of int or str of shape (n_samples,), or None.
        - ``frame``: with `as_frame`, a DataFrame with the columns ``image``, ``label`` and, where there are groups,
          ``group``; else None.
        - ``DESCR``: str, how many photos of which class, what was left out, how many groups, and with
          ``groups="duplicates"`` which photos are near copies of photos with another label.

        Or, with `return_X_y`, the tuple ``(data, target)``.

    Raises
    ------
    DatasetNotFoundError
        If there is no such folder.
    DatasetError
        If it is a file, holds no class folders or no photos or one class alone, or if `groups` is no valid regular
        expression or gives no group for a photo.

    Warns
    -----
    DatasetWarning
        For files left out, folders that cannot be read, and classes without photos.

    See Also
    --------
    load_face_table : Load photos listed in a table.
    FaceLoader : Make arrays of the paths.

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
    contents = _read_photos(root, _find_class_folders(root))
    target = np.array(contents.labels)
    if not contents.names:
        raise DatasetError(f"load_face_folder: '{root}' holds no photos. {_describe_left_out(contents)}{_ADVICE}")
    check_classes(target, f"load_face_folder: '{root}'", _describe_left_out(contents) + _advise(root, target[0]))
    found: NDArray[Any] | None
    contradictions: list[NDArray[np.intp]] = []
    if isinstance(groups, str) and groups == "duplicates":
        found = group_thumbnails(np.array(contents.thumbnails))
        contradictions = find_contradictions(target, found)
    else:
        found = groups_from_names(contents.names, groups)
    _warn_of_left_out(root, contents)
    data = np.array([os.path.join(root, name) for name in contents.names], dtype=object)
    return make_bunch(
        data,
        target,
        found,
        name=f"Photos of faces from the folder '{root}'.",
        notes=[
            *_describe_merged(contents),
            _describe_left_out(contents).strip() or "No file left out.",
            _describe_grouping(groups),
            *describe_contradictions(contents.names, contradictions),
        ],
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder of this name is none of the user's."""
    return name.startswith(".") or name.casefold() in _HIDDEN


def _find_class_folders(root: Path) -> list[str]:
    """Name the class folders, or say why they cannot be what was meant."""
    # os.path's, since that of pathlib raises an OSError for a name that is too long.
    if not os.path.exists(root):
        raise DatasetNotFoundError(f"load_face_folder: there is no folder '{root}'. {_ADVICE}")
    if not root.is_dir():
        hint = "Read a table with load_face_table." if root.suffix.lower() in (".csv", ".tsv") else _ADVICE
        raise DatasetError(f"load_face_folder: '{root}' is a file, not a folder. {hint}")
    try:
        entries = sorted(entry for entry in root.iterdir() if not is_hidden(entry.name))
        folders = [entry.name for entry in entries if entry.is_dir()]
    except OSError as error:
        raise DatasetError(
            f"load_face_folder: '{root}' cannot be listed ({type(error).__name__}: {error}). Get the right to read it."
        ) from error
    if not folders:
        found = f"{len(entries)} files, but no folders" if entries else "nothing"
        raise DatasetError(
            f"load_face_folder: '{root}' holds {found}. Put the photos of each emotion into a folder of their own, or "
            "list them with their labels in a table for load_face_table."
        )
    parts = [name for name in folders if name.casefold() in _SPLITS]
    if len(parts) > 1 or parts == folders:
        raise DatasetError(
            f"load_face_folder: '{root}' holds {name_some(parts)}, which are parts of a split, not emotions. "
            f"Load one of them, for instance '{root / parts[0]}'."
        )
    return folders


def _walk(folder: Path, unlisted: list[str]) -> list[str]:
    """List the files in a folder and its folders, relative to it, with ``/`` between names; hidden ones not.

    Folders that cannot be listed are added to `unlisted`.
    """
    names = []
    for where, folders, files in os.walk(folder, onerror=lambda error: unlisted.append(error.filename)):
        folders[:] = [name for name in folders if not is_hidden(name)]
        names += [(Path(where) / name).relative_to(folder).as_posix() for name in files if not is_hidden(name)]
    return sorted(names)


def _read_photos(root: Path, folders: list[str]) -> _Contents:
    """Read each file once, and sort photos from what is none."""
    contents = _Contents()
    files = sorted(
        (normalize_emotion(folder), f"{folder}/{name}")
        for folder in folders
        for name in _walk(root / folder, contents.unlisted)
    )
    thumbnails = read_thumbnails((root / name for _, name in files), n_jobs=-1)
    for (label, name), thumbnail in zip(files, thumbnails, strict=True):
        if isinstance(thumbnail, ImageReadError):
            contents.left_out.append(name)
        else:
            contents.labels.append(label)
            contents.names.append(name)
            contents.thumbnails.append(thumbnail)
    beside = sorted(name for _, _, names in itertools.islice(os.walk(root), 1) for name in names if not is_hidden(name))
    found = read_thumbnails((root / name for name in beside), n_jobs=-1)
    contents.loose = [
        name for name, thumbnail in zip(beside, found, strict=True) if not isinstance(thumbnail, ImageReadError)
    ]
    used = {name.split("/")[0] for name in contents.names}
    contents.empty = [folder for folder in folders if folder not in used]
    return contents


def _describe_left_out(contents: _Contents) -> str:
    """Say what was left out, in sentences that end with a blank; nothing if nothing was."""
    text = ""
    if contents.left_out:
        text += (
            "Left out, as no image, a damaged one, or one too large: "
            f"{len(contents.left_out)} ({name_some(contents.left_out)}). "
        )
    if contents.unlisted:
        text += f"Folders that cannot be read: {len(contents.unlisted)} ({name_some(contents.unlisted)}). "
    if contents.loose:
        text += f"Left out, as in no class folder: {len(contents.loose)} ({name_some(contents.loose)}). "
    if contents.empty:
        text += f"Folders without photos: {name_some(contents.empty)}. "
    return text


def _warn_of_left_out(root: Path, contents: _Contents) -> None:
    if text := _describe_left_out(contents).strip():
        # The level of the caller of load_face_folder, above scikit-learn's check of its parameters.
        warnings.warn(f"load_face_folder: '{root}': {text}", DatasetWarning, stacklevel=4)


def _advise(root: Path, label: str) -> str:
    """Say what to do about a single class, which often is a folder around the class folders."""
    inner = root / label
    if inner.is_dir() and sum(entry.is_dir() and not is_hidden(entry.name) for entry in inner.iterdir()) > 1:
        return f"Did you mean '{inner}'?"
    return "Add a folder with photos of another."


def _describe_merged(contents: _Contents) -> list[str]:
    """Say which folders became one class."""
    folders: dict[str, list[str]] = {}
    for label, name in zip(contents.labels, contents.names, strict=True):
        known = folders.setdefault(label, [])
        if (folder := name.split("/")[0]) not in known:
            known.append(folder)
    return [f"{label} is {name_some(known)} together." for label, known in folders.items() if len(known) > 1]


def _describe_grouping(groups: Any) -> str:
    if groups is None:
        return "Nothing says which photos belong together."
    if isinstance(groups, str):
        return "Near duplicates are grouped." if groups == "duplicates" else f"Grouped by the pattern {groups!r}."
    return "Grouped by a mapping."
