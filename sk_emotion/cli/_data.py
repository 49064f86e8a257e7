"""Loading of faces, labels and groups from a folder or CSV file."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import typer

from ._output import Progress, describe_classes, describe_unread, ignore_dataset_warnings

_N_DRAWN = 900
# As for the caveats of compare_classifiers: a false match costs more than a miss, and time grows quadratically.
_MAX_DISTANCE = 8
_MAX_COMPARED = 40_000
_TABLES = (".csv", ".tsv", ".txt")
_FIRST_COLUMNS = {"image": 0, "label": 1}


class Layout(NamedTuple):
    """Layout of images and labels on disk, as the options describe it.

    Attributes
    ----------
    groups, image_column, label_column, label, labels, sep : str or None
    header : bool
    root : Path or None
    """

    groups: str | None
    image_column: str
    label_column: str
    label: str | None
    labels: str | None
    sep: str | None
    header: bool
    root: Path | None

    def find_column(self, name: str) -> str | int:
        """Return the column with this name; without a header, its number."""
        if self.header:
            return name
        return int(name) if name.isdecimal() else _FIRST_COLUMNS.get(name, name)

    def map_labels(self) -> dict[str, str | None] | None:
        """Parse ``1=surprise,2=fear``."""
        if self.labels is None:
            return None
        pairs = [[side.strip() for side in part.split("=")] for part in self.labels.split(",")]
        if any(len(pair) != 2 or not pair[0] for pair in pairs) or len({pair[0] for pair in pairs}) < len(pairs):
            raise typer.BadParameter(
                f"expected each name once, as in 1=surprise,2=fear; got {self.labels!r}.", param_hint="--labels"
            )
        return {name: emotion or None for name, emotion in pairs}

    def describe_table(self) -> dict[str, Any]:
        """Return the keyword arguments of :func:`load_face_table`; ``\\t`` means a tab."""
        return {"sep": "\t" if self.sep == r"\t" else self.sep, "header": 0 if self.header else None}


class Faces(NamedTuple):
    """Faces with their labels and groups.

    Attributes
    ----------
    images : ndarray of shape (n,) or (n, H, W)
        Paths, or the faces once the images have been read.
    labels : ndarray of shape (n,)
    people : ndarray of shape (n,) or None
        Person of each face if `groups` names them, else groups of near-duplicates.
    together : ndarray of shape (n,) or None
        Groups for splitting: `people`, joined if they share near-duplicates.
    names : ndarray of shape (n,) or None
        Paths; None for synthetic faces.
    rows : ndarray of shape (n,)
        Position of each face in the data as passed.
    unread : dict of int to str
        Rows of images that could not be read, with the reason.
    """

    images: Any
    labels: Any
    people: Any
    together: Any
    names: Any
    rows: Any
    unread: dict[int, str]

    def take(self, rows: Any) -> "Faces":
        """Return the faces at these positions."""
        known = {name: part[rows] for name, part in self._asdict().items() if isinstance(part, np.ndarray)}
        return self._replace(**known)

    def list_files(self) -> list[str]:
        """Return the paths of the images."""
        return [] if self.names is None else list(map(str, self.names))

    def leave_out(self, unread: dict[int, str], progress: Progress) -> "Faces":
        """Drop images that cannot be read, by position, and print a warning."""
        if not unread:
            return self
        progress.warn(describe_unread(self.names, unread))
        kept = np.setdiff1d(np.arange(len(self.labels)), list(unread))
        if not len(kept):
            from ..exceptions import DatasetError

            raise DatasetError("none of the images can be read.")
        reasons = {int(self.rows[place]): reason for place, reason in unread.items()}
        return self.take(kept)._replace(unread=self.unread | reasons)


def load_data(
    data: Path | None,
    layout: Layout,
    image_size: int,
    seed: int,
    progress: Progress,
) -> Faces:
    """Load images or paths, labels and groups, and print the number of images per class.

    Images that cannot be read are dropped here, so that errors in labels and groups are raised before face detection,
    which takes minutes.
    """
    is_table = data is not None and data.suffix.lower() in _TABLES
    of_tables = {"--sep": layout.sep, "--no-header": not layout.header or None, "--root": layout.root}
    others = {"--label": layout.label} if is_table else of_tables
    if data is None:
        others = {"--label": layout.label, "--labels": layout.labels, **of_tables}
    for option, value in others.items():
        if value is not None:
            kind = {"--label": "a folder", "--labels": "a folder or a CSV file"}.get(option, "a CSV file")
            what = "but no DATA was passed" if data is None else f"which {str(data)!r} is not"
            raise typer.BadParameter(f"this option needs {kind}, {what}.", param_hint=option)
    labels_of = layout.map_labels()
    from .. import datasets
    from ..leakage import extract_groups

    groups = layout.groups
    named = None if groups in (None, "duplicates", "none") else groups
    copies = None
    if data is None:
        images, labels, people = datasets.make_faces(_N_DRAWN, image_size=image_size, random_state=seed)
        faces = _gather(images, labels, people, None)
    elif is_table:
        table = datasets.load_face_table(
            data,
            image=layout.find_column(layout.image_column),
            label=layout.find_column(layout.label_column),
            group=None if named is None else layout.find_column(named),
            labels=labels_of,
            root=layout.root,
            **layout.describe_table(),
        )
        faces = _gather(table.data, table.target, table.groups, table.data)
        n_rows = len(table.target) + len(table.skipped)
        faces = faces._replace(rows=np.setdiff1d(np.arange(n_rows), table.skipped))
        faces, copies = _look_for_copies(faces, progress)
    else:
        folder = datasets.load_face_folder(data, label=layout.label, labels=labels_of)
        relative = [Path(path).relative_to(data.expanduser()).as_posix() for path in folder.data]
        people = extract_groups(relative, named)
        faces, copies = _gather(folder.data, folder.target, people, folder.data), folder.groups
    progress.say(f"{len(faces.labels)} images: {describe_classes(faces.labels)}")
    return faces if copies is None else _keep_together(faces, copies, groups != "none", progress)


def _gather(images: Any, labels: Any, people: Any, names: Any) -> Faces:
    return Faces(images, np.asarray(labels), people, people, names, np.arange(len(labels)), {})


def _look_for_copies(faces: Faces, progress: Progress) -> tuple[Faces, Any]:
    """Read a thumbnail of each image, drop unreadable ones, and return groups of near-duplicates."""
    from ..leakage import find_duplicates

    duplicates, unread = find_duplicates(
        faces.images, max_distance=_MAX_DISTANCE, max_compared=_MAX_COMPARED, n_jobs=-1, return_unread=True
    )
    return faces.leave_out(unread, progress), np.delete(duplicates, list(unread))


def _keep_together(faces: Faces, copies: Any, wanted: bool, progress: Progress) -> Faces:
    """Warn of duplicates with different labels; group near-duplicates, and people who share one."""
    from ..leakage import describe_label_conflicts, find_label_conflicts, merge_groups

    for line in describe_label_conflicts(faces.images, find_label_conflicts(faces.labels, copies)):
        progress.warn(line)
    if not wanted:
        return faces
    if faces.people is None:
        return faces._replace(people=copies, together=copies)
    return faces._replace(together=merge_groups(copies, faces.people))


def read_columns(data: Path, names: list[str] | None, layout: Layout) -> dict[str, Any] | None:
    """Read columns of a CSV file by name."""
    if not names:
        return None
    from ..datasets._table import read_csv

    if data.suffix.lower() not in _TABLES:
        raise typer.BadParameter(f"this option needs a CSV file, which {str(data)!r} is not.", param_hint="--by")
    frame = read_csv(data, **layout.describe_table())
    columns = {name: layout.find_column(name) for name in names}
    for name, column in columns.items():
        if column not in frame.columns:
            known = ", ".join(map(str, frame.columns))
            raise typer.BadParameter(f"there is no column {name!r}; the columns are {known}.", param_hint="--by")
        if frame[column].ndim > 1:
            raise typer.BadParameter(f"there are several columns {name!r}.", param_hint="--by")
    return {name: frame[column].to_numpy() for name, column in columns.items()}


def read_images(faces: Faces, loader: Any, progress: Progress) -> Faces:
    """Load faces from images with a fitted loader; drop images that cannot be read."""
    with progress.track("Reading the images", len(faces.images)) as advance, ignore_dataset_warnings():
        loaded = loader.load(faces.images, progress=advance)
    return keep_readable(faces, loaded, progress)


def keep_readable(faces: Faces, loaded: Any, progress: Progress) -> Faces:
    """Replace paths by images; drop images that cannot be read."""
    if loaded.found is not None:
        progress.say(f"Found a face in {int(loaded.found.sum())} of {len(loaded.found)} images.")
    return faces._replace(images=loaded.images).leave_out(loaded.unread, progress)
