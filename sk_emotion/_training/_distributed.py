"""A net that trains in several processes, each on its part of every batch.

skorch's ``AccelerateMixin`` distributes the batches of a DataLoader, and each process has its own losses. Here batches
are slices of images on the device, and losses and scores are those of all processes, since early stopping must reach
the same decision in each. Accelerate assigns the devices and communicates between processes; PyTorch's
DistributedDataParallel, in which it wraps the module, averages the gradients.
"""

from collections.abc import Callable
from numbers import Number
from typing import Any

import joblib
import numpy as np
import torch

from ..exceptions import ParameterError, TrainingError
from ._batches import FaceDataset
from ._checkpoints import Checkpoints
from ._net import FaceNet, StopTrainingError
from ._processes import disconnect_gloo

# Number of images compared between the processes.
_N_COMPARED = 256


class DatasetPart(FaceDataset):
    """A FaceDataset that returns one process's part of each batch.

    Sample weights are scaled by the size of the part, so that the mean of the losses over processes is the loss of the
    batch.
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

    All processes iterate over the same batches in the same order, train on their part of each, and draw augmentation
    and dropout independently. Validation batches are split in the same way; their logits are gathered in every process,
    so that callbacks see whole validation batches. No decision depends on the state of a single process.
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
            disconnect_gloo()
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
        for state in (self.module_.state_dict(), self._averaged):
            for name, _ in self.module_.named_buffers():
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
        digests = gather_object([_digest(dataset)])
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


def _digest(dataset: FaceDataset) -> str:
    some, _ = dataset[torch.arange(0, len(dataset), max(1, len(dataset) // _N_COMPARED))]
    return joblib.hash((some["images"].cpu().numpy(), dataset.codes.cpu().numpy()))
