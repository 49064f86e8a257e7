"""Zarr arrays of faces are split and scored like memory-maps."""

import pickle
import tracemalloc

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import _safe_indexing, shuffle

from sk_emotion import (
    EmotionReport,
    FaceLoader,
    compare_classifiers,
    draw_folds,
    find_duplicates,
    iter_face_blocks,
    make_faces,
    open_faces,
    train_val_test_split,
)
from sk_emotion.exceptions import DatasetError, DatasetNotFoundError, MissingDependencyError

zarr = pytest.importorskip("zarr")


@pytest.fixture(scope="module")
def images():
    X, y, _ = make_faces(60, emotions=["happiness", "pain", "anger"], image_size=32, random_state=0)
    return np.asarray(X), y


@pytest.fixture(scope="module")
def folder(tmp_path_factory, images):
    """Faces written by to_zarr, in chunks of eight."""
    folder = tmp_path_factory.mktemp("zarr")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sk_emotion.preprocessing._zarr._CHUNK_BYTES", 8 * 32 * 32)
        FaceLoader(32).to_zarr(list(images[0]), folder / "faces.zarr")
    return folder


@pytest.fixture(name="X")
def open_stored(folder):
    return open_faces(folder / "faces.zarr")


def flatten(faces):
    return np.asarray(faces).reshape(len(faces), -1)


def nearest():
    return make_pipeline(FunctionTransformer(flatten), KNeighborsClassifier(3))


@pytest.mark.parametrize(
    "rows",
    [
        [3, 1, 2],
        np.array([7, 7, 0, 59, 7]),
        np.array([-1, -60, 5]),
        np.arange(60) % 7 == 0,
        [True] * 60,
        np.zeros(60, dtype=bool),
        [],
        np.array([], dtype=np.int64),
        range(50, 10, -9),
        slice(5, 45, 3),
        slice(None, None, -1),
        slice(20, 20),
        np.arange(59, -1, -1, dtype=np.uint8),
        -3,
        np.int64(4),
    ],
)
def test_rows_are_accepted_as_of_an_array_in_memory(X, images, rows):
    for selection in (rows, (rows, ...)):
        found = X[selection]
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, images[0][selection])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(X))[rows], images[0][rows])


@pytest.mark.parametrize("rows", [[60], [-61], np.ones(59, dtype=bool), [0.5]])
def test_missing_rows_raise_an_index_error(X, rows):
    with pytest.raises(IndexError):
        X[rows, ...]


@pytest.mark.parametrize("selection", [(0, slice(2, 5)), (slice(2, 6), 3), ..., ([1, 3], slice(None), 0), (2, 3, 4)])
def test_other_selections_are_those_of_zarr(X, images, selection):
    np.testing.assert_array_equal(X[selection], images[0][selection])


@pytest.mark.parametrize("given", ["store", "text", "array", "zarr.Array", "group", "own"])
def test_faces_are_opened_again(folder, images, given, tmp_path):
    store = folder / "faces.zarr"
    if given == "own":
        store = tmp_path / "own.zarr"
        zarr.create_array(store, data=images[0].astype(np.float32) / 255)
    opened = open_faces(
        {
            "text": str(store),
            "array": store / "images",
            "zarr.Array": zarr.open_array(store / "images", mode="r") if given == "zarr.Array" else None,
            "group": zarr.open_group(store, mode="r") if given == "group" else None,
        }.get(given, store)
    )
    assert isinstance(opened, zarr.Array) and len(opened) == 60
    expected = images[0] / np.float32(255) if given == "own" else images[0]
    np.testing.assert_array_equal(_safe_indexing(opened, [9, 2]), expected[[9, 2]])


def test_other_stores_raise(folder, tmp_path, images):
    with pytest.raises(DatasetNotFoundError, match=r"the Zarr store .* does not exist"):
        open_faces(tmp_path / "none.zarr")
    with pytest.raises(DatasetError, match=r"shape \(60,\)"):
        open_faces(folder / "faces.zarr" / "status")
    zarr.open_group(tmp_path / "empty.zarr", mode="w")
    with pytest.raises(DatasetError, match="no array named images"):
        open_faces(tmp_path / "empty.zarr")
    (tmp_path / "file.zarr").write_bytes(b"none")
    with pytest.raises(DatasetError):
        open_faces(tmp_path / "file.zarr")


def test_faces_that_are_not_written_yet_raise(tmp_path, images):
    store = tmp_path / "faces.zarr"
    FaceLoader(32).to_zarr(list(images[0]), store)
    zarr.open_array(store / "status")[50:] = 0
    with pytest.raises(DatasetError, match="10 of 60 faces"):
        open_faces(store)


@pytest.mark.parametrize("split", ["train_test_split", "shuffle", "StratifiedKFold", "cross_val_score", "GridSearchCV"])
def test_scikit_learn_splits_it_as_an_array_in_memory(X, images, split):
    y = images[1]

    def run(faces):
        if split == "train_test_split":
            return train_test_split(faces, y, random_state=0)[1]
        if split == "shuffle":
            return shuffle(faces, y, random_state=0)[0]
        if split == "StratifiedKFold":
            return [faces[test] for _, test in StratifiedKFold(3).split(faces, y)]
        if split == "cross_val_score":
            return cross_val_score(nearest(), faces, y, cv=2, error_score="raise")
        search = GridSearchCV(nearest(), {"kneighborsclassifier__n_neighbors": [1, 3]}, cv=2, error_score="raise")
        return search.fit(faces, y).cv_results_["mean_test_score"]

    np.testing.assert_array_equal(run(X), run(images[0]))


@pytest.mark.parametrize("kind", ["open_faces", "zarr.Array"])
def test_functions_of_this_library_take_it_as_an_array_in_memory(folder, images, kind):
    faces, y = images
    store = folder / "faces.zarr"
    X = open_faces(store) if kind == "open_faces" else zarr.open_array(store / "images", mode="r")
    for found, expected in zip(
        train_val_test_split(X, y, random_state=0), train_val_test_split(faces, y, random_state=0), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert train_val_test_split(X, y, groups="duplicates", random_state=0)[0].shape[1:] == (32, 32)
    np.testing.assert_array_equal(find_duplicates(X), find_duplicates(faces))
    model = nearest().fit(faces, y)
    found, expected = (
        compare_classifiers({"nearest": nearest()}, data, y, cv=2, random_state=0) for data in (X, faces)
    )
    np.testing.assert_array_equal(found.scores["f1_macro"], expected.scores["f1_macro"])
    report, expected = (EmotionReport.from_estimator(model, data, y, n_resamples=0) for data in (X, faces))
    assert report.scores.equals(expected.scores)
    with pytest.warns(UserWarning, match="copy"):
        EmotionReport.from_estimator(model, X, y, X_train=X, n_resamples=0)
    assert [len(train) for train, _ in draw_folds(X, y, groups="duplicates", cv=2)] == [30, 30]
    assert len(list(iter_face_blocks(X, y, block_size=20))) == 3


def test_report_shows_its_faces(X, images, tmp_path):
    model = nearest().fit(*images)
    report = EmotionReport.from_estimator(model, X, images[1], n_resamples=0)
    report.to_html(tmp_path / "report.html")
    assert "data:image/jpeg" in (tmp_path / "report.html").read_text()
    given = EmotionReport(images[1], model.predict(images[0]), images=X, n_resamples=0)
    assert given.n_samples == 60


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_copies_are_found_in_arrays_of_any_numbers(tmp_path, images, dtype):
    faces = np.concatenate([images[0][:6], images[0][:2]]).astype(dtype)
    array = zarr.create_array(tmp_path / "own.zarr", data=faces, chunks=(3, 32, 32))
    np.testing.assert_array_equal(find_duplicates(array), find_duplicates(faces))
    assert find_duplicates(array)[6:].tolist() == [0, 1]


def test_rows_on_a_disk_are_grouped_as_in_memory(tmp_path, images):
    rows = images[0].reshape(60, -1)
    rows = np.concatenate([rows, rows[:6]])
    y = np.concatenate([images[1], images[1][:6]])
    array = zarr.create_array(tmp_path / "rows.zarr", data=rows, chunks=(8, 1024))
    found = train_val_test_split(array, y, groups="duplicates", return_indices=True, random_state=0)
    expected = train_val_test_split(rows, y, groups="duplicates", return_indices=True, random_state=0)
    np.testing.assert_array_equal(found[-1], expected[-1])


def test_few_rows_take_little_memory(tmp_path):
    array = zarr.create_array(tmp_path / "large.zarr", shape=(4096, 64, 64), chunks=(32, 64, 64), dtype="uint8")
    X = open_faces(array)
    rows = np.arange(0, 4096, 512)
    tracemalloc.start()
    try:
        assert X[rows, ...].shape == (8, 64, 64)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "store", ["https://example.org/faces.zarr?token=" + "a1B2" * 30, "/data/" + "x9Y/" * 90, "a\0b"]
)
def test_store_that_cannot_be_opened_is_not_echoed_in_full(store):
    with pytest.raises((DatasetError, DatasetNotFoundError, MissingDependencyError)) as caught:
        open_faces(store)
    assert "a1B2" * 15 not in str(caught.value) + str(caught.value.__cause__)
