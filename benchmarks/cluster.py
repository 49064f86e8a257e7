"""Measure the speedup of a search by two worker processes of a Dask cluster.

    python benchmarks/cluster.py

The search has 12 candidates in 3 folds and runs with ``n_jobs=1`` and on a cluster that is started beforehand. Both use
one thread per fit; the script asserts that the scores are identical. Requires ``sk-emotion[cluster]`` and two idle
cores.
"""

import os

# Set before PyTorch is imported, so that local fits have as many threads as those of Dask's workers.
os.environ["OMP_NUM_THREADS"] = "1"

import joblib
import numpy as np
from _timing import describe_machine, parse_arguments, tabulate, time_side_by_side
from dask.distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from sk_emotion import EmotionClassifier, make_faces, networks

# Maximum share of the time of ``n_jobs=1``.
PROMISED_SHARE = 0.65
N_WORKERS = 2


def find_scores(search, X, y, people):
    found = search.fit(X, y, groups=people).cv_results_
    return {name: scores for name, scores in found.items() if "_test_score" in name}


def main() -> None:
    arguments = parse_arguments(
        __doc__,
        images={"type": int, "default": 600},
        epochs={"type": int, "default": 2},
        rounds={"type": int, "default": 3},
    )
    n_images, n_epochs, rounds = arguments.images, arguments.epochs, arguments.rounds
    if arguments.quick:
        n_images, n_epochs, rounds = 60, 1, 1
    X, y, people = make_faces(n_images, emotions=["happiness", "pain", "fear"], image_size=32, random_state=0)
    search = GridSearchCV(
        EmotionClassifier(networks.ResNet(width=8), max_epochs=n_epochs, random_state=0),
        {"learning_rate": [0.01, 0.02, 0.05, 0.1, 0.2, 0.5], "network__dropout": [0.0, 0.1]},
        scoring="f1_macro",
        cv=StratifiedGroupKFold(3),
        refit=False,
        error_score="raise",
    )
    found = {}

    def search_alone():
        found["alone"] = find_scores(search, X, y, people)

    def search_on_cluster():
        with joblib.parallel_config("dask", scatter=[X, y]):
            found["cluster"] = find_scores(search, X, y, people)

    alone, shared = "n_jobs=1", f"Dask, {N_WORKERS} processes"
    with LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
        # The warm-up round also imports PyTorch in the workers.
        seconds = time_side_by_side({alone: search_alone, shared: search_on_cluster}, rounds=rounds)
    np.testing.assert_equal(found["cluster"], found["alone"])
    table = tabulate(seconds, n_items=36, against=alone, item="fits")
    share = 1 / table.set_index("contender").at[shared, f"x {alone}"]
    print(describe_machine())
    print(f"{n_images} images; load average {os.getloadavg()[0]:.1f}; the cluster takes {share:.2f} of the time\n")
    print(table.to_string(index=False))
    if not arguments.quick:
        assert share <= PROMISED_SHARE, f"{share:.2f} of the time of n_jobs=1, promised {PROMISED_SHARE}"


if __name__ == "__main__":
    main()
