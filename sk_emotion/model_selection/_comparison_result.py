"""What a comparison found, as a frame, a table, a plot or a page."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

_NOT_METRICS = ("estimator", "fold", "fit_time", "score_time", "n_train", "n_test")
_TITLES = {
    "f1_macro": "macro F1",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC (one vs rest)",
    "fit_time": "fit (s)",
    "score_time": "predict (s)",
}


class Comparison:
    """Scores of several classifiers on the same folds, as :func:`compare_classifiers` returns them.

    Parameters
    ----------
    scores : DataFrame
        One row per estimator and fold.
    reference : DataFrame
        Mean scores of chance and of the majority class, one row each.
    n_classes : int
        Number of classes.

    Attributes
    ----------
    scores_ : DataFrame
        One row per estimator and fold: ``estimator``, ``fold``, each metric, ``fit_time`` and ``score_time`` in
        seconds (the latter of predicting labels and probabilities of the test fold), ``n_train`` and ``n_test``.
    reference_ : DataFrame
        Mean scores of ``"chance"`` (uniform guessing) and ``"majority class"`` on the same folds.
    metrics_ : list of str
        Names of the metrics; the first one ranks.
    best_ : str
        Name of the estimator with the highest mean of the first metric.
    tests_ : DataFrame
        The best estimator against each other one: ``difference``, ``t``, ``df`` and two-sided ``p``.

    Notes
    -----
    Folds share training samples, so that a plain paired t-test finds too many differences. The corrected resampled
    test scales the variance by ``1/k + n_test/n_train`` in place of ``1/k`` [1]_. The p-values are not adjusted for the
    number of estimators, nor for having chosen the best one first.

    References
    ----------
    .. [1] Nadeau, C., & Bengio, Y. (2003). Inference for the generalization error. Machine Learning, 52, 239-281.
    """

    def __init__(self, scores: pd.DataFrame, reference: pd.DataFrame, *, n_classes: int):
        self.scores_ = scores
        self.reference_ = reference
        self.n_classes_ = n_classes
        self.metrics_ = [column for column in scores.columns if column not in _NOT_METRICS]
        means = scores.groupby("estimator", sort=False)[self.metrics_[0]].mean()
        self.best_ = str(means.idxmax()) if means.notna().any() else str(means.index[0])
        self.tests_ = self._test_against_best()

    def to_frame(self) -> pd.DataFrame:
        """Give the scores as a tidy table.

        Returns
        -------
        DataFrame
            One row per estimator and fold, a copy of ``scores_``.
        """
        return self.scores_.copy()

    def summary(self) -> pd.DataFrame:
        """Average over the folds.

        Returns
        -------
        DataFrame
            One row per estimator; columns are pairs of a metric or time, and ``"mean"`` or ``"std"`` (over folds, with
            ``ddof=1``).
        """
        columns = [*self.metrics_, "fit_time", "score_time"]
        return self.scores_.groupby("estimator", sort=False)[columns].agg(["mean", "std"])

    def plot(self, ax: Any = None, *, metric: str | None = None) -> Any:
        """Draw the scores of each fold, and their means.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.
        metric : str, default=None
            Which metric; by default the first one.

        Returns
        -------
        matplotlib Axes
        """
        from ._comparison_plot import plot_folds

        return plot_folds(self, ax, metric or self.metrics_[0])

    def to_html(self, path: str | Path | None = None) -> str:
        """Write a page with the tables and a plot, which needs no network to be read.

        Parameters
        ----------
        path : str or Path, default=None
            File to write, in UTF-8.

        Returns
        -------
        str
            The page.
        """
        from ._comparison_html import render_page

        page = render_page(self)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def __str__(self) -> str:
        header, rows, references = self.table()
        lines = _align([header, *rows, *references])
        body = lines[: 1 + len(rows)]
        rule = "─" * max(map(len, lines))
        parts = [self.describe_folds(), "", body[0], rule, *body[1:]]
        if references:
            parts += [rule, *lines[1 + len(rows) :]]
        tests = self.describe_tests()
        return "\n".join([*parts, *(["", *tests] if tests else [])])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from ._comparison_html import render_fragment

        return render_fragment(self)

    def table(self) -> tuple[list[str], list[list[str]], list[list[str]]]:
        """Give the summary as text: header, a row per estimator, and a row each for chance and majority."""
        summary = self.summary()
        header = ["", *(title_of(metric) for metric in self.metrics_), title_of("fit_time"), title_of("score_time")]
        rows = []
        for name, row in summary.iterrows():
            cells = [_pm(row[(metric, "mean")], row[(metric, "std")]) for metric in self.metrics_]
            times = [_seconds(row[(time, "mean")]) for time in ("fit_time", "score_time")]
            rows.append([str(name), *cells, *times])
        references = [
            [str(name), *(_number(row[metric]) for metric in self.metrics_), "", ""]
            for name, row in self.reference_.iterrows()
        ]
        return header, rows, references

    def describe_folds(self) -> str:
        """Say in a line what was cross-validated."""
        first = self.scores_[self.scores_["estimator"] == self.scores_["estimator"].iloc[0]]
        sizes = f"about {first['n_train'].mean():.0f} training and {first['n_test'].mean():.0f} test images each"
        return f"{len(first)} folds, {sizes}, {self.n_classes_} classes; mean ± standard deviation over folds"

    def describe_tests(self) -> list[str]:
        """Say in a line each how far the best estimator is ahead."""
        if self.tests_.empty:
            return []
        lines = [f"Corrected resampled paired t-test on {title_of(self.metrics_[0])} (Nadeau & Bengio 2003):"]
        for name, row in self.tests_.iterrows():
            p = f"p = {row['p']:.3f}" if row["p"] >= 0.001 else "p < 0.001"
            lines.append(
                f"  {self.best_} over {name}: {row['difference']:+.3f}, t({row['df']:.0f}) = {row['t']:.2f}, {p}"
            )
        return lines

    def _test_against_best(self) -> pd.DataFrame:
        metric = self.metrics_[0]
        table = self.scores_.pivot(index="fold", columns="estimator", values=metric)
        ratio = self.scores_["n_test"].mean() / self.scores_["n_train"].mean()
        tests = {}
        for name in self.scores_["estimator"].unique():
            if name == self.best_ or len(table) < 2:
                continue
            # A fold without a score, for want of a class say, is no pair.
            difference = (table[self.best_] - table[name]).dropna().to_numpy()
            if len(difference) < 2:
                continue
            t, p = corrected_t_test(difference, ratio)
            tests[name] = {"difference": difference.mean(), "t": t, "df": len(difference) - 1, "p": p}
        return pd.DataFrame(tests, index=["difference", "t", "df", "p"]).T


def corrected_t_test(difference: np.ndarray, test_train_ratio: float) -> tuple[float, float]:
    """Test paired differences of k folds with the variance of Nadeau & Bengio (2003); gives t and two-sided p."""
    k = len(difference)
    mean, variance = float(difference.mean()), float(difference.var(ddof=1))
    scale = math.sqrt((1 / k + test_train_ratio) * variance)
    if scale == 0:
        return (0.0, 1.0) if mean == 0 else (math.copysign(math.inf, mean), 0.0)
    t = mean / scale
    return t, float(2 * stats.t.sf(abs(t), df=k - 1))


def title_of(metric: str) -> str:
    """Name a metric for people."""
    return _TITLES.get(metric, metric.replace("_", " "))


def _pm(mean: float, std: float) -> str:
    return _number(mean) if math.isnan(std) else f"{_number(mean)} ± {std:.3f}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"  # noqa: RUF001 - an en dash for "none"


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _align(rows: list[list[str]]) -> list[str]:
    """Pad columns: names to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "   ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
