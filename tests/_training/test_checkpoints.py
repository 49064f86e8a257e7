"""Interrupted training resumes from its last completed epoch with identical results."""

import json
import multiprocessing
import os
import resource
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from failing import InterruptAt
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sk_emotion import EmotionClassifier, compare_classifiers, make_faces, networks
from sk_emotion.exceptions import CheckpointError, CheckpointWarning
from sk_emotion.utils._files import lock_file

pytestmark = pytest.mark.training(quick=True)

X, Y, GROUPS = make_faces(48, emotions=["happiness", "pain"], image_size=24, random_state=0)

SETTINGS = [
    {},
    {"ema": 0.9},
    {"optimizer": "adamw", "schedule": "cosine", "ema": 0.5},
    {"validation_fraction": 0.25, "early_stopping": True, "n_iter_no_change": 3},
    {"network": networks.ResNet(4, dropout=0.3), "schedule": None, "balance_batches": True},
]


class LogEpochs(Callback):
    """Write a line to a file at the beginning of each epoch, which remains if the process is killed."""

    def __init__(self, path=None):
        self.path = path

    def on_epoch_begin(self, net, **kwargs):
        with open(self.path, "a") as file:
            file.write(f"{len(net.history)}\n")

    def get_params(self, deep=True):
        return {}


class FillDisk(InterruptAt):
    """Limit the size of files to less than that of a checkpoint."""

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


class Counter(Callback):
    """Implement `state_dict` and `load_state_dict`."""

    def initialize(self):
        self.batches = 0
        return self

    def on_batch_end(self, net, training, **kwargs):
        self.batches += training

    def state_dict(self):
        return {"batches": self.batches, "last": torch.tensor([self.batches])}

    def load_state_dict(self, state):
        self.batches = state["batches"]
        assert int(state["last"]) == self.batches

    def get_params(self, deep=True):
        return {}


def make_classifier(**settings):
    defaults = {"network": networks.ResNet(4), "max_epochs": 6, "batch_size": 16, "random_state": 0}
    return EmotionClassifier(**(defaults | settings))


def hash_weights(clf):
    return joblib.hash(clf.net_.to_arrays())


def interrupt(directory, epoch, clf=None, **settings):
    clf = clone(clf or make_classifier(**settings))
    clf.set_params(checkpoint_dir=directory, callbacks=[InterruptAt(epoch)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, Y)
    return clf


def list_files(directory):
    return sorted(path.name.split(".")[0] for path in Path(directory).rglob("[!.]*.safetensors"))


def train_with_log(settings, directory, log):
    torch.set_num_threads(1)
    clf = make_classifier(**settings, checkpoint_dir=directory, callbacks=[LogEpochs(log)]).fit(X, Y)
    Path(log).with_suffix(".hash").write_text(hash_weights(clf))


@pytest.fixture(scope="module")
def processes():
    """A multiprocessing context whose processes have imported everything already."""
    context = multiprocessing.get_context("forkserver")
    # Imports of this file and of an optimizer's first step, which would take seconds in each process.
    context.set_forkserver_preload(["pytest", "torch._dynamo", "sk_emotion.classifier", "sk_emotion.model_selection"])
    return context


def kill_at_random(processes, settings, folder, rng, expected):
    """Kill training at a random time after its second epoch and train again; saved epochs must not be repeated."""
    log = folder / "log"
    arguments = (settings, folder / "checkpoints", log)
    process = processes.Process(target=train_with_log, args=arguments)
    process.start()
    while not log.exists() or len(log.read_text().split()) < 3:
        assert process.is_alive(), "it ended before it was killed"
        process.join(0.001)
    # An epoch takes about 0.05 s, so this may be any epoch from the third to the last.
    process.join(rng.uniform(0, 0.25))
    process.kill()
    process.join()
    saved = [int(name[6:]) for name in list_files(folder) if name.startswith("epoch")]
    begun = len(log.read_text().split())
    again = processes.Process(target=train_with_log, args=arguments)
    again.start()
    again.join()
    assert again.exitcode == 0
    assert log.with_suffix(".hash").read_text() == expected
    resumed = [int(line) for line in log.read_text().split()][begun:]
    assert not saved or not resumed or resumed[0] == max(saved) + 1
    assert saved or not resumed


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(settings) or "default")
def test_killed_training_ends_with_the_same_weights(processes, settings, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # The callback makes both the same training; it does not change the weights.
        expected = hash_weights(make_classifier(**settings, callbacks=[LogEpochs(tmp_path / "whole")]).fit(X, Y))
    finally:
        torch.set_num_threads(before)
    rng = np.random.default_rng(len(settings))
    for attempt in range(2):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        kill_at_random(processes, settings, folder, rng, expected)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(settings) or "default")
def test_interrupted_training_resumes_in_the_next_epoch(settings, tmp_path):
    whole = make_classifier(**settings, callbacks=[InterruptAt(99)]).fit(X, Y)
    interrupt(tmp_path, 4, **settings)
    assert list_files(tmp_path) == ["epoch-00002", "epoch-00003"]
    # If a saved epoch were repeated, the callback would interrupt training.
    clf = make_classifier(**settings, checkpoint_dir=tmp_path, callbacks=[InterruptAt(3)]).fit(X, Y)
    assert hash_weights(clf) == hash_weights(whole)
    assert clf.n_iter_ == whole.n_iter_
    assert [epoch["train_loss"] for epoch in clf.history_] == [epoch["train_loss"] for epoch in whole.history_]
    assert list_files(tmp_path) == ["finished"]


def test_finished_training_is_not_run_again(tmp_path):
    first = make_classifier(checkpoint_dir=tmp_path, callbacks=[InterruptAt(99)]).fit(X, Y)
    second = make_classifier(checkpoint_dir=tmp_path, callbacks=[InterruptAt(1)]).fit(X, Y)
    np.testing.assert_array_equal(second.predict_proba(X), first.predict_proba(X))
    assert second.history_ == first.history_
    # Continued training is the same as after a new fit.
    assert hash_weights(second.partial_fit(X, Y)) == hash_weights(first.partial_fit(X, Y))


def test_each_fold_and_candidate_has_its_own_folder(tmp_path):
    grid = {"learning_rate": [0.01, 0.1]}
    plain = GridSearchCV(make_classifier(max_epochs=2), grid, cv=2).fit(X, Y)
    # Forks have imported everything already.
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        kept = GridSearchCV(make_classifier(max_epochs=2, checkpoint_dir=tmp_path), grid, cv=2).fit(X, Y)
    np.testing.assert_array_equal(kept.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    # Four fits in the search, and the refit of the best candidate.
    assert len(list(tmp_path.iterdir())) == 5
    result = compare_classifiers(
        {"CNN": make_classifier(max_epochs=1, checkpoint_dir=tmp_path)}, X, Y, cv=2, random_state=0
    )
    assert len(list(tmp_path.iterdir())) == 7 and not result.failures.size


@pytest.mark.parametrize(
    "change",
    [
        lambda clf, X, y: (clf, X[::-1].copy(), y[::-1].copy(), {}),
        lambda clf, X, y: (clf, X, np.where(y == "pain", "fear", y), {}),
        lambda clf, X, y: (clf, X, y, {"sample_weight": np.arange(1.0, len(y) + 1)}),
        lambda clf, X, y: (clf, X, y, {"X_val": X[:9], "y_val": y[:9]}),
        lambda clf, X, y: (clf, X, y, {"groups": GROUPS}),
        lambda clf, X, y: (clf.set_params(network__width=8), X, y, {}),
        lambda clf, X, y: (clf.set_params(augmentation__rotation=3), X, y, {}),
        lambda clf, X, y: (clf.set_params(random_state=1), X, y, {}),
        lambda clf, X, y: (clf.set_params(callbacks=[InterruptAt(7)]), X, y, {}),
    ],
)
def test_another_training_has_another_folder(tmp_path, change):
    make_classifier(max_epochs=1, checkpoint_dir=tmp_path).fit(X, Y)
    clf, images, labels, more = change(make_classifier(max_epochs=1, checkpoint_dir=tmp_path), X, Y)
    clf.fit(images, labels, **more)
    assert len(list(tmp_path.iterdir())) == 2


def test_parameters_that_do_not_change_the_weights_use_the_same_folder(tmp_path):
    make_classifier(max_epochs=1, checkpoint_dir=tmp_path).fit(X, Y)
    make_classifier(max_epochs=1, checkpoint_dir=f"{tmp_path}/", tta="mirror", device="cpu").fit(X.tolist(), list(Y))
    assert len(list(tmp_path.iterdir())) == 1


def test_folder_describes_the_training(tmp_path):
    make_classifier(max_epochs=1, checkpoint_dir=tmp_path).fit(X, Y)
    about = json.loads(next(tmp_path.glob("*/run.json")).read_text())
    assert about["parameters"]["network"] == "ResNet(width=4)"
    assert about["parameters"]["max_epochs"] == "1"
    assert about["torch"] == torch.__version__


@pytest.mark.parametrize("length", [0, 100, -1])
def test_damaged_checkpoint_is_skipped_for_an_older_one(tmp_path, length):
    whole = make_classifier(callbacks=[InterruptAt(99)]).fit(X, Y)
    interrupt(tmp_path, 5)
    last = next(tmp_path.rglob("epoch-00004.*"))
    last.write_bytes(last.read_bytes()[:length])
    with pytest.warns(CheckpointWarning, match=r"epoch-00004\.\w+\.safetensors is damaged .*Trying an older one"):
        clf = make_classifier(checkpoint_dir=tmp_path, callbacks=[InterruptAt(3)]).fit(X, Y)
    assert hash_weights(clf) == hash_weights(whole)


def test_only_damaged_checkpoints_is_an_error(tmp_path):
    interrupt(tmp_path, 5)
    for path in tmp_path.rglob("*.safetensors"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    with (
        pytest.warns(CheckpointWarning, match="its checksum does not match"),
        pytest.raises(CheckpointError, match="Delete this folder to start over"),
    ):
        make_classifier(checkpoint_dir=tmp_path, callbacks=[InterruptAt(99)]).fit(X, Y)


def test_partially_written_files_are_ignored_and_removed(tmp_path):
    interrupt(tmp_path, 4)
    folder = next(tmp_path.iterdir())
    (folder / ".epoch-00009.safetensors.0.tmp").write_bytes(b"half")
    clf = make_classifier(checkpoint_dir=tmp_path, callbacks=[InterruptAt(3)]).fit(X, Y)
    assert clf.n_iter_ == 6
    assert not list(folder.glob(".*.tmp"))


def test_checkpoint_of_another_network_is_an_error(tmp_path):
    """The code of a custom module may have changed."""
    interrupt(tmp_path / "small", 4)
    interrupt(tmp_path / "large", 4, network=networks.ResNet(8))
    small, large = next((tmp_path / "small").iterdir()), next((tmp_path / "large").iterdir())
    for path in large.glob("epoch*"):
        path.unlink()
    for path in small.glob("epoch*"):
        path.replace(large / path.name)
    with pytest.raises(CheckpointError, match="does not fit the network"):
        make_classifier(network=networks.ResNet(8), checkpoint_dir=tmp_path / "large", callbacks=[InterruptAt(99)]).fit(
            X, Y
        )


def test_full_disk_stops_the_training_and_leaves_the_older_checkpoint(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(CheckpointError, match=r"cannot be written .*Free disk space"):
            make_classifier(checkpoint_dir=tmp_path, callbacks=[FillDisk(4)]).fit(X, Y)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list_files(tmp_path) == ["epoch-00002", "epoch-00003"]
    assert not list(tmp_path.rglob("*.tmp"))


def test_folder_that_cannot_be_created_is_an_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CheckpointError, match=r"file.* cannot be written .*choose another folder"):
        make_classifier(checkpoint_dir=tmp_path / "file").fit(X, Y)


def test_parameter_that_cannot_be_hashed_is_an_error(tmp_path):
    clf = make_classifier(augmentation=lambda images, generator: images, checkpoint_dir=tmp_path)
    with pytest.raises(CheckpointError, match="at the top level of a module"):
        clf.fit(X, Y)


def test_waits_for_another_process_with_the_same_training(tmp_path):
    first = make_classifier(max_epochs=1, checkpoint_dir=tmp_path).fit(X, Y)
    lock = open(next(tmp_path.rglob("lock")), "ab", buffering=0)  # noqa: SIM115 - closed by the timer
    assert lock_file(lock, seconds=0)
    timer = threading.Timer(0.3, lock.close)
    timer.start()
    with pytest.warns(CheckpointWarning, match="another process runs the same training"):
        second = make_classifier(max_epochs=1, checkpoint_dir=tmp_path).fit(X, Y)
    assert not timer.is_alive() or lock.closed
    assert hash_weights(second) == hash_weights(first)


def test_without_a_seed_unfinished_training_resumes_and_finished_training_starts_anew(tmp_path):
    settings = {"random_state": None, "max_epochs": 4, "validation_fraction": 0.25}
    broken = interrupt(tmp_path, 3, **settings)
    first = make_classifier(**settings, checkpoint_dir=tmp_path, callbacks=[InterruptAt(2)]).fit(X, Y)
    assert first.history_[:2] == broken.history_
    second = make_classifier(**settings, checkpoint_dir=tmp_path, callbacks=[InterruptAt(99)]).fit(X, Y)
    assert second.history_[0]["train_loss"] != first.history_[0]["train_loss"]
    assert len(list(tmp_path.iterdir())) == 1


def test_random_state_object_is_identified_by_its_state(tmp_path):
    for seed in (0, 0, 1):
        make_classifier(random_state=np.random.RandomState(seed), max_epochs=1, checkpoint_dir=tmp_path).fit(X, Y)
    assert len(list(tmp_path.iterdir())) == 2


def test_state_of_callback_is_restored(tmp_path):
    counters = [Counter(), Counter(), Counter()]
    make_classifier(callbacks=[InterruptAt(99), counters[0]]).fit(X, Y)
    with pytest.raises(KeyboardInterrupt):
        make_classifier(checkpoint_dir=tmp_path, callbacks=[InterruptAt(4), counters[1]]).fit(X, Y)
    make_classifier(checkpoint_dir=tmp_path, callbacks=[InterruptAt(99), counters[2]]).fit(X, Y)
    assert counters[2].batches == counters[0].batches > counters[1].batches > 0


def test_warm_start_resumes_from_its_own_checkpoints(tmp_path):
    plain = make_classifier(warm_start=True, max_epochs=2, callbacks=[InterruptAt(99)]).fit(X, Y).fit(X, Y)
    clf = make_classifier(warm_start=True, max_epochs=2, checkpoint_dir=tmp_path, callbacks=[InterruptAt(4)]).fit(X, Y)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, Y)
    assert clf.n_iter_ == 3
    again = make_classifier(warm_start=True, max_epochs=2, checkpoint_dir=tmp_path, callbacks=[InterruptAt(99)])
    assert hash_weights(again.fit(X, Y).fit(X, Y)) == hash_weights(plain)


def test_memory_map_is_trained_with_checkpoints(tmp_path):
    np.save(tmp_path / "faces.npy", X)
    faces = np.load(tmp_path / "faces.npy", mmap_mode="r")
    directory = tmp_path / "checkpoints"
    make_classifier(max_epochs=1, checkpoint_dir=directory).fit(faces, Y)
    make_classifier(max_epochs=1, checkpoint_dir=os.fspath(directory)).fit(X, Y)
    assert len(list(directory.iterdir())) == 1
