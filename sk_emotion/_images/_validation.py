"""Validate arrays of images, in the same way for every estimator, and convert them to tensors.

Grayscale images are ``(n, H, W)``, RGB images ``(n, H, W, 3)``, both also as flattened rows ``(n, n_features)``,
scikit-learn's convention for faces. ``uint8`` stays ``uint8``; floats keep their dtype and range.
"""

import math
import os
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import check_array, validate_data

from ..exceptions import ImageArrayError, LabelError
from ..utils._arrays import as_numpy
from ._pixel_range import check_pixel_range, learn_pixel_range
from ._stored import is_stored, open_stored

if TYPE_CHECKING:
    import torch

MIN_AUGMENT_SIZE = 16
"""Smallest side, in pixels, of an image that is augmented: a flip ruins an image of two pixels."""

MAX_STRIP_LENGTH = 256
"""Maximum length of a flattened row that is read as a strip of height 1 if it is not square."""

_EXPECTED = "expected images as (n, H, W) or (n, H, W, 3), or rows (n, n_features)."

ONE_IMAGE_HINT = "If X is one image without the batch axis, pass X[np.newaxis]."
"""Ending of errors about input that may be rows or one image."""


def validate_images(estimator: Any, X: Any, *, reset: bool, in_memory: bool = True, keep_integers: bool = False) -> Any:
    """Validate an array of images, or of flattened ones, and return it in image shape; raise an ImageArrayError.

    With `reset`, in `fit`, ``n_features_in_``, ``image_shape_`` and ``pixel_range_`` are set on the estimator, else
    checked. Its ``image_shape`` parameter, if it has one, is the shape of flattened rows. Integers from 0 to 255 become
    ``uint8``, others floats, unless FaceLoader needs to scale them (`keep_integers`). An array on disk (a memory-map,
    or a chunked array such as Zarr's) becomes a StoredImages unless `in_memory`. Copied only if necessary.
    """
    name = type(estimator).__name__
    X = as_numpy(X, name)
    if not hasattr(X, "shape"):
        X = _stack(X, name)
    _refuse_other_containers(X, name)
    refuse_one_image(X, name, None if reset else estimator.image_shape_)
    stored = X if not in_memory and is_stored(X) else None
    # Dark 16-bit images may have no pixel above 255; an estimator fitted on 16 bits does not read them as bytes.
    deep = not reset and estimator.pixel_range_[1] > 255
    if len(X.shape) > 2:
        _check_batch_shape(tuple(X.shape), name)
    if stored is not None:
        # The first image shows dtype and shape.
        X = np.array(X[:1])
    images: Any
    if len(X.shape) > 2:
        images = _check_image_batch(X, name)
        whole = images.dtype.kind in "iu"
        images = _as_pixels(images, name, deep=deep, keep_integers=keep_integers)
        if reset:
            _check_declared_shape(images.shape[1:], getattr(estimator, "image_shape", None), name)
            estimator.n_features_in_ = math.prod(images.shape[1:])
            # Remove column names from an earlier fit.
            if hasattr(estimator, "feature_names_in_"):
                del estimator.feature_names_in_
    else:
        with errors_of_images(X, None if reset else estimator.n_features_in_):
            rows = validate_data(estimator, X, reset=reset, dtype=None, ensure_all_finite=False)
        whole = rows.dtype.kind in "iu"
        rows = _as_pixels(rows, name, deep=deep, keep_integers=keep_integers)
        declared = getattr(estimator, "image_shape", None)
        image_shape = infer_image_shape(rows.shape[1], declared, name) if reset else estimator.image_shape_
        images = rows.reshape(len(rows), *image_shape)
    if stored is not None:
        images = open_stored(stored, images.shape[1:], deep=deep)

    if reset:
        estimator.image_shape_ = tuple(int(side) for side in images.shape[1:])
        estimator.pixel_range_ = learn_pixel_range(images, name, whole=whole)
        return images
    if images.shape[1:] != estimator.image_shape_:
        hint = f" {ONE_IMAGE_HINT}" if len(X.shape) == 3 and X.shape[-1] <= 4 else ""
        raise ImageArrayError(
            f"{name}: X has {_describe(images.shape[1:])} images, but was fitted on "
            f"{_describe(estimator.image_shape_)} images. Resize them, for example with FaceLoader.{hint}"
        )
    check_pixel_range(images, estimator.pixel_range_, name, whole=whole)
    return images


def as_tensor(images: NDArray[Any]) -> "torch.Tensor":
    """Return a (n, C, H, W) view of images (n, H, W) or (n, H, W, 3); floats become float32."""
    import torch

    images = np.ascontiguousarray(images if images.dtype == np.uint8 else images.astype(np.float32, copy=False))
    if images.flags["W"]:
        tensor = torch.from_numpy(images)
    else:
        with warnings.catch_warnings():
            # PyTorch warns that it could write to a read-only array, such as a memory-map. This library never does.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            tensor = torch.from_numpy(images)
    return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2)


def refuse_one_image(
    X: Any, name: str, image_shape: tuple[int, ...] | None = None, row_lengths: Collection[int] | None = None
) -> None:
    """Reject one image without the batch axis, if its shape shows it.

    It is that of the images in `fit` (`image_shape`, None while fitting), or has three axes with few channels last, or,
    after `fit`, two axes and a number of columns that no flattened image has; by default, those have that of
    `image_shape`.
    """
    shape = find_shape(X)
    n_features = None if image_shape is None else math.prod(image_shape)
    single = False
    if len(shape) == 3 and shape[0] > 1 and shape[-1] <= 4:
        # Images of up to four columns are distinguished from channels by the size in `fit`, or by their rows.
        single = shape[1] > 4 or (image_shape is not None and shape[:2] == image_shape[:2] and shape[1:] != image_shape)
    # A strip of height 1 has the shape of one flattened row.
    if single or (shape == image_shape and shape[-1] != n_features):
        kind = "one RGB image" if len(shape) == 3 and shape[-1] in (3, 4) else "one image"
        alpha = " without its alpha channel" if len(shape) == 3 and shape[-1] in (2, 4) else ""
        # In an array, FaceLoader looks for no face.
        photo = " if it is a cropped face, or [X] if it is a photo" if name == "FaceLoader" else ""
        raise ImageArrayError(
            f"{name}: X has shape {shape}, which is {kind} without the batch axis. Pass X[np.newaxis]{alpha}{photo}."
        )
    # scikit-learn reports other errors, such as an empty array.
    if len(shape) != 2 or 0 in shape or issparse(X):
        return
    if row_lengths is not None and shape[1] not in row_lengths:
        rows = " or ".join(map(str, sorted(row_lengths)))
        raise ImageArrayError(
            f"{name}: X has shape {shape}, which is one image without the batch axis, since flattened images have "
            f"{rows} columns. Pass X[np.newaxis]."
        )
    # For a table, scikit-learn also names the columns.
    if row_lengths is None and n_features not in (None, shape[1]) and not hasattr(X, "columns"):
        raise ImageArrayError(
            f"X has {shape[1]} features, but {name} is expecting {n_features} features as input. {ONE_IMAGE_HINT}"
        )


def find_shape(X: Any) -> tuple[int, ...]:
    """Return the shape of an array or of nested lists; that of ragged lists is empty."""
    if hasattr(X, "shape"):
        return tuple(X.shape)
    try:
        return np.asarray(X).shape
    except ValueError:
        return ()


def check_one_label_each(name: str, X: Any, n_images: int, y: Any) -> None:
    """Check that there is one label per image.

    One label for several rows raises an ImageArrayError, since they are then one image; any other number a LabelError.
    """
    shape = find_shape(y)
    # Labels may also be ragged lists, or a single label.
    n_labels = shape[0] if shape else len(y) if isinstance(y, list | tuple) else 1
    if n_labels == n_images:
        return
    hint = f" {ONE_IMAGE_HINT}" if len(find_shape(X)) == 2 else ""
    error = ImageArrayError if n_labels == 1 and hint else LabelError
    raise error(f"{name}: X has {n_images} images, but y has {n_labels} labels. Pass one label per image.{hint}")


def infer_image_shape(n_features: int, image_shape: tuple[int, ...] | None, name: str) -> tuple[int, ...]:
    """Return the image shape of a flattened row of `n_features` values."""
    if image_shape is not None:
        declared = _check_image_shape(image_shape, name)
        if math.prod(declared) != n_features:
            raise ImageArrayError(
                f"{name}: image_shape={tuple(image_shape)} holds {math.prod(declared)} values, but X has "
                f"{n_features} features. Pass (height, width) for gray or (height, width, 3) for RGB images. "
                f"{ONE_IMAGE_HINT}"
            )
        return declared
    side = math.isqrt(n_features)
    if side * side == n_features:
        return (side, side)
    if n_features <= MAX_STRIP_LENGTH:
        return (1, n_features)
    raise ImageArrayError(
        f"{name}: rows of {n_features} features are not square grayscale images. Set their shape, for example "
        f"image_shape=(62, 47) for gray or image_shape=(48, 48, 3) for RGB images. {ONE_IMAGE_HINT}"
    )


@contextmanager
def errors_of_images(X: Any, n_features: int | None = None) -> Iterator[None]:
    """Re-raise scikit-learn's errors as ImageArrayError, with a hint for a table with other columns."""
    try:
        yield
    except ValueError as error:
        if n_features is None or not hasattr(X, "columns") or X.shape[1] == n_features:
            raise ImageArrayError(str(error)) from error
        raise ImageArrayError(f"{str(error).strip()} {ONE_IMAGE_HINT} Convert a table with X.to_numpy().") from error


def _stack(X: Any, name: str) -> NDArray[Any]:
    """Convert a list to one array."""
    try:
        images = np.asarray(X)
    except ValueError as error:
        raise ImageArrayError(
            f"{name}: X is a list of images of different sizes ({error}). Resize them, for example with FaceLoader."
        ) from error
    if not images.ndim:
        hint = " Pass np.stack(list(X))." if hasattr(X, "__next__") else ""
        raise ImageArrayError(f"{name}: X is {type(X).__name__}, {_EXPECTED}{hint}")
    return images


def _refuse_other_containers(X: Any, name: str) -> None:
    """Reject containers that scikit-learn would misread, or print in full."""
    shape = tuple(X.shape)
    if len(shape) == 1:
        values = np.asarray(X)
        _refuse_paths(values, name)
        if len(values) and isinstance(values[0], np.ndarray):
            raise ImageArrayError(f"{name}: X contains {len(values)} arrays, expected one. Pass np.stack(X).")
    if len(shape) < 2:
        raise ImageArrayError(
            f"{name}: X has shape {shape}, {_EXPECTED} Reshape your data: one flattened image is X.reshape(1, -1)."
        )
    if np.ma.is_masked(X):
        raise ImageArrayError(
            f"{name}: X is a masked array with {np.ma.count_masked(X)} masked pixels. Drop these images, or fill the "
            "pixels: X.filled(0)."
        )
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        raise ImageArrayError(f"{name}: Complex data not supported: X holds {X.dtype}. Pass uint8 or floats.")


def _check_batch_shape(shape: tuple[int, ...], name: str) -> None:
    """Reject arrays of three or more axes that are not a batch of images."""
    if len(shape) > 4:
        raise ImageArrayError(f"{name}: X has shape {shape}, {_EXPECTED}")
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
    """Validate an array of three or four axes."""
    with errors_of_images(X):
        images = check_array(X, allow_nd=True, dtype=None, ensure_all_finite=False, estimator=name, input_name="X")
    return images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images


def _as_pixels(X: NDArray[Any], name: str, *, deep: bool, keep_integers: bool) -> NDArray[Any]:
    """Keep uint8 and floats; convert integers that fit to uint8, and other numbers to floats."""
    if X.dtype == np.uint8 or X.dtype in (np.float32, np.float64):
        return X
    if X.dtype.kind in "iu" and X.size and X.min() >= 0:
        if keep_integers:
            return X
        if X.max() <= 255 and not (deep and X.dtype.kind == "u"):
            return X.astype(np.uint8)
    _refuse_paths(X, name)
    with errors_of_images(X):
        return check_array(X, allow_nd=True, dtype=np.float64, ensure_all_finite=False, estimator=name, input_name="X")


def _refuse_paths(X: NDArray[Any], name: str) -> None:
    first = X.flat[0] if X.size else None
    if X.dtype == object:
        # In a table, it may occur next to numbers; scikit-learn would quote it in full.
        first = next((value for value in X.flat if isinstance(value, str | bytes | os.PathLike)), None)
    if X.dtype.kind not in "biufO" or isinstance(first, str | bytes | os.PathLike):
        raise ImageArrayError(
            f"{name}: X contains {type(first).__name__} values, expected pixels: uint8 or floats. To read paths, put a "
            "FaceLoader before it."
        )


def _check_image_shape(image_shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Validate an image_shape parameter; a single channel is dropped."""
    shape = tuple(image_shape)
    sides, channels = shape[:2], shape[2:]
    whole = all(isinstance(side, Integral) and side > 0 for side in sides)
    if len(sides) != 2 or not whole or channels not in ((), (1,), (3,)):
        raise ImageArrayError(
            f"{name}: image_shape={shape}, expected (height, width) for gray or (height, width, 3) for RGB images."
        )
    return shape if channels == (3,) else sides


def _check_declared_shape(found: tuple[int, ...], image_shape: tuple[int, ...] | None, name: str) -> None:
    if image_shape is not None and _check_image_shape(image_shape, name) != found:
        raise ImageArrayError(
            f"{name}: image_shape={tuple(image_shape)}, but X has {_describe(found)} images. Leave image_shape "
            "out: it is needed for flattened rows only."
        )


def _describe(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]} " + ("RGB" if len(shape) == 3 else "gray")
