"""Look inside pipelines, searches and other meta-estimators, and read images with their FaceLoader."""

import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.utils.validation import _is_fitted, _num_samples, check_is_fitted

from .._images._validation import refuse_one_image
from ..exceptions import DatasetWarning
from ..utils._arrays import as_numpy
from ._centerface import N_LANDMARKS
from ._face_loader import FaceLoader
from ._faces import LoadedFaces
from ._sources import list_once, list_pictures


def find_last_step(estimator: Any) -> Any:
    """Return the estimator that predicts for a pipeline, search or other meta-estimator around it."""
    *_, last = look_inside(estimator)
    return last


def look_inside(estimator: Any) -> Iterator[Any]:
    """Iterate over an estimator and the nested estimators that predict for it."""
    while estimator is not None:
        yield estimator
        name = _find_inner(estimator)
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            estimator = None if name is None else getattr(estimator, name)


def list_parts(estimator: Any) -> Iterator[Any]:
    """Iterate over all fitted estimators that take part in a prediction: also steps, and members of a calibration."""
    for part in look_inside(estimator):
        yield part
        # The last step is looked into.
        for _, step in getattr(part, "steps", [])[:-1]:
            yield from list_parts(step)
        if isinstance(part, CalibratedClassifierCV):
            for member in getattr(part, "calibrated_classifiers_", []):
                yield from list_parts(member.estimator)


def _find_inner(estimator: Any) -> str | None:
    """Return the attribute of a meta-estimator that holds the one fitted estimator that predicts for it, if any."""
    # A frozen estimator has all attributes of the one inside, and a threshold may be that of one fitted before.
    unfitted = isinstance(estimator, FixedThresholdClassifier) and not hasattr(estimator, "estimator_")
    if isinstance(estimator, FrozenEstimator) or unfitted:
        return "estimator"
    # That of an ensemble is a template, which is not fitted.
    names = (name for name in ("best_estimator_", "estimator_") if hasattr(estimator, name))
    return next((name for name in names if _is_fitted(getattr(estimator, name))), None)


def split_loader(estimator: Any) -> tuple[FaceLoader | None, Any]:
    """Split a fitted estimator into its leading FaceLoader and the rest.

    Images can then be loaded once for several predictions.

    Parameters
    ----------
    estimator : estimator
        Pipeline, or a meta-estimator around one: a search, or a calibrated, frozen or other one with a single fitted
        ``estimator_``.

    Returns
    -------
    loader : FaceLoader or None
        None if the estimator does not begin with one.
    rest : estimator
        What follows it, which takes the faces that it loads; `estimator` itself if there is no loader.

    See Also
    --------
    read_faces : Load images with the FaceLoader of a model.

    Examples
    --------
    >>> from sk_emotion import make_faces, make_hog_svm
    >>> from sk_emotion.preprocessing import split_loader
    >>> X, y, _ = make_faces(30, emotions=["happiness", "pain"], random_state=0)
    >>> loader, rest = split_loader(make_hog_svm().fit(X, y))
    >>> loader
    FaceLoader()
    """
    if len(getattr(estimator, "steps", [])) > 1 and isinstance(estimator.steps[0][1], FaceLoader):
        return estimator.steps[0][1], estimator[1:]
    name = _find_inner(estimator)
    if name == "best_estimator_":
        loader, rest = split_loader(estimator.best_estimator_)
    elif isinstance(estimator, CalibratedClassifierCV):
        # All parts have the same loader, which learns nothing from the images.
        parts = [_split_inside(part, "estimator") for part in estimator.calibrated_classifiers_]
        loader, rest = parts[0][0], copy.copy(estimator)
        rest.calibrated_classifiers_ = [part for _, part in parts]
    else:
        loader, rest = (None, None) if name is None else _split_inside(estimator, name)
    return (None, estimator) if loader is None else (loader, rest)


def _split_inside(wrapper: Any, name: str) -> tuple[FaceLoader | None, Any]:
    """Split the estimator inside a wrapper; return the loader, and a copy of the wrapper around the rest."""
    rest = copy.copy(wrapper)
    loader, inner = split_loader(getattr(wrapper, name))
    setattr(rest, name, inner)
    return loader, rest


def read_faces(
    model: Any,
    X: Any,
    *,
    faces: Literal["largest", "all"] = "largest",
    strict: bool = False,
    progress: Callable[[int], Any] | None = None,
) -> tuple[Any, LoadedFaces]:
    """Load images with the FaceLoader that a model begins with.

    Parameters
    ----------
    model : classifier
        Fitted pipeline that begins with a :class:`FaceLoader`, search over such a pipeline, or any other classifier.
    X : list, array or DataFrame of length n_samples
        Images, as for :class:`FaceLoader`.
    faces : {"largest", "all"}, default="largest"
        Whether to load the largest face of each image or all, as in :meth:`FaceLoader.load`. A model without a loader
        does not look for faces.
    strict : bool, default=False
        By default, images that cannot be read, or in which no face is detected, are reported in the result. If True,
        they are handled by `on_error` and `on_missing` of the loader.
    progress : callable, default=None
        Called with the number of images loaded since the last call.

    Returns
    -------
    classifier : classifier
        What follows the loader: the model for ``faces.images``.
    faces : LoadedFaces
        The faces. Without a loader, ``faces.images`` is `X`; but photos for an :class:`EmotionClassifier` are cropped
        at the center and resized, unless `strict`.

    Raises
    ------
    ImageReadError, FaceNotFoundError
        If `strict`, as in :meth:`FaceLoader.transform`.
    ImageArrayError
        If `X` is one image without the batch axis, or does not have the shape or range of `fit`.

    Warns
    -----
    DatasetWarning
        If photos are not cropped to faces, since the model has no loader.

    See Also
    --------
    predict_faces : Predict the emotion in each image.

    Examples
    --------
    >>> from sk_emotion import make_faces, make_hog_svm
    >>> from sk_emotion.preprocessing import read_faces
    >>> X, y, _ = make_faces(30, emotions=["happiness", "pain"], random_state=0)
    >>> classifier, faces = read_faces(make_hog_svm().fit(X, y), [X[0], b"no image"])
    >>> faces.images.shape, classifier.predict(faces.images).shape, list(faces.unread)
    ((2, 48, 48), (2,), [1])
    """
    check_is_fitted(model)
    loader, classifier = split_loader(model)
    if strict:
        return (model, _keep(X)) if loader is None else (classifier, loader.load(X, faces=faces, progress=progress))
    X = as_numpy(list_once(X), "FaceLoader")
    scale = 1.0
    if loader is None:
        network = find_last_step(model)
        pictures = list_pictures(X)
        if pictures is None:
            refuse_one_image(X, type(network).__name__, getattr(network, "image_shape_", None))
        if pictures is None or not hasattr(network, "image_shape_"):
            return model, _keep(X)
        warnings.warn(
            "The model has no FaceLoader, so these images are not cropped to faces. Use a pipeline that begins with "
            "the FaceLoader, or pass faces that a FaceLoader has loaded.",
            DatasetWarning,
            stacklevel=3,
        )
        loader = FaceLoader(network.image_shape_[:2], color=len(network.image_shape_) == 3, detector=None).fit(pictures)
        # A network may have been fitted on [0, 1].
        scale = 255.0 if network.pixel_range_ == (0.0, 1.0) else 1.0
    # A copy, so that the model's own loader still raises errors.
    tolerant = copy.copy(loader).set_params(on_error="blank")
    if tolerant.on_missing == "raise":
        tolerant.set_params(on_missing="center")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetWarning)
        loaded = tolerant.load(X, faces=faces, progress=progress)
    return classifier, loaded if scale == 1 else replace(loaded, images=loaded.images / scale)


def _keep(X: Any) -> LoadedFaces:
    """Return images as they are, in which nothing was looked for."""
    n_samples = _num_samples(X) if hasattr(X, "__len__") or hasattr(X, "shape") else 0
    unknown = np.full((n_samples, 4 + 1 + 2 * N_LANDMARKS), np.nan)
    landmarks = unknown[:, 5:].reshape(n_samples, N_LANDMARKS, 2)
    return LoadedFaces(X, unknown[:, :4], unknown[:, 4], landmarks, None, None, np.arange(n_samples), {})


def transform_before_last(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Apply all steps of a pipeline but the last; return the last step, and the features for it."""
    steps = getattr(estimator, "steps", [(None, estimator)])
    for _, step in steps[:-1]:
        # Samplers act in fit only.
        if hasattr(step, "transform"):
            X = step.transform(X)
    return steps[-1][1], X
