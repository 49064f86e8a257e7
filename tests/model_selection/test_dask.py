"""Searches and comparisons on a Dask cluster with two worker processes."""

import os
import re
import signal
import sys
import warnings
from collections import Counter
from itertools import chain

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from distributed import Client, LocalCluster
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from skorch.callbacks import Callback

from sk_emotion import EmotionClassifier, compare_classifiers, make_hog_svm, networks
from sk_emotion._training._hardware import limit_worker_threads
from sk_emotion.exceptions import TrainingError

pytestmark = pytest.mark.training

TIMES = ["fit_time", "score_time"]


def kill_worker(trace):
    """Kill the process once, as if it ran out of memory."""
    if not os.path.exists(trace):
        open(trace, "x").close()
        os.kill(os.getpid(), signal.SIGKILL)


class KillsItsWorker(Callback):
    def __init__(self, trace):
        self.trace = trace

    def on_epoch_end(self, net, **kwargs):
        kill_worker(self.trace)


class Bayes(GaussianNB):
    """Warns in fit, or kills the process."""

    def __init__(self, *, trace=None, warning=None):
        super().__init__()
        self.trace = trace
        self.warning = warning

    def fit(self, X, y):
        if self.warning is not None:
            warnings.warn(self.warning, UserWarning, stacklevel=1)
        if self.trace is not None:
            kill_worker(self.trace)
        return super().fit(X, y)


class RecordsReceivers(list):
    """A list that writes the id of each process that receives it to a file."""

    def __init__(self, items, path):
        super().__init__(items)
        self.path = path

    def __reduce__(self):
        return receive, (list(self), self.path)


def receive(items, path):
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")
    return RecordsReceivers(items, path)


def fail(estimator, X, y):
    raise RuntimeError("not available")


@pytest.fixture(scope="module")
def cluster(start_cluster):
    with start_cluster(n_workers=2, threads_per_worker=1) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with Client(cluster, set_as_default=False) as client:
        # With a single worker, after the other was killed, joblib would compute in this process.
        client.wait_for_workers(2, timeout=120)
        yield client


@pytest.fixture
def cnn():
    return EmotionClassifier(networks.ResNet(width=4), max_epochs=1, augmentation=None, random_state=0)


def find_scores(search):
    return {name: values for name, values in search.cv_results_.items() if "_test_score" in name}


def test_halving_search_matches_local_results(faces, client, cnn):
    X, y, _ = faces
    grid = {"learning_rate": [0.01, 0.02, 0.05, 0.1]}
    search = HalvingGridSearchCV(cnn, grid, factor=2, min_resources=20, cv=2, random_state=0)
    local = find_scores(search.fit(X, y))
    with joblib.parallel_config("dask", client=client, scatter=[X, y]):
        shared = find_scores(search.fit(X, y))
    assert search.n_iterations_ == 3
    np.testing.assert_equal(shared, local)


def test_failures_warnings_and_progress_are_returned(faces, client, capsys):
    X, y, people = faces
    scoring = {"own": lambda estimator, X, y: float(np.mean(estimator.predict(X) == y)), "impossible": fail}
    classifiers = {"Bayes": Bayes(warning="variance is small")}

    def compare():
        with pytest.warns() as record:
            result = compare_classifiers(
                classifiers, X.reshape(len(X), -1), y, groups=people, cv=2, scoring=scoring, verbose=1, random_state=0
            )
        return result, {str(warning.message) for warning in record}

    local, local_messages = compare()
    capsys.readouterr()
    with joblib.parallel_config("dask", client=client):
        shared, messages = compare()
    assert messages == local_messages
    assert "variance is small" in messages
    pd.testing.assert_frame_equal(shared.failures, local.failures)
    assert len(shared.failures) == 2
    assert shared.caveats == local.caveats
    assert "[1/1] Bayes" in capsys.readouterr().err


def test_data_is_sent_once_without_nested_tasks(faces, client, tmp_path):
    X, y, people = faces
    images = RecordsReceivers(X, str(tmp_path / "sent"))
    svm = make_hog_svm(image_size=24)
    search = GridSearchCV(make_hog_svm(image_size=24), {"svc__C": [1, 10]}, cv=2)
    before = len(client.run_on_scheduler(name_tasks))
    with joblib.parallel_config("dask", client=client):
        compare_classifiers({"SVM": svm, "SVM, tuned": search}, images, y, groups=people, cv=5, random_state=0)
    done = client.run_on_scheduler(name_tasks)[before:]
    names = {name.split("-")[0] for name in done}
    assert "data" in names
    assert all(re.fullmatch(r"(mixed_)?batch_of_record_warnings_\d+_calls", name) for name in names - {"data"})
    sent = Counter((tmp_path / "sent").read_text().split())
    for worker in client.run(os.getpid).values():
        # Once with the task that recreates it and once by itself, but not with each of five folds.
        assert sent[str(worker)] <= 2


def name_tasks(dask_scheduler):
    return [str(step[0]) for step in dask_scheduler.transition_log if step[2] == "memory"]


def test_threads_of_a_worker_share_the_cores(monkeypatch):
    def count_threads():
        torch.set_num_threads(2)
        with limit_worker_threads():
            return torch.get_num_threads()

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        assert client.submit(count_threads).result() == 1
    assert count_threads() == 2
    torch.set_num_threads(1)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc reads the variables that Dask sets")
def test_workers_reuse_freed_memory(faces, client, cnn):
    def count_page_faults(clf, X, y):
        import resource

        clf.fit(X, y)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(100):
            torch.ones(8, 1024, 1024, dtype=torch.uint8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    X, y, _ = faces
    # Each tensor has 2048 pages.
    assert client.submit(count_page_faults, cnn, X, y).result() < 20 * 2048


# The last tests kill workers, which take seconds to start again.
def test_grid_search_survives_a_killed_worker(faces, client, cnn, tmp_path):
    # As in docs/guide/cluster.md.
    X, y, _ = faces
    folds = list(StratifiedKFold(3).split(X, y))
    trace = str(tmp_path / "killed")
    grid = {"learning_rate": [0.01, 0.1, 0.5], "callbacks": [None, [KillsItsWorker(trace)]]}
    search = GridSearchCV(cnn, grid, scoring="f1_macro", cv=folds, refit=False, error_score="raise")
    client.amm.stop()
    with joblib.parallel_config("dask", client=client, scatter=[X, y, *chain(*folds)]):
        shared = find_scores(search.fit(X, y))
    client.amm.start()
    assert os.path.exists(trace)
    local = find_scores(search.fit(X, y))
    assert len(np.unique(local["mean_test_score"])) > 1
    np.testing.assert_equal(shared, local)


def test_comparison_survives_a_killed_worker(faces, client, tmp_path):
    X, y, people = faces
    trace = str(tmp_path / "killed")
    classifiers = {"safe": Bayes(), "doomed": Bayes(trace=trace)}

    def compare():
        result = compare_classifiers(classifiers, X.reshape(len(X), -1), y, groups=people, cv=3, random_state=0)
        return [table.drop(columns=TIMES) for table in (result.scores, result.reference)]

    with joblib.parallel_config("dask", client=client):
        shared = compare()
    assert os.path.exists(trace)
    for table, expected in zip(shared, compare(), strict=True):
        pd.testing.assert_frame_equal(table, expected, check_exact=True)


def test_cluster_that_fails_raises(faces, client, tmp_path):
    def set_allowed_failures(number, dask_scheduler):
        dask_scheduler.allowed_failures = number

    X, y, people = faces
    client.run_on_scheduler(set_allowed_failures, 0)
    try:
        with (
            joblib.parallel_config("dask", client=client),
            pytest.raises(TrainingError, match="The Dask cluster failed"),
        ):
            doomed = Bayes(trace=tmp_path / "killed")
            compare_classifiers({"doomed": doomed}, X.reshape(len(X), -1), y, groups=people, cv=3, random_state=0)
    finally:
        client.run_on_scheduler(set_allowed_failures, 3)
