"""The first step of a pipeline: pictures of any kind become face arrays of one size."""

import copy
import math
import os
import warnings
from collections.abc import Collection, Mapping
from functools import partial
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import gen_even_slices
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _generate_get_feature_names_out, check_is_fitted

from .._images._pixel_range import is_overstepped
from .._images._stored import as_indexable
from .._images._validation import check_one_label_each, find_shape, refuse_one_image, validate_images
from ..exceptions import DatasetWarning, FaceNotFoundError, ImageArrayError, ImageReadError
from ..utils._defaults import add_new_parameters
from ..utils._named_folders import warn_of_folder
from ..utils._output import keep_index
from ..utils._refit import fit_aside, snapshot
from ..utils._resources import check_memory, most_jobs
from ..utils._tensors import as_numpy
from ..utils._text import abridge
from ._cache import Face, FaceCache, name_detector
from ._cost import MAX_PIXELS
from ._crop import as_size, crop_center, crop_face, split_floats, squeeze
from ._decode import decode_picture, find_tops, scale_to_uint8
from ._detect import MTCNN_LONG_SIDE, SMALLEST_FACE, detect_faces
from ._open import MAX_FILE_SIZE, quiet_pillow
from ._sources import as_rgb, list_once, list_pictures, name_picture
from ._store import SEEN, identify_pictures, open_store, write_faces

# A picture is decoded at no less than this many times the wanted size: the filter then has enough pixels to average.
_OVERSIZE = 4

# More than one, so that no thread waits long for the slowest.
_CHUNKS_PER_JOB = 4

# Python's lock, which Pillow holds between decoding one file and the next, leaves little to more.
_MOST_THREADS = 8


class FaceLoader(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Turn pictures into an array of faces of one size.

    It reads paths, encoded bytes, open files, PIL images and arrays of any size, turns them upright, crops the face or
    the center, and resizes. Arrays that already are a batch of images, also flattened, pass through it too, so that one
    pipeline takes both.

    Parameters
    ----------
    image_size : int or (int, int), default=48
        Height and width of the result, in pixels.
    color : bool, default=False
        Whether the result is RGB rather than gray.
    detector : {"mtcnn", "lbp"}, callable or None, default=None
        Finds the face. ``"mtcnn"`` is the cascade of networks [1]_ of facenet-pytorch: turned, tilted and partly
        covered faces too, from 6 % of the longer side; a picture of up to 64 pixels is a face already, unless it is
        uniform: one gray or color, but for noise. ``"lbp"`` is the cascade of local binary patterns [2]_ that
        scikit-image carries: frontal, upright faces that take at least 15 % of the longer side. A callable takes a
        uint8 RGB array of shape (H, W, 3) and returns boxes of shape (n_faces, 4) as (x, y, width, height) in pixels,
        or None; the largest is taken. None looks for no face.
    margin : float, default=0.2
        Share of the side of the face's box, made square, that is added on each side.
    on_missing : {"center", "full", "raise"}, default="center"
        What is taken of a picture in which no face was seen: the largest centered part that has the aspect ratio of
        `image_size`, the full picture squeezed into it, or nothing: ``"raise"`` raises an error. Without a detector,
        this says what is taken of each picture, and ``"raise"`` is ``"center"``.
    on_error : {"raise", "blank"}, default="raise"
        What a picture that cannot be read becomes: an error, or an all-zero image and a warning.
    max_pixels : int or None, default=120_000_000
        Most pixels of a picture, as they are decoded: the tiles of a TIFF may be larger than the picture. More are an
        error before any is decoded: a file of a few kilobytes can hold a billion. Pixels that take more than 2.4 bytes
        to decode count as several, so that a picture takes at most 300 MB by default: a JPEG has up to 120 megapixels
        (progressive: 90), a PNG in color 50, a WEBP or an AVIF 18. A higher limit allows more memory. None, and more
        than twice ``PIL.Image.MAX_IMAGE_PIXELS``, leave that to Pillow. Arrays have no limit.
    max_file_size : int or None, default=100_000_000
        Most bytes of a file, or of encoded bytes. More are an error before any is read.
    channel_order : {"rgb", "bgr"}, default="rgb"
        Order of the colors in arrays, of a list or of a batch: ``"bgr"`` is that of OpenCV's frames, also with an alpha
        channel behind. Files, bytes and PIL images say themselves what they are. Detectors see RGB.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, 3)`` of flattened rows. By default, a square number of features is
        a gray square, and up to 256 other features are a strip of height 1.
    cache : str, PathLike or None, default=None
        Folder where the face of each file is kept by path, size, modification time and parameters. Damaged entries,
        those of other faces, and links and pipes in their place are made again. Delete the folder to empty it. Where
        it cannot be written, a warning says so.
    n_jobs : int or None, default=None
        Number of threads. None is one for each core, up to eight, since Pillow decodes in parallel; but one in a
        parallel worker, such as that of a search, and with a detector, which may not stand several. Elsewhere
        ``joblib.parallel_config`` tells, as in scikit-learn. Detectors gain from processes
        only: ``with joblib.parallel_config("loky", n_jobs=2): ...``.

    Attributes
    ----------
    face_found_ : ndarray of bool of shape (n_samples,) or None
        Where the detector saw a face in the last batch given to `transform`; None without a detector. A picture that
        ``"mtcnn"`` takes for a face already counts, one that is uniform does not.
    unread_ : dict of int to str
        With ``on_error="blank"``, the pictures of the last batch that cannot be read, and why.
    n_features_in_ : int
        Number of values in an image. Only when fitted on numbers, like the next three.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when fitted on a DataFrame of numbers with string names.
    image_shape_ : tuple of int
        ``(height, width)`` or ``(height, width, 3)`` of the images.
    pixel_range_ : tuple of (float, float)
        Range of their pixels. It is learned in `fit`, so that an image becomes the same in every batch.

    See Also
    --------
    load_face_folder : Lists the photos in folders named by emotion.
    HOGTransformer : Turns faces into gradient features.

    Notes
    -----
    A list is one of pictures if any element is a path, bytes or another buffer of bytes, a file object, a PIL image or
    an array with two axes or more; each may have another size. So is what an iterator of them returns, which is read
    once. A file object, also an upload of a web framework, is open in binary mode; it is read from its beginning, and
    put back to where it was. An array with the bytes of a file, as ``cv2.imencode`` returns it, is decoded. Whatever
    else stands in such a list, as the None of a ``cv2.imread`` that failed, is a picture that cannot be read. A numeric
    array or DataFrame is a batch of images, checked as everywhere in this library.

    Files are JPEG, PNG, WEBP, AVIF, BMP, GIF, TIFF or PPM, and HEIF once pillow-heif is registered; they are told by
    content, not by name. Nothing else is handed to Pillow, so that no file runs another program, as EPS would. Folders,
    pipes and devices are errors at once. A file that is made to be slow takes up to a second, or a second a megabyte,
    and 300 MB of memory beside its own size; with a higher `max_pixels`, 2.4 bytes for each of them, with a much lower
    one, up to 24. One large picture is decoded at a time. A callable detector sees a picture in full, which takes up
    to 12 bytes a pixel more. Lower both limits for pictures from strangers.

    Transparent parts become white. Of an animation, the first frame is taken. Images with a side under 16 pixels are
    not cropped.

    Other pixels than those of 8 bits are scaled to 8 bits: floats from 0 to 1 or 0 to 255, and whole numbers of 12, 16
    or 32 bits. The smallest range that holds them all is taken to be theirs. It is one range for all floats of X, and
    one for all whole numbers, so that a dark frame beside a bright one stays dark; a file is decided on by itself.
    Whole numbers that had more than 8 bits in `fit` have them in `transform`, too. Floats that overstep their range, as
    resizing and sharpening make them, are clipped: at least from -0.06 to 1.06, or the same share of 255. Floats on
    no such range are an error among pictures; in an array of images that `fit` has seen they are standardized, and stay
    ``float32``.

    One image without the batch axis is an error: pass ``[image]`` or ``image[np.newaxis]``. After `fit` on pictures,
    flattened rows are images of `image_size`, or of `image_shape`.

    Of 899 web photos of six emotions, ``detector="mtcnn"`` saw a face in 830 and ``"lbp"`` in 523, each at 0.05 s a
    photo on one core. Another detector confirmed all but 1 and 7 of these.

    To the cache, two lambdas of one module are the same detector: give your detectors names.

    References
    ----------
    .. [1] Zhang, K., Zhang, Z., Li, Z., & Qiao, Y. (2016). Joint face detection and alignment using multitask cascaded
       convolutional networks. IEEE Signal Processing Letters.
    .. [2] Liao, S., Zhu, X., Lei, Z., Zhang, L., & Li, S. Z. (2007). Learning multi-scale block local binary patterns
       for face recognition. International Conference on Biometrics.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_emotion import FaceLoader
    >>> photos = [np.full((120, 90, 3), 200, dtype=np.uint8), np.zeros((64, 64), dtype=np.uint8)]
    >>> FaceLoader(image_size=48).fit_transform(photos).shape
    (2, 48, 48)
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's form
        "image_size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "color": ["boolean"],
        "detector": [StrOptions({"mtcnn", "lbp"}), callable, None],
        "margin": [Interval(Real, 0, None, closed="left")],
        "on_missing": [StrOptions({"center", "full", "raise"})],
        "on_error": [StrOptions({"raise", "blank"})],
        "max_pixels": [Interval(Integral, 1, None, closed="left"), None],
        "max_file_size": [Interval(Integral, 1, None, closed="left"), None],
        "channel_order": [StrOptions({"rgb", "bgr"})],
        "image_shape": [tuple, list, None],
        "cache": [str, os.PathLike, None],
        "n_jobs": [Interval(Integral, None, -1, closed="right"), Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        image_size=48,
        *,
        color=False,
        detector=None,
        margin=0.2,
        on_missing="center",
        on_error="raise",
        max_pixels=MAX_PIXELS,
        max_file_size=MAX_FILE_SIZE,
        channel_order="rgb",
        image_shape=None,
        cache=None,
        n_jobs=None,
    ):
        self.image_size = image_size
        self.color = color
        self.detector = detector
        self.margin = margin
        self.on_missing = on_missing
        self.on_error = on_error
        self.max_pixels = max_pixels
        self.max_file_size = max_file_size
        self.channel_order = channel_order
        self.image_shape = image_shape
        self.cache = cache
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    @fit_aside
    def fit(self, X: Any, y: Any = None) -> "FaceLoader":
        """Learn whether X holds pictures or numbers, and the shape and range of numbers. Nothing is decoded.

        Parameters
        ----------
        X : sequence of pictures, or array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or \
                (n_samples, n_features)
            Pictures are paths, bytes, file objects, PIL images or arrays.
        y : None
            Ignored.

        Returns
        -------
        self : FaceLoader

        Raises
        ------
        ImageArrayError
            If X is neither pictures nor a batch of images.
        """
        self._target_size()
        X = as_numpy(list_once(X), "FaceLoader")
        pictures = self._list_pictures(X)
        if pictures is None:
            images = validate_images(self, X, reset=True, keep_integers=True)
            if y is not None:
                check_one_label_each("FaceLoader", X, len(images), as_numpy(y, "FaceLoader", "y"))
            pictures = [images]
        else:
            for name in ("n_features_in_", "feature_names_in_", "image_shape_", "pixel_range_"):
                if hasattr(self, name):
                    delattr(self, name)
        # What has more than 8 bits in `fit` has them later, too, however dark it is. Floats tell their range.
        tops = find_tops(pictures, max_pixels=self.max_pixels)
        self._tops = {name: top for name, top in tops.items() if np.dtype(name).kind in "iu" and top > 255}
        self.face_found_: NDArray[np.bool_] | None = None
        self.unread_: dict[int, str] = {}
        return self

    def fit_transform(self, X: Any, y: Any = None) -> NDArray[Any]:
        """Fit, and make faces of the same pictures; what an iterator returns is listed once for both.

        Parameters
        ----------
        X : sequence or iterator of pictures, or array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or \
                (n_samples, n_features)
            As in `fit`.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, height, width) or (n_samples, height, width, 3)
            As `transform` returns it.
        """
        return super().fit_transform(list_once(X), y)

    def transform(self, X: Any) -> NDArray[Any]:
        """Make faces of pictures.

        Parameters
        ----------
        X : sequence of pictures, or array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or \
                (n_samples, n_features)
            Pictures are taken whatever `fit` has seen. So are arrays, of any size if they have an axis a dimension,
            if their pixels are on the scale of `fit`.

        Returns
        -------
        ndarray of shape (n_samples, height, width) or (n_samples, height, width, 3)
            ``uint8``, or ``float32`` for standardized floats.

        Raises
        ------
        ImageReadError
            If a picture cannot be read and ``on_error="raise"``. The other pictures are in the cache then.
        FaceNotFoundError
            If no face is seen in a picture and ``on_missing="raise"``.
        ImageArrayError
            If numbers are no batch of images but one image, say, or not of the shape or range of `fit`.
        """
        check_is_fitted(self)
        self.unread_ = {}
        fitted = snapshot(self)
        X = as_numpy(list_once(X), "FaceLoader")
        sources: Any = fitted._list_pictures(X)
        if sources is not None:
            return keep_index(self._gather(self._load(sources, fitted._find_tops(sources)), sources), X, self)
        images, pixel_range = fitted._check_images(X)
        if images.dtype.kind not in "iu" and not is_overstepped(pixel_range):
            return keep_index(self._crop_floats(images, pixel_range), X, self)
        sources = images if images.dtype == np.uint8 else scale_to_uint8(images, pixel_range[1])
        return keep_index(self._gather(self._load(sources), sources), X, self)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the pixels of a face, row by row: ``faceloader0``, ``faceloader1`` and so on.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of numbers seen in `fit`, with which they are compared. For pictures, they are ignored.

        Returns
        -------
        ndarray of str
            One name per value of a face, in the order of a flattened face.
        """
        check_is_fitted(self)
        return _generate_get_feature_names_out(self, math.prod(self._face_shape()), input_features=input_features)

    def set_output(self, *, transform: Any = None) -> "FaceLoader":
        """Set the output container of a pipeline; images stay arrays, which no table holds.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            What later steps return. With ``"pandas"``, arrays keep the index of a table of pictures, which
            :class:`HOGTransformer` gives its table.

        Returns
        -------
        self : FaceLoader
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def to_zarr(self, X: Any, store: Any) -> Any:
        """Write the faces of pictures into a Zarr array, once: for more pictures than memory holds.

        Faces are made and written some hundred at a time, in as many threads as `transform` has. The same call after
        whatever broke it off, ``kill -9`` among it, makes those that are not there yet; when all are there, it only
        opens the array. `fit` is not needed before.

        Parameters
        ----------
        X : sequence of pictures, or ``data`` of :func:`~sk_emotion.load_face_shards`
            Pictures are paths, bytes, file objects, PIL images or arrays.
        store : str, PathLike or zarr store
            A folder that is made, say ``"faces.zarr"``. It holds a group with the arrays ``images`` and ``status``, of
            shape (n_samples,): 1 where the detector saw a face, 2 where not, 3 for pictures that cannot be read.

        Returns
        -------
        zarr.Array of shape (n_samples, height, width) or (n_samples, height, width, 3)
            uint8, in chunks of up to 1 MB, not compressed: faces do not shrink. Its rows can be taken as those of a
            memory-map, so that scikit-learn's splitters and searches take it. To have it again:
            :func:`~sk_emotion.open_faces`. ``zarr.open_array("faces.zarr/images")`` opens a plain Zarr array, which
            this library takes as well, and scikit-learn only whole.

        Raises
        ------
        ImageReadError
            If a picture cannot be read and ``on_error="raise"``. The faces before it are there: the same call goes on
            with ``on_error="blank"``.
        FaceNotFoundError
            If no face is seen in a picture and ``on_missing="raise"``. All faces are there then.
        ImageArrayError
            If X holds numbers.
        DatasetError
            If the store holds something else: faces of other pictures, or made with other parameters, arrays of
            another kind, links or pipes. If it cannot be written, because the disk is full, say.
        MissingDependencyError
            If zarr is not installed: it comes with ``sk-emotion[zarr]``.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from sk_emotion import FaceLoader, make_faces
        >>> folder = Path(tempfile.mkdtemp())
        >>> for number, face in enumerate(make_faces(6, random_state=0)[0]):
        ...     Image.fromarray(face).save(folder / f"{number}.png")
        >>> X = FaceLoader(image_size=32).to_zarr(sorted(folder.glob("*.png")), folder / "faces.zarr")
        >>> X.shape, X[:2].dtype
        ((6, 32, 32), dtype('uint8'))
        """
        self._validate_params()
        X = as_numpy(X, "FaceLoader")
        pictures: Any = getattr(X, "pictures", None)
        pictures = list_pictures(X) if pictures is None else pictures
        if pictures is None:
            raise ImageArrayError("FaceLoader.to_zarr: X holds numbers, expected pictures: paths, bytes or PIL images.")
        parameters = {"color": self.color, "detector, margin or on_missing": list(self._cache_parameters())}
        identity = {
            "pictures": identify_pictures(pictures, self.channel_order),
            "image_size": list(self._target_size()),
            **parameters,
        }
        opened = open_store(store, (len(pictures), *self._face_shape()), identity)

        # Those of shards are files, and come one by one.
        tops = self._find_tops(pictures) if isinstance(pictures, list) else {}

        def make(part: Any, start: int) -> list[Face | ImageReadError]:
            faces = self._load(part, tops)
            if self.on_error == "raise":
                errors = {start + row: face for row, face in enumerate(faces) if isinstance(face, ImageReadError)}
                self._report_unread(errors, pictures)
            return faces

        status = write_faces(opened, pictures, make)
        self._report_unread(opened.unread(), pictures, stacklevel=3)
        self._report_found(status == SEEN, pictures, unread=self.unread_)
        return as_indexable(opened.images)

    def _load(self, sources: Any, tops: Mapping[str, float] = MappingProxyType({})) -> list[Face | ImageReadError]:
        """Read the faces of pictures, in threads; an error stands in the place of one that cannot be read."""
        self._check_memory(len(sources))
        if self.cache is not None and any(isinstance(source, str | os.PathLike) for source in sources):
            warn_of_folder(self.cache, "FaceLoader: cache", DatasetWarning)
        cache = FaceCache(self.cache, self._face_shape(), self._cache_parameters())
        n_jobs = self._effective_n_jobs(sources)
        slices = gen_even_slices(len(sources), min(len(sources), _CHUNKS_PER_JOB * n_jobs))
        make = partial(self._make_face, tops=tops) if tops else self._make_face
        # Around it all, since scikit-learn's Parallel sets the filters of this thread in each worker.
        with quiet_pillow:
            chunks = Parallel(n_jobs=n_jobs, require="sharedmem")(
                delayed(cache.load)(sources[part], make) for part in slices
            )
        return [face for chunk in chunks for face in chunk]

    def _for_parts_of(self, X: Any) -> "FaceLoader":
        """Give a loader that takes parts of X as `transform` takes all of it, with one range for the pixels."""
        loader = copy.copy(self)
        X = as_numpy(X, "FaceLoader")
        pictures = self._list_pictures(X)
        # Bytes need no look, for which an array on the disk would be read twice.
        if pictures is None and not hasattr(self, "pixel_range_") and getattr(X, "dtype", None) != np.uint8:
            self._refuse_one_image(X)
            pictures = [np.asarray(X)]
        if pictures is not None:
            loader._tops = self._find_tops(pictures)
        return loader

    def _list_pictures(self, X: Any) -> list[Any] | None:
        """List the pictures in X; None if it holds numbers."""
        pictures = list_pictures(X)
        shapes: set[tuple[int, ...]] = {
            picture.shape if isinstance(picture, np.ndarray) else () for picture in pictures or []
        }
        # The rows of a color image in a list are arrays of two axes, as pictures are.
        if pictures and len(pictures) > 1 and len(shapes) == 1:
            (shape,) = shapes
            if len(shape) == 2 and shape[1] <= 4 < shape[0]:
                raise ImageArrayError(
                    f"FaceLoader: X is a list of {len(pictures)} arrays of shape {shape}, which are the rows of one "
                    "image without the batch axis. Pass [image], or X[np.newaxis] of an array."
                )
        return pictures

    def _find_tops(self, pictures: list[Any]) -> dict[str, float]:
        return find_tops(pictures, getattr(self, "_tops", {}), self.max_pixels)

    def _refuse_one_image(self, X: Any) -> None:
        """Refuse one image without the batch axis; flattened rows have the size that is declared, or wanted."""
        lengths = None
        if not hasattr(self, "image_shape_"):
            size = math.prod(self._target_size() if self.image_shape is None else self.image_shape)
            lengths = {size, 3 * size} if self.image_shape is None else {size}
        refuse_one_image(X, "FaceLoader", getattr(self, "image_shape_", None), lengths)

    def _check_images(self, X: Any) -> tuple[NDArray[Any], tuple[float, float]]:
        """Check numbers against those of `fit`; the size may differ where it is plain to see."""
        self._refuse_one_image(X)
        shape = find_shape(X)
        fitted = hasattr(self, "image_shape_")
        if not fitted:
            declared = self.image_shape if len(shape) == 2 else None
            if declared is None and len(shape) == 2:
                size = self._target_size()
                declared = size if shape[1] == math.prod(size) else (*size, 3)
            images = validate_images(FaceLoader(image_shape=declared), X, reset=True, keep_integers=True)
        elif len(shape) > 2:
            judge = FaceLoader()
            judge.image_shape_ = shape[1:3] if shape[3:] == (1,) else shape[1:]
            judge.pixel_range_ = self.pixel_range_
            images = validate_images(judge, X, reset=False, keep_integers=True)
        else:
            images = validate_images(self, X, reset=False, keep_integers=True)
        whole = images.dtype.kind in "iu"
        if images.dtype == np.uint8:
            return images, (0.0, 255.0)
        if fitted and not (whole and getattr(self, "_tops", {})):
            # Whole numbers may be on the scale of floats.
            on_scale = is_overstepped(self.pixel_range_) or not whole
            return images if on_scale else images.astype(np.float64), self.pixel_range_
        top = self._find_tops([images])[images.dtype.name]
        if not top:
            low, high = float(images.min()), float(images.max())
            raise ImageArrayError(
                f"FaceLoader: X has pixels from {low:g} to {high:g}, but was fitted on pictures. Bring X to 0 to 255."
            )
        return images, (0.0, top)

    def _effective_n_jobs(self, sources: Any) -> int:
        backend, n_jobs = get_active_backend()
        if self.n_jobs is None and self.detector is None and n_jobs is None and not backend.nesting_level:
            return min(effective_n_jobs(-1), _MOST_THREADS, len(sources))
        return min(effective_n_jobs(self.n_jobs), max(len(sources), 1), most_jobs())

    def _check_memory(self, n_faces: int) -> None:
        """Refuse faces of a size that no memory holds, before a picture is made so large."""
        height, width = self._target_size()
        # While one is made, Pillow holds it more than once, with four bytes a pixel.
        n_bytes = n_faces * math.prod(self._face_shape()) + 8 * height * width
        check_memory(n_bytes, f"FaceLoader: image_size={self.image_size!r} for {n_faces} pictures")

    def _make_face(self, source: Any, tops: Mapping[str, float] = MappingProxyType({})) -> Face:
        """Make the face of one picture, and tell whether a detector saw it."""
        if isinstance(source, np.ndarray):
            source = as_rgb(source, self.channel_order)
        gray = not self.color and self.detector in (None, "lbp")
        picture = decode_picture(
            source,
            min_side=self._needed_side(),
            gray=gray,
            tops=tops,
            max_pixels=self.max_pixels,
            max_file_size=self.max_file_size,
        )
        box = self._find_face(picture)
        face = self._crop(picture.convert("RGB" if self.color else "L"), box)
        return np.asarray(face), box is not None

    def _find_face(self, picture: Image.Image) -> NDArray[np.float64] | None:
        if self.detector is None:
            return None
        boxes = detect_faces(picture, self.detector)
        return boxes[0] if len(boxes) else None

    def _crop(self, picture: Image.Image, box: NDArray[np.float64] | None) -> Image.Image:
        if box is not None:
            return crop_face(picture, box, self._target_size(), self.margin)
        return (squeeze if self.on_missing == "full" else crop_center)(picture, self._target_size())

    def _crop_floats(self, images: NDArray[Any], pixel_range: tuple[float, float]) -> NDArray[np.float32]:
        """Crop images that are not on a scale of pixels, channel by channel."""
        low, high = pixel_range
        self._check_memory(4 * len(images))
        faces = np.empty((len(images), *self._face_shape()), dtype=np.float32)
        found = np.zeros(len(images), dtype=bool)
        for index, image in enumerate(as_rgb(image, self.channel_order) for image in images):
            box = self._find_face(Image.fromarray(scale_to_uint8(image - low, (high - low) or 1.0)))
            found[index] = box is not None
            crops = [np.asarray(self._crop(channel, box)) for channel in split_floats(image, self.color)]
            faces[index] = np.stack(crops, axis=-1) if self.color else crops[0]
        self._report_found(found, images)
        return faces

    def _gather(self, loaded: list[Face | ImageReadError], sources: Any) -> NDArray[np.uint8]:
        """Put the faces into one array, and tell what went wrong."""
        faces = np.zeros((len(loaded), *self._face_shape()), dtype=np.uint8)
        found = np.zeros(len(loaded), dtype=bool)
        errors = {}
        for index, face in enumerate(loaded):
            if isinstance(face, ImageReadError):
                errors[index] = face
            else:
                faces[index], found[index] = face
        self._report_unread(errors, sources, stacklevel=4)
        self._report_found(found, sources, unread=errors)
        return faces

    def _report_unread(self, errors: Mapping[int, ImageReadError | str], sources: Any, stacklevel: int = 2) -> None:
        self.unread_ = {index: str(error) for index, error in errors.items()}
        told = [f"{name_picture(sources, index)} {error}" for index, error in errors.items()]
        if errors and self.on_error == "raise":
            others = f", and {len(told) - 1} more cannot be read. Remove them" if len(told) > 1 else ". Remove it"
            first = next(iter(errors.values()))
            raise ImageReadError(f'FaceLoader: {told[0]}{others} or pass on_error="blank".') from (
                first if isinstance(first, ImageReadError) else None
            )
        if errors:
            warnings.warn(
                f"FaceLoader: {len(told)} of {len(sources)} pictures cannot be read and are all-zero images: "
                f"{abridge(told)}.",
                DatasetWarning,
                stacklevel=stacklevel,
            )

    def _report_found(self, found: NDArray[np.bool_], sources: Any, unread: Collection[int] = ()) -> None:
        self.face_found_ = None if self.detector is None else found
        if self.detector is None:
            return
        missing = [name_picture(sources, index) for index in np.flatnonzero(~found).tolist() if index not in unread]
        if missing and self.on_missing == "raise":
            raise FaceNotFoundError(
                f"FaceLoader: no face was seen in {abridge(missing)}. Remove "
                f'{"them" if len(missing) > 1 else "it"} or pass on_missing="center".'
            )

    def _target_size(self) -> tuple[int, int]:
        return as_size(self.image_size)

    def _face_shape(self) -> tuple[int, ...]:
        return (*self._target_size(), 3) if self.color else self._target_size()

    def _needed_side(self) -> int | None:
        """Say how many pixels a picture needs on a side; None is all of them, whose boxes a callable gives."""
        if callable(self.detector):
            return None
        smallest_crop = 1.0 if self.detector is None else SMALLEST_FACE[self.detector]
        wanted = int(np.ceil(max(_OVERSIZE, 1 / smallest_crop) * max(self._target_size())))
        return max(wanted, MTCNN_LONG_SIDE) if self.detector == "mtcnn" else wanted

    def _cache_parameters(self) -> tuple[Any, ...]:
        # "raise" raises after the crop, which is that of "center". Limits change no face that is there.
        return (name_detector(self.detector), float(self.margin), self.on_missing == "full")

    def __setstate__(self, state):
        super().__setstate__(add_new_parameters(self, state))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
