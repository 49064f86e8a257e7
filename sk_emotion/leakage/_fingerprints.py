"""Fingerprints of images: digests of their pixels, and perceptual hashes; neither shows the image."""

import math
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from PIL import Image
from sklearn.utils import Bunch

from .._images._stored import as_indexable, is_stored, iterate_blocks
from .._images._validation import infer_image_shape, refuse_one_image
from ..exceptions import ImageArrayError, ImageReadError
from ..preprocessing._decode import decode_picture, find_tops, read_size
from ..preprocessing._faces import as_rgb
from ..preprocessing._pipelines import list_parts, split_loader
from ..preprocessing._sources import MAX_FILE_SIZE, list_once, list_pictures, read_source
from ..utils._arrays import as_numpy
from ._duplicates import BLANK, hash_thumbnails
from ._thumbnails import SIZE, shrink

# Images decoded by one thread at a time.
_CHUNK = 32

# Smallest side, in pixels, of a large JPEG file decoded at reduced scale for its perceptual hash.
_SIDE = 512
_JPEG = b"\xff\xd8"


class Fingerprints(NamedTuple):
    """Fingerprints of images, as arrays of uint64."""

    # Digests of size and pixels: an image has the same as a path, as an array, and as another file without loss.
    pixels: NDArray[np.uint64]
    # Perceptual hashes, which many copies of another size or quality share; 0 for uniform images.
    looks: NDArray[np.uint64]

    @classmethod
    def join(cls, parts: Iterable["Fingerprints"]) -> "Fingerprints":
        """Join fingerprints to sorted sets."""
        columns = list(zip(*parts, strict=True)) or [(), ()]
        pixels, looks = (np.unique(np.concatenate([np.empty(0, np.uint64), *arrays])) for arrays in columns)
        return cls(pixels, looks[looks != 0])


def take_fingerprints(
    images: Any, model: Any, owner: str, *, known: Fingerprints | None = None
) -> tuple[Fingerprints, int]:
    """Return the fingerprints of the images that can be read, and the number of all images.

    To be compared with those of `known` images, digests are only computed for images of the size of one of these, and
    are 0 for all others: decoding a large photo completely takes several times as long as its perceptual hash.

    Parameters
    ----------
    images : sequence of paths, bytes, PIL images or arrays; array of images or of flattened ones; or Bunch
        The images; a Bunch holds them as ``data``. An array on disk is read in blocks.
    model : estimator
        Fitted model for the images: it knows the shape of flattened ones, and the channel order of arrays.
    owner : str
        Beginning of error messages.

    Raises
    ------
    ImageArrayError, ImageReadError
        If `images` is not a collection of images.
    """
    found = _list_images(images.data if isinstance(images, Bunch) else images, model, owner)
    listed = isinstance(found, list)
    # Pixels of 8 bits have one range.
    tops = {} if not listed and found.dtype == np.uint8 else find_tops(found if listed else iterate_blocks(found))
    loader, _ = split_loader(model)
    order = "rgb" if loader is None else loader.channel_order
    sizes = None if known is None else np.unique(known.pixels.view(np.uint16)[::4])

    def take(block: Any) -> Fingerprints:
        return _take_each(block, tops, order, sizes)

    # Threads wait for blocks to be read, so that no more than a few are in memory.
    parts = Parallel(n_jobs=-1, require="sharedmem", return_as="generator")(map(delayed(take), _cut(found)))
    pixels, looks = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Fingerprints(pixels, looks), len(found)


def _list_images(images: Any, model: Any, owner: str) -> Any:
    """Return a list of images, or an array in the shape of images, which may be on disk."""
    images = as_indexable(as_numpy(list_once(images), owner))
    if isinstance(images, pd.DataFrame) and all(dtype.kind in "biuf" for dtype in images.dtypes):
        images = images.to_numpy()
    if not (_is_array(images) and images.dtype.kind in "biuf"):
        pictures = list_pictures(images)
        if pictures is not None:
            return pictures
        images = np.asarray(images)
    shape = tuple(images.shape)
    if images.dtype.kind not in "biuf" or len(shape) not in (2, 3, 4) or 0 in shape:
        raise ImageArrayError(
            f"{owner}: images have shape {shape} and dtype {images.dtype}, expected paths, (n, H, W), (n, H, W, 3) or "
            "rows (n, n_features)."
        )
    shapes = [part.image_shape_ for part in list_parts(model) if hasattr(part, "image_shape_")]
    fitting = [image_shape for image_shape in shapes if math.prod(image_shape) == shape[-1]]
    if len(shape) > 2 or (shapes and not fitting):
        refuse_one_image(images, owner, shapes[-1] if len(shape) == 2 else None)
    if len(shape) > 2:
        return images
    return _Rows(images, fitting[0] if fitting else infer_image_shape(shape[1], None, owner))


def _is_array(images: Any) -> bool:
    return isinstance(images, np.ndarray) or is_stored(images)


class _Rows:
    """Flattened images, sliced as images."""

    def __init__(self, rows: Any, image_shape: tuple[int, ...]):
        self._rows, self.dtype = rows, rows.dtype
        self.shape = (len(rows), *image_shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> NDArray[Any]:
        return np.asarray(self._rows[part]).reshape(-1, *self.shape[1:])


def _cut(images: Any) -> Iterator[Any]:
    """Cut images into parts, each for one thread."""
    if not isinstance(images, list):
        return iterate_blocks(images)
    return (images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK))


def _take_each(
    block: Any, tops: dict[str, float], channel_order: str, sizes: NDArray[np.uint16] | None
) -> Fingerprints:
    """Return the fingerprints of the images of a block, without those that cannot be read."""
    pixels, thumbnails = [], []
    for image in block:
        source = as_rgb(image, channel_order) if isinstance(image, np.ndarray) else image
        try:
            if not isinstance(source, np.ndarray | Image.Image):
                source = read_source(source, MAX_FILE_SIZE)
            sides = read_size(source)
            is_candidate = sizes is None or _name_size(sides) in sizes
            # Perceptual hashes of other files change more if they are decoded at reduced scale.
            is_large = isinstance(source, bytes) and source.startswith(_JPEG) and sides[0] >= 2 * _SIDE
            picture: Any = decode_picture(source, tops=tops) if is_candidate or not is_large else None
            small = decode_picture(source, min_side=_SIDE) if is_large else picture
        except ImageReadError:
            continue
        pixels.append(_digest(picture) if is_candidate else bytes(8))
        thumbnails.append(shrink(small))
    stacked = np.array(thumbnails, dtype=np.uint8).reshape(-1, SIZE, SIZE)
    looks = np.where(stacked.std(axis=(1, 2)) < BLANK, np.uint64(0), hash_thumbnails(stacked))
    return Fingerprints(np.frombuffer(b"".join(pixels), dtype=np.uint64), looks)


def _digest(picture: Image.Image) -> bytes:
    """Return two bytes of the size of an image, and six of its pixels."""
    gray = _drop_equal_channels(picture)
    form = f"{gray.width} {gray.height} {gray.mode} "
    pixels = blake2b(form.encode() + gray.tobytes(), digest_size=6).digest()
    return _name_size(sorted(gray.size)).tobytes() + pixels


def _name_size(sides: Iterable[int]) -> np.uint16:
    digest = blake2b(" ".join(map(str, sides)).encode(), digest_size=2).digest()
    return np.frombuffer(digest, dtype=np.uint16)[0]


def _drop_equal_channels(picture: Image.Image) -> Image.Image:
    """Return a color image without colors as a grayscale image."""
    if picture.mode == "L":
        return picture
    red, green, blue = picture.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else picture
