"""Checkpoints of training: written atomically, bound to their training by a fingerprint, and never unpickled."""

import hashlib
import json
import math
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, save
from skorch.callbacks import ParamMapper

from .. import __version__
from .._images._stored import iterate_blocks
from ..exceptions import CheckpointError, CheckpointWarning
from ..utils._files import lock_file, open_regular, warn_of_folder, write_whole
from ._state import check_state

TRAINING, STOPPED, FINISHED = "trains", "stopped", "finished"
"""Stages of training: epochs remain; a callback stopped it; finished."""

# Increase when the layout of the state changes.
_FORMAT = 3

# The last checkpoint, and the one before in case the last is damaged.
_N_CHECKPOINTS = 2

_KEY = "sk_emotion"

# Seconds to wait for the lock. The lock of a killed process is released at once.
_LOCK_TIMEOUT = 5.0

# Limits in bytes: of the JSON text, a constant for the callbacks and a part per epoch; of the arrays, a constant and
# some copies of the weights.
_MAX_TEXT, _MAX_EPOCH = 20_000_000, 10_000
_MAX_ARRAYS, _MAX_COPIES = 1_000_000_000, 100

_NAME = re.compile(rf"(?:{FINISHED}|epoch-(\d+))\.[0-9a-f]{{16}}\.safetensors")


# Parameters that do not change the weights.
_IRRELEVANT = {"checkpoint_dir", "verbose", "tta", "device", "warm_start"}


@dataclass(frozen=True)
class Run:
    """A training: its fingerprint, readable parameters, random state, and number of epochs before and after it."""

    fingerprint: str
    parameters: dict[str, str]
    random_state: Any
    n_before: int
    n_epochs: int

    def describe(self, *, random_state: int | None) -> bytes:
        """Return a readable description as JSON, with the seed that was drawn if `random_state` of `clf` is None."""
        about = {"sk_emotion": __version__, "torch": torch.__version__, "random_state": random_state}
        return json.dumps({**about, "parameters": self.parameters}, indent=2).encode()


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in the subfolder of one training, such as ``epoch-00007.4c1f8ce21a0b63d9.safetensors``.

    The name has the epoch and the first digits of the file's SHA-256, so that renaming the temporary file publishes
    both. The header has, as JSON, all that is no array. Only regular files are read; links are not followed.
    """

    folder: Path
    run: Run

    def load(self, start: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        """Return stage and state of the last undamaged checkpoint, if any; `start` is the state before training."""
        found = self._list()
        for path in found:
            try:
                kept = self._read(path, start)
            except CheckpointError:
                raise
            # A damaged or forged file can raise anything.
            except Exception as error:
                damage = f"{path} is damaged ({type(error).__name__}: {str(error)[:200]})"
                warnings.warn(f"checkpoint_dir: {damage}. Trying an older one.", CheckpointWarning, stacklevel=8)
            else:
                return kept["stage"], kept["state"]
        if found:
            raise CheckpointError(
                f"checkpoint_dir: every checkpoint in {self.folder} is damaged. Delete this folder to start over."
            )
        return TRAINING, None

    def save(self, stage: str, epoch: int, state: dict[str, Any]) -> None:
        """Write a checkpoint and delete all but the last two, or all others when training is finished."""
        name = FINISHED if stage == FINISHED else f"epoch-{epoch:05d}"
        try:
            content = _format({"format": _FORMAT, "run": self.run.fingerprint, "stage": stage, "state": state})
            kept = [f"{name}.{_checksum(content)}.safetensors"]
            write_whole(self.folder / kept[0], content)
            # Files of later epochs do not belong to this training.
            older = [path.name for path in self._list() if _epoch_number(path) < epoch]
            for old in self._list():
                if old.name not in kept + older[: 0 if stage == FINISHED else _N_CHECKPOINTS - 1]:
                    _remove(old)
        except (OSError, TypeError) as error:
            raise CheckpointError(_write_error(self.folder / name, error)) from error

    def _list(self) -> list[Path]:
        """List the checkpoints, latest first."""
        found = (path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))
        return sorted(found, key=_epoch_number, reverse=True)

    def _read(self, path: Path, start: dict[str, Any]) -> dict[str, Any]:
        most = _MAX_TEXT + _MAX_EPOCH * self.run.n_epochs
        weights = sum(value.nbytes for value in start["weights"].values())
        kept = _parse(_read_regular(path, most + _MAX_ARRAYS + _MAX_COPIES * weights), path.name, most)
        if kept["format"] != _FORMAT:
            raise ValueError(f"format {kept['format']}, expected {_FORMAT}")
        if kept["run"] != self.run.fingerprint:
            raise CheckpointError(
                f"checkpoint_dir: {path} is a checkpoint of another training, and does not fit the network, data and "
                "parameters of this one. Delete it, or delete this folder to start over."
            )
        stage, state = kept["stage"], kept["state"]
        if stage not in (TRAINING, STOPPED, FINISHED) or (stage == FINISHED) != path.name.startswith(FINISHED):
            raise ValueError("its stage does not match its name")
        check_state(state, start)
        n_epochs = len(state["history"])
        if not self.run.n_before < n_epochs <= self.run.n_epochs or _epoch_number(path) not in (n_epochs, math.inf):
            raise ValueError(f"it has {n_epochs} epochs")
        return kept


def identify_run(clf: Any, images: NDArray[Any], *others: Any) -> Run:
    """Return the identity of the training of `clf` on `images` and other inputs, such as labels and weights."""
    params = {name: value for name, value in clf.get_params(deep=False).items() if name not in _IRRELEVANT}
    shown = {name: repr(value) for name, value in params.items()}
    try:
        callbacks = [_describe_callback(entry) for entry in params.pop("callbacks") or ()]
        params = {"callbacks": callbacks, **_describe(params)}
        parts = [joblib.hash(part) for part in (params, *others)]
    except Exception as error:
        raise CheckpointError(
            f"checkpoint_dir: the parameters cannot be hashed ({str(error)[:100]}...). Define your functions and "
            "classes at the top level of a module."
        ) from error
    digest = hashlib.sha256(f"{images.dtype}{images.shape}".encode())
    # In blocks, since a memory-map may be larger than memory.
    for block in iterate_blocks(images):
        digest.update(np.ascontiguousarray(block).data)
    text = json.dumps([__version__, torch.__version__, digest.hexdigest(), *parts])
    n_before = getattr(clf, "n_iter_", 0)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:24]
    return Run(fingerprint, shown, clf.random_state, n_before, n_before + clf.max_epochs)


@contextmanager
def open_checkpoints(directory: str | os.PathLike[str], run: Run) -> Iterator[tuple[Checkpoints | None, Any]]:
    """Yield (checkpoints, random_state), with the subfolder of `run` locked; a resumed training has its own seed.

    If another process still has the lock after some seconds, checkpoints is None and training runs without them, so
    that a search neither waits for a worker that may hang nor fails.
    """
    warn_of_folder(directory, "EmotionClassifier: checkpoint_dir", CheckpointWarning)
    folder = Path(directory) / run.fingerprint
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink():
            raise OSError("it is a symbolic link")
        descriptor = open_regular(folder / "lock", os.O_RDWR | os.O_CREAT)
        lock = open(descriptor, "ab", buffering=0)  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        raise CheckpointError(_write_error(folder, error)) from error
    with lock:
        if not lock_file(lock, seconds=0):
            warnings.warn(
                f"checkpoint_dir: another process runs the same training in {folder}. Waiting for it for up to "
                f"{_LOCK_TIMEOUT:g} seconds.",
                CheckpointWarning,
                stacklevel=7,
            )
            if not lock_file(lock, seconds=_LOCK_TIMEOUT):
                warnings.warn(
                    f"checkpoint_dir: another process still runs the same training in {folder}. This one starts over, "
                    "without checkpoints.",
                    CheckpointWarning,
                    stacklevel=7,
                )
                yield None, run.random_state
                return
        try:
            random_state = _prepare_folder(folder, run)
        except OSError as error:
            raise CheckpointError(_write_error(folder, error)) from error
        yield Checkpoints(folder, run), random_state


def _describe(value: Any) -> Any:
    """Replace tensors by arrays, also in modules and estimators: a pickled tensor contains its address."""
    if isinstance(value, torch.Tensor):
        content = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        return "tensor", str(value.dtype), tuple(value.shape), content
    if isinstance(value, torch.nn.Module):
        # The mode of a module is set in each step.
        return type(value), _describe({**vars(value), "training": None})
    if isinstance(value, partial):
        return partial, value.func, _describe([value.args, value.keywords])
    if hasattr(value, "get_params") and not isinstance(value, type):
        return type(value), _describe(value.get_params(deep=False))
    if isinstance(value, dict):
        return {name: _describe(part) for name, part in value.items()}
    return [_describe(part) for part in value] if isinstance(value, list | tuple) else value


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


def _prepare_folder(folder: Path, run: Run) -> Any:
    """Remove temporary files of a killed process, describe the training in run.json, and return its random state."""
    for part in folder.glob(".*.tmp"):
        _remove(part)
    about = folder / "run.json"
    if run.random_state is not None:
        if not os.path.lexists(about):
            write_whole(about, run.describe(random_state=None))
        return run.random_state
    found = Checkpoints(folder, run)._list()
    # Without a seed, each training differs: only an unfinished one is resumed.
    if any(path.name.startswith(FINISHED) for path in found) or not os.path.lexists(about):
        for old in found:
            _remove(old)
        write_whole(about, run.describe(random_state=int(np.random.SeedSequence().generate_state(1)[0])))
    try:
        random_state = json.loads(_read_regular(about, _MAX_TEXT))["random_state"]
        if type(random_state) is not int or not 0 <= random_state < 1 << 32:
            raise ValueError(f"random_state is {str(random_state)[:50]}")
    except Exception as error:
        raise CheckpointError(
            f"checkpoint_dir: {about} is damaged ({type(error).__name__}: {str(error)[:200]}). Delete its folder to "
            "start over."
        ) from error
    return random_state


def _epoch_number(path: Path) -> float:
    """Return the epoch of a checkpoint; that of a finished training is infinite."""
    found = _NAME.fullmatch(path.name)
    return float(found[1]) if found and found[1] else math.inf


def _read_regular(path: Path, most: int) -> bytes:
    with open(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise ValueError(f"it has {size:,} bytes, expected at most {most:,}")
        return file.read()


def _remove(path: Path) -> None:
    """Delete a file or link, but no folder."""
    if not stat.S_ISDIR(path.lstat().st_mode):
        path.unlink()


def _write_error(path: Path, error: Exception) -> str:
    return (
        f"checkpoint_dir: {path} cannot be written ({type(error).__name__}: {error}). Free disk space or choose "
        "another folder; training resumes from its last checkpoint."
    )


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _format(value: Any) -> bytes:
    arrays: dict[str, Any] = {}
    tree = json.dumps(_to_tree(value, arrays))
    return save(arrays, metadata={_KEY: tree})


def _parse(content: bytes, name: str, most: int) -> dict[str, Any]:
    if f".{_checksum(content)}." not in name:
        raise ValueError("its checksum does not match")
    size = int.from_bytes(content[:8], "little")
    if size > most:
        raise ValueError(f"its header has {size:,} bytes, expected at most {most:,}")
    header = json.loads(content[8 : 8 + size])
    return _from_tree(json.loads(header["__metadata__"][_KEY]), load(content))


def _to_tree(value: Any, arrays: dict[str, Any]) -> Any:
    """Convert nested dictionaries and lists to JSON types; arrays are moved to `arrays` and replaced by their name."""
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name, "shape": list(value.shape)}
    if isinstance(value, dict):
        return {"dict": [[key, _to_tree(item, arrays)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_to_tree(item, arrays) for item in value]}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} is neither an array nor a plain value")


def _from_tree(tree: Any, arrays: dict[str, Any]) -> Any:
    """Undo :func:`_to_tree`; tuples become lists."""
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        # `np.ascontiguousarray` adds an axis to arrays of shape ().
        return arrays[tree["array"]].reshape(tree["shape"])
    if "dict" in tree:
        return {key: _from_tree(item, arrays) for key, item in tree["dict"]}
    return [_from_tree(item, arrays) for item in tree["list"]]
