"""``sk-emotion predict``."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from . import _options as options
from ._output import Progress, print_json


def predict(
    pictures: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    model: options.Model = "human-emotions",
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Give no label if its probability is below this.")
    ] = 0.0,
    accept_missing: Annotated[
        bool, typer.Option("--accept-missing", help="Give a label even where the model's detector saw no face.")
    ] = False,
    trusted: options.Trusted = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Tell the emotion in each photo.

    A photo without a face, or of doubtful emotion, gets no label, and the reason stands beside it.
    """
    from .. import predict_faces

    progress = Progress(quiet)
    classifier = options.load_classifier(model, trusted)
    progress.say(f"Model: {model}")
    sources = _list_files(pictures)
    with progress.track("Reading the images", len(sources)) as advance:
        table = predict_faces(
            classifier,
            sources,
            min_confidence=min_confidence,
            require_face=not accept_missing,
            progress=advance,
        )
    if json:
        print_json([_describe(row) for row in table.to_dict(orient="records")])
    else:
        _print_table(table)
    raise typer.Exit(1 if table["rejected"].str.startswith("cannot be read").any() else 0)


def _list_files(pictures: list[Path]) -> list[str]:
    """List the files named, and those in the folders named; hidden ones not."""
    from ..exceptions import DatasetNotFoundError

    files: list[str] = []
    for path in pictures:
        if path.is_dir():
            files += sorted(
                str(Path(where) / name)
                for where, _, names in os.walk(path)
                for name in names
                if not name.startswith(".")
            )
        else:
            files.append(str(path))
    if not files:
        raise DatasetNotFoundError(f"there are no files in {', '.join(repr(str(path)) for path in pictures)}.")
    return files


def _describe(row: dict[Any, Any]) -> dict[str, Any]:
    """Put the probabilities of a picture into one object."""
    probabilities = {
        name.removeprefix("probability_"): row.pop(name) for name in list(row) if name.startswith("probability_")
    }
    return {**row, "rejected": row["rejected"] or None, "probabilities": probabilities}


def _print_table(table: Any) -> None:
    from ..utils._text import align, number

    header = ["picture", "emotion", "confidence", ""]
    rows = [
        [row["picture"], "-" if row["label"] is None else str(row["label"]), number(row["confidence"]), row["rejected"]]
        for row in table.to_dict(orient="records")
    ]
    for line in align([header, *rows]):
        typer.echo(line.rstrip())
