"""Predictions are drawn below an image, and frames around its faces."""

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
    differs = (np.asarray(annotated)[: len(photo)] != photo).any(axis=2)
    rows, columns = np.nonzero(differs)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_box_of_the_table_is_framed(photo, table):
    x, y, width, height = table[BOX].iloc[0]
    annotated = annotate_faces(photo, table)
    assert annotated.mode == "RGB" and annotated.width == 512 and annotated.height > 512
    assert changed(annotated, photo) == pytest.approx((x, y, x + width, y + height), abs=3)
    inside = np.s_[int(y) + 8 : int(y + height) - 8, int(x) + 8 : int(x + width) - 8]
    np.testing.assert_array_equal(np.asarray(annotated)[inside], photo[inside])


def test_blurred_face_differs_inside_the_frame_only(photo, table):
    x, y, width, height = (int(value) for value in table[BOX].iloc[0])
    blurred = np.asarray(annotate_faces(photo, table, blur=True)).astype(float)
    inside = np.s_[y + 8 : y + height - 8, x + 8 : x + width - 8]
    edges = [np.abs(np.diff(pixels[inside].astype(float), axis=1)).mean() for pixels in (blurred, photo)]
    assert edges[0] < 0.3 * edges[1]
    assert changed(blurred, photo) == pytest.approx((x, y, x + width, y + height), abs=3)


def test_image_without_a_face_has_no_frame(photo, table):
    without = table.assign(**dict.fromkeys(BOX, np.nan), label=None, rejected="no face seen")
    without["label"] = pd.Series([None], dtype=object)
    annotated = annotate_faces(photo, without, blur=True)
    np.testing.assert_array_equal(np.asarray(annotated)[:512], photo)
    assert np.asarray(annotated)[512:].min() < 100


def test_each_row_has_a_frame_and_a_panel(photo, table):
    two = pd.concat([table, table.assign(x=300, y=300, width=50, height=60)], ignore_index=True)
    annotated = annotate_faces(photo, two)
    one = annotate_faces(photo, table)
    assert annotated.height - 512 == 2 * (one.height - 512)
    assert changed(annotated, photo)[2:] == pytest.approx((350, 360), abs=3)


def test_threshold_is_noted_beside_the_label(table):
    X, y, _ = make_faces(40, emotions=["happiness", "pain"], random_state=0)
    svm = FrozenEstimator(make_hog_svm(random_state=0).fit(X, y))
    tuned = FixedThresholdClassifier(svm, threshold=0.3, pos_label="pain", response_method="predict_proba").fit(X, y)
    with_threshold = predict_faces(tuned, X[:1])
    assert with_threshold.attrs["thresholds"] == {"pain": 0.3}
    plain = with_threshold.copy()
    plain.attrs = {}
    assert np.any(np.asarray(annotate_faces(X[0], with_threshold)) != np.asarray(annotate_faces(X[0], plain)))
    assert "thresholds" not in table.attrs


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (4000, 30)])
def test_longer_side_has_480_to_1280_pixels(table, size):
    annotated = annotate_faces(Image.new("L", size, 90), table.assign(**dict.fromkeys(BOX, np.nan)))
    assert 480 <= annotated.width <= 1280 or annotated.height >= 480


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
    np.testing.assert_array_equal(np.asarray(annotated)[:512], photo)


@pytest.mark.parametrize("blur", [False, True])
def test_box_of_a_pixel_of_a_large_image_is_drawn(table, blur):
    photo = Image.new("RGB", (4000, 3000))
    annotated = annotate_faces(photo, table.assign(x=2000.4, y=1000.4, width=1, height=1), blur=blur)
    assert np.asarray(annotated)[:960].any()


@pytest.mark.parametrize("rejected", ["", "not confident"])
def test_table_read_from_a_csv_file_is_drawn_as_before(photo, table, tmp_path, rejected):
    table = table.assign(rejected=rejected)
    if rejected:
        table["label"] = pd.Series([None], dtype=object)
    table.to_csv(tmp_path / "table.csv", index=False)
    read = pd.read_csv(tmp_path / "table.csv")
    assert read[["label", "rejected"]].isna().to_numpy().sum() == 1
    assert same(annotate_faces(photo, read), annotate_faces(photo, table))


def test_long_title_is_abridged_to_the_width(photo, table):
    long = table.assign(rejected="cannot be read: " + "x" * 500)
    annotated = np.asarray(annotate_faces(photo, long))
    title = annotated[514:540]
    dark = np.flatnonzero((title < 128).all(axis=2).any(axis=0))
    assert 400 < dark.max() < 512 - 12
    longer = table.assign(rejected="cannot be read: " + "x" * 900)
    np.testing.assert_array_equal(annotated, np.asarray(annotate_faces(photo, longer)))
