"""Load the faces of images: decode each, detect the face, crop and resize it."""

import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing import current_process
from numbers import Integral
from types import MappingProxyType
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from PIL import Image
from sklearn.utils import gen_even_slices
from sklearn.utils.parallel import Parallel, delayed

from .._images._pixel_range import is_clipped
from .._images._validation import find_shape, refuse_one_image, validate_images
from ..exceptions import DatasetWarning, ImageArrayError, ImageReadError, ParameterError
from ..utils._arrays import as_numpy
from ..utils._files import warn_of_folder
from ..utils._parallel import check_memory, most_jobs
from ._cache import Face, FaceCache, name_detector
from ._centerface import N_LANDMARKS, SMALLEST_FACE, Detections
from ._crop import align_face, crop_center, crop_face, squeeze
from ._decode import decode, find_tops, quiet_pillow, scale_to_uint8
from ._detect import find_faces, looks_for_faces
from ._sources import list_once, list_pictures, refuse_missing, report_unread

# More than one chunk per job, so that no thread waits long for the slowest one.
_CHUNKS_PER_JOB = 4

# Most images per chunk, after which `progress` is called.
_LARGEST_CHUNK = 32

# More threads do not help: Pillow holds the GIL between files.
_MOST_THREADS = 8

# Decode at no less than this multiple of the target size, so that the resizing filter has enough pixels to average.
_OVERSIZE = 4

# An image with a shorter side above this is hardly a cropped face.
_LARGEST_FACE = 256

# Box, score and landmarks without a face.
_NOTHING = np.full(4, np.nan), np.nan, np.full((N_LANDMARKS, 2), np.nan)

# Pillow's grayscale weights (ITU-R 601-2).
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, eq=False)
class LoadedFaces:
    """Faces loaded from images, with where they are.

    Returned by :meth:`FaceLoader.load` and :func:`read_faces`.

    There is a row per image or, if all faces were asked for, per face; an image without a face always has one.

    Attributes
    ----------
    images : array-like of shape (n_rows, height, width) or (n_rows, height, width, 3)
        The faces.
    boxes : ndarray of shape (n_rows, 4)
        Box of each face, ``(x, y, width, height)`` in pixels of the upright image; NaN without a face.
    scores : ndarray of shape (n_rows,)
        Confidence of the detector, from 0 to 1; NaN where unknown.
    landmarks : ndarray of shape (n_rows, 5, 2)
        ``(x, y)`` of both eyes, the nose and both corners of the mouth, those on the left of the image first, in pixels
        of the upright image; NaN where unknown.
    found : ndarray of bool of shape (n_rows,) or None
        Whether the row shows a detected face; None without a detector.
    n_faces : ndarray of int of shape (n_rows,) or None
        Number of faces in the image of each row; None without a detector.
    positions : ndarray of int of shape (n_rows,)
        Position in X of the image of each row.
    unread : dict of int to str
        Positions in X of the images that cannot be read, which are all-zero in `images`, and the reasons.
    """

    images: Any
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    found: NDArray[np.bool_] | None
    n_faces: NDArray[np.intp] | None
    positions: NDArray[np.intp]
    unread: dict[int, str]

    @property
    def numbers(self) -> NDArray[np.intp]:
        """Number of each row among those of its image, from 0."""
        return np.arange(len(self.positions)) - np.searchsorted(self.positions, self.positions)


def load_faces(
    loader: Any, X: Any, faces: str = "largest", progress: Callable[[int], Any] | None = None
) -> LoadedFaces:
    """Load the faces of images with a fitted FaceLoader, as :meth:`FaceLoader.load` does."""
    if faces not in ("largest", "all"):
        raise ParameterError(f'FaceLoader: faces={faces!r}, expected "largest" or "all".')
    X = as_numpy(list_once(X), "FaceLoader")
    sources: Any = list_pictures(X)
    is_batch = sources is None
    dtype: Any = np.uint8
    if not is_batch:
        make = partial(load_face, loader=loader, faces=faces, tops=find_ranges(loader, sources))
    else:
        sources, pixel_range = _check_images(loader, X)
        if sources.dtype.kind not in "iu" and not is_clipped(pixel_range):
            make = partial(_load_standardized_face, loader=loader, faces=faces, pixel_range=pixel_range)
            dtype = np.float32
        else:
            make = partial(load_face, loader=loader, faces=faces, is_cropped=True)
            sources = sources if sources.dtype == np.uint8 else scale_to_uint8(sources, pixel_range[1])
    loaded = load_each(loader, sources, make, faces, progress, dtype)
    unread = {index: each for index, each in enumerate(loaded) if isinstance(each, ImageReadError)}
    report_unread(unread, sources, loader.on_error, stacklevel=4)
    blank = [Face(np.zeros(find_face_shape(loader), dtype), *_NOTHING)]
    by_image = [blank if isinstance(each, ImageReadError) else each for each in loaded]
    rows = [face for each in by_image for face in each]
    if loader.on_missing == "raise" and looks_for_faces(loader.detector, is_batch):
        missing = [index for index, each in enumerate(by_image) if not each[0].found]
        refuse_missing(missing, unread, sources)
    known = loader.detector is not None
    return LoadedFaces(
        np.stack([face.image for face in rows]),
        np.stack([face.box for face in rows]),
        np.array([face.score for face in rows]),
        np.stack([face.landmarks for face in rows]),
        np.array([face.found for face in rows]) if known else None,
        np.array([face.n_faces for face in rows]) if known else None,
        np.repeat(np.arange(len(by_image)), [len(each) for each in by_image]),
        {index: str(error) for index, error in unread.items()},
    )


def load_each(
    loader: Any,
    sources: Any,
    make: Callable[[Any], list[Face]],
    faces: str = "largest",
    progress: Callable[[int], Any] | None = None,
    dtype: Any = np.uint8,
) -> list[list[Face] | ImageReadError]:
    """Load the faces of images in threads; an image that cannot be read yields an error in its place."""
    size, shape = as_size(loader.image_size), find_face_shape(loader)
    # Pillow holds more than one copy of a face while resizing, with four bytes per pixel.
    n_bytes = len(sources) * math.prod(shape) * np.dtype(dtype).itemsize + 8 * math.prod(size)
    check_memory(n_bytes, f"FaceLoader: image_size={loader.image_size!r} for {len(sources)} images")
    if loader.cache is not None and any(isinstance(source, str | os.PathLike) for source in sources):
        warn_of_folder(loader.cache, "FaceLoader: cache", DatasetWarning)
    cache = FaceCache(loader.cache, shape, (*list_cache_parameters(loader), faces))
    n_jobs = _find_n_jobs(loader, len(sources))
    n_chunks = max(_CHUNKS_PER_JOB * n_jobs, math.ceil(len(sources) / _LARGEST_CHUNK))
    slices = gen_even_slices(len(sources), min(len(sources), n_chunks))
    loaded: list[list[Face] | ImageReadError] = []
    # Enter once around all threads, since scikit-learn's Parallel sets the warning filters of this thread in each
    # worker.
    with quiet_pillow:
        for chunk in Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator")(
            delayed(cache.load)(sources[part], make) for part in slices
        ):
            loaded += chunk
            if progress is not None:
                progress(len(chunk))
    _warn_of_photos(loaded)
    return loaded


def _warn_of_photos(loaded: list[list[Face] | ImageReadError]) -> None:
    """Warn of images in which no face was looked for, but that are too large for cropped faces."""
    sides = [0.0 if isinstance(faces, ImageReadError) else faces[0].side for faces in loaded]
    n_large = sum(side > _LARGEST_FACE for side in sides)
    if n_large:
        warnings.warn(
            f"FaceLoader: {n_large} of {len(loaded)} images have more than {_LARGEST_FACE} pixels on their shorter "
            f"side (image {np.argmax(sides)}: {max(sides):.0f}), but with detector=None the center of each is taken "
            'for a face. Pass detector="centerface" to find the faces, or crop the images to faces first.',
            DatasetWarning,
            stacklevel=4,
        )


def _find_n_jobs(loader: Any, n_sources: int) -> int:
    backend, n_jobs = get_active_backend()
    if loader.n_jobs is None and not callable(loader.detector) and n_jobs is None and not backend.nesting_level:
        # Daemons are workers, too.
        return 1 if current_process().daemon else min(effective_n_jobs(-1), _MOST_THREADS, n_sources)
    return min(effective_n_jobs(loader.n_jobs), max(n_sources, 1), most_jobs())


def load_face(
    source: Any,
    loader: Any,
    faces: str = "largest",
    is_cropped: bool = False,
    tops: Mapping[str, float] = MappingProxyType({}),
) -> list[Face]:
    """Load the largest face of an image, or all, or raise an ImageReadError; an image without a face yields one.

    The ranges `tops` are those of :func:`decode`; `is_cropped` says that the image is a face already.
    """
    if isinstance(source, np.ndarray):
        source = as_rgb(source, loader.channel_order)
    looks = looks_for_faces(loader.detector, is_cropped)
    decoded = decode(
        source,
        min_side=_find_min_side(loader, looks),
        gray=not loader.color and not looks,
        tops=tops,
        max_pixels=loader.max_pixels,
        max_file_size=loader.max_file_size,
    )
    # From pixels of the decoded image to those of the upright image.
    start, end = np.reshape(decoded.part, (2, 2))
    scale = (end - start) / decoded.picture.size
    found = find_faces(decoded.picture, loader, is_cropped=is_cropped, scale=float(scale.mean()))
    picture = decoded.picture.convert("RGB" if loader.color else "L")
    return [
        Face(
            np.asarray(_crop(picture, box, landmarks, loader)),
            np.r_[start + scale * box[:2], scale * box[2:]],
            score,
            start + scale * landmarks,
            len(found.boxes),
            0.0 if is_cropped or loader.detector is not None else float((end - start).min()),
        )
        for box, score, landmarks in _choose(found, faces)
    ]


def _load_standardized_face(
    image: NDArray[Any], loader: Any, faces: str, pixel_range: tuple[float, float]
) -> list[Face]:
    """Load the faces of an image of standardized floats, channel by channel."""
    image = as_rgb(image, loader.channel_order)
    low, high = pixel_range
    picture = Image.fromarray(scale_to_uint8(image - low, (high - low) or 1.0))
    found = find_faces(picture, loader, is_cropped=True)
    if image.ndim == 3 and not loader.color:
        image = image @ _LUMA
    # Pillow resizes floats of one channel only.
    channels = [Image.fromarray(channel) for channel in np.moveaxis(np.atleast_3d(image).astype(np.float32), -1, 0)]
    loaded = []
    for box, score, landmarks in _choose(found, faces):
        crops = [np.asarray(_crop(channel, box, landmarks, loader)) for channel in channels]
        face = np.stack(crops * (3 // len(crops)), axis=-1) if loader.color else crops[0]
        loaded.append(Face(face, box, score, landmarks, len(found.boxes)))
    return loaded


def _choose(found: Detections, faces: str) -> list[tuple[NDArray[np.float64], float, NDArray[np.float64]]]:
    """Return box, score and landmarks of the largest face or of all; NaN without one."""
    chosen = list(zip(*found, strict=True)) or [_NOTHING]
    return chosen if faces == "all" else chosen[:1]


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
    detection = (loader.detection_size, float(loader.min_score), float(loader.min_face))
    return (name_detector(loader.detector), *detection, loader.align, float(loader.margin), loader.on_missing == "full")


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


def _find_min_side(loader: Any, looks: bool) -> int | None:
    """Return the smallest side at which to decode; None for full size, in which a callable returns its boxes."""
    if callable(loader.detector):
        return None
    largest = max(as_size(loader.image_size))
    if not looks:
        return _OVERSIZE * largest
    return max(math.ceil(max(_OVERSIZE, loader.detection_size / SMALLEST_FACE) * largest), loader.detection_size)


def _crop(picture: Image.Image, box: NDArray[np.float64], landmarks: NDArray[np.float64], loader: Any) -> Image.Image:
    size = as_size(loader.image_size)
    if np.isnan(box[0]) or tuple(box) == (0, 0, *picture.size):
        return (squeeze if loader.on_missing == "full" else crop_center)(picture, size)
    if loader.align and not np.isnan(landmarks).any():
        return align_face(picture, box, landmarks, size, loader.margin)
    return crop_face(picture, box, size, loader.margin)
