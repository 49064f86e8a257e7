"""Load images of any kind as an array of faces of one size."""

import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import gen_even_slices
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _generate_get_feature_names_out, check_is_fitted

from .._images._pixel_range import is_clipped
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
from ._cache import FaceCache, name_detector
from ._cost import MAX_PIXELS
from ._decode import find_tops, scale_to_uint8
from ._detect import DETECTORS
from ._faces import Face, LoadedFaces, as_size, collect_faces, load_face, load_standardized_face
from ._open import MAX_FILE_SIZE, quiet_pillow
from ._sources import list_once, list_pictures, name_picture
from ._store import SEEN, identify_pictures, open_store, write_faces

# More than one chunk per job, so that no thread waits long for the slowest one.
_CHUNKS_PER_JOB = 4

# Most images per chunk, after which `progress` is called.
_LARGEST_CHUNK = 32

# More threads do not help: Pillow holds the GIL between files.
_MOST_THREADS = 8


class FaceLoader(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Load images as an array of faces of one size.

    Reads paths, encoded bytes, open files, PIL images and arrays of any size, rotates them upright, crops the face or
    the center, and resizes. Arrays that are already a batch of images, including flattened ones, are accepted too, so
    that one pipeline handles both.

    Parameters
    ----------
    image_size : int or (int, int), default=48
        Height and width of the faces, in pixels.
    color : bool, default=False
        Whether to return RGB faces instead of grayscale ones.
    detector : {"mtcnn", "lbp"}, callable or None, default=None
        The face detector:

        - ``"mtcnn"``: the cascaded networks [1]_ of facenet-pytorch. Also finds rotated, tilted and partly occluded
          faces whose side is at least 6 % of the longer side of the image. An image of up to 64 pixels is taken to be a
          cropped face, unless it is uniform (a single color, apart from noise).
        - ``"lbp"``: the cascade of local binary patterns [2]_ of scikit-image. Finds frontal, upright faces whose side
          is at least 15 % of the longer side.
        - callable: takes a uint8 RGB array of shape (H, W, 3) and returns boxes of shape (n_faces, 4) as (x, y, width,
          height) in pixels, or None. The largest box is used.
        - None: no detection.
    margin : float, default=0.2
        Margin added on each side of the square face box, as a fraction of its side.
    on_missing : {"center", "full", "raise"}, default="center"
        What to use when no face is detected: the largest centered crop with the aspect ratio of `image_size`, the full
        image resized without keeping its aspect ratio, or nothing (``"raise"`` raises an error). Without a detector,
        this applies to every image, and ``"raise"`` is the same as ``"center"``.
    on_error : {"raise", "blank"}, default="raise"
        How to handle an image that cannot be read: raise an error, or return an all-zero image with a warning.
    max_pixels : int or None, default=120_000_000
        Maximum number of decoded pixels per image (the tiles of a TIFF may be larger than the image). Larger images
        raise an error before they are decoded, since a file of a few kilobytes can hold a billion pixels. Pixels that
        need more than 2.4 bytes to decode count as several, so that an image takes at most 300 MB by default: up to 120
        megapixels for a JPEG (90 if progressive), 50 for a color PNG, 18 for WEBP or AVIF. A higher limit allows more
        memory. None, and values above twice ``PIL.Image.MAX_IMAGE_PIXELS``, leave the limit to Pillow. Arrays are not
        limited.
    max_file_size : int or None, default=100_000_000
        Maximum size in bytes of a file or of encoded bytes. Larger ones raise an error before they are read.
    channel_order : {"rgb", "bgr"}, default="rgb"
        Order of the color channels in arrays, in a list or in a batch: ``"bgr"`` is the order of OpenCV's frames, with
        or without an alpha channel. Files, bytes and PIL images carry their own order. Detectors receive RGB.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, 3)`` of flattened rows. By default, a square number of features is
        read as a square grayscale image, and up to 256 other features as a strip of height 1.
    cache : str, PathLike or None, default=None
        Folder that caches the face of each file, keyed by path, size, modification time and parameters. Damaged or
        foreign entries, links and pipes are replaced. Delete the folder to empty the cache. If it is not writable,
        a warning is issued.
    n_jobs : int or None, default=None
        Number of threads. None means one per core, up to eight, since Pillow decodes in parallel; but one inside a
        parallel worker, such as that of a search, and one with a detector, which may not be thread-safe.
        ``joblib.parallel_config`` overrides this, as in scikit-learn. Detectors benefit from processes only:
        ``with joblib.parallel_config("loky", n_jobs=2): ...``.

    Attributes
    ----------
    n_features_in_ : int
        Number of values per image. Only set when fitted on numeric arrays, like the next three.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when fitted on a numeric DataFrame with string column names.
    image_shape_ : tuple of int
        ``(height, width)`` or ``(height, width, 3)`` of the images.
    pixel_range_ : tuple of (float, float)
        Range of the pixels, learned in `fit`, so that an image is scaled in the same way in every batch.

    See Also
    --------
    load_face_folder : Load the paths of photos in folders named by emotion.
    HOGTransformer : Compute gradient features of faces.

    Notes
    -----
    A list is read as a list of images if any element is a path, bytes or another buffer of bytes, a file object, a PIL
    image or an array with at least two axes; the images may differ in size. The same holds for the elements of an
    iterator, which is consumed once. File objects, including uploads of web frameworks, must be open in binary mode;
    they are read from the beginning and then restored to their position. An array holding the bytes of a file, as
    returned by ``cv2.imencode``, is decoded. Any other element, such as the None that ``cv2.imread`` returns on
    failure, counts as an image that cannot be read. A numeric array or DataFrame is a batch of images and is validated
    as in every estimator of this library.

    JPEG, PNG, WEBP, AVIF, BMP, GIF, TIFF and PPM files are read, and HEIF once pillow-heif is registered. The format is
    detected by content, not by file name. No other format is passed to Pillow, so that no file can run another program,
    as EPS could. Folders, pipes and devices raise an error at once. A maliciously slow file takes up to a second (or a
    second per megabyte) and 300 MB of memory in addition to its own size; with a higher `max_pixels`, 2.4 bytes per
    pixel; with a much lower one, up to 24. Large images are decoded one at a time. A callable detector receives the
    image at full size, which takes up to 12 more bytes per pixel. Lower both limits for images from untrusted sources.

    Transparent pixels become white. Only the first frame of an animation is used. Images with a side below 16 pixels
    are not cropped.

    Pixels of other than 8 bits are scaled to 8 bits: floats in [0, 1] or [0, 255], and integers of 12, 16 or 32 bits.
    The smallest range that contains all values is used, one range for all floats of X and one for all integers, so that
    a dark frame next to a bright one stays dark; each file is scaled on its own. Integers that had more than 8 bits in
    `fit` are read that way in `transform`, too. Floats slightly outside their range, as produced by resizing and
    sharpening, are clipped: at least from -0.06 to 1.06, or the same share of 255. Floats in neither range raise an
    error in a list of images; in an array of images that `fit` has seen they are standardized, and stay ``float32``.

    A single image without the batch axis is an error: pass ``[image]`` or ``image[np.newaxis]``. After `fit` on a list
    of images, flattened rows are read as images of shape `image_size`, or of `image_shape`.

    On 899 web photos of six emotions, ``detector="mtcnn"`` found a face in 830 and ``"lbp"`` in 523, each in 0.05 s per
    photo on one core. A second detector confirmed all but 1 and 7 of these, respectively.

    The cache cannot distinguish two lambdas of one module: use named functions as detectors.

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
        "detector": [StrOptions(set(DETECTORS)), callable, None],
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
        """Learn the kind of X (list of images or numeric array), and the shape and range of numeric arrays.

        Nothing is decoded.

        Parameters
        ----------
        X : sequence of images, or array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or \
                (n_samples, n_features)
            Paths, bytes, file objects, PIL images or arrays; or a numeric array.
        y : None
            Ignored.

        Returns
        -------
        self : FaceLoader

        Raises
        ------
        ImageArrayError
            If X is neither a list of images nor a numeric batch of images.
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
        # Integers of more than 8 bits in `fit` keep that range later, however dark an image is. Floats show their
        # range.
        tops = find_tops(pictures, max_pixels=self.max_pixels)
        self._tops = {name: top for name, top in tops.items() if np.dtype(name).kind in "iu" and top > 255}
        return self

    def fit_transform(self, X: Any, y: Any = None) -> NDArray[Any]:
        """Fit to X, and return its faces. An iterator is consumed once for both.

        Parameters
        ----------
        X : sequence or iterator of images, or array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or \
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
        """Load the faces of images.

        Parameters
        ----------
        X : sequence of images, or array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or \
                (n_samples, n_features)
            Lists of images are accepted whatever X was in `fit`. Numeric arrays are accepted if their pixels are in the
            range seen in `fit`; the size may differ unless they are flattened.

        Returns
        -------
        ndarray of shape (n_samples, height, width) or (n_samples, height, width, 3)
            ``uint8``, or ``float32`` for standardized floats.

        Raises
        ------
        ImageReadError
            If an image cannot be read and ``on_error="raise"``. The other images are in the cache then.
        FaceNotFoundError
            If no face is detected in an image and ``on_missing="raise"``.
        ImageArrayError
            If a numeric array is not a batch of images (but one image, for example), or does not have the shape or
            range of `fit`.
        """
        return keep_index(self._load_faces(X).images, X, self)

    def load(self, X: Any, *, progress: Callable[[int], Any] | None = None) -> LoadedFaces:
        """Load the faces of images, with their boxes and landmarks, and the errors of reading.

        Parameters
        ----------
        X : sequence of images, or array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or \
                (n_samples, n_features)
            As in `transform`.
        progress : callable, default=None
            Called with the number of images loaded since the last call.

        Returns
        -------
        LoadedFaces
            What `transform` returns, as ``images``, with ``boxes``, ``landmarks``, ``found`` and ``unread``. An image
            that ``"mtcnn"`` takes to be a cropped face counts as found, a uniform one does not.

        Raises
        ------
        ImageReadError, FaceNotFoundError, ImageArrayError
            As in `transform`.

        Examples
        --------
        >>> from skimage.data import astronaut
        >>> from sk_emotion import FaceLoader
        >>> photos = [astronaut()]
        >>> loaded = FaceLoader(detector="mtcnn").fit(photos).load(photos)
        >>> loaded.images.shape, loaded.boxes.shape, loaded.landmarks.shape, loaded.found, loaded.unread
        ((1, 48, 48), (1, 4), (1, 5, 2), array([ True]), {})
        """
        return self._load_faces(X, progress)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the pixels of a face, row by row: ``faceloader0``, ``faceloader1`` and so on.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Column names of the numeric data seen in `fit`, checked against it. Ignored for lists of images.

        Returns
        -------
        ndarray of str
            One name per value of a face, in the order of a flattened face.
        """
        check_is_fitted(self)
        return _generate_get_feature_names_out(self, math.prod(self._face_shape()), input_features=input_features)

    def set_output(self, *, transform: Any = None) -> "FaceLoader":
        """Set the output container of later steps; images are always returned as arrays.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Output of later steps. With ``"pandas"``, arrays keep the index of a table of images, which
            :class:`HOGTransformer` uses for its table.

        Returns
        -------
        self : FaceLoader
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def to_zarr(self, X: Any, store: Any) -> Any:
        """Write the faces of images to a Zarr array once, for more images than fit into memory.

        Faces are computed and written in batches of some hundred, with as many threads as `transform` uses. After an
        interruption (even ``kill -9``), the same call computes the missing faces only; when all are written, it just
        opens the array. Calling `fit` first is not required.

        Parameters
        ----------
        X : sequence of images
            Paths, bytes, file objects, PIL images or arrays; or a numeric array.
        store : str, PathLike or zarr store
            A folder to create, for example ``"faces.zarr"``. It holds a group with the arrays ``images`` and
            ``status``, the latter of shape (n_samples,): 1 where a face was detected, 2 where none was, 3 for images
            that cannot be read. Its attribute ``unread`` maps the positions of these to the reasons.

        Returns
        -------
        zarr.Array of shape (n_samples, height, width) or (n_samples, height, width, 3)
            uint8, in chunks of up to 1 MB, uncompressed, since faces do not compress well. It supports the indexing of
            a memory-map, so that scikit-learn's splitters and searches accept it. Open it again with
            :func:`~sk_emotion.open_faces`. ``zarr.open_array("faces.zarr/images")`` opens a plain Zarr array, which
            this library accepts as well, but scikit-learn only as a whole.

        Raises
        ------
        ImageReadError
            If an image cannot be read and ``on_error="raise"``. The faces before it are written: the same call
            continues with ``on_error="blank"``.
        FaceNotFoundError
            If no face is detected in an image and ``on_missing="raise"``. All faces are written by then.
        ImageArrayError
            If X is a numeric array.
        DatasetError
            If the store holds something else (faces of other images or parameters, arrays of another kind, links or
            pipes), or cannot be written, because the disk is full, for example.
        MissingDependencyError
            If zarr is not installed. Install it with ``pip install "sk-emotion[zarr]"``.

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
        pictures = list_pictures(X)
        if pictures is None:
            raise ImageArrayError("FaceLoader.to_zarr: X is numeric, expected images: paths, bytes or PIL images.")
        parameters = {"color": self.color, "detector, margin or on_missing": list(self._cache_parameters())}
        identity = {
            "pictures": identify_pictures(pictures, self.channel_order),
            "image_size": list(self._target_size()),
            **parameters,
        }
        opened = open_store(store, (len(pictures), *self._face_shape()), identity)

        tops = self._find_tops(pictures)

        def make(part: Any, start: int) -> list[Face | ImageReadError]:
            faces = self._load_each(part, partial(load_face, loader=self, tops=tops))
            if self.on_error == "raise":
                errors = {start + row: face for row, face in enumerate(faces) if isinstance(face, ImageReadError)}
                self._report_unread(errors, pictures)
            return faces

        status = write_faces(opened, pictures, make)
        unread = opened.unread()
        self._report_unread(unread, pictures, stacklevel=3)
        self._report_missing((status != SEEN).nonzero()[0].tolist(), unread, pictures)
        return as_indexable(opened.images)

    def _load_faces(self, X: Any, progress: Callable[[int], Any] | None = None) -> LoadedFaces:
        check_is_fitted(self)
        fitted = snapshot(self)
        X = as_numpy(list_once(X), "FaceLoader")
        sources: Any = fitted._list_pictures(X)
        dtype: Any = np.uint8
        if sources is not None:
            make = partial(load_face, loader=fitted, tops=fitted._find_tops(sources))
        else:
            sources, pixel_range = fitted._check_images(X)
            if sources.dtype.kind not in "iu" and not is_clipped(pixel_range):
                make = partial(load_standardized_face, loader=fitted, pixel_range=pixel_range)
                dtype = np.float32
            else:
                make = partial(load_face, loader=fitted)
                sources = sources if sources.dtype == np.uint8 else scale_to_uint8(sources, pixel_range[1])
        loaded = fitted._load_each(sources, make, progress, dtype)
        errors = {index: face for index, face in enumerate(loaded) if isinstance(face, ImageReadError)}
        fitted._report_unread(errors, sources, stacklevel=4)
        faces = collect_faces(loaded, np.zeros(fitted._face_shape(), dtype), fitted.detector)
        if faces.found is not None:
            fitted._report_missing(np.flatnonzero(~faces.found).tolist(), faces.unread, sources)
        return faces

    def _load_each(
        self,
        sources: Any,
        make: Callable[[Any], Face],
        progress: Callable[[int], Any] | None = None,
        dtype: Any = np.uint8,
    ) -> list[Face | ImageReadError]:
        """Load the faces of images in threads; an image that cannot be read yields an error in its place."""
        self._check_memory(len(sources), np.dtype(dtype).itemsize)
        if self.cache is not None and any(isinstance(source, str | os.PathLike) for source in sources):
            warn_of_folder(self.cache, "FaceLoader: cache", DatasetWarning)
        cache = FaceCache(self.cache, self._face_shape(), self._cache_parameters())
        n_jobs = self._effective_n_jobs(sources)
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

    def _list_pictures(self, X: Any) -> list[Any] | None:
        """List the images in X; None if X is a numeric array."""
        pictures = list_pictures(X)
        shapes: set[tuple[int, ...]] = {
            picture.shape if isinstance(picture, np.ndarray) else () for picture in pictures or []
        }
        # In a list, the rows of a color image are 2-d arrays, just as images are.
        if pictures and len(pictures) > 1 and len(shapes) == 1:
            (shape,) = shapes
            if len(shape) == 2 and shape[1] <= 4 < shape[0]:
                raise ImageArrayError(
                    f"FaceLoader: X is a list of {len(pictures)} arrays of shape {shape}, which look like the rows of "
                    "one image without the batch axis. Pass [image], or X[np.newaxis] of an array."
                )
        return pictures

    def _find_tops(self, pictures: list[Any]) -> dict[str, float]:
        return find_tops(pictures, getattr(self, "_tops", {}), self.max_pixels)

    def _refuse_one_image(self, X: Any) -> None:
        """Reject one image without the batch axis; flattened rows have the declared or the target size."""
        lengths = None
        if not hasattr(self, "image_shape_"):
            size = math.prod(self._target_size() if self.image_shape is None else self.image_shape)
            lengths = {size, 3 * size} if self.image_shape is None else {size}
        refuse_one_image(X, "FaceLoader", getattr(self, "image_shape_", None), lengths)

    def _check_images(self, X: Any) -> tuple[NDArray[Any], tuple[float, float]]:
        """Check a numeric array against that of `fit`; the size may differ unless it is flattened."""
        self._refuse_one_image(X)
        shape = find_shape(X)
        fitted = hasattr(self, "image_shape_")
        checker = self
        if not fitted:
            declared = self.image_shape if len(shape) == 2 else None
            if declared is None and len(shape) == 2:
                size = self._target_size()
                declared = size if shape[1] == math.prod(size) else (*size, 3)
            checker = FaceLoader(image_shape=declared)
        elif len(shape) > 2:
            checker = FaceLoader()
            checker.image_shape_ = shape[1:3] if shape[3:] == (1,) else shape[1:]
            checker.pixel_range_ = self.pixel_range_
        # uint8 needs no scan, which would read an array on disk twice.
        in_memory = getattr(X, "dtype", None) != np.uint8
        images = validate_images(checker, X, reset=not fitted, in_memory=in_memory, keep_integers=True)
        whole = images.dtype.kind in "iu"
        if images.dtype == np.uint8:
            return images, (0.0, 255.0)
        if fitted and not (whole and getattr(self, "_tops", {})):
            # Integers may be on the scale of floats.
            on_scale = is_clipped(self.pixel_range_) or not whole
            return images if on_scale else images.astype(np.float64), self.pixel_range_
        top = self._find_tops([images])[images.dtype.name]
        if not top:
            low, high = float(images.min()), float(images.max())
            raise ImageArrayError(
                f"FaceLoader: X has pixels from {low:g} to {high:g}, but was fitted on a list of images. Scale X to "
                "0 to 255."
            )
        return images, (0.0, top)

    def _effective_n_jobs(self, sources: Any) -> int:
        backend, n_jobs = get_active_backend()
        if self.n_jobs is None and self.detector is None and n_jobs is None and not backend.nesting_level:
            return min(effective_n_jobs(-1), _MOST_THREADS, len(sources))
        return min(effective_n_jobs(self.n_jobs), max(len(sources), 1), most_jobs())

    def _check_memory(self, n_faces: int, itemsize: int) -> None:
        """Reject face sizes that do not fit into memory, before any image is resized."""
        height, width = self._target_size()
        # Pillow holds more than one copy of a face while resizing, with four bytes per pixel.
        n_bytes = itemsize * n_faces * math.prod(self._face_shape()) + 8 * height * width
        check_memory(n_bytes, f"FaceLoader: image_size={self.image_size!r} for {n_faces} images")

    def _report_unread(self, errors: Mapping[int, ImageReadError | str], sources: Any, stacklevel: int = 2) -> None:
        unread = [f"{name_picture(sources, index)} {error}" for index, error in errors.items()]
        if errors and self.on_error == "raise":
            others = f", and {len(unread) - 1} more cannot be read. Remove them" if len(unread) > 1 else ". Remove it"
            first = next(iter(errors.values()))
            raise ImageReadError(f'FaceLoader: {unread[0]}{others} or pass on_error="blank".') from (
                first if isinstance(first, ImageReadError) else None
            )
        if errors:
            warnings.warn(
                f"FaceLoader: {len(unread)} of {len(sources)} images cannot be read and are all-zero images: "
                f"{abridge(unread)}.",
                DatasetWarning,
                stacklevel=stacklevel,
            )

    def _report_missing(self, missing: Sequence[int], unread: Mapping[int, str], sources: Any) -> None:
        names = [name_picture(sources, index) for index in missing if index not in unread]
        if names and self.detector is not None and self.on_missing == "raise":
            raise FaceNotFoundError(
                f"FaceLoader: no face was detected in {abridge(names)}. Remove "
                f'{"them" if len(names) > 1 else "it"} or pass on_missing="center".'
            )

    def _target_size(self) -> tuple[int, int]:
        return as_size(self.image_size)

    def _face_shape(self) -> tuple[int, ...]:
        return (*self._target_size(), 3) if self.color else self._target_size()

    def _cache_parameters(self) -> tuple[Any, ...]:
        # "raise" raises after the crop, which is the same as for "center". Limits do not change the faces.
        return (name_detector(self.detector), float(self.margin), self.on_missing == "full")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_tops")

    def __setstate__(self, state):
        super().__setstate__(add_new_parameters(self, state))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
