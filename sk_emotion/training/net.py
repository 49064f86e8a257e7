"""The skorch net that trains on staged batches."""

import math
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from skorch import NeuralNetClassifier
from torch.nn import functional

from ..exceptions import CheckpointError, TrainingError
from ..utils._device import is_out_of_memory
from .batches import FaceDataset
from .checkpoints import FINISHED, STOPPED, TRAINS, Checkpoints
from .hardware import autocast
from .preparation import Preparation
from .state import (
    capture_state,
    fill_momenta,
    lay_out_state,
    restore_history,
    restore_state,
    to_arrays,
    to_tensors,
)

# skorch's own entries of an epoch that say nothing of the training.
_BOOKKEEPING = ("batches", "_best", "_batch_count")


class StopTrainingError(KeyboardInterrupt):
    """A callback asks for the training to end, as skorch's EarlyStopping does by a KeyboardInterrupt."""


class FaceNet(NeuralNetClassifier):
    """skorch's classifier with batched augmentation, mixed precision, weights of samples and averaged weights.

    skorch's own loop asks the device for the loss after each batch; this one asks once an epoch. The per-batch
    losses are in the history all the same, so that every skorch callback finds them.
    """

    preparation: Preparation
    precision = "fp32"
    label_smoothing = 0.0
    watches_batches = True
    ema: float | None = None
    scaler: torch.amp.GradScaler | None = None
    _averaged: dict[str, torch.Tensor] | None = None
    _current: dict[str, torch.Tensor] | None = None
    _finished: dict[str, Any] | None = None
    _checkpoints: Checkpoints | None = None

    def initialize(self):
        super().initialize()
        if self.precision == "fp16":
            # Gradients below 6e-8 would vanish in half precision.
            self.scaler = torch.amp.GradScaler(torch.device(self.device).type)
        fill_momenta(self.optimizer_)
        return self

    def train_for(self, n_epochs: int, dataset: FaceDataset, checkpoints: Checkpoints | None = None) -> None:
        """Train as skorch's `partial_fit` does, but let the user's own Ctrl-C through: a search must end on it.

        With `checkpoints`, go on from the last of them. A training that fails or is interrupted leaves the net where
        it stood after its last finished epoch.
        """
        self._checkpoints = checkpoints
        n_all = len(self.history) + n_epochs
        stage, state = (TRAINS, None) if checkpoints is None else checkpoints.load(capture_state(self))
        if state is not None:
            # Callbacks look at it when a training begins, and then know the scores to beat.
            restore_history(self, state)
        self.notify("on_train_begin", X=dataset, y=None)
        if checkpoints is not None and state is not None:
            self._take_up(state, checkpoints)
        self._finished = capture_state(self) if self.history else None
        try:
            if stage == TRAINS:
                with suppress(StopTrainingError):
                    self.fit_loop(dataset, epochs=n_all - len(self.history))
        except BaseException as error:
            self._roll_back()
            if isinstance(error, KeyboardInterrupt) and self.history:
                self.notify("on_train_end", X=dataset, y=None)
            if is_out_of_memory(error):
                raise TrainingError(
                    f"Memory of {self.device} does not suffice for batch_size={self.batch_size} ({error}). Pass "
                    f'batch_size={max(1, self.batch_size // 2)}, a smaller network, or device="cpu".'
                ) from error
            raise
        finally:
            # They would be three times the memory of the network.
            self._finished = self._checkpoints = None
        self.notify("on_train_end", X=dataset, y=None)
        if checkpoints is not None and stage != FINISHED:
            checkpoints.save(FINISHED, len(self.history), capture_state(self))

    def notify(self, method_name, **cb_kwargs):
        if method_name != "on_epoch_end":
            super().notify(method_name, **cb_kwargs)
            return
        request: KeyboardInterrupt | None = None
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as error:
            request = error
        stops = self._agree_to_stop(request is not None)
        self._finish_epoch(STOPPED if stops else TRAINS)
        if stops:
            raise StopTrainingError from request

    def get_dataset(self, X, y=None):
        # Callbacks of skorch hand over images alone.
        return X if isinstance(X, FaceDataset) else FaceDataset(X, np.zeros(len(X), dtype=np.int64)).to(self.device)

    def infer(self, x, **fit_params):
        images = x["images"] if isinstance(x, dict) else x
        images = self.preparation(images, augment=self.module_.training)
        with autocast(self.precision if self.module_.training else "fp32", self.device):
            return self._forward(images).float()

    def get_loss(self, y_pred, y_true, X=None, training=False):
        smoothing = self.label_smoothing if training else 0.0
        losses = functional.cross_entropy(y_pred, y_true, reduction="none", label_smoothing=smoothing)
        return (losses * X["sample_weight"]).mean()

    def train_step_single(self, batch, **fit_params):
        if self.scaler is None:
            return super().train_step_single(batch, **fit_params)
        self._set_training(True)
        images, codes = batch
        logits = self.infer(images)
        loss = self.get_loss(logits, codes, X=images, training=True)
        self.scaler.scale(loss).backward()
        # So that callbacks, such as one that clips, see gradients of their true size.
        self.scaler.unscale_(self.optimizer_)
        return {"loss": loss, "y_pred": logits}

    def _step_optimizer(self, step_fn):
        if self.scaler is None:
            return super()._step_optimizer(step_fn)
        step_fn()
        self.scaler.step(self.optimizer_)
        self.scaler.update()
        return None

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        if iterator is None:
            return
        if training:
            self._load(self._current)
            self.history.record("lr", self.optimizer_.param_groups[-1]["lr"])
        first_batch = len(self.history[-1, "batches"])
        rates = []
        # Room for all of them at once: small results that outlive their batch would keep its memory from being reused.
        losses = torch.empty(len(iterator), device=self.device)
        answers = torch.full((2, len(iterator.dataset)), -1, device=self.device)
        seen = 0
        for number, batch in enumerate(iterator):
            self.notify("on_batch_begin", batch=batch, training=training)
            rates.append(self.optimizer_.param_groups[-1]["lr"])
            step = step_fn(batch, **fit_params)
            losses[number] = step["loss"].detach()
            if self.watches_batches and losses.device.type == "cpu":
                # A GPU would have to be waited for: there, the end of the epoch tells.
                self._check_loss(losses[number].item(), number, rates[number], prefix)
            self.history.record_batch(prefix + "_batch_size", len(batch[1]))
            self.notify("on_batch_end", batch=batch, training=training, **step)
            if training:
                rows = slice(seen, seen := seen + len(batch[1]))
                answers[0, rows], answers[1, rows] = batch[1], step["y_pred"].detach().argmax(dim=1)
                self._average()
        losses, answers = self._join_epoch(losses, answers, training)
        for number, loss in enumerate(losses.tolist()):
            self._check_loss(loss, number, rates[number], prefix)
            self.history[-1, "batches", first_batch + number][prefix + "_loss"] = loss
        self.history.record(prefix + "_batch_count", len(losses))
        if training:
            self._check_weights()
            self._record_training_scores(*answers.cpu().numpy())
            # Between epochs the module holds the averaged weights: they are what is validated, kept and used.
            if self._averaged is not None:
                self._current = self._snapshot()
                counts = {name: value for name, value in self._current.items() if not value.is_floating_point()}
                self._load(self._averaged | counts)

    def generators(self) -> dict[str, torch.Generator]:
        """Name the sources of all draws that are not PyTorch's global one."""
        found = {"order": self.iterator_train__generator, "augmentation": self.preparation.generator}
        return {name: generator for name, generator in found.items() if generator is not None}

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
            "weights": to_arrays(self.module_.state_dict()),
            "training_weights": to_arrays(self._current),
            "optimizer": type(self.optimizer_).__name__,
            "optimizer_state": to_arrays(self.optimizer_.state_dict()["state"]),
            "precision": self.precision,
            "mean": self.preparation.mean,
            "std": self.preparation.std,
        }

    def load_arrays(self, arrays: dict[str, Any]) -> None:
        """Take up what :meth:`to_arrays` gave; the hyper-parameters of the optimiser stay those of this net."""
        self._load(to_tensors(arrays["weights"]))
        if self.ema is not None:
            self._averaged = self._snapshot()
            current = to_tensors(arrays["training_weights"]) or self._averaged
            self._current = {name: value.to(self.device) for name, value in current.items()}
        if arrays["optimizer"] == type(self.optimizer_).__name__:
            groups = self.optimizer_.state_dict()["param_groups"]
            state = {"state": to_tensors(arrays["optimizer_state"]), "param_groups": groups}
            self.optimizer_.load_state_dict(state)
            lay_out_state(self.optimizer_)

    # What several processes do in another way, see DataParallelNet.

    def _forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.module_(images)

    def _join_epoch(
        self, losses: torch.Tensor, answers: torch.Tensor, training: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the losses of all batches, and the classes of all images beside the predicted ones."""
        return losses, answers

    def _agree_to_stop(self, stops: bool) -> bool:
        return stops

    def _check_loss(self, loss: float, number: int, rate: float, prefix: str) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"The {prefix} loss became {loss} in epoch {len(self.history)}, batch {number + 1}, at a learning rate "
                f'of {rate:.3g}. Pass a smaller learning_rate, or precision="fp32".'
            )

    def _check_weights(self) -> None:
        """The step after the last loss of an epoch has no loss of its own that would tell."""
        weights = [value for value in self.module_.state_dict().values() if value.is_floating_point()]
        if not torch.stack([value.isfinite().all() for value in weights]).all():
            raise TrainingError(
                f"Weights were no longer finite at the end of epoch {len(self.history)}. Pass a smaller learning_rate, "
                'or precision="fp32".'
            )

    def _take_up(self, state: dict[str, Any], checkpoints: Checkpoints) -> None:
        try:
            restore_state(self, state)
        except Exception as error:
            raise CheckpointError(
                f"checkpoint_dir: the checkpoint in {checkpoints.folder} does not fit the network "
                f"({type(error).__name__}: {error}). Delete this folder to train anew."
            ) from error

    def _finish_epoch(self, stage: str) -> None:
        self._finished = capture_state(self)
        if self._checkpoints is not None:
            self._checkpoints.save(stage, len(self.history), self._finished)

    def _roll_back(self) -> None:
        """Undo an epoch that was not finished; of a first one, keep the weights, since there are no others."""
        n_finished = 0
        if self._finished is not None:
            restore_state(self, self._finished)
            n_finished = len(self._finished["history"])
        del self.history[n_finished:]

    def _record_training_scores(self, true: NDArray[np.int64], predicted: NDArray[np.int64]) -> None:
        """Record how well the augmented images were told while the weights changed: no pass of its own is needed."""
        self.history.record("train_acc", accuracy_score(true, predicted))
        self.history.record("train_f1_macro", f1_score(true, predicted, average="macro"))

    def _average(self) -> None:
        """Fold the weights of this step into their exponential moving average."""
        if self.ema is None:
            return
        if self._averaged is None:
            self._averaged = self._snapshot()
        # Asked for anew: callbacks and layers may put another tensor in the place of a weight.
        state = self.module_.state_dict()
        weights = [name for name, value in state.items() if value.is_floating_point()]
        averages, values = [self._averaged[name] for name in weights], [state[name] for name in weights]
        with torch.no_grad():
            torch._foreach_lerp_(averages, values, 1 - self.ema)

    def _snapshot(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.module_.state_dict().items()}

    def _load(self, state: dict[str, Any] | None) -> None:
        if state is not None:
            self.module_.load_state_dict(state)
