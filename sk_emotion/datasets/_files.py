"""Find images on disk."""

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..exceptions import DatasetNotFoundError
from ..utils._text import explain_text, show_path

PICTURES = {"avif", "bmp", "gif", "heic", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff", "webp"}
TABLES = (".csv", ".tsv", ".txt")
_HIDDEN = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}
# Signatures of JPEG, PNG, GIF, BMP, TIFF, WebP, PPM, AVIF and HEIF.
_BEGINNING = re.compile(rb"\xff\xd8\xff|\x89PNG|GIF8|BM|II\*\0|MM\0\*|RIFF....WEBP|P[1-6]\s|....ftyp", re.DOTALL)


def list_images(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str]:
    """List the images that paths, folders or patterns denote.

    Parameters
    ----------
    paths : str, path-like or list of them
        Files, which need not exist; folders, of which all files are listed, also those in subfolders, except hidden
        and system files; and patterns such as ``"photos/*.jpg"`` or ``"photos/**/*.jpg"``.

    Returns
    -------
    list of str
        Paths in the order of `paths`; those of a folder or pattern are sorted.

    Raises
    ------
    DatasetNotFoundError
        If a pattern matches no file, or there are no files at all.

    See Also
    --------
    predict_faces : Predict the emotion in each image.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sk_emotion.datasets import list_images
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.jpg", "a.jpg", ".hidden.jpg"):
    ...     _ = (folder / name).write_bytes(b"")
    >>> [Path(path).name for path in list_images(folder)]
    ['a.jpg', 'b.jpg']
    """
    given = [os.fsdecode(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    found: list[str] = []
    for path in given:
        if os.path.isdir(path):
            found += sorted(
                str(Path(where) / name) for where, _, names in os.walk(path) for name in names if not is_hidden(name)
            )
        elif glob.has_magic(path) and not os.path.exists(path) and explain_text(path) is None:
            # A quoted pattern, or one on Windows, whose shells do not expand patterns.
            matches = sorted(match for match in glob.glob(path, recursive=True) if os.path.isfile(match))
            if not matches:
                raise DatasetNotFoundError(f"no file matches '{show_path(path)}'.")
            found += matches
        else:
            found.append(path)
    if not found:
        raise DatasetNotFoundError(f"there are no files in {', '.join(map(repr, given))}.")
    return found


def is_table(path: str | os.PathLike[str]) -> bool:
    """Return whether a path has the suffix of a text file with a table."""
    return Path(path).suffix.lower() in TABLES


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden or created by the system."""
    return name.startswith(".") or name.casefold() in _HIDDEN


def resolve_parents(root: Path) -> frozenset[str]:
    """Return a folder and all of its parents, with symbolic links resolved."""
    real = Path(os.path.realpath(root))
    return frozenset(map(str, (real, *real.parents)))


def leads_back(path: str | Path, around: frozenset[str]) -> bool:
    """Return whether a path is a symbolic link to one of its parents."""
    return os.path.islink(path) and os.path.realpath(path) in around


def list_files(root: Path, start: str, unlisted: list[str]) -> list[str]:
    """List the files below a folder, relative to the root, with ``/`` between names, without hidden ones.

    Folders that cannot be listed are added to `unlisted`.
    """
    names = []
    folders = [(start, resolve_parents(root))]
    while folders:
        folder, around = folders.pop()
        around |= {os.path.realpath(root / folder)}
        try:
            entries = [entry for entry in os.scandir(root / folder) if not is_hidden(entry.name)]
        except OSError as error:
            unlisted.append(str(error.filename))
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if not os.path.isdir(entry.path):
                names.append(name)
            elif not leads_back(entry.path, around):
                folders.append((name, around))
    return sorted(names)


def looks_like_photo(path: Path) -> bool:
    """Return whether a file has the suffix or the signature of an image."""
    if path.suffix.lower().removeprefix(".") in PICTURES:
        return True
    try:
        # Opening a pipe would block.
        if not os.path.isfile(path):
            return False
        with path.open("rb") as file:
            return _BEGINNING.match(file.read(12)) is not None
    except OSError:
        return False


def join_path(root: str, name: str) -> str:
    """Join a folder and a relative file name, which may have been written on Windows."""
    return os.path.join(root, name.replace("\\", os.sep))
