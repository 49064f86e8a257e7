"""``sk-emotion predict``."""

import io
import math
import os
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..exceptions import DatasetNotFoundError, ImageReadError
from ..utils import number, withhold
from . import _options as options
from ._copies import Copies
from ._output import Progress, print_csv, print_json, print_table

_STANDARD_INPUT = "-"
_UNREAD, _NO_FACE = "cannot be read", "no face seen"

# Photos at a time, whose faces are in memory.
_PART = 256


class Format(StrEnum):
    """How predictions are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


class Which(StrEnum):
    """Faces of a photo for which to predict."""

    LARGEST = "largest"
    ALL = "all"


def predict(
    pictures: Annotated[
        list[str],
        typer.Argument(
            help="Photos, folders of photos, or patterns such as 'photos/*.jpg'; - reads a photo, or one path per "
            "line, from standard input."
        ),
    ],
    model: options.Model = "human-emotions",
    faces: Annotated[Which, typer.Option(help="Predict for the largest face of each photo, or for all.")] = (
        Which.LARGEST
    ),
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help="Output format; all but table include boxes and the probability of each class. Rows of csv and jsonl "
            "are printed as they are computed.",
        ),
    ] = Format.TABLE,
    annotate: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Folder for copies of the photos that show the faces and their labels. They replace copies of the "
            "same name that an earlier command wrote, and nothing else.",
        ),
    ] = None,
    blur: Annotated[
        bool, typer.Option("--blur", help="With --annotate: blur all faces that are found in the copies.")
    ] = False,
    crops: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for the faces, cut out at full resolution.")
    ] = None,
    min_confidence: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Reject labels whose confidence is below this. The confidence is the probability or, for a model with "
            "a tuned threshold, scaled from 0.5 at the threshold to 1.",
        ),
    ] = 0.0,
    detection_size: Annotated[
        int | None,
        typer.Option(
            min=32,
            max=4096,
            help="Size in pixels to which photos are resized to look for faces: 1280 finds smaller faces than 640, in "
            "four times the time.",
            show_default="that of the model, 640 if it is included",
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1,
            help="Minimum confidence of the detector that something is a face.",
            show_default="that of the model, 0.5 if it is included",
        ),
    ] = None,
    cache: options.Cache = None,
    accept_missing: Annotated[
        bool, typer.Option("--accept-missing", help="Predict a label even if no face was detected.")
    ] = False,
    trusted: options.Trusted = None,
    json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the emotion of the largest face in each photo, or of all faces.

    Photos without a face, or with a confidence that is too low, get no label but a remark with the reason.

    In folders, files that are not images, and copies that --annotate and --crops wrote, are passed over.

    \b
    Examples:
      sk-emotion predict photo.jpg
      sk-emotion predict group.jpg --faces all --annotate annotated
      sk-emotion predict holiday 'more/*.png' --annotate annotated --blur --crops faces
      sk-emotion predict photos --model pain.skops --min-confidence 0.6 --format csv > answers.csv
      curl -s https://example.org/face.jpg | sk-emotion predict -
    """
    options.check_model(model)
    options.check_cache(cache, *pictures)
    if blur and annotate is None:
        raise typer.BadParameter("this option needs --annotate.", param_hint="--blur")
    for option, folder in {"--annotate": annotate, "--crops": crops}.items():
        if folder is not None:
            options.check_folder(folder, option)
    from .. import predict_faces

    progress = Progress(quiet)
    sources = _list_sources(pictures, progress)
    copies = Copies(annotate, crops, blur, sources)
    # PyTorch takes seconds to import.
    classifier = options.load_classifier(model, trusted, engine="onnx")
    options.set_loader(classifier, cache=cache, detection_size=detection_size, min_score=min_score)
    if blur:
        options.check_detector(classifier, "--blur")
    progress.say(f"Model: {model}")
    printer = _Printer(Format.JSON if json else form, faces)
    n_unread = n_unblurred = 0
    with printer.hide_bars(progress).track("Reading the images", len(sources)) as advance:
        for start in range(0, len(sources), _PART):
            part = sources[start : start + _PART]
            with progress.relay("predict_faces"):
                table = predict_faces(
                    classifier,
                    part,
                    # No face may remain visible.
                    faces=Which.ALL.value if blur else faces.value,
                    min_confidence=min_confidence,
                    require_face=not accept_missing,
                    progress=advance,
                )
            found = _split(table, part)
            wanted = [rows if faces is Which.ALL else rows.iloc[:1] for rows in found]
            # Before printing, which may fail.
            for source, all_rows, rows in zip(part, found, wanted, strict=True):
                if rows["rejected"].iloc[0].startswith(_UNREAD):
                    n_unread += 1
                else:
                    n_unblurred += blur and not all_rows["n_faces"].iloc[0]
                    copies.annotate_photo(source, all_rows)
                    copies.cut_out(source, rows)
            printer.add(wanted)
    for name, folder in {"Annotated": annotate, "Faces": crops}.items():
        if folder is not None:
            progress.say(f"{name}: {folder}")
    if n_unblurred:
        progress.warn(f"no face was found in {n_unblurred} photo(s), whose copies are not blurred.")
    printer.finish()
    raise typer.Exit(1 if n_unread else 0)


def _split(table: Any, sources: list[str | bytes]) -> list[Any]:
    """Split a table into the rows of each photo, with names for display."""
    starts = [row for row, face in enumerate(table["face"]) if face == 0]
    parts = [table.iloc[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]
    return [
        rows.assign(picture=_name(source, rows["picture"].iloc[0])) for source, rows in zip(sources, parts, strict=True)
    ]


def _name(source: str | bytes, name: str) -> str:
    if isinstance(source, bytes):
        return _STANDARD_INPUT
    return name if os.path.exists(source) else withhold(name, [name])


def _list_sources(arguments: list[str], progress: Progress) -> list[str | bytes]:
    """List the photos that arguments denote: paths, or the content of standard input."""
    from ..datasets import list_images

    with progress.relay("list_images"):
        if _STANDARD_INPUT not in arguments:
            return [*list_images(arguments)]
        parts = [_read_standard_input() if part == _STANDARD_INPUT else list_images(part) for part in arguments]
    return [source for part in parts for source in part]


def _read_standard_input() -> list[Any]:
    """Read an image from standard input, or else paths separated by newlines or null characters."""
    from PIL import Image, UnidentifiedImageError

    data = sys.stdin.buffer.read()
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)):
            return [data]
    except UnidentifiedImageError:
        pass
    except Exception:
        # The image is damaged or too large: decoding it raises the error.
        return [data]
    text = os.fsdecode(data)
    if withhold(beginning := text[:200]) != beginning:
        raise ImageReadError("standard input holds base64, expected an image or paths. Decode it: base64 --decode.")
    paths = [path for path in (text.split("\0") if "\0" in text else text.splitlines()) if path.strip()]
    if not paths:
        raise DatasetNotFoundError("standard input is empty. Pipe an image into it, or paths, one per line.")
    return paths


class _Printer:
    """Printer of predictions: CSV and JSONL at once, other formats at the end."""

    def __init__(self, form: Format, faces: Which):
        self.form = form
        self.faces = faces
        self._waiting: list[Any] = []
        self._has_header = False

    def hide_bars(self, progress: Progress) -> Progress:
        """Return a progress without bars if rows are printed on the terminal in the meantime."""
        at_once = self.form in (Format.CSV, Format.JSONL) and sys.stdout.isatty()
        return Progress(quiet=True) if at_once else progress

    def add(self, photos: list[Any]) -> None:
        """Print, or keep, the rows of each photo."""
        if self.form is Format.CSV:
            import pandas as pd

            print_csv(pd.concat(photos), header=not self._has_header)
            self._has_header = True
        elif self.form is Format.TABLE:
            self._waiting += [cells for rows in photos for cells in self._list_cells(rows)]
        else:
            self._waiting += map(_describe_photo, photos)
        if self.form is Format.JSONL:
            for photo in self._waiting:
                print_json(photo, indent=None)
            self._waiting.clear()

    def finish(self) -> None:
        """Print the rows that were kept."""
        if self.form is Format.JSON:
            print_json(self._waiting)
        elif self.form is Format.TABLE:
            header = ["picture", "face", "emotion", "confidence", "remark"]
            if self.faces is Which.LARGEST:
                header.remove("face")
            print_table(header, self._waiting, share=header.index("confidence"))

    def _list_cells(self, rows: Any) -> list[list[Any]]:
        none = number(math.nan)
        cells = []
        for row in rows.to_dict(orient="records"):
            n_faces = row["n_faces"] or 0
            is_found = n_faces > 0
            remarks = [row["rejected"]] if row["rejected"] else []
            if self.faces is Which.LARGEST and n_faces > 1:
                remarks.append(f"1 of {n_faces} faces")
            face = [str(row["face"]) if is_found else none] if self.faces is Which.ALL else []
            label = none if row["label"] is None else str(row["label"])
            cells.append([row["picture"], *face, label, row["confidence"], ", ".join(remarks)])
        return cells


def _describe_photo(rows: Any) -> dict[str, Any]:
    """Describe a photo and its faces as an object of JSON."""
    records = rows.to_dict(orient="records")
    first = records[0]
    # The only row of a photo that cannot be read, or without a face, is no face; unless missing faces are accepted.
    is_missing = first["rejected"].startswith((_UNREAD, _NO_FACE))
    return {
        "picture": first["picture"],
        "n_faces": first["n_faces"],
        "rejected": first["rejected"] if is_missing else None,
        "faces": [] if is_missing else list(map(_describe_face, records)),
    }


def _describe_face(row: dict[Any, Any]) -> dict[str, Any]:
    names = ("face", "x", "y", "width", "height", "score", "label", "confidence")
    prefix = "probability_"
    probabilities = {name.removeprefix(prefix): row[name] for name in row if name.startswith(prefix)}
    return {name: row[name] for name in names} | {"rejected": row["rejected"] or None, "probabilities": probabilities}
