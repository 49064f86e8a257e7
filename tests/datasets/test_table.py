import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sk_emotion.datasets import load_face_table
from sk_emotion.exceptions import DatasetError, DatasetNotFoundError


@pytest.fixture
def table(tmp_path):
    (tmp_path / "photos").mkdir()
    names = [f"photos/{number}.png" for number in range(4)]
    for name in names:
        Image.new("L", (20, 20)).save(tmp_path / name)
    return pd.DataFrame({"image": names, "label": ["happy", "Pain", "happy", "Pain"], "person": ["a", "a", "b", "b"]})


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_is_read_whatever_separates_its_columns(table, tmp_path, separator):
    table.to_csv(tmp_path / "faces.csv", sep=separator, index=False, encoding="utf-8-sig")
    faces = load_face_table(tmp_path / "faces.csv", group="person")
    assert faces.data.tolist() == [str(tmp_path / name) for name in table["image"]]
    assert faces.target.tolist() == ["happiness", "pain", "happiness", "pain"]
    assert faces.groups.tolist() == ["a", "a", "b", "b"]


def test_blanks_in_a_csv_do_not_count(table, tmp_path):
    (tmp_path / "faces.csv").write_text("image, label\nphotos/0.png, happy\nphotos/1.png, pain\n")
    assert load_face_table(tmp_path / "faces.csv").target.tolist() == ["happiness", "pain"]


def test_paths_written_on_windows_are_found(table, tmp_path):
    table["image"] = table["image"].str.replace("/", "\\")
    assert len(load_face_table(table, root=tmp_path).data) == 4


def test_frame_is_relative_to_root_or_to_the_working_directory(table, tmp_path, monkeypatch):
    assert load_face_table(table, root=tmp_path).data[0] == str(tmp_path / "photos/0.png")
    monkeypatch.chdir(tmp_path)
    assert load_face_table(table).data[0] == "photos/0.png"


def test_absolute_paths_need_no_root(table, tmp_path):
    table["image"] = [str(tmp_path / name) for name in table["image"]]
    assert load_face_table(table, root="/nowhere").data.tolist() == table["image"].tolist()


def test_order_of_the_table_is_kept(table, tmp_path):
    faces = load_face_table(table.iloc[::-1], root=tmp_path, as_frame=True, group="person")
    assert [path[-5] for path in faces.data["image"]] == ["3", "2", "1", "0"]
    assert faces.frame["label"].tolist() == ["pain", "happiness", "pain", "happiness"]
    assert list(faces.frame.columns) == ["image", "label", "group"]


def test_numbers_as_labels_stay_numbers(table, tmp_path):
    table["label"] = [3, 0, 3, 0]
    faces = load_face_table(table, root=tmp_path)
    assert faces.target.dtype.kind == "i" and faces.target_names.tolist() == [0, 3]


def test_categories_are_taken_as_labels(table, tmp_path):
    table["label"] = table["label"].astype("category")
    X, y = load_face_table(table, root=tmp_path, return_X_y=True)
    assert y.tolist() == ["happiness", "pain", "happiness", "pain"] and len(X) == 4


def test_without_group_column_there_are_no_groups(table, tmp_path):
    assert load_face_table(table, root=tmp_path).groups is None


@pytest.mark.parametrize("argument", ["image", "label", "group"])
def test_missing_column_is_named_with_those_present(table, tmp_path, argument):
    with pytest.raises(DatasetError, match=r"no column 'face'. It has \['image', 'label', 'person'\]"):
        load_face_table(table, root=tmp_path, **{argument: "face"})


@pytest.mark.parametrize("value", [np.nan, "", "  "])
@pytest.mark.parametrize("column", ["image", "label", "person"])
def test_rows_without_a_value_are_named(table, tmp_path, column, value):
    table[column] = table[column].astype(object)
    table.loc[2, column] = value
    with pytest.raises(DatasetError, match=f"1 rows without a value in the column '{column}': rows '2'"):
        load_face_table(table, root=tmp_path, group="person")


def test_missing_photos_are_counted_and_named(table, tmp_path):
    (tmp_path / "photos/1.png").unlink()
    with pytest.raises(DatasetError, match=r"1 of 4 photos .*photos/1\.png'\. Say with root="):
        load_face_table(table, root=tmp_path)


def test_one_class_alone_is_named(table, tmp_path):
    with pytest.raises(DatasetError, match=r"one class alone: .*happiness"):
        load_face_table(table[table["label"] == "happy"], root=tmp_path)


def test_what_is_no_table_is_explained(table, tmp_path):
    with pytest.raises(DatasetNotFoundError, match="no file"):
        load_face_table(tmp_path / "nowhere.csv")
    with pytest.raises(DatasetError, match=r"is a folder.*load_face_folder"):
        load_face_table(tmp_path)
    with pytest.raises(DatasetError, match="is no table"):
        load_face_table(tmp_path / "photos/0.png")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DatasetError, match="is no table"):
        load_face_table(tmp_path / "empty.csv")
    with pytest.raises(DatasetError, match="no rows"):
        load_face_table(table.iloc[:0], root=tmp_path)
