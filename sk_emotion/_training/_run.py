"""The identity of a training: its data, its parameters, and the versions of the libraries."""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from skorch.callbacks import ParamMapper

from .. import __version__
from .._images._stored import iterate_blocks
from ..exceptions import CheckpointError

# Parameters that do not change the weights.
_IRRELEVANT = {"checkpoint_dir", "verbose", "tta", "device", "warm_start"}


@dataclass(frozen=True)
class Run:
    """A training: its fingerprint, readable parameters, and random state.

    `n_before` is the number of epochs before this training, and `n_epochs` the number after it.
    """

    fingerprint: str
    parameters: dict[str, str]
    random_state: Any
    n_before: int
    n_epochs: int

    def describe(self, *, random_state: int | None) -> bytes:
        """Return a readable description as JSON, with the seed that was drawn if `random_state` of `clf` is None."""
        about = {"sk_emotion": __version__, "torch": torch.__version__, "random_state": random_state}
        return json.dumps({**about, "parameters": self.parameters}, indent=2).encode()


def identify_run(clf: Any, images: NDArray[Any], *others: Any) -> Run:
    """Return the identity of the training of `clf` on `images` and other inputs, such as labels and weights.

    Raises
    ------
    CheckpointError
        If a parameter cannot be hashed, such as a lambda.
    """
    params = {name: value for name, value in clf.get_params(deep=False).items() if name not in _IRRELEVANT}
    shown = {name: repr(value) for name, value in params.items()}
    try:
        params["callbacks"] = [_describe_callback(entry) for entry in params["callbacks"] or ()]
        parts = [joblib.hash(part) for part in (params, *others)]
    except Exception as error:
        raise CheckpointError(
            f"checkpoint_dir: the parameters cannot be hashed ({str(error)[:100]}...). Define your functions and "
            "classes at the top level of a module."
        ) from error
    text = json.dumps([__version__, torch.__version__, _hash_images(images), *parts])
    n_before = getattr(clf, "n_iter_", 0)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:24]
    return Run(fingerprint, shown, clf.random_state, n_before, n_before + clf.max_epochs)


def _describe_callback(entry: Any) -> Any:
    """Return the parameters of a callback, which do not change in training as its other attributes do."""
    if isinstance(entry, tuple | list):
        return [_describe_callback(part) for part in entry]
    if isinstance(entry, type) or not hasattr(entry, "get_params"):
        return entry
    params = entry.get_params()
    if isinstance(entry, ParamMapper):
        # `initialize` replaces its parameters by other objects.
        patterns, at, schedule = (params[name] for name in ("patterns", "at", "schedule"))
        if getattr(schedule, "__func__", None) is ParamMapper._default_schedule:
            params["schedule"] = None
        if isinstance(at, partial) and getattr(at.func, "__func__", None) is ParamMapper._epoch_at:
            params["at"] = at.keywords["epoch"]
        params["patterns"] = list(patterns) if isinstance(patterns, list | tuple) else [patterns]
    return type(entry), params


def _hash_images(images: Any) -> str:
    """Hash images in blocks, since a memory-map may be larger than memory."""
    digest = hashlib.sha256(f"{images.dtype}{images.shape}".encode())
    for block in iterate_blocks(images):
        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()
