"""Predictions of estimators, and checks of labels and scores."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from ..exceptions import LabelError
from ..preprocessing import read_faces
from ..preprocessing._pipelines import transform_before_last
from ..utils._arrays import as_numpy
from ..utils._labels import check_known, check_labels, check_same_length, refuse_encoded


def load_faces(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Apply the FaceLoader of a pipeline; return the steps after it, and the faces."""
    classifier, faces = read_faces(estimator, X, strict=True)
    return classifier, faces.images


def score_images(estimator: Any, X: Any) -> NDArray[np.float64]:
    """Return probabilities or else decision values, with a column for each class."""
    for method in ("predict_proba", "decision_function"):
        if hasattr(estimator, method):
            scores = np.asarray(getattr(estimator, method)(X))
            # Binary decision values are those of the second class, whatever pos_label is.
            return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
    raise TypeError(
        f"{type(estimator).__name__} has neither predict_proba nor decision_function. "
        "Use a classifier with one of them, such as make_hog_svm(probability=True)."
    )


def check_scores(
    y_score: Any, classes: NDArray[Any], n_samples: int, owner: str, positive: Any = None
) -> NDArray[np.float64]:
    """Return scores as an array of shape (n_samples, n_classes).

    With two classes, a single column is that of the `positive` class, by default the last.
    """
    y_score = as_numpy(y_score, owner, "y_score")
    try:
        scores = np.asarray(y_score, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LabelError(
            f"{owner}: y_score is not numeric ({error}). Pass the output of predict_proba or decision_function."
        ) from error
    if len(classes) == 2 and scores.ndim == 2 and scores.shape[1] == 1:
        scores = scores[:, 0]
    if len(classes) == 2 and scores.ndim == 1:
        first = positive is not None and positive == classes[0]
        scores = np.column_stack([scores, -scores] if first else [-scores, scores])
    if scores.shape != (n_samples, len(classes)):
        raise LabelError(
            f"{owner}: y_score has shape {np.shape(y_score)}, expected {(n_samples, len(classes))}: a row for each "
            f"label and a column for each class ({', '.join(map(str, classes))}). Pass classes=clf.classes_ if one "
            "of them does not occur in the labels."
        )
    if not np.isfinite(scores).all():
        raise LabelError(
            f"{owner}: y_score has {int((~np.isfinite(scores)).sum())} values that are not finite. Drop these samples."
        )
    return scores


def as_probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the scores of :func:`check_scores` as probabilities; None if they are decision values."""
    if scores.shape[1] == 2 and not scores.sum(axis=1).any():
        # check_scores turned a single column p into -p and p; the probability of the other class is 1 - p.
        scores = scores + (scores.sum(axis=0) < 0)
    fits = (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3)
    return scores if fits else None


def check_truth(y: Any, owner: str, *others: Any, classes: Any = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Check true labels; return them with the classes, by default the sorted labels of `y` and `others`."""
    labels = check_labels(y, owner, "y_true")
    if not len(labels):
        raise LabelError(f"{owner}: y_true is empty. Pass at least one label.")
    if classes is None:
        known = np.unique(np.concatenate([labels, *others]))
    else:
        known = np.asarray(classes)
        if len(np.unique(known)) != len(known):
            raise LabelError(f"{owner}: classes={known.tolist()} has duplicates.")
    refuse_encoded([*np.unique(labels).tolist(), *known.tolist()], f"{owner}: y_true or classes")
    check_known(owner, "y_true", labels, known, "Labels must be spelled and consolidated as in training.")
    if len(known) < 2:
        raise LabelError(f"{owner}: y_true contains a single class, {known[0]!s}. Pass classes=clf.classes_.")
    return labels, known


def find_codes(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return the position of each label in `classes`, which need not be sorted."""
    order = np.argsort(classes)
    return order[np.searchsorted(classes, labels, sorter=order)]


def choose_positive(classes: NDArray[Any], pos_label: Any, owner: str) -> Any:
    """Return the positive class: `pos_label` or, as in scikit-learn, the last of the two."""
    if pos_label is None:
        return classes[-1]
    if pos_label not in classes.tolist():
        raise LabelError(f"{owner}: pos_label={pos_label!r}, expected one of {classes.tolist()}.")
    return pos_label


def predict_with_scores(classifier: Any, images: Any) -> tuple[Any, Any]:
    """Predict labels and, if available, scores in a single pass."""
    last, features = transform_before_last(classifier, images)
    if not hasattr(last, "predict_proba") and not hasattr(last, "decision_function"):
        return np.asarray(last.predict(features)), None
    scores = score_images(last, features)
    # Run a network only once; other classifiers may not predict the label of the highest score.
    is_network = hasattr(last, "image_shape_")
    return last.classes_[scores.argmax(axis=1)] if is_network else np.asarray(last.predict(features)), scores


def equalize_images(equalize: Any, images: Any, labels: NDArray[Any]) -> tuple[Any, NDArray[Any], NDArray[Any]]:
    """Equalize the classes; return images, labels, and the row that each image comes from."""
    from ..over_sampling import AugmentationOverSampler

    template = AugmentationOverSampler(random_state=0) if isinstance(equalize, bool | np.bool_) else equalize
    if not hasattr(template, "fit_resample"):
        raise TypeError(f"EmotionReport: equalize={equalize!r}, expected a sampler such as AugmentationOverSampler().")
    sampler = clone(template)
    shape = np.shape(images)
    # Samplers of imbalanced-learn take flattened images.
    as_rows = len(shape) > 2 and type(sampler).__module__.startswith("imblearn.")
    copies, copied_labels = sampler.fit_resample(np.reshape(images, (len(images), -1)) if as_rows else images, labels)
    if as_rows:
        copies = copies.reshape(-1, *shape[1:])
    if not hasattr(sampler, "sample_indices_"):
        raise TypeError(
            f"EmotionReport: equalize={equalize!r} has no sample_indices_, so the source of its images is unknown. Use "
            "AugmentationOverSampler() or RandomOverSampler()."
        )
    return copies, copied_labels, sampler.sample_indices_


def check_resampling(n_resamples: Any, confidence_level: Any) -> None:
    if not isinstance(n_resamples, Integral) or isinstance(n_resamples, bool) or n_resamples < 0:
        raise ValueError(f"EmotionReport: n_resamples={n_resamples!r}, expected an integer of at least 0.")
    if not isinstance(confidence_level, Real) or not 0 < float(confidence_level) < 1:
        raise ValueError(f"EmotionReport: confidence_level={confidence_level!r}, expected a number between 0 and 1.")


def check_predictions(true: NDArray[Any], predicted: NDArray[Any], classes: NDArray[Any]) -> None:
    if len(predicted) != len(true):
        raise LabelError(
            f"EmotionReport: y_true and y_pred must have the same length; got {len(true)} and {len(predicted)}."
        )
    refuse_encoded(np.unique(predicted).tolist(), "EmotionReport: y_pred")
    check_known("EmotionReport", "y_pred", predicted, classes)


def check_groups(groups: Any, n_samples: int) -> NDArray[Any] | None:
    if groups is None:
        return None
    persons = check_labels(groups, "EmotionReport", "groups")
    labels, entries = ("y_true", n_samples, "labels"), ("groups", len(persons), "entries")
    check_same_length("EmotionReport", labels, entries, "one group per image")
    return persons


def find_class_counts(estimator: Any) -> pd.DataFrame | None:
    """Count training images per class before and after over-sampling; None without a sampler that records them."""
    pipeline = getattr(estimator, "best_estimator_", estimator)
    for _, step in getattr(pipeline, "steps", []):
        counts, copies = (getattr(step, name, None) for name in ("class_counts_", "sampling_strategy_"))
        if counts and copies is not None:
            before = pd.Series(counts)
            added = pd.Series({label: copies.get(label, 0) for label in before.index})
            return pd.DataFrame({"before": before, "after": before + added}).rename_axis("class")
    return None
