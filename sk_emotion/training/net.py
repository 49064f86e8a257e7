"""The skorch net that trains on staged batches."""

from typing import Any

import torch
import torch.nn.functional as F
from skorch import NeuralNetClassifier

from ..exceptions import TrainingError
from .hardware import autocast
from .preparation import Preparation


class FaceNet(NeuralNetClassifier):
    """skorch's classifier with batched augmentation, mixed precision, weights of samples and averaged weights.

    skorch's own loop asks the device for the loss after each batch; this one asks once an epoch. The per-batch
    losses are in the history all the same, so that every skorch callback finds them.
    """

    preparation: Preparation
    precision = "fp32"
    label_smoothing = 0.0
    ema: float | None = None
    _averaged: dict[str, torch.Tensor] | None = None
    _current: dict[str, torch.Tensor] | None = None

    def get_dataset(self, X, y=None):
        return X

    def infer(self, x, **fit_params):
        images = x["images"] if isinstance(x, dict) else x
        images = self.preparation(images, augment=self.module_.training)
        with autocast(self.precision if self.module_.training else "fp32", self.device):
            return self.module_(images).float()

    def get_loss(self, y_pred, y_true, X=None, training=False):
        smoothing = self.label_smoothing if training else 0.0
        losses = F.cross_entropy(y_pred, y_true, reduction="none", label_smoothing=smoothing)
        return (losses * X["sample_weight"]).mean()

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        if iterator is None:
            return
        if training:
            self._load(self._current)
        losses, first_batch = [], len(self.history[-1, "batches"])
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            losses.append(step["loss"].detach())
            self.history.record_batch(prefix + "_batch_size", len(batch[1]))
            self.notify("on_batch_end", batch=batch, training=training, **step)
            if training:
                self._average()
        self._record_losses(torch.stack(losses).tolist(), first_batch, prefix)
        self.history.record(prefix + "_batch_count", len(losses))
        if training and self.ema is not None:
            # Between epochs the module holds the averaged weights: they are what is validated, kept and used.
            self._current = self._snapshot()
            self._load(self._averaged)

    def _record_losses(self, losses: list[float], first_batch: int, prefix: str) -> None:
        batches = self.history[-1]["batches"]
        for number, loss in enumerate(losses):
            batches[first_batch + number][prefix + "_loss"] = loss
            if not torch.isfinite(torch.tensor(loss)):
                rate = self.optimizer_.param_groups[0]["lr"]
                raise TrainingError(
                    f"The {prefix} loss became {loss} in epoch {len(self.history)}, batch {number + 1}, at a learning "
                    f'rate of {rate:.3g}. Pass a smaller learning_rate, or precision="fp32".'
                )

    def _average(self) -> None:
        """Fold the weights of this step into their exponential moving average."""
        if self.ema is None:
            return
        with torch.no_grad():
            state = self.module_.state_dict()
            if self._averaged is None:
                self._averaged = self._snapshot()
            for name, average in self._averaged.items():
                if average.is_floating_point():
                    average.lerp_(state[name], 1 - self.ema)
                else:
                    average.copy_(state[name])

    def _snapshot(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.module_.state_dict().items()}

    def _load(self, state: dict[str, Any] | None) -> None:
        if state is not None:
            self.module_.load_state_dict(state)
