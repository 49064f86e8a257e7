"""Compare LeastSquaresSVC with libsvm's SVC on HOG features: time and scores.

    python benchmarks/hog_svm.py [--fer2013 fer2013.npz]

Both are trained on the same rows and evaluated on others. With FER2013, ``make_hog_svm()`` is also trained on all of
Training, and its total time and its accuracy on PublicTest are asserted. Without it, synthetic faces are used, and
nothing is asserted.
"""

import time

import numpy as np
import pandas as pd
from _scores import score
from _timing import describe_machine, parse_arguments
from sklearn.metrics import log_loss

from sk_emotion import load_fer2013, make_faces, make_hog_svm

PROMISED_MINUTES = 4
PROMISED_ACCURACY = 0.55


def load(arguments):
    """Return faces and labels for training and for evaluation."""
    if arguments.fer2013 is None:
        X, y, people = make_faces(2 * arguments.rows, random_state=0)
        test = np.isin(people, np.unique(people)[::2])
        return X[~test], y[~test], X[test], y[test]
    parts = (load_fer2013(arguments.fer2013, subset=subset) for subset in ("train", "validation"))
    return tuple(values for part in parts for values in (part.data, part.target))


def measure(name, X, y, X_test, y_test, **parameters):
    """Train and evaluate ``make_hog_svm(**parameters)``."""
    start = time.perf_counter()
    model = make_hog_svm(**parameters).fit(X, y)
    middle = time.perf_counter()
    scores = model.predict_proba(X_test)
    end = time.perf_counter()
    return {
        "model": name,
        "rows": len(y),
        "fit (s)": middle - start,
        "predict (s)": end - middle,
        **score(y_test, scores, model.classes_),
        "log loss": log_loss(y_test, scores, labels=model.classes_),
    }


def main() -> None:
    arguments = parse_arguments(
        __doc__,
        fer2013={"help": "fer2013.csv, .npz, or a folder with train and test"},
        rows={"type": int, "default": 5000, "help": "number of training rows for both"},
    )
    if arguments.quick:
        arguments.rows = 500
    X, y, X_test, y_test = load(arguments)
    if arguments.quick:
        X_test, y_test = X_test[:1000], y_test[:1000]
    few = np.random.default_rng(0).permutation(len(y))[: arguments.rows]
    rows = [
        measure(name, X[few], y[few], X_test, y_test, solver=solver)
        for name, solver in {"SVC (libsvm)": "libsvm", "LeastSquaresSVC": "least_squares"}.items()
    ]
    whole = None
    if arguments.fer2013 is not None and not arguments.quick:
        whole = measure("LeastSquaresSVC", X, y, X_test, y_test)
        rows.append(whole)
    print(describe_machine())
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format))
    if whole is not None:
        minutes = (whole["fit (s)"] + whole["predict (s)"]) / 60
        assert minutes <= PROMISED_MINUTES, f"{minutes:.1f} minutes > {PROMISED_MINUTES}"
        assert whole["accuracy"] >= PROMISED_ACCURACY, f"accuracy {whole['accuracy']:.3f} < {PROMISED_ACCURACY}"


if __name__ == "__main__":
    main()
