"""What a model file may say of an EmotionClassifier, whose network is built when it is loaded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any, BinaryIO

import numpy as np
import skops.io
from sklearn.utils._param_validation import validate_parameter_constraints

from ._model_file import MalformedError, copy_members, name_node, walk
from ._trusted_names import NETWORKS

CLASSIFIER = "sk_emotion.classifier.EmotionClassifier"
_OWN_NETWORK = "sk_emotion.networks._external.TorchNetwork"

# What of a network's parameters is a text; all others are numbers.
_TEXTS = ("name", "pretrained", "weights")

# A layer without weights takes memory too; and some networks drop a part of themselves when they are built.
_COST_OF_TENSOR = 1000
_SLACK = 2


def check_classifiers(file: BinaryIO, schema: dict[str, Any], known: set[str], trusted: set[str]) -> None:
    """Refuse a fitted classifier whose net would be built by something else than a network and its numbers.

    Raises
    ------
    MalformedError
        With the reason; other errors if the file is damaged.
    """
    for node in walk(schema):
        if (node["__loader__"], name_node(node)) != ("ObjectNode", CLASSIFIER):
            continue
        parts = node["content"]["content"]
        if "net_state" in parts:
            _check_network(parts["network_"], trusted)
            alone = {**_drop(node, "net_state"), "protocol": schema["protocol"]}
            _check_state(skops.io.load(copy_members(file, alone), trusted=sorted(known)), trusted)


@contextmanager
def limited_networks(shapes: list[tuple[int, ...]]) -> Iterator[None]:
    """Stop this thread from building networks that have more weights than arrays of these shapes could fill."""
    from torch.nn.modules.module import register_module_parameter_registration_hook

    left = _SLACK * sum(_measure(shape) for shape in shapes)
    thread = threading.get_ident()

    def count(_module: Any, _name: str, weight: Any) -> None:
        nonlocal left
        if weight is not None and threading.get_ident() == thread:
            left -= _measure(weight.shape)
            if left < 0:
                raise MalformedError("its network has more weights than the file")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _measure(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=object)) + _COST_OF_TENSOR


def _drop(node: dict[str, Any], name: str) -> dict[str, Any]:
    """Leave an attribute out of an object."""
    state = node["content"]
    names = list(state["content"])
    types = [kind for key, kind in zip(names, state["key_types"]["content"], strict=True) if key != name]
    parts = {key: part for key, part in state["content"].items() if key != name}
    return {**node, "content": {**state, "content": parts, "key_types": {**state["key_types"], "content": types}}}


def _check_network(node: dict[str, Any], trusted: set[str]) -> None:
    name = name_node(node)
    if name == _OWN_NETWORK:
        name = name_node(node["content"]["content"]["module"])
    elif name in NETWORKS:
        return
    if name not in trusted:
        raise MalformedError(f"its network is {name[:100]}")


def _check_state(clf: Any, trusted: set[str]) -> None:
    """Check what the net is built with: parameters as for a training, and what the training learned."""
    from torch.optim import Optimizer

    state = vars(clf)
    params = {name: state[name] for name in clf._parameter_constraints if name in state}
    validate_parameter_constraints(clf._parameter_constraints, params, caller_name="EmotionClassifier")
    if not _names(clf.network_) & (trusted | {_OWN_NETWORK}):
        for name, value in vars(clf.network_).items():
            if not isinstance(value, str if name in _TEXTS else Real) and value is not None:
                raise MalformedError(f"its network has {name}={str(value)[:50]!r}")
    for name, fits in {
        "callbacks": not clf.callbacks,
        "classes_": isinstance(clf.classes_, np.ndarray) and clf.classes_.ndim == 1,
        "history_": isinstance(clf.history_, list) and all(type(epoch) is dict for epoch in clf.history_),
        "image_shape_": all(isinstance(size, int | np.integer) and 0 < size < 1 << 16 for size in clf.image_shape_),
        "optimizer": isinstance(clf.optimizer, str)
        or _names(clf.optimizer) & trusted
        or (isinstance(clf.optimizer, type) and issubclass(clf.optimizer, Optimizer)),
    }.items():
        if not fits:
            raise MalformedError(f"its EmotionClassifier has an unfit {name}")


def _names(value: Any) -> set[str]:
    """Give the names that a value, or what it is made of, would be trusted by."""
    owners = (value, type(value))
    return {f"{owner.__module__}.{owner.__qualname__}" for owner in owners if hasattr(owner, "__qualname__")}
