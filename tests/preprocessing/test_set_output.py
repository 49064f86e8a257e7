"""Photos next to numeric columns: feature names and table output."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from PIL import Image
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline, make_union

from sk_emotion import FaceLoader, HOGTransformer, load_model, make_faces, make_hog_svm, save_model

N_HOG = 324


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Twelve photos, with an age and a label each."""
    folder = tmp_path_factory.mktemp("photos")
    X, y, _ = make_faces(12, emotions=["happiness", "pain"], image_size=32, random_state=0)
    for number, face in enumerate(X):
        Image.fromarray(face).save(folder / f"{number:02}.png")
    paths = [str(path) for path in sorted(folder.iterdir())]
    return pd.DataFrame({"photo": paths, "age": np.arange(12.0), "label": y})


def describe_photos(image_size=32):
    return make_pipeline(FaceLoader(image_size), HOGTransformer())


def join_columns(photo="photo", **parameters):
    return make_column_transformer((describe_photos(), photo), ("passthrough", ["age"]), **parameters)


@pytest.mark.parametrize("photo", ["photo", ["photo"]])
@pytest.mark.parametrize(
    ("verbose", "names"), [(True, ["pipeline__hog0", "passthrough__age"]), (False, ["hog0", "age"])]
)
def test_photos_and_numbers_make_one_named_table(table, photo, verbose, names):
    columns = join_columns(photo, verbose_feature_names_out=verbose).set_output(transform="pandas")
    found = columns.fit_transform(table)
    assert found.shape == (12, N_HOG + 1)
    assert found.columns[[0, -1]].tolist() == names
    assert columns.get_feature_names_out().tolist() == found.columns.tolist()
    assert clone(columns).fit_transform(table).equals(found)


@pytest.mark.parametrize("photo", ["photo", ["photo"]])
@pytest.mark.parametrize(
    "index", [range(11, -1, -1), list("bcadefghijkl"), range(100, 112), [0] * 12, pd.date_range("2024", periods=12)]
)
def test_rows_stay_together_whatever_the_index(table, photo, index):
    expected = join_columns(photo).fit_transform(table)
    found = join_columns(photo).set_output(transform="pandas").fit_transform(table.set_axis(index, axis="index"))
    np.testing.assert_array_equal(found, expected)
    assert found.index.equals(pd.Index(index))


def test_parts_of_a_split_table_are_accepted(table):
    train, test = train_test_split(table, random_state=0)
    columns = join_columns().set_output(transform="pandas").fit(train)
    assert columns.transform(test).index.equals(test.index)
    with sklearn.config_context(transform_output="pandas"):
        model = make_pipeline(join_columns(), LogisticRegression())
        assert np.isfinite(cross_val_score(model, table, table["label"], cv=2, error_score="raise")).all()


@pytest.mark.parametrize("X", ["photos", "images", "rows", "table of rows", "column"])
def test_images_stay_arrays_and_features_become_a_table(table, X):
    images = FaceLoader(32).fit_transform(table["photo"])
    rows = images.reshape(12, -1)
    X = {
        "photos": table["photo"].tolist(),
        "images": images,
        "rows": rows,
        "table of rows": pd.DataFrame(rows, columns=[f"pixel{i}" for i in range(1024)]),
        "column": table[["photo"]],
    }[X]
    steps = describe_photos().set_output(transform="pandas")
    found = steps.fit_transform(X)
    assert isinstance(found, pd.DataFrame) and found.columns.tolist() == [f"hog{i}" for i in range(N_HOG)]
    faces = steps[0].transform(X)
    assert isinstance(faces, np.ndarray) and faces.shape == (12, 32, 32)
    with sklearn.config_context(transform_output="pandas"):
        assert describe_photos().fit_transform(X).equals(found)
        assert isinstance(FaceLoader(32).fit_transform(X), np.ndarray)


def test_two_views_of_a_photo_are_joined(table):
    union = make_union(describe_photos(), describe_photos(40)).set_output(transform="pandas")
    found = union.fit_transform(table["photo"][::-1])
    assert found.columns[[0, -1]].tolist() == ["pipeline-1__hog0", "pipeline-2__hog728"]
    assert found.index.tolist() == list(range(11, -1, -1))


def test_output_is_reset_by_default(table):
    steps = describe_photos().set_output(transform="pandas").set_output(transform=None)
    assert isinstance(steps.fit_transform(table["photo"]), pd.DataFrame)
    found = steps.set_output(transform="default").fit_transform(table["photo"])
    assert type(found) is np.ndarray and type(steps[0].transform(table["photo"])) is np.ndarray


def test_index_survives_a_pickle_and_not_a_part(table):
    photos = table["photo"].set_axis(range(20, 32))
    faces = FaceLoader(32).set_output(transform="pandas").fit_transform(photos)
    kept = pickle.loads(pickle.dumps(faces))
    np.testing.assert_array_equal(kept, faces)
    hog = HOGTransformer().set_output(transform="pandas").fit(faces)
    assert hog.transform(kept).index.tolist() == list(range(20, 32))
    assert hog.transform(faces[3:5]).index.tolist() == [0, 1]


def test_names_are_those_of_a_flattened_face(table):
    loader = FaceLoader((4, 5), color=True)
    with pytest.raises(NotFittedError):
        loader.get_feature_names_out()
    names = loader.fit(table["photo"]).get_feature_names_out()
    assert names.dtype == object and names[[0, -1]].tolist() == ["faceloader0", "faceloader59"]
    assert describe_photos().fit(table[["photo"]]).get_feature_names_out(["photo"])[0] == "hog0"


@pytest.mark.parametrize("transformer", [FaceLoader(8), HOGTransformer()])
@pytest.mark.parametrize("names", [["a"], [f"other{i}" for i in range(64)]])
def test_names_of_other_columns_raise(transformer, names):
    rows = pd.DataFrame(np.zeros((3, 64), dtype=np.uint8), columns=[f"pixel{i}" for i in range(64)])
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        clone(transformer).fit(rows).get_feature_names_out(names)


def test_baseline_trains_on_tables_and_is_saved(table, tmp_path):
    model = make_hog_svm().set_output(transform="pandas").fit(table["photo"], table["label"])
    assert model[:-1].get_feature_names_out()[0] == "hog0"
    assert model[-1].feature_names_in_[0] == "hog0"
    save_model(model, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(table["photo"]), model.predict(table["photo"]))
