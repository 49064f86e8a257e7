import bz2
import gzip
import lzma
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sk_emotion.datasets import load_fer2013
from sk_emotion.exceptions import DatasetError, DatasetNotFoundError

CODES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
NAMES = np.array(["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"])
USAGES = ["Training", "PublicTest", "PrivateTest"]


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 48, 48), dtype=np.uint8)
    images[3] = images[1]
    return images, np.arange(10, dtype=np.uint8) % 7, np.array([0] * 6 + [1] * 2 + [2] * 2, dtype=np.uint8)


def write_csv(path, rows, header="emotion,pixels,Usage"):
    lines = [
        f"{label},{' '.join(map(str, image.ravel()))},{USAGES[usage]}"
        for image, label, usage in zip(*rows, strict=True)
    ]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def write_npz(path, rows, **changes):
    images, labels, usage = rows
    arrays = {"images": images, "labels": labels, "usage": usage, "class_names": CODES, "usage_names": USAGES}
    np.savez(path, **(arrays | changes))
    return path


def write_folders(path, rows):
    for number, (image, label, usage) in enumerate(zip(*rows, strict=True)):
        folder = path / ("test" if usage else "train") / CODES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    return path


@pytest.fixture(params=["csv", "npz"])
def source(request, rows, tmp_path):
    return {"csv": write_csv, "npz": write_npz}[request.param](tmp_path / f"fer2013.{request.param}", rows)


def test_training_part_is_read_by_default(source, rows):
    faces = load_fer2013(source)
    assert faces.data.dtype == np.uint8 and np.array_equal(faces.data, rows[0][:6])
    assert faces.target.tolist() == NAMES[:6].tolist()
    assert faces.target_names.tolist() == sorted(NAMES[:6])
    assert "6 images in 6 classes" in faces.DESCR


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ("validation", slice(6, 8)),
        ("PublicTest", slice(6, 8)),
        ("test", slice(8, 10)),
        ("PrivateTest", slice(8, 10)),
        ("all", slice(0, 10)),
    ],
)
def test_subset_goes_by_our_and_by_the_official_name(source, rows, subset, expected):
    faces = load_fer2013(source, subset=subset)
    assert np.array_equal(faces.data, rows[0][expected])
    assert faces.target.tolist() == NAMES[rows[1][expected]].tolist()


def test_equal_pixels_share_a_group(source):
    assert load_fer2013(source).groups.tolist() == [0, 1, 2, 1, 3, 4]


def test_folder_that_holds_the_file_is_accepted(source):
    assert len(load_fer2013(source.parent).data) == 6


def test_columns_of_the_kaggle_file_are_accepted(rows, tmp_path):
    images, labels, usage = rows
    lines = [
        f"{label},{USAGES[use]},{' '.join(map(str, image.ravel()))}"
        for image, label, use in zip(images, labels, usage, strict=True)
    ]
    (tmp_path / "icml_face_data.csv").write_text("\n".join(["emotion, Usage, pixels", *lines]))
    assert np.array_equal(load_fer2013(tmp_path, subset="all").data, images)


def test_class_folders_are_read(rows, tmp_path):
    faces = load_fer2013(write_folders(tmp_path, rows))
    assert faces.data.shape == (6, 48, 48)
    row = faces.target.tolist().index("happiness")
    assert np.array_equal(faces.data[row], rows[0][3])
    assert len(load_fer2013(tmp_path, subset="test").data) == 4


def test_absent_subset_raises_and_the_present_ones_named(rows, tmp_path):
    with pytest.raises(DatasetError, match=r"no subset 'validation'. It has \['train', 'test'\]"):
        load_fer2013(write_folders(tmp_path / "folders", rows), subset="validation")
    first = tuple(values[:6] for values in rows)
    for source in (write_csv(tmp_path / "a.csv", first), write_npz(tmp_path / "a.npz", first)):
        with pytest.raises(DatasetError, match=r"no subset 'test'. It has \['train'\]"):
            load_fer2013(source, subset="test")
        assert len(load_fer2013(source, subset="all").data) == 6


def test_as_frame_returns_one_column_per_pixel(source):
    faces = load_fer2013(source, as_frame=True)
    assert faces.data.shape == (6, 2304) and faces.frame.shape == (6, 2306)
    assert faces.frame["group"].tolist() == faces.groups.tolist()


def test_data_and_target_are_returned(source):
    X, y = load_fer2013(source, return_X_y=True)
    assert X.shape == (6, 48, 48) and y.shape == (6,)


def test_missing_and_foreign_files_are_explained(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="there is no"):
        load_fer2013(tmp_path / "fer2013.csv")
    with pytest.raises(DatasetError, match="contains none of"):
        load_fer2013(tmp_path)
    for name in ("fer2013.zip", "fer2013.npz", "fer2013.csv"):
        (tmp_path / name).write_text("nothing of use\n")
        with pytest.raises(DatasetError, match=r"neither a \.csv nor|not an \.npz of FER2013|has the columns"):
            load_fer2013(tmp_path / name)


def test_unknown_subset_raises(source):
    with pytest.raises(ValueError, match="subset"):
        load_fer2013(source, subset="dev")


@pytest.mark.parametrize(("pixels", "found"), [("1 2 3", "3"), ("1 x 3", "0"), (" ".join(["300"] * 2304), "2304")])
def test_broken_pixels_are_named_by_row(rows, tmp_path, pixels, found):
    source = write_csv(tmp_path / "fer2013.csv", rows)
    source.write_text(source.read_text() + f"3,{pixels},Training\n")
    with pytest.raises(DatasetError, match=f"row 10 .* has {found} numbers, expected 2304"):
        load_fer2013(source)


def test_unknown_code_of_an_emotion_is_named_by_row(rows, tmp_path):
    source = write_csv(tmp_path / "fer2013.csv", (rows[0], rows[1] + 1, rows[2]))
    with pytest.raises(DatasetError, match=r"emotion is .*7.*expected 0 to 6"):
        load_fer2013(source, subset="all")


@pytest.mark.parametrize(
    "changes",
    [
        {"images": np.zeros((10, 32, 32), np.uint8)},
        {"labels": np.zeros(9, np.uint8)},
        {"labels": np.full(10, 9)},
        {"images": np.array([None] * 10, dtype=object)},
    ],
)
def test_npz_of_other_arrays_raises(rows, tmp_path, changes):
    with pytest.raises(DatasetError, match="load_fer2013"):
        load_fer2013(write_npz(tmp_path / "fer2013.npz", rows, **changes))


def test_folders_of_other_photos_raise(rows, tmp_path):
    (tmp_path / "train" / "cats").mkdir(parents=True)
    Image.new("L", (48, 48)).save(tmp_path / "train" / "cats" / "a.png")
    with pytest.raises(DatasetError, match="'cats'"):
        load_fer2013(tmp_path)
    (tmp_path / "train" / "cats").rename(tmp_path / "train" / "happy")
    Image.new("L", (50, 48)).save(tmp_path / "train" / "happy" / "b.png")
    with pytest.raises(DatasetError, match="50 x 48 pixels"):
        load_fer2013(tmp_path)


def make_table(rows):
    images, labels, usage = rows
    pixels = [" ".join(map(str, image.ravel())) for image in images]
    return pd.DataFrame({"emotion": labels, "pixels": pixels, "Usage": np.array(USAGES)[usage]})


@pytest.mark.parametrize("subset", ["train", "test", "all"])
@pytest.mark.parametrize("n_lost", [2, 7, 11, 12, 13, 900, 8000])
def test_file_that_ends_within_its_last_row_raises(rows, tmp_path, subset, n_lost):
    source = write_csv(tmp_path / "fer2013.csv", rows)
    source.write_text(source.read_text()[:-n_lost])
    with pytest.raises(DatasetError, match=r"truncated in its last row, row 9 .*Download the file again"):
        load_fer2013(source, subset=subset)


@pytest.mark.parametrize("subset", ["train", "all"])
@pytest.mark.parametrize("n_lost", [4, 100, 6000])
def test_file_with_pixels_at_the_end_that_is_cut_off_raises(rows, tmp_path, subset, n_lost):
    text = make_table(rows)[["emotion", "Usage", "pixels"]].to_csv(index=False)
    (tmp_path / "fer2013.csv").write_text(text[:-n_lost])
    with pytest.raises(DatasetError, match=r"row 9 .* numbers, expected 2304.*truncated"):
        load_fer2013(tmp_path, subset=subset)


def test_file_without_a_line_break_at_its_end_is_whole(rows, tmp_path):
    source = write_csv(tmp_path / "fer2013.csv", rows)
    source.write_text(source.read_text().rstrip("\n"))
    assert len(load_fer2013(source, subset="all").data) == 10


@pytest.mark.parametrize("word", ["training", "TRAINING", "Trainig", "Train", "", " ", "Validation", "0"])
def test_rows_of_no_part_are_named_unless_all_are_asked_for(rows, tmp_path, word):
    table = make_table(rows)
    table.loc[[2, 4], "Usage"] = word
    table.to_csv(tmp_path / "fer2013.csv", index=False)
    for subset in ("train", "validation", "test"):
        with pytest.raises(DatasetError, match=r"in 2 row\(s\), counted from 0: '2', '4'.*subset='all'"):
            load_fer2013(tmp_path, subset=subset)
    np.testing.assert_array_equal(load_fer2013(tmp_path, subset="all").data, rows[0])


def test_other_words_for_all_parts_are_no_obstacle_to_all_rows(rows, tmp_path):
    table = make_table(rows)
    table["Usage"] = table["Usage"].map({"Training": "train", "PublicTest": "val", "PrivateTest": "test"})
    table.to_csv(tmp_path / "fer2013.csv", index=False)
    assert len(load_fer2013(tmp_path, subset="all").data) == 10
    with pytest.raises(DatasetError, match=r"has Usage 'test', 'train', 'val' in 10 row\(s\).* and 5 more"):
        load_fer2013(tmp_path)


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("fer2013.csv", bytes),
        ("fer2013.csv.gz", gzip.compress),
        ("icml_face_data.csv.bz2", bz2.compress),
        ("fer2013.csv.xz", lzma.compress),
        ("fer2013.csv.zip", None),
    ],
)
def test_packed_file_is_read_also_from_its_folder(rows, tmp_path, name, pack):
    content = make_table(rows).to_csv(index=False).encode()
    if pack is None:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("fer2013.csv", content)
    else:
        (tmp_path / name).write_bytes(pack(content))
    for path in (tmp_path, tmp_path / name):
        np.testing.assert_array_equal(load_fer2013(path, subset="all").data, rows[0])


def test_damaged_archives_are_explained(rows, tmp_path):
    content = gzip.compress(make_table(rows).to_csv(index=False).encode())
    (tmp_path / "cut.csv.gz").write_bytes(content[:-3000])
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("train.csv", "a")
        archive.writestr("test.csv", "b")
    for name in ("cut.csv.gz", "two.zip"):
        with pytest.raises(DatasetError, match=r"is neither a \.csv nor an \.npz of FER2013, or is damaged"):
            load_fer2013(tmp_path / name)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.to_csv(index=False, encoding="utf-8-sig", lineterminator="\r\n"),
        lambda table: table.to_csv(index=False, sep=";"),
        lambda table: table.to_csv(index=False, sep="\t"),
        lambda table: table.to_csv(index=False, quoting=1),
        lambda table: table[["Usage", "pixels", "emotion"]].to_csv(index=False),
        lambda table: table.rename(columns=lambda name: f" {name.upper()} ").to_csv(index=False),
        lambda table: table.assign(note="none", note2="").to_csv(index=False),
        lambda table: table.assign(emotion=table["emotion"].astype(float)).to_csv(index=False),
        lambda table: table.assign(emotion=[CODES[code] for code in table["emotion"]]).to_csv(index=False),
        lambda table: table.assign(emotion=[NAMES[code].upper() for code in table["emotion"]]).to_csv(index=False),
        lambda table: table.assign(pixels=table["pixels"] + " ").to_csv(index=False),
    ],
    ids=["BOM, CRLF", ";", "tab", "quotes", "order", "header", "more", "floats", "adjectives", "nouns", "blank"],
)
def test_csv_in_other_writing_is_the_same(rows, tmp_path, change):
    (tmp_path / "fer2013.csv").write_text(change(make_table(rows)), newline="")
    faces = load_fer2013(tmp_path, subset="all")
    np.testing.assert_array_equal(faces.data, rows[0])
    assert faces.target.tolist() == NAMES[rows[1]].tolist()


def test_file_without_usage_is_the_training_part(rows, tmp_path):
    make_table(rows).drop(columns="Usage").to_csv(tmp_path / "train.csv", index=False)
    for subset in ("train", "all"):
        assert len(load_fer2013(tmp_path, subset=subset).data) == 10
    with pytest.raises(DatasetError, match=r"no subset 'test'. It has \['train'\]"):
        load_fer2013(tmp_path / "train.csv", subset="test")


def test_list_of_photos_beside_their_folders_is_skipped(rows, tmp_path):
    write_folders(tmp_path, rows)
    (tmp_path / "train.csv").write_text("image,label\n")
    assert len(load_fer2013(tmp_path).data) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="emotion"), "has the columns"),
        (lambda table: table.assign(emotion2=0).rename(columns={"emotion2": "Emotion"}), "has the columns .* once"),
        (lambda table: table.iloc[:0], "no rows"),
        (lambda table: table.assign(emotion=7), r"row 0: emotion is '7'.* 10 row\(s\).* and 5 more"),
        (lambda table: table.assign(emotion=-1), "emotion is '-1'"),
        (lambda table: table.assign(emotion=2.5), "emotion is '2.5'"),
        (lambda table: table.assign(emotion=None), "emotion is ''"),
        (lambda table: table.assign(emotion="contempt"), "emotion is 'contempt'"),
        (lambda table: table.assign(pixels=table["pixels"] + " 0"), "has 2305 numbers"),
        (lambda table: table.assign(pixels="65664 " * 2304), "2304 numbers, .* got values from 65664 to 65664"),
        (lambda table: table.assign(pixels="-1 " * 2304), "got values from -1 to -1"),
        (lambda table: table.assign(pixels="0.5 " * 2304), "has 0 numbers"),
        (lambda table: table.assign(pixels="0," * 2304), "has 0 numbers"),
        (lambda table: table.assign(pixels=None), r"has 0 numbers.*10 row\(s\)"),
    ],
)
def test_invalid_rows_are_named(rows, tmp_path, change, message):
    change(make_table(rows)).to_csv(tmp_path / "fer2013.csv", index=False)
    with pytest.raises(DatasetError, match=message):
        load_fer2013(tmp_path, subset="all")


@pytest.mark.parametrize(("ending", "n_rows"), [(",x", 1), (",x", 10), (",,", 1), (",", 1), (",Training", 9)])
def test_rows_with_more_fields_than_the_header_raise(rows, tmp_path, ending, n_rows):
    source = write_csv(tmp_path / "fer2013.csv", rows)
    head, *lines = source.read_text().splitlines()
    source.write_text("\n".join([head, *lines[n_rows:], *(line + ending for line in lines[:n_rows])]))
    with pytest.raises(DatasetError, match="damaged"):
        load_fer2013(source)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.arange(10) - 1}, r"labels outside .* 3 row.*'0', '8', '9'"),
        ({"usage": np.full(10, -1)}, r"usage outside .* 10 row"),
        ({"labels": np.full(10, 0.5)}, r"labels outside .* 10 row"),
        ({"usage_names": ["Training", "publictest", "PrivateTest"]}, r"Usage 'publictest' in 2 row.*'6', '7'"),
    ],
)
def test_rows_of_an_npz_are_not_dropped_either(rows, tmp_path, changes, message):
    with pytest.raises(DatasetError, match=message):
        load_fer2013(write_npz(tmp_path / "fer2013.npz", rows, **changes))


def test_all_rows_of_an_npz_are_loaded_whatever_their_usage(rows, tmp_path):
    source = write_npz(tmp_path / "fer2013.npz", rows, usage_names=["a", "b", "c"])
    assert len(load_fer2013(source, subset="all").data) == 10


def test_folders_of_no_part_are_not_dropped_from_all(rows, tmp_path):
    write_folders(tmp_path, rows)
    (tmp_path / "test").rename(tmp_path / "Testing")
    assert len(load_fer2013(tmp_path, subset="all").data) == 10
    (tmp_path / "Testing").rename(tmp_path / "dev")
    assert len(load_fer2013(tmp_path).data) == 6
    with pytest.raises(DatasetError, match=r"also contains 'dev'.*Rename it"):
        load_fer2013(tmp_path, subset="all")


@pytest.mark.parametrize("subset", ["train", "all"])
@pytest.mark.parametrize(("name", "sep"), [("fer.tsv", "\t"), ("fer.TSV", ","), ("fer.txt", ","), ("fer.txt", ";")])
def test_table_is_read_whatever_its_name_ends_with(rows, tmp_path, name, sep, subset):
    make_table(rows).to_csv(tmp_path / name, index=False, sep=sep)
    assert len(load_fer2013(tmp_path / name, subset=subset).data) == {"train": 6, "all": 10}[subset]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("usage", ["", "Private", "Train", "P", "private"])
def test_last_row_that_ends_in_a_line_break_is_whole_whatever_its_usage(rows, tmp_path, usage, newline):
    table = make_table(rows)
    table.loc[9, "Usage"] = usage
    table.to_csv(tmp_path / "fer2013.csv", index=False, lineterminator=newline)
    assert len(load_fer2013(tmp_path, subset="all").data) == 10
    with pytest.raises(DatasetError, match=r"in 1 row\(s\), counted from 0: '9'"):
        load_fer2013(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.split("\n", 1)[1],
        lambda text: text.replace("0,", "\0" * 5000 + ",", 1),
        lambda text: text.replace("Training", "1 2 3 " * 1000, 1),
        lambda text: text.replace("emotion,", "emotion," * 1000, 1),
        lambda text: text.replace("0 ", "data:image/png;base64," + "A" * 5000, 1),
    ],
)
def test_messages_hold_no_pixels(rows, tmp_path, change):
    source = write_csv(tmp_path / "fer2013.csv", rows)
    source.write_text(change(source.read_text()))
    with pytest.raises(DatasetError) as caught:
        load_fer2013(source)
    assert len(str(caught.value).replace(str(tmp_path), "")) < 700


@pytest.mark.parametrize("names", [["cats", *CODES[1:]], [*CODES[:6], "contempt"], np.array(CODES, dtype="S")])
def test_npz_of_other_classes_raises(rows, tmp_path, names):
    with pytest.raises(DatasetError, match=r"(has|contains) the classes .*expected"):
        load_fer2013(write_npz(tmp_path / "fer2013.npz", rows, class_names=names))


def test_photos_deeper_in_class_folders_are_read_and_hidden_ones_are_not(rows, tmp_path):
    inner = write_folders(tmp_path, rows) / "train" / "happy" / "more"
    inner.mkdir()
    Image.fromarray(rows[0][0]).save(inner / "a.png")
    Image.fromarray(rows[0][0]).save(inner / "b.jfif", format="JPEG")
    (inner / "loop").symlink_to("..", target_is_directory=True)
    for hidden in (tmp_path / "train" / ".ipynb_checkpoints", tmp_path / "train" / "happy" / ".cache"):
        hidden.mkdir()
        Image.new("L", (9, 9)).save(hidden / "a.png")
    assert load_fer2013(tmp_path).target.tolist().count("happiness") == 3


def test_photos_in_no_class_folder_are_not_dropped(rows, tmp_path):
    Image.fromarray(rows[0][0]).save(write_folders(tmp_path, rows) / "train" / "a.png")
    with pytest.raises(DatasetError, match=r"1 photos outside of emotion folders: 'train/a\.png'"):
        load_fer2013(tmp_path)
