"""Frames around the faces of an image, and tags with their predictions."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage.data import astronaut
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier

from sk_emotion import annotate_faces, load_pretrained, make_faces, make_hog_svm, predict_faces
from sk_emotion.exceptions import ImageArrayError, ImageReadError, ParameterError

BOX = ["x", "y", "width", "height"]


@pytest.fixture(scope="module")
def photo():
    return astronaut()


@pytest.fixture(scope="module")
def table(photo):
    return predict_faces(load_pretrained("human-emotions"), [photo])


def changed(annotated, photo):
    """Return the corners of the part of a photo that differs from its annotated copy."""
    rows, columns = np.nonzero((np.asarray(annotated) != photo).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def place(table, *boxes, **columns):
    """Return a table with a row for each box."""
    rows = pd.concat([table] * len(boxes), ignore_index=True)
    return rows.assign(**dict(zip(BOX, zip(*boxes, strict=True), strict=True)), **columns)


def reject(table, reason="no face seen"):
    """Return a table without boxes and labels."""
    without = table.assign(**dict.fromkeys(BOX, np.nan), rejected=reason)
    without["label"] = pd.Series([None], dtype=object)
    return without


def test_frame_is_at_the_box_and_the_tag_above_it(photo, table):
    x, y, width, height = table[BOX].iloc[0]
    annotated = annotate_faces(photo, table)
    assert annotated.mode == "RGB" and annotated.size == (512, 512)
    left, top, right, bottom = changed(annotated, photo)
    assert (left, bottom) == pytest.approx((x, y + height), abs=3)
    assert y - 30 < top < y - 8 and x + width - 3 < right < x + 2 * width
    inside = np.s_[int(y) + 4 : int(y + height) - 4, int(x) + 4 : int(x + width) - 4]
    np.testing.assert_array_equal(np.asarray(annotated)[inside], photo[inside])


def test_face_is_blurred_with_a_margin(photo, table):
    x, y, width, height = (int(value) for value in table[BOX].iloc[0])
    blurred, plain = annotate_faces(photo, table, blur=True), annotate_faces(photo, table)
    inside = np.s_[y + 8 : y + height - 8, x + 8 : x + width - 8]
    edges = [np.abs(np.diff(np.asarray(pixels)[inside].astype(float), axis=1)).mean() for pixels in (blurred, photo)]
    assert edges[0] < 0.3 * edges[1]
    # The chin and the ears reach beyond the box.
    corners = np.array(changed(blurred, plain))
    expected = [x - 0.15 * width, y - 0.15 * height, x + 1.15 * width, y + 1.15 * height]
    np.testing.assert_allclose(corners, expected, atol=3)


def test_colors_of_frames_of_opencv_are_exchanged(photo, table):
    annotated = annotate_faces(photo[..., ::-1], table, channel_order="bgr")
    np.testing.assert_array_equal(annotated, annotate_faces(photo, table))
    with pytest.raises(ParameterError, match='annotate_faces: channel_order=\'gbr\', expected "rgb" or "bgr"'):
        annotate_faces(photo, table, channel_order="gbr")


def test_reason_is_at_the_top_left_of_an_image_without_a_face(photo, table):
    for blur in (False, True):
        left, top, right, bottom = changed(annotate_faces(photo, reject(table), blur=blur), photo)
        assert (left, top) == (0, 0) and 50 < right < 200 and 8 < bottom < 40
    longer = changed(annotate_faces(photo, reject(table, "cannot be read: is damaged")), photo)
    assert longer[2] > right and longer[3] == bottom


def test_each_row_has_a_frame_and_a_tag(photo, table):
    many = place(table, *((40 + 120 * (number % 4), 40 + 120 * (number // 4), 60, 70) for number in range(16)))
    differs = (np.asarray(annotate_faces(photo, many)) != photo).any(axis=2)
    for x, y, width, height in many[BOX].to_numpy(dtype=int):
        assert differs[y - 5, x : x + width].all() and differs[y + height - 1, x : x + width].all()
        assert not differs[y + 5 : y + height - 5, x + 5 : x + width - 5].any()


def test_tags_of_faces_side_by_side_do_not_cover_each_other(table):
    photo = Image.new("RGB", (640, 480), "white")
    side_by_side = place(table, *((40 + 40 * number, 200, 30, 36) for number in range(6)), label="happiness")
    alone = [changed_pixels(photo, side_by_side.iloc[[row]]) for row in range(6)]
    assert changed_pixels(photo, side_by_side) > 0.6 * sum(alone)
    # A copy of a row is drawn at the same place, but for its tag.
    doubled = place(table, *[(300, 200, 30, 36)] * 2, label="happiness")
    assert changed_pixels(photo, doubled) > 1.5 * changed_pixels(photo, doubled.iloc[[0]])


def changed_pixels(photo, table):
    return int((np.asarray(annotate_faces(photo, table)) != np.asarray(photo)).any(axis=2).sum())


@pytest.mark.parametrize(
    "box", [(-20, -30, 100, 120), (450, -20, 90, 100), (-10, 430, 80, 120), (440, 400, 100, 140), (0, 0, 512, 512)]
)
def test_frame_and_tag_of_a_face_at_the_border_are_inside(photo, table, box):
    annotated = np.asarray(annotate_faces(photo, place(table, box)))
    framed = np.asarray(annotate_faces(photo, place(table, box).assign(label=np.nan, rejected="")))
    x, y, width, height = box
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + width, 512), min(y + height, 512)
    for edge in (np.s_[top, left:right], np.s_[bottom - 1, left:right], np.s_[top:bottom, left]):
        assert (framed[edge] != photo[edge]).any(axis=-1).all()
    tag = changed(annotated, framed)
    assert tag[2] - tag[0] > 60 and tag[3] - tag[1] > 8


def test_row_of_detected_faces_has_a_frame_without_a_tag(photo, table):
    x, y, width, height = table[BOX].iloc[0]
    annotated = annotate_faces(photo, table[BOX])
    assert changed(annotated, photo) == pytest.approx((x, y, x + width, y + height), abs=3)


def test_rejected_face_has_another_color(photo, table):
    rejected = table.assign(label=np.nan, rejected="not confident")
    x, y = (int(value) for value in table[["x", "y"]].iloc[0])
    corner = [np.asarray(annotate_faces(photo, rows))[y + 20, x].astype(int) for rows in (table, rejected)]
    assert np.ptp(corner[0]) > 100 > np.ptp(corner[1])


def test_threshold_is_noted_beside_the_probability(photo, table):
    X, y, _ = make_faces(40, emotions=["happiness", "pain"], random_state=0)
    svm = FrozenEstimator(make_hog_svm(random_state=0).fit(X, y))
    tuned = FixedThresholdClassifier(svm, threshold=0.3, pos_label="pain", response_method="predict_proba").fit(X, y)
    with_threshold = predict_faces(tuned, X[:1])
    assert with_threshold.attrs["thresholds"] == {"pain": 0.3}
    plain = with_threshold.copy()
    plain.attrs = {}
    widths = [changed(annotate_faces(photo, rows), photo)[2] for rows in (with_threshold, plain)]
    assert widths[0] > widths[1] + 50
    assert "thresholds" not in table.attrs


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (48, 48), (4000, 30)])
def test_image_keeps_its_size(table, size):
    image = Image.new("L", size, 90)
    for rows in (reject(table), place(table, (0, 0, *size))):
        assert annotate_faces(image, rows).size == size


def test_label_in_a_thumbnail_is_not_abridged(table):
    """The probability is left out, but all letters of the label are drawn."""
    face = Image.new("RGB", (48, 48), "white")
    tags = [
        np.asarray(annotate_faces(face, place(table, (0, 0, 48, 48)).assign(label=label)))[:10]
        for label in ("happiness", "happinesx", "happines")
    ]
    assert (tags[0] != tags[1]).any() and (tags[0] != tags[2]).any()


def test_unreadable_image_and_other_tables_are_errors(photo, table, tmp_path):
    with pytest.raises(ImageReadError, match=r"^annotate_faces: '.*none\.png' does not exist\. Pass one image"):
        annotate_faces(tmp_path / "none.png", table)
    with pytest.raises(ImageReadError, match=r"^annotate_faces: image is list, expected a path"):
        annotate_faces([photo], table)
    with pytest.raises(ImageReadError, match=r"^annotate_faces: image has shape \(1, 512, 512, 3\), expected \(H, W\)"):
        annotate_faces(photo[np.newaxis], table)
    with pytest.raises(ImageArrayError, match=r"^annotate_faces: image is a tensor on the meta device"):
        annotate_faces(torch.zeros(48, 48, device="meta"), table)
    with pytest.raises(ParameterError, match="no columns x, width"):
        annotate_faces(photo, table.drop(columns=["x", "width"]))


@pytest.mark.parametrize("wrong", [None, [], {"label": "pain"}], ids=repr)
def test_table_is_a_data_frame_or_a_row(photo, wrong):
    with pytest.raises(ParameterError, match=f"annotate_faces: table is {type(wrong).__name__}, expected a DataFrame"):
        annotate_faces(photo, wrong)


def test_rows_of_several_images_are_an_error(photo, table):
    two = pd.concat([table, table.assign(picture="other.jpg")])
    with pytest.raises(ParameterError, match=r"table has rows of 2 images, expected those of one\. Pass the rows"):
        annotate_faces(photo, two)


def same(one, other):
    return one.size == other.size and not np.any(np.asarray(one) != np.asarray(other))


def test_row_is_drawn_as_a_table_of_one_row(photo, table):
    table = table.copy()
    table.attrs["thresholds"] = {"pain": 0.3}
    for blur in (False, True):
        assert same(annotate_faces(photo, table.iloc[0], blur=blur), annotate_faces(photo, table, blur=blur))


@pytest.mark.parametrize("make", [torch.from_numpy, lambda X: (torch.from_numpy(X) / 255).requires_grad_()])
def test_tensor_is_an_image(photo, table, make):
    assert same(annotate_faces(make(photo), table), annotate_faces(photo, table))


@pytest.mark.parametrize("blur", [False, True])
@pytest.mark.parametrize("sides", [(0.9, 40), (40, 0), (-30, 40), (40, -1), (np.inf, 40)])
def test_box_that_holds_no_pixel_is_not_drawn(photo, table, sides, blur):
    annotated = annotate_faces(photo, table.assign(width=sides[0], height=sides[1]), blur=blur)
    assert same(annotated, annotate_faces(photo, table.assign(width=np.nan)))


def test_box_outside_the_image_is_not_drawn(photo, table):
    annotated = annotate_faces(photo, place(table, (600, 100, 50, 50)), blur=True)
    assert same(annotated, annotate_faces(photo, table.assign(width=np.nan)))


@pytest.mark.parametrize("blur", [False, True])
def test_box_of_a_pixel_of_a_large_image_is_drawn(table, blur):
    photo = Image.new("RGB", (4000, 3000))
    annotated = annotate_faces(photo, table.assign(x=2000.4, y=1000.4, width=1, height=1), blur=blur)
    assert np.asarray(annotated)[1000:1002, 2000:2002].any()


@pytest.mark.parametrize("rejected", ["", "not confident"])
def test_table_read_from_a_csv_file_is_drawn_as_before(photo, table, tmp_path, rejected):
    table = table.assign(rejected=rejected)
    if rejected:
        table["label"] = pd.Series([None], dtype=object)
    table.to_csv(tmp_path / "table.csv", index=False)
    read = pd.read_csv(tmp_path / "table.csv")
    assert read[["label", "rejected"]].isna().to_numpy().sum() == 1
    assert same(annotate_faces(photo, read), annotate_faces(photo, table))


def test_long_reason_is_abridged_to_the_width(photo, table):
    annotated = annotate_faces(photo, reject(table, "cannot be read: " + "x" * 500))
    _, _, right, bottom = changed(annotated, photo)
    assert 480 < right <= 512 and bottom < 30
    assert same(annotated, annotate_faces(photo, reject(table, "cannot be read: " + "x" * 900)))


@pytest.mark.parametrize("label", ["快乐", "счастье", "سعيد", "a\nb\x1b[31m", 3, "m" * 200])
def test_label_in_any_script_stays_inside(table, label):
    photo = Image.new("RGB", (300, 200), "white")
    tag = changed(annotate_faces(photo, place(table, (250, 120, 40, 50)).assign(label=label)), np.asarray(photo))
    assert tag[2] <= 300 and tag[3] < 190
