"""Train a CNN and HOG+SVM with default parameters on FER2013's Training part; evaluate on PublicTest.

    python benchmarks/fer2013.py fer2013.npz

The path is passed to ``load_fer2013``. The script asserts the accuracies stated in ``benchmarks/README.md``.
"""

import argparse
import time

import pandas as pd
from _scores import score

from sk_emotion import EmotionClassifier, load_fer2013, make_hog_svm

PROMISED_ACCURACY = {"HOG+SVM": 0.55, "CNN": 0.66}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="fer2013.csv, .npz, or a folder with train and test")
    parser.add_argument("--models", nargs="+", choices=["HOG+SVM", "CNN"], default=["HOG+SVM", "CNN"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    return parser.parse_args()


def train(name, X, y, seed):
    """Train a model; return it and the time in seconds."""
    model = EmotionClassifier(random_state=seed, verbose=1) if name == "CNN" else make_hog_svm()
    start = time.perf_counter()
    model.fit(X, y)
    return model, time.perf_counter() - start


def evaluate(model, X, y):
    """Score predictions on unseen faces."""
    start = time.perf_counter()
    scores = model.predict_proba(X)
    seconds = time.perf_counter() - start
    return {**score(y, scores, model.classes_), "predict (s)": seconds}


def main() -> None:
    arguments = parse_arguments()
    training = load_fer2013(arguments.path, subset="train")
    public_test = load_fer2013(arguments.path, subset="validation")
    rows = []
    for name in arguments.models:
        for seed in arguments.seeds:
            model, seconds = train(name, training.data, training.target, seed)
            scores = evaluate(model, public_test.data, public_test.target)
            rows.append({"model": name, "seed": seed, **scores, "fit (min)": seconds / 60})
            print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format), flush=True)
    means = pd.DataFrame(rows).groupby("model")["accuracy"].mean()
    for name, accuracy in means.items():
        assert accuracy >= PROMISED_ACCURACY[name], f"{name}: accuracy {accuracy:.3f} < {PROMISED_ACCURACY[name]}"


if __name__ == "__main__":
    main()
