"""``sk-emotion predict``."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from . import _options as options
from ._annotate import annotate_pictures, check_copies
from ._output import Progress, print_csv, print_json, print_json_line, print_table
from ._pictures import list_pictures


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
    from ..prediction._predict_faces import find_threshold
    from ..preprocessing import split_loader
    from ..utils._text import withhold

    progress = Progress(quiet)
    found = list_pictures(pictures)
    if annotate is not None:
        check_copies(annotate, found)
    classifier = options.load_classifier(model, trusted)
    options.use_cache(classifier, cache)
    progress.say(f"Model: {model}")
    with progress.track("Reading the images", len(found)) as advance:
        table = predict_faces(
            classifier,
            [picture.source for picture in found],
            min_confidence=min_confidence,
            require_face=not accept_missing,
            progress=advance,
        )
    table["picture"] = [
        picture.name if os.path.exists(picture.name) else withhold(picture.name, [picture.name]) for picture in found
    ]
    # Before printing, which may fail.
    if annotate is not None:
        positive, threshold = find_threshold(classifier)
        note = "" if threshold is None else f"{positive} from {threshold:.0%}".replace("%", " %")
        annotate_pictures(annotate, found, table, getattr(split_loader(classifier)[0], "detector", None), note)
        progress.say(f"Annotated: {annotate}")
    _print(table, Format.JSON if json else form)
    raise typer.Exit(1 if table["rejected"].str.startswith("cannot be read").any() else 0)


def _print(table: Any, form: Format) -> None:
    rows = table.to_dict(orient="records")
    if form is Format.CSV:
        print_csv(table)
    elif form is Format.JSON:
        print_json([_describe(row) for row in rows])
    elif form is Format.JSONL:
        for row in rows:
            print_json_line(_describe(row))
    else:
        header = ["picture", "emotion", "confidence", "remark"]
        print_table(header, [_summarize(row) for row in rows], share=2)


def _describe(row: dict[Any, Any]) -> dict[str, Any]:
    """Group the probabilities of a photo in one object."""
    probabilities = {
        name.removeprefix("probability_"): row.pop(name) for name in list(row) if name.startswith("probability_")
    }
    return {**row, "rejected": row["rejected"] or None, "probabilities": probabilities}


def _summarize(row: dict[Any, Any]) -> list[Any]:
    from ..utils._text import NOTHING

    return [row["picture"], NOTHING if row["label"] is None else str(row["label"]), row["confidence"], row["rejected"]]
