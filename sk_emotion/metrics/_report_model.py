"""Training history and class counts of the evaluated classifier."""

from typing import Any

import pandas as pd

from ..preprocessing._pipelines import find_last_step


def find_history(estimator: Any) -> list[dict[str, Any]] | None:
    """Return the training history; None if the estimator has none."""
    return getattr(find_last_step(estimator), "history_", None) or None


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
