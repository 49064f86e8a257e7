"""The skorch net, which trains on images staged on the device."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from skorch import NeuralNetClassifier
from skorch.callbacks.scoring import ScoringBase
from skorch.exceptions import SkorchException

from ..exceptions import CheckpointError, ParameterError, TrainingError
from ..utils._device import is_out_of_memory
from ._batches import FaceDataset
from ._callbacks import (
    LabelScorer,
    StopTrainingError,
    check_monitors,
    explain_error,
    restore_best_scores,
    reuse_callbacks,
    watch_signals,
)
from ._checkpoints import FINISHED, STOPPED, TRAINING, Checkpoints
from ._criterion import compute_loss, list_state, load_state
from ._hardware import autocast
from ._schedule import check_schedules
from ._standardize import Preparation
from ._state import (
    capture_network,
    capture_state,
    init_momentum_buffers,
    list_rates,
    match_memory_layout,
    restore_changed_rates,
    restore_history,
    restore_rates,
    restore_state,
    serialize_rates,
    to_arrays,
    to_tensors,
)


class FaceNet(NeuralNetClassifier):
    """skorch's classifier with batched augmentation, mixed precision, sample weights and weight averaging.

    skorch fetches the loss from the device after each batch; this net fetches all losses once per epoch.
    """

    preparation: Preparation
    precision = "fp32"
    has_weights = False
    labels: NDArray[Any]
    watches_batches = True
    ema: float | None = None
    schedule: str | None = None
    known_callbacks: dict[str, Any] | None = None
    scaler: torch.amp.GradScaler | None = None
    built_rates: list[dict[str, Any]]
    _averaged: dict[str, torch.Tensor] | None = None
    _current: dict[str, torch.Tensor] | None = None
    _finished: dict[str, Any] | None = None
    _checkpoints: Checkpoints | None = None

    def initialize(self):
        super().initialize()
        if self.precision == "fp16":
            self.scaler = torch.amp.GradScaler(torch.device(self.device).type)
        init_momentum_buffers(self.optimizer_)
        self.built_rates = list_rates(self.optimizer_)
        return self

    def initialize_callbacks(self):
        """Initialize the callbacks, except those initialized by an earlier fit, as in skorch's `partial_fit`."""
        try:
            named = list(self._uniquely_named_callbacks())
        except ValueError as error:
            raise ParameterError(f"callbacks: {error} Some names are reserved for the net's own callbacks.") from error
        if self.known_callbacks is None:
            super().initialize_callbacks()
        else:
            self.callbacks_ = reuse_callbacks(named, self.known_callbacks)
        for _, callback in self.callbacks_:
            # Those of an earlier fit score labels already.
            if isinstance(callback, ScoringBase) and not isinstance(callback.scoring_, LabelScorer):
                callback.scoring_ = LabelScorer(callback.scoring_, self.labels)
        return self

    def initialize_optimizer(self, *args, **kwargs):
        name = getattr(self.optimizer, "__name__", repr(self.optimizer))
        try:
            super().initialize_optimizer(*args, **kwargs)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ParameterError(
                f"optimizer={name} cannot be built for this network ({_first_line(error)}). Pass an optimizer class of "
                "torch.optim, or a function that takes the weights and lr and returns an optimizer."
            ) from error
        if not isinstance(self.optimizer_, torch.optim.Optimizer):
            raise ParameterError(
                f"optimizer={name} returned an object of type {type(self.optimizer_).__name__}, expected an optimizer "
                "of torch.optim."
            )
        return self

    def train_for(self, n_epochs: int, dataset: FaceDataset, checkpoints: Checkpoints | None = None) -> None:
        """Train as skorch's `partial_fit` does, but re-raise KeyboardInterrupt on Ctrl-C, so that a search stops too.

        If training fails or is interrupted, the net is restored to its state after the last completed epoch.
        """
        self._checkpoints = checkpoints
        self.has_weights = bool((dataset.sample_weight != dataset.sample_weight[0]).any())
        n_before = len(self.history)
        stage, state = (TRAINING, None) if checkpoints is None else checkpoints.load(capture_network(self))
        if checkpoints is not None and state is not None:
            # In on_train_begin, callbacks read the best scores so far and the learning rates.
            self._restore_from(checkpoints, state, restore_history, restore_rates)
            n_epochs -= len(self.history) - n_before
        check_monitors(self)
        restore_best_scores(self)
        self.notify("on_train_begin", X=dataset, y=None)
        if checkpoints is not None and state is not None:
            self._restore_from(checkpoints, state, restore_history, restore_state)
        check_schedules(self)
        self._finished = capture_state(self) if self.history else None
        try:
            if stage == TRAINING:
                with watch_signals() as signals, suppress(StopTrainingError):
                    self.fit_loop(dataset, epochs=n_epochs)
        except BaseException as error:
            n_begun = len(self.history)
            self._roll_back()
            if isinstance(error, KeyboardInterrupt) and self.history:
                self.notify("on_train_end", X=dataset, y=None)
            if is_out_of_memory(error):
                raise TrainingError(
                    f"{self.device} ran out of memory with batch_size={self.batch_size} ({error}). Pass "
                    f'batch_size={max(1, self.batch_size // 2)}, a smaller network, or device="cpu".'
                ) from error
            if isinstance(error, KeyboardInterrupt) and not error.args and not signals:
                raise KeyboardInterrupt(
                    f"A callback or the network raised KeyboardInterrupt in epoch {n_begun}; it was not Ctrl-C. To "
                    "stop training without an error, raise it in on_epoch_end."
                ) from error
            raise
        finally:
            # They take up to three times the memory of the network.
            self._finished = self._checkpoints = None
        self.notify("on_train_end", X=dataset, y=None)
        if checkpoints is not None and stage != FINISHED:
            checkpoints.save(FINISHED, len(self.history), capture_state(self))

    def notify(self, method_name, **cb_kwargs):
        try:
            if method_name == "on_epoch_end":
                self._end_epoch(**cb_kwargs)
            else:
                super().notify(method_name, **cb_kwargs)
        except (KeyError, ValueError, SkorchException) as error:
            explain_error(self, error)
            raise

    def _end_epoch(self, **cb_kwargs):
        request: KeyboardInterrupt | None = None
        with watch_signals() as signals:
            try:
                super().notify("on_epoch_end", **cb_kwargs)
            except KeyboardInterrupt as error:
                if signals:
                    raise
                request = error
        stops = self._agree_to_stop(request is not None)
        self._finished = capture_state(self)
        if self._checkpoints is not None:
            self._checkpoints.save(STOPPED if stops else TRAINING, len(self.history), self._finished)
        if stops:
            raise StopTrainingError from request

    def get_dataset(self, X, y=None):
        # skorch's callbacks pass images without labels.
        return X if isinstance(X, FaceDataset) else FaceDataset(X, np.zeros(len(X), dtype=np.int64)).to(self.device)

    def infer(self, x, **fit_params):
        images = x["images"] if isinstance(x, dict) else x
        images = self.preparation(images, augment=self.module_.training)
        with autocast(self.precision if self.module_.training else "fp32", self.device):
            return self._forward(images).float()

    def get_loss(self, y_pred, y_true, X=None, training=False):
        if training and not y_pred.requires_grad:
            raise TrainingError(
                "All weights of the network are frozen, so there is nothing to train. Unfreeze at least one layer."
            )
        return compute_loss(self, y_pred, y_true, X["sample_weight"], training)

    def train_step_single(self, batch, **fit_params):
        self._set_training(True)
        images, codes = batch
        logits = self.infer(images, **fit_params)
        loss = self.get_loss(logits, codes, X=images, training=True)
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        self._join_gradients()
        if self.scaler is not None:
            # Callbacks such as GradientNormClipping must see unscaled gradients.
            self.scaler.unscale_(self.optimizer_)
        return {"loss": loss, "y_pred": logits}

    def _step_optimizer(self, step_fn):
        failed: list[BaseException] = []

        def step():
            try:
                return step_fn()
            except BaseException as error:
                failed.append(error)
                raise

        try:
            if self.scaler is None:
                return super()._step_optimizer(step)
            step()
            self.scaler.step(self.optimizer_)
            self.scaler.update()
        except (RuntimeError, TypeError, ValueError) as error:
            if error in failed or is_out_of_memory(error):
                raise
            raise ParameterError(
                f"optimizer={type(self.optimizer_).__name__} cannot train this network in {self.precision} "
                f"({_first_line(error)}). Pass another optimizer."
            ) from error
        return None

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        if iterator is None:
            return
        if training:
            self._load(self._current)
            self._current = None
            self.history.record("lr", self.optimizer_.param_groups[-1]["lr"])
        first_batch = len(self.history[-1, "batches"])
        rates = []
        # Allocated at once: small tensors that outlive their batch would keep its memory from being reused.
        losses = torch.empty(len(iterator), device=self.device)
        answers = torch.full((2, len(iterator.dataset)), -1, device=self.device)
        seen = 0
        for number, batch in enumerate(iterator):
            self.notify("on_batch_begin", batch=batch, training=training)
            rates.append(self.optimizer_.param_groups[-1]["lr"])
            step = step_fn(batch, **fit_params)
            losses[number] = step["loss"].detach()
            if self.watches_batches and losses.device.type == "cpu":
                # On a GPU this would wait for the step; losses are checked at the end of the epoch instead.
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
            # Of the augmented images, predicted during the training steps.
            true, predicted = answers.cpu().numpy()
            self.history.record("train_acc", accuracy_score(true, predicted))
            self.history.record("train_f1_macro", f1_score(true, predicted, average="macro"))
            # Between epochs the module holds the averaged weights, which are validated, saved and used to predict.
            if self._averaged is not None:
                self._current = self._snapshot()
                counts = {name: value for name, value in self._current.items() if not value.is_floating_point()}
                self._load(self._averaged | counts)

    def generators(self) -> dict[str, torch.Generator]:
        """Return the random generators of the training by name, except PyTorch's global one."""
        return {"order": self.iterator_train__generator, "augmentation": self.preparation.generator}

    def to_arrays(self) -> dict[str, Any]:
        """Return the state needed to predict and to continue training, as NumPy arrays and plain types."""
        return {
            "weights": to_arrays(self.module_.state_dict()),
            "training_weights": to_arrays(self._current),
            "criterion": to_arrays(list_state(self.criterion_)),
            "frozen": [name for name, weight in self.module_.named_parameters() if not weight.requires_grad],
            "optimizer": type(self.optimizer_).__name__,
            "optimizer_state": to_arrays(self.optimizer_.state_dict()["state"]),
            "changed_rates": serialize_rates(self),
            "precision": self.precision,
            "mean": self.preparation.mean,
            "std": self.preparation.std,
        }

    def load_arrays(self, arrays: dict[str, Any]) -> None:
        """Restore the state returned by :meth:`to_arrays`; the optimizer keeps the hyperparameters of this net."""
        self._load(to_tensors(arrays["weights"]))
        # Older files have neither "frozen" nor "changed_rates" nor "criterion".
        if "frozen" in arrays:
            frozen = set(arrays["frozen"])
            for name, weight in self.module_.named_parameters():
                if weight.is_floating_point():
                    weight.requires_grad_(name not in frozen)
        self._averaged = None if self.ema is None else self._snapshot()
        current = to_tensors(arrays["training_weights"]) or self._averaged
        self._current = None if current is None else {name: value.to(self.device) for name, value in current.items()}
        same_criterion = load_state(self.criterion_, to_tensors(arrays.get("criterion", {})))
        if arrays["optimizer"] == type(self.optimizer_).__name__:
            groups = self.optimizer_.state_dict()["param_groups"]
            state = to_tensors(arrays["optimizer_state"])
            if not same_criterion:
                # The parameters of the criterion are the last.
                n_weights = len(list(self.module_.parameters()))
                state = {number: kept for number, kept in state.items() if number < n_weights}
            self.optimizer_.load_state_dict({"state": state, "param_groups": groups})
            init_momentum_buffers(self.optimizer_)
            match_memory_layout(self.optimizer_)
            if "changed_rates" in arrays:
                restore_changed_rates(self, arrays["changed_rates"])

    # Overridden in DataParallelNet.

    def _forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.module_(images)

    def _join_gradients(self) -> None:
        """Average the gradients that PyTorch does not."""

    def _join_epoch(
        self, losses: torch.Tensor, answers: torch.Tensor, training: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the losses of all batches, and the true and predicted classes of all images."""
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
        """Raise TrainingError if weights are not finite: no loss is computed after the last step of an epoch."""
        state = {**self.module_.state_dict(prefix="module."), **list_state(self.criterion_)}
        weights = [value for value in state.values() if value.is_floating_point()]
        if not torch.stack([value.isfinite().all() for value in weights]).all():
            raise TrainingError(
                f"Weights were not finite at the end of epoch {len(self.history)}. Pass a smaller learning_rate, "
                'or precision="fp32".'
            )

    def _restore_from(self, checkpoints: Checkpoints, state: dict[str, Any], *steps: Callable[..., None]) -> None:
        try:
            for step in steps:
                step(self, state)
        except Exception as error:
            raise CheckpointError(
                f"checkpoint_dir: the checkpoint in {checkpoints.folder} does not fit the network "
                f"({type(error).__name__}: {error}). Delete this folder to start over."
            ) from error

    def _roll_back(self) -> None:
        """Undo an incomplete epoch; keep its weights if it was the first one, since there are no earlier ones."""
        n_finished = 0
        if self._finished is not None:
            restore_state(self, self._finished)
            n_finished = len(self._finished["history"])
        del self.history[n_finished:]

    def _average(self) -> None:
        """Update the exponential moving average of the weights."""
        if self.ema is None:
            return
        if self._averaged is None:
            self._averaged = self._snapshot()
        # Read in each step, since callbacks and layers may replace the tensor of a weight.
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


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]
