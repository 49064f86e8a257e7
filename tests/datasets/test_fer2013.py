import numpy as np
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


def test_folder_that_holds_the_file_is_taken(source):
    assert len(load_fer2013(source.parent).data) == 6


def test_columns_of_the_kaggle_file_are_taken(rows, tmp_path):
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


def test_absent_subset_is_refused_and_the_present_ones_named(rows, tmp_path):
    with pytest.raises(DatasetError, match=r"no subset 'validation'. It has \['train', 'test'\]"):
        load_fer2013(write_folders(tmp_path / "folders", rows), subset="validation")
    first = tuple(values[:6] for values in rows)
    for source in (write_csv(tmp_path / "a.csv", first), write_npz(tmp_path / "a.npz", first)):
        with pytest.raises(DatasetError, match=r"no subset 'test'. It has \['train'\]"):
            load_fer2013(source, subset="test")
        assert len(load_fer2013(source, subset="all").data) == 6


def test_as_frame_gives_a_column_a_pixel(source):
    faces = load_fer2013(source, as_frame=True)
    assert faces.data.shape == (6, 2304) and faces.frame.shape == (6, 2306)
    assert faces.frame["group"].tolist() == faces.groups.tolist()


def test_data_and_target_alone_are_given(source):
    X, y = load_fer2013(source, return_X_y=True)
    assert X.shape == (6, 48, 48) and y.shape == (6,)


def test_missing_and_foreign_files_are_explained(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="there is no"):
        load_fer2013(tmp_path / "fer2013.csv")
    with pytest.raises(DatasetError, match="holds none of"):
        load_fer2013(tmp_path)
    for name in ("fer2013.zip", "fer2013.npz", "fer2013.csv"):
        (tmp_path / name).write_text("nothing of use\n")
        with pytest.raises(DatasetError, match=r"neither \.csv nor|no \.npz of FER2013|has the columns"):
            load_fer2013(tmp_path / name)


def test_unknown_subset_is_refused(source):
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
def test_npz_of_other_arrays_is_refused(rows, tmp_path, changes):
    with pytest.raises(DatasetError, match="load_fer2013"):
        load_fer2013(write_npz(tmp_path / "fer2013.npz", rows, **changes))


def test_folders_of_other_photos_are_refused(rows, tmp_path):
    (tmp_path / "train" / "cats").mkdir(parents=True)
    Image.new("L", (48, 48)).save(tmp_path / "train" / "cats" / "a.png")
    with pytest.raises(DatasetError, match="'cats'"):
        load_fer2013(tmp_path)
    (tmp_path / "train" / "cats").rename(tmp_path / "train" / "happy")
    Image.new("L", (50, 48)).save(tmp_path / "train" / "happy" / "b.png")
    with pytest.raises(DatasetError, match="50 x 48 pixels"):
        load_fer2013(tmp_path)
