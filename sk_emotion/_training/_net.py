"""The skorch net that trains on staged batches."""

import json
import math
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from skorch.callbacks.scoring import ScoringBase
from skorch.exceptions import SkorchException
from torch.nn import functional
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ..exceptions import CheckpointError, ParameterError, TrainingError
from ..utils._device import is_out_of_memory
from ..utils._signals import watch_signals
from ._batches import FaceDataset
from ._checkpoints import FINISHED, STOPPED, TRAINS, Checkpoints
from ._hardware import autocast
from ._preparation import Preparation
from ._scoring import LabelScorer
from ._state import (
    capture_network,
    capture_state,
    fill_momenta,
    find_schedulers,
    lay_out_state,
    list_rates,
    restore_history,
    restore_rates,
    restore_state,
    take_up_rates,
    to_arrays,
    to_tensors,
    write_rates,
)

# skorch's own entries of an epoch that say nothing of the training.
_BOOKKEEPING = ("batches", "_best", "_batch_count")

# What our own schedule sets, which is of no use to a training that follows.
_SCHEDULED = ("lr", "initial_lr")

# What OneCycleLR and CyclicLR keep in the optimizer when they begin.
_OF_A_CYCLE = ("max_lr", "min_lr", "max_momentum", "base_momentum")

# As skorch's History and its callbacks say it.
_NOT_IN_HISTORY = re.compile(r"'(\w+)' was not found in history")


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
    labels: NDArray[Any] | None = None
    watches_batches = True
    ema: float | None = None
    schedule: str | None = None
    known_callbacks: dict[str, Any] | None = None
    scaler: torch.amp.GradScaler | None = None
    _built_rates: list[dict[str, Any]]
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
        self._built_rates = list_rates(self.optimizer_)
        return self

    def initialize_callbacks(self):
        """Initialize callbacks, but not those that a former training knows: skorch's `partial_fit` does not either."""
        try:
            named = list(self._uniquely_named_callbacks())
        except ValueError as error:
            raise ParameterError(f"callbacks: {error} The net has callbacks of its own.") from error
        if self.known_callbacks is None:
            super().initialize_callbacks()
        else:
            self._take_known_callbacks(named, self.known_callbacks)
        for _, callback in self.callbacks_:
            # One of a former training has the labels already.
            is_new = isinstance(callback, ScoringBase) and not isinstance(callback.scoring_, LabelScorer)
            if is_new and self.labels is not None:
                callback.scoring_ = LabelScorer(callback.scoring_, self.labels)
        return self

    def _take_known_callbacks(self, named: list[tuple[str, Any]], known_callbacks: dict[str, Any]) -> None:
        self.callbacks_ = []
        for name, callback in named:
            if isinstance(callback, type):
                known = known_callbacks.get(name)
                callback = known if type(known) is callback else callback()
            if callback is not None:
                if not any(callback is known for known in known_callbacks.values()):
                    callback.initialize()
                self.callbacks_.append((name, callback))

    def initialize_optimizer(self, *args, **kwargs):
        name = getattr(self.optimizer, "__name__", repr(self.optimizer))
        try:
            super().initialize_optimizer(*args, **kwargs)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ParameterError(
                f"optimizer={name} cannot be built for this network ({_first_line(error)}). Pass an optimizer of "
                "torch.optim, or a function of the weights and lr that returns one."
            ) from error
        if not isinstance(self.optimizer_, torch.optim.Optimizer):
            raise ParameterError(
                f"optimizer={name} returned an object of type {type(self.optimizer_).__name__}, expected an optimizer "
                "of torch.optim."
            )
        return self

    def train_for(self, n_epochs: int, dataset: FaceDataset, checkpoints: Checkpoints | None = None) -> None:
        """Train as skorch's `partial_fit` does, but let the user's own Ctrl-C through: a search must end on it.

        With `checkpoints`, go on from the last of them. A training that fails or is interrupted leaves the net where
        it stood after its last finished epoch.
        """
        self._checkpoints = checkpoints
        n_before = len(self.history)
        stage, state = (TRAINS, None) if checkpoints is None else checkpoints.load(capture_network(self))
        if checkpoints is not None and state is not None:
            # Callbacks look at them when a training begins, and then know the scores to beat and the rates to change.
            self._take_up(checkpoints, state, restore_history, restore_rates)
            n_epochs -= len(self.history) - n_before
        self._check_monitors()
        self.notify("on_train_begin", X=dataset, y=None)
        if checkpoints is not None and state is not None:
            self._take_up(checkpoints, state, restore_history, restore_state)
        self._check_schedules()
        self._finished = capture_state(self) if self.history else None
        try:
            if stage == TRAINS:
                with watch_signals() as signals, suppress(StopTrainingError):
                    self.fit_loop(dataset, epochs=n_epochs)
        except BaseException as error:
            n_begun = len(self.history)
            self._roll_back()
            if isinstance(error, KeyboardInterrupt) and self.history:
                self.notify("on_train_end", X=dataset, y=None)
            if is_out_of_memory(error):
                raise TrainingError(
                    f"Memory of {self.device} does not suffice for batch_size={self.batch_size} ({error}). Pass "
                    f'batch_size={max(1, self.batch_size // 2)}, a smaller network, or device="cpu".'
                ) from error
            if isinstance(error, KeyboardInterrupt) and not error.args and not signals:
                raise KeyboardInterrupt(
                    f"A callback or the network raised KeyboardInterrupt in epoch {n_begun}, not Ctrl-C. To end a "
                    "training quietly, raise it in on_epoch_end."
                ) from error
            raise
        finally:
            # They would be three times the memory of the network.
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
            self._explain_history(error)
            if isinstance(error, KeyError) and error.args and error.args[0] in _OF_A_CYCLE:
                raise ParameterError(
                    f"callbacks: a scheduler looks for {error} of the epochs so far, in which it had no part. Pass "
                    "last_epoch=-1 to LRScheduler, so that it begins anew."
                ) from error
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
        if training and not y_pred.requires_grad:
            raise TrainingError(
                "All weights of the network are frozen, so that there is nothing to train. Unfreeze some."
            )
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

    def bookkeeping(self) -> str:
        """Give skorch's own entries of each epoch as JSON: callbacks read there which epochs were the best so far."""
        names = [name for name in _BOOKKEEPING if name != "batches"]
        return json.dumps(
            [
                {name: float(value) for name, value in epoch.items() if name.endswith(tuple(names))}
                for epoch in self.history
            ]
        )

    def to_arrays(self) -> dict[str, Any]:
        """Give what is needed to predict and to train on, as NumPy arrays and plain types."""
        return {
            "weights": to_arrays(self.module_.state_dict()),
            "training_weights": to_arrays(self._current),
            "frozen": [name for name, weight in self.module_.named_parameters() if not weight.requires_grad],
            "optimizer": type(self.optimizer_).__name__,
            "optimizer_state": to_arrays(self.optimizer_.state_dict()["state"]),
            "changed_rates": write_rates(self._built_rates, self.optimizer_, without=self._scheduled_rates()),
            "precision": self.precision,
            "mean": self.preparation.mean,
            "std": self.preparation.std,
        }

    def load_arrays(self, arrays: dict[str, Any]) -> None:
        """Take up what :meth:`to_arrays` gave; the hyper-parameters of the optimiser stay those of this net."""
        self._load(to_tensors(arrays["weights"]))
        # Older files do not have it, nor the rates.
        if "frozen" in arrays:
            frozen = set(arrays["frozen"])
            for name, weight in self.module_.named_parameters():
                if weight.is_floating_point():
                    weight.requires_grad_(name not in frozen)
        if self.ema is not None:
            self._averaged = self._snapshot()
            current = to_tensors(arrays["training_weights"]) or self._averaged
            self._current = {name: value.to(self.device) for name, value in current.items()}
        if arrays["optimizer"] == type(self.optimizer_).__name__:
            groups = self.optimizer_.state_dict()["param_groups"]
            state = {"state": to_tensors(arrays["optimizer_state"]), "param_groups": groups}
            self.optimizer_.load_state_dict(state)
            lay_out_state(self.optimizer_)
            if "changed_rates" in arrays:
                take_up_rates(self.optimizer_, arrays["changed_rates"], without=self._scheduled_rates())

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

    def _scheduled_rates(self) -> tuple[str, ...]:
        """Name the rates that our own schedule sets: a training that follows begins with others."""
        return () if self.schedule is None else _SCHEDULED

    def _check_monitors(self) -> None:
        """Raise ParameterError before the first epoch if a callback monitors a score that will not be there."""
        callbacks = [callback for _, callback in self.callbacks_]
        if not all(type(callback).__module__.startswith("skorch.") for callback in callbacks):
            # One of the user's own may record it.
            return
        for callback in callbacks:
            # Of skorch's schedulers, one alone looks at it.
            is_idle = isinstance(callback, LRScheduler) and callback.policy_ is not ReduceLROnPlateau
            monitor = getattr(callback, "monitor", None)
            if isinstance(monitor, str) and not is_idle and self._needs_validation(monitor):
                raise self._missing_score(monitor)

    def _explain_history(self, error: Exception) -> None:
        """Raise ParameterError in the place of an error that says that a score is not in the history."""
        missing = _NOT_IN_HISTORY.search(str(error))
        if missing and (self._find_monitors(missing[1]) or self._needs_validation(missing[1])):
            raise self._missing_score(missing[1]) from error

    def _missing_score(self, name: str) -> ParameterError:
        owner = next(iter(self._find_monitors(name)), "A callback")
        if self._needs_validation(name):
            return ParameterError(
                f"callbacks: {owner} monitors {name!r}, which needs a validation set. Pass validation_fraction=0.1, or "
                "X_val and y_val, to fit; partial_fit validates nothing."
            )
        known = sorted({key for epoch in self.history for key in epoch} - {"batches"})
        return ParameterError(f"callbacks: {owner} monitors {name!r}, but the history has {', '.join(known)}.")

    def _find_monitors(self, name: str) -> list[str]:
        return [
            type(callback).__name__ for _, callback in self.callbacks_ if getattr(callback, "monitor", None) == name
        ]

    def _needs_validation(self, name: str) -> bool:
        """Tell whether a score would be there, had the training a validation set."""
        scores = [callback for _, callback in self.callbacks_ if getattr(callback, "on_train", None) is False]
        names = [getattr(score, "name_", getattr(score, "name", None)) for score in scores]
        return self.train_split is None and name.removesuffix("_best") in names

    def _check_schedules(self) -> None:
        """Raise ParameterError if a callback holds a scheduler beside our own schedule."""
        for name, callback in self.callbacks_ if self.schedule is not None else ():
            for _, scheduler in find_schedulers(callback) if name != "schedule" else ():
                if scheduler.optimizer is self.optimizer_:
                    raise ParameterError(
                        f"schedule={self.schedule!r} and {type(scheduler).__name__} of the callback "
                        f"{type(callback).__name__} would both change the learning rate. Pass schedule=None to leave "
                        "it to the callback."
                    )

    def _take_up(self, checkpoints: Checkpoints, state: dict[str, Any], *steps: Callable[..., None]) -> None:
        try:
            for step in steps:
                step(self, state)
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


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]
