"""Scores used by the benchmarks."""

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score


def score(labels, probabilities, classes):
    """Return accuracy, macro F1 and macro-averaged ROC AUC (one vs rest)."""
    predicted = classes[probabilities.argmax(axis=1)]
    areas = [roc_auc_score(labels == name, probabilities[:, column]) for column, name in enumerate(classes)]
    return {
        "accuracy": accuracy_score(labels, predicted),
        "macro F1": f1_score(labels, predicted, average="macro", labels=classes),
        "ROC AUC, one vs rest": float(np.mean(areas)),
    }
