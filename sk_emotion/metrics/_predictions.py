"""What an estimator answers, and the checks of labels and scores."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..exceptions import LabelError
from ..preprocessing._pipelines import split_loader, transform_before_last
from ..utils._labels import check_labels, describe_spelling
from ..utils._tensors import as_numpy


def load_faces(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Let the FaceLoader of a pipeline do its work once; give what comes after it, and the faces."""
    check_is_fitted(estimator)
    loader, rest = split_loader(estimator)
    return (estimator, X) if loader is None else (rest, loader.transform(X))


def score_images(estimator: Any, X: Any) -> NDArray[np.float64]:
    """Give a column of scores for each class: probabilities, or else the decision function."""
    for method in ("predict_proba", "decision_function"):
        if hasattr(estimator, method):
            scores = np.asarray(getattr(estimator, method)(X))
            # Of two classes, decisions are those for the second, whichever is asked for.
            return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
    raise TypeError(
        f"{type(estimator).__name__} has neither predict_proba nor decision_function, one of which a curve needs. "
        "Use a classifier that has, such as make_hog_svm(probability=True)."
    )


def check_scores(
    y_score: Any, classes: NDArray[Any], n_samples: int, owner: str, positive: Any = None
) -> NDArray[np.float64]:
    """Give scores as an array of shape (n_samples, n_classes).

    For two classes, one column may stand for both: that of the `positive` one, by default the last.
    """
    y_score = as_numpy(y_score, owner, "y_score")
    try:
        scores = np.asarray(y_score, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LabelError(
            f"{owner}: y_score holds no numbers ({error}). Pass what predict_proba or decision_function gives."
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
    """Give the scores of :func:`check_scores` as probabilities; None if they are decision values."""
    if scores.shape[1] == 2 and not scores.sum(axis=1).any():
        # One column stood for both classes: p became -p for the other one, which is 1 - p.
        scores = scores + (scores.sum(axis=0) < 0)
    fits = (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3)
    return scores if fits else None


def check_truth(y: Any, owner: str, *others: Any, classes: Any = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Check true labels, and give them with the classes: those named, or all that occur in `y` and `others`."""
    labels = check_labels(y, owner, "y_true")
    if not len(labels):
        raise LabelError(f"{owner}: y_true is empty. Give at least one label.")
    if classes is None:
        known = np.unique(np.concatenate([labels, *others]))
    else:
        known = np.asarray(classes)
        if len(np.unique(known)) != len(known):
            raise LabelError(f"{owner}: classes={known.tolist()} names a class twice.")
    unknown = np.setdiff1d(labels, known)
    if len(unknown):
        raise LabelError(
            f"{owner}: y_true holds {unknown.tolist()}, which are not among the classes {known.tolist()}. Were the "
            f"labels consolidated, or spelled, as those of the training?{describe_spelling(unknown.tolist(), known)}"
        )
    if len(known) < 2:
        raise LabelError(f"{owner}: there is one class alone: {known[0]!s}. Pass classes=clf.classes_.")
    return labels, known


def find_codes(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Give the position of each label among classes in any order."""
    order = np.argsort(classes)
    return order[np.searchsorted(classes, labels, sorter=order)]


def choose_positive(classes: NDArray[Any], pos_label: Any, owner: str) -> Any:
    """Give the positive one of two classes: the one that is asked for, or the last, as in scikit-learn."""
    if pos_label is None:
        return classes[-1]
    if pos_label not in classes.tolist():
        raise LabelError(f"{owner}: pos_label={pos_label!r}, expected one of {classes.tolist()}.")
    return pos_label


def ask_both(classifier: Any, images: Any) -> tuple[Any, Any]:
    """Let a classifier give labels, and scores if it can, with as little work as may be."""
    last, features = transform_before_last(classifier, images)
    if not hasattr(last, "predict_proba") and not hasattr(last, "decision_function"):
        return np.asarray(last.predict(features)), None
    scores = score_images(last, features)
    # A network is asked once; of another classifier, the label need not be that of the highest score.
    is_network = hasattr(last, "net_")
    return last.classes_[scores.argmax(axis=1)] if is_network else np.asarray(last.predict(features)), scores


def equalize_images(equalize: Any, images: Any, labels: NDArray[Any]) -> tuple[Any, NDArray[Any], NDArray[Any]]:
    """Make classes equal; give images, labels, and the row that each came from."""
    from ..over_sampling import AugmentationOverSampler

    given = AugmentationOverSampler(random_state=0) if isinstance(equalize, bool | np.bool_) else equalize
    if not hasattr(given, "fit_resample"):
        raise TypeError(f"EmotionReport: equalize={equalize!r}, expected a sampler such as AugmentationOverSampler().")
    sampler = clone(given)
    shape = np.shape(images)
    # Those of imbalanced-learn take rows.
    as_rows = len(shape) > 2 and type(sampler).__module__.startswith("imblearn.")
    copies, copied_labels = sampler.fit_resample(np.reshape(images, (len(images), -1)) if as_rows else images, labels)
    if as_rows:
        copies = copies.reshape(-1, *shape[1:])
    if not hasattr(sampler, "sample_indices_"):
        raise TypeError(
            f"EmotionReport: equalize={equalize!r} makes images that are of no single image (it has no "
            "sample_indices_). Use AugmentationOverSampler() or RandomOverSampler()."
        )
    return copies, copied_labels, sampler.sample_indices_


def check_resampling(n_resamples: Any, confidence_level: Any) -> None:
    if not isinstance(n_resamples, Integral) or isinstance(n_resamples, bool) or n_resamples < 0:
        raise ValueError(f"EmotionReport: n_resamples={n_resamples!r}, expected a whole number of at least 0.")
    if not isinstance(confidence_level, Real) or not 0 < float(confidence_level) < 1:
        raise ValueError(f"EmotionReport: confidence_level={confidence_level!r}, expected a share between 0 and 1.")


def check_predictions(true: NDArray[Any], predicted: NDArray[Any], classes: NDArray[Any]) -> None:
    if len(predicted) != len(true):
        raise LabelError(
            f"EmotionReport: y_true has {len(true)} labels, but y_pred has {len(predicted)}. Give one of each an image."
        )
    unknown = np.setdiff1d(predicted, classes)
    if len(unknown):
        raise LabelError(
            f"EmotionReport: y_pred holds {unknown.tolist()}, which are not among the classes {classes.tolist()}."
        )


def check_groups(groups: Any, n_samples: int) -> NDArray[Any] | None:
    if groups is None:
        return None
    persons = check_labels(groups, "EmotionReport", "groups")
    if len(persons) != n_samples:
        raise LabelError(
            f"EmotionReport: there are {n_samples} labels, but groups has {len(persons)} entries. Give one group an "
            "image."
        )
    return persons
