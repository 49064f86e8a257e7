"""Correlate thumbnails after aligning them by shift and scale, as cropped copies require."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]

_N_STEPS = 8
# In half thumbnails: beyond a step of this length, the linear approximation of the image fails.
_MAX_STEP = 0.1
_MAX_SHIFT = 0.3
_MIN_SCALE, _MAX_SCALE = 0.7, 1.4
# Fraction of the thumbnail: with less overlap, a correlation is unreliable.
_MIN_OVERLAP = 0.5


def correlate_aligned(fixed: Array, moving: Array) -> Array:
    """Correlate pairs of thumbnails after aligning them.

    Each moving thumbnail is shifted and scaled along both axes to match its fixed one by a few Gauss-Newton steps [1]_;
    brightness and contrast have no influence.

    Parameters
    ----------
    fixed, moving : ndarray of shape (n_pairs, size, size), dtype=float32
        The thumbnails, slightly blurred, of mean 0 and variance 1.

    Returns
    -------
    ndarray of shape (n_pairs,)
        Correlation over the overlap, or 0 if the overlap is less than half.

    References
    ----------
    .. [1] B. D. Lucas and T. Kanade, "An iterative image registration technique with an application to stereo vision",
           IJCAI 1981, 674-679.
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
