"""Read images from disk by rows, so that memory does not grow with their number."""

import copy
import math
import mmap
import sys
from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Bytes of shuffled chunks in memory at a time, from which rows are drawn.
_BUFFER = 2**25

# Smaller chunks are read together.
_LEAST_READ = 2**20

# Reading a row of a memory-map also maps its neighbors: up to 2 MB around it on Linux.
_MAPPED_AROUND = 2**21
_MOST_MAPPED = 2**25

# Number of pixels per block.
_BLOCK = 2**22


def is_stored(X: Any) -> bool:
    """Return whether X is an array on disk: a memory-map, or an array read in chunks, such as Zarr's."""
    if isinstance(X, np.ndarray):
        return getattr(X, "_mmap", None) is not None
    chunks = getattr(X, "chunks", None)
    return isinstance(chunks, tuple) and bool(chunks) and all(isinstance(size, Integral) for size in chunks)


def as_indexable(X: Any) -> Any:
    """Make a Zarr array indexable like a memory-map, without reading it; return anything else as is."""
    zarr = sys.modules.get("zarr")
    if zarr is None or not isinstance(X, zarr.Array) or isinstance(X, _define_face_array()):
        return X
    return _define_face_array()(X.async_array)


@lru_cache(maxsize=1)
def _define_face_array() -> Any:
    """Define the class of such an array when it is needed, since zarr is optional."""
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

        def __reduce__(self) -> Any:
            # This class cannot be imported by other processes.
            return as_indexable, (zarr.Array(self.async_array),)

    return FaceArray


class StoredImages:
    """Images on disk, possibly flattened; indexing with a slice or an array of row numbers returns an array in memory.

    Its images have the given shape and dtype.
    """

    def __init__(self, source: Any, image_shape: tuple[int, ...], dtype: Any):
        self._reader = _MemoryMap(source) if isinstance(source, np.ndarray) else _Chunks(source)
        self._rows: NDArray[np.int64] | None = None
        self.shape = (int(source.shape[0]), *image_shape)
        self.dtype = np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[Any]:
        if self._rows is not None:
            index = self._rows[index]
        elif isinstance(index, slice):
            index = slice(*index.indices(len(self)))
        pixels = self._reader.read(index)
        return pixels.reshape(-1, *self.shape[1:]).astype(self.dtype, copy=False)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def take(self, rows: NDArray[np.int64]) -> "StoredImages":
        """Return a subset of the images, without reading them."""
        part = copy.copy(self)
        part._rows = np.asarray(rows) if self._rows is None else self._rows[rows]
        part.shape = (len(part._rows), *self.shape[1:])
        return part

    def chunk_numbers(self) -> NDArray[np.int64] | None:
        """Return the chunk of each image; None if images are read one by one, or if all chunks fit into memory."""
        if isinstance(self._reader, _MemoryMap) or self._reader.n_chunks <= self.chunks_at_once:
            return None
        return (np.arange(len(self)) if self._rows is None else self._rows) // self._reader.size

    @property
    def chunks_at_once(self) -> int:
        return 1 if isinstance(self._reader, _MemoryMap) else self._reader.at_once


def open_stored(X: Any, image_shape: tuple[int, ...], *, deep: bool = False) -> StoredImages:
    """Open an array on disk: uint8 and floats keep their dtype, other integers become uint8 if they fit.

    Unsigned integers next to `deep` images, of more than 8 bits, do not become uint8.
    """
    images = StoredImages(X, image_shape, X.dtype)
    if images.dtype.kind in "iu" and images.dtype != np.uint8:
        fits = not (deep and images.dtype.kind == "u") and all(
            block.min() >= 0 and block.max() <= 255 for block in iterate_blocks(images)
        )
        images.dtype = np.dtype(np.uint8 if fits else np.float64)
    elif images.dtype not in (np.uint8, np.float32, np.float64):
        images.dtype = np.dtype(np.float64)
    return images


def iterate_blocks(images: Any, *, most_rows: int | None = None) -> Iterator[NDArray[Any]]:
    """Iterate over images in blocks in memory, which are views if the images are in memory."""
    rows = max(1, _BLOCK // max(1, math.prod(images.shape[1:])))
    rows = rows if most_rows is None else min(rows, most_rows)
    for start in range(0, len(images), rows):
        yield images[start : start + rows]


class _MemoryMap:
    """Reader of a memory-map, which releases pages after reading: they would count as used memory."""

    def __init__(self, source: Any):
        self._array = np.asarray(source)
        self._map = source._mmap
        row = math.prod(source.shape[1:]) * source.itemsize
        self._at_once = max(1, _MOST_MAPPED // (row + _MAPPED_AROUND))
        # Changes of a copy-on-write map exist only in its pages. Windows releases pages by itself.
        self._gives_back = source.mode != "c" and hasattr(mmap, "MADV_DONTNEED")

    def read(self, index: Any) -> NDArray[Any]:
        if isinstance(index, slice):
            self._expect("MADV_SEQUENTIAL")
            pixels = np.array(self._array[index])
            self._give_back()
            return pixels
        self._expect("MADV_RANDOM")
        pixels = np.empty((len(index), *self._array.shape[1:]), dtype=self._array.dtype)
        for start in range(0, len(index), self._at_once):
            part = slice(start, start + self._at_once)
            np.take(self._array, index[part], axis=0, out=pixels[part], mode="clip")
            self._give_back()
        return pixels

    def _expect(self, advice: str) -> None:
        if hasattr(mmap, advice):
            self._map.madvise(getattr(mmap, advice))

    def _give_back(self) -> None:
        if self._gives_back:
            self._map.madvise(mmap.MADV_DONTNEED)


class _Chunks:
    """Reader of a chunked array, which keeps the most recent chunks."""

    def __init__(self, source: Any):
        self._source = source
        row = math.prod(source.shape[1:]) * source.dtype.itemsize
        own = int(source.chunks[0])
        self.size = own * max(1, math.ceil(_LEAST_READ / (own * row)))
        self.n_chunks = math.ceil(source.shape[0] / self.size)
        self.at_once = max(1, _BUFFER // (self.size * row))
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()

    def read(self, index: Any) -> NDArray[Any]:
        in_turn = isinstance(index, slice)
        rows = np.arange(index.start, index.stop, index.step) if in_turn else np.asarray(index)
        # A batch may span two buffers; sequential reading never returns to a chunk.
        most_kept = 1 if in_turn else 2 * self.at_once
        pixels = np.empty((len(rows), *self._source.shape[1:]), dtype=self._source.dtype)
        numbers = rows // self.size
        for number in np.unique(numbers).tolist():
            here = np.flatnonzero(numbers == number)
            pixels[here] = self._load(number, most_kept)[rows[here] - number * self.size]
        return pixels

    def _load(self, number: int, most_kept: int) -> NDArray[Any]:
        if number in self._kept:
            self._kept.move_to_end(number)
        else:
            while len(self._kept) >= most_kept:
                self._kept.popitem(last=False)
            start = number * self.size
            self._kept[number] = np.asarray(self._source[start : start + self.size])
        return self._kept[number]
