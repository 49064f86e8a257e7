"""Photos listed in a table, with their labels."""

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ..emotions import normalize_emotions
from ..exceptions import DatasetError, DatasetNotFoundError
from ..preprocessing._sources import show_path
from ._bunch import check_classes, join_path, make_bunch, name_some

_DELIMITERS = ",;\t"


@validate_params(
    {
        "table": [str, os.PathLike, pd.DataFrame],
        "image": [Hashable],
        "label": [Hashable],
        "group": [Hashable, None],
        "root": [str, os.PathLike, None],
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
    root: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple[Any, Any]:
    """Load photos that a table lists with their labels.

    Parameters
    ----------
    table : str, path-like or DataFrame
        A CSV file in UTF-8 with a header, its columns separated by commas, semicolons or tabs; or a DataFrame. One row
        a photo.
    image : str, default="image"
        The column of the photos' paths.
    label : str, default="label"
        The column of the labels. Names of emotions become standard names by
        :func:`~sk_emotion.normalize_emotion`; numbers stay as they are.
    group : str, default=None
        The column of what must not be on two sides of a split: the person, say. ``None`` for no groups.
    root : str or path-like, default=None
        The folder to which paths in the table are relative. By default the folder of the CSV file, or the working
        directory for a DataFrame.
    return_X_y : bool, default=False
        Whether to give ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to give pandas objects.

    Returns
    -------
    Bunch
        With ``data``, ``target``, ``target_names``, ``groups``, ``frame`` and ``DESCR`` as in
        :func:`load_face_folder`, in the order of the table. Or, with `return_X_y`, the tuple ``(data, target)``.

    Raises
    ------
    DatasetNotFoundError
        If there is no such CSV file.
    DatasetError
        If the file is no such table, a column is not there, a cell in one of them is empty, a photo does not exist,
        or there is one class alone.

    See Also
    --------
    load_face_folder : Load photos from a folder for each emotion.
    find_duplicates : Find groups of near copies, for a table without persons.

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
    """
    if isinstance(table, pd.DataFrame):
        frame, name, folder = table, "the DataFrame", root or ""
    else:
        source = Path(table).expanduser()
        frame, name, folder = read_csv(source), f"'{source}'", source.parent if root is None else root
    _check_columns(frame, [column for column in (image, label, group) if column is not None], name)
    data = _find_photos(frame[image], os.path.expanduser(folder), name)
    target = normalize_emotions(_plain(frame[label]))
    check_classes(target, f"load_face_table: {name}", "Add photos of another.")
    return make_bunch(
        data,
        target,
        None if group is None else _plain(frame[group]),
        name=f"Photos of faces listed in {name}.",
        notes=[] if group is None else [f"Grouped by the column {group!r}."],
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def read_csv(path: Path) -> pd.DataFrame:
    # os.path's, since those of pathlib raise an OSError for a name that is too long.
    if not os.path.exists(path):
        raise DatasetNotFoundError(f"load_face_table: there is no file '{path}'. Give a CSV file or a DataFrame.")
    if path.is_dir():
        raise DatasetError(f"load_face_table: '{path}' is a folder. Give a CSV file, or use load_face_folder.")
    if not path.is_file():
        raise DatasetError(f"load_face_table: '{path}' is a pipe or a device. Give a CSV file or a DataFrame.")
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        # The header holds names alone, so that the separator is what it has most of.
        delimiter = max(_DELIMITERS, key=header.count)
        frame = pd.read_csv(path, sep=delimiter, encoding="utf-8-sig", skipinitialspace=True)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DatasetError(
            f"load_face_table: '{path}' is no table ({type(error).__name__}: {error}). "
            "Save it as CSV in UTF-8, with a header."
        ) from error
    except OSError as error:
        raise DatasetError(f"load_face_table: '{path}' cannot be read ({type(error).__name__}: {error}).") from error
    return frame.rename(columns=str.strip)


def _check_columns(frame: pd.DataFrame, columns: list[Hashable], name: str) -> None:
    """Refuse a table that lacks rows, one of the columns, or a value in one of them."""
    for column in columns:
        if column not in frame.columns:
            raise DatasetError(
                f"load_face_table: {name} has no column {column!r}. It has {list(frame.columns)}. "
                "Say which to use: image= (--image-column in a shell), label= (--label-column), group= (--groups)."
            )
        empty = np.flatnonzero(frame[column].isna() | (frame[column].astype(str).str.strip() == ""))
        if len(empty):
            raise DatasetError(
                f"load_face_table: {name} has {len(empty)} rows without a value in the column {column!r}: rows "
                f"{name_some(empty.tolist())}, counted from 0 below the header. Fill them in, or drop them."
            )
    if frame.empty:
        raise DatasetError(f"load_face_table: {name} has no rows. List one photo a row.")


def _find_photos(column: pd.Series, folder: str, name: str) -> Any:
    """Give the paths of the photos, all of which exist."""
    paths = [join_path(folder, str(photo)) for photo in column]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise DatasetError(
            f"load_face_table: {len(missing)} of {len(paths)} photos in {name} do not exist or are no files: "
            f"{name_some([show_path(path) for path in missing])}. Say with root= to which folder the paths are "
            f"relative, if not to '{folder or os.getcwd()}', or correct or drop these rows."
        )
    return np.array(paths, dtype=object)


def _plain(column: pd.Series) -> Any:
    """Make a NumPy array of a column: of str where it holds str, else of its own type."""
    values = column.to_numpy()
    return np.array(values.tolist()) if values.dtype == object else values
