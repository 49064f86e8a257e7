"""Load the faces of images: decode each, detect the face, crop and resize it."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from PIL import Image
from sklearn.utils import gen_even_slices
from sklearn.utils.parallel import Parallel, delayed

from .._images._pixel_range import is_clipped
from .._images._stored import as_indexable
from .._images._validation import find_shape, refuse_one_image, validate_images
from ..exceptions import DatasetWarning, ImageArrayError, ImageReadError
from ..utils._arrays import as_numpy
from ..utils._files import warn_of_folder
from ..utils._parallel import check_memory, most_jobs
from ._decode import decode, find_tops, quiet_pillow, scale_to_uint8
from ._detect import DETECTORS, N_LANDMARKS, crop_center, crop_face, detect_faces, squeeze
from ._sources import list_once, list_pictures, refuse_missing, report_unread
from ._storage import SEEN, Face, FaceCache, identify_pictures, name_detector, open_store, read_unread, write_faces

# More than one chunk per job, so that no thread waits long for the slowest one.
_CHUNKS_PER_JOB = 4

# Most images per chunk, after which `progress` is called.
_LARGEST_CHUNK = 32

# More threads do not help: Pillow holds the GIL between files.
_MOST_THREADS = 8

# Decode at no less than this multiple of the target size, so that the resizing filter has enough pixels to average.
_OVERSIZE = 4

# Box and landmarks without a face.
_NOTHING = np.full(4, np.nan), np.full((N_LANDMARKS, 2), np.nan)

# Pillow's grayscale weights (ITU-R 601-2).
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, eq=False)
class LoadedFaces:
    """Faces loaded from images, with where they are.

    Returned by :meth:`FaceLoader.load` and :func:`read_faces`.

    Attributes
    ----------
    images : array-like of shape (n_samples, height, width) or (n_samples, height, width, 3)
        The faces.
    boxes : ndarray of shape (n_samples, 4)
        Box of the face in each image, ``(x, y, width, height)`` in pixels of the upright image; NaN without a face.
    landmarks : ndarray of shape (n_samples, 5, 2)
        ``(x, y)`` of both eyes, the nose and both corners of the mouth, those on the left of the image first, in pixels
        of the upright image; NaN where unknown.
    found : ndarray of bool of shape (n_samples,) or None
        Whether a face was detected; None without a detector.
    unread : dict of int to str
        Positions of the images that cannot be read, which are all-zero in `images`, and the reasons.
    """

    images: Any
    boxes: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    found: NDArray[np.bool_] | None
    unread: dict[int, str]


def load_faces(loader: Any, X: Any, progress: Callable[[int], Any] | None = None) -> LoadedFaces:
    """Load the faces of images with a fitted FaceLoader, as :meth:`FaceLoader.load` does."""
    X = as_numpy(list_once(X), "FaceLoader")
    sources: Any = list_pictures(X)
    dtype: Any = np.uint8
    if sources is not None:
        make = partial(load_face, loader=loader, tops=find_ranges(loader, sources))
    else:
        sources, pixel_range = _check_images(loader, X)
        if sources.dtype.kind not in "iu" and not is_clipped(pixel_range):
            make = partial(_load_standardized_face, loader=loader, pixel_range=pixel_range)
            dtype = np.float32
        else:
            make = partial(load_face, loader=loader, tops={})
            sources = sources if sources.dtype == np.uint8 else scale_to_uint8(sources, pixel_range[1])
    loaded = load_each(loader, sources, make, progress, dtype)
    unread = {index: face for index, face in enumerate(loaded) if isinstance(face, ImageReadError)}
    report_unread(unread, sources, loader.on_error, stacklevel=4)
    nothing = Face(np.zeros(find_face_shape(loader), dtype), *_NOTHING)
    faces = [nothing if isinstance(face, ImageReadError) else face for face in loaded]
    found = np.array([face.found for face in faces])
    if loader.detector is not None and loader.on_missing == "raise":
        refuse_missing(np.flatnonzero(~found).tolist(), unread, sources)
    return LoadedFaces(
        np.stack([face.image for face in faces]),
        np.stack([face.box for face in faces]),
        np.stack([face.landmarks for face in faces]),
        None if loader.detector is None else found,
        {index: str(error) for index, error in unread.items()},
    )


def store_faces(loader: Any, X: Any, store: Any) -> Any:
    """Write the faces of images to a Zarr array, as :meth:`FaceLoader.to_zarr` does."""
    X = as_numpy(X, "FaceLoader")
    pictures = list_pictures(X)
    if pictures is None:
        raise ImageArrayError("FaceLoader.to_zarr: X is numeric, expected images: paths, bytes or PIL images.")
    identity = {
        "pictures": identify_pictures(pictures, loader.channel_order),
        "image_size": list(as_size(loader.image_size)),
        "color": loader.color,
        "detector, margin or on_missing": list(list_cache_parameters(loader)),
    }
    group = open_store(store, (len(pictures), *find_face_shape(loader)), identity)
    tops = find_ranges(loader, pictures)

    def make(part: Any, start: int) -> list[Face | ImageReadError]:
        faces = load_each(loader, part, partial(load_face, loader=loader, tops=tops))
        if loader.on_error == "raise":
            errors = {start + row: face for row, face in enumerate(faces) if isinstance(face, ImageReadError)}
            report_unread(errors, pictures, "raise")
        return faces

    status = write_faces(group, pictures, make)
    unread = read_unread(group)
    report_unread(unread, pictures, loader.on_error, stacklevel=4)
    if loader.detector is not None and loader.on_missing == "raise":
        refuse_missing(np.flatnonzero(status != SEEN).tolist(), unread, pictures)
    return as_indexable(group["images"])


def load_each(
    loader: Any,
    sources: Any,
    make: Callable[[Any], Face],
    progress: Callable[[int], Any] | None = None,
    dtype: Any = np.uint8,
) -> list[Face | ImageReadError]:
    """Load the faces of images in threads; an image that cannot be read yields an error in its place."""
    size, shape = as_size(loader.image_size), find_face_shape(loader)
    # Pillow holds more than one copy of a face while resizing, with four bytes per pixel.
    n_bytes = len(sources) * math.prod(shape) * np.dtype(dtype).itemsize + 8 * math.prod(size)
    check_memory(n_bytes, f"FaceLoader: image_size={loader.image_size!r} for {len(sources)} images")
    if loader.cache is not None and any(isinstance(source, str | os.PathLike) for source in sources):
        warn_of_folder(loader.cache, "FaceLoader: cache", DatasetWarning)
    cache = FaceCache(loader.cache, shape, list_cache_parameters(loader))
    n_jobs = _find_n_jobs(loader, len(sources))
    n_chunks = max(_CHUNKS_PER_JOB * n_jobs, math.ceil(len(sources) / _LARGEST_CHUNK))
    slices = gen_even_slices(len(sources), min(len(sources), n_chunks))
    faces: list[Face | ImageReadError] = []
    # Enter once around all threads, since scikit-learn's Parallel sets the warning filters of this thread in each
    # worker.
    with quiet_pillow:
        for chunk in Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator")(
            delayed(cache.load)(sources[part], make) for part in slices
        ):
            faces += chunk
            if progress is not None:
                progress(len(chunk))
    return faces


def _find_n_jobs(loader: Any, n_sources: int) -> int:
    backend, n_jobs = get_active_backend()
    if loader.n_jobs is None and loader.detector is None and n_jobs is None and not backend.nesting_level:
        return min(effective_n_jobs(-1), _MOST_THREADS, n_sources)
    return min(effective_n_jobs(loader.n_jobs), max(n_sources, 1), most_jobs())


def load_face(source: Any, loader: Any, tops: Mapping[str, float]) -> Face:
    """Load the face of an image, or raise an ImageReadError. The ranges `tops` are those of :func:`decode`."""
    if isinstance(source, np.ndarray):
        source = as_rgb(source, loader.channel_order)
    decoded = decode(
        source,
        min_side=_find_min_side(loader),
        gray=not loader.color and loader.detector in (None, "lbp"),
        tops=tops,
        max_pixels=loader.max_pixels,
        max_file_size=loader.max_file_size,
    )
    box, landmarks = _find_face(decoded.picture, loader.detector)
    image = np.asarray(_crop(decoded.picture.convert("RGB" if loader.color else "L"), box, loader))
    # From pixels of the decoded image to those of the upright image.
    start, end = np.reshape(decoded.part, (2, 2))
    scale = (end - start) / decoded.picture.size
    return Face(image, np.r_[start + scale * box[:2], scale * box[2:]], start + scale * landmarks)


def _load_standardized_face(image: NDArray[Any], loader: Any, pixel_range: tuple[float, float]) -> Face:
    """Load the face of an image of standardized floats, channel by channel."""
    image = as_rgb(image, loader.channel_order)
    low, high = pixel_range
    box, landmarks = _find_face(Image.fromarray(scale_to_uint8(image - low, (high - low) or 1.0)), loader.detector)
    if image.ndim == 3 and not loader.color:
        image = image @ _LUMA
    # Pillow resizes floats of one channel only.
    channels = np.moveaxis(np.atleast_3d(image).astype(np.float32), -1, 0)
    crops = [np.asarray(_crop(Image.fromarray(channel), box, loader)) for channel in channels]
    return Face(np.stack(crops * (3 // len(crops)), axis=-1) if loader.color else crops[0], box, landmarks)


def as_size(image_size: Any) -> tuple[int, int]:
    """Return (height, width) of an `image_size`, which is an int or a pair."""
    sides = (image_size, image_size) if isinstance(image_size, Integral) else tuple(image_size)
    if len(sides) != 2 or not all(isinstance(side, Integral) and int(side) > 0 for side in sides):
        raise ValueError(f"FaceLoader: image_size={image_size!r}, expected an int such as 48, or (height, width).")
    return (int(sides[0]), int(sides[1]))


def find_face_shape(loader: Any) -> tuple[int, ...]:
    """Return the shape of the faces of a FaceLoader."""
    size = as_size(loader.image_size)
    return (*size, 3) if loader.color else size


def list_cache_parameters(loader: Any) -> tuple[Any, ...]:
    """Return the parameters of a FaceLoader that its faces depend on, in addition to their shape."""
    # "raise" raises after the crop, which is the same as for "center". Limits do not change the faces.
    return (name_detector(loader.detector), float(loader.margin), loader.on_missing == "full")


def find_ranges(loader: Any, pictures: list[Any]) -> dict[str, float]:
    """Find the pixel ranges of images, at least those seen in `fit`, with :func:`find_tops`."""
    return find_tops(pictures, getattr(loader, "_tops", {}), loader.max_pixels)


def _check_images(loader: Any, X: Any) -> tuple[NDArray[Any], tuple[float, float]]:
    """Check a numeric array against that of `fit`; the size may differ unless it is flattened."""
    shape, size = find_shape(X), as_size(loader.image_size)
    fitted = hasattr(loader, "image_shape_")
    lengths = None
    if not fitted:
        # Flattened rows have the declared or the target size.
        length = math.prod(size if loader.image_shape is None else loader.image_shape)
        lengths = {length, 3 * length} if loader.image_shape is None else {length}
    refuse_one_image(X, "FaceLoader", getattr(loader, "image_shape_", None), lengths)
    checker = loader
    if not fitted:
        declared = loader.image_shape if len(shape) == 2 else None
        if declared is None and len(shape) == 2:
            declared = size if shape[1] == math.prod(size) else (*size, 3)
        checker = type(loader)(image_shape=declared)
    elif len(shape) > 2:
        checker = type(loader)()
        checker.image_shape_ = shape[1:3] if shape[3:] == (1,) else shape[1:]
        checker.pixel_range_ = loader.pixel_range_
    # uint8 needs no scan, which would read an array on disk twice.
    in_memory = getattr(X, "dtype", None) != np.uint8
    images = validate_images(checker, X, reset=not fitted, in_memory=in_memory, keep_integers=True)
    whole = images.dtype.kind in "iu"
    if images.dtype == np.uint8:
        return images, (0.0, 255.0)
    if fitted and not (whole and loader._tops):
        # Integers may be on the scale of floats.
        on_scale = is_clipped(loader.pixel_range_) or not whole
        return images if on_scale else images.astype(np.float64), loader.pixel_range_
    top = find_ranges(loader, [images])[images.dtype.name]
    if not top:
        low, high = float(images.min()), float(images.max())
        raise ImageArrayError(
            f"FaceLoader: X has pixels from {low:g} to {high:g}, but was fitted on a list of images. Scale X to 0 to "
            "255."
        )
    return images, (0.0, top)


def as_rgb(pixels: NDArray[Any], channel_order: str) -> NDArray[Any]:
    """Return an array (H, W, 3) or (H, W, 4) in RGB order; a grayscale one as is."""
    if channel_order == "rgb" or pixels.ndim != 3 or pixels.shape[-1] not in (3, 4):
        return pixels
    return pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]


def _find_min_side(loader: Any) -> int | None:
    """Return the smallest side at which to decode; None for full size, in which a callable returns its boxes."""
    if callable(loader.detector):
        return None
    known = DETECTORS.get(loader.detector)
    smallest, least = (1.0, 0) if known is None else (known.smallest_face, known.min_side)
    return max(math.ceil(max(_OVERSIZE, 1 / smallest) * max(as_size(loader.image_size))), least)


def _find_face(picture: Image.Image, detector: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return box and landmarks of the first detected face; NaN without one."""
    if detector is not None:
        boxes, landmarks = detect_faces(picture, detector)
        if len(boxes):
            return boxes[0], landmarks[0]
    return _NOTHING


def _crop(picture: Image.Image, box: NDArray[np.float64], loader: Any) -> Image.Image:
    size = as_size(loader.image_size)
    if not np.isnan(box[0]):
        return crop_face(picture, box, size, loader.margin)
    return (squeeze if loader.on_missing == "full" else crop_center)(picture, size)
