"""Features of pretrained networks as a transformer of photos."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils.validation import check_is_fitted

from ..persistence._onnx_file import run_in_batches
from ..preprocessing import FaceLoader
from ..preprocessing._sources import list_once
from ..utils._estimators import as_fitted, fit_aside
from ..utils._files import FOLDER, check_weights
from ..utils._parallel import once_per_process, open_session
from ._load import load_pretrained

_BATCH_SIZE = 64

# Those that the user chooses; the others are those of the included model.
_LOADER_PARAMETERS = ("on_missing", "on_error", "channel_order", "image_shape", "cache", "n_jobs")


class FaceEmbedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Compute features of the faces in photos with a pretrained network.

    They are the inputs of the network's last layer, which :meth:`EmotionClassifier.embed` also returns: similar for
    faces with similar expressions. Use them next to other columns, for clustering, or for a linear model on a few dozen
    photos. Nothing is trained, and PyTorch is not needed.

    Parameters
    ----------
    pretrained : {"human-emotions", "fer2013"}, default="human-emotions"
        Model of :func:`load_pretrained`. It also determines how faces are detected and cropped.
    on_missing : {"center", "full", "raise"}, default="center"
        What to use when no face is detected, as in :class:`FaceLoader`.
    on_error : {"raise", "blank"}, default="raise"
        How to handle an image that cannot be read: raise an error, or use an all-zero image with a warning.
    channel_order : {"rgb", "bgr"}, default="rgb"
        Order of the color channels in arrays: ``"bgr"`` is the order of OpenCV's frames.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, 3)`` of flattened rows, as in :class:`FaceLoader`.
    cache : str, PathLike or None, default=None
        Folder that caches the face of each file, so that photos are read and searched for faces only once, for example
        in cross-validation.
    n_jobs : int or None, default=None
        Number of threads that load photos, as in :class:`FaceLoader`.

    Attributes
    ----------
    loader_ : FaceLoader
        The fitted loader.
    n_features_in_ : int
        Number of values per image. Only set when fitted on numeric arrays.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when fitted on a numeric DataFrame with string column names.

    See Also
    --------
    load_pretrained : Predict emotions with the same network.
    HOGTransformer : Compute gradient features of faces.

    Notes
    -----
    Images are the same as for :class:`FaceLoader`; a DataFrame with a single column of paths, as passed by a
    :class:`~sklearn.compose.ColumnTransformer`, is a list of photos. Standardized pixels are scaled by their range in
    `fit`. The features do not depend on the other images of a batch.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sk_emotion import FaceEmbedding
    >>> FaceEmbedding().fit_transform([astronaut()]).shape
    (1, 192)
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's form
        "pretrained": [str],
        **{name: FaceLoader._parameter_constraints[name] for name in _LOADER_PARAMETERS},
    }

    def __init__(
        self,
        pretrained="human-emotions",
        *,
        on_missing="center",
        on_error="raise",
        channel_order="rgb",
        image_shape=None,
        cache=None,
        n_jobs=None,
    ):
        self.pretrained = pretrained
        self.on_missing = on_missing
        self.on_error = on_error
        self.channel_order = channel_order
        self.image_shape = image_shape
        self.cache = cache
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    @fit_aside
    def fit(self, X: Any, y: Any = None) -> "FaceEmbedding":
        """Learn the kind of X, as :class:`FaceLoader` does, without decoding images.

        Parameters
        ----------
        X : sequence of images, or array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or \
                (n_samples, n_features)
            Paths, bytes, file objects, PIL images or arrays; or a numeric array.
        y : None
            Ignored.

        Returns
        -------
        self : FaceEmbedding

        Raises
        ------
        ValueError
            If there is no pretrained model of this name.
        ImageArrayError
            If X is neither a list of images nor a numeric batch of images.
        """
        shipped = load_pretrained(self.pretrained, engine="onnx")[0]
        own = {name: getattr(self, name) for name in _LOADER_PARAMETERS}
        self.loader_ = FaceLoader(**shipped.get_params() | own).fit(X, y)
        # The parameter may be changed afterwards.
        self._fitted_to = self.pretrained
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(self.loader_, name):
                setattr(self, name, getattr(self.loader_, name))
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit to X, and return its features. An iterator is consumed once for both.

        Parameters
        ----------
        X : sequence or iterator of images, or array-like
            As in `fit`.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            As `transform` returns it.
        """
        return super().fit_transform(list_once(X), y)

    @as_fitted
    def transform(self, X: Any) -> NDArray[np.float32]:
        """Compute the features of the largest face in each image.

        Parameters
        ----------
        X : sequence of images, or array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or \
                (n_samples, n_features)
            Images, as for :meth:`FaceLoader.transform`.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            float32.

        Raises
        ------
        ImageReadError, FaceNotFoundError, ImageArrayError
            As in :meth:`FaceLoader.transform`.
        """
        faces = np.asarray(self.loader_.transform(X))
        if faces.dtype != np.uint8:
            low, high = self.loader_.pixel_range_
            faces = np.rint(np.clip((faces - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        session, _ = _open_network(self._fitted_to)
        return run_in_batches(lambda batch: session.run(None, {"images": batch})[0], faces, _BATCH_SIZE)

    @property
    def _n_features_out(self):
        check_is_fitted(self)
        return _open_network(self._fitted_to)[1]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "loader_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        # The output is always float32.
        tags.transformer_tags.preserves_dtype = []
        return tags


@once_per_process
def _open_network(pretrained: str) -> tuple[Any, int]:
    """Return the session of an included network without its last layer, and the number of its features."""
    import onnx

    check_weights(pretrained)
    model = onnx.load(FOLDER / f"{pretrained}.onnx")
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    first = next(node for node in graph.node if node.op_type == "Conv")
    if makers[first.input[0]].op_type == "Concat":
        # The face itself comes first, then the other views of test-time augmentation.
        first.input[0] = makers[first.input[0]].input[0]
    linear = [node.op_type for node in graph.node].index("Gemm")
    name, weights = graph.node[linear].input[:2]
    n_features = next(tensor for tensor in graph.initializer if tensor.name == weights).dims[1]
    del graph.node[linear:], graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", n_features]))
    return open_session(model.SerializeToString()), n_features
