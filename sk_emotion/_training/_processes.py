"""The processes that train one network together, by Hugging Face Accelerate; as a rule there is one alone."""

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


class Alone:
    """This process trains alone: what several would agree on, it says."""

    accelerator: Any = None
    count = 1
    is_main = True

    def place(self, device: str | torch.device) -> str:
        """Choose the device of this process."""
        return choose_device(device)

    def ask_main(self, act: Callable[[], _T]) -> _T:
        """Let the main process act, and give to all what came of it; an error in a checkpoint is raised in all."""
        return act()

    def share_random_state(self, random_state: Any) -> Any:
        """Without a seed, give all processes that of the main one, so that they split the images in the same way."""
        return random_state

    def open_checkpoints(self, directory: Any, run: Run) -> AbstractContextManager[tuple[Any, Any]]:
        """Do as :func:`open_checkpoints`, but let the main process alone read, write and hold the lock."""
        return open_checkpoints(directory, run)


ALONE = Alone()


class Together(Alone):
    """This process is one of several."""

    def __init__(self, accelerator: Any):
        self.accelerator = accelerator
        self.count = accelerator.num_processes
        self.is_main = accelerator.is_main_process

    def place(self, device: str | torch.device) -> str:
        return "cpu" if self.accelerator.device.type == "cpu" else str(self.accelerator.device)

    def ask_main(self, act: Callable[[], _T]) -> _T:
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
        return self.ask_main(lambda: int(check_random_state(None).randint(np.iinfo(np.int32).max)))

    @contextmanager
    def open_checkpoints(self, directory: Any, run: Run) -> Iterator[tuple[Any, Any]]:
        with ExitStack() as stack:
            checkpoints, random_state = self.ask_main(lambda: stack.enter_context(open_checkpoints(directory, run)))
            shared = None if checkpoints is None else _SharedCheckpoints(checkpoints.folder, run, self)
            yield shared, self.share_random_state(random_state)


class _SharedCheckpoints(Checkpoints):
    """Checkpoints that the main process reads and writes for all."""

    def __init__(self, folder: Any, run: Run, processes: Together):
        super().__init__(folder, run)
        self.processes = processes

    def load(self, start: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        read = super().load
        return self.processes.ask_main(lambda: read(start))

    def save(self, stage: str, epoch: int, state: dict[str, Any]) -> None:
        write = super().save
        self.processes.ask_main(lambda: write(stage, epoch, state))


def join_processes(clf: Any) -> Alone:
    """Join the processes that are to train `clf` together, if there are several.

    Raises
    ------
    MissingDependencyError
        If Accelerate is not installed.
    TrainingError
        If the processes were started for another kind of training, or this is a worker of joblib's.
    ValueError
        If a GPU is named: each process has its own.
    """
    if not clf.data_parallel:
        return ALONE
    try:
        from accelerate import Accelerator
        from accelerate.utils.environment import get_cpu_distributed_information
    except ImportError as error:
        raise MissingDependencyError(
            'data_parallel=True needs Accelerate, which is not installed: pip install "sk-emotion[accelerate]".'
        ) from error
    # On GPUs, launchers set the same variables.
    if get_cpu_distributed_information().world_size == 1:
        return ALONE
    if get_active_backend()[0].nesting_level > 0:
        raise TrainingError(
            "data_parallel=True cannot train in a worker of joblib's: the processes would wait for workers that train "
            "something else. Pass n_jobs=1; each fit has all processes then."
        )
    on_cpu = torch.device(choose_device(clf.device)).type != "cuda"
    if not torch.distributed.is_initialized():
        atexit.register(leave_processes)
    # The precision is the classifier's own parameter.
    accelerator = Accelerator(cpu=on_cpu, mixed_precision="no")
    if accelerator.distributed_type not in ("MULTI_CPU", "MULTI_GPU"):
        raise TrainingError(
            f"data_parallel=True cannot train in processes of the kind {accelerator.distributed_type.value}. Start "
            "them by `accelerate launch` without FSDP, DeepSpeed and the like, or by `torchrun`."
        )
    if str(clf.device).startswith("cuda:"):
        raise ValueError(
            f'device={str(clf.device)!r}, but data_parallel=True gives each process a GPU of its own. Pass "auto".'
        )
    return Together(accelerator)


def leave_processes() -> None:
    """End the connection to the other processes, if they are joined by Gloo.

    Its threads crash one exit in twelve otherwise, with "terminate called without an active exception".
    """
    if torch.distributed.is_initialized() and torch.distributed.get_backend() == "gloo":
        torch.distributed.destroy_process_group()
