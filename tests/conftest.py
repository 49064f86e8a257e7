import os
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

# Hide GPUs, whose results are not reproducible to the bit. Run the tests that need a GPU with
# ``SK_EMOTION_GPU=1 python -m pytest -k gpu``.
if "SK_EMOTION_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

# Waiting threads sleep instead of spinning, which is faster on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# For long runs with new random examples, use
# ``HYPOTHESIS_PROFILE=soak python -m pytest -o faulthandler_timeout=0 tests/properties``.
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "hypothesis")

# Deadlines are unreliable on a busy machine.
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
        help="meaning of precision='auto', also in subprocesses; by default, that of the processor. 'other' is the one "
        "that is not the default: only tests marked as training run then, or, if bf16 is emulated, only those marked "
        "as quick.",
    )


def pytest_configure(config):
    precision = config.getoption("--precision")
    if precision == "other":
        precision = _other_precision()
    if precision is not None:
        os.environ["SK_EMOTION_PRECISION"] = precision
    # Shells let background processes ignore SIGINT, which subprocesses of the tests would inherit.
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
    # Imported here, since the main process of pytest-xdist does not need PyTorch.
    from sk_emotion._training._hardware import native_precision

    return "bf16" if native_precision() == "fp32" else "fp32"


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    import torch

    # Small networks are not faster with more threads, which slow down parallel test runs. Set OMP_NUM_THREADS, which
    # PyTorch reads, to use more.
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


@pytest.fixture(scope="module")
def start_cluster(tmp_path_factory):
    """Return a context manager for a Dask cluster in separate processes."""
    import dask
    from distributed import LocalCluster

    patient = {
        # On a busy machine, a process may not respond for longer than Dask's default.
        "distributed.comm.timeouts.tcp": "300s",
        # By default, Dask gives up a lost worker after 15 s, such as one that a test has killed.
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
    """X, y, groups of two emotions that a small network learns within seconds."""
    from sk_emotion import make_faces

    return make_faces(80, emotions=["happiness", "pain"], image_size=24, noise=2, random_state=0)
