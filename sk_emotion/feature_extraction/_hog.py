"""Histograms of oriented gradients of many images at once, in NumPy or, for uint8 on a device, in PyTorch.

Both run the same code, in which ``xp`` is the module. Images are along the last axis, so that each pixel of a cell is
contiguous in memory.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from .._images._pixel_range import clip_pixels
from .._images._validation import check_one_label_each, validate_images
from ..exceptions import ImageArrayError
from ..utils._arrays import as_numpy, use_index
from ..utils._estimators import as_fitted, fit_aside
from ..utils._parallel import bound_jobs, check_memory

# As in scikit-image.
_EPSILON = 1e-5
_MAX_BEFORE_SECOND_NORM = 0.2

# On a CPU, arrays of about 1 MB are fastest (113 images of 48x48 in int32). A GPU needs larger batches.
_PIXELS_PER_BATCH = {"int32": 2**18, "float64": 2**17, "device": 2**23}


class HOGTransformer(TransformerMixin, BaseEstimator):
    """Compute histograms of oriented gradients, as :func:`skimage.feature.hog` does, of many images at once.

    They describe the direction and strength of edges in each part of the image [1]_.

    Parameters
    ----------
    orientations : int, default=9
        Number of orientation bins.
    pixels_per_cell : tuple of (int, int), default=(8, 8)
        Height and width of a cell in pixels. An image smaller than a cell is one cell.
    cells_per_block : tuple of (int, int), default=(3, 3)
        Height and width in cells of a block, within which histograms are normalized. An image of fewer cells is one
        block.
    block_norm : {"L1", "L1-sqrt", "L2", "L2-Hys"}, default="L2-Hys"
        Normalization of the blocks.
    transform_sqrt : bool, default=False
        Whether to take the square root of the pixels first, to reduce the effect of uneven lighting. Pixels must not be
        negative.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, 3)`` of flattened rows. By default, a square number of features is
        a square grayscale image, and up to 256 other features are an image of height 1.
    n_jobs : int, default=None
        Number of threads. None means 1 unless in a :obj:`joblib.parallel_config` context. Not used with a device.
    device : str, default=None
        ``"cuda"`` or any other PyTorch device that supports float64, for uint8 images; ``"auto"`` uses CUDA if
        available. By default, and for floats and `transform_sqrt`, features are computed in NumPy.

    Attributes
    ----------
    n_features_in_ : int
        Number of values per image.
    image_shape_ : tuple of int
        ``(height, width)`` or ``(height, width, 3)``.
    pixel_range_ : tuple of (float, float)
        Range of the pixels seen in `fit`.
    pixels_per_cell_, cells_per_block_ : tuple of (int, int)
        The parameters, clipped to the size of the image.

    See Also
    --------
    make_hog_svm : A pipeline with this transformer and a support vector machine.

    Notes
    -----
    In an RGB image, each pixel uses the channel with the strongest gradient, as in [1]_.

    Features differ from those of scikit-image by less than 1e-6, even if a gradient is on the border of two bins.

    References
    ----------
    .. [1] Dalal, N., & Triggs, B. (2005). Histograms of oriented gradients for human detection. CVPR.

    Examples
    --------
    >>> from sk_emotion import HOGTransformer, make_faces
    >>> X, y, groups = make_faces(4, random_state=0)
    >>> HOGTransformer(orientations=8, cells_per_block=(2, 2)).fit_transform(X).shape
    (4, 800)
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's form
        "orientations": [Interval(Integral, 1, None, closed="left")],
        "pixels_per_cell": [tuple, list],
        "cells_per_block": [tuple, list],
        "block_norm": [StrOptions({"L1", "L1-sqrt", "L2", "L2-Hys"})],
        "transform_sqrt": ["boolean"],
        "image_shape": [tuple, list, None],
        "n_jobs": [Interval(Integral, None, -1, closed="right"), Interval(Integral, 1, None, closed="left"), None],
        "device": [str, None],
    }

    def __init__(
        self,
        orientations=9,
        pixels_per_cell=(8, 8),
        cells_per_block=(3, 3),
        *,
        block_norm="L2-Hys",
        transform_sqrt=False,
        image_shape=None,
        n_jobs=None,
        device=None,
    ):
        self.orientations = orientations
        self.pixels_per_cell = pixels_per_cell
        self.cells_per_block = cells_per_block
        self.block_norm = block_norm
        self.transform_sqrt = transform_sqrt
        self.image_shape = image_shape
        self.n_jobs = n_jobs
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    @fit_aside
    def fit(self, X, y=None):
        """Learn the size of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images: uint8, or floats.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : HOGTransformer
            The fitted transformer.
        """
        images = validate_images(self, X, reset=True)
        if y is not None:
            check_one_label_each("HOGTransformer", X, len(images), as_numpy(y, "HOGTransformer", "y"))
        self.pixels_per_cell_ = _clip("pixels_per_cell", self.pixels_per_cell, self.image_shape_[:2])
        n_cells = [side // cell for side, cell in zip(self.image_shape_[:2], self.pixels_per_cell_, strict=True)]
        self.cells_per_block_ = _clip("cells_per_block", self.cells_per_block, n_cells)
        n_blocks = [n - size + 1 for n, size in zip(n_cells, self.cells_per_block_, strict=True)]
        self._n_features_out = int(np.prod(n_blocks) * np.prod(self.cells_per_block_) * self.orientations)
        return self

    @as_fitted
    def transform(self, X):
        """Compute the histograms.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images of the size seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_blocks * cells_per_block * orientations), dtype=float64
            One row per image, equal to the output of :func:`skimage.feature.hog`.

        Raises
        ------
        ImageArrayError
            If the images do not match those of `fit`, or pixels are negative with ``transform_sqrt=True``.
        ValueError
            If the device is not available or does not support float64.
        """
        images = clip_pixels(validate_images(self, X, reset=False), self.pixel_range_)
        if self.transform_sqrt and images.min() < 0:
            raise ImageArrayError(
                "HOGTransformer: transform_sqrt=True, but X contains negative pixels. Pass non-negative pixels, or "
                "transform_sqrt=False."
            )
        device = _choose_device(self.device)
        whole = images.dtype == np.uint8 and not self.transform_sqrt
        device = device if whole else None
        kind = "device" if device is not None else "int32" if whole else "float64"
        size = max(1, _PIXELS_PER_BATCH[kind] // math.prod(images.shape[1:3]))
        starts = range(0, len(images), size)
        # Threads, since passing features between processes takes longer than computing them.
        n_jobs = bound_jobs(self.n_jobs, len(starts), require="sharedmem") if device is None else 1
        parallel = Parallel(n_jobs, require="sharedmem", return_as="generator")
        parts = parallel(delayed(self._describe)(images[start : start + size], device) for start in starts)
        check_memory(
            8 * len(images) * self._n_features_out, f"HOGTransformer: {self._n_features_out} features per image"
        )
        features = np.empty((len(images), self._n_features_out))
        for start, part in zip(starts, parts, strict=True):
            features[start : start + size] = part
        return use_index(features, X, self)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the features: ``hog0``, ``hog1`` and so on.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only used to validate feature names with those seen in `fit`.

        Returns
        -------
        ndarray of str
            One name per column of `transform`.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.array([f"hog{i}" for i in range(self._n_features_out)], dtype=object)

    def _describe(self, images: NDArray[Any], device: str | None) -> NDArray[np.float64]:
        """Compute the features of images ``(n, H, W)`` or ``(n, H, W, 3)``; with a device, in PyTorch."""
        pixels: Any = np.ascontiguousarray(images.reshape(*images.shape[:3], -1).transpose(3, 1, 2, 0))
        if self.transform_sqrt:
            pixels = np.sqrt(pixels.astype(np.float64) if images.dtype == np.uint8 else pixels)
        elif images.dtype == np.uint8:
            pixels = pixels.astype(np.int32)
            if device is not None:
                import torch

                pixels = torch.tensor(pixels, device=device)
        cells = _sum_cells(*_find_gradients(pixels), self.orientations, self.pixels_per_cell_)
        features = _normalize(_gather_blocks(cells, self.cells_per_block_), self.block_norm).reshape(len(images), -1)
        return features if isinstance(features, np.ndarray) else features.cpu().numpy()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        # The output is always float64.
        tags.transformer_tags.preserves_dtype = []
        return tags


def _choose_device(device: str | None) -> str | None:
    """Return the PyTorch device, or None for NumPy."""
    if device is None:
        return None
    from ..utils._device import choose_device

    chosen = choose_device(device)
    if device == "auto":
        return chosen if chosen == "cuda" else None
    if chosen.startswith("mps"):
        raise ValueError(f"HOGTransformer: device={device!r}, but Apple GPUs do not support float64. Pass device=None.")
    return chosen


def _clip(name: str, wanted: Any, available: Any) -> tuple[int, int]:
    """Clip a pair of sizes to the size of the image."""
    if len(wanted) != 2 or not all(isinstance(size, Integral) and int(size) > 0 for size in wanted):
        raise ValueError(f"HOGTransformer: {name}={wanted!r}, expected two positive integers, as in (8, 8).")
    return (min(int(wanted[0]), int(available[0])), min(int(wanted[1]), int(available[1])))


def _find_gradients(pixels: Any) -> tuple[Any, Any]:
    """Compute the vertical and horizontal gradients of each pixel, in the channel where they are strongest."""
    xp = _namespace(pixels)
    # The squares of integers are exact.
    measure = _square if pixels.dtype == xp.int32 else np.hypot
    strongest = _subtract_neighbors(pixels[0])
    for channel in pixels[1:]:
        gradients = _subtract_neighbors(channel)
        longer = measure(*gradients) > measure(*strongest)
        strongest = xp.where(longer, gradients[0], strongest[0]), xp.where(longer, gradients[1], strongest[1])
    return strongest


def _subtract_neighbors(pixels: Any) -> tuple[Any, Any]:
    xp = _namespace(pixels)
    down, across = xp.zeros_like(pixels), xp.zeros_like(pixels)
    xp.subtract(pixels[2:], pixels[:-2], out=down[1:-1])
    xp.subtract(pixels[:, 2:], pixels[:, :-2], out=across[:, 1:-1])
    return down, across


def _square(down: Any, across: Any) -> Any:
    return down * down + across * across


def _sum_cells(down: Any, across: Any, orientations: int, pixels_per_cell: tuple[int, int]) -> Any:
    """Sum the lengths of gradients by cell and bin; the shape is (rows of cells, columns of cells, n, orientations)."""
    xp = _namespace(down)
    height, width = pixels_per_cell
    n_rows, n_columns, n_images = down.shape[0] // height, down.shape[1] // width, down.shape[2]

    def group_by_offset(pixels: Any) -> Any:
        """Return a row per position within a cell, without pixels beyond the last complete cell."""
        inside = pixels[: n_rows * height, : n_columns * width].reshape(n_rows, height, n_columns, width, n_images)
        return xp.moveaxis(inside, (1, 3), (0, 1)).reshape(height * width, -1)

    # An additional bin collects directions rounded up to 180 degrees, which scikit-image drops.
    n_sums = n_rows * n_columns * n_images * (orientations + 1)
    sums = xp.zeros(n_sums, dtype=xp.float32, device=down.device)
    first_bins = xp.arange(0, n_sums, orientations + 1, device=down.device)
    # Sum pixel by pixel in float32, as scikit-image does.
    for bins, lengths in _find_votes(group_by_offset(down), group_by_offset(across), orientations):
        sums[first_bins + bins] += lengths
    return sums.reshape(n_rows, n_columns, n_images, orientations + 1)[..., :-1] / (height * width)


def _find_votes(down: Any, across: Any, orientations: int) -> Iterator[tuple[Any, Any]]:
    """Yield the bins and lengths of gradients, row by row, which fits the cache."""
    xp = _namespace(down)
    if down.dtype != xp.int32:
        for row_down, row_across in zip(down, across, strict=True):
            yield _find_bins(row_down, row_across, orientations), np.hypot(row_down, row_across)
        return
    table = xp.asarray(_tabulate_bins(orientations), device=down.device)
    for places, squares in zip(down * 511 + across + 255 * 512, _square(down, across), strict=True):
        bins = xp.take(table, xp.asarray(places, dtype=xp.int64))
        yield bins, xp.sqrt(xp.asarray(squares, dtype=xp.float64))


def _find_bins(down: NDArray[Any], across: NDArray[Any], orientations: int) -> NDArray[np.int64]:
    """Find the bins of the directions of gradients as scikit-image does, also on the border of two bins."""
    degrees = np.rad2deg(np.arctan2(down.astype(np.float64), across.astype(np.float64)))
    # Equivalent to degrees % 180, but ten times as fast.
    degrees = np.where(degrees == 180, 0, degrees)
    degrees += 180.0 * (degrees < 0)
    return np.searchsorted(180.0 / orientations * np.arange(orientations + 1), degrees, side="right") - 1


@lru_cache(maxsize=8)
def _tabulate_bins(orientations: int) -> NDArray[Any]:
    """Tabulate the bins of all differences of uint8 pixels, in a small dtype that fits the cache."""
    down, across = np.mgrid[-255:256, -255:256].reshape(2, -1)
    return _find_bins(down, across, orientations).astype(np.uint8 if orientations < 256 else np.int64)


def _gather_blocks(cells: Any, cells_per_block: tuple[int, int]) -> Any:
    """Stack the cells of each block; the shape is (n, rows of blocks, columns of blocks, cells, orientations)."""
    xp = _namespace(cells)
    cells = xp.asarray(xp.moveaxis(cells, 2, 0), dtype=xp.float64)
    height, width = cells_per_block
    n_rows, n_columns = cells.shape[1] - height + 1, cells.shape[2] - width + 1
    shifts = [(row, column) for row in range(height) for column in range(width)]
    return xp.stack([cells[:, row : row + n_rows, column : column + n_columns] for row, column in shifts], 3)


def _normalize(blocks: Any, block_norm: str) -> Any:
    """Normalize the blocks in place."""
    xp = _namespace(blocks)
    if block_norm.startswith("L1"):
        blocks /= blocks.sum((-2, -1), keepdims=True) + _EPSILON
        return xp.sqrt(blocks) if block_norm == "L1-sqrt" else blocks
    blocks /= xp.sqrt((blocks * blocks).sum((-2, -1), keepdims=True) + _EPSILON**2)
    if block_norm == "L2-Hys":
        xp.clip(blocks, None, _MAX_BEFORE_SECOND_NORM, out=blocks)
        return _normalize(blocks, "L2")
    return blocks


def _namespace(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch
