"""Several processes that train one network, each on another part of every batch, by Hugging Face Accelerate.

skorch's own ``AccelerateMixin`` shares out the batches of a DataLoader, and losses stay those of the process. Here
batches are slices of images that are on the device, and losses and scores are those of all processes, since early
stopping must come to the same end in each. So Accelerate starts, places, joins and compares the processes, and
PyTorch's DistributedDataParallel, which it wraps the module in, makes the gradients one.
"""

import atexit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from numbers import Number
from typing import Any, TypeVar

import joblib
import numpy as np
import torch
from joblib.parallel import get_active_backend
from sklearn.utils import check_random_state

from ..exceptions import CheckpointError, MissingDependencyError, TrainingError
from ..utils._device import choose_device
from .batches import FaceDataset
from .checkpoints import Checkpoints, open_checkpoints
from .net import FaceNet, StopTrainingError
from .run import Run

_T = TypeVar("_T")

# So many images are compared between the processes.
_N_COMPARED = 256


def join_processes(clf: Any) -> Any:
    """Give the Accelerator of the processes that are to train `clf` together; None if this one trains alone.

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
        return None
    try:
        from accelerate import Accelerator
        from accelerate.utils.environment import get_cpu_distributed_information
    except ImportError as error:
        raise MissingDependencyError(
            'data_parallel=True needs Accelerate, which is not installed: pip install "sk-emotion[accelerate]".'
        ) from error
    # On GPUs, launchers set the same variables.
    if get_cpu_distributed_information().world_size == 1:
        return None
    if get_active_backend()[0].nesting_level > 0:
        raise TrainingError(
            "data_parallel=True cannot train in a worker of joblib's: the processes would wait for workers that train "
            "something else. Pass n_jobs=1; each fit has all processes then."
        )
    on_cpu = torch.device(choose_device(clf.device)).type != "cuda"
    if not torch.distributed.is_initialized():
        atexit.register(_leave_processes)
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
    return accelerator


def place_process(device: str | torch.device, accelerator: Any) -> str:
    """Choose the device of this process: among several, the one that Accelerate gave it."""
    if accelerator is None:
        return choose_device(device)
    return "cpu" if accelerator.device.type == "cpu" else str(accelerator.device)


def count_processes(accelerator: Any) -> int:
    """Count the processes that train together."""
    return 1 if accelerator is None else accelerator.num_processes


def ask_main_process(accelerator: Any, act: Callable[[], _T]) -> _T:
    """Let the main process act, and give to all what came of it; an error in a checkpoint is raised in all.

    Alone, this process acts.
    """
    if accelerator is None:
        return act()
    from accelerate.utils import broadcast_object_list

    outcome: list[Any] = [None, None]
    if accelerator.is_main_process:
        try:
            outcome[0] = act()
        except CheckpointError as error:
            outcome[1] = error
    value, failure = broadcast_object_list(outcome)
    if failure is not None:
        raise failure
    return value


def share_random_state(random_state: Any, accelerator: Any) -> Any:
    """Without a seed, give all processes that of the main one, so that they split the images in the same way."""
    if accelerator is None or random_state is not None:
        return random_state
    return ask_main_process(accelerator, lambda: int(check_random_state(None).randint(np.iinfo(np.int32).max)))


@contextmanager
def open_shared_checkpoints(accelerator: Any, directory: Any, run: Run) -> Iterator[tuple[Any, Any]]:
    """Do as :func:`open_checkpoints`, but let the main process alone read, write and hold the lock."""
    with ExitStack() as stack:
        checkpoints, random_state = ask_main_process(
            accelerator, lambda: stack.enter_context(open_checkpoints(directory, run))
        )
        yield SharedCheckpoints(checkpoints.folder, accelerator), random_state


class SharedCheckpoints(Checkpoints):
    """Checkpoints that the main process reads and writes for all."""

    def __init__(self, folder: Any, accelerator: Any):
        super().__init__(folder)
        self.accelerator = accelerator

    def load(self) -> tuple[str, dict[str, Any] | None]:
        return ask_main_process(self.accelerator, super().load)

    def save(self, stage: str, epoch: int, state: dict[str, Any]) -> None:
        write = super().save
        ask_main_process(self.accelerator, lambda: write(stage, epoch, state))


class DatasetPart(FaceDataset):
    """A FaceDataset that gives, of the rows of a batch, those that are a process's own.

    Weights are lower in a part that is smaller than others, so that the mean over processes of the losses in their
    parts is the loss of the batch.
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
    """A FaceNet that trains in several processes, and in each of them ends with the same weights and history.

    All go through the same batches in the same order, train on their parts of them, and draw augmentation and dropout
    of their own. Validation images are shared out in the same way; their logits come together in every process, so
    that callbacks see whole validation batches. Nothing that one process alone knows decides how the training goes on.
    """

    accelerator: Any = None
    watches_batches = False  # a process that stops in the middle of an epoch would be waited for
    _replica: Callable[[torch.Tensor], torch.Tensor] | None = None

    def train_for(self, n_epochs: int, dataset: FaceDataset, checkpoints: Checkpoints | None = None) -> None:
        try:
            self._compare_data(dataset)
            # `module_` stays as it is, so that its weights keep their names. skorch lets no other module be set here.
            replica = self.accelerator.prepare_model(self.module_)
            # Running statistics become one at the end of an epoch, which costs less than messages in each step.
            replica.broadcast_buffers = False
            self._replica = replica.__call__
            super().train_for(n_epochs, dataset, checkpoints)
        finally:
            # Predicting takes one process, and so does what a user does next.
            self.accelerator = self._replica = None

    def fit_loop(self, *args, **kwargs):
        try:
            return super().fit_loop(*args, **kwargs)
        except (TrainingError, StopTrainingError):
            # Raised in all processes.
            raise
        except BaseException as error:
            # The others would wait for this one; they are told by the connection that ends.
            _leave_processes()
            if "gloo" in str(error):
                raise TrainingError(
                    "data_parallel=True: another process left the training, and what it raised says why."
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

    def _forward(self, images):
        return self._replica(images) if self._replica and self.module_.training else super()._forward(images)

    def _join_epoch(self, losses, answers, training):
        # The mean tells all of them of a loss that is not finite in one.
        losses = self.accelerator.reduce(losses, "mean")
        if training:
            self._join_buffers()
            n_longest = -(-answers.shape[1] // self.accelerator.num_processes) + len(losses)
            parts = self.accelerator.gather(answers[:, :n_longest].T.contiguous())
            answers = parts[parts[:, 0] >= 0].T
        return losses, answers

    def _join_buffers(self) -> None:
        """Let running statistics, each of which comes from a part of every batch, be the mean of all."""
        for state in (self.module_.state_dict(), self._averaged):
            for name, _ in self.module_.named_buffers():
                if state is not None and name in state and state[name].is_floating_point():
                    state[name].copy_(self.accelerator.reduce(state[name], "mean"))

    def _agree_to_stop(self, stops):
        """Stop all if one asks for it, and let the main process tell all how the epoch was, its duration too."""
        from accelerate.utils import gather_object

        row = {name: value for name, value in self.history[-1].items() if isinstance(value, Number | str)}
        told = gather_object([(stops, row)])
        self.history[-1].update(told[0][1])
        return any(stops for stops, _ in told)

    def _seed_draws(self) -> None:
        """Seed augmentation and dropout anew in each epoch: a checkpoint need not know where each process stood."""
        entropy = [self.generators()["order"].initial_seed(), len(self.history), self.accelerator.process_index]
        own = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        self.generators()["augmentation"].manual_seed(own)
        torch.manual_seed(own)

    def _compare_data(self, dataset: FaceDataset) -> None:
        """Raise TrainingError unless all processes have the same images and labels, and an image in each step."""
        from accelerate.utils import gather_object

        n_processes = self.accelerator.num_processes
        digests = gather_object([_digest(dataset)])
        if len(set(digests)) > 1:
            raise TrainingError(
                "data_parallel=True: the processes have other images or labels, or in another order. Give all of them "
                "the same; seed what is drawn before the training, such as a split."
            )
        n_steps = -(-len(dataset) // self.iterator_train__batch_size)
        if len(dataset) // n_steps < n_processes:
            raise TrainingError(
                f"data_parallel=True: {len(dataset)} images in {n_steps} steps leave one of {n_processes} processes "
                "without an image. Start fewer processes, or pass a larger batch_size."
            )


def _leave_processes() -> None:
    """End the connection to the other processes, if they are joined by Gloo.

    Its threads crash one exit in twelve otherwise, with "terminate called without an active exception".
    """
    if torch.distributed.is_initialized() and torch.distributed.get_backend() == "gloo":
        torch.distributed.destroy_process_group()


def _digest(dataset: FaceDataset) -> str:
    some, _ = dataset[torch.arange(0, len(dataset), max(1, len(dataset) // _N_COMPARED))]
    return joblib.hash((some["images"].cpu().numpy(), dataset.codes.cpu().numpy()))
