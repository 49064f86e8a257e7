"""The skorch net that trains on staged batches."""

from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from skorch import NeuralNetClassifier
from torch.nn import functional

from ..exceptions import TrainingError
from .batches import FaceDataset
from .hardware import autocast
from .preparation import Preparation

# skorch's own entries of an epoch that say nothing of the training.
_BOOKKEEPING = ("batches", "_best", "_batch_count")


class _StopTrainingError(KeyboardInterrupt):
    """A callback asks for the training to end, as skorch's EarlyStopping does by a KeyboardInterrupt."""


class FaceNet(NeuralNetClassifier):
    """skorch's classifier with batched augmentation, mixed precision, weights of samples and averaged weights.

    skorch's own loop asks the device for the loss after each batch; this one asks once an epoch. The per-batch
    losses are in the history all the same, so that every skorch callback finds them.
    """

    preparation: Preparation
    precision = "fp32"
    label_smoothing = 0.0
    ema: float | None = None
    _scaler: torch.amp.GradScaler | None = None
    _averaged: dict[str, torch.Tensor] | None = None
    _current: dict[str, torch.Tensor] | None = None

    def initialize(self):
        super().initialize()
        if self.precision == "fp16":
            # Gradients below 6e-8 would vanish in half precision.
            self._scaler = torch.amp.GradScaler(torch.device(self.device).type)
        self._fill_momenta()
        return self

    def train_for(self, n_epochs: int, dataset: FaceDataset) -> None:
        """Train as skorch's `partial_fit` does, but let the user's own Ctrl-C through: a search must end on it."""
        self.notify("on_train_begin", X=dataset, y=None)
        with suppress(_StopTrainingError):
            self.fit_loop(dataset, epochs=n_epochs)
        self.notify("on_train_end", X=dataset, y=None)

    def notify(self, method_name, **cb_kwargs):
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as request:
            if method_name != "on_epoch_end":
                raise
            raise _StopTrainingError from request

    def get_dataset(self, X, y=None):
        # Callbacks of skorch hand over images alone.
        return X if isinstance(X, FaceDataset) else FaceDataset(X, np.zeros(len(X), dtype=np.int64)).to(self.device)

    def infer(self, x, **fit_params):
        images = x["images"] if isinstance(x, dict) else x
        images = self.preparation(images, augment=self.module_.training)
        with autocast(self.precision if self.module_.training else "fp32", self.device):
            return self.module_(images).float()

    def get_loss(self, y_pred, y_true, X=None, training=False):
        smoothing = self.label_smoothing if training else 0.0
        losses = functional.cross_entropy(y_pred, y_true, reduction="none", label_smoothing=smoothing)
        return (losses * X["sample_weight"]).mean()

    def train_step_single(self, batch, **fit_params):
        if self._scaler is None:
            return super().train_step_single(batch, **fit_params)
        self._set_training(True)
        images, codes = batch
        logits = self.infer(images)
        loss = self.get_loss(logits, codes, X=images, training=True)
        self._scaler.scale(loss).backward()
        # So that callbacks, such as one that clips, see gradients of their true size.
        self._scaler.unscale_(self.optimizer_)
        return {"loss": loss, "y_pred": logits}

    def _step_optimizer(self, step_fn):
        if self._scaler is None:
            return super()._step_optimizer(step_fn)
        step_fn()
        self._scaler.step(self.optimizer_)
        self._scaler.update()
        return None

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        if iterator is None:
            return
        if training:
            self._load(self._current)
            self.history.record("lr", self.optimizer_.param_groups[-1]["lr"])
        first_batch = len(self.history[-1, "batches"])
        # Room for all of them at once: small results that outlive their batch would keep its memory from being reused.
        losses = torch.empty(len(iterator), device=self.device)
        answers = torch.empty((2, len(iterator.dataset)), dtype=torch.int64, device=self.device)
        seen = 0
        for number, batch in enumerate(iterator):
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            losses[number] = step["loss"].detach()
            self.history.record_batch(prefix + "_batch_size", len(batch[1]))
            self.notify("on_batch_end", batch=batch, training=training, **step)
            if training:
                rows = slice(seen, seen := seen + len(batch[1]))
                answers[0, rows], answers[1, rows] = batch[1], step["y_pred"].detach().argmax(dim=1)
                self._average()
        self._record_losses(losses.tolist(), first_batch, prefix)
        self.history.record(prefix + "_batch_count", len(losses))
        if training:
            self._record_training_scores(*answers.cpu().numpy())
            # Between epochs the module holds the averaged weights: they are what is validated, kept and used.
            self._current = None if self.ema is None else self._snapshot()
            self._load(self._averaged if self.ema is not None else None)

    def epochs(self) -> list[dict[str, Any]]:
        """Give the history as plain rows, one per epoch: numbers alone, no batches."""
        return [
            {
                name: value.item() if isinstance(value, np.generic) else value
                for name, value in epoch.items()
                if not name.endswith(_BOOKKEEPING)
            }
            for epoch in self.history
        ]

    def to_arrays(self) -> dict[str, Any]:
        """Give what is needed to predict and to train on, as NumPy arrays and plain types."""
        return {
            "weights": _to_arrays(self.module_.state_dict()),
            "training_weights": _to_arrays(self._current),
            "optimizer": type(self.optimizer_).__name__,
            "optimizer_state": _to_arrays(self.optimizer_.state_dict()["state"]),
            "precision": self.precision,
            "mean": self.preparation.mean,
            "std": self.preparation.std,
        }

    def load_arrays(self, arrays: dict[str, Any]) -> None:
        """Take up what :meth:`to_arrays` gave; the hyper-parameters of the optimiser stay those of this net."""
        self._load(_to_tensors(arrays["weights"]))
        if self.ema is not None:
            self._averaged = self._snapshot()
            current = _to_tensors(arrays["training_weights"]) or self._averaged
            self._current = {name: value.to(self.device) for name, value in current.items()}
        if arrays["optimizer"] == type(self.optimizer_).__name__:
            groups = self.optimizer_.state_dict()["param_groups"]
            state = {"state": _to_tensors(arrays["optimizer_state"]), "param_groups": groups}
            self.optimizer_.load_state_dict(state)
            self._lay_out_state()

    def _fill_momenta(self) -> None:
        """Let momenta begin at zero, which is what they are after no step at all.

        The fused SGD makes them in the first step for all weights or none, and in half precision of an overflow.
        """
        for group in self.optimizer_.param_groups:
            if group.get("fused") and group.get("momentum"):
                for weight in group["params"]:
                    self.optimizer_.state[weight]["momentum_buffer"] = torch.zeros_like(weight)

    def _lay_out_state(self) -> None:
        """Give what the optimiser keeps of a weight that weight's order in memory, in which fused kernels walk."""
        for weight, kept in self.optimizer_.state.items():
            for name, value in kept.items():
                if isinstance(value, torch.Tensor) and value.shape == weight.shape:
                    kept[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)

    def _record_losses(self, losses: list[float], first_batch: int, prefix: str) -> None:
        batches = self.history[-1]["batches"]
        for number, loss in enumerate(losses):
            batches[first_batch + number][prefix + "_loss"] = loss
            if not torch.isfinite(torch.tensor(loss)):
                rate = self.optimizer_.param_groups[-1]["lr"]
                raise TrainingError(
                    f"The {prefix} loss became {loss} in epoch {len(self.history)}, batch {number + 1}, at a learning "
                    f'rate of {rate:.3g}. Pass a smaller learning_rate, or precision="fp32".'
                )

    def _record_training_scores(self, true: NDArray[np.int64], predicted: NDArray[np.int64]) -> None:
        """Record how well the augmented images were told while the weights changed: no pass of its own is needed."""
        self.history.record("train_acc", accuracy_score(true, predicted))
        self.history.record("train_f1_macro", f1_score(true, predicted, average="macro"))

    def _average(self) -> None:
        """Fold the weights of this step into their exponential moving average."""
        if self.ema is None:
            return
        with torch.no_grad():
            state = self.module_.state_dict()
            if self._averaged is None:
                self._averaged = self._snapshot()
            weights = [name for name, average in self._averaged.items() if average.is_floating_point()]
            averages, values = [self._averaged[name] for name in weights], [state[name] for name in weights]
            torch._foreach_lerp_(averages, values, 1 - self.ema)
            for name in self._averaged.keys() - weights:
                # Counts of batches are taken over as they are.
                self._averaged[name].copy_(state[name])

    def _snapshot(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.module_.state_dict().items()}

    def _load(self, state: dict[str, Any] | None) -> None:
        if state is not None:
            self.module_.load_state_dict(state)


def _to_arrays(value: Any) -> Any:
    """Make NumPy arrays of the tensors in nested dictionaries and lists."""
    if isinstance(value, torch.Tensor):
        # A copy: what is written down must not change while the training goes on.
        return value.detach().cpu().numpy().copy()
    if isinstance(value, dict):
        return {name: _to_arrays(item) for name, item in value.items()}
    return [_to_arrays(item) for item in value] if isinstance(value, list) else value


def _to_tensors(value: Any) -> Any:
    """Undo :func:`_to_arrays`."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {name: _to_tensors(item) for name, item in value.items()}
    return [_to_tensors(item) for item in value] if isinstance(value, list) else value
