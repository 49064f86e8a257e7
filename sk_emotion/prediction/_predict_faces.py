"""Predictions for people: a table of pictures, labels and confidence, in which the doubtful ones are rejected."""

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
from ..metrics._predictions import ask_both
from ..preprocessing import FaceLoader
from ..preprocessing._pipelines import find_last_step, look_inside, split_loader
from ..preprocessing._sources import list_once, list_pictures, show_path
from ..utils._tensors import as_numpy

# Pictures read between two signs of progress.
_CHUNK = 32


def predict_faces(
    model: Any, X: Any, *, min_confidence: float = 0.0, require_face: bool = True, progress: Any = None
) -> pd.DataFrame:
    """Predict the emotion in each picture, and reject what is doubtful.

    Parameters
    ----------
    model : classifier
        Fitted: a pipeline that begins with a :class:`FaceLoader`, a search over one, an :class:`EmotionClassifier`
        alone, or any other classifier of what `X` holds.
    X : list, array or DataFrame of length n_samples
        Paths, bytes, file objects, PIL images or arrays, as a :class:`FaceLoader` takes them; also an iterator of them.
        Frames of OpenCV are BGR: set `channel_order` of the model's FaceLoader.
    min_confidence : float, default=0.0
        A prediction whose confidence is below this, from 0 to 1, is rejected.
    require_face : bool, default=True
        Whether a picture in which the detector of the model's FaceLoader saw no face is rejected. A model without a
        detector looks for no face.
    progress : callable, default=None
        Called with the number of pictures just read, as often as some are.

    Returns
    -------
    DataFrame
        One row per picture:

        - ``picture``: str, its path, or ``"picture 0"`` and so on; of a string that is no path, up to 60 characters;
        - ``label``: the predicted label, or None where it is rejected;
        - ``confidence``: float, the probability of the label that was predicted; nan without ``predict_proba``, or if
          the picture cannot be read. Of a model with a threshold of its own
          (:class:`sklearn.model_selection.FixedThresholdClassifier`), it runs from 0.5 at the threshold to 1 at
          certainty, so that a sensitive threshold is not undone by `min_confidence`;
        - ``rejected``: str, why there is no label: ``"no face seen"``, ``"not confident"`` or
          ``"cannot be read: ..."``; empty where there is one;
        - ``face_found``: bool, or None if it was not looked for;
        - ``probability_...``: float, one column per class.

    Raises
    ------
    ValueError
        If `min_confidence` is out of range, or the model gives no probabilities to compare it with.

    Warns
    -----
    DatasetWarning
        If `X` holds pictures, and the model is a network without a FaceLoader: it sees them whole, whatever it was
        trained on.

    See Also
    --------
    FaceLoader : Its `detector` says what a face is.
    find_operating_point : The choice of a threshold for two classes.

    Examples
    --------
    >>> from sk_emotion import make_faces, make_hog_svm, predict_faces
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> table = predict_faces(make_hog_svm().fit(X[:50], y[:50]), X[50:], min_confidence=0.6)
    >>> len(table), table.columns[:4].tolist()
    (10, ['picture', 'label', 'confidence', 'rejected'])
    """
    if not isinstance(min_confidence, Real) or not 0 <= float(min_confidence) <= 1:
        raise ValueError(f"predict_faces: min_confidence={min_confidence!r}, expected a share from 0 to 1.")
    check_is_fitted(model)
    read = read_faces(model, X, progress)
    classifier = read.classifier
    if min_confidence > 0 and not hasattr(classifier, "predict_proba"):
        raise ValueError(
            f"predict_faces: {type(classifier).__name__} has no predict_proba to compare min_confidence with. Train "
            "make_hog_svm(probability=True), say."
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
    # Numbers have no names, and those of a DataFrame are in columns.
    sources = read.sources if isinstance(read.sources, list) else range(n_pictures)
    table = {
        "picture": [name_source(source, index) for index, source in enumerate(sources)],
        # As objects: pandas would make nan of None among text.
        "label": pd.Series(shown, dtype=object),
        "confidence": confidence,
        "rejected": rejected.astype(str),
        "face_found": [None] * n_pictures if read.found is None else read.found,
    }
    columns = {f"probability_{label}": probabilities[:, code] for code, label in enumerate(classifier.classes_)}
    return pd.DataFrame({**table, **columns})


class ReadFaces(NamedTuple):
    """Faces read once, and the classifier that takes them.

    Attributes
    ----------
    classifier : classifier
        What comes after the FaceLoader.
    sources : sequence
        The pictures as they were given.
    faces : array or sequence
        What the classifier takes. A picture that cannot be read is black.
    found : ndarray of bool or None
        Where a face was seen; None if it was not looked for.
    unread : dict of int to str
        Pictures that cannot be read, and why.
    """

    classifier: Any
    sources: Any
    faces: Any
    found: NDArray[np.bool_] | None
    unread: dict[int, str]


def read_faces(model: Any, X: Any, progress: Callable[[int], Any] | None = None) -> ReadFaces:
    """Let the FaceLoader of a model read pictures; damaged ones are told, not raised."""
    X = as_numpy(list_once(X), "predict_faces")
    pictures = list_pictures(X)
    sources = X if pictures is None else pictures
    loader, classifier = split_loader(model)
    network = find_last_step(model)
    if pictures is None:
        _refuse_one_frame(X, loader, model)
    scale = 1.0
    if loader is None and hasattr(network, "image_shape_") and pictures is not None:
        # A network alone takes arrays: its faces are brought to their size, and to [0, 1] if it was fitted on that.
        warnings.warn(
            "predict_faces: the model has no FaceLoader that says how its faces were found. These pictures are taken "
            "whole. Save a pipeline that begins with the FaceLoader, or pass faces that one has loaded.",
            DatasetWarning,
            stacklevel=3,
        )
        color = len(network.image_shape_) == 3
        loader = FaceLoader(image_size=network.image_shape_[:2], color=color).fit(sources)
        scale = 255.0 if network.pixel_range_ == (0.0, 1.0) else 1.0
    if loader is None:
        return ReadFaces(model, sources, X, None, {})
    # A copy, so that the model's own loader goes on raising errors.
    tolerant = copy.copy(loader).set_params(on_error="blank")
    if tolerant.on_missing == "raise":
        tolerant.set_params(on_missing="center")
    faces, found, unread = load_in_chunks(tolerant, sources, progress)
    return ReadFaces(classifier, sources, faces if scale == 1 else faces / scale, found, unread)


def load_in_chunks(
    loader: Any, sources: Any, progress: Callable[[int], Any] | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_] | None, dict[int, str]]:
    """Transform pictures by a fitted FaceLoader, telling how far it is; give faces, where one was seen, and errors."""
    # The range of pixels is decided on all pictures, not on some.
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
        # The loader's own error for no pictures at all.
        loader.transform(sources)
    return np.concatenate(faces), None if found[0] is None else np.concatenate(found), unread


def _refuse_one_frame(X: Any, loader: Any, model: Any) -> None:
    """Refuse one frame in the place of a list of them, before parts of it are taken for pictures."""
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
    """Name a picture by its path, or else by its position."""
    return show_path(source) if isinstance(source, str | os.PathLike) else f"picture {index}"


def _predict(classifier: Any, faces: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
    labels, scores = ask_both(classifier, faces)
    if hasattr(classifier, "predict_proba"):
        return labels, np.array(scores, dtype=np.float64)
    return labels, np.full((len(labels), len(classifier.classes_)), np.nan)


def _judge_confidence(classifier: Any, labels: NDArray[Any], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the probability of each label; with a threshold, how far it is on its side of it."""
    confidence = probabilities[np.arange(len(labels)), np.searchsorted(classifier.classes_, labels)]
    positive, threshold = find_threshold(classifier)
    if threshold is None:
        return confidence
    # The share at which either answer begins.
    begin = np.where(labels == positive, threshold, 1 - threshold)
    rest = np.maximum(1 - begin, np.finfo(float).tiny)
    return np.clip(0.5 + 0.5 * (confidence - begin) / rest, 0.5, 1.0)


def find_threshold(classifier: Any) -> tuple[Any, float | None]:
    """Find the class that a classifier answers from a probability of its own on, and this; None and None of others."""
    kinds = FixedThresholdClassifier | TunedThresholdClassifierCV
    chooser = next((part for part in look_inside(classifier) if isinstance(part, kinds)), None)
    threshold: Any = getattr(chooser, "best_threshold_", getattr(chooser, "threshold", None))
    if chooser is None or isinstance(threshold, str) or chooser.response_method == "decision_function":
        return None, None
    return classifier.classes_[1] if getattr(chooser, "pos_label", None) is None else chooser.pos_label, threshold
