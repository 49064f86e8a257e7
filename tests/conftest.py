import os
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

# The tests ask for results to the bit, which a GPU does not promise. ``SK_EMOTION_GPU=1 python -m pytest -k gpu`` runs
# those that need one.
if "SK_EMOTION_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

# Threads that wait for one another sleep, so that several do not stand in their own way on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# How long Hypothesis looks: ``HYPOTHESIS_PROFILE=soak python -m pytest -o faulthandler_timeout=0 tests/properties``
# draws anew, and for long. Nothing is left behind in the working directory.
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "hypothesis")

# On a busy machine, time tells nothing.
settings.register_profile(
    "suite",
    max_examples=15,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("soak", settings.get_profile("suite"), max_examples=1000, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_addoption(parser):
    parser.addoption(
        "--precision",
        choices=["fp32", "bf16", "other"],
        help="what precision='auto' means, also in processes that tests start; by default, what the processor has. "
        "'other' is what it has not: only the tests marked as training run then, and where bf16 has to be emulated, "
        "only those marked as quick.",
    )


def pytest_configure(config):
    precision = config.getoption("--precision")
    if precision == "other":
        precision = _other_precision()
    if precision is not None:
        os.environ["SK_EMOTION_PRECISION"] = precision
    # A shell lets what it starts in the background ignore Ctrl-C, and what the tests start would ignore it too.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--precision") != "other":
        return
    is_emulated = os.environ["SK_EMOTION_PRECISION"] == "bf16"
    marks = {item: item.get_closest_marker("training") for item in items}
    kept = [item for item, mark in marks.items() if mark and (mark.kwargs.get("quick") or not is_emulated)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _other_precision():
    # Imported here: other runs of pytest that only hand tests to workers need no PyTorch.
    from sk_emotion._training._hardware import native_precision

    return "bf16" if native_precision() == "fp32" else "fp32"


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    import torch

    # Small nets gain nothing from threads, and parallel test runs would fight over them. OMP_NUM_THREADS, which PyTorch
    # reads, asks for more.
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


@pytest.fixture(scope="module")
def start_cluster(tmp_path_factory):
    """Gives the context of a Dask cluster in processes of their own."""
    import dask
    from distributed import LocalCluster

    patient = {
        # On a busy machine a process may be silent for longer than Dask allows.
        "distributed.comm.timeouts.tcp": "300s",
        # Dask gives up a worker that is away 15 s after it was lost, as one that the next test has killed is.
        "distributed.deploy.lost-worker-timeout": "1h",
    }

    @contextmanager
    def start(n_workers, threads_per_worker):
        sizes = {"n_workers": n_workers, "threads_per_worker": threads_per_worker}
        with (
            dask.config.set(patient | {"temporary-directory": str(tmp_path_factory.mktemp("dask"))}),
            LocalCluster(**sizes, dashboard_address=":0", silence_logs=60) as cluster,
        ):
            yield cluster

    return start


@pytest.fixture(scope="session")
def faces():
    """Faces of two emotions that a small network tells apart within seconds: X, y, groups."""
    from sk_emotion import make_faces

    return make_faces(80, emotions=["happiness", "pain"], image_size=24, noise=2, random_state=0)
