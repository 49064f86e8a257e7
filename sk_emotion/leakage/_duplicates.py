"""Find images that are copies of each other by their appearance."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.utils._param_validation import Interval, validate_params

from .._images._stored import as_indexable, is_stored
from .._images._validation import refuse_one_image
from ..exceptions import DatasetError, ImageReadError
from ..preprocessing._sources import list_once
from ..utils._arrays import as_numpy
from ..utils._labels import check_labels, check_same_length
from ._thumbnails import SIZE, Array, correlate_aligned, read_thumbnails, thumbnails_of_array

# Of 43,000 pairs of FER2013 with similar hashes, 3,200 have an aligned correlation above 0.98 and 200 one of 0.95 to
# 0.98: copies are above the gap, other faces below. Before alignment, copies have a correlation above 0.6.
_MIN_ALIGNED = 0.98
_MIN_CORRELATION = 0.6
_BLUR = 0.7
_N_BITS = 8
# Below this standard deviation, in gray levels, a thumbnail is blank.
BLANK = 1.0
_DISTANCES_AT_ONCE = 2**22
# Few enough to fit into the CPU cache.
_PAIRS_AT_ONCE = 64


@validate_params(
    {
        "images": "no_validation",
        "groups": ["array-like", None],
        "max_distance": [Interval(Integral, 0, 64, closed="both")],
        "max_compared": [Interval(Integral, 0, None, closed="left"), None],
        "n_jobs": [Interval(Integral, None, -1, closed="right"), Interval(Integral, 1, None, closed="left"), None],
        "return_unread": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def find_duplicates(
    images: Any,
    *,
    groups: ArrayLike | None = None,
    max_distance: int = 12,
    max_compared: int | None = None,
    n_jobs: int | None = None,
    return_unread: bool = False,
) -> Any:
    """Find images that are near-duplicates of each other.

    Copies that differ in size, file format, compression, brightness, contrast, or in color versus gray are found, as
    are crops by a few percent and copies with a caption bar. Mirrored copies and other photos of the same person are
    not.

    Parameters
    ----------
    images : list of paths, bytes, file objects, PIL images or arrays; or array of shape (n, H, W) or (n, H, W, 3)
        The images. A memory-map or a Zarr array is read in blocks.
    groups : array-like of shape (n,), default=None
        Groups to merge with the copies, such as persons: images of one person share a number, and so do persons who
        share an image.
    max_distance : int, default=12
        Maximum number of differing bits, of 63, between the perceptual hashes of two copies. Higher values find tighter
        crops and take longer; 0 finds little more than the same image in another size or format.
    max_compared : int, default=None
        Number of images above which only identical ones are found, since time grows quadratically. By default, there
        is no limit.
    n_jobs : int, default=None
        Number of threads that decode files. ``None`` means 1, and -1 all processors.
    return_unread : bool, default=False
        Whether to return `unread` as well, instead of raising an error for an image that cannot be read.

    Returns
    -------
    duplicates : ndarray of shape (n,), dtype=int64
        Group number of each image, from 0, in the order of first appearance; copies, and copies of copies, share a
        number. Pass it as ``groups`` to a splitter; without persons, ``groups="duplicates"`` is a shortcut in
        :func:`compare_classifiers`, :func:`train_val_test_split` and similar functions.
    unread : dict of int to str
        Position of each image that cannot be read, with the reason. Such an image has no duplicates. Only if
        `return_unread` is True.

    Raises
    ------
    ImageReadError
        If an image cannot be read and `return_unread` is False; the message names it.
    DatasetError
        If `images` is not a collection of images.
    LabelError
        If `groups` does not have one entry per image.

    Notes
    -----
    Two images are copies if the DCT-based perceptual hashes [1]_ of their gray thumbnails (32 x 32) differ in at
    most `max_distance` bits, and if the thumbnails have a correlation above 0.98 once one is shifted and scaled to
    match the other [2]_. Hashes alone would merge different photos of similar composition. Blank thumbnails are
    copies of each other only if they are equal: two black images are, a black and a white one are not.

    All pairs of hashes are compared block by block, with memory linear in n.

    References
    ----------
    .. [1] C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", master's thesis, Upper
           Austria University of Applied Sciences, Hagenberg, 2010, section 3.2.1.
    .. [2] B. D. Lucas and T. Kanade, "An iterative image registration technique with an application to stereo vision",
           IJCAI 1981, 674-679.

    Examples
    --------
    >>> from sk_emotion import find_duplicates, make_faces
    >>> X, _, _ = make_faces(3, random_state=0)
    >>> darker = (0.8 * X[0]).astype("uint8")
    >>> find_duplicates([X[0], X[1], darker, X[2]])
    array([0, 1, 0, 2])
    >>> find_duplicates([X[0], X[1], darker, X[2]], groups=["anna", "ben", "ben", "cleo"])
    array([0, 0, 0, 1])
    """
    looks = _collect_thumbnails(images, n_jobs)
    errors = {row: look for row, look in enumerate(looks) if isinstance(look, ImageReadError)}
    if errors and not return_unread:
        row, error = next(iter(errors.items()))
        raise ImageReadError(f"find_duplicates: image {row}: {error} Remove it.") from error
    duplicates = number_looks(looks, max_distance, max_compared)
    if groups is not None:
        persons = check_labels(groups, "find_duplicates", "groups")
        given = ("images", len(duplicates), "entries"), ("groups", len(persons), "entries")
        check_same_length("find_duplicates", *given, "one group per image")
        duplicates = merge_groups(duplicates, persons)
    if not return_unread:
        return duplicates
    # The cause has no path in its message.
    return duplicates, {row: str(error.__cause__ or error) for row, error in errors.items()}


def number_looks(looks: Sequence[Any], max_distance: int = 12, max_compared: int | None = None) -> NDArray[np.int64]:
    """Number thumbnails so that near-duplicates share a number; each error has its own.

    Of more than `max_compared` thumbnails, and of other arrays, only equal ones share a number.
    """
    known = np.array([not isinstance(look, ImageReadError) for look in looks], dtype=bool)
    numbers = len(looks) + np.arange(len(looks))
    if known.any():
        rows = np.array([look for look, is_known in zip(looks, known, strict=True) if is_known])
        # Merge equal ones first: thousands of blank images would otherwise make millions of pairs. Digests are small.
        digests = np.array([blake2b(row.tobytes(), digest_size=16).hexdigest() for row in rows])
        equal = pd.factorize(digests)[0]
        if rows.shape[1:] == (SIZE, SIZE) and (max_compared is None or len(rows) <= max_compared):
            first = np.unique(equal, return_index=True)[1]
            equal = _merge_near_duplicates(rows[first], max_distance)[equal]
        numbers[known] = equal
    return pd.factorize(numbers)[0]


def _collect_thumbnails(images: Any, n_jobs: int | None) -> Any:
    """Return an array of thumbnails, or a list of thumbnails and errors."""
    images = list_once(images)
    if getattr(images, "ndim", 1) == 2 and hasattr(images, "iloc"):
        images = images.iloc[:, 0]
    images = as_indexable(as_numpy(images, "find_duplicates"))
    is_array = isinstance(images, np.ndarray) or is_stored(images)
    if is_array and images.ndim in (3, 4) and images.dtype.kind in "biuf":
        refuse_one_image(images, "find_duplicates")
        return thumbnails_of_array(images)
    if isinstance(images, str | bytes) or not hasattr(images, "__len__") or getattr(images, "ndim", 1) != 1:
        raise DatasetError(
            f"find_duplicates: images is {type(images).__name__}, expected several images: a list of paths, or an "
            "array of shape (n, H, W) or (n, H, W, 3)."
        )
    return read_thumbnails(images, n_jobs)


def _merge_near_duplicates(thumbnails: NDArray[np.uint8], max_distance: int) -> NDArray[np.int64]:
    """Label distinct thumbnails by connected components of near-duplicates."""
    n = len(thumbnails)
    hashes = hash_thumbnails(thumbnails)
    looks = _standardize(thumbnails)
    labels = np.arange(n)
    step = max(1, _DISTANCES_AT_ONCE // max(n, 1))
    for start in range(0, n, step):
        similar = np.bitwise_count(hashes[start : start + step, None] ^ hashes[None, start:]) <= max_distance
        # Count each pair once; the other half of the pairs is in the leading square.
        similar[:, :step] = np.triu(similar[:, :step], k=1)
        # Much faster than np.nonzero with two axes if few are similar.
        a, b = (index + start for index in divmod(np.flatnonzero(similar), similar.shape[1]))
        correlation = _map_pairs(_correlate, looks, a, b)
        similar = correlation > _MIN_ALIGNED
        labels = _merge(labels, a[similar], b[similar])
        undecided = (correlation > _MIN_CORRELATION) & (labels[a] != labels[b])
        a, b = a[undecided], b[undecided]
        similar = _map_pairs(correlate_aligned, looks, a, b) > _MIN_ALIGNED
        labels = _merge(labels, a[similar], b[similar])
    return labels


def hash_thumbnails(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Compute 64-bit perceptual hashes: whether each of the lowest frequencies is above their median."""
    spectrum = dctn(thumbnails.astype(np.float32), axes=(1, 2), norm="ortho")[:, :_N_BITS, :_N_BITS]
    lowest = spectrum.reshape(-1, _N_BITS**2)
    # The first coefficient is the mean brightness, which copies may change.
    bits = lowest > np.median(lowest[:, 1:], axis=1, keepdims=True)
    bits[:, 0] = False
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def _standardize(thumbnails: NDArray[np.uint8]) -> Array:
    """Blur each thumbnail slightly and scale it to mean 0 and variance 1, or to 0 if it is blank."""
    looks = gaussian_filter(thumbnails.astype(np.float32), (0, _BLUR, _BLUR))
    looks -= looks.mean(axis=(1, 2), keepdims=True)
    spread = looks.std(axis=(1, 2), keepdims=True)
    return np.where(spread < BLANK, 0, looks / np.maximum(spread, BLANK)).astype(np.float32)


def _correlate(looks: Array, others: Array) -> Array:
    return np.einsum("nij,nij->n", looks, others) / SIZE**2


def _map_pairs(
    function: Callable[[Array, Array], Array], looks: Array, a: NDArray[np.intp], b: NDArray[np.intp]
) -> Array:
    """Apply a function of two batches to all pairs, a few at a time."""
    values = np.zeros(len(a), dtype=np.float32)
    for start in range(0, len(a), _PAIRS_AT_ONCE):
        at = slice(start, start + _PAIRS_AT_ONCE)
        values[at] = function(looks[a[at]], looks[b[at]])
    return values


def merge_groups(groups: ArrayLike, others: ArrayLike) -> NDArray[np.int64]:
    """Number images so that those that share a group of either kind share a number."""
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    _, first, members = np.unique(np.asarray(others), return_index=True, return_inverse=True)
    return pd.factorize(_merge(codes, np.arange(len(codes)), first[members]))[0]


def _merge(labels: NDArray[np.int64], a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.int64]:
    """Merge the groups of pairs, all at once, so that memory does not grow with the number of pairs."""
    if not len(a):
        return labels
    joined = labels[a], labels[b]
    graph = coo_array((np.ones(len(joined[0]), dtype=bool), joined), shape=(len(labels), len(labels)))
    return connected_components(graph, directed=False)[1][labels].astype(np.int64)
