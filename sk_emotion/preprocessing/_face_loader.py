"""Load images of any kind as an array of faces of one size."""

import os
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._images._validation import check_one_label_each, validate_images
from ..utils._arrays import as_numpy, keep_index
from ..utils._estimators import add_new_parameters, fit_aside, snapshot
from ._cost import MAX_PIXELS
from ._decode import find_tops
from ._detect import DETECTORS
from ._faces import LoadedFaces, as_size, find_face_shape, load_faces, store_faces
from ._sources import MAX_FILE_SIZE, list_once, list_pictures


# mypy does not know the keyword with which scikit-learn's transformers choose their output.
class FaceLoader(  # type: ignore[call-arg]
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
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
        a warning is issued. Use named functions as detectors: two lambdas of one module are not distinguished.
    n_jobs : int or None, default=None
        Number of threads. None means one per core, up to eight, since Pillow decodes in parallel; but one inside a
        parallel worker, such as that of a search, and one with a detector, which may not be thread-safe.
        ``joblib.parallel_config`` overrides this, as in scikit-learn.

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
        """Learn the kind of X, and the shape and range of numeric arrays, without decoding images.

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
        as_size(self.image_size)
        X = as_numpy(list_once(X), "FaceLoader")
        pictures = list_pictures(X)
        if pictures is None:
            images = validate_images(self, X, reset=True, keep_integers=True)
            if y is not None:
                check_one_label_each("FaceLoader", X, len(images), as_numpy(y, "FaceLoader", "y"))
            pictures = [images]
        else:
            for name in ("n_features_in_", "feature_names_in_", "image_shape_", "pixel_range_"):
                self.__dict__.pop(name, None)
        # Integers of more than 8 bits keep their range in `transform`, however dark an image is; floats show theirs.
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
        check_is_fitted(self)
        return keep_index(load_faces(snapshot(self), X).images, X, self)

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
        check_is_fitted(self)
        return load_faces(snapshot(self), X, progress)

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
            Paths, bytes, file objects, PIL images or arrays.
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
        return store_faces(self, X, store)

    @property
    def _n_features_out(self):
        check_is_fitted(self)
        return int(np.prod(find_face_shape(self)))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_tops")

    def __setstate__(self, state):
        super().__setstate__(add_new_parameters(self, state))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
