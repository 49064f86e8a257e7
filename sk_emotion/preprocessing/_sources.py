"""Find the images in X, read their bytes, and name them in errors."""

import inspect
import io
import os
import stat
import warnings
from array import ArrayType
from collections import deque
from collections.abc import Container, Iterator, KeysView, Mapping, Sequence, ValuesView
from numbers import Number
from typing import Any

import numpy as np
from PIL import Image
from scipy.sparse import issparse

from ..exceptions import DatasetWarning, FaceNotFoundError, ImageArrayError, ImageReadError
from ..utils._parallel import ForkSafeLock
from ..utils._text import BEGINNING, MOST_SHOWN, abridge, explain_text, quote_name, show_path

MAX_FILE_SIZE = 100_000_000

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

# A file object may occur several times in a list, and its position is shared by all threads.
_reading = ForkSafeLock()


def list_once(X: Any) -> Any:
    """List the elements of an iterator, which can be consumed only once; return anything else as is."""
    if not isinstance(X, Iterator | ValuesView | KeysView | deque) or find_file(X) is not None:
        return X
    elements = []
    for element in X:
        if isinstance(X, Iterator) and isinstance(element, np.ndarray):
            # Raise at once, since a camera stream never ends.
            raise ImageArrayError(
                f"FaceLoader: X is {type(X).__name__}, expected images as (n, H, W) or (n, H, W, 3), or a list of "
                "images. Pass np.stack(list(X)), or list(X) if their sizes differ."
            )
        elements.append(element)
    if not elements and isinstance(X, Iterator):
        raise ImageReadError(
            f"Found array with 0 sample(s) while a minimum of 1 is required: X is {type(X).__name__}, which returns "
            "its images only once. Pass list(X)."
        )
    return elements


def list_pictures(X: Any) -> list[Any] | None:
    """List the images in X; None if X is a numeric array."""
    if isinstance(X, str | os.PathLike):
        what = explain_text(os.fsdecode(X))
        if what is not None:
            raise ImageReadError(f"FaceLoader: X {what}. Then pass a list of images.")
        raise ImageReadError(f"FaceLoader: X is one path, expected several images. Pass a list: [{quote_name(X)}].")
    if isinstance(X, bytes | bytearray | Image.Image) or _is_bytes(X) or is_encoded(X) or find_file(X) is not None:
        raise ImageReadError(f"FaceLoader: X is one image ({type(X).__name__}), expected several. Pass a list: [X].")
    if isinstance(X, set | frozenset):
        raise ImageReadError(f"FaceLoader: X is a {type(X).__name__}, which has no order. Pass a list: sorted(X).")
    X = list_once(X)
    if issparse(X):
        return None
    if isinstance(X, dict) or not any(hasattr(X, name) for name in ("__len__", "__array__", "shape")):
        hint = " Pass X['data']." if isinstance(X, dict) and "data" in X else " Pass list(X.values())."
        raise ImageArrayError(
            f"FaceLoader: X is {type(X).__name__}, expected images as (n, H, W) or (n, H, W, 3), or a list of images."
            + (hint if isinstance(X, dict) else "")
        )
    if isinstance(X, list | tuple):
        elements = list(X)
    elif not hasattr(X, "__array__"):
        return None
    else:
        array = np.asarray(X)
        if array.ndim == 2 and array.shape[1] > 1 and any(isinstance(value, str | bytes) for value in array[:1].flat):
            raise ImageReadError(
                f"FaceLoader: X has {array.shape[1]} columns, expected one column of images. Pass only that column."
            )
        if array.ndim == 2 and len(array) and all(map(is_encoded, array)):
            return list(map(as_source, array))
        if array.dtype.kind not in "OSUT" or array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
            return None
        elements = list(array.ravel())
    if not len(elements):
        raise ImageReadError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is required by FaceLoader."
        )
    # A single row of pixels may start with a file signature, but not all rows.
    is_list = any(map(is_picture, elements)) or all(map(is_encoded, elements)) or all(map(_is_nan, elements))
    pictures = list(map(as_source, elements)) if is_list else None
    shapes: set[tuple[int, ...]] = {
        picture.shape if isinstance(picture, np.ndarray) else () for picture in pictures or []
    }
    # In a list, the rows of a color image are 2-d arrays, just as images are.
    if len(elements) > 1 and len(shapes) == 1:
        (shape,) = shapes
        if len(shape) == 2 and shape[1] <= 4 < shape[0]:
            raise ImageArrayError(
                f"FaceLoader: X is a list of {len(elements)} arrays of shape {shape}, which look like the rows of one "
                "image without the batch axis. Pass [image], or X[np.newaxis] of an array."
            )
    return pictures


def name_source(source: Any, index: int) -> str:
    """Return the name of an image in a table: its path, or else its position."""
    return show_path(source) if isinstance(source, str | os.PathLike) else f"picture {index}"


def name_picture(sources: Sequence[Any], index: int) -> str:
    source = sources[index]
    if not isinstance(source, str | os.PathLike):
        return f"image {index}"
    shown = show_path(source)
    return quote_name(source) if shown == os.fsdecode(source) else f"image {index} ({quote_name(source)})"


def report_unread(
    errors: Mapping[int, ImageReadError | str], sources: Sequence[Any], on_error: str, stacklevel: int = 2
) -> None:
    """Raise an error for images that cannot be read, or warn, depending on `on_error`."""
    unread = [f"{name_picture(sources, index)} {error}" for index, error in errors.items()]
    if errors and on_error == "raise":
        others = f", and {len(unread) - 1} more cannot be read. Remove them" if len(unread) > 1 else ". Remove it"
        first = next(iter(errors.values()))
        raise ImageReadError(f'FaceLoader: {unread[0]}{others} or pass on_error="blank".') from (
            first if isinstance(first, ImageReadError) else None
        )
    if errors:
        warnings.warn(
            f"FaceLoader: {len(unread)} of {len(sources)} images cannot be read and are all-zero images: "
            f"{abridge(unread)}.",
            DatasetWarning,
            stacklevel=stacklevel,
        )


def refuse_missing(missing: Sequence[int], unread: Container[int], sources: Sequence[Any]) -> None:
    """Raise an error for images without a face, except those that cannot be read."""
    names = [name_picture(sources, index) for index in missing if index not in unread]
    if names:
        raise FaceNotFoundError(
            f"FaceLoader: no face was detected in {abridge(names)}. Remove "
            f'{"them" if len(names) > 1 else "it"} or pass on_missing="center".'
        )


def is_picture(element: Any) -> bool:
    """Return whether an element of X is an image, or anything else that is not a row of numbers.

    A 1-d array may be a row of pixels.
    """
    if isinstance(element, str | bytes | bytearray | os.PathLike | Image.Image):
        return True
    if isinstance(element, Number | np.generic):
        return False
    if isinstance(element, list | tuple):
        wrong = str | bytes | os.PathLike | Image.Image | None
        return any(isinstance(value, wrong) for value in element[:4]) or _is_frame_with_flag(element)
    if isinstance(element, np.ndarray | memoryview):
        return _is_bytes(element) or element.ndim >= 2
    is_sequence = hasattr(element, "__len__") and hasattr(element, "__getitem__") and not isinstance(element, Mapping)
    return not hasattr(element, "__array__") and (not is_sequence or find_file(element) is not None)


def is_encoded(element: Any) -> bool:
    """Return whether an array with a single axis longer than 1 is an encoded image, as returned by ``cv2.imencode``."""
    if isinstance(element, ArrayType):
        element = np.asarray(element)
    if not isinstance(element, np.ndarray) or element.dtype != np.uint8:
        return False
    is_row = element.size == max(element.shape, default=0)
    return is_row and BEGINNING.match(element.ravel()[:64].tobytes()) is not None


def as_source(element: Any) -> Any:
    """Return a buffer with axes as an array, and an encoded image in an array as bytes; anything else as is."""
    is_buffer = isinstance(element, ArrayType) or (isinstance(element, memoryview) and not _is_bytes(element))
    element = np.asarray(element) if is_buffer else element
    return element.tobytes() if is_encoded(element) else element


def read_source(source: Any, max_size: int | None) -> bytes:
    """Read the bytes of an encoded image from a file, a buffer or a file object.

    An ImageReadError is the end of a sentence that names the image. Neither it nor its cause quotes a long string.
    """
    if isinstance(source, str | os.PathLike):
        data = _read_path(source, max_size)
    elif isinstance(source, bytes | bytearray | memoryview):
        try:
            size = memoryview(source).nbytes
        except ValueError:
            raise ImageReadError("is a released memoryview: pass its bytes") from None
        _check_size(size, max_size)
        data = bytes(source)
    else:
        data = _read_file_object(source, max_size)
    beginning = data[: 2 * MOST_SHOWN]
    words = explain_text(beginning.decode("ascii")) if beginning.isascii() else None
    # Other text, such as a URL, is not an image in any format.
    if words is not None and "base64" in words:
        raise ImageReadError(words)
    return data


def find_file(source: Any) -> Any:
    """Return the file object that a source is, or that holds the upload of a web framework; None if there is none."""
    if isinstance(source, str | bytes | os.PathLike | Image.Image | np.ndarray | Number):
        return None
    for holder in (None, "file", "stream"):
        file = source if holder is None else getattr(source, holder, None)
        methods = [getattr(file, name, None) for name in ("read", "seek", "tell")]
        if all(map(callable, methods)) and not any(map(inspect.iscoroutinefunction, methods)):
            return file
    return None


def _read_path(path: Any, max_size: int | None) -> bytes:
    """Read a regular file of at most `max_size` bytes; never open, wait for or read anything else."""
    try:
        # Check before opening, since opening a device may have side effects, and after, since the file may have been
        # replaced.
        _check_regular(os.stat(path).st_mode)
        at_once = getattr(os, "O_NONBLOCK", 0)
        with open(path, "rb", opener=lambda path, flags: os.open(path, flags | at_once)) as file:
            state = os.fstat(file.fileno())
            _check_regular(state.st_mode)
            _check_size(state.st_size, max_size)
            # Read no more than was checked, in case the file grows.
            return file.read(state.st_size)
    except ImageReadError as error:
        words = str(error)
    except (FileNotFoundError, NotADirectoryError):
        words = "does not exist"
    except (OSError, ValueError, MemoryError) as error:
        words = f"cannot be opened ({type(error).__name__}: {getattr(error, 'strerror', None) or error})"
    text = os.fsdecode(path)
    if text.startswith("~") and words == "does not exist":
        words += " (pass os.path.expanduser(path))"
    # Do not chain these errors, which repeat the path, however long.
    raise ImageReadError(explain_text(text) or words)


def _read_file_object(source: Any, max_size: int | None) -> bytes:
    """Read a file object from its beginning, and restore its position."""
    file = find_file(source)
    if file is None:
        raise ImageReadError(_explain_object(source))
    kind = type(source).__name__
    if getattr(source, "closed", False) is True or getattr(file, "closed", False) is True:
        raise ImageReadError(f"is a closed file ({kind}): open it again, or pass its path or its bytes")
    if isinstance(file, io.TextIOBase):
        raise ImageReadError(f"is a file in text mode ({kind}): open it in binary mode, open(path, 'rb')")
    try:
        if not getattr(file, "seekable", lambda: True)():
            raise ImageReadError(_explain_object(source))
        with _reading:
            position = file.tell()
            try:
                file.seek(0)
                data = _read_all(file, max_size)
            finally:
                file.seek(position)
    except ImageReadError:
        raise
    except Exception as error:
        # File objects of any kind may raise anything.
        words = f"cannot be read ({type(error).__name__}: {str(error)[:MOST_SHOWN]})"
    else:
        return data
    raise ImageReadError(words)


def _read_all(file: Any, max_size: int | None) -> bytes:
    """Read a file object, but not much more than `max_size` bytes."""
    parts: list[bytes] = []
    while True:
        size = sum(map(len, parts))
        if max_size is not None and size > max_size:
            raise ImageReadError(f"is too large (more than max_file_size={max_size:,} bytes)")
        part = file.read(-1 if max_size is None else max_size + 1 - size)
        if isinstance(part, str):
            raise ImageReadError("is a file in text mode: open it in binary mode, open(path, 'rb')")
        if not isinstance(part, bytes | bytearray | memoryview | None):
            raise ImageReadError(f"is a file object that reads {type(part).__name__}, expected bytes")
        if not part:
            return b"".join(parts)
        parts.append(bytes(part))


def _explain_object(source: Any) -> str:
    """Describe an object that is not an image, and say what to pass."""
    words = f"is {type(source).__name__}, expected a path, bytes, a file opened in binary mode, a PIL image or an array"
    if source is None:
        return f"{words} (cv2.imread returns None for a file that it cannot read)"
    if _is_nan(source):
        return f"{words} (nan is a missing value)"
    if _is_frame_with_flag(source):
        return f"{words} (cv2.VideoCapture.read returns a flag and the frame: pass the frame)"
    if callable(getattr(source, "read", None)):
        return f"{words} (it cannot be read again from its beginning: pass what its read() returns)"
    return words


def _is_bytes(element: Any) -> bool:
    """Return whether a memoryview holds plain bytes rather than an array."""
    if not isinstance(element, memoryview):
        return False
    try:
        return element.ndim == 1 and element.format in ("B", "b", "c")
    except ValueError:
        # It has been released.
        return True


def _is_nan(element: Any) -> bool:
    return isinstance(element, float | np.floating) and bool(element != element)


def _is_frame_with_flag(element: Any) -> bool:
    return (
        isinstance(element, tuple)
        and len(element) == 2
        and isinstance(element[0], bool | np.bool_)
        and (element[1] is None or isinstance(element[1], np.ndarray))
    )


def _check_regular(mode: int) -> None:
    """Reject anything but a regular file, by its ``st_mode``."""
    if not stat.S_ISREG(mode):
        raise ImageReadError(f"is {_KINDS.get(stat.S_IFMT(mode), 'a special file')}, expected a file")


def _check_size(size: int, max_size: int | None) -> None:
    """Reject too many bytes."""
    if max_size is not None and size > max_size:
        raise ImageReadError(f"is too large ({size:,} bytes, max_file_size={max_size:,})")
