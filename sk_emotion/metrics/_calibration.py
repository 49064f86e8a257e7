"""Expected calibration error."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d


def expected_calibration_error(y_true: Any, y_proba: Any, *, classes: Any = None, n_bins: int = 15) -> float:
    """Compute the expected calibration error of predicted probabilities.

    Samples are binned by the probability of the predicted class; in each bin, the mean probability is compared with the
    accuracy [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes)
        Predicted probabilities.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns; by default the sorted labels of `y_true`.
    n_bins : int, default=15
        Number of bins of equal width.

    Returns
    -------
    float
        Mean absolute difference between confidence and accuracy, weighted by bin size, from 0 (best) to 1.

    Raises
    ------
    ValueError
        If `y_true` and `y_proba` have different lengths, or the columns do not match the classes.

    References
    ----------
    .. [1] Guo, C., Pleiss, G., Sun, Y., & Weinberger, K. Q. (2017). On calibration of modern neural networks. ICML.

    Examples
    --------
    >>> from sk_emotion.metrics import expected_calibration_error
    >>> round(expected_calibration_error(["pain", "sadness"], [[0.8, 0.2], [0.2, 0.8]]), 3)
    0.2
    """
    labels, probabilities = column_or_1d(y_true), check_array(y_proba)
    check_consistent_length(labels, probabilities)
    classes = np.unique(labels) if classes is None else np.asarray(classes)
    if len(classes) != probabilities.shape[1]:
        raise ValueError(
            f"expected_calibration_error: y_proba has {probabilities.shape[1]} columns for {len(classes)} classes: "
            f"{classes.tolist()}. Pass classes=model.classes_."
        )
    correct = classes[probabilities.argmax(axis=1)] == labels
    return bin_confidences(probabilities.max(axis=1), correct, n_bins).mean_gap()


class ConfidenceBins(NamedTuple):
    """Confidence and accuracy in bins of equal width from 0 to 1.

    Attributes
    ----------
    counts : ndarray of int of shape (n_bins,)
        Number of samples in each bin.
    confidence, accuracy : ndarray of shape (n_bins,)
        Mean probability of the predicted class, and share of correct predictions; NaN in an empty bin.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    def mean_gap(self) -> float:
        """Compute the expected calibration error."""
        return float(np.nansum(self.counts * np.abs(self.confidence - self.accuracy)) / self.counts.sum())


def bin_confidences(confidence: NDArray[np.float64], correct: NDArray[np.bool_], n_bins: int = 15) -> ConfidenceBins:
    """Bin samples by confidence and compute the accuracy of each bin."""
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(bins, weights=values, minlength=n_bins) / counts for values in (confidence, correct)]
    return ConfidenceBins(counts, *means)
