"""Zarr arrays with NumPy's indexing. Imported only if zarr is installed."""

from typing import Any

import numpy as np
import zarr


class FaceArray(zarr.Array):
    """Zarr array whose rows are indexed like those of a memory-map, as scikit-learn does: ``X[rows, ...]``.

    Rows may be in any order, repeated, negative, a mask or empty; only they are read.
    """

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, selection: Any) -> Any:
        if isinstance(selection, tuple) and len(selection) == 2 and selection[1] is Ellipsis:
            selection = selection[0]
        if isinstance(selection, slice) and (selection.step or 1) < 0:
            selection = range(len(self))[selection]
        if not isinstance(selection, np.ndarray | list | range) or np.ndim(selection) != 1:
            return super().__getitem__(selection)
        # NumPy makes an empty list a float array.
        index = np.asarray(selection, dtype=None if len(selection) else np.intp)
        rows = np.arange(len(self))[index]
        if not len(rows):
            return np.empty((0, *self.shape[1:]), dtype=self.dtype)
        return self.get_orthogonal_selection((rows, *[slice(None)] * (self.ndim - 1)))


def as_face_array(array: Any) -> Any:
    """Return a Zarr array as a FaceArray of the same store, without reading it."""
    return array if isinstance(array, FaceArray) else FaceArray(array.async_array)
