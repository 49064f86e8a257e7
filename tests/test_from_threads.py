"""Concurrent calls of one network from several threads."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sk_emotion import EmotionClassifier, FaceLoader, HOGTransformer, LeastSquaresSVC, networks
from sk_emotion.exceptions import LabelError

pytestmark = pytest.mark.training


@pytest.mark.parametrize("size", [12, 24])
@pytest.mark.parametrize("method", ["embed", "predict_proba"])
def test_each_thread_gets_its_own_result(faces, size, method):
    X, y, _ = faces
    images = X[:, :size, :size]
    clf = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0).fit(images, y)
    parts = np.array_split(images, 4)
    expected = [getattr(clf, method)(part) for part in parts]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: getattr(clf, method)(parts[number % 4]), range(60)))
    for number, answer in enumerate(found):
        np.testing.assert_allclose(answer, expected[number % 4], atol=1e-4)


FIRST, SECOND = ["anger", "happiness"], ["fear", "pain", "sadness"]


def call_while_fitting(functions, fits):
    """Call functions repeatedly in threads until `fits` ends; return their results and errors."""
    ended = threading.Event()
    results = [[] for _ in functions]

    def call(number):
        while not ended.is_set() or not results[number]:
            try:
                results[number].append(functions[number]())
            except Exception as error:
                results[number].append(error)
            # Let other threads run.
            time.sleep(0.01)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(functions))]
    for thread in threads:
        thread.start()
    try:
        fits()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    return results


@pytest.mark.parametrize(
    ("refit", "size"), [("fit", 12), ("fit", 24), ("fails", 24), ("warm_start", 24), ("partial_fit", 12)]
)
def test_other_threads_use_the_old_network_until_fit_ends(faces, refit, size):
    X = np.asarray(faces[0])[:24, :size, :size]
    old, new = (np.resize(labels, 24) for labels in (FIRST, SECOND))
    warm = refit == "warm_start"
    clf = EmotionClassifier(
        networks.VGG(width=4) if size > 12 else networks.ResNet(width=4),
        max_epochs=1, warm_start=warm, random_state=0, precision="fp32",
    ).fit(X, old)  # fmt: skip
    before = clf.predict_proba(X)

    def fits():
        for _ in range(1 if refit == "fit" else 2):
            if refit == "fit":
                clf.fit(X, new).fit(X, old)
            elif refit == "fails":
                with pytest.raises(LabelError):
                    clf.fit(X, new[:1].repeat(24))
                clf.fit(X, old)
            elif refit == "warm_start":
                clf.fit(X, old)
            else:
                clf.partial_fit(X, old)

    labels, probabilities, features, scores = call_while_fitting(
        [lambda: clf.predict(X), lambda: clf.predict_proba(X), lambda: clf.embed(X), lambda: clf.score(X, old)], fits
    )
    np.testing.assert_allclose(probabilities[0], before, atol=1e-5)
    for answer in labels + probabilities + features + scores:
        if refit == "fails" and isinstance(answer, NotFittedError):
            # There is no network between the failed fit and the next one.
            continue
        assert not isinstance(answer, Exception), repr(answer)
    for answer in labels:
        if not isinstance(answer, Exception):
            assert set(answer) <= set(FIRST) or set(answer) <= set(SECOND)


def test_failed_fit_removes_the_old_fit(faces):
    X = np.asarray(faces[0])[:24, :24, :24]
    clf = EmotionClassifier(networks.VGG(width=4), max_epochs=1, random_state=0).fit(X, np.resize(FIRST, 24))
    with pytest.raises(LabelError):
        clf.fit(X, ["pain"] * 24)
    assert not hasattr(clf, "net_") and not hasattr(clf, "history_")


@pytest.mark.parametrize(
    ("make", "method"),
    [
        (lambda: HOGTransformer(pixels_per_cell=(4, 4)), "transform"),
        (lambda: LeastSquaresSVC(), "predict"),
        (lambda: LeastSquaresSVC(), "predict_proba"),
        (lambda: LeastSquaresSVC(), "decision_function"),
        (lambda: FaceLoader(8), "transform"),
    ],
)
def test_other_estimators_are_refitted_atomically(make, method):
    """Each result is that of one of the fits, or an error for input that does not match it."""
    rng = np.random.default_rng(0)
    small, large = (rng.integers(0, 255, (12, side, side), dtype=np.uint8) for side in (16, 24))
    images = [small.reshape(12, -1), large.reshape(12, -1)]
    labels = [np.resize(FIRST, 12), np.resize(SECOND, 12)]
    estimator = make()
    expected = [getattr(estimator.fit(X, y), method)(X) for X, y in zip(images, labels, strict=True)]

    def fits():
        for number in range(40):
            estimator.fit(images[number % 2], labels[number % 2])

    for number, answers in enumerate(
        call_while_fitting([lambda X=X: getattr(estimator, method)(X) for X in images], fits)
    ):
        for answer in answers:
            if isinstance(answer, Exception):
                assert isinstance(answer, ValueError) and "features" in str(answer), repr(answer)
            else:
                np.testing.assert_array_equal(answer, expected[number])


def test_embedding_in_another_thread_leaves_no_hook_in_a_copied_network(faces):
    X, y = np.asarray(faces[0])[:24, :24, :24], np.resize(FIRST, 24)
    clf = EmotionClassifier(networks.VGG(width=4), random_state=0).partial_fit(X, y)
    call_while_fitting([lambda: clf.embed(X)] * 2, lambda: [clf.partial_fit(X, y) for _ in range(4)])
    hooks = [hook for layer in clf.net_.module_.modules() for hook in layer._forward_pre_hooks.values()]
    assert not any(hasattr(hook, "last") for hook in hooks)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_forked_process_predicts_and_trains():
    """As in gunicorn --preload or multiprocessing workers; in a subprocess, so that pytest is not forked."""
    code = """
import os, pickle, signal, threading, warnings
import numpy as np, torch
warnings.simplefilter("ignore", DeprecationWarning)
torch.set_num_threads(2)
from sk_emotion import *
X, y, _ = make_faces(32, emotions=["happiness", "pain"], image_size=24, random_state=0)
trained = EmotionClassifier(networks.ResNet(width=8), max_epochs=1, random_state=0).fit(X, y)
expected = trained.predict_proba(X)
for parent, n_threads in [("loads", 2), ("predicts", 4), ("predicts in a thread", 2)]:
    torch.set_num_threads(n_threads)
    clf = pickle.loads(pickle.dumps(trained)) if parent == "loads" else trained
    clf.predict_proba(X) if parent == "predicts" else None
    ended = threading.Event()
    if "thread" in parent:
        def predict():
            while not ended.is_set():
                clf.predict_proba(X)
        threading.Thread(target=predict).start()
    for _ in range(2):
        child = os.fork()
        if not child:
            signal.alarm(60)  # kill the process if it hangs
            try:
                np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-4)
                clf.embed(X[:2]), clf.fit(X, y).predict(X), make_hog_svm().fit(X, y).predict(X)
                AugmentationOverSampler().fit_resample(X[:20], y[:20])
            except BaseException as error:
                print(parent, repr(error), flush=True)
                os._exit(1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if status:
            break
    ended.set()
    assert torch.get_num_threads() == n_threads
    if status:
        raise SystemExit(f"{parent}: status {status}")
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=200, env=environment)
