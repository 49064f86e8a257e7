"""What the loaders share: listing files, mapping labels to classes, and the Bunch that they return."""

import glob
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch

from ..emotions import is_known_emotion, normalize_emotion
from ..exceptions import DatasetError, DatasetNotFoundError, DatasetWarning, ParameterError
from ..utils._files import is_copy
from ..utils._text import abridge, explain_text, name_some, printable, quote_name, show_missing, show_path

PICTURES = {"avif", "bmp", "gif", "heic", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff", "webp"}
TABLES = (".csv", ".tsv", ".txt")
_HIDDEN = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}
# Signatures of JPEG, PNG, GIF, BMP, TIFF, WebP, PPM, AVIF and HEIF.
_BEGINNING = re.compile(rb"\xff\xd8\xff|\x89PNG|GIF8|BM|II\*\0|MM\0\*|RIFF....WEBP|P[1-6]\s|....ftyp", re.DOTALL)

_N_COLUMNS = 20

# Names in common data sets: train, Training, PublicTest, val_set, test2, fold_1.
_SPLIT = re.compile(
    r"(train(ing)?|test(ing)?|val(id(ation)?)?|dev|eval(uation)?|public[ _-]?test|private[ _-]?test|hold[ _-]?out"
    r"|fold|split)([ _-]*(set|data|images|faces|split|fold|\d+))*",
    re.IGNORECASE,
)
_FLOAT = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_MOST_DIGITS = 100


def list_images(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str]:
    """List the images that paths, folders or patterns denote.

    Parameters
    ----------
    paths : str, path-like or list of them
        Files, which need not exist; folders, of which all images are listed, also those in subfolders, by suffix or
        content; and patterns such as ``"photos/*.jpg"`` or ``"photos/**/*.jpg"``, which may match any file. Of a
        folder, hidden and system files are ignored, and other files are passed over with a warning, as are annotated
        copies and faces that ``sk-emotion predict`` or :func:`~sk_emotion.utils.write_copy` wrote.

    Returns
    -------
    list of str
        Paths in the order of `paths`; those of a folder or pattern are sorted, without files that were listed before.

    Raises
    ------
    DatasetNotFoundError
        If a pattern matches no file, or there are no images at all.
    ParameterError
        If `paths` is neither a path nor a list of paths.

    Warns
    -----
    DatasetWarning
        For files of folders that are passed over.

    See Also
    --------
    predict_faces : Predict the emotion in each image.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sk_emotion.datasets import list_images
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.jpg", "a.jpg", ".hidden.jpg"):
    ...     _ = (folder / name).write_bytes(b"")
    >>> [Path(path).name for path in list_images(folder)]
    ['a.jpg', 'b.jpg']
    """
    listed: list[Any] = list(paths) if isinstance(paths, Iterable) and not isinstance(paths, str | bytes) else [paths]
    if not listed:
        raise DatasetNotFoundError("list_images: paths is empty. Pass at least one file, folder or pattern.")
    for path in listed:
        if not isinstance(path, str | bytes | os.PathLike):
            raise ParameterError(
                f"list_images: got {path!r:.60} ({type(path).__name__}), expected a path or a list of paths."
            )
    given = list(map(os.fsdecode, listed))
    found: list[str] = []
    known: set[str] = set()
    others: set[str] = set()
    copies: set[str] = set()
    for path in given:
        if os.path.isdir(path):
            files = {Path(where) / name for where, _, names in os.walk(path) for name in names if not is_hidden(name)}
            others.update(str(file) for file in files if not looks_like_photo(file))
            copies.update(str(file) for file in files if is_copy(file))
            matches = list({*map(str, files)} - others - copies)
        elif glob.has_magic(path) and not os.path.exists(path) and explain_text(path) is None:
            # A quoted pattern, or one on Windows, whose shells do not expand patterns.
            matches = [match for match in glob.glob(path, recursive=True) if os.path.isfile(match)]
            if not matches:
                raise DatasetNotFoundError(f"no file matches '{show_path(path)}'.")
        else:
            found.append(path)
            known.add(os.path.abspath(path))
            continue
        new = sorted(match for match in matches if os.path.abspath(match) not in known)
        found += new
        known.update(map(os.path.abspath, new))
    others, copies = ({file for file in files if os.path.abspath(file) not in known} for files in (others, copies))
    counts = [f"{len(others)} file(s) that are not images ({abridge(sorted(others))})"] if others else []
    counts += [f"{len(copies)} file(s) written by sk-emotion predict"] if copies else []
    passed_over = f"passed over {' and '.join(counts)}"
    if not found:
        where = f"there are no images in {', '.join(map(repr, given))}"
        raise DatasetNotFoundError(f"{where}: {passed_over}." if counts else f"{where}.")
    if counts:
        warnings.warn(f"list_images: {passed_over}.", DatasetWarning, stacklevel=2)
    return found


def check_exists(path: Path, where: str, advice: str) -> None:
    """Raise an error if a path does not exist."""
    # Not Path.exists, which raises an OSError for a name that is too long.
    if not os.path.exists(path):
        raise DatasetNotFoundError(f"{where} {show_missing(path)}. {advice}")


def is_table(path: str | os.PathLike[str]) -> bool:
    """Return whether a path has the suffix of a text file with a table."""
    return Path(path).suffix.lower() in TABLES


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden or created by the system."""
    return name.startswith(".") or name.casefold() in _HIDDEN


def resolve_parents(root: Path) -> frozenset[str]:
    """Return a folder and all of its parents, with symbolic links resolved."""
    real = Path(os.path.realpath(root))
    return frozenset(map(str, (real, *real.parents)))


def leads_back(path: str | Path, around: frozenset[str]) -> bool:
    """Return whether a path is a symbolic link to one of its parents."""
    return os.path.islink(path) and os.path.realpath(path) in around


def list_files(root: Path, start: str, unlisted: list[str]) -> list[str]:
    """List the files below a folder, relative to the root, with ``/`` between names; add others to `unlisted`."""
    found: list[str] = []
    walk = os.walk(root / start, onerror=lambda error: unlisted.append(error.filename), followlinks=True)
    for folder, inner, names in walk:
        here = Path(folder)
        around = resolve_parents(root) | {os.path.realpath(parent) for parent in (here, *here.parents)}
        shown = [name for name in inner if not is_hidden(name)]
        inner[:] = [name for name in shown if not leads_back(os.path.join(folder, name), around)]
        found += [(here / name).relative_to(root).as_posix() for name in names if not is_hidden(name)]
    return sorted(found)


def looks_like_photo(path: Path) -> bool:
    """Return whether a file has the suffix or the signature of an image."""
    if path.suffix.lower().removeprefix(".") in PICTURES:
        return True
    try:
        # Opening a pipe would block.
        if not os.path.isfile(path):
            return False
        with path.open("rb") as file:
            return _BEGINNING.match(file.read(12)) is not None
    except OSError:
        return False


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
    """Extract the label of each file from its path relative to the root; None for files without one."""
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
    if found is None or _is_label(found):
        return None if found is None else str(found).strip()
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


def map_labels(names: Iterable[Any], labels: Mapping[Any, Any] | None, where: str) -> dict[Any, Any]:
    """Map each distinct name or code to its class, or to None to leave it out.

    A number and its text are the same key, and names of emotions need none; other names that `labels` lacks raise.
    """
    distinct = list(dict.fromkeys(names))
    if labels is None:
        classes = {name: normalize_emotion(name) for name in distinct}
        # Classes that differ in the blanks around them become one.
        written = Counter(map(strip_label, set(classes.values())))
        return {
            name: strip_label(label) if written[strip_label(label)] > 1 else label for name, label in classes.items()
        }
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
        places: Any = ((by_key, key), (by_number, _as_number(key)), (spelled, normalize_emotion(key)))
        found = [known[wanted] for known, wanted in places if wanted in known]
        if found or is_known_emotion(name):
            mapped[name] = normalize_emotion(found[0] if found else name)
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
    return_X_y: bool = False,
    as_frame: bool = False,
    **others: Any,
) -> Bunch | tuple[Any, Any]:
    """Make the return value of a loader of paths, or of pixels; `name` and `notes` are lines of the ``DESCR``."""
    X: Any = data
    y: Any = target
    frame = None
    if as_frame:
        rows = data.reshape(len(data), -1)
        names = ["image"] if data.ndim == 1 else [f"pixel_{number}" for number in range(rows.shape[1])]
        X, y = pd.DataFrame(rows, columns=names), pd.Series(target, name="label")
        columns = [X, y] if groups is None else [X, y, pd.Series(groups, name="group")]
        frame = pd.concat(columns, axis=1)
    if return_X_y:
        return X, y
    classes, counts = np.unique(target, return_counts=True)
    sizes = ", ".join(f"{label} {count}" for label, count in zip(classes, counts, strict=True))
    grouping = "No groups."
    if groups is not None:
        by_group = pd.Series(groups).value_counts()
        n_larger = int((by_group > 1).sum())
        grouping = f"{len(by_group)} groups; {n_larger} of more than one image, the largest of {by_group.max()}."
    lines = [name, "", f"{len(target)} images in {len(classes)} classes: {sizes}.", *notes, grouping]
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
