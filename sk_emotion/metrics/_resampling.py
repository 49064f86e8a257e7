"""Bootstrap: resamples of images or whole groups as rows of weights, and percentile intervals."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Weights per chunk (resamples times images): few enough to fit in the processor's cache.
_CHUNK = 60_000


def draw_resamples(
    n_samples: int, groups: NDArray[Any] | None, n_resamples: int, random_state: np.random.RandomState
) -> Iterator[NDArray[np.float64]]:
    """Draw images, or whole groups of them, with replacement.

    Yields
    ------
    ndarray of shape (n, n_samples)
        How often each image was drawn, in chunks with `n_resamples` rows in total.
    """
    units = np.arange(n_samples) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(units.max()) + 1
    if n_units < 2:
        # A single group shows no variation between groups.
        return
    rows = max(1, _CHUNK // n_samples)
    for start in range(0, n_resamples, rows):
        counts = [
            np.bincount(random_state.randint(n_units, size=n_units), minlength=n_units)
            for _ in range(min(rows, n_resamples - start))
        ]
        yield np.array(counts, dtype=np.float64)[:, units]


def find_interval(values: NDArray[np.float64], confidence_level: float) -> NDArray[np.float64]:
    """Compute the percentile interval.

    Parameters
    ----------
    values : ndarray of shape (n_resamples, ...)
        NaN where a resample lacks a class.
    confidence_level : float

    Returns
    -------
    ndarray of shape (2, ...)
        NaN where all resamples are NaN.
    """
    ends = np.full((2, *values.shape[1:]), np.nan)
    known = ~np.isnan(values).all(axis=0)
    tail = (1 - confidence_level) / 2
    if known.any():
        ends[:, known] = np.nanquantile(values[:, known], [tail, 1 - tail], axis=0)
    return ends
