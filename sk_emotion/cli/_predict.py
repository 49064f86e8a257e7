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
from ..utils import number, withhold, write_output
from . import _options as options
from ._output import Progress, print_csv, print_json, print_table

_STANDARD_INPUT = "-"
# Ending of the name of an annotated copy, and the maximum length of the rest.
_ENDING, _MOST_LETTERS = ".png", 200


class Format(StrEnum):
    """How predictions are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


def predict(
    pictures: Annotated[
        list[str],
        typer.Argument(
            help="Photos, folders of photos, or patterns such as 'photos/*.jpg'; - reads a photo, or one path per "
            "line, from standard input."
        ),
    ],
    model: options.Model = "human-emotions",
    form: Annotated[
        Format,
        typer.Option("--format", "-f", help="Output format; all but table include the probability of each class."),
    ] = Format.TABLE,
    annotate: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder for copies of the photos that show face, label and probabilities."),
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
    cache: options.Cache = None,
    accept_missing: Annotated[
        bool, typer.Option("--accept-missing", help="Predict a label even if no face was detected.")
    ] = False,
    trusted: options.Trusted = None,
    json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the emotion in each photo.

    Photos without a face, or with a confidence that is too low, get no label but a remark with the reason.

    \b
    Examples:
      sk-emotion predict photo.jpg
      sk-emotion predict holiday 'more/*.png' --annotate annotated
      sk-emotion predict photos --model pain.skops --min-confidence 0.6 --format csv > answers.csv
      curl -s https://example.org/face.jpg | sk-emotion predict -
    """
    options.check_model(model)
    options.check_cache(cache, *pictures)
    if annotate is not None:
        options.check_folder(annotate, "--annotate")
    from .. import predict_faces

    progress = Progress(quiet)
    sources = _list_sources(pictures)
    if annotate is not None:
        _check_copies(annotate, sources)
    classifier = options.load_classifier(model, trusted)
    options.use_cache(classifier, cache)
    progress.say(f"Model: {model}")
    with progress.track("Reading the images", len(sources)) as advance:
        table = predict_faces(
            classifier,
            sources,
            min_confidence=min_confidence,
            require_face=not accept_missing,
            progress=advance,
        )
    table["picture"] = [
        _STANDARD_INPUT if isinstance(source, bytes) else name if os.path.exists(source) else withhold(name, [name])
        for source, name in zip(sources, table["picture"], strict=True)
    ]
    # Before printing, which may fail.
    if annotate is not None:
        _annotate(annotate, sources, table)
        progress.say(f"Annotated: {annotate}")
    _print(table, Format.JSON if json else form)
    raise typer.Exit(1 if table["rejected"].str.startswith("cannot be read").any() else 0)


def _list_sources(arguments: list[str]) -> list[str | bytes]:
    """List the photos that arguments denote: paths, or the content of standard input."""
    from ..datasets import list_images

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


def _check_copies(folder: Path, sources: list[str | bytes]) -> None:
    """Raise an error if an annotated copy in `folder` would overwrite its original."""
    inside = os.path.realpath(folder)
    for path in sources:
        where, name = os.path.split(os.path.realpath(path)) if isinstance(path, str) else ("", "")
        if where == inside and name.lower().endswith(_ENDING):
            raise typer.BadParameter(f"its copy would overwrite {path!r}. Use another folder.", param_hint="--annotate")


def _annotate(folder: Path, sources: list[str | bytes], table: Any) -> None:
    """Write an annotated copy of each photo that can be read; create the folder if it does not exist."""
    from ..prediction import annotate_faces

    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for row, source in enumerate(sources):
        if not table["rejected"].iloc[row].startswith("cannot be read"):
            file = io.BytesIO()
            annotate_faces(source, table.iloc[[row]]).save(file, "PNG")
            write_output(folder / _choose_name(table["picture"].iloc[row], taken), file.getbuffer())


def _choose_name(name: str, taken: set[str]) -> str:
    """Return a file name for the copy of a photo; add a number if the name is taken."""
    stem = "picture" if name == _STANDARD_INPUT else Path(name).stem
    # Leave room for a number: file systems limit the length of names.
    stem = stem[:_MOST_LETTERS]
    chosen, number = f"{stem}{_ENDING}", 1
    while chosen.lower() in taken:
        number += 1
        chosen = f"{stem} ({number}){_ENDING}"
    taken.add(chosen.lower())
    return chosen


def _print(table: Any, form: Format) -> None:
    rows = table.to_dict(orient="records")
    if form is Format.CSV:
        print_csv(table)
    elif form is Format.JSON:
        print_json([_describe(row) for row in rows])
    elif form is Format.JSONL:
        for row in rows:
            print_json(_describe(row), indent=None)
    else:
        none = number(math.nan)
        cells = [
            [row["picture"], none if row["label"] is None else str(row["label"]), row["confidence"], row["rejected"]]
            for row in rows
        ]
        print_table(["picture", "emotion", "confidence", "remark"], cells, share=2)


def _describe(row: dict[Any, Any]) -> dict[str, Any]:
    """Group the probabilities of a photo in one object."""
    probabilities = {
        name.removeprefix("probability_"): row.pop(name) for name in list(row) if name.startswith("probability_")
    }
    return {**row, "rejected": row["rejected"] or None, "probabilities": probabilities}
