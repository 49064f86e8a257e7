"""From what the user names to faces, labels and persons."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ._output import Progress, describe_classes, describe_unread

_N_DRAWN = 900
_TABLES = (".csv", ".tsv")


class Faces(NamedTuple):
    """Faces read, with what is known of them.

    Attributes
    ----------
    images : ndarray of shape (n, H, W)
    labels : ndarray of shape (n,)
    people : ndarray of shape (n,) or None
    unread : dict of int to str
        Pictures that were left out, and why.
    """

    images: Any
    labels: Any
    people: Any
    unread: dict[int, str]


def load_data(
    data: Path | None,
    groups: str | None,
    image_column: str,
    label_column: str,
    image_size: int,
    seed: int,
    progress: Progress,
) -> tuple[Any, Any, Any]:
    """Load images or paths, labels and persons from wherever they are, and say how many there are."""
    from .. import datasets

    if data is None:
        sources, labels, people = datasets.make_faces(_N_DRAWN, image_size=image_size, random_state=seed)
    else:
        if data.suffix.lower() in _TABLES:
            faces = datasets.load_face_table(data, image=image_column, label=label_column, group=groups)
        else:
            faces = _load_folder(data, groups or "duplicates", progress)
        sources, labels, people = faces.data, faces.target, faces.groups
    progress.say(f"{len(sources)} images: {describe_classes(labels)}")
    return sources, labels, people


def _load_folder(data: Path, groups: str, progress: Progress) -> Any:
    """Load a folder, and point at photos that have a copy under another label."""
    from ..datasets import load_face_folder
    from ..datasets._groups import describe_contradictions, find_contradictions

    faces = load_face_folder(data, groups=None if groups == "none" else groups)
    if groups == "duplicates":
        for line in describe_contradictions(faces.data[find_contradictions(faces.target, faces.groups)]):
            progress.say(f"Warning: {line}")
    return faces


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


def read_images(sources: Any, labels: Any, people: Any, loader: Any, progress: Progress) -> Faces:
    """Turn pictures into faces by a fitted loader, and leave out what cannot be read."""
    from ..prediction import load_in_chunks

    with progress.track("Reading the images", len(sources)) as advance:
        images, found, unread = load_in_chunks(loader, sources, advance)
    return keep_readable(Faces(images, np.asarray(labels), people, unread), sources, found, progress)


def keep_readable(faces: Faces, sources: Any, found: Any, progress: Progress) -> Faces:
    """Leave out what could not be read, and say so."""
    if found is not None:
        progress.say(f"A face was seen in {int(found.sum())} of {len(found)} images.")
    if not faces.unread:
        return faces
    progress.warn(describe_unread(sources, faces.unread))
    kept = np.setdiff1d(np.arange(len(faces.labels)), list(faces.unread))
    if not len(kept):
        from ..exceptions import DatasetError

        raise DatasetError("none of the pictures can be read.")
    people = None if faces.people is None else np.asarray(faces.people)[kept]
    return Faces(faces.images[kept], faces.labels[kept], people, faces.unread)
