"""Draw faces and predictions into an image."""

from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ..exceptions import ParameterError
from ..preprocessing._decode import decode_picture
from ..utils._text import printable

# Limits of the longer side of an annotated image, in pixels.
_SMALLEST, _LARGEST = 480, 1280
_FRAME = "#E69F00"
_BAR = "#0072B2"
_TEXT, _PAPER, _RAIL = "#1c1c1e", "white", "#e4e4e8"
_BOX = ("x", "y", "width", "height")
_PROBABILITY = "probability_"


def annotate_faces(image: Any, table: pd.DataFrame, *, blur: bool = False) -> Image.Image:
    """Draw frames around the faces of an image, and the predictions below it.

    Parameters
    ----------
    image : str, path-like, bytes, file object, PIL image or array
        As for :class:`~sk_emotion.FaceLoader`; colors of an array are RGB.
    table : DataFrame
        Rows of the result of :func:`predict_faces` for this image.
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
        If `table` lacks columns of :func:`predict_faces`.

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
    missing = [name for name in (*_BOX, "label", "rejected") if name not in table]
    if missing:
        raise ParameterError(
            f"annotate_faces: table has no columns {', '.join(missing)}. Pass rows of the result of predict_faces."
        )
    picture = decode_picture(image).convert("RGB")
    scale = min(max(_SMALLEST / max(picture.size), 1), _LARGEST / max(picture.size))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    unit = max(picture.size) / 40
    for x, y, w, h in table[list(_BOX)].dropna().to_numpy(dtype=float) * scale:
        if blur:
            _blur(picture, (x, y, x + w, y + h))
        frame = ImageDraw.Draw(picture)
        # A dark frame around a bright one is visible on any background.
        frame.rectangle((x, y, x + w, y + h), outline=_TEXT, width=round(unit / 4))
        inset = unit / 16
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
    left, top, right, bottom = (round(value) for value in corners)
    part = picture.crop((left, top, right, bottom))
    picture.paste(part.filter(ImageFilter.GaussianBlur(max(part.size) / 8)), (left, top))


def _draw_panel(row: dict[Any, Any], width: int, unit: float, note: str) -> Image.Image:
    """Draw the label and a bar for each class, most probable first."""
    shares = {printable(name.removeprefix(_PROBABILITY)): row[name] for name in row if name.startswith(_PROBABILITY)}
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
        draw.text((width - unit, y), _percent(share), fill=_TEXT, font=font, anchor="rm")
    return panel


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _load_font(size: float, *, bold: bool = False) -> Any:
    """Load Matplotlib's font, which covers more scripts than Pillow's default."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, round(size))
