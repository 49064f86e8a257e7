"""Loading of faces, labels and groups, and binary questions about them ("pain or not?")."""

import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import typer

from ..exceptions import DatasetError, DatasetWarning, LabelError
from ..utils import abridge
from ._options import DetectorName
from ._output import Progress, describe_classes, ignore_dataset_warnings

_TABLES = (".csv", ".tsv", ".txt")
_FIRST_COLUMNS = {"image": 0, "label": 1}
N_NAMED = 10


class Layout(NamedTuple):
    """Layout of images and labels on disk, as the options describe it."""

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
        """Return the keyword arguments of :func:`read_face_table`; ``\\t`` means a tab."""
        return {"sep": "\t" if self.sep == r"\t" else self.sep, "header": 0 if self.header else None}

    def check(self, data: Path | None) -> None:
        """Raise an error if an option does not apply to the data."""
        of_tables = {"--sep": self.sep, "--no-header": not self.header or None, "--root": self.root}
        others = {"--label": self.label} if _is_table(data) else of_tables
        if data is None:
            others = {"--label": self.label, "--labels": self.labels, **of_tables}
        for option, value in others.items():
            if value is not None:
                kind = {"--label": "a folder", "--labels": "a folder or a CSV file"}.get(option, "a CSV file")
                what = "but no DATA was passed" if data is None else f"which {str(data)!r} is not"
                raise typer.BadParameter(f"this option needs {kind}, {what}.", param_hint=option)


class Faces(NamedTuple):
    """Faces with their labels and groups, as arrays of one entry per face."""

    # Paths, or the faces once the images have been read.
    images: Any
    labels: Any
    # Persons if --groups names them, else groups of near-duplicates; joined in `together`, for splitting. Or None.
    people: Any
    together: Any
    # Paths; None for synthetic faces.
    names: Any
    # Positions in the data as passed.
    rows: Any
    # Number of images that could not be read.
    n_unread: int

    def take(self, rows: Any) -> "Faces":
        """Return the faces at these positions."""
        known = {name: part[rows] for name, part in self._asdict().items() if isinstance(part, np.ndarray)}
        return self._replace(**known)

    @property
    def photos(self) -> Any:
        """The paths; of synthetic faces, the images."""
        return self.images if self.names is None else self.names

    def list_files(self) -> list[str]:
        """Return the paths of the images."""
        return [] if self.names is None else list(map(str, self.names))

    def keep_readable(self, loaded: Any, progress: Progress) -> "Faces":
        """Replace paths by loaded faces; drop images that cannot be read, with a warning."""
        if loaded.found is not None:
            progress.say(f"Found a face in {int(loaded.found.sum())} of {len(loaded.found)} images.")
        faces = self._replace(images=loaded.images)
        if not loaded.unread:
            return faces
        names = self.names if self.names is not None else [f"image {row}" for row in self.rows]
        reasons = [f"{names[index]} {reason}" for index, reason in loaded.unread.items()]
        progress.warn(f"{len(reasons)} of {len(names)} images cannot be read and are left out: {abridge(reasons)}.")
        kept = np.setdiff1d(np.arange(len(self.labels)), list(loaded.unread))
        if not len(kept):
            raise DatasetError("none of the images can be read.")
        return faces.take(kept)._replace(n_unread=self.n_unread + len(reasons))


def load_data(
    data: Path | None, layout: Layout, progress: Progress, *, image_size: int = 48, seed: int = 0, expected: str = ""
) -> Faces:
    """Load images or paths, labels and groups, and print the number of images per class.

    Warnings that match the regular expression `expected` are ignored.
    """
    layout.check(data)
    labels = layout.map_labels()
    from ..datasets import load_faces

    groups: Any = {None: "duplicates", "none": None}.get(layout.groups, layout.groups)
    options: dict[str, Any] = {"random_state": seed} if data is None else {"label": layout.label}
    if _is_table(data):
        options = {
            "image": layout.find_column(layout.image_column),
            "label": layout.find_column(layout.label_column),
            "root": layout.root,
            **layout.describe_table(),
        }
        groups = groups if groups in (None, "duplicates") else layout.find_column(groups)
    with progress.relay("load_faces"):
        if expected:
            warnings.filterwarnings("ignore", expected, DatasetWarning)
        faces = load_faces(data, labels=labels, groups=groups, image_size=image_size, **options)
    progress.say(f"{len(faces.target)} images: {describe_classes(faces.target)}")
    names = None if data is None else faces.data
    return Faces(faces.data, faces.target, faces.persons, faces.groups, names, faces.rows, len(faces.unread))


def _is_table(data: Path | None) -> bool:
    return data is not None and data.suffix.lower() in _TABLES


def read_columns(data: Path, names: list[str] | None, layout: Layout) -> dict[str, Any] | None:
    """Read columns of a CSV file by name."""
    if not names:
        return None
    from ..datasets import read_face_table

    if not _is_table(data):
        raise typer.BadParameter(f"this option needs a CSV file, which {str(data)!r} is not.", param_hint="--by")
    frame = read_face_table(data, **layout.describe_table())
    columns = {name: layout.find_column(name) for name in names}
    for name, column in columns.items():
        if column not in frame.columns:
            known = ", ".join(map(str, frame.columns))
            raise typer.BadParameter(f"there is no column {name!r}; the columns are {known}.", param_hint="--by")
        if frame[column].ndim > 1:
            raise typer.BadParameter(f"there are several columns {name!r}.", param_hint="--by")
    return {name: frame[column].to_numpy() for name, column in columns.items()}


def read_images(
    faces: Faces, detector: DetectorName, image_size: int, cache: Path | None, progress: Progress
) -> tuple[Faces, Any]:
    """Read the images, without those that cannot be read; return them and the FaceLoader."""
    from .. import FaceLoader

    # Synthetic faces need no detector.
    found_by = None if detector is DetectorName.NONE or faces.names is None else detector.value
    loader = FaceLoader(image_size=image_size, detector=found_by, on_error="blank", cache=cache).fit(faces.images)
    with progress.track("Reading the images", len(faces.images)) as advance, ignore_dataset_warnings():
        loaded = loader.load(faces.images, progress=advance)
    return faces.keep_readable(loaded, progress), loader


def ask_binary(
    labels: Any, binary: str | None, progress: Progress, *, of_model: bool = False
) -> tuple[Any, str | None]:
    """Convert labels to the answers of a binary question; return them and the positive one.

    Called before face detection, which takes minutes. A question that names no label raises an error; if the question
    is `of_model`, some of its classes may be missing from the labels, but not all.
    """
    if binary is None:
        return labels, None
    from ..emotions import consolidate_emotions

    wanted, positive = _find_positive(labels, binary, of_model)
    no, yes = name_answers(binary)
    with warnings.catch_warnings():
        # The counts are printed below; a set without positive samples is still useful for evaluation.
        warnings.simplefilter("ignore", DatasetWarning)
        labels = consolidate_emotions(labels, positive=positive or wanted, names=(no, yes))
    progress.say(f"Question: {describe_classes(labels)}")
    return labels, yes


def split_names(binary: str) -> list[str]:
    """Split a question, or the name of its positive answer, into the positive classes."""
    from ..emotions import normalize_emotion

    return [str(normalize_emotion(name.strip())) for name in re.split(r",| or ", binary) if name.strip()]


def name_answers(binary: str) -> tuple[str, str]:
    """Return the names of the negative and the positive answer."""
    name = " or ".join(split_names(binary))
    return f"not {name}", name


def _find_positive(labels: Any, binary: str, of_model: bool) -> tuple[list[str], list[Any]]:
    """Return the positive classes, as named in the question and as they occur in the labels."""
    from ..emotions import is_known_emotion

    wanted = split_names(binary)
    classes = np.unique(labels).tolist()
    positive = [label for label in classes if str(label) in wanted]
    unknown = [name for name in wanted if name not in map(str, classes) and not is_known_emotion(name)]
    unanswerable = not positive and (unknown or not all(is_known_emotion(label) for label in classes))
    if unanswerable or (unknown and not of_model):
        raise LabelError(
            f"{'the model was trained for it, but' if of_model else '--binary:'} no label is "
            f"{' or '.join(unknown or wanted)}. The labels are {abridge([str(label) for label in classes], N_NAMED)}. "
            f"{'Rename' if of_model else 'Pass'} one of these; in a table, --label-column names the column of labels."
        )
    return wanted, positive
