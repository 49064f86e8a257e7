"""Compare EmotionClassifier with HOG+SVM on few faces, both with default parameters.

    python benchmarks/few_faces.py [--fer2013 fer2013.npz] [--seeds 0 1 2]

Drawn faces: 900 of each of three draws, in three folds by person. FER2013: 600 and 1,500 faces of the Training part
with one of the five emotions that it shares with this package, without copies and black images, in three draws,
and the same 1,000 other faces as a test set. The differences in macro F1 are asserted; without FER2013, only those on
drawn faces.
"""

import itertools

import numpy as np
import pandas as pd
from _timing import describe_machine, parse_arguments
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedGroupKFold

from sk_emotion import EMOTIONS, EmotionClassifier, load_fer2013, make_faces, make_hog_svm

DRAWS = 3
N_TEST = 1000

# Minimum of the mean difference in macro F1, and maximum standard deviation of the network over folds.
PROMISED = {"drawn, 600": 0.12, "FER2013, 600": 0.01, "FER2013, 1500": 0.05}
PROMISED_SPREAD = 0.07


def draw_faces(draw, n_faces):
    """Yield training and test faces of three folds by person."""
    X, y, people = make_faces(n_faces, random_state=draw)
    for train, test in StratifiedGroupKFold(3).split(X, y, people):
        yield X[train], y[train], X[test], y[test]


def select_faces(path):
    """Return the distinct faces of FER2013's Training part with a shared emotion, in random order."""
    faces = load_fer2013(path, subset="train")
    X, y = np.asarray(faces.data), np.asarray(faces.target)
    shared = np.flatnonzero(np.isin(y, EMOTIONS) & X.any(axis=(1, 2)))
    _, first = np.unique(X[shared].reshape(len(shared), -1), axis=0, return_index=True)
    kept = np.random.default_rng(0).permutation(shared[np.sort(first)])
    return X[kept], y[kept]


def draw_fer2013(X, y, draw, n_faces):
    """Yield the training faces of a draw, and the test faces of all draws."""
    rows = N_TEST + np.random.default_rng([draw, n_faces]).permutation(len(y) - N_TEST)[:n_faces]
    yield X[rows], y[rows], X[:N_TEST], y[:N_TEST]


def evaluate(data, draw, folds, models):
    """Fit the models on each fold; return a row per fold and model, and print the mean of each model."""
    rows = []
    for fold, (X, y, X_test, y_test) in enumerate(folds):
        for (name, seed), make in models.items():
            predicted = make().fit(X, y).predict(X_test)
            scores = {
                "macro F1": f1_score(y_test, predicted, average="macro"),
                "accuracy": accuracy_score(y_test, predicted),
            }
            rows.append({"data": data, "draw": draw, "fold": fold, "model": name, "seed": seed, **scores})
    table = pd.DataFrame(rows)
    means = table.groupby(["data", "draw", "model", "seed"])[["macro F1", "accuracy"]].mean()
    print(means.to_string(header=False, float_format="{:.3f}".format), flush=True)
    return table


def summarize(table):
    """Return means, spreads and paired differences by data set."""
    summary = []
    for data, part in table.groupby("data", sort=False):
        runs = part.groupby(["model", "draw", "seed"])["macro F1"]
        cnn, hog = runs.mean()["CNN"], runs.mean()["HOG+SVM"].droplevel("seed")
        # Seeds of a draw share its faces, so that draws are the independent units of the interval.
        by_draw = (cnn - hog).groupby("draw").mean()
        low, high = stats.t.interval(0.95, len(by_draw) - 1, by_draw.mean(), stats.sem(by_draw))
        accuracy = part.groupby("model")["accuracy"].mean()
        summary.append(
            {
                "faces": data,
                "CNN": cnn.mean(),
                "HOG+SVM": hog.mean(),
                "difference": by_draw.mean(),
                "from": low,
                "to": high,
                "std of runs": cnn.std(ddof=1),
                "largest std over folds": runs.std(ddof=1)["CNN"].max(),
                "accuracy CNN": accuracy["CNN"],
                "accuracy HOG+SVM": accuracy["HOG+SVM"],
            }
        )
    return pd.DataFrame(summary).set_index("faces")


def main() -> None:
    arguments = parse_arguments(
        __doc__,
        fer2013={"help": "fer2013.csv, .npz, or a folder with train and test"},
        seeds={"type": int, "nargs": "+", "default": [0, 1, 2], "help": "seeds of the network"},
        checkpoints={"help": "folder in which interrupted trainings resume"},
    )
    epochs = {"max_epochs": 1} if arguments.quick else {}
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    models = {("HOG+SVM", -1): make_hog_svm}
    for seed in seeds:
        models["CNN", seed] = lambda seed=seed: EmotionClassifier(
            random_state=seed, checkpoint_dir=arguments.checkpoints, **epochs
        )
    n_drawn = 90 if arguments.quick else 900
    tables = [
        evaluate("drawn, 600", draw, draw_faces(draw, n_drawn), dict(itertools.islice(models.items(), 2)))
        for draw in range(DRAWS)
    ]
    if arguments.fer2013 is not None:
        X, y = select_faces(arguments.fer2013)
        for n_faces, draw in itertools.product((600, 1500), range(DRAWS)):
            tables.append(evaluate(f"FER2013, {n_faces}", draw, draw_fer2013(X, y, draw, n_faces), models))
    summary = summarize(pd.concat(tables))
    print(describe_machine())
    print(summary.T.to_string(float_format="{:.3f}".format))
    if not arguments.quick:
        for data, row in summary.iterrows():
            assert row["difference"] >= PROMISED[data], f"{data}: difference {row['difference']:.3f} < {PROMISED[data]}"
        spread = summary.loc["drawn, 600", "largest std over folds"]
        assert spread <= PROMISED_SPREAD, f"standard deviation over folds {spread:.3f} > {PROMISED_SPREAD}"


if __name__ == "__main__":
    main()
