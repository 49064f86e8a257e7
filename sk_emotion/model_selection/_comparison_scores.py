"""Fit and score classifiers and baselines in each fold, and test their differences."""

import math
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import combinations, dropwhile
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.dummy import DummyClassifier
from sklearn.metrics import check_scoring, roc_auc_score
from sklearn.model_selection import cross_validate
from sklearn.utils._metadata_requests import get_routing_for_object

from ..exceptions import TrainingError
from ..utils._parallel import run_sequentially
from ..utils._progress import show_progress
from ..utils._splits import Split
from ..utils._text import printable

NOT_METRICS = ("estimator", "fold", "fit_time", "score_time", "n_train", "n_test")

# Random guessing is repeated, since a single run on a small fold is noisy.
_N_GUESSES = 10


def default_scoring(y: NDArray[Any]) -> dict[str, Any]:
    """Return macro F1, accuracy and the area under the ROC curve, binary or one-vs-rest."""
    name = "roc_auc" if len(np.unique(y)) == 2 else "roc_auc_ovr"
    return {"f1_macro": "f1_macro", "accuracy": "accuracy", name: _score_roc_auc_ovr}


def _score_roc_auc_ovr(estimator: Any, X: Any, y: Any) -> float:
    """Compute ``"roc_auc_ovr"`` over the classes in y, since a person may not show every emotion."""
    method = estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.decision_function
    scores = method(X)
    if scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    areas = [
        roc_auc_score(y == label, scores[:, column])
        for column, label in enumerate(estimator.classes_)
        if 0 < np.sum(y == label) < len(y)
    ]
    return float(np.mean(areas)) if areas else float("nan")


def score_fold(
    name: str,
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    split: Split,
    fold: int,
    scoring: Any,
    error_score: Any,
) -> dict[str, Any]:
    """Return the scores, times and sizes of a fold; if all scores fail, only its ``"error"`` and sizes."""
    failed: dict[str, str] = {}
    scorer = scoring
    if error_score != "raise" and isinstance(scoring, list | tuple | set | dict):
        scorer = partial(_score_each, scoring=scoring, failed=failed, error_score=error_score)
    requests_groups = groups is not None and get_routing_for_object(estimator).consumes("fit", ["groups"])
    params = {"groups": groups} if requests_groups else None
    row = {"estimator": name, "fold": fold, "error": ""}
    sizes = {"n_train": len(split[0]), "n_test": len(split[1])}
    try:
        # In this process, so that the scorer can fill `failed`.
        with run_sequentially():
            scores = cross_validate(
                estimator, X, y, cv=[split], scoring=scorer, params=params, error_score="raise", n_jobs=1
            )
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        if error_score == "raise":
            raise TrainingError(f"compare_classifiers: {name!r} failed in fold {fold} ({what})") from error
        return {**row, "error": what, **sizes}
    row["error"] = "; ".join(f"{metric}: {what}" for metric, what in failed.items())
    results: dict[Any, Any] = _name_scores(scores, scoring).to_dict("records")[0]
    # Besides the metrics, there are two times.
    return {**row, **sizes} if len(failed) == len(results) - 2 else {**row, **results, **sizes}


def _name_scores(scores: dict[str, Any], scoring: Any) -> pd.DataFrame:
    """Convert the result of cross_validate to a frame: metrics, then times."""
    table = pd.DataFrame(scores).rename(columns=lambda column: column.removeprefix("test_"))
    table = table.rename(columns={"score": scoring} if isinstance(scoring, str) else {})
    times = ["fit_time", "score_time"]
    return table[[*table.columns.drop(times), *times]]


def _score_each(
    estimator: Any, X: Any, y: Any, *, scoring: Any, failed: dict[str, str], error_score: float
) -> dict[str, float]:
    """Compute several metrics; as in scikit-learn, one can fail without the others."""
    scores = check_scoring(estimator, scoring=scoring, raise_exc=False)(estimator, X, y)
    failed |= {metric: _read_traceback(score) for metric, score in scores.items() if isinstance(score, str)}
    return {metric: error_score if metric in failed else score for metric, score in scores.items()}


def _read_traceback(trace: str) -> str:
    """Return the last error of a traceback, as ``"ValueError: message"``."""
    lines = trace.strip().rsplit('\n  File "', 1)[-1].splitlines()[1:]
    error = "\n".join(dropwhile(lambda line: line.startswith(" "), lines))
    return re.sub(r"^[\w.]*\.(?=\w+(:|$))", "", error)


def collect_folds(
    results: Iterable[dict[str, Any]], n_folds: int, names: list[str], verbose: int
) -> list[dict[str, Any]]:
    """Collect the scores of each fold as they arrive, and show progress."""
    rows: list[dict[str, Any]] = []
    bar = show_progress(f"{printable(names[0])}, fold 1 of {n_folds}", len(names) * n_folds) if verbose else None
    with bar or nullcontext() as advance:
        for row in results:
            rows.append(row)
            done = len(rows)
            if advance is not None:
                following = names[min(done // n_folds, len(names) - 1)]
                advance(description=f"{printable(following)}, fold {done % n_folds + 1} of {n_folds}")
            if verbose and done % n_folds == 0:
                _print_line(rows[-n_folds:], done // n_folds, len(names))
    return rows


def _print_line(rows: list[dict[str, Any]], position: int, n_estimators: int) -> None:
    n_failed = sum(bool(row["error"]) for row in rows)
    metric = next((key for row in rows for key in row if key not in (*NOT_METRICS, "error")), "")
    scores = pd.Series([row.get(metric) for row in rows], dtype=float)
    # As in the summary, there is no mean if a fold failed.
    has_mean = scores.notna().all() if n_failed else scores.notna().any()
    mean = f"{metric} {scores.mean():.3f}, " if has_mean else ""
    outcome = f"failed in {n_failed} of {len(rows)} folds" if n_failed else f"{len(rows)} folds"
    seconds = sum(row.get("fit_time", 0) + row.get("score_time", 0) for row in rows)
    line = f"[{position}/{n_estimators}] {printable(rows[0]['estimator'])}: {mean}{outcome}, {seconds:.1f} s"
    # Above the bar, if there is one.
    print(line, file=sys.stderr, flush=True)


def gather_scores(rows: Sequence[dict[str, Any]], error_score: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the rows of all folds into scores and failures."""
    columns = next(([key for key in row if key != "error"] for row in rows if "fit_time" in row), None)
    if columns is None:
        first = rows[0]
        raise TrainingError(
            f"compare_classifiers: every estimator failed in every fold, first {first['estimator']!r} in fold "
            f"{first['fold']} ({first['error']})"
        )
    table = pd.DataFrame(rows)
    scores = table[columns].copy()
    if error_score != "raise":
        metrics = [column for column in columns if column not in NOT_METRICS]
        scores.loc[table["fit_time"].isna(), metrics] = error_score
    failures = table.loc[table["error"] != "", ["estimator", "fold", "error"]].reset_index(drop=True)
    return scores, failures


def score_references(y: NDArray[Any], splits: Sequence[Split], scoring: Any) -> pd.DataFrame:
    """Score the majority class and random guessing on the same folds."""
    pixels = np.zeros((len(y), 1))
    guesses = [DummyClassifier(strategy="uniform", random_state=seed) for seed in range(_N_GUESSES)]
    means = {}
    for name, dummies in {"chance": guesses, "majority class": [DummyClassifier(strategy="most_frequent")]}.items():
        try:
            with run_sequentially():
                runs = [
                    cross_validate(dummy, pixels, y, cv=splits, scoring=scoring, error_score="raise", n_jobs=1)
                    for dummy in dummies
                ]
        except Exception:
            # A custom scorer may not support a DummyClassifier.
            continue
        means[name] = pd.concat([_name_scores(run, scoring) for run in runs]).mean()
    return pd.DataFrame(means).T


def compare_pairs(scores: pd.DataFrame, metric: str, names: list[str]) -> pd.DataFrame:
    """Test each pair of the named estimators, of which the best comes first."""
    table = scores.pivot(index="fold", columns="estimator", values=metric)
    rows = []
    for pair in combinations(names, 2):
        # A fold may have no score, for example because it lacks a class.
        folds = table[list(pair)].dropna()
        if len(folds) < 2:
            continue
        better, other = pair if folds[pair[0]].mean() >= folds[pair[1]].mean() else pair[::-1]
        difference = (folds[better] - folds[other]).to_numpy()
        sizes = scores.loc[(scores["estimator"] == better) & scores["fold"].isin(folds.index), ["n_train", "n_test"]]
        t, p = corrected_t_test(difference, sizes["n_test"].mean() / sizes["n_train"].mean())
        rows.append([better, other, difference.mean(), t, len(difference) - 1, p])
    # The sort is stable for pairs with equal p.
    rows.sort(key=lambda row: (names[0] not in row[:2], row[-1]))
    adjusted = adjust_holm([row[-1] for row in rows])
    columns = ["better", "other", "difference", "t", "df", "p", "p_holm"]
    return pd.DataFrame([[*row, p] for row, p in zip(rows, adjusted, strict=True)], columns=columns)


def list_differences(scores: pd.DataFrame, metric: str, best: str | None) -> pd.DataFrame:
    """Return the scores of the best estimator minus those of the others: folds in rows, estimators in columns."""
    table = scores.pivot(index="fold", columns="estimator", values=metric)
    if best is None:
        return pd.DataFrame()
    others = [name for name in scores["estimator"].unique() if name != best and table[name].notna().any()]
    return pd.DataFrame({name: table[best] - table[name] for name in others})


def corrected_t_test(difference: NDArray[np.floating], test_train_ratio: float) -> tuple[float, float]:
    """Test paired differences of k folds by Nadeau & Bengio (2003); return t and two-sided p."""
    k = len(difference)
    mean, variance = float(difference.mean()), float(difference.var(ddof=1))
    scale = math.sqrt((1 / k + test_train_ratio) * variance)
    if scale == 0:
        return (0.0, 1.0) if mean == 0 else (math.copysign(math.inf, mean), 0.0)
    t = mean / scale
    return t, float(2 * stats.t.sf(abs(t), df=k - 1))


def adjust_holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values by Holm's (1979) step-down procedure."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(stepped, 1)[np.argsort(order)]
