"""Read images as small thumbnails, which show that a file is intact, and what it looks like."""

import os
from collections.abc import Iterable, Sized
from typing import Any

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

_LUMA = np.array([0.299, 0.587, 0.114])


def read_thumbnails(images: Iterable[Any], n_jobs: int | None = None) -> list[NDArray[np.uint8] | ImageReadError]:
    """Read the thumbnails of images in threads; return an error for each image that cannot be read."""
    n_images = len(images) if isinstance(images, Sized) else most_jobs()
    n_jobs = bound_jobs(n_jobs, n_images, require="sharedmem")
    return Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(_try_thumbnail)(image) for image in images)


def _make_thumbnail(image: Any) -> NDArray[np.uint8]:
    """Shrink one image to a gray thumbnail."""
    image = as_source(image)
    # NumPy strings have __array__, too.
    is_array = isinstance(image, list | tuple) or hasattr(image, "__array__")
    if not is_array or isinstance(image, str | bytes | Image.Image):
        try:
            # A JPEG is decoded at an eighth of its size, which is much faster but still reads it completely.
            picture = decode_picture(image, min_side=2 * SIZE, gray=True, cut_padding=False)
        except ImageReadError as error:
            raise ImageReadError(f"{_name(image)} {error}.") from error
        small = picture.convert("L").resize((SIZE, SIZE), Image.Resampling.BOX, reducing_gap=REDUCING_GAP)
        return np.asarray(small)
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or 0 in pixels.shape or pixels.dtype.kind not in "biuf":
        raise ImageReadError(
            f"{type(image).__name__} of shape {pixels.shape} and dtype {pixels.dtype} is not an image. Expected a "
            "path, bytes, a PIL image, or an array of shape (H, W) or (H, W, 3)."
        )
    return thumbnails_of_array(pixels[np.newaxis])[0]


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


def _try_thumbnail(image: Any) -> NDArray[np.uint8] | ImageReadError:
    try:
        return _make_thumbnail(image)
    except ImageReadError as error:
        return error


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
