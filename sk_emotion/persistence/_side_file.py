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

# Of three million images.
_MAX_SIZE = 64_000_000


def find_side_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of the file beside a model file."""
    return Path(os.fsdecode(path)).with_suffix(ENDING)


def name_content(images: TrainingImages) -> str:
    """Return the name by which a model file refers to the content of the file beside it."""
    return blake2b(images.to_json(), digest_size=16).hexdigest()


def write_side_file(path: str | os.PathLike[str], images: TrainingImages, owner: str) -> None:
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
    write_output(side_file, images.to_json())


def read_side_file(path: str | os.PathLike[str], named: object, owner: str) -> TrainingImages | None:
    """Read the file beside a model file that refers to it as `named`.

    None if the model refers to none, and if the file was deleted; also, with a warning, if it cannot be used.
    """
    if not named:
        return None
    side_file = find_side_file(path)
    try:
        with open_model(side_file, owner) as file:
            content = file.read(_MAX_SIZE + 1)
        if len(content) > _MAX_SIZE:
            raise ValueError(f"has more than {_MAX_SIZE:,} bytes")
        images = TrainingImages.from_json(content)
        if name_content(images) == named:
            return images
        reason = "was written with another model"
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
