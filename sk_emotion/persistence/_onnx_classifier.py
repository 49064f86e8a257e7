"""A classifier that predicts with an ONNX file, without PyTorch."""

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline

from .._images._validation import validate_images
from ..exceptions import ModelFileError
from ..leakage._training_images import TrainingImages
from ..preprocessing import FaceLoader
from ..preprocessing._faces import find_face_shape
from ..utils._estimators import ClassifierOfLabels
from ..utils._parallel import ForkSafeLock
from ._files import escape
from ._onnx_file import OnnxFile, read_onnx

_opening = ForkSafeLock()


class _NoAttributeError(ModelFileError, AttributeError):
    """Raised for an attribute of a file that cannot be opened, so that ``hasattr`` and ``dir`` work."""


class OnnxClassifier(ClassifierOfLabels, BaseEstimator):
    """Classify images of faces with the network of an ONNX file, without PyTorch.

    It is fitted from the start, like :class:`sklearn.frozen.FrozenEstimator`: `fit` changes nothing.

    Parameters
    ----------
    path : str or PathLike
        File that :func:`export_onnx` wrote. It is opened on first use.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of values per image.
    image_shape_ : tuple of int
        ``(height, width)`` or ``(height, width, 3)``.
    pixel_range_ : tuple of (float, float)
        Pixel range of the training images.
    loader_ : dict or None
        Parameters of the :class:`FaceLoader` with which the network was exported; None if it was exported alone.
    training_images_ : object or None
        Fingerprints of the images that the network was trained on, as far as known (see :func:`save_model`), by which
        :class:`EmotionReport` says whether it is evaluated on them.

    Raises
    ------
    ModelFileError
        On first use, if the file was not written by :func:`export_onnx` or is damaged.
    ModelNotFoundError
        On first use, if the file does not exist.

    See Also
    --------
    export_onnx : Write such a file.
    load_model : Load an ONNX file as a pipeline that begins with a :class:`FaceLoader`.

    Notes
    -----
    Probabilities are those of the exported :class:`EmotionClassifier` up to 1e-4. If the network was trained on pixels
    in [0, 255], fractional ones are rounded, which may change them more. Labels are text, integers, floats or booleans
    as in training, but not of the same dtype: ``int8`` becomes ``int64``, for example.

    An ONNX file may come from anyone: it cannot run code, and one that reads other files, uses operators other than
    those of networks for images, or needs much time or memory, is rejected before anything is computed. It may have
    500 MB; for one image, an array may have 128 MB and all arrays 2 GB, computed with 200 billion multiplications.

    Batches are computed in as many threads as there are cores, or as the environment variable ``OMP_NUM_THREADS`` says,
    which joblib sets in its workers. A pickle or a copy holds the path and opens the file again, as does a forked
    process.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sk_emotion import OnnxClassifier, export_onnx, load_pretrained, make_faces
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(load_pretrained("fer2013"), Path(folder, "fer2013.onnx"))
    ...     OnnxClassifier(Path(folder, "fer2013.onnx")).predict_proba(make_faces(2, random_state=0)[0]).shape
    (2, 7)
    """

    _parameter_constraints: dict = {"path": [str, os.PathLike]}  # noqa: RUF012 - scikit-learn's form

    def __init__(self, path):
        self.path = path

    def fit(self, X: Any = None, y: Any = None, **fit_params: Any) -> "OnnxClassifier":
        """Open the file; nothing is trained.

        Parameters
        ----------
        X, y, **fit_params : object
            Ignored.

        Returns
        -------
        self : OnnxClassifier
        """
        self._open()
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the label of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images like those on which the network was trained.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels from `classes_`.
        """
        opened = self._open()
        return opened.classes[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images like those on which the network was trained.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            float64; columns in the order of `classes_`.
        """
        opened = self._open()
        return opened.predict_proba(validate_images(self, X, reset=False, in_memory=False))

    @property
    def classes_(self) -> NDArray[Any]:
        return self._get("classes")

    @property
    def n_features_in_(self) -> int:
        return math.prod(self.image_shape_)

    @property
    def image_shape_(self) -> tuple[int, ...]:
        return self._get("image_shape")

    @property
    def pixel_range_(self) -> tuple[float, float]:
        return self._get("pixel_range")

    @property
    def loader_(self) -> dict[str, Any] | None:
        return self._get("loader")

    @property
    def training_images_(self) -> TrainingImages | None:
        return self._get("training_images")

    def _get(self, name: str) -> Any:
        try:
            return getattr(self._open(), name)
        except ModelFileError as error:
            raise _NoAttributeError(str(error)) from error

    def _open(self) -> OnnxFile:
        """Open the file, unless this process has opened it for this path."""
        self._validate_params()
        key = (self.path, os.getpid())
        opened = self.__dict__.get("_opened")
        if opened is None or opened[0] != key:
            with _opening:
                # Another thread may have opened it.
                opened = self.__dict__.get("_opened")
                if opened is None or opened[0] != key:
                    opened = self._opened = (key, read_onnx(self.path))
        return opened[1]

    def __sklearn_is_fitted__(self):
        return True

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "_opened"}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.requires_fit = False
        return tags


def load_onnx(path: str | os.PathLike[str]) -> Pipeline | OnnxClassifier:
    """Return the network of an ONNX file after the FaceLoader with which it was exported, or a default one."""
    clf = OnnxClassifier(path).fit()
    try:
        loader = build_loader(clf._open())
    except ValueError as error:
        raise ModelFileError(
            f"load_model: {escape(os.fsdecode(path))} has {escape(error, 300)}. Export the model again, or use "
            "OnnxClassifier(path)."
        ) from None
    return clf if loader is None else make_pipeline(loader, clf)


def build_loader(network: OnnxFile) -> FaceLoader | None:
    """Return the FaceLoader of a network, a default one, or None for pixels that no default one returns.

    Raise a ValueError if it is invalid, or returns faces of another shape.
    """
    params = network.loader
    if params is None:
        if network.pixel_range != (0.0, 255.0):
            return None
        height, width = network.image_shape[:2]
        size = height if height == width else (height, width)
        params = {"image_size": size, "color": len(network.image_shape) == 3}
    # Images whose integers have the ranges of those in the export; any other input will do, since fit decodes nothing.
    deep = [
        np.full((1, 1), min(int(top), np.iinfo(dtype).max), dtype=dtype)
        for dtype, top in network.integer_ranges.items()
    ]
    try:
        loader = FaceLoader(**params)
        # fit skips this within load_model.
        loader._validate_params()
        loader.fit([b"", *deep])
    except (TypeError, ValueError) as error:
        raise ValueError(f"an invalid FaceLoader ({escape(error, 200)})") from None
    shape = find_face_shape(loader)
    if shape != network.image_shape:
        raise ValueError(f"a FaceLoader for faces of shape {shape}, but a network for {network.image_shape}")
    return loader
