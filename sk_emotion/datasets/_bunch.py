"""Make the Bunch that every loader returns."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch

from ..exceptions import DatasetError
from ..preprocessing._sources import quote_name, show_path
from ..utils._text import abridge, printable

_N_COLUMNS = 20


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


def join_path(root: str, name: str) -> str:
    """Join a folder and a relative file name, which may have been written on Windows."""
    return os.path.join(root, name.replace("\\", os.sep))


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
