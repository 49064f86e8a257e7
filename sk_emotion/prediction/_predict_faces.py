"""Predictions for photos as a table, in which uncertain ones are rejected."""

import copy
import os
import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.utils.validation import _num_samples, check_is_fitted

from .._images._validation import find_shape, refuse_one_image
from ..exceptions import DatasetWarning, ImageArrayError
from ..metrics._predictions import predict_with_scores
from ..preprocessing import FaceLoader
from ..preprocessing._pipelines import find_last_step, look_inside, split_loader
from ..preprocessing._sources import list_once, list_pictures, show_path
from ..utils._tensors import as_numpy

# Images loaded between two calls of `progress`.
_CHUNK = 32


def predict_faces(
    model: Any, X: Any, *, min_confidence: float = 0.0, require_face: bool = True, progress: Any = None
) -> pd.DataFrame:
    """Predict the emotion in each image and reject uncertain predictions.

    Parameters
    ----------
    model : classifier
        Fitted pipeline that begins with a :class:`FaceLoader`, search over such a pipeline,
        :class:`EmotionClassifier`, or any other classifier that accepts `X`.
    X : list, array or DataFrame of length n_samples
        Paths, bytes, file objects, PIL images or arrays, as for :class:`FaceLoader`; also an iterator of them.
        OpenCV frames are BGR: set `channel_order` of the model's FaceLoader.
    min_confidence : float, default=0.0
        Reject predictions whose confidence is below this, from 0 to 1.
    require_face : bool, default=True
        Whether to reject images in which the detector of the model's FaceLoader found no face. A model without a
        detector does not look for faces.
    progress : callable, default=None
        Called with the number of images loaded since the last call.

    Returns
    -------
    DataFrame
        One row per image:

        - ``picture``: str, its path, or ``"picture 0"``, etc.; at most 60 characters of a string that is not a path;
        - ``label``: the predicted label, or None if it is rejected;
        - ``confidence``: float, the probability of the predicted label; NaN without ``predict_proba``, or if the image
          cannot be read. For a model with a tuned threshold
          (:class:`sklearn.model_selection.FixedThresholdClassifier`), it is scaled from 0.5 at the threshold to 1, so
          that `min_confidence` does not override a sensitive threshold;
        - ``rejected``: str, the reason why there is no label: ``"no face seen"``, ``"not confident"`` or
          ``"cannot be read: ..."``; empty if there is one;
        - ``face_found``: bool, or None if there is no detector;
        - ``probability_...``: float, one column per class.

    Raises
    ------
    ValueError
        If `min_confidence` is out of range, or set for a model without ``predict_proba``.

    Warns
    -----
    DatasetWarning
        If `X` holds photos and the model is a network without a FaceLoader: the photos are not cropped to faces.

    See Also
    --------
    FaceLoader : Detect and crop faces.
    find_operating_point : Choose a threshold for two classes.

    Examples
    --------
    >>> from sk_emotion import make_faces, make_hog_svm, predict_faces
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> table = predict_faces(make_hog_svm().fit(X[:50], y[:50]), X[50:], min_confidence=0.6)
    >>> len(table), table.columns[:4].tolist()
    (10, ['picture', 'label', 'confidence', 'rejected'])
    """
    if not isinstance(min_confidence, Real) or not 0 <= float(min_confidence) <= 1:
        raise ValueError(f"predict_faces: min_confidence={min_confidence!r}, expected a number from 0 to 1.")
    check_is_fitted(model)
    read = read_faces(model, X, progress)
    classifier = read.classifier
    if min_confidence > 0 and not hasattr(classifier, "predict_proba"):
        raise ValueError(
            f"predict_faces: min_confidence needs probabilities, but {type(classifier).__name__} has no predict_proba. "
            "Use a model such as make_hog_svm(probability=True)."
        )
    labels, probabilities = _predict(classifier, read.faces)
    n_pictures = len(labels)
    rejected = np.full(n_pictures, "", dtype=object)
    confidence = _judge_confidence(classifier, labels, probabilities)
    rejected[confidence < min_confidence] = "not confident"
    if read.found is not None and require_face:
        rejected[~read.found] = "no face seen"
    for index, reason in read.unread.items():
        rejected[index] = f"cannot be read: {reason}"
        confidence[index], probabilities[index] = np.nan, np.nan
    shown = labels.astype(object)
    shown[rejected != ""] = None
    # Arrays have no names, and the paths of a DataFrame are in its columns.
    sources = read.sources if isinstance(read.sources, list) else range(n_pictures)
    table = {
        "picture": [name_source(source, index) for index, source in enumerate(sources)],
        # dtype=object, since pandas would convert None among strings to NaN.
        "label": pd.Series(shown, dtype=object),
        "confidence": confidence,
        "rejected": rejected.astype(str),
        "face_found": [None] * n_pictures if read.found is None else read.found,
    }
    columns = {f"probability_{label}": probabilities[:, code] for code, label in enumerate(classifier.classes_)}
    return pd.DataFrame({**table, **columns})


class ReadFaces(NamedTuple):
    """Loaded faces, and the classifier for them.

    Attributes
    ----------
    classifier : classifier
        Classifier after the FaceLoader.
    sources : sequence
        Images as passed.
    faces : array or sequence
        Input of the classifier. Images that cannot be read are black.
    found : ndarray of bool or None
        Where a face was found; None without a detector.
    unread : dict of int to str
        Reasons why images cannot be read, by position.
    """

    classifier: Any
    sources: Any
    faces: Any
    found: NDArray[np.bool_] | None
    unread: dict[int, str]


def read_faces(model: Any, X: Any, progress: Callable[[int], Any] | None = None) -> ReadFaces:
    """Load faces with the FaceLoader of a model; collect reading errors instead of raising them."""
    X = as_numpy(list_once(X), "predict_faces")
    pictures = list_pictures(X)
    sources = X if pictures is None else pictures
    loader, classifier = split_loader(model)
    network = find_last_step(model)
    if pictures is None:
        _refuse_one_frame(X, loader, model)
    scale = 1.0
    if loader is None and hasattr(network, "image_shape_") and pictures is not None:
        # Resize photos for a network without a FaceLoader, and scale them if it was fitted on [0, 1].
        warnings.warn(
            "predict_faces: the model has no FaceLoader, so these images are not cropped to faces. Use a pipeline that "
            "begins with the FaceLoader, or pass faces that a FaceLoader has loaded.",
            DatasetWarning,
            stacklevel=3,
        )
        color = len(network.image_shape_) == 3
        loader = FaceLoader(image_size=network.image_shape_[:2], color=color).fit(sources)
        scale = 255.0 if network.pixel_range_ == (0.0, 1.0) else 1.0
    if loader is None:
        return ReadFaces(model, sources, X, None, {})
    # A copy, so that the model's own loader still raises errors.
    tolerant = copy.copy(loader).set_params(on_error="blank")
    if tolerant.on_missing == "raise":
        tolerant.set_params(on_missing="center")
    faces, found, unread = load_in_chunks(tolerant, sources, progress)
    return ReadFaces(classifier, sources, faces if scale == 1 else faces / scale, found, unread)


def load_in_chunks(
    loader: Any, sources: Any, progress: Callable[[int], Any] | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_] | None, dict[int, str]]:
    """Load images in chunks with a fitted FaceLoader; return the faces, whether one was found, and reading errors."""
    # The pixel range is determined from all images, not from the first chunk.
    loader = loader._copy_for_parts(sources)
    faces, found = [], []
    unread: dict[int, str] = {}
    # Arrays of Zarr have no length.
    for start in range(0, _num_samples(sources), _CHUNK):
        part = sources[start : start + _CHUNK]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DatasetWarning)
            faces.append(loader.transform(part))
        found.append(loader.face_found_)
        unread |= {start + index: reason for index, reason in loader.unread_.items()}
        if progress is not None:
            progress(len(part))
    if not faces:
        # Raise the loader's own error for empty input.
        loader.transform(sources)
    return np.concatenate(faces), None if found[0] is None else np.concatenate(found), unread


def _refuse_one_frame(X: Any, loader: Any, model: Any) -> None:
    """Raise an error for a single frame instead of a list, whose rows would be taken for images."""
    try:
        if loader is not None:
            loader._refuse_one_image(X)
        else:
            refuse_one_image(X, "predict_faces", getattr(find_last_step(model), "image_shape_", None))
    except ImageArrayError as error:
        raise ImageArrayError(
            f"predict_faces: X has shape {find_shape(X)}, which is one frame. Pass [frame] or frame[np.newaxis]."
        ) from error


def name_source(source: Any, index: int) -> str:
    """Return the name of an image: its path, or else its position."""
    return show_path(source) if isinstance(source, str | os.PathLike) else f"picture {index}"


def _predict(classifier: Any, faces: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
    labels, scores = predict_with_scores(classifier, faces)
    if hasattr(classifier, "predict_proba"):
        return labels, np.array(scores, dtype=np.float64)
    return labels, np.full((len(labels), len(classifier.classes_)), np.nan)


def _judge_confidence(classifier: Any, labels: NDArray[Any], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each label; with a tuned threshold, scaled from 0.5 at the threshold to 1."""
    confidence = probabilities[np.arange(len(labels)), np.searchsorted(classifier.classes_, labels)]
    positive, threshold = find_threshold(classifier)
    if threshold is None:
        return confidence
    # The probability at which each label is predicted.
    begin = np.where(labels == positive, threshold, 1 - threshold)
    rest = np.maximum(1 - begin, np.finfo(float).tiny)
    return np.clip(0.5 + 0.5 * (confidence - begin) / rest, 0.5, 1.0)


def find_threshold(classifier: Any) -> tuple[Any, float | None]:
    """Return the positive class and the tuned probability threshold of a classifier, or None and None."""
    kinds = FixedThresholdClassifier | TunedThresholdClassifierCV
    chooser = next((part for part in look_inside(classifier) if isinstance(part, kinds)), None)
    threshold: Any = getattr(chooser, "best_threshold_", getattr(chooser, "threshold", None))
    if chooser is None or isinstance(threshold, str) or chooser.response_method == "decision_function":
        return None, None
    return classifier.classes_[1] if getattr(chooser, "pos_label", None) is None else chooser.pos_label, threshold
