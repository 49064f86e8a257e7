"""Predictions for photos as a table, in which uncertain ones are rejected."""

import os
import warnings
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

from .._images._validation import find_shape
from ..exceptions import DatasetWarning, ImageArrayError, ParameterError
from ..metrics._predictions import predict_with_scores
from ..preprocessing import read_faces
from ..preprocessing._pipelines import look_inside
from ..preprocessing._sources import list_once, list_pictures, name_source
from ..utils._arrays import as_numpy


def predict_faces(
    model: Any,
    X: Any,
    *,
    faces: Literal["largest", "all"] = "largest",
    min_confidence: float = 0.0,
    require_face: bool = True,
    progress: Any = None,
) -> pd.DataFrame:
    """Predict the emotion of the largest face in each image, or of all faces, and reject uncertain predictions.

    Parameters
    ----------
    model : classifier
        Fitted pipeline that begins with a :class:`FaceLoader`, search over such a pipeline,
        :class:`EmotionClassifier`, or any other classifier that accepts `X`.
    X : list, array or DataFrame of length n_samples
        Paths, bytes, file objects, PIL images or arrays, as for :class:`FaceLoader`; also an iterator of them.
        OpenCV frames are BGR: set `channel_order` of the model's FaceLoader.
    faces : {"largest", "all"}, default="largest"
        Whether to predict for the largest face of each image, or for all faces that the detector of the model's
        FaceLoader finds. An image without a face has one row in either case.
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
        One row per image or, with ``faces="all"``, per face, those of an image together:

        - ``picture``: str, its path, or ``"picture 0"``, etc.; at most 60 characters of a string that is not a path;
        - ``face``: int, the number of the face in its image, from 0, the largest first;
        - ``n_faces``: int, how many faces were found in the image; None if there is no detector;
        - ``x``, ``y``, ``width``, ``height``: float, the box of the face in pixels of the upright image; NaN without a
          detected face;
        - ``score``: float, the confidence of the detector from 0 to 1; NaN where unknown, as for an image that is taken
          to be a face as a whole;
        - ``label``: the predicted label, or None if it is rejected;
        - ``confidence``: float, the probability of the predicted label; NaN without ``predict_proba``, or if the image
          cannot be read. For a model with a tuned threshold
          (:class:`sklearn.model_selection.FixedThresholdClassifier`), it is scaled from 0.5 at the threshold to 1, so
          that `min_confidence` does not override a sensitive threshold;
        - ``rejected``: str, the reason why there is no label: ``"no face seen"``, ``"not confident"`` or
          ``"cannot be read: ..."``; empty if there is one;
        - ``face_found``: bool, or None if there is no detector;
        - ``probability_...``: float, one column per class.

        For a model with a tuned threshold, ``attrs["thresholds"]`` of the DataFrame maps the positive class to it.

    Raises
    ------
    ValueError
        If `faces` is unknown, or if `min_confidence` is out of range, or set for a model without ``predict_proba``.

    Warns
    -----
    DatasetWarning
        If `X` holds photos and the model is a network without a FaceLoader: the photos are not cropped to faces. If
        ``faces="all"`` and the model does not detect faces.

    See Also
    --------
    detect_faces : Detect faces without predicting.
    annotate_faces : Draw the predictions into an image.
    crop_faces : Cut the faces out of an image.
    find_operating_point : Choose a threshold for two classes.

    Examples
    --------
    >>> from sk_emotion import make_faces, make_hog_svm, predict_faces
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> table = predict_faces(make_hog_svm().fit(X[:50], y[:50]), X[50:], min_confidence=0.6)
    >>> len(table), table.columns[:4].tolist()
    (10, ['picture', 'face', 'n_faces', 'x'])
    """
    if not isinstance(faces, str) or faces not in ("largest", "all"):
        raise ValueError(f'predict_faces: faces={faces!r}, expected "largest" or "all".')
    if not isinstance(min_confidence, Real) or not 0 <= float(min_confidence) <= 1:
        raise ValueError(f"predict_faces: min_confidence={min_confidence!r}, expected a number from 0 to 1.")
    if isinstance(model, str | os.PathLike):
        raise ParameterError(
            f"predict_faces: model is {os.fspath(model)!r}, expected a fitted classifier. Pass "
            "load_pretrained(name), or load_model(path)."
        )
    X = as_numpy(list_once(X), "predict_faces")
    try:
        classifier, loaded = read_faces(model, X, faces=faces, progress=progress)
    except ImageArrayError as error:
        shape = find_shape(X)
        is_frame = len(shape) == 2 or (len(shape) == 3 and shape[-1] <= 4)
        # Rows may also be rejected for another reason, such as their pixel range.
        if is_frame and "X[np.newaxis]" in str(error) and not hasattr(X, "columns"):
            raise ImageArrayError(
                f"predict_faces: X has shape {shape}, which is one frame. Pass [frame] or frame[np.newaxis], "
                "the latter only if it is a cropped face."
            ) from error
        raise
    if faces == "all" and loaded.n_faces is None:
        warnings.warn(
            'predict_faces: faces="all", but the model looks for no face: there is one row per image. Pass a model '
            "that begins with FaceLoader().",
            DatasetWarning,
            stacklevel=2,
        )
    if min_confidence > 0 and not hasattr(classifier, "predict_proba"):
        raise ValueError(
            f"predict_faces: min_confidence needs probabilities, but {type(classifier).__name__} has no predict_proba. "
            "Use a model such as make_hog_svm(probability=True)."
        )
    labels, probabilities = _predict(classifier, loaded.images)
    positions = loaded.positions
    rejected = np.full(len(labels), "", dtype=object)
    confidence = _judge_confidence(classifier, labels, probabilities)
    rejected[confidence < min_confidence] = "not confident"
    if loaded.found is not None and require_face:
        rejected[~loaded.found] = "no face seen"
    for position, reason in loaded.unread.items():
        # It has one row.
        row = np.searchsorted(positions, position)
        rejected[row] = f"cannot be read: {reason}"
        confidence[row], probabilities[row] = np.nan, np.nan
    shown = labels.astype(object)
    shown[rejected != ""] = None
    # Arrays have no names, and the paths of a DataFrame are in its columns.
    sources = list_pictures(X) or range(len(labels))
    nothing = np.full(len(labels), None)
    table = {
        "picture": [name_source(sources[position], position) for position in positions],
        "face": loaded.numbers,
        "n_faces": nothing if loaded.n_faces is None else loaded.n_faces,
        **dict(zip(("x", "y", "width", "height"), loaded.boxes.T, strict=True)),
        "score": loaded.scores,
        # dtype=object, since pandas would convert None among strings to NaN.
        "label": pd.Series(shown, dtype=object),
        "confidence": confidence,
        "rejected": rejected.astype(str),
        "face_found": nothing if loaded.found is None else loaded.found,
    }
    columns = {f"probability_{label}": probabilities[:, code] for code, label in enumerate(classifier.classes_)}
    frame = pd.DataFrame({**table, **columns})
    positive, threshold = find_threshold(classifier)
    if threshold is not None:
        frame.attrs["thresholds"] = {positive: threshold}
    return frame


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
    if chooser.classes_.tolist() != classifier.classes_.tolist():
        # A wrapper such as ConsolidatedClassifier predicts other classes, of other probabilities.
        return None, None
    return classifier.classes_[1] if getattr(chooser, "pos_label", None) is None else chooser.pos_label, threshold
