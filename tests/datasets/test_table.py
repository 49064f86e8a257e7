import base64

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sk_emotion.datasets import load_face_folder, load_face_table, load_fer2013
from sk_emotion.datasets._base import map_labels
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


def test_spaces_in_a_csv_are_ignored(table, tmp_path):
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


def test_categories_are_accepted_as_labels(table, tmp_path):
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
    with pytest.raises(DatasetError, match=r"1 of 4 photos .*photos/1\.png'\. Set root="):
        load_face_table(table, root=tmp_path)


def test_single_class_raises(table, tmp_path):
    with pytest.raises(DatasetError, match=r"a single class: .*happiness"):
        load_face_table(table[table["label"] == "happy"], root=tmp_path)


def test_other_files_than_tables_are_explained(table, tmp_path):
    with pytest.raises(DatasetNotFoundError, match="no file"):
        load_face_table(tmp_path / "nowhere.csv")
    with pytest.raises(DatasetError, match=r"is a folder.*load_face_folder"):
        load_face_table(tmp_path)
    with pytest.raises(DatasetError, match="is not a table"):
        load_face_table(tmp_path / "photos/0.png")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DatasetError, match="is not a table"):
        load_face_table(tmp_path / "empty.csv")
    with pytest.raises(DatasetError, match="no rows"):
        load_face_table(table.iloc[:0], root=tmp_path)


RAF = {1: "surprise", 2: "fear", 3: None}


@pytest.mark.parametrize(
    ("text", "sep"),
    [
        ("photos/0.png 1\nphotos/1.png 2\n", " "),
        ("photos/0.png  1 \nphotos/1.png   2\n", " "),
        ("photos/0.png 1\nphotos/1.png 2", None),
        ("photos/0.png,1\nphotos/1.png,2\n", None),
        ("photos/0.png\t1\nphotos/1.png\t2\n", None),
        ("photos/0.png|1\r\nphotos/1.png|2\r\n", "|"),
        ("photos/0.png 01\nphotos/1.png 02\n", r"\s+"),
        ("\ufeffphotos/0.png 1\nphotos/1.png 2\n", " "),
    ],
)
@pytest.mark.parametrize("keys", [int, str])
def test_list_without_a_header_is_read_by_the_numbers_of_columns(table, tmp_path, text, sep, keys):
    (tmp_path / "list.txt").write_text(text, newline="")
    labels = {keys(code): name for code, name in RAF.items()}
    faces = load_face_table(tmp_path / "list.txt", header=None, image=0, label=1, sep=sep, labels=labels)
    assert faces.target.tolist() == ["surprise", "fear"]
    assert faces.data.tolist() == [str(tmp_path / "photos/0.png"), str(tmp_path / "photos/1.png")]


def test_missing_header_is_explained(table, tmp_path):
    (tmp_path / "list.txt").write_text("photos/0.png 1\nphotos/1.png 2\n")
    with pytest.raises(DatasetError, match=r"no column 'image'.*header=None, image=0 and label=1"):
        load_face_table(tmp_path / "list.txt")


def test_fer2013_is_sent_to_its_own_loader(tmp_path):
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n0,1 2 3,Training\n")
    with pytest.raises(DatasetError, match="load_fer2013"):
        load_face_table(tmp_path / "fer2013.csv")


@pytest.mark.parametrize("sep", ["", ", ", "ab", ".*", "\n", "\r", "\r\n"])
def test_separator_of_other_length_raises(table, tmp_path, sep):
    table.to_csv(tmp_path / "faces.csv", index=False)
    with pytest.raises(DatasetError, match="expected one character"):
        load_face_table(tmp_path / "faces.csv", sep=sep)


@pytest.mark.parametrize("sep", ["§", "¦", "é", "☃", "^", "$", "(", "+"])
def test_any_other_character_separates_columns(table, tmp_path, sep):
    table.to_csv(tmp_path / "faces.csv", index=False, sep=sep)
    assert load_face_table(tmp_path / "faces.csv", sep=sep, group="person").groups.tolist() == ["a", "a", "b", "b"]


def test_header_is_a_number_or_none(table, tmp_path):
    table.to_csv(tmp_path / "faces.csv", index=False)
    for header in (False, True, 1, "image"):
        with pytest.raises(ValueError, match="header"):
            load_face_table(tmp_path / "faces.csv", header=header)


@pytest.mark.parametrize(("column", "labels"), [("label", None), ("label", RAF), ("person", None), ("image", None)])
@pytest.mark.parametrize("value", [["happy"], {"a": 1}, np.array([0, 1]), {"happy"}, bytearray(b"happy")])
def test_cells_that_are_neither_text_nor_numbers_raise(table, tmp_path, value, column, labels):
    table[column] = pd.Series([value] * 4, dtype=object)
    with pytest.raises(DatasetError, match=rf"holds .* \({type(value).__name__}\) in the column '{column}'"):
        load_face_table(table, root=tmp_path, group="person", labels=labels)


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20).decode()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (PNG, "row 2 .*is an image in base64.*Save the photos as files"),
        (f"data:image/png;base64,{PNG}", "row 2 .*is a data URI.*Save the photos as files"),
        (f"https://example.org/{PNG}.png", "row 2 .*is a URL"),
        ("s3://bucket/photo.png", "row 2 .*is a URL"),
        ("file:///photo.png", "row 2 .*is a file URL"),
        ("x " * 5000, "do not exist"),
    ],
)
@pytest.mark.parametrize("place", ["image", "label", "header"])
def test_images_and_urls_in_a_table_are_named_and_not_repeated(table, tmp_path, cell, message, place):
    if place == "header":
        table, message = table.rename(columns={"image": cell}), "no column 'image'"
    else:
        table.loc[2, place] = cell
    with pytest.raises(DatasetError, match=message if place != "label" else "labels has no entry for") as caught:
        load_face_table(table, root=tmp_path, labels={"Pain": "pain"} if place == "label" else None)
    assert len(cell) <= 60 or cell[:61] not in str(caught.value)


def test_columns_of_a_wide_table_are_counted(table, tmp_path):
    wide = pd.concat([table.drop(columns="label"), pd.DataFrame(np.zeros((4, 2304))).add_prefix("pixel_")], axis=1)
    with pytest.raises(DatasetError, match=r"'pixel_17' and 2286 more\]") as caught:
        load_face_table(wide, root=tmp_path)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("given", "labels", "expected"),
    [
        ([1, 2, 1, 2], RAF, ["surprise", "fear"] * 2),
        ([1.0, 2.0, 1.0, 2.0], RAF, ["surprise", "fear"] * 2),
        (["1", "2", "1", "2"], {"1": "happy", 2: "sad"}, ["happiness", "sadness"] * 2),
        ([1.0, 2.0] * 2, {"1.0": "happy", "02": "sad"}, ["happiness", "sadness"] * 2),
        (["1.0", "2."] * 2, {1: "happy", 2: "sad"}, ["happiness", "sadness"] * 2),
        (["1e0", "2.0000e+00"] * 2, {"1": "happy", 2.0: "sad"}, ["happiness", "sadness"] * 2),
        (["happy", "bored", "sad", "bored"], {"bored": "neutral"}, ["happiness", "neutral", "sadness", "neutral"]),
        (["happy", "sad", "happy", "Joy"], {"happiness": 1, "sadness": 0}, [1, 0, 1, 1]),
        (["a", "b", "a", "b"], {"a": 1, "b": "x"}, ["1", "x"] * 2),
    ],
)
def test_labels_are_mapped_to_classes(table, tmp_path, given, labels, expected):
    table["label"] = given
    assert load_face_table(table, root=tmp_path, labels=labels).target.tolist() == expected


@pytest.mark.parametrize("index", [range(4), [0, 0, 1, 1]])
def test_rows_that_labels_leave_out_are_counted_and_need_no_photo(table, tmp_path, index):
    table["label"] = [1, 3, 2, 3]
    table.index = index
    (tmp_path / "photos/1.png").unlink()
    faces = load_face_table(table, root=tmp_path, labels=RAF, group="person")
    assert faces.target.tolist() == ["surprise", "fear"] and faces.groups.tolist() == ["a", "b"]
    assert faces.skipped.tolist() == [1, 3] and "Left out by labels: 2 rows." in faces.DESCR


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"happy": "pain"}, None),
        ({"Pain": None}, "a single class"),
        ({"happy": None, "Pain": None}, "leaves out all 4 rows"),
        ({"happy": ["pain"]}, r"labels maps to \['pain'\]"),
    ],
)
def test_mapping_that_leaves_too_little_raises(table, tmp_path, labels, message):
    with pytest.raises(DatasetError, match=message or "a single class"):
        load_face_table(table, root=tmp_path, labels=labels)


def test_codes_that_labels_lack_are_named(table, tmp_path):
    table["label"] = [1, 7, 2, 8]
    with pytest.raises(DatasetError, match="labels has no entry for '7', '8'"):
        load_face_table(table, root=tmp_path, labels=RAF)


@pytest.mark.parametrize("column", ["label", "person"])
@pytest.mark.parametrize(
    "codes", [["01", "02", "01", "02"], ["01", "1", "1", "01"], ["007", "7", "07", "7"], ["00", "0"] * 2]
)
def test_codes_with_leading_zeros_stay_text(table, tmp_path, column, codes):
    table[column] = codes
    table.to_csv(tmp_path / "faces.csv", index=False)
    faces = load_face_table(tmp_path / "faces.csv", group="person")
    assert (faces.target if column == "label" else faces.groups).tolist() == codes


@pytest.mark.parametrize("codes", [[1, 2, 1, 2], [0.5, 1.5] * 2, [-1, 0, -1, 0]])
def test_other_numbers_in_a_file_stay_numbers(table, tmp_path, codes):
    table["label"] = codes
    table.to_csv(tmp_path / "faces.csv", index=False)
    faces = load_face_table(tmp_path / "faces.csv")
    assert faces.target.tolist() == codes and faces.target.dtype.kind in "if"


@pytest.mark.parametrize("argument", ["image", "label", "group"])
@pytest.mark.parametrize("as_file", [True, False])
def test_duplicate_column_raises(table, tmp_path, argument, as_file):
    column = "person" if argument == "group" else argument
    twice = pd.concat([table, table[[column]]], axis=1)
    if as_file:
        twice.to_csv(tmp_path / "faces.csv", index=False)
    with pytest.raises(DatasetError, match=f"the column '{column}' 2 times"):
        load_face_table(tmp_path / "faces.csv" if as_file else twice, root=tmp_path, group="person")


def test_other_columns_may_be_duplicated(table, tmp_path):
    (tmp_path / "faces.csv").write_text("image,x,x,label\nphotos/0.png,1,2,happy\nphotos/1.png,1,2,pain\n")
    assert load_face_table(tmp_path / "faces.csv").target.tolist() == ["happiness", "pain"]


@pytest.mark.parametrize(
    "header",
    ["image,label,label", "image,label, label ", "image,image,label", '"label",image,label', "image;label;label"],
)
def test_duplicate_column_of_a_file_raises(table, tmp_path, header):
    row = ";".join(["photos/0.png"] * 3) if ";" in header else ",".join(["photos/0.png"] * 3)
    (tmp_path / "faces.csv").write_text(f"{header}\n{row}\n{row}\n")
    with pytest.raises(DatasetError, match=r"the column '(label|image)' 2 times"):
        load_face_table(tmp_path / "faces.csv")


@pytest.mark.parametrize(
    "content",
    [
        "image,label\nphotos/0.png,fröhlich\n".encode("latin-1"),
        "Bild,größe\n".encode("cp1252"),
        "image,label\nphotos/0.png,pain\n".encode("utf-16"),
        b"image,label\n\xff\xfe\n",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    ],
)
def test_csv_that_is_not_utf_8_raises(tmp_path, content):
    (tmp_path / "faces.csv").write_bytes(content)
    with pytest.raises(DatasetError, match="UTF-8"):
        load_face_table(tmp_path / "faces.csv")


@pytest.mark.parametrize("n_digits", [20, 101, 4300, 4301, 5000])
def test_code_of_many_digits_has_no_class(n_digits):
    with pytest.raises(DatasetError, match="labels has no entry for"):
        map_labels(["9" * n_digits, "1"], {1: "surprise"}, "here")


@pytest.mark.parametrize("mark", ["|", ":", " ", "~", "/"])
def test_table_with_other_separators_says_to_name_it(tmp_path, mark):
    (tmp_path / "list.csv").write_text(f"image{mark}label\na.png{mark}happy\n")
    with pytest.raises(DatasetError, match=r"another separator.*sep="):
        load_face_table(tmp_path / "list.csv")


@pytest.mark.parametrize("load", [load_face_table, load_face_folder, load_fer2013])
@pytest.mark.parametrize(
    "source",
    [f"https://example.org/{'a' * 100}", f"data:,{'b' * 100}", "aA1+" * 40, "aA1+" * 2000, f"/9j/{'4AAQSkZ' * 60}"],
)
def test_data_in_place_of_a_path_is_not_echoed(load, source):
    with pytest.raises(DatasetNotFoundError) as caught:
        load(source)
    assert source[:15].replace("//", "/")[:12] in str(caught.value)
    assert source[-61:] not in str(caught.value)


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\N{NO-BREAK SPACE}", "  "])
@pytest.mark.parametrize("labels", [None, {"calm": "calm", "tense": "tense"}])
def test_blanks_around_a_label_make_no_other_class(tmp_path, blank, labels):
    for number in range(4):
        Image.new("L", (8, 8), 40 * number).save(tmp_path / f"{number}.png")
    given = [f"calm{blank}", "calm", f"{blank}tense", "tense"]
    table = pd.DataFrame({"image": [f"{number}.png" for number in range(4)], "label": given})
    faces = load_face_table(table, root=tmp_path, labels=labels)
    assert faces.target.tolist() == ["calm", "calm", "tense", "tense"]
    table.to_csv(tmp_path / "table.csv", index=False)
    assert load_face_table(tmp_path / "table.csv", labels=labels).target_names.tolist() == ["calm", "tense"]


def test_pictures_in_the_place_of_labels_are_not_echoed(tmp_path):
    for number in range(2):
        Image.new("L", (8, 8), 40 * number).save(tmp_path / f"{number}.png")
    cells = [base64.b64encode(np.random.default_rng(seed).bytes(90)).decode() for seed in range(2)]
    table = pd.DataFrame({"image": ["0.png", "1.png"], "label": cells})
    table.to_csv(tmp_path / "table.csv", index=False)
    calls = [{"label": "label"}, {"label": cells[0]}, {"image": cells[0]}, {"group": cells[0]}]
    for given in (table, tmp_path / "table.csv"):
        for call in calls:
            with pytest.raises(DatasetError) as caught:
                load_face_table(given, root=tmp_path, **call)
            assert cells[0][:61] not in str(caught.value)
