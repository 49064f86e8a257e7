import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut

from sk_emotion import FaceLoader, detect_faces, make_faces
from sk_emotion.exceptions import DatasetWarning, ImageArrayError, ParameterError

LANDMARKS = [
    f"{name}_{axis}" for name in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right") for axis in "xy"
]
COLUMNS = ["picture", "face", "x", "y", "width", "height", "score", *LANDMARKS]


@pytest.fixture(scope="module")
def photo():
    """A photo of one person: the face is at about (220, 120), 90 pixels wide."""
    return astronaut()


@pytest.fixture(scope="module")
def pair(photo):
    """A photo of two people, the second larger."""
    return np.hstack([np.asarray(Image.fromarray(photo[:256, 100:356]).resize((180, 180))), photo[:180, 130:310]])


def test_row_per_face_with_box_score_and_landmarks(photo, pair, tmp_path):
    Image.fromarray(photo).save(tmp_path / "a.png")
    empty = np.zeros((200, 200, 3), np.uint8)
    table = detect_faces([pair, empty, tmp_path / "a.png", (tmp_path / "a.png").read_bytes()])
    assert table.columns.tolist() == COLUMNS
    assert table["picture"].tolist() == ["picture 0", "picture 0", str(tmp_path / "a.png"), "picture 3"]
    assert table["face"].tolist() == [0, 1, 0, 0]
    areas = table["width"] * table["height"]
    assert areas[0] > areas[1]
    assert table["score"].between(0.5, 1).all()
    assert table.attrs["unread"] == {}
    assert table.index.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(table.loc[2, "x":], table.loc[3, "x":])
    points = table.loc[2, LANDMARKS].to_numpy(dtype=float).reshape(5, 2)
    np.testing.assert_allclose(points, [(203, 108), (241, 105), (228, 135), (211, 153), (247, 149)], atol=12)
    loaded = FaceLoader().fit([photo]).load([photo])
    np.testing.assert_allclose(table.loc[2, ["x", "y", "width", "height"]].to_numpy(dtype=float), loaded.boxes[0])


def test_pictures_without_faces_give_an_empty_table_with_all_columns():
    table = detect_faces([np.zeros((200, 200, 3), np.uint8)])
    assert table.columns.tolist() == COLUMNS
    assert len(table) == 0


def test_unread_pictures_are_warned_of_and_listed(photo):
    with pytest.warns(
        DatasetWarning, match=r"detect_faces: 2 of 3 images cannot be read: 'gone\.jpg' does not exist"
    ) as record:
        table = detect_faces(["gone.jpg", photo, b"no image"])
    assert len(record) == 1
    assert record[0].filename == __file__
    assert list(table.attrs["unread"]) == [0, 2]
    assert table["picture"].tolist() == ["picture 1"]


def test_images_of_one_array_are_searched_too(photo):
    alone = detect_faces([photo])
    for batch in (np.stack([photo, photo]), np.stack([photo, photo]) / 255.0):
        table = detect_faces(batch)
        assert table["picture"].tolist() == ["picture 0", "picture 1"]
        np.testing.assert_allclose(table.loc[:0, "x":], alone.loc[:, "x":], atol=0.5)


def test_one_image_raises(photo):
    with pytest.raises(ImageArrayError, match=r"X has shape \(512, 512, 3\), expected .* Pass \[X\] if it is one"):
        detect_faces(photo)
    with pytest.raises(ImageArrayError, match="one image"):
        detect_faces(photo[..., 0])


def test_small_picture_is_a_face_as_a_whole():
    table = detect_faces(make_faces(3, random_state=0)[0])
    assert table[["x", "y", "width", "height"]].to_numpy().tolist() == [[0, 0, 48, 48]] * 3
    assert table[["score", *LANDMARKS]].isna().all(axis=None)


def test_options_are_those_of_the_loader(pair, photo):
    assert len(detect_faces([pair], min_face=95)) == 1
    assert len(detect_faces([pair], min_score=1.0)) == 0
    bgr = detect_faces([photo[..., ::-1]], channel_order="bgr")
    pd.testing.assert_frame_equal(bgr, detect_faces([photo]))
    boxes = detect_faces([pair], detector=lambda image: [(1, 2, 3, 4), (5, 6, 70, 8)])
    assert boxes[["x", "y", "width", "height"]].to_numpy().tolist() == [[5, 6, 70, 8], [1, 2, 3, 4]]
    with pytest.raises(ValueError, match="'detection_size' parameter"):
        detect_faces([pair], detection_size=10)


def test_detector_that_is_none_or_returns_no_boxes_raises(photo):
    with pytest.raises(ParameterError, match='detector=None, expected "centerface" or a callable'):
        detect_faces([photo], detector=None)
    for found in (3, {"box": 1}, ["a"], [(1, 2, 3, np.nan)]):
        with pytest.raises(ValueError, match=r"returned .*, expected finite boxes of shape \(n_faces, 4\)"):
            detect_faces([photo], detector=lambda _, found=found: found)


def test_face_that_fills_the_image_is_found_at_a_smaller_size(photo):
    close = np.asarray(Image.fromarray(photo[62:172, 182:268]).resize((1300, 1660)))
    table = detect_faces([close], detection_size=1280)
    assert len(table) == 1
    assert table["width"][0] > 900


def test_progress_and_iterators(photo):
    seen = []
    table = detect_faces((Image.fromarray(photo) for _ in range(3)), progress=seen.append, n_jobs=2)
    assert sum(seen) == 3
    assert len(table) == 3
