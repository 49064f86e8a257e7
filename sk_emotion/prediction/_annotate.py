"""Draw faces and predictions into an image."""

import math
import os
from bisect import bisect_right
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ..exceptions import ImageReadError, ParameterError
from ..preprocessing._decode import decode_picture
from ..preprocessing._sources import as_source
from ..utils._arrays import as_numpy
from ..utils._text import printable, quote_name

# Limits of the longer side of an annotated image, in pixels.
_SMALLEST, _LARGEST = 480, 1280
_FRAME = "#E69F00"
_BAR = "#0072B2"
_TEXT, _PAPER, _RAIL = "#1c1c1e", "white", "#e4e4e8"
_BOX = ("x", "y", "width", "height")
_PROBABILITY = "probability_"
_MORE = "\N{HORIZONTAL ELLIPSIS}"


def annotate_faces(image: Any, table: pd.DataFrame | pd.Series, *, blur: bool = False) -> Image.Image:
    """Draw frames around the faces of an image, and the predictions below it.

    Parameters
    ----------
    image : str, path-like, bytes, file object, PIL image, array or tensor
        As for :class:`~sk_emotion.FaceLoader`; colors of an array are RGB.
    table : DataFrame or Series
        Rows, or a row, of the result of :func:`predict_faces` for this image. Boxes under one pixel are not drawn.
    blur : bool, default=False
        Whether to blur the faces, so that the result shows nobody. Only faces that were detected are blurred.

    Returns
    -------
    PIL.Image.Image
        In RGB, with a longer side of 480 to 1280 pixels, and below it, for each row, the label or the reason why there
        is none, and a bar for each class.

    Raises
    ------
    ImageReadError
        If the image cannot be read.
    ParameterError
        If `table` is neither a DataFrame nor a row of one, or lacks columns of :func:`predict_faces`.

    See Also
    --------
    predict_faces : Predict the emotion in each image.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sk_emotion import annotate_faces, load_pretrained, predict_faces
    >>> table = predict_faces(load_pretrained("human-emotions"), [astronaut()])
    >>> annotated = annotate_faces(astronaut(), table)
    >>> annotated.width, annotated.height > 512
    (512, True)
    """
    if isinstance(table, pd.Series):
        table = table.to_frame().T
    if not isinstance(table, pd.DataFrame):
        raise ParameterError(
            f"annotate_faces: table is {type(table).__name__}, expected a DataFrame or a row of one. Pass rows of the "
            "result of predict_faces."
        )
    missing = [name for name in (*_BOX, "label", "rejected") if name not in table]
    if missing:
        raise ParameterError(
            f"annotate_faces: table has no columns {', '.join(missing)}. Pass rows of the result of predict_faces."
        )
    try:
        picture = decode_picture(as_source(as_numpy(image, "annotate_faces", "image"))).convert("RGB")
    except ImageReadError as error:
        name = quote_name(image) if isinstance(image, str | os.PathLike) else "image"
        raise ImageReadError(f"annotate_faces: {name} {error}. Pass one image that can be read.") from error
    scale = min(max(_SMALLEST / max(picture.size), 1), _LARGEST / max(picture.size))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    unit = max(picture.size) / 40
    boxes = table[list(_BOX)].to_numpy(dtype=float)
    drawn = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] >= 1).all(axis=1)
    for x, y, w, h in boxes[drawn] * scale:
        if blur:
            _blur(picture, (x, y, x + w, y + h))
        frame = ImageDraw.Draw(picture)
        # A dark frame around a bright one is visible on any background.
        frame.rectangle((x, y, x + w, y + h), outline=_TEXT, width=round(unit / 4))
        inset = min(unit / 16, w / 4, h / 4)
        frame.rectangle(
            (x + inset, y + inset, x + w - inset, y + h - inset), outline=_FRAME, width=max(1, round(unit / 8))
        )
    notes = [f"{label} from {_percent(threshold)}" for label, threshold in table.attrs.get("thresholds", {}).items()]
    panels = [_draw_panel(row, width, unit, ", ".join(notes)) for row in table.to_dict(orient="records")]
    whole = Image.new("RGB", (width, height + sum(panel.height for panel in panels)), _PAPER)
    whole.paste(picture)
    top = height
    for panel in panels:
        whole.paste(panel, (0, top))
        top += panel.height
    return whole


def _blur(picture: Image.Image, corners: tuple[float, float, float, float]) -> None:
    """Blur a part of an image in place, beyond recognition."""
    left, top, right, bottom = (*map(math.floor, corners[:2]), *map(math.ceil, corners[2:]))
    part = picture.crop((left, top, right, bottom))
    picture.paste(part.filter(ImageFilter.GaussianBlur(max(part.size) / 8)), (left, top))


def _draw_panel(row: dict[Any, Any], width: int, unit: float, note: str) -> Image.Image:
    """Draw the label and a bar for each class, most probable first."""
    named = {str(name): row[name] for name in row}
    shares = {printable(name[len(_PROBABILITY) :]): named[name] for name in named if name.startswith(_PROBABILITY)}
    ranked = sorted((item for item in shares.items() if pd.notna(item[1])), key=lambda item: -item[1])
    line = 1.5 * unit
    panel = Image.new("RGB", (width, round((len(ranked) + 1.9) * line)), _PAPER)
    draw = ImageDraw.Draw(panel)
    # A table read from a CSV file holds NaN in place of None and of empty text.
    label, rejected = ("" if pd.isna(row[name]) else printable(row[name]) for name in ("label", "rejected"))
    font, bold = _load_font(0.9 * unit), _load_font(1.2 * unit, bold=True)
    title = _fit(": ".join([label or "no label", *([rejected] if rejected else [])]), bold, width - 2 * unit)
    draw.text((unit, 0.9 * line), title, fill=_TEXT, font=bold, anchor="lm")
    note = _fit(printable(note), font, width - 3 * unit - bold.getlength(title))
    draw.text((width - unit, 0.9 * line), note, fill=_TEXT, font=font, anchor="rm")
    names = max((draw.textlength(name, font=font) for name, _ in ranked), default=0)
    left, right = 2 * unit + names, width - unit - draw.textlength("100 %", font=font) - unit / 2
    for place, (name, share) in enumerate(ranked):
        y = (place + 2.1) * line
        draw.text((unit, y), name, fill=_TEXT, font=font, anchor="lm")
        if right > left:
            draw.rectangle((left, y - unit / 3, right, y + unit / 3), fill=_RAIL)
            draw.rectangle((left, y - unit / 3, left + (right - left) * share, y + unit / 3), fill=_BAR)
        draw.text((width - unit, y), _percent(share), fill=_TEXT, font=font, anchor="rm")
    return panel


def _fit(text: str, font: Any, room: float) -> str:
    """Abridge a text to a width in pixels."""
    if font.getlength(text) <= room:
        return text
    lengths = range(1, len(text))
    most = bisect_right(lengths, room, key=lambda length: font.getlength(text[:length] + _MORE))
    return text[:most] + _MORE if most else ""


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _load_font(size: float, *, bold: bool = False) -> Any:
    """Load Matplotlib's font, which covers more scripts than Pillow's default."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, round(size))
