"""Files and folders: atomic writing, marked copies, regular files, locks, weights, and folders named by models."""

import errno
import json
import os
import shutil
import stat
import struct
import time
import uuid
import warnings
import zlib
from contextlib import suppress
from io import BytesIO, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import lock_descriptor

from ..exceptions import FileWriteError

if TYPE_CHECKING:
    import torch

FOLDER = Path(__file__).parents[1] / "pretrained"

_PAUSE = 0.005

# The signature and the header of a PNG file, and a chunk of text that is inserted after them.
_HEADER_LENGTH = 33
_TEXT = b"tEXtComment\0Made from a photo by sk_emotion"
_MARK = struct.pack(">I", len(_TEXT) - 4) + _TEXT + struct.pack(">I", zlib.crc32(_TEXT))

NAMED_FOLDERS: set[str] = set()
"""Folders named in the model files that this process has loaded."""


def write_output(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Write an output file completely or not at all.

    A link is kept, and its target is written; a pipe or a device is written to, not replaced.

    Raises
    ------
    FileWriteError
        If it cannot be written, for example because the disk is full; an existing file is unchanged then.
    FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError
        If the folder does not exist or is not writable, or `path` is a folder.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                file.write(content)
        else:
            write_whole(target, content)
    except OSError as error:
        if type(error) is not OSError:
            # Errors of a specific type name the temporary file, which the user does not know.
            raise type(error)(error.errno, error.strerror, os.fspath(path)) from error
        raise FileWriteError(
            f"{os.fspath(path)!r} cannot be written ({error.strerror or error}). Free some disk space, or choose "
            "another folder; an existing file of this name is unchanged."
        ) from error


def write_copy(path: str | os.PathLike[str], image: Any) -> None:
    """Write a PIL image that shows a photo, or a face of it, as a PNG file that ``list_images`` passes over.

    Parameters
    ----------
    path : str or path-like
        Path of the file, as for :func:`write_output`.
    image : PIL.Image.Image
        Image, such as the result of :func:`annotate_faces`.

    See Also
    --------
    is_copy : Return whether a file was written by this function.
    """
    file = BytesIO()
    # Twice as fast as by default, and a sixth larger.
    image.save(file, "PNG", compress_level=1)
    content = file.getvalue()
    write_output(path, content[:_HEADER_LENGTH] + _MARK + content[_HEADER_LENGTH:])


def is_copy(path: str | os.PathLike[str]) -> bool:
    """Return whether a file was written by :func:`write_copy`; only its beginning is read.

    Parameters
    ----------
    path : str or path-like
        Path, which need not exist.

    Returns
    -------
    bool
        Also False if the file cannot be read.

    See Also
    --------
    write_copy : Write an image that ``list_images`` passes over.
    """
    try:
        # Opening a pipe would block.
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return file.read(_HEADER_LENGTH + len(_MARK))[_HEADER_LENGTH:] == _MARK
    except OSError:
        return False


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a temporary file, sync it, and rename it to `path`, which holds either the old or all of the new content.

    Whatever exists at `path`, even a link, is replaced, never followed. After an error, no temporary file remains.
    """
    # Not mkstemp, whose files other users cannot read. The name itself may have the maximum length.
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file() and not path.is_symlink():
            # Some file systems have no permissions.
            with suppress(OSError):
                shutil.copymode(path, temporary)
        os.replace(temporary, path)
        if hasattr(os, "O_DIRECTORY"):
            # Renames are durable once the folder is synced; not supported on Windows.
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def open_regular(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """Open a regular file, or create it with ``os.O_CREAT``, without blocking or following a link."""
    # Check before opening, since opening a device may have side effects, and after, since the file may have been
    # replaced.
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        state = None
    _check_regular(path, state)
    # Windows has no links without privileges, no pipes in folders, and none of these flags.
    safe = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
    descriptor = os.open(path, flags | safe, 0o666)
    try:
        _check_regular(path, os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def lock_file(file: FileIO, seconds: float) -> bool:
    """Lock an open file until it is closed; return False if another worker holds the lock for that many seconds."""
    deadline = time.monotonic() + seconds
    try:
        while not lock_descriptor(file.fileno(), blocking=False):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
    except OSError:
        # Some network drives have no locks: two workers may then do the same work, and write the same content.
        return True
    return True


def list_weights() -> list[str]:
    """Return the names of the included models."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def check_weights(name: Any) -> None:
    """Raise an error unless there is an included model of this name."""
    if name not in list_weights():
        raise ValueError(f"pretrained={name!r:.60} is not an included model. Choose from {list_weights()}.")


def read_description(name: Any) -> dict[str, Any]:
    """Read the description of an included model, without its weights."""
    from safetensors import safe_open

    check_weights(name)
    with safe_open(FOLDER / f"{name}.safetensors", framework="pt") as file:
        return json.loads(file.metadata()["sk_emotion"])


def read_weights(name: Any) -> tuple[dict[str, "torch.Tensor"], dict[str, Any]]:
    """Read the weights of an included model in single precision, and the description saved with them."""
    from safetensors import safe_open

    about = read_description(name)
    with safe_open(FOLDER / f"{name}.safetensors", framework="pt") as file:
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    return {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}, about


def _check_regular(path: str | os.PathLike[str], state: os.stat_result | None) -> None:
    if state is not None and not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", os.fspath(path))


def warn_of_folder(folder: str | os.PathLike[str], owner: str, category: type[Warning]) -> None:
    """Warn once that a folder to be written was named by a model file."""
    name = os.fsdecode(folder)
    if name in NAMED_FOLDERS:
        NAMED_FOLDERS.discard(name)
        warnings.warn(
            f"{owner}={name!r} comes from a model file, and will be written to. Set it to another folder or to "
            "None to prevent this.",
            category,
            stacklevel=3,
        )
