"""Test whether the differences between classifiers are significant."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

_COLUMNS = ["better", "other", "difference", "t", "df", "p", "p_holm"]


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
    return pd.DataFrame([[*row, p] for row, p in zip(rows, adjusted, strict=True)], columns=_COLUMNS)


def list_differences(scores: pd.DataFrame, metric: str, best: str | None) -> pd.DataFrame:
    """Return the scores of the best estimator minus those of the others: folds in rows, estimators in columns."""
    table = scores.pivot(index="fold", columns="estimator", values=metric)
    others = [name for name in scores["estimator"].unique() if name != best and table[name].notna().any()]
    if best is None:
        return pd.DataFrame()
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
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
