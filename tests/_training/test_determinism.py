"""Reproducibility of training with a fixed seed, as documented."""

import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sk_emotion import EmotionClassifier, make_faces, networks

pytestmark = pytest.mark.training(quick=True)

# In such images, the order of sums in two threads makes a difference.
SETTINGS = {"emotions": ["happiness", "pain"], "image_size": 24, "random_state": 0}

_TRAIN_IN_A_NEW_PROCESS = f"""
import joblib, torch
from sk_emotion import EmotionClassifier, make_faces, networks
X, y, _ = make_faces(64, **{SETTINGS})
for threads in (1, 2):
    torch.set_num_threads(threads)
    model = EmotionClassifier(networks.ResNet(width=8), max_epochs=2, ema=0.9, random_state=0).fit(X, y)
    print(joblib.hash(model.net_.to_arrays()))
"""


@pytest.fixture(scope="module")
def faces():
    X, y, _ = make_faces(64, **SETTINGS)
    return X, y


@pytest.fixture
def threads():
    """Function that sets the number of PyTorch threads, restored after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def train(X, y, **settings):
    defaults = {"max_epochs": 1, "random_state": 0}
    return EmotionClassifier(networks.ResNet(width=8), **(defaults | settings)).fit(X, y)


class CountThreads(Callback):
    """Record the number of PyTorch threads during training."""

    def on_epoch_begin(self, net, **kwargs):
        net.history.record("threads", torch.get_num_threads())


def count_threads_and_hash(X, y):
    network = networks.ResNet(width=8)
    model = EmotionClassifier(network, max_epochs=1, callbacks=[CountThreads()], random_state=0).fit(X, y)
    return model.history_[0]["threads"], joblib.hash(model.net_.to_arrays())


def test_new_process_trains_identical_weights(faces, threads):
    here = []
    for number in (1, 2):
        threads(number)
        here.append(joblib.hash(train(*faces, max_epochs=2, ema=0.9).net_.to_arrays()))
    done = subprocess.run([sys.executable, "-c", _TRAIN_IN_A_NEW_PROCESS], check=True, capture_output=True, text=True)
    assert done.stdout.split() == here


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_workers_share_the_cores_and_train_the_same_weights(faces, backend, monkeypatch):
    # The variable takes precedence.
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with joblib.parallel_config(backend):
        found = joblib.Parallel(n_jobs=2)(joblib.delayed(count_threads_and_hash)(*faces) for _ in range(2))
    assert 2 * max(count for count, _ in found) <= max(2, joblib.cpu_count())
    assert len({weights for _, weights in found}) == 1


def test_fit_outside_workers_uses_all_cores(faces, threads):
    threads(joblib.cpu_count())
    assert count_threads_and_hash(*faces)[0] == joblib.cpu_count() == torch.get_num_threads()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_number_of_threads_hardly_changes_an_epoch(faces, threads, precision):
    threads(1)
    one = train(*faces, precision=precision)
    threads(2)
    two = train(*faces, precision=precision)
    assert abs(one.history_[0]["train_loss"] - two.history_[0]["train_loss"]) < 0.02
    np.testing.assert_allclose(one.predict_proba(faces[0]), two.predict_proba(faces[0]), atol=0.02)
