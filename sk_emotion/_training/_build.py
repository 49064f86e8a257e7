"""Build the net of an EmotionClassifier from its parameters."""

import copy
import functools
import json
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from numbers import Number
from types import FunctionType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from skorch.helper import predefined_split
from torch import nn

from .._images._validation import MIN_AUGMENT_SIZE
from ..augmentation import FaceAugmentation
from ..exceptions import OutOfMemoryError, ParameterError
from ..networks import ResNet, TorchNetwork
from ..utils._device import choose_device, is_out_of_memory
from ..utils._parallel import ForkSafeLock
from ._batches import FaceBatches, FaceDataset
from ._callbacks import make_callbacks
from ._criterion import build_criterion
from ._distributed import SINGLE_PROCESS, DataParallelNet, SingleProcess
from ._hardware import choose_precision, module_lock, prediction_batch_size, smallest_feature_map
from ._net import FaceNet
from ._optimizer import describe_optimizer
from ._parameters import list_passed_on
from ._schedule import attach_scheduler, choose_decay, find_schedulers
from ._standardize import Preparation, learn_pixel_statistics
from ._state import serialize_bookkeeping

# Types of network parameters that compare equal to their copies.
_PLAIN = (Number, str, bytes, set, frozenset, torch.dtype, torch.device)

# Weights and dropout use PyTorch's global random state, which threads of a process share.
_RANDOM_STATE = ForkSafeLock()


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Seed PyTorch inside the context and restore its global random state afterwards; one thread at a time."""
    # By default, fork_rng would save the state of all CUDA devices.
    devices = [torch.device(device).index or 0] if torch.device(device).type == "cuda" else []
    with _RANDOM_STATE, torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def build_net(clf: Any, images: NDArray[Any], **run: Any) -> FaceNet:
    """Build and initialize a new net, with weights from PyTorch's global generator and the statistics of `images`.

    `run` has the keyword arguments of :func:`_assemble`.
    """
    module = _build_module(clf, clf.network_)
    # Without the layers of an instance.
    name = textwrap.shorten(repr(clf.network_), 150, placeholder="...")
    smallest = smallest_feature_map(module, clf.image_shape_, clf.classes_, name=name)
    precision = choose_precision(clf.precision, clf.device_, clf.image_shape_[:2], smallest)
    return _assemble(clf, module, precision, learn_pixel_statistics(images, clf.pixel_range_), **run)


def rebuild_net(clf: Any, previous: FaceNet, **run: Any) -> FaceNet:
    """Build a net that continues from the state of `previous`, with the current parameters of `clf`."""
    statistics = (previous.preparation.mean, previous.preparation.std)
    precision = previous.precision if clf.precision == "auto" else clf.precision
    # A copy, so that a failed fit leaves the previous net unchanged.
    with module_lock:
        module, arrays = copy.deepcopy(previous.module_), previous.to_arrays()
    criterion, params, _ = previous.criterion.args
    if _differ((clf.criterion, list_passed_on(clf, "criterion")), (criterion, params)):
        # Another loss starts with its own state.
        del arrays["criterion"]
    net = _assemble(clf, module, precision, statistics, known_callbacks=dict(previous.callbacks_), **run)
    net.load_arrays(arrays)
    net.history = copy.deepcopy(previous.history)
    # skorch keeps the optimizer; ours is new.
    for _, callback in net.callbacks_:
        for _, scheduler in find_schedulers(callback):
            attach_scheduler(scheduler, net.optimizer_)
    for group in net.optimizer_.param_groups:
        # Required by schedulers added after some epochs.
        group.setdefault("initial_lr", group["lr"])
    return net


def pack_net(state: dict[str, Any]) -> dict[str, Any]:
    """Replace the net in the attributes of a classifier by arrays and plain types."""
    net = state.pop("net_", None)
    if net is None:
        return state
    if state["callbacks"]:
        warnings.warn("EmotionClassifier: callbacks are not saved with the model.", UserWarning, stacklevel=3)
        state["callbacks"] = None
    # One string for thousands of numbers; other objects recorded by callbacks are converted to strings.
    history = json.dumps(state["history_"], default=str)
    with module_lock:
        net_state = {**net.to_arrays(), "bookkeeping": serialize_bookkeeping(net.history)}
    return {**state, "history_": history, "net_state": net_state}


def unpack_net(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Split the state of :func:`pack_net` into attributes and the arrays of the net, if it has one."""
    attributes = {name: value for name, value in state.items() if name != "net_state"}
    if isinstance(attributes.get("history_"), str):
        attributes["history_"] = json.loads(attributes["history_"])
    return attributes, state.get("net_state")


def choose_network(clf: Any) -> Any:
    """Return the specification of the network to be trained, with all defaults filled in."""
    network = ResNet() if clf.network is None else clf.network
    if isinstance(network, nn.Module) or (isinstance(network, type) and issubclass(network, nn.Module)):
        network = TorchNetwork(network, module_params=list_passed_on(clf, "network") or None)
    elif isinstance(network, type):
        name = network.__name__
        raise TypeError(
            f"EmotionClassifier: network is the class {name}. Pass an instance: network={name}(), or a subclass of "
            "torch.nn.Module."
        )
    return network.resolve() if hasattr(network, "resolve") else clone(network)


def restore_net(clf: Any, arrays: dict[str, Any] | None) -> None:
    """Rebuild the net, if there is one, of a classifier whose other attributes are restored."""
    if arrays is None:
        return
    try:
        clf.device_ = choose_device(clf.device_)
    except ValueError:
        # A model trained on a GPU can be used without one.
        clf.device_ = "cpu"
    with seeded(0, clf.device_):
        # The weights come from the file; nothing is downloaded.
        module = _build_module(clf, getattr(clf.network_, "without_weights", lambda: clf.network_)())
    net = _assemble(clf, module, arrays["precision"], (arrays["mean"], arrays["std"]))
    net.load_arrays(arrays)
    bookkeeping = json.loads(arrays.get("bookkeeping", "[]"))
    # Files of older versions have no bookkeeping.
    bookkeeping += [{}] * (len(clf.history_) - len(bookkeeping))
    # skorch's `record` would take a millisecond per entry of a long history.
    net.history.extend({"batches": [], **epoch, **kept} for epoch, kept in zip(clf.history_, bookkeeping, strict=False))
    clf.net_ = net


def keep_former_default(clf: Any) -> None:
    """Keep the default network of the version that saved a classifier."""
    if clf.network is None and hasattr(clf, "network_") and _differ(ResNet().resolve(), clf.network_):
        clf.network = clone(clf.network_)


def check_same_network(clf: Any, advice: str) -> None:
    """Raise ParameterError if `network` or `image_shape` of `clf` differ from those of its fit."""
    # A channel axis of length 1 is dropped in fit.
    if clf.image_shape is not None and tuple(clf.image_shape) not in (clf.image_shape_, (*clf.image_shape_, 1)):
        raise ParameterError(
            f"EmotionClassifier: image_shape={tuple(clf.image_shape)}, but it was fitted on images of shape "
            f"{clf.image_shape_}. {advice}, or set image_shape back."
        )
    if _differ(choose_network(clf), clf.network_):
        raise ParameterError(
            f"EmotionClassifier: network={' '.join(repr(clf.network).split())}, but it was fitted with "
            f"{' '.join(repr(clf.network_).split())}. {advice}, or set network back."
        )


def _differ(one: Any, other: Any) -> bool:
    """Return whether two values differ, where one may be a copy of the other; unknown types count as equal."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() != other.keys() or any(_differ(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) != len(other) or any(map(_differ, one, other))
    if isinstance(one, _PLAIN) and isinstance(other, _PLAIN):
        return one != other and (one == one or other == other)
    if any(isinstance(one, kind) and isinstance(other, kind) for kind in (np.ndarray, torch.Tensor)):
        # Meta and sparse tensors cannot be compared.
        with suppress(RuntimeError, ValueError):
            # Two NaNs are equal, as in scalars above.
            unequal = one.shape != other.shape or ((one != other) & ((one == one) | (other == other))).any()
            return bool(unequal)
        return False
    if type(one) is not type(other):
        return True
    if isinstance(one, nn.Module):
        # The mode of a module is set in each step.
        return _differ(*({**vars(module), "training": None} for module in (one, other)))
    if isinstance(one, functools.partial):
        return _differ((one.func, one.args, one.keywords), (other.func, other.args, other.keywords))
    if isinstance(one, type | FunctionType):
        return one is not other
    # An object from an older version may lack a parameter.
    names = one.get_params(deep=False) if hasattr(one, "get_params") else {}
    return any(_differ(value, getattr(other, name, value)) for name, value in names.items())


def _build_module(clf: Any, network: Any) -> nn.Module:
    height, width, in_channels = (*clf.image_shape_, 1)[:3]
    try:
        module = network.build(in_channels=in_channels, image_size=(height, width), n_classes=len(clf.classes_))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"EmotionClassifier: network={network} does not fit in memory ({error}). Choose a smaller network, for "
            "example with a smaller width."
        ) from error
    return module.to(memory_format=torch.channels_last)


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
    processes: SingleProcess = SINGLE_PROCESS,
    known_callbacks: dict[str, Any] | None = None,
) -> FaceNet:
    net = (FaceNet if processes.accelerator is None else DataParallelNet)(
        module,
        # skorch calls it without arguments.
        criterion=functools.partial(
            build_criterion, clf.criterion, list_passed_on(clf, "criterion"), clf.label_smoothing
        ),
        predict_nonlinearity=functools.partial(torch.softmax, dim=1),
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
        callbacks=make_callbacks(clf, schedule, n_steps, validates=validation is not None),
        verbose=int(clf.verbose) if processes.is_main else 0,
        **describe_optimizer(clf),
    )
    augmentation = FaceAugmentation() if isinstance(clf.augmentation, str) else clf.augmentation
    augmentation = None if min(clf.image_shape_[:2]) < MIN_AUGMENT_SIZE else augmentation
    net.preparation = Preparation(
        clf.pixel_range_, *statistics, augmentation, generator=torch.Generator().manual_seed(seed)
    )
    net.precision = precision
    net.labels = clf.classes_
    net.ema = choose_decay(clf.ema, schedule, n_steps)
    net.schedule = schedule
    net.known_callbacks = known_callbacks
    if isinstance(net, DataParallelNet):
        net.accelerator = processes.accelerator
    net.initialize()
    net.known_callbacks = None
    return net
