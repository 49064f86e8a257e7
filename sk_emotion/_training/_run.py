"""What tells one training from another: its data, its parameters, and the versions that train it."""

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

# These leave the weights alone.
_IRRELEVANT = {"checkpoint_dir", "verbose", "tta", "device", "warm_start"}


@dataclass(frozen=True)
class Run:
    """A training: what it is called in a folder of checkpoints, its parameters for people, and its random state.

    `n_before` is the number of epochs that the net had before, and `n_epochs` the number that it has in the end.
    """

    fingerprint: str
    parameters: dict[str, str]
    random_state: Any
    n_before: int
    n_epochs: int

    def describe(self, *, random_state: int | None) -> bytes:
        """Describe it as JSON for people, with the random state that was drawn for it, if it has none of its own."""
        about = {"sk_emotion": __version__, "torch": torch.__version__, "random_state": random_state}
        return json.dumps({**about, "parameters": self.parameters}, indent=2).encode()


def identify_run(clf: Any, images: NDArray[Any], *others: Any) -> Run:
    """Identify the training of `clf` on `images` and whatever else it depends on, such as labels and weights.

    Raises
    ------
    CheckpointError
        If a parameter has no name by which it could be told from another, as a lambda has none.
    """
    params = {name: value for name, value in clf.get_params(deep=False).items() if name not in _IRRELEVANT}
    shown = {name: repr(value) for name, value in params.items()}
    try:
        params["callbacks"] = [_describe_callback(entry) for entry in params["callbacks"] or ()]
        parts = [joblib.hash(part) for part in (params, *others)]
    except Exception as error:
        raise CheckpointError(
            f"checkpoint_dir: the parameters cannot be told from others ({str(error)[:100]}...). Define your "
            "functions and classes at the top level of a module."
        ) from error
    text = json.dumps([__version__, torch.__version__, _hash_images(images), *parts])
    n_before = getattr(clf, "n_iter_", 0)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:24]
    return Run(fingerprint, shown, clf.random_state, n_before, n_before + clf.max_epochs)


def _describe_callback(entry: Any) -> Any:
    """Describe a callback by its parameters, which it has before and after a training: it knows more then."""
    if isinstance(entry, tuple | list):
        return [_describe_callback(part) for part in entry]
    if isinstance(entry, type) or not hasattr(entry, "get_params"):
        return entry
    params = entry.get_params()
    if isinstance(entry, ParamMapper):
        # It puts other objects in the place of its parameters when it is initialized.
        patterns, at, schedule = (params[name] for name in ("patterns", "at", "schedule"))
        if getattr(schedule, "__func__", None) is ParamMapper._default_schedule:
            params["schedule"] = None
        if isinstance(at, partial) and getattr(at.func, "__func__", None) is ParamMapper._epoch_at:
            params["at"] = at.keywords["epoch"]
        params["patterns"] = list(patterns) if isinstance(patterns, list | tuple) else [patterns]
    return type(entry), params


def _hash_images(images: Any) -> str:
    """Hash images some at a time: a memory-map may be larger than memory."""
    digest = hashlib.sha256(f"{images.dtype}{images.shape}".encode())
    for block in iterate_blocks(images):
        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()
