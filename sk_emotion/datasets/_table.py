"""Load photos listed in a table with their labels."""

import os
import re
from collections.abc import Hashable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Options, validate_params

from ..emotions import normalize_emotions
from ..exceptions import DatasetError, ParameterError
from ..utils._labels import refuse_encoded
from ..utils._text import explain_text, name_some, quote_name, show_path
from ._base import PICTURES, check_classes, check_exists, make_bunch, map_labels, name_columns, strip_label

_DELIMITERS = ",;\t"
# Numbers would lose leading zeros: 01 is another person than 1.
_LEADING_ZERO = re.compile(r"\s*[+-]?0\d")


@validate_params(
    {
        "table": [str, os.PathLike, pd.DataFrame],
        "image": [Hashable],
        "label": [Hashable],
        "group": [Hashable, None],
        "labels": [Mapping, None],
        "root": [str, os.PathLike, None],
        "sep": [str, None],
        "header": [Options(Integral, {0}), None],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_face_table(
    table: str | os.PathLike[str] | pd.DataFrame,
    *,
    image: Hashable = "image",
    label: Hashable = "label",
    group: Hashable | None = None,
    labels: Mapping[Any, Any] | None = None,
    root: str | os.PathLike[str] | None = None,
    sep: str | None = None,
    header: int | None = 0,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple[Any, Any]:
    """Load photos listed in a table with their labels.

    Parameters
    ----------
    table : str, path-like or DataFrame
        A CSV file in UTF-8, or a DataFrame, with one row per photo.
    image : str or int, default="image"
        Column of the paths: its name, or its number if there is no header.
    label : str or int, default="label"
        Column of the labels. Names of emotions are converted to standard names by
        :func:`~sk_emotion.normalize_emotion`; numbers are kept, and ``01`` is text.
    group : str or int, default=None
        Column of the groups that must not be split between training and test, such as the person. None for no groups.
    labels : mapping, default=None
        Mapping from labels in the table to classes, as in ``{1: "surprise", 2: "fear"}``; rows of labels mapped to None
        are left out. A number and its text are the same key. Labels that are not in the mapping must be emotions.
    root : str or path-like, default=None
        Folder to which the paths in the table are relative. By default, the folder of the CSV file, or the working
        directory for a DataFrame.
    sep : str, default=None
        Column separator of a CSV file; ``" "`` matches any number of spaces. By default, a comma, a semicolon or a tab,
        whichever is most frequent in the first line.
    header : 0 or None, default=0
        Whether the first line of a CSV file is a header. With None, columns are identified by number.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to return pandas objects.

    Returns
    -------
    Bunch
        With ``data``, ``target``, ``target_names``, ``groups``, ``frame`` and ``DESCR`` as in
        :func:`load_face_folder`, in the order of the table, and ``skipped``, an ndarray of int, the numbers of the rows
        left out by `labels`. With `return_X_y`, the tuple ``(data, target)``.

    Raises
    ------
    DatasetNotFoundError
        If the CSV file does not exist.
    DatasetError
        If the file is not such a table, a column is missing or duplicated, a value is missing, a photo does not exist,
        a label has no class in `labels`, or there is a single class.

    See Also
    --------
    load_face_folder : Load photos from folders named by emotion.
    find_duplicates : Find groups of near-duplicates, for a table without persons.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from PIL import Image
    >>> from sk_emotion.datasets import load_face_table, make_faces
    >>> X, y, subject = make_faces(4, emotions=["neutral", "pain"], n_subjects=2, random_state=0)
    >>> folder = Path(tempfile.mkdtemp())
    >>> for number, face in enumerate(X):
    ...     Image.fromarray(face).save(folder / f"{number}.png")
    >>> table = pd.DataFrame({"file": [f"{number}.png" for number in range(4)], "emotion": y, "person": subject})
    >>> faces = load_face_table(table, image="file", label="emotion", group="person", root=folder)
    >>> faces.target_names.tolist(), sorted(faces.groups.tolist())
    (['neutral', 'pain'], [0, 0, 1, 1])

    A list without a header, with codes:

    >>> _ = (folder / "list.txt").write_text("0.png 7\\n1.png 1\\n")
    >>> codes = {7: "neutral", 1: "surprise"}
    >>> load_face_table(folder / "list.txt", header=None, image=0, label=1, sep=" ", labels=codes).target.tolist()
    ['neutral', 'surprise']
    """
    if isinstance(table, pd.DataFrame):
        frame, name, folder = table, "the DataFrame", root or ""
    else:
        source = Path(table).expanduser()
        frame = read_face_table(source, sep=sep, header=header)
        name, folder = f"'{source}'", source.parent if root is None else root
    _check_columns(frame, [column for column in (image, label, group) if column is not None], name)
    given = list(map(strip_label, _plain(frame[label]).tolist()))
    skipped: list[int] = []
    if labels is not None:
        classes = map_labels(given, labels, f"load_face_table: {name}")
        mapped = [classes[of_row] for of_row in given]
        skipped = [row for row, of_row in enumerate(mapped) if of_row is None]
        given = [of_row for of_row in mapped if of_row is not None]
        frame = frame.iloc[np.setdiff1d(np.arange(len(frame)), skipped)]
        if frame.empty:
            raise DatasetError(f"load_face_table: {name}: labels leaves out all {len(skipped)} rows.")
    refuse_encoded(given, f"load_face_table: the column {quote_name(label)} of {name}", DatasetError)
    data = _find_photos(frame[image], os.path.expanduser(folder), name)
    target = normalize_emotions(np.array(given))
    check_classes(target, f"load_face_table: {name}", "Add photos of another class.")
    return make_bunch(
        data,
        target,
        None if group is None else _plain(frame[group]),
        name=f"Photos of faces listed in {name}.",
        notes=[
            *([f"Left out by labels: {len(skipped)} rows."] if skipped else []),
            *([] if group is None else [f"Grouped by the column {group!r}."]),
        ],
        return_X_y=return_X_y,
        as_frame=as_frame,
        skipped=np.array(skipped, dtype=np.intp),
    )


def read_face_table(path: str | os.PathLike[str], *, sep: str | None = None, header: int | None = 0) -> pd.DataFrame:
    """Read a table as :func:`load_face_table` does, for example to use its other columns.

    Columns of numbers with leading zeros are kept as text, and duplicate names of columns as they are.

    Parameters
    ----------
    path : str or path-like
        CSV file in UTF-8.
    sep, header
        As in :func:`load_face_table`.

    Returns
    -------
    DataFrame

    Raises
    ------
    DatasetNotFoundError
        If the file does not exist.
    DatasetError
        If the file is not a table.
    ParameterError
        If `path` is not a path.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sk_emotion.datasets import read_face_table
    >>> file = Path(tempfile.mkdtemp()) / "faces.csv"
    >>> _ = file.write_text("image;label;person\\na.jpg;pain;01\\n")
    >>> read_face_table(file)["person"].tolist()
    ['01']
    """
    if not isinstance(path, str | os.PathLike):
        raise ParameterError(f"read_face_table: path is {type(path).__name__}, expected the path of a CSV file.")
    path = Path(path).expanduser()
    if sep is not None and sep != r"\s+" and (len(sep) != 1 or sep in "\r\n"):
        raise DatasetError(f"load_face_table: sep={sep!r}, expected one character other than a line break.")
    if header is False:
        raise DatasetError("load_face_table: header=False, expected 0 or None. Pass None if there is no header.")
    check_exists(path, "load_face_table: there is no file", "Pass the path of a CSV file.")
    if path.is_dir():
        raise DatasetError(f"load_face_table: '{path}' is a folder. Pass a CSV file, or use load_face_folder.")
    if not path.is_file():
        raise DatasetError(f"load_face_table: '{path}' is not a regular file. Pass the path of a CSV file.")
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline()
        if sep is None:
            # The header contains only names, so its most frequent delimiter is the separator.
            sep = max(_DELIMITERS, key=first.count)
            if header is None and sep not in first:
                sep = " "
        options: dict[str, Any] = {
            "sep": r"\s+" if sep == " " else sep,
            "encoding": "utf-8-sig",
            "skipinitialspace": True,
            # The C parser supports single-byte separators only.
            "engine": "c" if sep.isascii() else "python",
        }
        frame = pd.read_csv(path, header=header, **options)
        text = pd.read_csv(path, header=header, dtype=str, **options)
        names = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, **options).iloc[0].str.strip()
    except ValueError as error:
        raise DatasetError(
            f"load_face_table: '{path}' is not a table ({type(error).__name__}: {str(error).strip()}). "
            "Save it as CSV in UTF-8 with a header, or set sep= and header=."
        ) from error
    except OSError as error:
        raise DatasetError(f"load_face_table: '{path}' cannot be read ({type(error).__name__}: {error}).") from error
    for place in range(frame.shape[1]):
        if pd.api.types.is_numeric_dtype(frame.dtypes.iloc[place]):
            column = text.iloc[:, place]
            if column.str.match(_LEADING_ZERO).any():
                frame.isetitem(place, column.str.strip())
    if header is None:
        return frame
    twice = names[names.duplicated(keep=False)]
    if len(names) == frame.shape[1]:
        # pandas has renamed duplicates.
        frame.columns = [twice.get(place, name) for place, name in enumerate(frame.columns)]
    return frame.rename(columns=str.strip)


def _check_columns(frame: pd.DataFrame, columns: list[Hashable], name: str) -> None:
    """Reject a table that lacks rows, one of the columns, or a value in one of them."""
    for column in columns:
        if column not in frame.columns:
            raise DatasetError(
                f"load_face_table: {name} has no column {quote_name(column)}. It has {name_columns(frame.columns)}. "
                "Name the columns with image= (--image-column in a shell), label= (--label-column), group= (groups= in "
                "load_faces, --groups)."
                f"{_explain_columns([str(known).lower() for known in frame.columns])}"
            )
        if (times := sum(known == column for known in frame.columns)) > 1:
            raise DatasetError(
                f"load_face_table: {name} has the column {column!r} {times} times. Rename or drop all but one."
            )
        empty = np.flatnonzero(frame[column].isna() | (frame[column].astype(str).str.strip() == ""))
        if len(empty):
            raise DatasetError(
                f"load_face_table: {name} has {len(empty)} rows without a value in the column {column!r}: rows "
                f"{name_some(empty.tolist())}, counted from 0 below the header. Fill them in, or drop them."
            )
        wrong = [value for value in frame[column] if not isinstance(value, Hashable)]
        if wrong:
            raise DatasetError(
                f"load_face_table: {name} holds {wrong[0]!r:.60} ({type(wrong[0]).__name__}) in the column {column!r}, "
                "expected one str or number per row."
            )
    if frame.empty:
        raise DatasetError(f"load_face_table: {name} has no rows. Add one row per photo.")


def _explain_columns(names: list[str]) -> str:
    """Explain what a table with other columns seems to be, in a sentence that begins with a space."""
    if {"emotion", "pixels"} <= set(names):
        return " It seems to be FER2013: load it with load_fer2013."
    if any(f".{ending}" in name for name in names for ending in PICTURES):
        return " If the first line is not a header, pass header=None, image=0 and label=1 (--no-header in a shell)."
    if len(names) == 1:
        return " If the columns have another separator, pass it as sep= (--sep in a shell)."
    return ""


def _find_photos(column: pd.Series, folder: str, name: str) -> Any:
    """Return the paths of the photos; raise if any does not exist."""
    # The paths may have been written on Windows.
    paths = [os.path.join(folder, str(photo).replace("\\", os.sep)) for photo in column]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        # Images in the table itself, and URLs.
        for row, photo in enumerate(map(str, column)):
            if (reason := explain_text(photo)) is not None:
                raise DatasetError(
                    f"load_face_table: {name}, row {row} (the first is 0): {quote_name(photo)} {reason}. Save the "
                    "photos as files, and list their paths."
                )
        raise DatasetError(
            f"load_face_table: {len(missing)} of {len(paths)} photos in {name} do not exist or are not files: "
            f"{name_some([show_path(path) for path in missing])}. Set root= to the folder to which the paths are "
            f"relative, if it is not '{folder or os.getcwd()}', or correct or drop these rows."
        )
    return np.array(paths, dtype=object)


def _plain(column: pd.Series) -> Any:
    """Convert a column to a NumPy array, of str if it holds str, else of its own dtype."""
    values = column.to_numpy()
    return np.array(values.tolist()) if values.dtype == object else values
