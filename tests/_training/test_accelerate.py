"""Training of one classifier in several processes, each on its part of every batch, with the same result in all."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import train_together
from train_together import SETTINGS, X, Y, fit_in_parts, fit_with, fit_with_batch_norm, list_state, make_classifier

from sk_emotion import load_model
from sk_emotion.exceptions import MissingDependencyError

pytestmark = pytest.mark.training(quick=True)

# With --cpu, Accelerate starts a single process unless MPI is installed.
LAUNCH = ["-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes=2", "--num_machines=1"]
LAUNCH += ["--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"]


def launch(*script, **variables):
    """Run a script in two processes and return their output."""
    command = [sys.executable, *LAUNCH, *script]
    environment = os.environ | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """Results of training in each of two processes, and the folder and output that they wrote."""
    folder = tmp_path_factory.mktemp("processes")
    printed = launch(train_together.__file__, str(folder))
    return [pickle.loads((folder / str(rank)).read_bytes()) for rank in range(2)], folder, printed


@pytest.fixture(scope="module")
def processes(launched):
    return launched[0]


def assert_identical(one, other):
    assert one["history"] == other["history"]
    assert one["n_iter"] == other["n_iter"]
    assert one["state"].keys() == other["state"].keys()
    for name, value in one["state"].items():
        np.testing.assert_array_equal(value, other["state"][name], err_msg=name)
    np.testing.assert_array_equal(one["probabilities"], other["probabilities"])


def assert_close(described, clf):
    """Check that results differ only by rounding, within the tolerance stated in the guide."""
    assert described["n_iter"] == clf.n_iter_
    bound = {"fp32": 1e-5, "bf16": 0.005}[clf.net_.precision]
    for ours, theirs in zip(described["history"], clf.history_, strict=True):
        assert ours.keys() == theirs.keys()
        # Scores of few images change in steps of a whole image.
        names = ours.keys() - {"dur"} if clf.net_.precision == "fp32" else {"train_loss", "valid_loss"} & ours.keys()
        for name in names:
            assert ours[name] == pytest.approx(theirs[name], abs=bound), name
    for name, value in list_state(clf).items():
        np.testing.assert_allclose(described["state"][name], value.numpy(), atol=bound, err_msg=name)
    np.testing.assert_allclose(described["probabilities"], clf.predict_proba(X), atol=bound)


@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_train_as_one_with_twice_the_batch_size(processes, name):
    assert_identical(processes[0][name], processes[1][name])
    assert_close(processes[0][name], fit_with(name))


def test_partial_fit_trains_as_one_process_with_twice_the_batch_size(processes):
    assert_identical(processes[0]["in parts"], processes[1]["in parts"])
    assert_close(processes[0]["in parts"], fit_in_parts())


def test_early_stopping_comes_before_the_last_epoch(processes):
    assert 2 < processes[0]["stopped early"]["n_iter"] < SETTINGS["stopped early"]["max_epochs"]


@pytest.mark.parametrize("name", ["saved", "half precision", "noisy"])
def test_processes_end_with_the_same_weights_and_history(processes, name):
    assert_identical(processes[0][name], processes[1][name])


def test_each_image_is_seen_by_one_process_once_in_an_epoch(processes):
    everything = sorted(image.tobytes() for image in X)
    for one, other in zip(processes[0]["saved"]["seen"], processes[1]["saved"]["seen"], strict=True):
        assert sorted(one + other) == everything
        assert abs(len(one) - len(other)) <= len(X) // 16 + 1


def test_processes_draw_different_augmentations(processes):
    assert (processes[0]["saved"]["drawn"] != processes[1]["saved"]["drawn"]).any()


def test_batch_normalization_per_process_learns_about_as_well(processes):
    # Each process normalizes its own part, so the weights differ from those of one process.
    assert_identical(processes[0]["batch norm"], processes[1]["batch norm"])
    losses = [
        [epoch["train_loss"] for epoch in run]
        for run in (processes[0]["batch norm"]["history"], fit_with_batch_norm().history_)
    ]
    np.testing.assert_allclose(*losses, atol=0.03)


def test_model_can_be_saved_and_loaded(launched):
    (one, _), folder, _ = launched
    for rank in range(2):
        np.testing.assert_allclose(
            load_model(folder / f"model-{rank}.skops").predict_proba(X), one["saved"]["probabilities"], atol=1e-6
        )


def test_search_has_the_same_result_in_all_processes(processes):
    assert processes[0]["search"] == processes[1]["search"]
    assert np.isfinite(processes[0]["search"]["scores"]).all()


def test_all_stop_if_a_callback_of_one_process_stops(processes):
    assert processes[0]["stopped by one"]["n_iter"] == 1
    assert_identical(processes[0]["stopped by one"], processes[1]["stopped by one"])


def test_non_finite_loss_in_one_process_is_an_error_in_all(processes):
    broken = [process["checkpoints"]["broken"] for process in processes]
    assert broken[0]["error"] == broken[1]["error"] == "TrainingError"
    assert broken[0]["text"] == broken[1]["text"]
    assert "train loss became nan in epoch 3, batch 2" in broken[0]["text"]
    assert broken[0]["n_iter"] == 2
    assert_identical(*broken)


def test_all_processes_resume_from_a_checkpoint_with_identical_results(processes):
    for process in processes:
        whole, resumed = process["checkpoints"]["whole"], process["checkpoints"]["resumed"]
        for described in (whole, resumed):
            described["history"] = [{**epoch, "dur": 0} for epoch in described["history"]]
        assert_identical(resumed, whole)
    assert_identical(*(process["checkpoints"]["resumed"] for process in processes))


def test_only_the_main_process_writes(launched):
    (main, other), folder, printed = launched
    names = {Path(path).relative_to(folder).parts[0] for path in main["written"]}
    assert names == {"broken", "whole", "noisy", "skorch"}
    assert other["written"] == []
    assert printed.count("valid_f1_macro") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("worker", "Pass n_jobs=1"),
        ("other data", "the processes received different images or labels, or in a different order"),
        ("too few", "5 images in 3 steps leave one of 2 processes without an image"),
    ],
)
def test_unsupported_training_is_an_error_in_all_processes(processes, name, message):
    for process in processes:
        assert process[name]["error"] == "TrainingError"
        assert message in process[name]["text"]


def test_failure_in_one_process_ends_training_in_the_others(processes):
    main, other = (process["failed in one"] for process in processes)
    assert other["error"] == "KeyboardInterrupt"
    assert main["error"] == "TrainingError"
    assert "training failed in another process" in main["text"]
    # PyTorch would wait half an hour for a process that is still running.
    assert main["seconds"] < 900
    assert main["n_iter"] == 1
    assert_identical(main, other)


def test_processes_disconnect_before_python_exits(tmp_path):
    # The first registered function is called last.
    script = tmp_path / "train.py"
    script.write_text(
        "import atexit, os, torch\n"
        "atexit.register(lambda: os.write(1, b'joined\\n' if torch.distributed.is_initialized() else b'closed\\n'))\n"
        "from train_together import X, Y, make_classifier\n"
        "make_classifier(max_epochs=1).fit(X, Y)\n"
    )
    paths = os.pathsep.join([str(Path(train_together.__file__).parent), os.environ.get("PYTHONPATH", "")])
    assert launch(str(script), PYTHONPATH=paths).split() == ["closed", "closed"]


def test_default_does_not_load_accelerate(processes):
    assert processes[0]["loaded by default"] is False


def test_single_process_is_not_affected():
    settings = {"validation_fraction": 0.3, "augmentation": "default"}
    one = make_classifier(**settings).fit(X, Y)
    other = make_classifier(**settings, data_parallel=False).fit(X, Y)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_missing_accelerate_is_an_error_that_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingDependencyError, match=r"sk-emotion\[accelerate\]"):
        make_classifier().fit(X, Y)
