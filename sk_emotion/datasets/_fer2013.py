"""Load FER2013 in any of its common file formats."""

import lzma
import os
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from ..emotions import is_known_emotion, normalize_emotion, normalize_emotions
from ..exceptions import DatasetError, ImageReadError
from ..preprocessing._decode import decode_picture
from ..utils._text import name_some
from ._base import TABLES, check_exists, is_hidden, list_files, looks_like_photo, make_bunch, name_columns

_CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_SIDE = 48
_OFFICIAL = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "publictest"),
    "test": ("test", "testing", "privatetest"),
}
_ARCHIVES = (".gz", ".bz2", ".xz", ".zip")
_FILES = ("fer2013.npz", "fer2013.csv", "icml_face_data.csv", "train.csv")
_FORMS = "Pass fer2013.csv, an .npz of it, or a folder with train/<emotion>/ and test/<emotion>/."

_Part = tuple[NDArray[np.uint8], NDArray[Any]]


@validate_params(
    {
        "path": [str, os.PathLike],
        "subset": [StrOptions({*_OFFICIAL, *_OFFICIAL.values(), "all"})],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_fer2013(
    path: str | os.PathLike[str],
    *,
    subset: str = "train",
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple[Any, Any]:
    """Load FER2013 from a file or folder: 48 x 48 grayscale faces of seven classes.

    The faces of a challenge at ICML 2013 [1]_. Nothing is downloaded.

    Parameters
    ----------
    path : str or path-like
        One of

        - the official ``fer2013.csv`` or ``icml_face_data.csv``, with the columns ``emotion``, ``pixels`` and
          ``Usage`` in any order, or Kaggle's ``train.csv`` without ``Usage``, which is the Training part. Emotions
          are codes from 0 to 6 or names. A ``.tsv`` or ``.txt`` of such a table, or a ``.gz``, ``.bz2``, ``.xz`` or
          ``.zip`` of one such file, can be read directly;
        - an ``.npz`` with the arrays ``images``, ``labels``, ``usage``, ``class_names`` and ``usage_names``;
        - a folder with ``train/<emotion>/`` and ``test/<emotion>/``, as on Kaggle, where ``test`` often contains both
          PublicTest and PrivateTest;
        - a folder that contains one of these files.
    subset : {"train", "validation", "test", "all"}, default="train"
        The part to load: Training, PublicTest, PrivateTest (these names are accepted, too), or all rows in the order of
        the file, whatever their ``Usage``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to return pandas objects.

    Returns
    -------
    Bunch
        With the attributes

        - ``data``: ndarray of shape (n_samples, 48, 48), dtype=uint8; with `as_frame` a DataFrame of 2304 columns.
        - ``target``: ndarray of str of shape (n_samples,): anger, disgust, fear, happiness, neutral, sadness, surprise.
        - ``target_names``: ndarray of str, the classes, sorted.
        - ``groups``: ndarray of int of shape (n_samples,), dtype=int64. Images with identical pixels share a number:
          FER2013 contains many copies, some with different labels.
        - ``frame``: with `as_frame`, the DataFrame with ``label`` and ``group``; else None.
        - ``DESCR``: str.

        With `return_X_y`, the tuple ``(data, target)``.

    Raises
    ------
    DatasetNotFoundError
        If the file or folder does not exist.
    DatasetError
        If it is not FER2013, the file is truncated, a row is invalid, its ``Usage`` is none of the three while one of
        them is requested, or the subset is missing. No row is dropped silently.

    References
    ----------
    .. [1] I. J. Goodfellow et al., "Challenges in representation learning: A report on three machine learning
           contests", ICONIP 2013, https://arxiv.org/abs/1307.0414.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sk_emotion.datasets import load_fer2013
    >>> file = Path(tempfile.mkdtemp()) / "fer2013.csv"
    >>> row = " ".join(["128"] * 48 * 48)
    >>> _ = file.write_text(f"emotion,pixels,Usage\\n0,{row},Training\\n3,{row},Training\\n6,{row},PublicTest\\n")
    >>> faces = load_fer2013(file)
    >>> faces.data.shape, faces.target.tolist(), faces.groups.tolist()
    ((2, 48, 48), ['anger', 'happiness'], [0, 0])
    """
    source = _find_source(Path(path).expanduser())
    official = {name: part for part, name in _OFFICIAL.items()}
    part = official.get(subset, subset)
    read = _read_folder if source.is_dir() else _read_npz if source.suffix.lower() == ".npz" else _read_csv
    images, labels = read(source, list(_OFFICIAL) if part == "all" else [part])
    first: dict[bytes, int] = {}
    return make_bunch(
        images,
        labels,
        np.array([first.setdefault(image.tobytes(), len(first)) for image in images], dtype=np.int64),
        name=f"FER2013 from '{source}', subset {part!r}.",
        notes=["Images with identical pixels are grouped."],
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def _find_source(path: Path) -> Path:
    """Find the file or folder to read."""
    check_exists(path, "load_fer2013: there is no", _FORMS)
    if path.is_dir():
        # Next to folders of photos, a train.csv is a list of them.
        files = _FILES[:-1] if _find_parts(path)[0] else _FILES
        names = (name + ending for name in files for ending in ("", *_ARCHIVES))
        return next((path / name for name in names if (path / name).is_file()), path)
    if path.suffix.lower() not in (*TABLES, ".npz", *_ARCHIVES):
        raise DatasetError(f"load_fer2013: '{path}' is neither .csv nor .npz, nor a .csv in an archive. {_FORMS}")
    return path


def _refuse_absent(path: Path, wanted: list[str], present: list[str]) -> None:
    if not set(wanted) & set(present):
        raise DatasetError(f"load_fer2013: '{path}' has no subset {wanted[0]!r}. It has {present or 'none'}.")


def _choose_rows(path: Path, usage: NDArray[Any], parts: list[str]) -> NDArray[np.intp]:
    """Return the rows of a part, or all; raise if a part is requested and rows belong to none."""
    if len(parts) > 1:
        return np.arange(len(usage))
    known = list(_OFFICIAL.values())
    foreign = np.flatnonzero(~np.isin(usage, known))
    if len(foreign):
        found = name_some(np.unique(usage[foreign]).tolist())
        raise DatasetError(
            f"load_fer2013: '{path}' has Usage {found} in {_name_rows(foreign)}; "
            f"expected {', '.join(known)}. Correct it, or load all rows with subset='all'."
        )
    _refuse_absent(path, parts, [part for part, name in _OFFICIAL.items() if (usage == name).any()])
    return np.flatnonzero(usage == _OFFICIAL[parts[0]])


def _name_rows(rows: Any) -> str:
    return f"{len(rows)} row(s), counted from 0: {name_some([int(row) for row in rows])}"


def _read_csv(path: Path, parts: list[str]) -> _Part:
    table = _read_columns(path)
    last = len(table) - 1
    if "usage" in table:
        usage = table["usage"].str.strip().to_numpy(dtype=str)
        _refuse_cut(path, usage)
        rows = _choose_rows(path, usage, parts)
    else:
        _refuse_absent(path, parts, ["train"])
        rows = np.arange(last + 1)
    emotions = table["emotion"].to_numpy(dtype=object)[rows]
    labels = np.array([_read_emotion(text) for text in emotions])
    unknown = np.flatnonzero(labels == "")
    if len(unknown):
        raise DatasetError(
            f"load_fer2013: '{path}', row {rows[unknown[0]]}: emotion is {emotions[unknown[0]]!r:.60}, expected 0 to "
            f"6, or one of {', '.join(_CLASSES)}. Invalid: {_name_rows(rows[unknown])}."
        )
    pixels = table["pixels"].to_numpy(dtype=object)
    images = np.empty((len(rows), _SIDE, _SIDE), dtype=np.uint8)
    broken = []
    # A truncated last row, even of another part, means that more rows may be missing.
    for place, row in enumerate(dict.fromkeys([*rows.tolist(), last])):
        numbers = _split_pixels(pixels[row])
        if len(numbers) != _SIDE * _SIDE or numbers.min() < 0 or numbers.max() > 255:
            broken.append(row)
        elif place < len(rows):
            images[place] = numbers.reshape(_SIDE, _SIDE)
    if broken:
        numbers = _split_pixels(pixels[broken[0]])
        extent = f"; got values from {numbers.min()} to {numbers.max()}" if len(numbers) else ""
        raise DatasetError(
            f"load_fer2013: '{path}', row {broken[0]} (the first is 0) has {len(numbers)} numbers, expected "
            f"{_SIDE * _SIDE} integers from 0 to 255, separated by spaces{extent}. Invalid: "
            f"{_name_rows(broken)}. Download the file again: it is truncated or was modified."
        )
    return images, labels


def _read_columns(path: Path) -> pd.DataFrame:
    """Read the columns ``emotion``, ``pixels`` and, if present, ``usage``, as text."""
    as_text: dict[str, Any] = {
        "dtype": str,
        "keep_default_na": False,
        "index_col": False,
        "encoding": "utf-8-sig",
        "skipinitialspace": True,
    }
    try:
        with warnings.catch_warnings():
            # pandas issues a ParserWarning for fields that it drops.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            heads = {mark: pd.read_csv(path, sep=mark, header=None, nrows=1, **as_text) for mark in ",;\t"}
            mark = max(heads, key=lambda mark: heads[mark].shape[1])
            table = pd.read_csv(path, sep=mark, **as_text)
    except (
        pd.errors.ParserWarning,
        ValueError,
        OSError,
        EOFError,
        lzma.LZMAError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise DatasetError(
            f"load_fer2013: '{path}' is neither a .csv nor an .npz of FER2013, or is damaged ({type(error).__name__}: "
            f"{str(error).strip()}). {_FORMS}"
        ) from error
    # The names in the file, since pandas renames duplicates.
    header = heads[mark].iloc[0].str.strip().tolist()
    table.columns = pd.Index([name.casefold() for name in header])
    used = [name for name in ("emotion", "pixels", "usage") if name in table.columns]
    if used[:2] != ["emotion", "pixels"] or table[used].shape[1] > len(used):
        raise DatasetError(
            f"load_fer2013: '{path}' has the columns {name_columns(header)}, expected emotion, pixels and Usage, "
            f"each once. {_FORMS}"
        )
    if table.empty:
        raise DatasetError(f"load_fer2013: '{path}' has no rows below its header. {_FORMS}")
    return table[used]


def _refuse_cut(path: Path, usage: NDArray[np.str_]) -> None:
    """Reject a file that ends within the last value of its last row."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        # Whether the last row ends in a line break; unknown for an archive.
        if path.suffix.lower() not in _ARCHIVES and file.read() in (b"\n", b"\r"):
            return
    last, others = str(usage[-1]), {*_OFFICIAL.values(), *usage[:-1].tolist()}
    if last not in others and any(name.startswith(last) for name in others):
        raise DatasetError(
            f"load_fer2013: '{path}' seems to be truncated in its last row, row {len(usage) - 1} (the first is 0): its "
            f"Usage is {last!r}. Download the file again, or correct or drop the row."
        )


def _read_emotion(text: str) -> str:
    """Return the class of a code or name; an empty string if it is none of the seven."""
    try:
        code = float(text)
    except ValueError:
        name = str(normalize_emotion(text))
        return name if name in _CLASSES else ""
    return _CLASSES[int(code)] if code in range(len(_CLASSES)) else ""


def _split_pixels(text: str) -> NDArray[np.int64]:
    # Five times as fast as str.split; other text than numbers warns, or raises in later versions of NumPy.
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            # With fewer bits, 65664 would become 128.
            return np.fromstring(text, dtype=np.int64, sep=" ")
        except (DeprecationWarning, ValueError):
            return np.empty(0, dtype=np.int64)


def _read_npz(path: Path, parts: list[str]) -> _Part:
    try:
        with np.load(path, allow_pickle=False) as file:
            names = ("images", "labels", "usage", "class_names", "usage_names")
            images, labels, usage, class_names, usage_names = (file[name] for name in names)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"load_fer2013: '{path}' is not an .npz of FER2013 ({error}). {_FORMS}") from error
    n = len(images)
    if images.dtype != np.uint8 or images.shape != (n, _SIDE, _SIDE) or labels.shape != (n,) or usage.shape != (n,):
        raise DatasetError(
            f"load_fer2013: '{path}' has images {images.shape} {images.dtype}, labels {labels.shape} and usage "
            f"{usage.shape}, expected n images of 48 x 48 as uint8, and n labels and usages."
        )
    for name, codes, names in (("labels", labels, class_names), ("usage", usage, usage_names)):
        outside = np.flatnonzero(~np.isin(codes, range(len(names))))
        if len(outside):
            raise DatasetError(
                f"load_fer2013: '{path}' has {name} outside of class_names or usage_names in {_name_rows(outside)}. "
                f"{_FORMS}"
            )
    if not n:
        raise DatasetError(f"load_fer2013: '{path}' contains no images. {_FORMS}")
    classes = normalize_emotions(class_names)
    if unknown := sorted(map(str, {*classes.tolist()} - {*_CLASSES})):
        raise DatasetError(f"load_fer2013: '{path}' has the classes {name_some(unknown)}, expected {list(_CLASSES)}.")
    rows = _choose_rows(path, usage_names[usage.astype(np.intp)], parts)
    return images[rows], classes[labels[rows].astype(np.intp)]


def _find_parts(path: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Return the folders of each part, and the names of other folders with emotions."""
    folders = [entry for entry in sorted(path.iterdir()) if entry.is_dir() and not is_hidden(entry.name)]
    found = {part: [entry for entry in folders if entry.name.casefold() in names] for part, names in _FOLDERS.items()}
    known = {name for names in _FOLDERS.values() for name in names}
    others = [
        entry.name
        for entry in folders
        if entry.name.casefold() not in known and any(is_known_emotion(inner.name) for inner in entry.iterdir())
    ]
    return {part: entries for part, entries in found.items() if entries}, others


def _read_folder(path: Path, parts: list[str]) -> _Part:
    where, others = _find_parts(path)
    if not where:
        raise DatasetError(f"load_fer2013: '{path}' contains none of {list(_FILES)}, and no folder train. {_FORMS}")
    if others and len(parts) > 1:
        names = ", ".join(name for names in _FOLDERS.values() for name in names)
        raise DatasetError(
            f"load_fer2013: '{path}' also contains {name_some(others)}, which is none of {names}. Rename it, or load "
            "it by itself with load_face_folder."
        )
    _refuse_absent(path, parts, list(where))
    unlisted: list[str] = []
    photos = [
        name
        for part in parts
        for folder in where.get(part, [])
        for name in list_files(path, folder.name, unlisted)
        if looks_like_photo(path / name)
    ]
    if unlisted:
        raise DatasetError(f"load_fer2013: '{path}' contains {name_some(unlisted)}, which cannot be listed.")
    if loose := [name for name in photos if name.count("/") < 2]:
        raise DatasetError(
            f"load_fer2013: '{path}' contains {len(loose)} photos outside of emotion folders: {name_some(loose)}. "
            "Move them."
        )
    labels = [normalize_emotion(name.split("/")[1]) for name in photos]
    unknown = sorted(set(labels) - set(_CLASSES))
    if unknown or not photos:
        found = f"the classes {name_some(unknown)}" if unknown else "no images"
        raise DatasetError(f"load_fer2013: '{path}' contains {found}, expected {list(_CLASSES)}. Use load_face_folder.")
    return np.stack([_read_image(path / name) for name in photos]), np.array(labels)


def _read_image(path: Path) -> NDArray[np.uint8]:
    try:
        pixels = np.asarray(decode_picture(path).convert("L"))
    except ImageReadError as error:
        raise DatasetError(f"load_fer2013: '{path}' {error}. Download it again, or remove it.") from error
    if pixels.shape != (_SIDE, _SIDE):
        raise DatasetError(
            f"load_fer2013: '{path}' has {pixels.shape[1]} x {pixels.shape[0]} pixels, expected 48 x 48. "
            "Load other photos with load_face_folder."
        )
    return pixels
