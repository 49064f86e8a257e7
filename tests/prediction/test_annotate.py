"""Predictions are drawn below an image, and frames around its faces."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier

from sk_emotion import annotate_faces, load_pretrained, make_faces, make_hog_svm, predict_faces
from sk_emotion.exceptions import ImageReadError, ParameterError

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
    with pytest.raises(ImageReadError, match="does not exist"):
        annotate_faces(tmp_path / "none.png", table)
    with pytest.raises(ParameterError, match="no columns x, width"):
        annotate_faces(photo, table.drop(columns=["x", "width"]))
