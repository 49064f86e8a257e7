"""From what the user names to faces, labels and persons."""

import re
import warnings
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
    binary: str | None,
    groups: str | None,
    image_column: str,
    label_column: str,
    image_size: int,
    seed: int,
) -> tuple[Any, Any, Any]:
    """Load images or paths, labels and persons from wherever they are; refuse a question about no label.

    It is refused here, before any picture is read, which takes minutes.
    """
    from .. import datasets

    if data is None:
        return datasets.make_faces(_N_DRAWN, image_size=image_size, random_state=seed)
    if data.suffix.lower() in _TABLES:
        faces = datasets.load_face_table(data, image=image_column, label=label_column, group=groups)
    elif groups is None:
        faces = datasets.load_face_folder(data)
    else:
        faces = datasets.load_face_folder(data, groups=None if groups == "none" else groups)
    if binary is not None:
        find_positive(faces.target, binary)
    return faces.data, faces.target, faces.get("groups")


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

    progress.say(f"{len(sources)} images: {describe_classes(labels)}")
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


def ask_binary(labels: Any, binary: str | None, progress: Progress) -> tuple[Any, str | None]:
    """Make a binary question of many classes; give the labels and the positive one."""
    if binary is None:
        return labels, None
    from ..emotions import consolidate_emotions
    from ..exceptions import DatasetWarning

    wanted, positive = find_positive(labels, binary)
    name = " or ".join(wanted)
    with warnings.catch_warnings():
        # How many say yes is told below; a set of those who do not is of use to judge by.
        warnings.simplefilter("ignore", DatasetWarning)
        labels = consolidate_emotions(labels, positive=positive or wanted, names=(f"not {name}", name))
    progress.say(f"Question: {describe_classes(labels)}")
    return labels, name


def find_positive(labels: Any, binary: str) -> tuple[list[str], list[Any]]:
    """Find the classes that answer yes: as they were named, and as they stand among the labels."""
    from ..emotions import is_known_emotion, normalize_emotion
    from ..exceptions import LabelError

    # The name of the answer is a question too: a model keeps no other trace of it.
    wanted = [str(normalize_emotion(name.strip())) for name in re.split(r",| or ", binary) if name.strip()]
    classes = np.unique(labels).tolist()
    positive = [label for label in classes if str(label) in wanted]
    if not positive and not all(is_known_emotion(label) for label in classes):
        raise LabelError(
            f"no label is {' or '.join(wanted)}, and not all are emotions: {', '.join(map(str, classes[:10]))}. "
            "Name one of these; in a table, --label-column says where the emotions are."
        )
    return wanted, positive


def find_question(classes: Any) -> str | None:
    """Find the binary question that a model with these classes was trained on, if it was one of :func:`ask_binary`."""
    names = [str(label) for label in classes]
    if len(names) != 2:
        return None
    asked = [name for name in names if f"not {name}" in names]
    return asked[0] if asked else None
