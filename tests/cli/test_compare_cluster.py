"""``sk-emotion compare --cluster``, on a real Dask cluster."""

import json
import signal
import subprocess
import sys
import time

import pytest
from distributed import Client, LocalCluster

from sk_emotion.cli._compare import describe_differences, read_versions

QUICK = ["--epochs", "1", "--cv", "2", "--width", "4", "--detector", "none", "--image-size", "24"]


@pytest.fixture(scope="module")
def address(start_cluster):
    with start_cluster(n_workers=1, threads_per_worker=2) as cluster:
        yield cluster.scheduler_address


def drop_times(folds):
    return [{name: value for name, value in row.items() if "time" not in name} for row in folds]


def test_cluster_gives_the_same_scores(folder, address, capsys, run):
    arguments = ["compare", folder, "--json", *QUICK]
    assert run(*arguments) == 0
    local = json.loads(capsys.readouterr().out)
    assert run(*arguments, "--cluster", address) == 0
    captured = capsys.readouterr()
    remote = json.loads(captured.out)
    assert drop_times(remote["folds"]) == drop_times(local["folds"])
    assert "Cluster: 1 worker(s), 2 folds in parallel." in captured.err
    assert "[2/2] HOG+SVM" in captured.err


@pytest.mark.parametrize("address", ["nowhere", "foo://host:1", "tcp://127.0.0.1:1"])
def test_wrong_address_is_an_error_before_training(address, capsys, run, monkeypatch):
    monkeypatch.setattr("sk_emotion.cli._compare._TIMEOUT", 1)
    start = time.monotonic()
    assert run("compare", "--cluster", address) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert f"no Dask scheduler answers at '{address}'" in error
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    ("n_workers", "message"), [(0, "has no workers. Start one per GPU"), (1, "has a single worker with one thread")]
)
def test_too_few_workers_are_an_error(n_workers, message, capsys, run):
    with LocalCluster(
        n_workers=n_workers, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=":0"
    ) as cluster:
        assert run("compare", "--cluster", cluster.scheduler_address) == 2
    assert message in capsys.readouterr().err


def test_missing_dask_names_the_extra(monkeypatch, capsys, run):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert run("compare", "--cluster", "tcp://127.0.0.1:8786") == 2
    error = capsys.readouterr().err
    assert 'pip install "sk-emotion[cluster]"' in error
    assert len(error.strip().splitlines()) == 1


def test_worker_without_the_package_is_an_error(address, capsys, run):
    def hide():
        sys.modules["sk_emotion.cli._compare"] = None

    def show():
        del sys.modules["sk_emotion.cli._compare"]

    with Client(address, set_as_default=False) as client:
        client.run(hide)
        code = run("compare", "--cluster", address)
        client.run(show)
    assert code == 2
    error = capsys.readouterr().err
    assert "cannot use sk_emotion" in error
    assert "Traceback" not in error


def test_different_versions_are_described():
    here = read_versions()
    assert describe_differences(here, {"tcp://a": here, "tcp://b": here}) == []
    there = {"tcp://a": here, "tcp://b": here | {"torch": "0.1"}, "tcp://c": here | {"torch": "0.2"}}
    assert describe_differences(here, there) == [f"torch is 0.1, 0.2 on 2 of 3 workers, {here['torch']} here."]


def test_interrupt_ends_without_a_traceback(address, folder):
    """Must be the last test: a task of a worker cannot be stopped in its thread."""
    command = [sys.executable, "-m", "sk_emotion", "compare", folder, "--cluster", address, *QUICK, "--epochs", "200"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with Client(address, set_as_default=False) as client:
        while started.poll() is None and not any(client.processing().values()):
            time.sleep(0.1)
        started.send_signal(signal.SIGINT)
        _, error = started.communicate(timeout=100)
    assert started.returncode == 130, error
    assert "Traceback" not in error
