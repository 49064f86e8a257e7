"""The one contract for arrays of images, kept by every estimator.

Grey images are ``(n, H, W)``, RGB images ``(n, H, W, 3)``, both also as flattened rows ``(n, n_features)``, which is
scikit-learn's own convention for faces. ``uint8`` stays ``uint8``; floats keep their type and their range.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from ._pixel_range import check_pixel_range, learn_pixel_range
from ._stored_images import is_stored, open_stored
from .exceptions import ImageArrayError
from .utils._tensors import as_numpy

MIN_AUGMENT_SIZE = 16
"""Smallest side, in pixels, of an image that is augmented: flips ruin an image of two pixels."""

MAX_STRIP_LENGTH = 256
"""Most features of a flattened row that is taken as a strip of height 1 when no square holds them."""

_EXPECTED = "expected images as (n, H, W) or (n, H, W, 3), or rows (n, n_features)."


def validate_images(estimator: Any, X: Any, *, reset: bool, in_memory: bool = True) -> Any:
    """Check an array of images and give it its image shape.

    Parameters
    ----------
    estimator : estimator
        Its ``image_shape`` parameter, where it has one, tells how flattened rows are to be read. With `reset`, it
        gets ``n_features_in_``, ``image_shape_`` and ``pixel_range_``.
    X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
        Images, or flattened images; a list of equally large images too.
    reset : bool
        Whether this is `fit`, which learns shape and pixel range, or a later call, which compares with them.
    in_memory : bool, default=True
        Whether an array on a disk, which is a memory-map or in chunks as Zarr's are, becomes one in memory.

    Returns
    -------
    ndarray or StoredImages of shape (n_samples, H, W) or (n_samples, H, W, 3)
        ``uint8`` if the input holds integers from 0 to 255, else ``float32`` or ``float64``. No copy where none is
        needed.

    Raises
    ------
    ImageArrayError
        If the array is no batch of images, or, after `fit`, not of the fitted size, channels or pixel range.
    """
    name = type(estimator).__name__
    X = as_numpy(X, name)
    if not hasattr(X, "shape"):
        X = _stack(X, name)
    _refuse_other_containers(X, name)
    if not reset and _is_single_image(X.shape, estimator):
        raise ImageArrayError(
            f"{name}: X has shape {tuple(X.shape)}, which is one image without the batch axis. Pass X[np.newaxis]."
        )
    stored = X if not in_memory and is_stored(X) else None
    if len(X.shape) > 2:
        _check_batch_shape(tuple(X.shape), name)
    if stored is not None:
        # Its type and shape show in the first image.
        X = np.array(X[:1])
    images: Any
    if len(X.shape) > 2:
        images = _check_image_batch(X, name)
        if reset:
            _check_declared_shape(images.shape[1:], getattr(estimator, "image_shape", None), name)
            estimator.n_features_in_ = math.prod(images.shape[1:])
            # Names of columns from an earlier fit do not belong to this one.
            if hasattr(estimator, "feature_names_in_"):
                del estimator.feature_names_in_
    else:
        with _errors_of_images():
            rows = validate_data(estimator, X, reset=reset, dtype=None, ensure_all_finite=False)
        rows = _as_pixels(rows, name)
        declared = getattr(estimator, "image_shape", None)
        image_shape = infer_image_shape(rows.shape[1], declared, name) if reset else estimator.image_shape_
        images = rows.reshape(len(rows), *image_shape)
    if stored is not None:
        images = open_stored(stored, images.shape[1:])

    if reset:
        estimator.image_shape_ = tuple(int(side) for side in images.shape[1:])
        estimator.pixel_range_ = learn_pixel_range(images, name)
        return images
    if images.shape[1:] != estimator.image_shape_:
        raise ImageArrayError(
            f"{name}: X holds {_describe(images.shape[1:])} images, but was fitted on "
            f"{_describe(estimator.image_shape_)} images. Resize them, for instance with FaceLoader."
        )
    check_pixel_range(images, estimator.pixel_range_, name)
    return images


def infer_image_shape(n_features: int, image_shape: tuple[int, ...] | None, name: str) -> tuple[int, ...]:
    """Find the image that a flattened row of `n_features` numbers holds."""
    if image_shape is not None:
        declared = _check_image_shape(image_shape, name)
        if math.prod(declared) != n_features:
            raise ImageArrayError(
                f"{name}: image_shape={tuple(image_shape)} holds {math.prod(declared)} values, but X has "
                f"{n_features} features. Give (height, width) for grey or (height, width, 3) for RGB images."
            )
        return declared
    side = math.isqrt(n_features)
    if side * side == n_features:
        return (side, side)
    if n_features <= MAX_STRIP_LENGTH:
        return (1, n_features)
    raise ImageArrayError(
        f"{name}: rows of {n_features} features are no square grey image. Say what they are, for instance "
        "image_shape=(62, 47) for grey or image_shape=(48, 48, 3) for RGB images."
    )


@contextmanager
def _errors_of_images() -> Iterator[None]:
    """Raise scikit-learn's errors as those of this library."""
    try:
        yield
    except ValueError as error:
        raise ImageArrayError(str(error)) from error


def _stack(X: Any, name: str) -> NDArray[Any]:
    """Make one array of a list."""
    try:
        images = np.asarray(X)
    except ValueError as error:
        raise ImageArrayError(
            f"{name}: X is a list of images of different sizes ({error}). Resize them, for instance with FaceLoader."
        ) from error
    if not images.ndim:
        hint = " Pass np.stack(list(X))." if hasattr(X, "__next__") else ""
        raise ImageArrayError(f"{name}: X is {type(X).__name__}, {_EXPECTED}{hint}")
    return images


def _refuse_other_containers(X: Any, name: str) -> None:
    """Refuse what scikit-learn would take for something else, or print in full."""
    shape = tuple(X.shape)
    if len(shape) == 1:
        values = np.asarray(X)
        _refuse_paths(values, name)
        if len(values) and isinstance(values[0], np.ndarray):
            raise ImageArrayError(f"{name}: X holds {len(values)} arrays, expected one. Pass np.stack(X).")
    if len(shape) < 2:
        raise ImageArrayError(
            f"{name}: X has shape {shape}, {_EXPECTED} Reshape your data: one flattened image is X.reshape(1, -1)."
        )
    if np.ma.is_masked(X):
        raise ImageArrayError(
            f"{name}: X is a masked array and hides {np.ma.count_masked(X)} pixels. Drop these images, or give the "
            "pixels a value: X.filled(0)."
        )
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        raise ImageArrayError(f"{name}: Complex data not supported: X holds {X.dtype}. Pass uint8 or floats.")


def _is_single_image(shape: tuple[int, ...], estimator: Any) -> bool:
    # A strip of height 1 has the shape of one flattened row.
    return tuple(shape) == estimator.image_shape_ and shape[-1] != estimator.n_features_in_


def _check_batch_shape(shape: tuple[int, ...], name: str) -> None:
    """Refuse what has three axes or more, but is no batch of images."""
    if len(shape) > 4:
        raise ImageArrayError(f"{name}: X has shape {shape}, {_EXPECTED}")
    if len(shape) == 3 and shape[-1] in (3, 4) and shape[0] > 1 and shape[1] > 4:
        raise ImageArrayError(
            f"{name}: X has shape {shape}, which is one RGB image without the batch axis. Pass X[np.newaxis]."
        )
    if len(shape) == 4 and shape[-1] == 4:
        raise ImageArrayError(f"{name}: X has shape {shape}, four channels. Drop the alpha channel: X[..., :3].")
    if len(shape) == 4 and shape[-1] not in (1, 3):
        hint = (
            "Move the channels last: np.moveaxis(X, 1, -1), or X.movedim(1, -1) of a tensor."
            if shape[1] in (1, 3)
            else "Expected 1 or 3 channels."
        )
        raise ImageArrayError(f"{name}: X has shape {shape}, expected (n, H, W) or (n, H, W, 3). {hint}")
    if 0 in shape[1:]:
        raise ImageArrayError(f"{name}: X has shape {shape}, images without pixels.")


def _check_image_batch(X: Any, name: str) -> NDArray[Any]:
    """Check an array of three or four axes."""
    with _errors_of_images():
        images = check_array(X, allow_nd=True, dtype=None, ensure_all_finite=False, estimator=name, input_name="X")
    images = _as_pixels(images, name)
    return images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images


def _as_pixels(X: NDArray[Any], name: str) -> NDArray[Any]:
    """Keep uint8 and floats; make uint8 of integers that fit, and floats of anything else that is a number."""
    if X.dtype == np.uint8 or X.dtype in (np.float32, np.float64):
        return X
    if X.dtype.kind in "iu" and X.size and X.min() >= 0 and X.max() <= 255:
        return X.astype(np.uint8)
    _refuse_paths(X, name)
    with _errors_of_images():
        return check_array(X, allow_nd=True, dtype=np.float64, ensure_all_finite=False, estimator=name, input_name="X")


def _refuse_paths(X: NDArray[Any], name: str) -> None:
    first = X.flat[0] if X.size else None
    if X.dtype.kind not in "biufO" or isinstance(first, str | bytes | os.PathLike):
        raise ImageArrayError(
            f"{name}: X holds {type(first).__name__} values, expected pixels: uint8 or floats. For paths, put a "
            "FaceLoader before it."
        )


def _check_image_shape(image_shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Check an image_shape parameter; one channel is no axis."""
    shape = tuple(image_shape)
    sides, channels = shape[:2], shape[2:]
    whole = all(isinstance(side, Integral) and side > 0 for side in sides)
    if len(sides) != 2 or not whole or channels not in ((), (1,), (3,)):
        raise ImageArrayError(
            f"{name}: image_shape={shape}, expected (height, width) for grey or (height, width, 3) for RGB images."
        )
    return shape if channels == (3,) else sides


def _check_declared_shape(found: tuple[int, ...], image_shape: tuple[int, ...] | None, name: str) -> None:
    if image_shape is not None and _check_image_shape(image_shape, name) != found:
        raise ImageArrayError(
            f"{name}: image_shape={tuple(image_shape)}, but X holds {_describe(found)} images. Leave image_shape "
            "out: an array with an axis a dimension tells it."
        )


def _describe(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]} " + ("RGB" if len(shape) == 3 else "grey")
