"""Checkpoints of one training: whole or not there, told apart by what is trained, and never unpickled."""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..exceptions import CheckpointError, CheckpointWarning
from ..utils._file_lock import lock_file
from ..utils._files import write_whole
from .run import Run

TRAINS, STOPPED, FINISHED = "trains", "stopped", "finished"
"""Stages of a training: epochs are to come; a callback asked for the end; everything is done."""

# Raised when a state gets another layout.
_FORMAT = 1

# The last one, and the one before it in case that the last is damaged.
_N_KEPT = 2

_KEY = "sk_emotion"


class Checkpoints:
    """The checkpoints in the subfolder of one training.

    ``epoch-00007.4c1f8ce21a0b63d9.safetensors`` holds arrays, and all else as JSON in its header. The name tells the
    epoch and the beginning of the file's SHA-256, so that one renaming makes both known.

    Parameters
    ----------
    folder : Path
        The subfolder.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def load(self) -> tuple[str, dict[str, Any] | None]:
        """Read the stage and the state of the last checkpoint that is whole.

        Returns
        -------
        stage : {"trains", "stopped", "finished"}
        state : dict or None
            None if there is no checkpoint.

        Raises
        ------
        CheckpointError
            If there are checkpoints, but all are damaged.
        """
        found = self._list()
        for path in found:
            try:
                kept = _parse(path)
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                damage = f"{path} is damaged ({type(error).__name__}: {error})"
                warnings.warn(f"checkpoint_dir: {damage}. An older one is looked for.", CheckpointWarning, stacklevel=6)
            else:
                return kept["stage"], kept["state"]
        if found:
            raise CheckpointError(
                f"checkpoint_dir: every checkpoint in {self.folder} is damaged. Delete this folder to train anew."
            )
        return TRAINS, None

    def save(self, stage: str, epoch: int, state: dict[str, Any]) -> None:
        """Write a checkpoint, and delete all but the last two; when the training is finished, all but this one.

        Raises
        ------
        CheckpointError
            If it cannot be written, since the disk is full, say. The former ones are still there.
        """
        name = FINISHED if stage == FINISHED else f"epoch-{epoch:05d}"
        try:
            content = _format({"format": _FORMAT, "stage": stage, "state": state})
            for damaged in self.folder.glob(f"{name}.*"):
                damaged.unlink()
            write_whole(self.folder / f"{name}.{_checksum(content)}.safetensors", content)
            for old in self._list()[1 if stage == FINISHED else _N_KEPT :]:
                old.unlink()
        except (OSError, TypeError) as error:
            raise CheckpointError(_cannot_write(self.folder / name, error)) from error

    def _list(self) -> list[Path]:
        """List the checkpoints, the last one first."""
        # In the order of letters, "finished" comes after every "epoch".
        return sorted(self.folder.glob("[!.]*.safetensors"), reverse=True)


@contextmanager
def open_checkpoints(directory: str | os.PathLike[str], run: Run) -> Iterator[tuple[Checkpoints, Any]]:
    """Open the subfolder of one training, which no other process has then; one that does is waited for.

    Gives the checkpoints and the random state to train with: that of `run`, or, without one, that with which a training
    was begun that did not finish.

    Raises
    ------
    CheckpointError
        If the folder cannot be made or written to.
    """
    folder = Path(directory) / run.fingerprint
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "lock", "ab", buffering=0)  # noqa: SIM115 - closed below
    except OSError as error:
        raise CheckpointError(_cannot_write(folder, error)) from error
    with lock:
        if not lock_file(lock, seconds=0):
            warnings.warn(
                f"checkpoint_dir: another process trains the same in {folder}. It is waited for.",
                CheckpointWarning,
                stacklevel=5,
            )
            lock_file(lock, seconds=float("inf"))
        try:
            random_state = _begin(folder, run)
        except OSError as error:
            raise CheckpointError(_cannot_write(folder, error)) from error
        yield Checkpoints(folder), random_state


def _begin(folder: Path, run: Run) -> Any:
    """Tidy up after a training that was killed, say for people what is trained here, and choose the random state."""
    for part in folder.glob(".*.tmp"):
        part.unlink()
    about = folder / "run.json"
    if run.random_state is not None:
        if not about.exists():
            write_whole(about, run.describe(random_state=None))
        return run.random_state
    # Without a seed, every training is another one: only one that was broken off is gone on with.
    if any(folder.glob(f"{FINISHED}.*")) or not about.exists():
        for old in folder.glob("*.safetensors"):
            old.unlink()
        write_whole(about, run.describe(random_state=int(np.random.SeedSequence().generate_state(1)[0])))
    return json.loads(about.read_bytes())["random_state"]


def _cannot_write(path: Path, error: Exception) -> str:
    return (
        f"checkpoint_dir: {path} cannot be written ({type(error).__name__}: {error}). Make room, or choose another "
        "folder; a training that was begun goes on from its last checkpoint."
    )


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _format(value: Any) -> bytes:
    arrays: dict[str, Any] = {}
    tree = json.dumps(_take_apart(value, arrays))
    return save(arrays, metadata={_KEY: tree})


def _parse(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    if f".{_checksum(content)}." not in path.name:
        raise ValueError("its checksum is another")
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    kept = _put_together(json.loads(header["__metadata__"][_KEY]), load(content))
    if kept["format"] != _FORMAT:
        raise ValueError(f"format {kept['format']}, expected {_FORMAT}")
    return kept


def _take_apart(value: Any, arrays: dict[str, Any]) -> Any:
    """Make JSON of nested dictionaries and lists; the arrays in it are put into `arrays`, and named."""
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name, "shape": list(value.shape)}
    if isinstance(value, dict):
        return {"dict": [[key, _take_apart(item, arrays)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_take_apart(item, arrays) for item in value]}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} is neither an array nor a plain value")


def _put_together(tree: Any, arrays: dict[str, Any]) -> Any:
    """Undo :func:`_take_apart`; tuples become lists."""
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        # NumPy has no contiguous array without axes, so that safetensors may give it one.
        return arrays[tree["array"]].reshape(tree["shape"])
    if "dict" in tree:
        return {key: _put_together(item, arrays) for key, item in tree["dict"]}
    return [_put_together(item, arrays) for item in tree["list"]]
