"""The result of a comparison, as a frame, table, plot or page."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .._reports import describe_environment
from .._reports._comparison import (
    ComparisonSummary,
    describe_mean,
    describe_p,
    plot_folds,
    render_comparison,
    render_overview,
    title_of,
)
from ..utils._files import write_output
from ..utils._text import align, number, printable
from ._comparison_scores import NOT_METRICS, compare_pairs, list_differences


class Comparison:
    """Scores of several classifiers on the same folds, as :func:`compare_classifiers` returns them.

    The parameters are attributes of the same names.

    Parameters
    ----------
    scores : DataFrame
        One row per estimator and fold: ``estimator``, ``fold`` (numbered across repeats), each metric, ``fit_time``
        and ``score_time`` in seconds (the latter for predicting labels and probabilities of the test fold),
        ``n_train`` and ``n_test``. Times of a failed fold are NaN.
    reference : DataFrame
        Mean scores of ``"chance"`` (uniform guessing) and ``"majority class"`` on the same folds.
    n_classes : int
        Number of classes.
    n_repeats : int, default=1
        Number of times each sample was tested: the number of repeats of a k-fold.
    failures : DataFrame, default=None
        One row per estimator and fold in which it failed, with the ``error``, such as ``"ValueError: message"``.
    estimators_html : dict of str to str, default=None
        Parameters of each estimator as text, with its class under ``""``.
    caveats : sequence of str, default=()
        Sentences about what limits the scores: leaks between training and test sets, folds without a class, and
        classes with few images.

    Attributes
    ----------
    metrics : list of str
        Names of the metrics; the first one is used for ranking.
    best : str or None
        Name of the estimator with the highest mean of the first metric; None if no estimator has a mean.
    environment : dict of str to str
        Time, platform and versions.
    tests : DataFrame
        One row per pair of estimators that have a mean of the first metric: ``better`` and ``other`` (their names),
        mean ``difference`` over the folds (never negative), ``t``, ``df``, two-sided ``p``, and ``p_holm``, adjusted
        for the number of pairs. Pairs with the best estimator come first; pairs are sorted by p.

    Notes
    -----
    Folds share training samples, so a plain paired t-test finds too many differences. The corrected resampled test
    scales the variance by ``1/k + n_test/n_train`` instead of ``1/k``, for k folds [1]_; with a repeated k-fold, its
    result depends least on the random splits [2]_. ``p_holm`` controls the family-wise error rate over all pairs [3]_,
    so it also accounts for selecting the best estimator after seeing the scores.

    References
    ----------
    .. [1] Nadeau, C., & Bengio, Y. (2003). Inference for the generalization error. Machine Learning, 52, 239-281.
    .. [2] Bouckaert, R. R., & Frank, E. (2004). Evaluating the replicability of significance tests for comparing
       learning algorithms. Advances in Knowledge Discovery and Data Mining, LNCS 3056, 3-12.
    .. [3] Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of
       Statistics, 6, 65-70.
    """

    def __init__(
        self,
        scores: pd.DataFrame,
        reference: pd.DataFrame,
        *,
        n_classes: int,
        n_repeats: int = 1,
        failures: pd.DataFrame | None = None,
        estimators_html: Mapping[str, str] | None = None,
        caveats: Sequence[str] = (),
    ):
        self.scores = scores
        self.failures = pd.DataFrame(columns=["estimator", "fold", "error"]) if failures is None else failures
        self.reference = reference
        self.estimators_html = {} if estimators_html is None else dict(estimators_html)
        self.caveats = list(caveats)
        self.environment = describe_environment()
        self.n_classes = n_classes
        self.n_repeats = n_repeats
        self.metrics = [column for column in scores.columns if column not in NOT_METRICS]
        means = self.summary()[(self.metrics[0], "mean")].dropna()
        self.best = None if means.empty else str(means.idxmax())
        # The sort is stable: as with idxmax, the first of equal means wins.
        ranked = means.sort_values(ascending=False, kind="stable")
        self.tests = compare_pairs(scores, self.metrics[0], [str(name) for name in ranked.index])

    def to_frame(self) -> pd.DataFrame:
        """Return the scores as a tidy table.

        Returns
        -------
        DataFrame
            A copy of ``scores``, with one row per estimator and fold.
        """
        return self.scores.copy()

    def summary(self) -> pd.DataFrame:
        """Compute means and standard deviations over the folds.

        Returns
        -------
        DataFrame
            One row per estimator; columns are pairs of a metric or time, and ``"mean"`` or ``"std"`` (with
            ``ddof=1``). Both are NaN if a failed fold has no score.
        """
        columns = [*self.metrics, "fit_time", "score_time"]
        table = self.scores.groupby("estimator", sort=False)[columns].agg(["mean", "std"])
        failed = self.scores.merge(self.failures[["estimator", "fold"]])
        lacking = failed[columns].isna().groupby(failed["estimator"]).any()
        for name, column in itertools.product(lacking.index, columns):
            if lacking.loc[name, column]:
                table.loc[name, column] = math.nan
        return table

    def plot(self, ax: Any = None, *, metric: str | None = None) -> Any:
        """Plot the scores of each fold and their means.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default a new figure is created.
        metric : str, default=None
            Metric to plot; by default the first one.

        Returns
        -------
        matplotlib Axes
        """
        metric = metric or self.metrics[0]
        if metric not in self.metrics:
            raise ValueError(f"Comparison.plot: metric={metric!r}, expected one of {self.metrics}.")
        return plot_folds(self._summarize(), ax, metric)

    def to_html(self, path: str | Path | None = None) -> str:
        """Render a self-contained page with scores, paired differences, times and parameters.

        Parameters
        ----------
        path : str or Path, default=None
            File to write, in UTF-8. It is replaced atomically.

        Returns
        -------
        str
            The page.

        Raises
        ------
        FileWriteError
            If the file cannot be written, for example because the disk is full. An existing file is kept.
        """
        page = render_comparison(self._summarize())
        if path is not None:
            write_output(path, page.encode())
        return page

    def __str__(self) -> str:
        header, rows, references = self.table()
        head, *body = align([header, *rows, *references])
        rule = "─" * max(map(len, [head, *body]))
        parts = [self.describe_folds(), "", head, rule, *body[: len(rows)]]
        if references:
            parts += [rule, *body[len(rows) :]]
        for notes in (self.caveats, self.describe_failures(), self.describe_tests()):
            parts += ["", *notes] if notes else []
        return "\n".join(map(printable, parts))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return render_overview(self._summarize())

    def _summarize(self) -> ComparisonSummary:
        """Return the frames and sentences that plots and pages show."""
        return ComparisonSummary(
            metrics=self.metrics,
            best=self.best,
            scores=self.scores,
            means=self.summary(),
            reference=self.reference,
            failures=self.failures,
            differences=list_differences(self.scores, self.metrics[0], self.best),
            tests=self.tests,
            table=self.table(),
            folds=self.describe_folds(),
            failure_lines=self.describe_failures(),
            test_lines=self.describe_tests(),
            caveats=self.caveats,
            estimators=self.estimators_html,
            environment=self.environment,
        )

    def table(self) -> tuple[list[str], list[list[str]], list[list[str]]]:
        """Return the summary as text: header, a row per estimator, and rows for chance and majority class."""
        summary = self.summary()
        header = ["", *(title_of(metric) for metric in self.metrics), title_of("fit_time"), title_of("score_time")]
        rows = []
        for name, row in summary.iterrows():
            cells = [describe_mean(row[(metric, "mean")], row[(metric, "std")]) for metric in self.metrics]
            times = [_seconds(row[(time, "mean")]) for time in ("fit_time", "score_time")]
            rows.append([str(name), *cells, *times])
        references = [
            [str(name), *(number(row[metric]) for metric in self.metrics), "", ""]
            for name, row in self.reference.iterrows()
        ]
        return header, rows, references

    def describe_folds(self) -> str:
        """Return a line about the folds."""
        first = self.scores[self.scores["estimator"] == self.scores["estimator"].iloc[0]]
        sizes = f"about {first['n_train'].mean():.0f} training and {first['n_test'].mean():.0f} test images each"
        if len(first) == 1:
            return f"One fold, {sizes.removesuffix(' each')}, {self.n_classes} classes"
        repeats = f"{self.n_repeats} x " if self.n_repeats > 1 else ""
        return (
            f"{repeats}{len(first) // self.n_repeats} folds, {sizes}, {self.n_classes} classes; "
            "mean ± standard deviation over folds"
        )

    def describe_failures(self) -> list[str]:
        """Return a line about each estimator that failed, with the consequences."""
        n_folds = self.scores["fold"].nunique()
        summary = self.summary()
        lines = []
        for name, failures in self.failures.groupby("estimator", sort=False):
            lacking = [metric for metric in self.metrics if math.isnan(summary[(metric, "mean")].to_dict()[name])]
            if not lacking:
                outcome = "these folds count with the given error_score"
            else:
                what = "" if lacking == self.metrics else f" of {' or '.join(map(title_of, lacking))}"
                outcome = f"it has no mean{what}"
            if self.metrics[0] in lacking:
                outcome += " and is neither ranked nor tested"
            first = failures.iloc[0]
            lines.append(
                f"{name} failed in {len(failures)} of {n_folds} folds, first in fold {first['fold']} "
                f"({_shorten(first['error'])}); {outcome}."
            )
        return lines

    def describe_tests(self) -> list[str]:
        """Return a heading and a line about each difference between two estimators."""
        n_pairs = len(self.tests)
        if not n_pairs:
            return []
        shown = self.tests
        if len({*shown["better"], *shown["other"]}) > 3:
            shown = shown[(shown["better"] == self.best) | (shown["other"] == self.best)]
        adjusted = f", p Holm-adjusted for the {n_pairs} pairs" if n_pairs > 1 else ""
        lines = [f"Corrected resampled paired t-test on {title_of(self.metrics[0])} (Nadeau & Bengio 2003){adjusted}:"]
        for row in shown.to_dict("records"):
            p = describe_p(row["p_holm"])
            p = f"p {p}" if p.startswith("<") else f"p = {p}"
            lines.append(
                f"  {row['better']} over {row['other']}: {row['difference']:+.3f}, "
                f"t({row['df']:.0f}) = {row['t']:.2f}, {p}"
            )
        return lines


def _shorten(error: str, length: int = 160) -> str:
    """Shorten an error to one line."""
    line = printable(" ".join(error.split()))
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _seconds(value: float) -> str:
    if math.isnan(value):
        return number(value)
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
