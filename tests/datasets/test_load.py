"""Faces come from a folder, a table or the generator, with groups that keep near-duplicates together."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sk_emotion.datasets import load_faces, make_faces, read_face_table
from sk_emotion.exceptions import DatasetError, DatasetNotFoundError, DatasetWarning, ParameterError


@pytest.fixture
def folder(tmp_path):
    """Folder of twelve faces of four people, the last of which is a copy of the first."""
    X, y, people = make_faces(12, emotions=["happiness", "pain"], n_subjects=4, image_size=32, random_state=0)
    for number, (face, emotion, person) in enumerate(zip(X, y, people, strict=True)):
        (tmp_path / "faces" / emotion).mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(tmp_path / "faces" / emotion / f"p{person}_{number:02}.png")
    first = next((tmp_path / "faces/pain").iterdir())
    shutil.copy(first, first.with_name("p9_99.png"))
    return tmp_path / "faces"


@pytest.fixture
def table(folder):
    """Table of the same faces, with a row that is left out and one that cannot be read."""
    paths = sorted(folder.rglob("*.png"))
    frame = pd.DataFrame({"file": paths, "emotion": [path.parent.name for path in paths]})
    frame["person"] = [path.name[:2] for path in paths]
    (folder / "broken.png").write_bytes(b"no image")
    rows = pd.DataFrame({"file": [paths[0], folder / "broken.png"], "emotion": ["none", "pain"], "person": "px"})
    pd.concat([rows, frame]).to_csv(folder / "faces.csv", index=False)
    return folder / "faces.csv"


COLUMNS = {"image": "file", "label": "emotion", "labels": {"none": None}}


def load_table(path, **settings):
    with pytest.warns(DatasetWarning, match=r"load_faces: 1 of 14 images cannot be read.*broken\.png is not an image"):
        return load_faces(path, **COLUMNS, **settings)


def test_folder_groups_near_duplicates(folder):
    faces = load_faces(folder)
    assert len(faces.data) == 13 and len(set(faces.groups.tolist())) == 12
    assert faces.persons is faces.groups
    assert faces.unread == {} and faces.rows.tolist() == list(range(13))


def test_persons_of_a_folder_who_share_a_copy_are_grouped(folder):
    faces = load_faces(folder, groups=r"(p\d)_")
    assert len(set(faces.persons.tolist())) == 5 and len(set(faces.groups.tolist())) == 4


def test_no_groups(folder):
    faces = load_faces(folder, groups=None)
    assert faces.groups is None and faces.persons is None


def test_table_leaves_out_rows_and_remembers_positions(table):
    faces = load_table(table)
    assert len(faces.data) == 13 and faces.rows.tolist() == list(range(2, 15))
    assert list(faces.unread) == [1] and "is not an image" in faces.unread[1]
    assert len(set(faces.groups.tolist())) == 12
    assert read_face_table(table)["file"][faces.rows].tolist() == faces.data.tolist()


def test_persons_of_a_table_who_share_a_copy_are_grouped(table):
    faces = load_table(table, groups="person")
    assert sorted(set(faces.persons)) == ["p0", "p1", "p2", "p3", "p9"]
    assert len(set(faces.groups.tolist())) == 4


def test_copies_with_different_labels_warn(folder):
    shutil.copy(next((folder / "pain").iterdir()), folder / "happiness/copy.png")
    with pytest.warns(DatasetWarning, match="load_faces: . photos are near-duplicates of photos with another label"):
        load_faces(folder)


def test_table_of_unreadable_images_is_an_error(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"no image")
    (tmp_path / "faces.csv").write_text("image,label\na,pain\nb,fear\n")
    message = r"^load_faces: none of the 2 images can be read: \S+/a is not an image.* and 1 more\. List"
    with pytest.raises(DatasetError, match=message):
        load_faces(tmp_path / "faces.csv")


def test_faces_are_generated_without_a_path():
    faces = load_faces(n_samples=30, image_size=24, random_state=0)
    X, y, subjects = make_faces(30, image_size=24, random_state=0)
    np.testing.assert_array_equal(faces.data, X)
    assert faces.target.tolist() == y.tolist()
    assert faces.groups.tolist() == faces.persons.tolist() == subjects.tolist()


@pytest.mark.parametrize("name", ["none", "none.csv"])
def test_missing_path_is_an_error(tmp_path, name):
    with pytest.raises(DatasetNotFoundError):
        load_faces(tmp_path / name)


@pytest.mark.parametrize("read", [load_faces, read_face_table])
def test_missing_table_asks_for_what_is_accepted(tmp_path, read):
    with pytest.raises(DatasetNotFoundError, match=r"none\.csv'\. Pass the path of a CSV file\.$"):
        read(tmp_path / "none.csv")


@pytest.mark.parametrize("path", [None, 3, pd.DataFrame({"image": ["a.png"]})], ids=["None", "int", "DataFrame"])
def test_read_face_table_takes_only_paths(path):
    with pytest.raises(ParameterError, match=f"read_face_table: path is {type(path).__name__}, expected the path"):
        read_face_table(path)


def test_wrong_column_names_the_parameter_of_load_faces(table):
    with pytest.raises(DatasetError, match=r"no column 'subject'.*groups= in load_faces"):
        load_faces(table, **COLUMNS, groups="subject")


@pytest.mark.parametrize("settings", [{"label": "emotion"}, {"labels": {"sad": "sadness"}}], ids=["label", "labels"])
def test_generated_faces_take_no_labels(settings):
    message = f"load_faces: {next(iter(settings))}= needs a folder or a CSV file, but no path was passed"
    with pytest.raises(ParameterError, match=message):
        load_faces(n_samples=12, **settings)
