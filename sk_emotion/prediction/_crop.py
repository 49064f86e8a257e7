"""Cut faces out of an image at its own resolution."""

import os
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from ..exceptions import ImageReadError, ParameterError
from ..preprocessing._decode import decode_picture
from ..preprocessing._faces import as_rgb
from ..preprocessing._sources import as_source
from ..utils._arrays import as_numpy
from ..utils._text import quote_name

_BOX = ("x", "y", "width", "height")


def crop_faces(
    image: Any,
    table: pd.DataFrame | pd.Series,
    *,
    margin: float = 0.2,
    channel_order: Literal["rgb", "bgr"] = "rgb",
) -> list[Image.Image]:
    """Cut the faces out of an image, at its own resolution.

    Parameters
    ----------
    image : str, path-like, bytes, file object, PIL image, array or tensor
        As for :class:`~sk_emotion.FaceLoader`.
    table : DataFrame or Series
        Rows, or a row, of the result of :func:`predict_faces` or :func:`detect_faces` for this image.
    margin : float, default=0.2
        Margin added on each side of the square face box, as a fraction of its side.
    channel_order : {"rgb", "bgr"}, default="rgb"
        Order of the color channels of an array: ``"bgr"`` for frames of OpenCV.

    Returns
    -------
    list of PIL.Image.Image
        In RGB, the face of each row with a box of at least one pixel. A square of the area of the box and its margin,
        shifted into the image; narrower only if the image is.

    Raises
    ------
    ImageReadError
        If the image cannot be read.
    ParameterError
        If `table` is neither a DataFrame nor a row of one, lacks columns or has rows of several images; or if `margin`
        is negative.

    See Also
    --------
    annotate_faces : Draw the faces and predictions into an image.
    FaceLoader : Load the faces as an array, all of one size.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sk_emotion import crop_faces, load_pretrained, predict_faces
    >>> table = predict_faces(load_pretrained("human-emotions"), [astronaut()])
    >>> (face,) = crop_faces(astronaut(), table)
    >>> face.width == face.height
    True
    """
    if not isinstance(margin, Real) or not margin >= 0:
        raise ParameterError(f"crop_faces: margin={margin!r}, expected a number of at least 0.")
    boxes = list_boxes(as_table(table, "crop_faces"))
    picture = open_image(image, "crop_faces", channel_order)
    return [_cut(picture, box, margin) for box in boxes[clip_boxes(boxes, picture.size)[1]]]


def _cut(picture: Image.Image, box: NDArray[np.float64], margin: float) -> Image.Image:
    center = box[:2] + box[2:] / 2
    side = np.sqrt(box[2] * box[3]) * (1 + 2 * margin)
    size = np.minimum(np.ceil(side), picture.size)
    start = np.clip(np.round(center - size / 2), 0, np.subtract(picture.size, size))
    left, top, right, bottom = (int(value) for value in (*start, *(start + size)))
    return picture.crop((left, top, right, bottom))


def open_image(image: Any, owner: str, channel_order: str) -> Image.Image:
    """Decode an image to RGB; name the function that it was passed to in errors."""
    if channel_order not in ("rgb", "bgr"):
        raise ParameterError(f'{owner}: channel_order={channel_order!r}, expected "rgb" or "bgr".')
    source = as_source(as_numpy(image, owner, "image"))
    try:
        return decode_picture(as_rgb(source, channel_order) if isinstance(source, np.ndarray) else source).convert(
            "RGB"
        )
    except ImageReadError as error:
        name = quote_name(image) if isinstance(image, str | os.PathLike) else "image"
        raise ImageReadError(f"{owner}: {name} {error}. Pass one image that can be read.") from error


def as_table(table: Any, owner: str) -> pd.DataFrame:
    """Return a table of faces, or a row of one, as a DataFrame that has boxes."""
    if isinstance(table, pd.Series):
        table = table.to_frame().T
    if not isinstance(table, pd.DataFrame):
        raise ParameterError(
            f"{owner}: table is {type(table).__name__}, expected a DataFrame or a row of one. Pass rows of the result "
            "of predict_faces."
        )
    missing = [name for name in _BOX if name not in table]
    if missing:
        raise ParameterError(
            f"{owner}: table has no columns {', '.join(missing)}. Pass rows of the result of predict_faces."
        )
    n_pictures = table["picture"].nunique() if "picture" in table else 1
    if n_pictures > 1:
        raise ParameterError(
            f"{owner}: table has rows of {n_pictures} images, expected those of one. Pass the rows of this image: "
            "table[table['picture'] == path]."
        )
    return table


def list_boxes(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return the boxes of a table of faces, (x, y, width, height); NaN without one."""
    return table[list(_BOX)].to_numpy(dtype=float)


def clip_boxes(boxes: NDArray[np.float64], size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (left, top, right, bottom) of boxes within an image, and whether each is at least one pixel of it."""
    corners = np.hstack([np.clip(boxes[:, :2], 0, size), np.clip(boxes[:, :2] + boxes[:, 2:], 0, size)])
    is_pixel = (np.isfinite(boxes), boxes[:, 2:] >= 1, corners[:, 2:] > corners[:, :2])
    return corners, np.asarray(np.hstack(is_pixel).all(axis=1))
