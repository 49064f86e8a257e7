"""Faces are cut out of an image at its own resolution."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut

from sk_emotion import crop_faces
from sk_emotion.exceptions import ImageReadError, ParameterError


def boxes(*rows):
    return pd.DataFrame(rows, columns=["x", "y", "width", "height"], dtype=float)


def test_crop_is_the_square_around_the_box_in_pixels_of_the_image():
    (face,) = crop_faces(astronaut(), boxes((180, 60, 80, 125)), margin=0)
    # The square root of the area is 100.
    np.testing.assert_array_equal(face, astronaut()[72:172, 170:270])
    (wider,) = crop_faces(astronaut(), boxes((180, 60, 80, 125)))
    np.testing.assert_array_equal(wider, astronaut()[52:192, 150:290])


@pytest.mark.parametrize("box", [(-20, -30, 100, 120), (450, -20, 90, 100), (440, 400, 100, 140)])
def test_crop_of_a_face_at_the_border_is_shifted_into_the_image(box):
    (face,) = crop_faces(astronaut(), boxes(box))
    side = np.ceil(1.4 * np.sqrt(box[2] * box[3]))
    assert face.size == (side, side) and face.mode == "RGB"
    assert not (np.asarray(face) == 0).all(axis=2).all(axis=0).any()


def test_crop_is_no_larger_than_the_image():
    (face,) = crop_faces(Image.new("L", (30, 90), 80), boxes((0, 20, 30, 40)), margin=1)
    assert face.size == (30, 90)


def test_colors_of_frames_of_opencv_are_exchanged():
    table = boxes((180, 60, 80, 125))
    (face,) = crop_faces(astronaut()[..., ::-1], table, channel_order="bgr")
    np.testing.assert_array_equal(face, crop_faces(astronaut(), table)[0])


def test_rows_without_a_box_are_left_out():
    table = boxes((180, 60, 80, 125), (np.nan,) * 4, (600, 100, 50, 50), (10, 10, 20, 20))
    assert [face.width for face in crop_faces(astronaut(), table, margin=0)] == [100, 20]
    (row,) = crop_faces(astronaut(), table.iloc[3])
    assert row.width == 28


def test_invalid_arguments_are_errors(tmp_path):
    with pytest.raises(ImageReadError, match=r"^crop_faces: '.*none\.png' does not exist\. Pass one image"):
        crop_faces(tmp_path / "none.png", boxes((1, 1, 9, 9)))
    with pytest.raises(ParameterError, match="crop_faces: table has no columns x, width"):
        crop_faces(astronaut(), boxes().drop(columns=["x", "width"]))
    with pytest.raises(ParameterError, match="crop_faces: table is list"):
        crop_faces(astronaut(), [])
    for margin in (-0.1, float("nan"), None, "0.2"):
        with pytest.raises(ParameterError, match="crop_faces: margin="):
            crop_faces(astronaut(), boxes(), margin=margin)
