"""Processes that train one network together with Hugging Face Accelerate, or a single process."""

import atexit
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from joblib.parallel import get_active_backend
from sklearn.utils import check_random_state

from ..exceptions import CheckpointError, MissingDependencyError, TrainingError
from ..utils._device import choose_device
from ._checkpoints import Checkpoints, open_checkpoints
from ._run import Run

_T = TypeVar("_T")


class SingleProcess:
    """The default: training in this process only."""

    accelerator: Any = None
    count = 1
    is_main = True

    def choose_device(self, device: str | torch.device) -> str:
        """Return the device of this process."""
        return choose_device(device)

    def run_on_main(self, act: Callable[[], _T]) -> _T:
        """Call a function in the main process and return its result in all; a CheckpointError is raised in all."""
        return act()

    def share_random_state(self, random_state: Any) -> Any:
        """Return `random_state`, or, if None, a seed drawn in the main process, so that all split images equally."""
        return random_state

    def open_checkpoints(self, directory: Any, run: Run) -> AbstractContextManager[tuple[Any, Any]]:
        """Call :func:`open_checkpoints`, with reads, writes and the lock in the main process only."""
        return open_checkpoints(directory, run)


SINGLE_PROCESS = SingleProcess()


class ProcessGroup(SingleProcess):
    """Training in several processes, of which this is one."""

    def __init__(self, accelerator: Any):
        self.accelerator = accelerator
        self.count = accelerator.num_processes
        self.is_main = accelerator.is_main_process

    def choose_device(self, device: str | torch.device) -> str:
        return "cpu" if self.accelerator.device.type == "cpu" else str(self.accelerator.device)

    def run_on_main(self, act: Callable[[], _T]) -> _T:
        from accelerate.utils import broadcast_object_list

        outcome: list[Any] = [None, None]
        if self.is_main:
            try:
                outcome[0] = act()
            except CheckpointError as error:
                outcome[1] = error
        value, failure = broadcast_object_list(outcome)
        if failure is not None:
            raise failure
        return value

    def share_random_state(self, random_state: Any) -> Any:
        if random_state is not None:
            return random_state
        return self.run_on_main(lambda: int(check_random_state(None).randint(np.iinfo(np.int32).max)))

    @contextmanager
    def open_checkpoints(self, directory: Any, run: Run) -> Iterator[tuple[Any, Any]]:
        with ExitStack() as stack:
            checkpoints, random_state = self.run_on_main(lambda: stack.enter_context(open_checkpoints(directory, run)))
            shared = None if checkpoints is None else _SharedCheckpoints(checkpoints.folder, run, self)
            yield shared, self.share_random_state(random_state)


class _SharedCheckpoints(Checkpoints):
    """Checkpoints that the main process reads and writes for all processes."""

    def __init__(self, folder: Any, run: Run, processes: ProcessGroup):
        super().__init__(folder, run)
        self.processes = processes

    def load(self, start: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        read = super().load
        return self.processes.run_on_main(lambda: read(start))

    def save(self, stage: str, epoch: int, state: dict[str, Any]) -> None:
        write = super().save
        self.processes.run_on_main(lambda: write(stage, epoch, state))


def join_processes(clf: Any) -> SingleProcess:
    """Return the processes that train `clf` together, if there are several.

    Raises
    ------
    MissingDependencyError
        If Accelerate is not installed.
    TrainingError
        If the processes were started for an unsupported kind of training, or inside a joblib worker.
    ValueError
        If `device` names a GPU: each process has its own.
    """
    if not clf.data_parallel:
        return SINGLE_PROCESS
    try:
        from accelerate import Accelerator
        from accelerate.utils.environment import get_cpu_distributed_information
    except ImportError as error:
        raise MissingDependencyError(
            'data_parallel=True needs Accelerate, which is not installed: pip install "sk-emotion[accelerate]".'
        ) from error
    # On GPUs, launchers set the same variables.
    if get_cpu_distributed_information().world_size == 1:
        return SINGLE_PROCESS
    if get_active_backend()[0].nesting_level > 0:
        raise TrainingError(
            "data_parallel=True cannot train inside a joblib worker: the processes would wait for workers that train "
            "other models. Pass n_jobs=1, so that each fit uses all processes."
        )
    on_cpu = torch.device(choose_device(clf.device)).type != "cuda"
    if not torch.distributed.is_initialized():
        atexit.register(disconnect_gloo)
    # Precision is a parameter of the classifier.
    accelerator = Accelerator(cpu=on_cpu, mixed_precision="no")
    if accelerator.distributed_type not in ("MULTI_CPU", "MULTI_GPU"):
        raise TrainingError(
            f"data_parallel=True does not support distributed training of type {accelerator.distributed_type.value}. "
            "Start the processes with `accelerate launch` (without FSDP, DeepSpeed and the like) or `torchrun`."
        )
    if str(clf.device).startswith("cuda:"):
        raise ValueError(
            f'device={str(clf.device)!r}, but data_parallel=True assigns a GPU to each process. Pass device="auto".'
        )
    return ProcessGroup(accelerator)


def disconnect_gloo() -> None:
    """Close the connection to the other processes if the backend is Gloo.

    Otherwise its threads crash one exit in twelve, with "terminate called without an active exception".
    """
    if torch.distributed.is_initialized() and torch.distributed.get_backend() == "gloo":
        torch.distributed.destroy_process_group()
