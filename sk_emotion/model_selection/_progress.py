"""Progress of a comparison, on standard error."""

import math
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..utils._progress import make_progress
from ..utils._text import printable
from ._comparison_result import NOT_METRICS


def collect_folds(
    results: Iterable[dict[str, Any]], n_folds: int, names: list[str], verbose: int
) -> list[dict[str, Any]]:
    """Gather the scores of each fold as they come, and show how far it is."""
    rows: list[dict[str, Any]] = []
    progress = make_progress() if verbose else None
    with progress or nullcontext():
        bar = progress and progress.add_task(f"{printable(names[0])}, fold 1 of {n_folds}", total=len(names) * n_folds)
        for row in results:
            rows.append(row)
            done = len(rows)
            if progress is not None:
                following = names[min(done // n_folds, len(names) - 1)]
                progress.update(
                    bar, advance=1, description=f"{printable(following)}, fold {done % n_folds + 1} of {n_folds}"
                )
            if verbose and done % n_folds == 0:
                _print_line(rows[-n_folds:], done // n_folds, len(names), progress)
    return rows


def _print_line(rows: list[dict[str, Any]], position: int, n_estimators: int, progress: Any) -> None:
    n_failed = sum(bool(row["error"]) for row in rows)
    metric = next((key for row in rows for key in row if key not in (*NOT_METRICS, "error")), "")
    scores = [row[metric] for row in rows if metric in row]
    known = [score for score in scores if not math.isnan(score)]
    parts = []
    # As in the summary, there is no mean over the folds that a failure left.
    if known and (not n_failed or len(known) == len(rows)):
        parts.append(f"{metric} {np.mean(known):.3f}")
    if n_failed:
        parts.append(f"failed in {n_failed} of {len(rows)} folds")
    else:
        parts.append(f"{len(rows)} folds")
    seconds = sum(row.get("fit_time", 0) + row.get("score_time", 0) for row in rows)
    line = f"[{position}/{n_estimators}] {printable(rows[0]['estimator'])}: {', '.join(parts)}, {seconds:.1f} s"
    if progress is None:
        print(line, file=sys.stderr, flush=True)
    else:
        progress.console.print(line, markup=False, highlight=False)
