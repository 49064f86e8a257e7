"""The file of training images beside a model file, which names it by its digest."""

import os
import warnings
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from ..exceptions import DatasetWarning, ModelFileError, ModelNotFoundError
from ..leakage._training_images import ENDING, HEAD, TrainingImages
from ..utils._files import write_output
from ._files import escape, open_model

# Of 23 million images.
_MAX_SIZE = 500_000_000


def find_side_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of the file beside a model file."""
    return Path(os.fsdecode(path)).with_suffix(ENDING)


def name_content(content: bytes) -> str:
    """Return the name by which a model file refers to the content of the file beside it."""
    return blake2b(content, digest_size=16).hexdigest()


def write_side_file(path: str | os.PathLike[str], content: bytes, owner: str) -> None:
    """Write the file beside a model file; a file of other content is kept, with a warning."""
    side_file = find_side_file(path)
    if side_file.exists() and _read_head(side_file) != HEAD:
        warnings.warn(
            f"{owner}: {escape(side_file)} exists and holds no training images, so it is kept, and those of the model "
            "are not saved. Move it, and save the model again.",
            DatasetWarning,
            stacklevel=4,
        )
        return
    write_output(side_file, content)


def read_side_file(path: str | os.PathLike[str], named: object, owner: str) -> TrainingImages | None:
    """Read the file beside a model file that refers to it as `named`.

    None if the model refers to none, and if the file was deleted; also, with a warning, if it cannot be used.
    """
    if not named:
        return None
    side_file = find_side_file(path)
    try:
        with open_model(side_file, owner) as file:
            is_huge = os.fstat(file.fileno()).st_size > _MAX_SIZE
            content = b"" if is_huge else file.read(_MAX_SIZE)
        if name_content(content) == named:
            return TrainingImages.from_json(content)
        reason = "was written with another model or is damaged"
    except ModelNotFoundError:
        return None
    except ModelFileError:
        reason = "is not a regular file"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except ValueError as error:
        reason = str(error)
    warnings.warn(
        f"{owner}: {escape(side_file)} {reason}, so reports will not say which images the model was trained on. Save "
        "the model again, copy the file that was written with it, or delete this one.",
        DatasetWarning,
        stacklevel=4,
    )
    return None


def _read_head(path: Path) -> bytes:
    """Return the beginning of a file; nothing if it cannot be read."""
    if path.is_file():
        with suppress(OSError), path.open("rb") as file:
            return file.read(len(HEAD))
    return b""
