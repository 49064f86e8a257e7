"""Training in several processes with Hugging Face Accelerate, each on its part of every batch.

In skorch's ``AccelerateMixin`` each process has its own losses. Here losses and scores are those of all processes,
since early stopping must reach the same decision in each.
"""

import atexit
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Number
from typing import Any, TypeVar

import joblib
import numpy as np
import torch
from joblib.parallel import get_active_backend
from sklearn.utils import check_random_state
from torch import nn

from ..exceptions import CheckpointError, MissingDependencyError, ParameterError, TrainingError
from ..utils._device import choose_device
from ._batches import FaceDataset
from ._callbacks import StopTrainingError
from ._checkpoints import Checkpoints, Run, open_checkpoints
from ._net import FaceNet

_T = TypeVar("_T")

# Number of images compared between the processes.
_N_COMPARED = 256


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
        if random_state is not None or self.count == 1:
            return random_state
        return self.run_on_main(lambda: int(check_random_state(None).randint(np.iinfo(np.int32).max)))

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
        try:
            outcome[0] = act() if self.is_main else None
        except CheckpointError as error:
            outcome[1] = error
        value, failure = broadcast_object_list(outcome)
        if failure is not None:
            raise failure
        return value

    @contextmanager
    def open_checkpoints(self, directory: Any, run: Run) -> Iterator[tuple[Any, Any]]:
        with ExitStack() as stack:
            checkpoints, random_state = self.run_on_main(lambda: stack.enter_context(open_checkpoints(directory, run)))
            shared = None if checkpoints is None else _SharedCheckpoints(checkpoints.folder, run, self)
            yield shared, self.share_random_state(random_state)


@dataclass(frozen=True)
class _SharedCheckpoints(Checkpoints):
    """Checkpoints that the main process reads and writes for all processes."""

    processes: ProcessGroup

    def load(self, start: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        return self.processes.run_on_main(partial(super().load, start))

    def save(self, stage: str, epoch: int, state: dict[str, Any]) -> None:
        self.processes.run_on_main(partial(super().save, stage, epoch, state))


def join_processes(clf: Any) -> SingleProcess:
    """Return the processes that train `clf` together, if there are several."""
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
        atexit.register(_disconnect_gloo)
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


class DatasetPart(FaceDataset):
    """A FaceDataset that returns one process's part of each batch.

    Sample weights are scaled so that the mean of the losses over processes is the loss of the batch.
    """

    def __init__(self, whole: FaceDataset, number: int, n_parts: int):
        self.__dict__.update(vars(whole))
        self.number = number
        self.n_parts = n_parts
        self.batch_sizes: list[int] = []

    def __getitem__(self, index: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        self.batch_sizes.append(len(index))
        own = index.tensor_split(self.n_parts)[self.number]
        images, codes = super().__getitem__(own)
        scale = len(own) * self.n_parts / len(index)
        return {**images, "sample_weight": images["sample_weight"] * scale}, codes


class DataParallelNet(FaceNet):
    """A FaceNet that trains in several processes, and ends with the same weights and history in each.

    Each trains on its part of the same batches, and draws augmentation and dropout independently. Callbacks see whole
    validation batches. No decision depends on the state of a single process.
    """

    accelerator: Any = None
    watches_batches = False  # the others would wait for a process that stops within an epoch
    _replica: Callable[[torch.Tensor], torch.Tensor] | None = None
    _trainable: list[bool] | None = None

    def train_for(self, n_epochs: int, dataset: FaceDataset, checkpoints: Checkpoints | None = None) -> None:
        try:
            self._compare_data(dataset)
            super().train_for(n_epochs, dataset, checkpoints)
        finally:
            # After fit, the net is used in a single process.
            self.accelerator = self._replica = self._trainable = None

    def fit_loop(self, *args, **kwargs):
        try:
            return super().fit_loop(*args, **kwargs)
        except (ParameterError, StopTrainingError, TrainingError):
            # Raised in all processes.
            raise
        except BaseException as error:
            # The others would wait for this process; closing the connection raises an error in them.
            _disconnect_gloo()
            if "gloo" in str(error):
                raise TrainingError(
                    "data_parallel=True: training failed in another process; see the error there."
                ) from error
            raise

    def save_params(self, *args, **kwargs):
        if self.accelerator is None or self.accelerator.is_main_process:
            super().save_params(*args, **kwargs)

    def get_iterator(self, dataset, training=False):
        if training and self.accelerator is not None:
            dataset = DatasetPart(dataset, self.accelerator.process_index, self.accelerator.num_processes)
        return super().get_iterator(dataset, training)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        if training:
            self._replicate()
            self._seed_draws()
            iterator.dataset.batch_sizes.clear()
        super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
        if training:
            for batch, size in zip(self.history[-1, "batches"], iterator.dataset.batch_sizes, strict=True):
                batch["train_batch_size"] = size

    def validation_step(self, batch, **fit_params):
        self._set_training(False)
        images, codes = batch
        n_parts, number = self.accelerator.num_processes, self.accelerator.process_index
        own = images["images"].tensor_split(n_parts)[number]
        with torch.no_grad():
            logits = torch.zeros((len(codes), len(self.classes)), device=self.device)
            if len(own):
                logits.tensor_split(n_parts)[number].copy_(self.infer(own, **fit_params))
            logits = self.accelerator.reduce(logits, "sum")
            return {"loss": self.get_loss(logits, codes, X=images), "y_pred": logits}

    def _replicate(self) -> None:
        """Wrap the module for distributed training, again whenever callbacks freeze or unfreeze weights."""
        trainable = [weight.requires_grad for weight in self.module_.parameters()]
        if trainable == self._trainable or not any(trainable):
            return
        self._replica = None
        self.accelerator.free_memory()
        # `module_` is not replaced, so that the names of its weights do not change and skorch accepts it.
        replica = self.accelerator.prepare_model(self.module_)
        # Running statistics are averaged once per epoch, which is cheaper than broadcasting them in each step.
        replica.broadcast_buffers = False
        self._replica, self._trainable = replica.__call__, trainable

    def _forward(self, images):
        return self._replica(images) if self._replica and self.module_.training else super()._forward(images)

    def _join_gradients(self):
        weights = self.criterion_.parameters() if isinstance(self.criterion_, nn.Module) else ()
        for weight in weights:
            if weight.grad is not None:
                weight.grad = self.accelerator.reduce(weight.grad, "mean")

    def _join_epoch(self, losses, answers, training):
        # With the mean, a loss that is not finite in one process is not finite in all.
        losses = self.accelerator.reduce(losses, "mean")
        if training:
            self._join_buffers()
            n_longest = -(-answers.shape[1] // self.accelerator.num_processes) + len(losses)
            parts = self.accelerator.gather(answers[:, :n_longest].T.contiguous())
            answers = parts[parts[:, 0] >= 0].T
        return losses, answers

    def _join_buffers(self) -> None:
        """Average running statistics over the processes, each of which saw a part of every batch."""
        owners = [(self.module_, self.module_.state_dict()), (self.module_, self._averaged)]
        if isinstance(self.criterion_, nn.Module):
            owners.append((self.criterion_, self.criterion_.state_dict()))
        for owner, state in owners:
            for name, _ in owner.named_buffers():
                if state is not None and name in state and state[name].is_floating_point():
                    state[name].copy_(self.accelerator.reduce(state[name], "mean"))

    def _agree_to_stop(self, stops):
        """Return whether any process stops, and copy the epoch's history, including its duration, from the main one."""
        from accelerate.utils import gather_object

        row = {name: value for name, value in self.history[-1].items() if isinstance(value, Number | str)}
        gathered = gather_object([(stops, row)])
        self.history[-1].update(gathered[0][1])
        return any(stops for stops, _ in gathered)

    def _seed_draws(self) -> None:
        """Seed augmentation and dropout in each epoch, so that checkpoints need no random state per process."""
        entropy = [self.generators()["order"].initial_seed(), len(self.history), self.accelerator.process_index]
        own = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        self.generators()["augmentation"].manual_seed(own)
        torch.manual_seed(own)

    def _compare_data(self, dataset: FaceDataset) -> None:
        """Raise TrainingError unless all processes have the same data, and an image in each step."""
        from accelerate.utils import gather_object

        n_processes = self.accelerator.num_processes
        some, _ = dataset[torch.arange(0, len(dataset), max(1, len(dataset) // _N_COMPARED))]
        digests = gather_object([joblib.hash((some["images"].cpu().numpy(), dataset.codes.cpu().numpy()))])
        if len(set(digests)) > 1:
            raise TrainingError(
                "data_parallel=True: the processes received different images or labels, or in a different order. Pass "
                "the same data to all; set random_state in every step before fit, such as a split."
            )
        n_steps = -(-len(dataset) // self.iterator_train__batch_size)
        if len(dataset) // n_steps < n_processes:
            raise TrainingError(
                f"data_parallel=True: {len(dataset)} images in {n_steps} steps leave one of {n_processes} processes "
                "without an image. Start fewer processes, or pass a larger batch_size."
            )


def _disconnect_gloo() -> None:
    """Disconnect from the other processes if the backend is Gloo, whose threads crash one exit in twelve otherwise."""
    if torch.distributed.is_initialized() and torch.distributed.get_backend() == "gloo":
        torch.distributed.destroy_process_group()
