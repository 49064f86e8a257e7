"""The bootstrap: resamples of images or of whole groups, as rows of weights, and intervals of what they gave."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Weights held at once, resamples times images: few enough for the cache of the processor.
_CHUNK = 60_000


def draw_resamples(
    n_samples: int, groups: NDArray[Any] | None, n_resamples: int, random_state: np.random.RandomState
) -> Iterator[NDArray[np.float64]]:
    """Draw images with replacement, or whole groups of them, as often as there are.

    Yields
    ------
    ndarray of shape (n, n_samples)
        How often each image was drawn, in chunks that sum to `n_resamples` rows.
    """
    units = np.arange(n_samples) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(units.max()) + 1
    if n_units < 2:
        # One person says nothing of how much people differ.
        return
    rows = max(1, _CHUNK // n_samples)
    for start in range(0, n_resamples, rows):
        counts = [
            np.bincount(random_state.randint(n_units, size=n_units), minlength=n_units)
            for _ in range(min(rows, n_resamples - start))
        ]
        yield np.array(counts, dtype=np.float64)[:, units]


def find_interval(values: NDArray[np.float64], confidence_level: float) -> NDArray[np.float64]:
    """Give both ends of the percentile interval.

    Parameters
    ----------
    values : ndarray of shape (n_resamples, ...)
        A resample without a class says nothing of it: nan.
    confidence_level : float

    Returns
    -------
    ndarray of shape (2, ...)
        nan where no resample says anything.
    """
    ends = np.full((2, *values.shape[1:]), np.nan)
    known = ~np.isnan(values).all(axis=0)
    tail = (1 - confidence_level) / 2
    if known.any():
        ends[:, known] = np.nanquantile(values[:, known], [tail, 1 - tail], axis=0)
    return ends
