"""What X holds: pictures or numbers, and how errors name a picture."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from scipy.sparse import issparse

from ..exceptions import ImageReadError


class NamedBytes(bytes):
    """An encoded picture that errors can name."""

    name: str


def list_pictures(X: Any) -> list[Any] | None:
    """List the pictures in X; None if it holds numbers."""
    if isinstance(X, str | os.PathLike):
        raise ImageReadError(f"FaceLoader: X is one path, expected several pictures. Pass a list: [{os.fspath(X)!r}].")
    if isinstance(X, bytes | Image.Image):
        raise ImageReadError(f"FaceLoader: X is one picture ({type(X).__name__}), expected several. Pass a list: [X].")
    if isinstance(X, list | tuple):
        elements = list(X)
    elif issparse(X) or not hasattr(X, "__array__"):
        return None
    else:
        array = np.asarray(X)
        if array.ndim == 2 and array.shape[1] > 1 and any(isinstance(value, str | bytes) for value in array[:1].flat):
            raise ImageReadError(
                f"FaceLoader: X has {array.shape[1]} columns, expected one of pictures. Pass that column alone."
            )
        if array.dtype.kind not in "OSUT" or array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
            return None
        elements = list(array.ravel())
    if not len(elements):
        raise ImageReadError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is required by FaceLoader."
        )
    return elements if any(map(is_picture, elements)) else None


def name_picture(sources: Sequence[Any], index: int) -> str:
    source = sources[index]
    if isinstance(source, NamedBytes):
        return source.name
    return repr(os.fspath(source)) if isinstance(source, str | os.PathLike) else f"picture {index}"


def is_picture(element: Any) -> bool:
    """Tell whether one element of X is a picture, rather than a number or a row of numbers."""
    return isinstance(element, str | bytes | os.PathLike | Image.Image) or (
        isinstance(element, np.ndarray) and element.ndim >= 2
    )
