"""FER2013, in any of the forms in which it goes around."""

import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from ..emotions import normalize_emotion, normalize_emotions
from ..exceptions import DatasetError, DatasetNotFoundError, ImageReadError
from ..preprocessing._decode import decode_picture
from ._bunch import make_bunch, name_some
from ._duplicates import number_by_appearance

_CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_SIDE = 48
_OFFICIAL = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "publictest"),
    "test": ("test", "privatetest"),
}
_FILES = ("fer2013.npz", "fer2013.csv", "icml_face_data.csv")
_FORMS = "Give fer2013.csv, an .npz of it, or a folder with train/<emotion>/ and test/<emotion>/."

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
    """Load FER2013 from a file or folder: 48 x 48 grey faces of seven classes.

    The faces of the challenge at ICML 2013 [1]_. Nothing is downloaded.

    Parameters
    ----------
    path : str or path-like
        One of

        - the official ``fer2013.csv`` or ``icml_face_data.csv``: columns ``emotion``, ``pixels`` and ``Usage``;
        - an ``.npz`` with the arrays ``images``, ``labels``, ``usage``, ``class_names`` and ``usage_names``;
        - a folder with ``train/<emotion>/`` and ``test/<emotion>/``, as on Kaggle, where ``test`` often holds the rows
          of PublicTest and PrivateTest together;
        - a folder that holds one of these files.
    subset : {"train", "validation", "test", "all"}, default="train"
        Which part: Training, PublicTest, PrivateTest (these names are taken, too), or all that is there.
    return_X_y : bool, default=False
        Whether to give ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to give pandas objects.

    Returns
    -------
    Bunch
        With the attributes

        - ``data``: ndarray of shape (n_samples, 48, 48), dtype=uint8; with `as_frame` a DataFrame of 2304 columns.
        - ``target``: ndarray of str of shape (n_samples,): anger, disgust, fear, happiness, neutral, sadness, surprise.
        - ``target_names``: ndarray of str, the classes, sorted.
        - ``groups``: ndarray of int of shape (n_samples,), dtype=int64. Rows with the same pixels share a number:
          FER2013 holds many copies, some with different labels.
        - ``frame``: with `as_frame`, the DataFrame with ``label`` and ``group``; else None.
        - ``DESCR``: str.

        Or, with `return_X_y`, the tuple ``(data, target)``.

    Raises
    ------
    DatasetNotFoundError
        If there is no such file or folder.
    DatasetError
        If it is not FER2013, a row is broken, or the subset is not in it.

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
    read = _read_folder if source.is_dir() else _read_csv if source.suffix.lower() == ".csv" else _read_npz
    images, labels = read(source, list(_OFFICIAL) if part == "all" else [part])
    return make_bunch(
        images,
        labels,
        _group_copies(images),
        name=f"FER2013 from '{source}', subset {part!r}.",
        notes=["Rows with the same pixels are grouped."],
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def _find_source(path: Path) -> Path:
    """Find the file or folder to read."""
    if not path.exists():
        raise DatasetNotFoundError(f"load_fer2013: there is no '{path}'. {_FORMS}")
    if path.is_dir():
        return next((path / name for name in _FILES if (path / name).is_file()), path)
    if path.suffix.lower() not in (".csv", ".npz"):
        raise DatasetError(f"load_fer2013: '{path}' is neither .csv nor .npz. {_FORMS}")
    return path


def _refuse_absent(path: Path, wanted: list[str], present: list[str]) -> None:
    if not set(wanted) & set(present):
        raise DatasetError(f"load_fer2013: '{path}' has no subset {wanted[0]!r}. It has {present or 'none'}.")


def _read_csv(path: Path, parts: list[str]) -> _Part:
    try:
        header = pd.read_csv(path, nrows=0).columns
        columns = {column.strip(): column for column in header}
        if not {"emotion", "pixels", "Usage"} <= set(columns):
            raise DatasetError(
                f"load_fer2013: '{path}' has the columns {list(columns)}, expected emotion, pixels and Usage. {_FORMS}"
            )
        table = pd.read_csv(path, usecols=[columns[name] for name in ("emotion", "pixels", "Usage")])
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DatasetError(f"load_fer2013: '{path}' is no CSV file ({error}). {_FORMS}") from error
    table = table.rename(columns=str.strip)
    usage = table["Usage"].astype(str).str.strip()
    present = [part for part, name in _OFFICIAL.items() if (usage == name).any()]
    _refuse_absent(path, parts, present)
    table = table[usage.isin([_OFFICIAL[part] for part in parts])]
    wrong = table.index[~table["emotion"].isin(range(len(_CLASSES)))]
    if len(wrong):
        raise DatasetError(
            f"load_fer2013: '{path}', row {wrong[0]}: emotion is {table['emotion'][wrong[0]]!r}, expected 0 to 6."
        )
    images = np.empty((len(table), _SIDE, _SIDE), dtype=np.uint8)
    for image, (row, text) in zip(images, table["pixels"].items(), strict=True):
        image[:] = _parse_pixels(text, path, row)
    return images, np.array(_CLASSES)[table["emotion"].to_numpy(dtype=np.int64)]


def _parse_pixels(text: Any, path: Path, row: Any) -> NDArray[np.int16]:
    # Five times faster than splitting; text with anything but numbers in it warns, or raises in a later NumPy.
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            pixels = np.fromstring(str(text), dtype=np.int16, sep=" ")
        except (DeprecationWarning, ValueError):
            pixels = np.empty(0, dtype=np.int16)
    if len(pixels) != _SIDE * _SIDE or pixels.min() < 0 or pixels.max() > 255:
        raise DatasetError(
            f"load_fer2013: '{path}', row {row} (the first is 0) has {len(pixels)} numbers, expected "
            f"{_SIDE * _SIDE} from 0 to 255. Get the file anew: it is cut off or was changed."
        )
    return pixels.reshape(_SIDE, _SIDE)


def _read_npz(path: Path, parts: list[str]) -> _Part:
    try:
        with np.load(path, allow_pickle=False) as file:
            names = ("images", "labels", "usage", "class_names", "usage_names")
            images, labels, usage, class_names, usage_names = (file[name] for name in names)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"load_fer2013: '{path}' is no .npz of FER2013 ({error}). {_FORMS}") from error
    n = len(images)
    if images.dtype != np.uint8 or images.shape != (n, _SIDE, _SIDE) or labels.shape != (n,) or usage.shape != (n,):
        raise DatasetError(
            f"load_fer2013: '{path}' holds images {images.shape} {images.dtype}, labels {labels.shape} and usage "
            f"{usage.shape}, expected n images of 48 x 48 as uint8, and n of the others."
        )
    if labels.max(initial=0) >= len(class_names) or usage.max(initial=0) >= len(usage_names):
        raise DatasetError(f"load_fer2013: '{path}' holds labels or usages beyond class_names or usage_names. {_FORMS}")
    names_of_rows = usage_names[usage]
    present = [part for part, name in _OFFICIAL.items() if (names_of_rows == name).any()]
    _refuse_absent(path, parts, present)
    rows = np.isin(names_of_rows, [_OFFICIAL[part] for part in parts])
    return images[rows], normalize_emotions(class_names)[labels[rows]]


def _read_folder(path: Path, parts: list[str]) -> _Part:
    folders = {entry.name.casefold(): entry for entry in sorted(path.iterdir()) if entry.is_dir()}
    where = {part: folders[name] for part, names in _FOLDERS.items() for name in names if name in folders}
    if not where:
        raise DatasetError(f"load_fer2013: '{path}' holds none of {list(_FILES)}, and no folder train. {_FORMS}")
    _refuse_absent(path, parts, list(where))
    files = [
        (normalize_emotion(folder.name), file)
        for part in parts
        if part in where
        for folder in sorted(where[part].iterdir())
        if folder.is_dir()
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in (".png", ".jpg", ".jpeg")
    ]
    unknown = sorted({str(label) for label, _ in files} - set(_CLASSES))
    if unknown or not files:
        found = f"the classes {name_some(unknown)}" if unknown else "no images"
        raise DatasetError(f"load_fer2013: '{path}' holds {found}, expected {list(_CLASSES)}. Use load_face_folder.")
    return np.stack([_read_image(file) for _, file in files]), np.array([label for label, _ in files])


def _read_image(path: Path) -> NDArray[np.uint8]:
    try:
        pixels = np.asarray(decode_picture(path).convert("L"))
    except ImageReadError as error:
        raise DatasetError(f"load_fer2013: '{path}' {error}. Get it anew, or remove it.") from error
    if pixels.shape != (_SIDE, _SIDE):
        raise DatasetError(
            f"load_fer2013: '{path}' has {pixels.shape[1]} x {pixels.shape[0]} pixels, expected 48 x 48. "
            "Load other photos with load_face_folder."
        )
    return pixels


def _group_copies(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number rows so that those with the same pixels share a number."""
    first: dict[bytes, int] = {}
    return number_by_appearance(np.array([first.setdefault(image.tobytes(), len(first)) for image in images]))
