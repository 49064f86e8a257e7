"""What the table, plot and page of a comparison are made from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ..utils._text import number

_TITLES = {
    "f1_macro": "macro F1",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC (one vs rest)",
    "fit_time": "fit (s)",
    "score_time": "predict (s)",
    "n_train": "training images",
    "n_test": "test images",
}


@dataclass(frozen=True)
class ComparisonSummary:
    """Scores of several classifiers on the same folds, as frames and sentences.

    Parameters
    ----------
    metrics : sequence of str
        Names of the metrics; the first one ranks.
    best : str or None
        Name of the best estimator.
    scores : DataFrame
        One row per estimator and fold.
    means : DataFrame
        One row per estimator; columns are pairs of a metric or time, and ``"mean"`` or ``"std"``.
    reference : DataFrame
        Mean scores of chance and of the majority class, one row each.
    failures : DataFrame
        One row per estimator and fold in which it failed, with the ``error``.
    differences : DataFrame
        First metric of the best estimator minus that of each other one: folds in rows, estimators in columns.
    tests : DataFrame
        One row per pair of estimators, with ``better``, ``other`` and ``p_holm``.
    table : tuple of (header, rows, references)
        The means as text.
    folds, failure_lines, test_lines, caveats
        Sentences about the folds, failures, tests and caveats.
    parameters : dict of str to dict of str to str
        Parameters of each estimator.
    environment : dict of str to str
        Time, machine and versions.
    """

    metrics: Sequence[str]
    best: str | None
    scores: pd.DataFrame
    means: pd.DataFrame
    reference: pd.DataFrame
    failures: pd.DataFrame
    differences: pd.DataFrame
    tests: pd.DataFrame
    table: tuple[list[str], list[list[str]], list[list[str]]]
    folds: str
    failure_lines: Sequence[str]
    test_lines: Sequence[str]
    caveats: Sequence[str]
    parameters: Mapping[str, Mapping[str, str]]
    environment: Mapping[str, str]

    def count_failures(self, name: str) -> int:
        """Count the folds in which an estimator failed."""
        return int((self.failures["estimator"] == name).sum())


def title_of(metric: str) -> str:
    """Return the title of a metric in tables and plots."""
    return _TITLES.get(metric, metric.replace("_", " "))


def describe_p(p: float) -> str:
    """Format a p-value with three digits."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def describe_mean(mean: float, std: float) -> str:
    """Format a mean and its standard deviation over the folds."""
    return number(mean) if math.isnan(std) else f"{number(mean)} ± {std:.3f}"
