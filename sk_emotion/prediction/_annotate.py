"""Draw faces and predictions into an image."""

import math
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ..utils._text import printable
from ._crop import as_table, clip_boxes, list_boxes, open_image

_DARK, _LABELED, _REJECTED = "#1c1c1e", "#E69F00", "#e4e4e8"
_MORE = "\N{HORIZONTAL ELLIPSIS}"

# Sizes of the font as parts of the longer side of the image, and of the width of the face, and in pixels.
_SMALL, _MEDIUM, _LARGE, _OF_FACE = 1 / 80, 1 / 40, 1 / 24, 1 / 8
_SMALLEST, _SMALLEST_IN_THUMBNAIL, _SMALLEST_BOLD = 10, 7, 10
# Smaller sizes, which are tried in turn if tags would overlap.
_SHRINK = (1.0, 0.8, 0.65, 0.5)
# Height of a tag and its margin at the left and right, in units of the font's size.
_HEIGHT, _INDENT = 1.35, 0.35
# Margin of what is blurred, as a part of the sides of the box.
_BLURRED_MARGIN = 0.15


class _Tag(NamedTuple):
    """A label or reason, the probability of a label, the color, and the corners of the face or None."""

    text: str
    detail: str
    color: str
    corners: NDArray[np.float64] | None


def annotate_faces(
    image: Any,
    table: pd.DataFrame | pd.Series,
    *,
    blur: bool = False,
    channel_order: Literal["rgb", "bgr"] = "rgb",
) -> Image.Image:
    """Draw frames around the faces of an image, with tags of their predictions.

    Parameters
    ----------
    image : str, path-like, bytes, file object, PIL image, array or tensor
        As for :class:`~sk_emotion.FaceLoader`.
    table : DataFrame or Series
        Rows, or a row, of the result of :func:`predict_faces` or :func:`detect_faces` for this image. Boxes under one
        pixel are not drawn.
    blur : bool, default=False
        Whether to blur the faces beyond recognition. Only the faces in `table` are blurred: pass
        ``faces="all"`` to :func:`predict_faces` for a photo of several people, and check that none was overlooked.
    channel_order : {"rgb", "bgr"}, default="rgb"
        Order of the color channels of an array: ``"bgr"`` for frames of OpenCV.

    Returns
    -------
    PIL.Image.Image
        In RGB, of the size of the upright image. The tag of a face holds its label and the probability, or the reason
        why it has no label. Tags of rows without a box are at the top left.

    Raises
    ------
    ImageReadError
        If the image cannot be read.
    ParameterError
        If `table` is neither a DataFrame nor a row of one, lacks columns, or has rows of several images.

    See Also
    --------
    predict_faces : Predict the emotion of each face.
    crop_faces : Cut out the faces.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sk_emotion import annotate_faces, load_pretrained, predict_faces
    >>> table = predict_faces(load_pretrained("human-emotions"), [astronaut()])
    >>> annotate_faces(astronaut(), table).size
    (512, 512)
    """
    table = as_table(table, "annotate_faces")
    picture = open_image(image, "annotate_faces", channel_order)
    boxes, drawn = clip_boxes(list_boxes(table), picture.size)
    # Blur before drawing, so that no frame nor tag is blurred.
    for corners in boxes[drawn] if blur else ():
        _blur(picture, corners)
    thresholds = table.attrs.get("thresholds", {})
    tags = []
    for row, corners, is_drawn in zip(table.to_dict(orient="records"), boxes, drawn, strict=True):
        tag = _make_tag(row, corners if is_drawn else None, thresholds)
        if is_drawn:
            _draw_frame(picture, corners, tag.color)
        tags.append(tag)
    _draw_tags(picture, [tag for tag in tags if tag.text], boxes[drawn])
    return picture


def _blur(picture: Image.Image, corners: NDArray[np.float64]) -> None:
    """Blur a part of an image in place, beyond recognition."""
    # Chin, ears and forehead reach beyond the box.
    margin = _BLURRED_MARGIN * (corners[2:] - corners[:2])
    start, end = corners[:2] - margin, np.minimum(corners[2:] + margin, picture.size)
    left, top, right, bottom = (*(max(0, math.floor(value)) for value in start), *map(math.ceil, end))
    part = picture.crop((left, top, right, bottom))
    picture.paste(part.filter(ImageFilter.GaussianBlur(max(part.size) / 8)), (left, top))


def _make_tag(row: dict[Any, Any], corners: NDArray[np.float64] | None, thresholds: dict[Any, float]) -> _Tag:
    # A table read from a CSV file holds NaN in place of None and of empty text; one of detect_faces has no labels.
    label, rejected = ("" if pd.isna(row.get(name)) else printable(row[name]) for name in ("label", "rejected"))
    if not label:
        return _Tag(rejected, "", _REJECTED if rejected else _LABELED, corners)
    share = row.get(f"probability_{row['label']}", row.get("confidence"))
    detail = "" if pd.isna(share) else f" {_percent(share)}"
    for positive, threshold in thresholds.items():
        detail += f" (from {_percent(threshold if row['label'] == positive else 1 - threshold)})"
    return _Tag(label, detail, _LABELED, corners)


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _draw_frame(picture: Image.Image, corners: NDArray[np.float64], color: str) -> None:
    """Draw a bright frame with dark edges, which is visible on any background."""
    left, top = map(math.floor, corners[:2])
    right, bottom = (math.ceil(value) - 1 for value in corners[2:])
    line = max(1, round(min(max(picture.size) / 320, (right - left) / 20, (bottom - top) / 20)))
    edge = max(1, round(line / 3))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left - edge, top - edge, right + edge, bottom + edge), outline=_DARK, width=line + 2 * edge)
    draw.rectangle((left, top, right, bottom), outline=color, width=line)


def _draw_tags(picture: Image.Image, tags: list[_Tag], boxes: NDArray[np.float64]) -> None:
    """Draw tags beside their faces, where they cover neither each other nor a face if possible."""
    # Those of large faces are placed first.
    tags = sorted(tags, key=lambda tag: 0 if tag.corners is None else -np.ptp(tag.corners[[0, 2]]))
    best: list[tuple[str, Any, tuple[float, ...]]] = []
    least = math.inf
    for shrink in _SHRINK:
        placed, covered = _place_tags(picture.size, tags, boxes, shrink)
        if covered < least:
            best, least = placed, covered
        if not covered:
            break
    draw = ImageDraw.Draw(picture)
    for tag, (text, font, (left, top, right, bottom)) in zip(tags, best, strict=True):
        if not text:
            continue
        draw.rectangle((left, top, right - 1, bottom - 1), fill=tag.color, outline=_DARK, width=round(font.size / 16))
        draw.text(((left + right) / 2, (top + bottom) / 2), text, fill=_DARK, font=font, anchor="mm")


def _place_tags(
    size: tuple[int, int], tags: list[_Tag], boxes: NDArray[np.float64], shrink: float
) -> tuple[list[tuple[str, Any, tuple[float, ...]]], float]:
    """Return text, font and corners of each tag, and how much they cover of each other and of other faces."""
    placed: list[tuple[str, Any, tuple[float, ...]]] = []
    taken = np.zeros((len(tags), 4))
    total = 0.0
    for number, tag in enumerate(tags):
        text, font = _choose_font(tag, size, shrink)
        width, height = math.ceil(font.getlength(text) + 2 * _INDENT * font.size), round(_HEIGHT * font.size)
        places = _list_places(tag.corners, width, height, size)
        on_tags, on_faces = (_measure_overlap(places, others) for others in (taken[:number], boxes))
        # A tag that covers another is worse than one that covers a part of a face.
        choice = int(np.argmin(4 * on_tags + on_faces))
        taken[number] = places[choice]
        placed.append((text, font, tuple(map(int, places[choice]))))
        # A face that fills the image cannot but be covered.
        own = 0.0 if tag.corners is None else _measure_overlap(places, tag.corners[np.newaxis])[choice]
        total += 4 * on_tags[choice] + on_faces[choice] - own
    return placed, total


def _choose_font(tag: _Tag, size: tuple[int, int], shrink: float) -> tuple[str, Any]:
    """Return the text of a tag, abridged if it is wider than the image, and its font."""
    longer = max(size)
    wanted = longer * _MEDIUM if tag.corners is None else np.ptp(tag.corners[[0, 2]]) * _OF_FACE
    wanted = max(min(max(wanted, longer * _SMALL), longer * _LARGE) * shrink, _SMALLEST)
    text = tag.text + tag.detail
    # The width is nearly proportional to the size.
    share = size[0] / (_load_font(round(wanted)).getlength(text) + 2 * _INDENT * wanted)
    largest = max(math.ceil(wanted * min(share, 1)), _SMALLEST_IN_THUMBNAIL)
    for pixels in range(largest, _SMALLEST_IN_THUMBNAIL - 1, -1):
        font = _load_font(pixels)
        room = size[0] - 2 * _INDENT * pixels
        if font.getlength(text) <= room:
            return text, font
        if pixels <= _SMALLEST and font.getlength(tag.text) <= room:
            return tag.text, font
    return _fit(text, font, room), font


def _list_places(
    corners: NDArray[np.float64] | None, width: int, height: int, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the corners that a tag may have, the best first."""
    if corners is None:
        starts = [(0, top) for top in range(0, max(size[1] - height, 1), height)]
    else:
        left, top = map(math.floor, corners[:2])
        right, bottom = map(math.ceil, corners[2:])
        starts = [
            *((start, top - height) for start in (left, right - width)),
            *((start, bottom) for start in (left, right - width)),
            *((start, top) for start in (right, left - width, left)),
            (left, bottom - height),
        ]
    shifted = np.clip(starts, 0, np.maximum(np.subtract(size, (width, height)), 0))
    return np.hstack([shifted, shifted + np.array([width, height])])


def _measure_overlap(places: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many pixels of other rectangles each place covers."""
    start = np.maximum(places[:, None, :2], others[None, :, :2])
    end = np.minimum(places[:, None, 2:], others[None, :, 2:])
    overlap: NDArray[np.float64] = np.clip(end - start, 0, None).prod(axis=2).sum(axis=1)
    return overlap


def _fit(text: str, font: Any, room: float) -> str:
    """Abridge a text to a width in pixels."""
    lengths = range(1, len(text))
    most = bisect_right(lengths, room, key=lambda length: font.getlength(text[:length] + _MORE))
    return text[:most] + _MORE if most else ""


@lru_cache(maxsize=64)
def _load_font(size: int) -> Any:
    """Load Matplotlib's font, which covers more scripts than Pillow's default."""
    name = "DejaVuSans.ttf" if size < _SMALLEST_BOLD else "DejaVuSans-Bold.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)
