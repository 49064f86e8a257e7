"""Read images as small thumbnails, and correlate these after aligning them, as cropped copies require."""

import os
from collections.abc import Iterable, Sized
from typing import Any, TypeAlias

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from PIL import Image

from .._images._stored import iterate_blocks
from ..exceptions import ImageReadError
from ..preprocessing._decode import REDUCING_GAP, decode_picture
from ..preprocessing._sources import as_source
from ..utils._parallel import bound_jobs, most_jobs
from ..utils._text import quote_name

SIZE = 32
"""Height and width of a thumbnail in pixels; the aspect ratio is not preserved."""

Array: TypeAlias = NDArray[np.floating[Any]]

_LUMA = np.array([0.299, 0.587, 0.114])

_N_STEPS = 8
# In half thumbnails: beyond a step of this length, the linear approximation of the image fails.
_MAX_STEP = 0.1
_MAX_SHIFT = 0.3
_MIN_SCALE, _MAX_SCALE = 0.7, 1.4
# Fraction of the thumbnail: with less overlap, a correlation is unreliable.
_MIN_OVERLAP = 0.5


def read_thumbnails(images: Iterable[Any], n_jobs: int | None = None) -> list[NDArray[np.uint8] | ImageReadError]:
    """Read the thumbnails of images in threads; return an error for each image that cannot be read."""

    def read(image: Any) -> NDArray[np.uint8] | ImageReadError:
        try:
            return _make_thumbnail(image)
        except ImageReadError as error:
            return error

    n_images = len(images) if isinstance(images, Sized) else most_jobs()
    n_jobs = bound_jobs(n_jobs, n_images, require="sharedmem")
    return Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(read)(image) for image in images)


def _make_thumbnail(image: Any) -> NDArray[np.uint8]:
    """Shrink one image to a gray thumbnail."""
    image = as_source(image)
    # NumPy strings have __array__, too.
    is_array = isinstance(image, list | tuple) or hasattr(image, "__array__")
    if not is_array or isinstance(image, str | bytes | Image.Image):
        try:
            # A JPEG is decoded at an eighth of its size, which is much faster but still reads it completely.
            return shrink(decode_picture(image, min_side=2 * SIZE, gray=True, cut_padding=False))
        except ImageReadError as error:
            raise ImageReadError(f"{_name(image)} {error}.") from error
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or 0 in pixels.shape or pixels.dtype.kind not in "biuf":
        raise ImageReadError(
            f"{type(image).__name__} of shape {pixels.shape} and dtype {pixels.dtype} is not an image. Expected a "
            "path, bytes, a PIL image, or an array of shape (H, W) or (H, W, 3)."
        )
    return thumbnails_of_array(pixels[np.newaxis])[0]


def shrink(picture: Image.Image) -> NDArray[np.uint8]:
    """Shrink a decoded image to a gray thumbnail."""
    small = picture.convert("L").resize((SIZE, SIZE), Image.Resampling.BOX, reducing_gap=REDUCING_GAP)
    return np.asarray(small)


def thumbnails_of_array(X: NDArray[Any]) -> NDArray[np.uint8]:
    """Shrink a batch of shape (n, H, W) or (n, H, W, channels); pixels other than uint8 are stretched to [0, 255]."""
    stretches = X.dtype != np.uint8 and 0 not in X.shape
    if stretches:
        # In blocks, since arrays on disk may exceed memory.
        extremes = np.array([(block.min(), block.max()) for block in iterate_blocks(X)], dtype=np.float64)
        low, high = float(extremes[:, 0].min()), float(extremes[:, 1].max())
    rows, columns = _averaging(X.shape[1]), _averaging(X.shape[2]).T
    small = np.empty((len(X), SIZE, SIZE), dtype=np.uint8)
    step = max(1, 2**22 // (X.shape[1] * X.shape[2]))
    for start in range(0, len(X), step):
        part = X[start : start + step]
        if stretches:
            part = (part - low) * (255 / (high - low) if high > low else 1.0)
        part = part.astype(np.float32)
        if part.ndim == 4:
            part = part[..., :3] @ _LUMA.astype(np.float32) if part.shape[-1] >= 3 else part[..., 0]
        small[start : start + step] = (rows @ part @ columns).round().clip(0, 255)
    return small


def _name(image: Any) -> str:
    if isinstance(image, bytes):
        return f"{len(image)} bytes"
    if isinstance(image, str | os.PathLike):
        return quote_name(image)
    return "a PIL image" if isinstance(image, Image.Image) else "it"


def _averaging(length: int) -> NDArray[np.float32]:
    """Return the matrix of shape (SIZE, length) that averages pixels over areas."""
    edges = np.linspace(0, length, SIZE + 1)
    pixel = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (overlap.clip(0) * (SIZE / length)).astype(np.float32)


def correlate_aligned(fixed: Array, moving: Array) -> Array:
    """Correlate pairs of slightly blurred thumbnails of mean 0 and variance 1; 0 if less than half of them overlaps.

    Moving ones are first shifted and scaled to match fixed ones by a few Gauss-Newton steps (Lucas & Kanade, 1981).
    """
    n, size = fixed.shape[:2]
    grid = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    # Scale and shift along x, then along y.
    warp = np.tile(np.array([1, 0, 1, 0], dtype=np.float32), (n, 1))
    for _ in range(_N_STEPS):
        target, warped, inside = _overlay(fixed, moving, warp, grid)
        gain = _length(warped) / np.maximum(_length(target), 1)
        error = target * gain[:, None, None] - warped
        step = _solve_step(error, warped, inside, grid)
        warp += step.clip(-_MAX_STEP, _MAX_STEP)
        warp[:, ::2] = warp[:, ::2].clip(_MIN_SCALE, _MAX_SCALE)
        warp[:, 1::2] = warp[:, 1::2].clip(-_MAX_SHIFT, _MAX_SHIFT)
    target, warped, inside = _overlay(fixed, moving, warp, grid)
    correlation = np.einsum("nij,nij->n", target, warped) / np.maximum(_length(target) * _length(warped), 1)
    return np.where(inside.mean(axis=(1, 2)) < _MIN_OVERLAP, 0, correlation)


def _overlay(fixed: Array, moving: Array, warp: Array, grid: Array) -> tuple[Array, Array, Array]:
    """Overlay warped and fixed thumbnails: both centered over their overlap and 0 elsewhere, and the overlap mask."""
    columns, rows = _interpolation(warp[:, :2], grid), _interpolation(warp[:, 2:], grid)
    in_columns, in_rows = ((weights.sum(axis=2) > 0.99).astype(np.float32) for weights in (columns, rows))
    inside = in_rows[:, :, None] * in_columns[:, None, :]
    area = np.maximum(inside.sum(axis=(1, 2)), 1)

    def centered(pictures: Array) -> Array:
        mean = np.einsum("nij,nij->n", pictures, inside) / area
        return (pictures - mean[:, None, None]) * inside

    return centered(fixed), centered(rows @ moving @ columns.transpose(0, 2, 1)), inside


def _interpolation(warp: Array, grid: Array) -> Array:
    """Return the matrices of shape (n, size, size) that resample an axis linearly at its shifted and scaled points."""
    size = len(grid)
    position = (warp[:, :1] * grid + warp[:, 1:] + 1) * (size / 2) - 0.5
    return (1 - np.abs(position[:, :, None] - np.arange(size, dtype=np.float32))).clip(0, None)


def _solve_step(error: Array, warped: Array, inside: Array, grid: Array) -> Array:
    """Solve for the change of the warp that minimizes the error in a linear approximation."""
    half = len(grid) / 2
    down, across = np.gradient(warped, axis=(1, 2))
    down, across = down * inside * half, across * inside * half
    powers = np.stack([grid, np.ones_like(grid)], axis=1)
    # Columns of the Jacobian are across * (x, 1) and down * (y, 1); all sums over pixels are separable.
    outer = np.einsum("ka,kb->kab", powers, powers)
    normal = np.empty((len(error), 4, 4), dtype=np.float32)
    normal[:, :2, :2] = np.tensordot(np.einsum("nij,nij->nj", across, across), outer, axes=(1, 0))
    normal[:, 2:, 2:] = np.tensordot(np.einsum("nij,nij->ni", down, down), outer, axes=(1, 0))
    normal[:, :2, 2:] = powers.T @ (across * down).transpose(0, 2, 1) @ powers
    normal[:, 2:, :2] = normal[:, :2, 2:].transpose(0, 2, 1)
    slope = np.concatenate(
        [np.einsum("nij,nij->nj", across, error) @ powers, np.einsum("nij,nij->ni", down, error) @ powers], axis=1
    )
    # A little damping keeps the step finite where an image has no edges in one direction.
    normal += (1 + 1e-3 * np.trace(normal, axis1=1, axis2=2))[:, None, None] * np.eye(4, dtype=np.float32)
    return np.linalg.solve(normal, slope[:, :, None])[:, :, 0]


def _length(pictures: Array) -> Array:
    return np.sqrt(np.einsum("nij,nij->n", pictures, pictures))
