"""From what the user names to faces, labels and persons."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ._output import Progress, describe_classes, describe_unread

_N_DRAWN = 900
_TABLES = (".csv", ".tsv")


class Faces(NamedTuple):
    """Faces, with what is known of them.

    Attributes
    ----------
    images : ndarray of shape (n,) or (n, H, W)
        Paths of pictures, and once these are read the faces in them.
    labels : ndarray of shape (n,)
    people : ndarray of shape (n,) or None
        Who is who, where that is told; else near copies of a photo are one.
    together : ndarray of shape (n,) or None
        What must be on one side of a split: people, and those who share a photo too. Reports name people.
    unread : dict of int to str
        Pictures that were left out, and why.
    """

    images: Any
    labels: Any
    people: Any
    together: Any
    unread: dict[int, str]

    def take(self, rows: Any) -> "Faces":
        """Give some of the faces."""
        known = {name: part[rows] for name, part in self._asdict().items() if isinstance(part, np.ndarray)}
        return self._replace(**known)


def load_data(
    data: Path | None,
    groups: str | None,
    image_column: str,
    label_column: str,
    image_size: int,
    seed: int,
    progress: Progress,
) -> Faces:
    """Load images or paths, labels and persons from wherever they are, and say how many there are."""
    from .. import datasets

    if data is None:
        images, labels, people = datasets.make_faces(_N_DRAWN, image_size=image_size, random_state=seed)
        faces = Faces(images, labels, people, people, {})
    elif data.suffix.lower() in _TABLES:
        column = None if groups in (None, "duplicates", "none") else groups
        table = datasets.load_face_table(data, image=image_column, label=label_column, group=column)
        faces = _keep_copies_together(table, None if groups == "none" else _find_copies(table.data), progress)
    else:
        folder = datasets.load_face_folder(data, groups=None if groups == "none" else groups or "duplicates")
        if groups in (None, "duplicates"):
            copies, folder.groups = folder.groups, None
        else:
            copies = None if groups == "none" else _find_copies(folder.data)
        faces = _keep_copies_together(folder, copies, progress)
    progress.say(f"{len(faces.labels)} images: {describe_classes(faces.labels)}")
    return faces


def _find_copies(paths: Any) -> Any:
    from ..datasets._overlap import number_copies

    copies = number_copies(paths, n_jobs=-1)
    # None of them can be read, which is told later.
    return np.arange(len(paths)) if copies is None else copies


def _keep_copies_together(found: Any, copies: Any, progress: Progress) -> Faces:
    """Join people who share a photo, and point at photos that have a copy under another label."""
    from ..datasets._duplicates import join_groups
    from ..datasets._groups import describe_contradictions, find_contradictions

    people = found.groups
    if copies is None:
        return Faces(found.data, found.target, people, people, {})
    for line in describe_contradictions(found.data[find_contradictions(found.target, copies)]):
        progress.say(f"Warning: {line}")
    together = copies if people is None else join_groups(copies, people)
    return Faces(found.data, found.target, copies if people is None else people, together, {})


def read_columns(data: Path, names: list[str] | None) -> dict[str, Any] | None:
    """Read what is known of the images of a CSV file, by column."""
    if not names:
        return None
    import typer

    from ..datasets._table import read_csv

    if data.suffix.lower() not in _TABLES:
        raise typer.BadParameter(f"it names columns of a CSV file, but {str(data)!r} is none.", param_hint="--by")
    frame = read_csv(data)
    for name in names:
        if name not in frame.columns:
            told = ", ".join(map(str, frame.columns))
            raise typer.BadParameter(f"there is no column {name!r}, but {told}.", param_hint="--by")
    return {name: frame[name].to_numpy() for name in names}


def read_images(faces: Faces, loader: Any, progress: Progress) -> Faces:
    """Turn pictures into faces by a fitted loader, and leave out what cannot be read."""
    from ..prediction import load_in_chunks

    with progress.track("Reading the images", len(faces.images)) as advance:
        images, found, unread = load_in_chunks(loader, faces.images, advance)
    return keep_readable(faces, images, found, unread, progress)


def keep_readable(faces: Faces, images: Any, found: Any, unread: dict[int, str], progress: Progress) -> Faces:
    """Put images in the place of their paths; leave out what could not be read, and say so."""
    if found is not None:
        progress.say(f"A face was seen in {int(found.sum())} of {len(found)} images.")
    read = faces._replace(images=images, unread=unread)
    if not unread:
        return read
    progress.warn(describe_unread(faces.images, unread))
    kept = np.setdiff1d(np.arange(len(faces.labels)), list(unread))
    if not len(kept):
        from ..exceptions import DatasetError

        raise DatasetError("none of the pictures can be read.")
    return read.take(kept)
