"""From the parameters of an EmotionClassifier to a net that is ready to train or to predict."""

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.callbacks import EarlyStopping, EpochScoring, LRScheduler
from skorch.helper import predefined_split
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from ..augmentation import FaceAugmentation
from ..images import MIN_AUGMENT_SIZE
from ..utils._locks import ForkSafeLock
from .batches import FaceBatches, FaceDataset
from .distributed import DataParallelNet
from .hardware import choose_precision, prediction_batch_size, smallest_feature_map
from .net import FaceNet
from .preparation import Preparation, learn_pixel_statistics
from .processes import ALONE, Alone
from .schedule import SCHEDULES

# Weights and dropout are drawn from a state that PyTorch has one of in a process: two threads would disturb each other.
_RANDOM_STATE = ForkSafeLock()


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Seed PyTorch inside the context, and leave its global state as it was. One thread at a time is let in."""
    # Without being told, fork_rng would look for all CUDA devices.
    devices = [torch.device(device).index or 0] if torch.device(device).type == "cuda" else []
    with _RANDOM_STATE, torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def build_net(clf: Any, images: NDArray[Any], **run: Any) -> FaceNet:
    """Build and initialise a new net for `images`.

    Parameters
    ----------
    clf : EmotionClassifier
        With ``network_``, ``classes_``, ``image_shape_``, ``pixel_range_`` and ``device_`` set.
    images : ndarray of shape (n, H, W) or (n, H, W, 3)
        Training images, from which the pixel statistics are learned.
    **run : dict
        ``schedule`` (its name or None), ``n_steps`` of it, ``validation`` (a FaceDataset or None), ``seed`` of order
        and augmentation, and the ``processes`` that train together. The weights come from PyTorch's global generator,
        see :func:`seeded`.
    """
    module = _build_module(clf, clf.network_)
    precision = _choose_precision(clf, module)
    return _assemble(clf, module, precision, learn_pixel_statistics(images, clf.pixel_range_), **run)


def rebuild_net(clf: Any, previous: FaceNet, **run: Any) -> FaceNet:
    """Build a net that goes on from where `previous` stopped, with the parameters that `clf` has now."""
    statistics = (previous.preparation.mean, previous.preparation.std)
    # A copy, so that a training that fails leaves the previous net as it was.
    net = _assemble(clf, copy.deepcopy(previous.module_), previous.precision, statistics, **run)
    net.load_arrays(previous.to_arrays())
    net.history = copy.deepcopy(previous.history)
    return net


def restore_net(clf: Any, arrays: dict[str, Any]) -> FaceNet:
    """Build the net that :meth:`FaceNet.to_arrays` wrote down."""
    with seeded(0, clf.device_):
        # The weights are those of the file: nothing is downloaded again.
        module = _build_module(clf, getattr(clf.network_, "without_weights", lambda: clf.network_)())
    net = _assemble(clf, module, arrays["precision"], (arrays["mean"], arrays["std"]))
    net.load_arrays(arrays)
    # skorch's `record` would take a millisecond for each number of a long history.
    net.history.extend({"batches": [], **epoch} for epoch in clf.history_)
    return net


def _build_module(clf: Any, network: Any) -> nn.Module:
    in_channels = clf.image_shape_[2] if len(clf.image_shape_) == 3 else 1
    module = network.build(in_channels=in_channels, image_size=clf.image_shape_[:2], n_classes=len(clf.classes_))
    return module.to(memory_format=torch.channels_last)


def _choose_precision(clf: Any, module: nn.Module) -> str:
    in_channels = clf.image_shape_[2] if len(clf.image_shape_) == 3 else 1
    smallest = smallest_feature_map(
        module, in_channels, clf.image_shape_[:2], len(clf.classes_), name=" ".join(repr(clf.network_).split())
    )
    return choose_precision(clf.precision, clf.device_, clf.image_shape_[:2], smallest)


def _assemble(
    clf: Any,
    module: nn.Module,
    precision: str,
    statistics: tuple[NDArray[np.float32], NDArray[np.float32]],
    *,
    schedule: str | None = None,
    n_steps: int = 1,
    validation: FaceDataset | None = None,
    seed: int = 0,
    processes: Alone = ALONE,
) -> FaceNet:
    net = (FaceNet if processes.accelerator is None else DataParallelNet)(
        module,
        criterion=nn.CrossEntropyLoss,
        predict_nonlinearity=_softmax,
        device=clf.device_,
        max_epochs=clf.max_epochs,
        batch_size=clf.batch_size,
        classes=np.arange(len(clf.classes_)),
        train_split=None if validation is None else predefined_split(validation),
        iterator_train=FaceBatches,
        iterator_train__batch_size=clf.batch_size * processes.count,
        iterator_train__shuffle=True,
        iterator_train__balance=clf.balance_batches,
        iterator_train__generator=torch.Generator().manual_seed(seed),
        iterator_valid=FaceBatches,
        iterator_valid__batch_size=prediction_batch_size(clf.batch_size, clf.device_, clf.image_shape_[:2])
        * processes.count,
        callbacks=_make_callbacks(clf, schedule, n_steps, validates=validation is not None),
        verbose=int(clf.verbose) if processes.is_main else 0,
        **_describe_optimizer(clf),
    )
    generator = torch.Generator().manual_seed(seed)
    net.preparation = Preparation(clf.pixel_range_, *statistics, _choose_augmentation(clf), generator)
    net.precision = precision
    net.label_smoothing = clf.label_smoothing
    net.ema = clf.ema
    if isinstance(net, DataParallelNet):
        net.accelerator = processes.accelerator
    return net.initialize()


def _choose_augmentation(clf: Any) -> Any:
    if min(clf.image_shape_[:2]) < MIN_AUGMENT_SIZE:
        return None
    return FaceAugmentation() if isinstance(clf.augmentation, str) else clf.augmentation


def _softmax(logits: torch.Tensor) -> torch.Tensor:
    return torch.softmax(logits, dim=1)


def _describe_optimizer(clf: Any) -> dict[str, Any]:
    """Name skorch's arguments for the optimiser, of those that it takes."""
    optimizer = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}.get(clf.optimizer, clf.optimizer)
    offered = {"lr": clf.learning_rate, "weight_decay": clf.weight_decay}
    if clf.optimizer == "sgd":
        offered |= {"momentum": clf.momentum, "nesterov": clf.momentum > 0}
    if isinstance(clf.optimizer, str):
        # One kernel for all weights rather than several for each.
        offered["fused"] = True
        optimizer = _without_compiler(optimizer)
    taken = inspect.signature(optimizer).parameters
    arguments = {f"optimizer__{name}": value for name, value in offered.items() if name in taken}
    shares: dict[str, float] = getattr(clf.network_, "learning_rates", dict)()
    if shares:
        arguments["optimizer__param_groups"] = [
            (pattern, {"lr": share * clf.learning_rate}) for pattern, share in shares.items()
        ]
    return {"optimizer": optimizer, "lr": clf.learning_rate, **arguments}


def _without_compiler(optimizer: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """Give an optimiser of PyTorch's whose methods do not load its compiler: 140 MB, and seconds in each process.

    Decorators load it in order to keep it from these methods (measured, PyTorch 2.15).
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    plain: dict[str, Any] = {name: inspect.unwrap(getattr(optimizer, name)) for name in names}
    plain["step"] = torch.no_grad()(inspect.unwrap(optimizer.step))
    return type(optimizer.__name__, (optimizer,), plain)


def _make_callbacks(clf: Any, schedule: str | None, n_steps: int, *, validates: bool) -> list[Any]:
    callbacks: list[Any] = [
        ("valid_f1_macro", EpochScoring("f1_macro", name="valid_f1_macro", lower_is_better=False)),
    ]
    if schedule is not None:
        # last_epoch counts steps here, and each call of fit runs a schedule of its own.
        policy = LRScheduler(
            LambdaLR, lr_lambda=SCHEDULES[schedule](n_steps), last_epoch=-1, step_every="batch", event_name=None
        )
        callbacks.append(("schedule", policy))
    callbacks += clf.callbacks or []
    if clf.early_stopping and validates:
        callbacks.append(("early_stopping", EarlyStopping(patience=clf.n_iter_no_change, load_best=True)))
    return callbacks
