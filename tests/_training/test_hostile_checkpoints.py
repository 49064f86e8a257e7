"""Damaged or forged checkpoints raise errors or are skipped for older ones; links and pipes are not read."""

import json
import os
import shutil
import struct
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
import safetensors.numpy
from failing import InterruptAt

from sk_emotion import EmotionClassifier, make_faces, networks
from sk_emotion._training import _checkpoints as checkpoints
from sk_emotion.exceptions import CheckpointError, CheckpointWarning
from sk_emotion.utils._files import lock_file

pytestmark = pytest.mark.training

X, Y, _ = make_faces(24, emotions=["happiness", "pain"], image_size=16, noise=2, random_state=0)


def make_classifier(folder, epoch=99, **settings):
    defaults = {"network": networks.ResNet(2, blocks_per_stage=1), "max_epochs": 4, "batch_size": 16, "random_state": 0}
    return EmotionClassifier(**(defaults | settings), checkpoint_dir=folder, callbacks=[InterruptAt(epoch)])


def hash_weights(clf):
    return joblib.hash(clf.net_.to_arrays())


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A folder with a training interrupted in its fourth epoch."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with pytest.raises(KeyboardInterrupt):
        make_classifier(folder, 4).fit(X, Y)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return hash_weights(make_classifier(tmp_path_factory.mktemp("whole")).fit(X, Y))


@pytest.fixture
def folder(broken, tmp_path):
    """A copy of the subfolder of the training."""
    shutil.copytree(broken, tmp_path / "kept")
    return next((tmp_path / "kept").iterdir())


def find(folder, epoch=3):
    return next(folder.glob(f"epoch-{epoch:05d}.*"))


def write(folder, content, epoch=3):
    """Replace a checkpoint by `content`, with a matching checksum in its name."""
    find(folder, epoch).unlink()
    name = epoch if isinstance(epoch, str) else f"epoch-{epoch:05d}"
    (folder / f"{name}.{checkpoints._checksum(content)}.safetensors").write_bytes(content)


def forge(folder, change, epoch=3):
    path = find(folder, epoch)
    kept = checkpoints._parse(path.read_bytes(), path.name, 10**7)
    write(folder, checkpoints._format(change(kept) or kept), epoch)


def change_arrays(part, change):
    def changed(kept):
        state = kept["state"]
        name = next(iter(state[part]))
        state[part][name] = change(state[part][name])

    return changed


def in_state(**values):
    return lambda kept: kept["state"].update(values)


def in_rates(**values):
    return lambda kept: kept["state"]["rates"][0].update(values)


def in_epoch(**values):
    return lambda kept: kept["state"]["history"][1].update(values)


def in_schedule(**values):
    return lambda kept: kept["state"]["callbacks"]["schedule"].update(values)


def grow(value):
    return np.concatenate([value, value])


FORGED = {
    "another format": lambda kept: kept.update(format=1),
    "no format": lambda kept: kept.pop("format") and None,
    "no state": lambda kept: kept.update(state=None),
    "a list": lambda kept: [1, 2],
    "an unknown stage": lambda kept: kept.update(stage="sleeps"),
    "a stage that is a list": lambda kept: kept.update(stage=["trains"]),
    "the stage of another name": lambda kept: kept.update(stage="finished"),
    "no weights": lambda kept: kept["state"].pop("weights") and None,
    "weights of another shape": change_arrays("weights", grow),
    "weights of another type": change_arrays("weights", lambda value: value.astype("f8")),
    "a weight that is missing": lambda kept: kept["state"]["weights"].popitem() and None,
    "a weight that is a string": change_arrays("weights", lambda value: "large"),
    "weights that are NaN": change_arrays("weights", lambda value: value * np.nan),
    "random states of another length": change_arrays("random", grow),
    "random states of another type": change_arrays("random", lambda value: value.astype("f4")),
    "no random states": in_state(random={}),
    "rates of no groups": in_state(rates=[]),
    "rates that are a number": in_state(rates=3),
    "a rate that is NaN": in_rates(lr=float("nan")),
    "an infinite rate": in_rates(lr=float("inf")),
    "a negative rate": in_rates(lr=-1.0),
    "a rate that is a string": in_rates(lr="high"),
    "rates with weights": in_rates(params=[]),
    "a history that is a number": in_state(history=7),
    "an empty history": in_state(history=[]),
    "a history of numbers": in_state(history=[1, 2, 3]),
    "an epoch before the first": in_epoch(epoch=-1),
    "more epochs than max_epochs": lambda kept: kept["state"]["history"].extend(
        dict(kept["state"]["history"][0], epoch=number) for number in range(4, 100)
    ),
    "fewer epochs than its name": lambda kept: kept["state"]["history"].pop() and None,
    "a loss that is a string": in_epoch(train_loss="low"),
    "a loss that is missing": lambda kept: kept["state"]["history"][0].pop("train_loss") and None,
    "a schedule that overwrites a method": in_schedule(step=3),
    "a schedule with a string": in_schedule(last_epoch="three"),
    "callbacks that are a list": in_state(callbacks=[]),
    "a momentum that is a string": in_state(optimizer_state={0: {"momentum_buffer": "fast"}}),
    "a momentum of an unknown weight": in_state(optimizer_state={99: {"momentum_buffer": np.zeros(3, "f4")}}),
}


def nest(levels):
    header = json.dumps({"__metadata__": {"sk_emotion": "[" * levels}}).encode()
    return struct.pack("<Q", len(header)) + header


CONTENTS = {
    "nothing": b"",
    "a header beyond the file": struct.pack("<Q", 1 << 60) + b"{}",
    "a header of brackets": struct.pack("<Q", 100_000) + b"[" * 100_000,
    "a state of brackets": nest(100_000),
    "a state that is a number": safetensors.numpy.save({"a": np.ones(3)}, metadata={"sk_emotion": "3"}),
    "only arrays": safetensors.numpy.save({"a": np.ones(3)}),
    "an array that is not there": safetensors.numpy.save({}, metadata={"sk_emotion": '{"array": "0", "shape": [3]}'}),
    "a key that is a list": safetensors.numpy.save({}, metadata={"sk_emotion": '{"dict": [[[1], 2]]}'}),
    "a zip archive": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("what", {**FORGED, **CONTENTS})
def test_older_checkpoint_replaces_a_forged_one(what, folder, whole):
    if what in FORGED:
        forge(folder, FORGED[what])
    else:
        write(folder, CONTENTS[what])
    with pytest.warns(CheckpointWarning, match=r"epoch-00003\.\w+\.safetensors is damaged"):
        clf = make_classifier(folder.parent).fit(X, Y)
    assert hash_weights(clf) == whole


@pytest.mark.parametrize("shape", [(1,), (7, 7)])
def test_momentum_of_another_shape_is_an_error(shape, folder):
    forge(folder, in_state(optimizer_state={0: {"momentum_buffer": np.zeros(shape, "f4")}}))
    with pytest.raises(CheckpointError, match="does not fit the network"):
        make_classifier(folder.parent).fit(X, Y)


def make_link(path):
    path.symlink_to("/dev/zero")


def make_link_to_itself(path):
    path.symlink_to(path)


PLACES = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to a device": make_link,
    "a broken link": lambda path: path.symlink_to("nothing"),
    "a link to itself": make_link_to_itself,
}


def replace(path, what):
    path.unlink()
    PLACES[what](path)


@pytest.mark.parametrize("what", PLACES)
def test_only_regular_files_are_checkpoints(what, folder, whole):
    replace(find(folder), what)
    with pytest.warns(CheckpointWarning, match="is damaged"):
        assert hash_weights(make_classifier(folder.parent).fit(X, Y)) == whole


def test_link_to_a_valid_checkpoint_is_not_followed(folder, whole, tmp_path):
    path = find(folder)
    path.rename(tmp_path / path.name)
    path.symlink_to(tmp_path / path.name)
    with pytest.warns(CheckpointWarning, match="not a regular file"):
        assert hash_weights(make_classifier(folder.parent).fit(X, Y)) == whole
    assert (tmp_path / path.name).exists()


@pytest.mark.parametrize("what", PLACES)
@pytest.mark.parametrize("name", ["lock", "run.json"])
def test_lock_and_description_must_be_regular_files(name, what, folder):
    # The description is only read without a seed.
    seed = 0 if name == "lock" else None
    if seed is None:
        with pytest.raises(KeyboardInterrupt):
            make_classifier(folder.parent, 2, random_state=None).fit(X, Y)
    for path in folder.parent.glob(f"*/{name}"):
        replace(path, what)
    with pytest.raises(CheckpointError, match=r"not a regular file|Is a directory"):
        make_classifier(folder.parent, random_state=seed).fit(X, Y)


@pytest.mark.parametrize("random_state", ["a", -1, None, [1], 1.5, True, 1 << 32])
def test_description_with_another_random_state_is_an_error(random_state, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make_classifier(tmp_path, 3, random_state=None).fit(X, Y)
    about = next(tmp_path.glob("*/run.json"))
    about.write_text(json.dumps({"random_state": random_state}))
    with pytest.raises(CheckpointError, match=r"run\.json is damaged .*Delete"):
        make_classifier(tmp_path, random_state=None).fit(X, Y)


@pytest.mark.parametrize("content", ["", "[" * 100_000, "{}", '{"random_state": 1', "\x00"])
def test_invalid_description_is_an_error(content, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make_classifier(tmp_path, 3, random_state=None).fit(X, Y)
    next(tmp_path.glob("*/run.json")).write_text(content)
    with pytest.raises(CheckpointError, match=r"run\.json is damaged"):
        make_classifier(tmp_path, random_state=None).fit(X, Y)


@pytest.mark.parametrize("change", [{"max_epochs": 5}, {"random_state": 1}, {"learning_rate": 0.01}, {"ema": 0.9}])
def test_checkpoint_of_another_training_is_an_error(change, folder, tmp_path):
    other = tmp_path / "other"
    with pytest.raises(KeyboardInterrupt):
        make_classifier(other, 4, **change).fit(X, Y)
    find(next(other.iterdir())).unlink()
    shutil.copy(find(folder), next(other.iterdir()))
    with pytest.raises(CheckpointError, match="is a checkpoint of another training"):
        make_classifier(other, **change).fit(X, Y)


def test_folder_that_is_a_link_is_not_followed(folder, tmp_path):
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="it is a symbolic link"):
        make_classifier(folder.parent).fit(X, Y)


@pytest.mark.parametrize("name", ["epoch-99999.0123456789abcdef.safetensors", "zzz.safetensors", "notes.txt"])
@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_other_files_do_not_crowd_out_checkpoints(name, make, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make_classifier(tmp_path, 2).fit(X, Y)
    make(next(tmp_path.iterdir()) / name)
    with pytest.raises(KeyboardInterrupt):
        if name.startswith("epoch"):
            with pytest.warns(CheckpointWarning, match="is damaged"):
                make_classifier(tmp_path, 4).fit(X, Y)
        else:
            make_classifier(tmp_path, 4).fit(X, Y)
    assert find(next(tmp_path.iterdir()), 2) and find(next(tmp_path.iterdir()), 3)


@pytest.mark.parametrize("seed", [0, None])
def test_training_that_another_process_runs_starts_over(seed, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "_LOCK_TIMEOUT", 0.1)
    first = make_classifier(tmp_path, random_state=seed).fit(X, Y)
    files = sorted(tmp_path.rglob("*"))
    with open(next(tmp_path.rglob("lock")), "ab", buffering=0) as lock:
        assert lock_file(lock, seconds=0)
        with pytest.warns(CheckpointWarning, match="another process") as caught:
            second = make_classifier(tmp_path, random_state=seed).fit(X, Y)
    assert len(caught) == 2 and "without checkpoints" in str(caught[1].message)
    assert second.n_iter_ == 4
    assert seed is None or hash_weights(second) == hash_weights(first)
    assert sorted(tmp_path.rglob("*")) == files


def test_wait_for_another_process_is_limited_to_seconds():
    assert checkpoints._LOCK_TIMEOUT <= 10


def test_huge_file_is_not_read(folder, monkeypatch, whole):
    monkeypatch.setattr(checkpoints, "_MAX_ARRAYS", 0)
    monkeypatch.setattr(checkpoints, "_MAX_TEXT", 0)
    path = find(folder)
    with path.open("r+b") as file:
        # A sparse file, which takes no disk space.
        file.truncate(1 << 40)
    with pytest.warns(CheckpointWarning, match="expected at most"):
        assert hash_weights(make_classifier(folder.parent).fit(X, Y)) == whole


def test_pipe_does_not_block_training(folder):
    os.mkfifo(folder / "epoch-00009.0123456789abcdef.safetensors")
    outcome = []

    def train():
        with pytest.warns(CheckpointWarning):
            outcome.append(make_classifier(folder.parent).fit(X, Y))

    thread = threading.Thread(target=train, daemon=True)
    start = time.monotonic()
    thread.start()
    thread.join(60)
    assert outcome, f"blocked for {time.monotonic() - start:.0f} s"
