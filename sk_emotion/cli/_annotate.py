"""Copies of photos with the face framed and the predictions below."""

import io
import os
from pathlib import Path
from typing import Any

import typer

from ..utils._files import write_output
from ..utils._text import printable
from ._pictures import Picture

# Limits of the longer side of an annotated copy, in pixels.
_SMALLEST, _LARGEST = 480, 1280
_ENDING, _MOST_LETTERS = ".png", 200
_FRAME = "#E69F00"
_BAR = "#0072B2"
_TEXT, _PAPER, _RAIL = "#1c1c1e", "white", "#e4e4e8"


def annotate_pictures(folder: Path, pictures: list[Picture], table: Any, detector: Any, note: str = "") -> None:
    """Write an annotated copy of each photo that can be read.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    pictures : list of Picture
    table : DataFrame
        Result of :func:`predict_faces`, one row per photo.
    detector : str, callable or None
        As in :class:`FaceLoader`.
    note : str, default=""
        Text shown beside each label.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for picture, row in zip(pictures, table.to_dict(orient="records"), strict=True):
        if not row["rejected"].startswith("cannot be read"):
            name = _choose_name(picture.name, taken)
            file = io.BytesIO()
            _annotate(picture.source, row, detector, note).save(file, "PNG")
            write_output(folder / name, file.getbuffer())


def check_copies(folder: Path, pictures: list[Picture]) -> None:
    """Raise an error if an annotated copy in `folder` would overwrite its original."""
    inside = os.path.realpath(folder)
    for picture in pictures:
        where, name = os.path.split(os.path.realpath(picture.name))
        if where == inside and name.lower().endswith(_ENDING):
            raise typer.BadParameter(
                f"its copy would overwrite {picture.name!r}. Use another folder.", param_hint="--annotate"
            )


def _choose_name(name: str, taken: set[str]) -> str:
    """Return a file name for the copy of a photo; add a number if the name is taken."""
    stem = "picture" if name == "-" else Path(name).stem
    # Leave room for a number: file systems limit the length of names.
    stem = stem[:_MOST_LETTERS]
    chosen, number = f"{stem}{_ENDING}", 1
    while chosen.lower() in taken:
        number += 1
        chosen = f"{stem} ({number}){_ENDING}"
    taken.add(chosen.lower())
    return chosen


def _annotate(source: Any, row: dict[Any, Any], detector: Any, note: str) -> Any:
    from PIL import Image, ImageDraw

    from ..preprocessing._decode import decode_picture
    from ..preprocessing._detect import detect_faces

    picture = decode_picture(source).convert("RGB")
    boxes: Any = [] if detector is None else detect_faces(picture, detector)
    scale = min(max(_SMALLEST / max(picture.size), 1), _LARGEST / max(picture.size))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    unit = max(picture.size) / 40
    if len(boxes):
        x, y, w, h = (float(value) * scale for value in boxes[0])
        frame = ImageDraw.Draw(picture)
        # A dark frame around a bright one is visible on any background.
        frame.rectangle((x, y, x + w, y + h), outline=_TEXT, width=round(unit / 4))
        inset = unit / 16
        frame.rectangle(
            (x + inset, y + inset, x + w - inset, y + h - inset), outline=_FRAME, width=max(1, round(unit / 8))
        )
    panel = _draw_panel(row, picture.width, unit, note)
    whole = Image.new("RGB", (picture.width, picture.height + panel.height), _PAPER)
    whole.paste(picture)
    whole.paste(panel, (0, picture.height))
    return whole


def _draw_panel(row: dict[Any, Any], width: int, unit: float, note: str) -> Any:
    """Draw the label and a bar for each class, most probable first."""
    from PIL import Image, ImageDraw

    prefix = "probability_"
    shares = {printable(name.removeprefix(prefix)): row[name] for name in row if name.startswith(prefix)}
    ranked = sorted((item for item in shares.items() if item[1] == item[1]), key=lambda item: -item[1])
    line = 1.5 * unit
    panel = Image.new("RGB", (width, round((len(ranked) + 1.9) * line)), _PAPER)
    draw = ImageDraw.Draw(panel)
    label = "no label" if row["label"] is None else printable(row["label"])
    title = printable(f"{label}: {row['rejected']}" if row["rejected"] else label)
    draw.text((unit, 0.9 * line), title, fill=_TEXT, font=_load_font(1.2 * unit, bold=True), anchor="lm")
    font = _load_font(0.9 * unit)
    draw.text((width - unit, 0.9 * line), printable(note), fill=_TEXT, font=font, anchor="rm")
    names = max((draw.textlength(name, font=font) for name, _ in ranked), default=0)
    left, right = 2 * unit + names, width - unit - draw.textlength("100 %", font=font) - unit / 2
    for place, (name, share) in enumerate(ranked):
        y = (place + 2.1) * line
        draw.text((unit, y), name, fill=_TEXT, font=font, anchor="lm")
        if right > left:
            draw.rectangle((left, y - unit / 3, right, y + unit / 3), fill=_RAIL)
            draw.rectangle((left, y - unit / 3, left + (right - left) * share, y + unit / 3), fill=_BAR)
        draw.text((width - unit, y), f"{share:.0%}".replace("%", " %"), fill=_TEXT, font=font, anchor="rm")
    return panel


def _load_font(size: float, *, bold: bool = False) -> Any:
    """Load Matplotlib's font, which covers more scripts than Pillow's default."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, round(size))
