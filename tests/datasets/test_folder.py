import os
import re
import shutil
import sys
import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from sk_emotion import FaceLoader, load_model
from sk_emotion.datasets import load_face_folder, load_face_table, load_fer2013
from sk_emotion.exceptions import DatasetError, DatasetNotFoundError, DatasetWarning, ImageReadError, SkEmotionError
from sk_emotion.utils import write_copy


def save_photo(path, seed=0, size=(64, 48), **kwargs):
    """Save smooth noise, so that photos of different seeds are not near-duplicates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(path, **kwargs)
    return path


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        save_photo(tmp_path / "happy" / f"anna_{number}.png", number)
        save_photo(tmp_path / "Pain" / f"bert_{number}.png", 10 + number)
    return tmp_path


def test_copies_of_photos_are_left_out(folder):
    with Image.open(folder / "happy/anna_0.png") as image:
        for name in ("happy/anna_9.png", "annotated/anna_0.png"):
            (folder / name).parent.mkdir(exist_ok=True)
            write_copy(folder / name, image)
    with pytest.warns(DatasetWarning, match=r"Left out \(written by sk-emotion predict\): 2 \("):
        faces = load_face_folder(folder)
    assert faces.target.tolist() == ["happiness"] * 3 + ["pain"] * 3


def test_folders_become_standard_names_in_sorted_order(folder):
    faces = load_face_folder(folder)
    assert faces.target.tolist() == ["happiness"] * 3 + ["pain"] * 3
    assert faces.target_names.tolist() == ["happiness", "pain"]
    assert faces.data.dtype == object and all(isinstance(path, str) for path in faces.data)
    assert [path.rsplit("/", 1)[-1] for path in faces.data] == [
        *(f"anna_{number}.png" for number in range(3)),
        *(f"bert_{number}.png" for number in range(3)),
    ]
    assert "happiness 3, pain 3" in faces.DESCR


def test_relative_str_path_is_accepted(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert len(load_face_folder(folder.name).data) == 6


def test_unknown_class_names_stay_as_they_are(folder):
    save_photo(folder / "Boredom (mild)" / "a.png", 20)
    assert load_face_folder(folder).target_names.tolist() == ["Boredom (mild)", "happiness", "pain"]


def test_folders_of_one_emotion_are_merged_and_noted(folder):
    save_photo(folder / "Happiness" / "z.png", 20)
    faces = load_face_folder(folder)
    assert faces.target.tolist().count("happiness") == 4
    assert "happiness combines 'Happiness', 'happy'." in faces.DESCR


def test_nested_folders_belong_to_their_class(folder):
    save_photo(folder / "Pain" / "clinic [2]" / "left" / "a b (1).png", 20)
    faces = load_face_folder(folder)
    assert faces.target.tolist().count("pain") == 4
    assert any(path.endswith("Pain/clinic [2]/left/a b (1).png") for path in faces.data)


def test_photos_are_known_by_content_not_by_name(folder):
    save_photo(folder / "Pain" / "photo.jfif", 20, format="JPEG")
    save_photo(folder / "Pain" / "PHOTO.JPG", 21, format="JPEG")
    save_photo(folder / "Pain" / "jpeg.png", 22, format="JPEG")
    save_photo(folder / "Pain" / "webp.jpg", 23, format="WEBP")
    save_photo(folder / "Pain" / "no extension", 24, format="PNG")
    assert load_face_folder(folder).target.tolist().count("pain") == 8


def test_hidden_files_and_folders_are_skipped_in_silence(folder):
    for name in (".DS_Store", "Pain/.DS_Store", "Pain/Thumbs.db", "Pain/._bert_0.png", "__MACOSX/Pain/a.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"nothing")
    save_photo(folder / ".cache" / "a.png", 20)
    (folder / "labels.csv").write_text("beside the class folders")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_face_folder(folder).data) == 6


@pytest.mark.parametrize("groups", ["duplicates", None])
def test_damaged_photos_are_left_out_with_one_warning(folder, groups):
    whole = save_photo(folder / "Pain" / "cut.jpg", 20, size=(400, 400)).read_bytes()
    (folder / "Pain" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "Pain" / "readme.txt").write_text("notes")
    (folder / "happy" / "empty.png").write_bytes(b"")
    (folder / "sad").mkdir()
    with pytest.warns(DatasetWarning) as caught:
        faces = load_face_folder(folder, groups=groups)
    assert len(caught) == 1 and caught[0].filename == __file__
    message = str(caught[0].message)
    assert "3 (" in message and all(name in message for name in ("cut.jpg", "readme.txt", "empty.png"))
    assert "Folders without photos: 'sad'" in message and message.split("': ")[1][:8] in faces.DESCR
    assert len(faces.data) == 6 and "sadness" not in faces.target_names


def test_photos_in_no_class_folder_are_named(folder):
    save_photo(folder / "stray.png", 20)
    with pytest.warns(DatasetWarning, match=r"not in a class folder\): 1 \('stray\.png'\)"):
        assert len(load_face_folder(folder).data) == 6


def test_many_files_left_out_are_counted_and_only_some_named(folder):
    for number in range(9):
        (folder / "Pain" / f"notes {number}.txt").write_text("notes")
    with pytest.warns(DatasetWarning, match=r": 9 \(.* and 4 more\)"):
        load_face_folder(folder)


@pytest.mark.parametrize(
    ("mode", "name"), [("RGBA", "a.png"), ("P", "a.png"), ("P", "a.gif"), ("LA", "a.png"), ("CMYK", "a.jpg")]
)
def test_photos_of_every_mode_are_read(folder, mode, name):
    photo = Image.open(save_photo(folder / "other.png", 20)).convert("LA" if mode == "LA" else "RGB").convert(mode)
    photo.save(folder / "Pain" / name, **({"transparency": b"\x00\x80"} if (mode, name) == ("P", "a.png") else {}))
    (folder / "other.png").unlink()
    assert len(load_face_folder(folder).data) == 7


def test_copies_share_a_group_across_classes(folder):
    photo = Image.open(folder / "happy" / "anna_1.png")
    photo.resize((200, 150)).save(folder / "Pain" / "copy.jpg", quality=60)
    faces = load_face_folder(folder)
    assert faces.groups.tolist() == [0, 1, 2, 3, 4, 5, 1]
    assert "6 groups" in faces.DESCR


def test_copies_under_two_labels_are_reported(folder):
    assert "another label" not in load_face_folder(folder).DESCR
    shutil.copy(folder / "happy" / "anna_1.png", folder / "happy" / "copy.png")
    assert "another label" not in load_face_folder(folder).DESCR
    shutil.copy(folder / "happy" / "anna_1.png", folder / "Pain" / "tears.png")
    named = "3 photos are near-duplicates of photos with another label: 'happy/anna_1.png' and 'happy/copy.png' and "
    assert f"{named}'Pain/tears.png'. Check" in load_face_folder(folder).DESCR
    assert "another label" not in load_face_folder(folder, groups=r"[a-z]+").DESCR


def test_groups_go_straight_into_a_splitter(folder):
    faces = load_face_folder(folder)
    assert len(list(StratifiedGroupKFold(2).split(faces.data, faces.target, faces.groups))) == 2


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(r"([a-z]+)_\d", "anna"), (r"(\w+)/(?P<person>[a-z]+)_", "anna"), (r"anna|bert", "anna"), (r"^[^/]+", "happy")],
)
def test_pattern_uses_group_person_then_first_group_then_whole_match(folder, pattern, expected):
    faces = load_face_folder(folder, groups=pattern)
    assert faces.groups[0] == expected and len(set(faces.groups.tolist())) == 2


def test_photo_without_match_is_named(folder):
    with pytest.raises(DatasetError, match=r"no group for 3 of 6 photos: 'Pain/bert_0\.png'"):
        load_face_folder(folder, groups=r"(anna)_\d")


def test_optional_group_without_match_raises(folder):
    with pytest.raises(DatasetError, match="no group for 3 of 6"):
        load_face_folder(folder, groups=r"(anna)?_\d")


def test_invalid_pattern_is_explained(folder):
    with pytest.raises(DatasetError, match="not a valid regular expression"):
        load_face_folder(folder, groups="(anna")


def test_mapping_takes_file_names_and_relative_paths(folder):
    people = {f"anna_{number}.png": 7 for number in range(3)} | {f"Pain/bert_{number}.png": 8 for number in range(3)}
    assert load_face_folder(folder, groups=people).groups.tolist() == [7, 7, 7, 8, 8, 8]
    del people["Pain/bert_2.png"]
    with pytest.raises(DatasetError, match=r"mapping has no group for 1 of 6 photos: 'Pain/bert_2\.png'"):
        load_face_folder(folder, groups=people)


def test_no_groups_are_made_when_none_are_wanted(folder):
    faces = load_face_folder(folder, groups=None, as_frame=True)
    assert faces.groups is None and list(faces.frame.columns) == ["image", "label"]


def test_as_frame_returns_one_column_of_paths(folder):
    faces = load_face_folder(folder, as_frame=True)
    assert list(faces.data.columns) == ["image"] and faces.target.name == "label"
    assert list(faces.frame.columns) == ["image", "label", "group"] and len(faces.frame) == 6


def test_data_and_target_are_returned(folder):
    X, y = load_face_folder(folder, return_X_y=True)
    faces = load_face_folder(folder)
    assert X.tolist() == faces.data.tolist() and y.tolist() == faces.target.tolist()


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"no folder .*nowhere") as caught:
        load_face_folder(tmp_path / "nowhere")
    assert isinstance(caught.value, FileNotFoundError) and "\n" not in str(caught.value)


def test_file_instead_of_folder_leads_to_the_table(tmp_path):
    (tmp_path / "faces.csv").write_text("image,label\n")
    with pytest.raises(DatasetError, match=r"is a file, not a folder.*load_face_table"):
        load_face_folder(tmp_path / "faces.csv")


def test_photos_without_class_folders_are_explained(tmp_path):
    save_photo(tmp_path / "a.png")
    with pytest.raises(DatasetError, match=r"no folders.*folder of their own.*load_face_table"):
        load_face_folder(tmp_path)


def test_empty_folder_and_folders_without_photos_are_explained(tmp_path):
    with pytest.raises(DatasetError, match="is empty"):
        load_face_folder(tmp_path)
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "notes.txt").write_text("notes")
    with pytest.raises(DatasetError, match=r"contains no photos.*notes\.txt"):
        load_face_folder(tmp_path)


def test_single_class_raises(tmp_path):
    save_photo(tmp_path / "happy" / "a.png")
    (tmp_path / "sad").mkdir()
    with pytest.raises(DatasetError, match=r"a single class: .*happiness.*without photos: 'sad'"):
        load_face_folder(tmp_path)


def test_parent_of_the_class_folders_is_recognized(folder):
    inner = folder.rename(folder.parent / "faces")
    outer = folder.parent / "outer"
    outer.mkdir()
    inner.rename(outer / "faces")
    with pytest.raises(DatasetError, match=re.escape(f"Did you mean '{outer / 'faces'}'?")):
        load_face_folder(outer)


def test_parts_of_a_split_are_not_taken_for_emotions(tmp_path):
    save_photo(tmp_path / "train" / "happy" / "a.png")
    save_photo(tmp_path / "test" / "happy" / "a.png", 1)
    with pytest.raises(DatasetError, match="parts of a split"):
        load_face_folder(tmp_path)


def fill(root, *folders, **kwargs):
    """Save a different photo in each folder."""
    for seed, name in enumerate(folders):
        save_photo(root / name / f"{seed}.png", 100 + seed, **kwargs)
    return root


EMOTIONS_IN = "{0}/happy", "{0}/sad"
NO_EMOTIONS = [
    ("AF01", "AM02"),
    ("S005", "S010", "S011"),
    ("1", "2", "3"),
    ("01", "02"),
    ("FER2013Train", "FER2013Valid"),
    ("calm", "tense"),
    ("01_anger", "02_happy"),
    ("calm/anna", "calm/bert", "tense/anna", "tense/bert"),
    ("person1/1", "person1/2", "person2/1", "person2/2"),
]


@pytest.mark.parametrize("folders", NO_EMOTIONS)
def test_tree_without_any_known_emotion_is_loaded_and_reported(tmp_path, folders):
    with pytest.warns(DatasetWarning, match=r"no class is a known emotion: .*label=.*labels=") as caught:
        faces = load_face_folder(fill(tmp_path, *folders))
    assert len(caught) == 1 and caught[0].filename == __file__
    assert faces.target_names.tolist() == sorted({name.split("/")[0] for name in folders})


@pytest.mark.parametrize("odd", ["test", "7", "val_set"])
def test_part_of_a_split_or_number_among_emotions_is_reported(folder, odd):
    with pytest.warns(DatasetWarning, match=f"'{odd}' are not emotions"):
        assert odd in load_face_folder(fill(folder, odd)).target_names


def test_classes_named_in_labels_do_not_warn(tmp_path):
    fill(tmp_path, "calm", "tense")
    assert load_face_folder(tmp_path, labels={"calm": "calm", "tense": "tense"}).target.tolist() == ["calm", "tense"]


@pytest.mark.parametrize(
    "parts",
    [
        ("Training", "PublicTest", "PrivateTest"),
        ("train_set", "val_set"),
        ("fold1", "fold2", "fold3"),
        ("Train", "dev"),
        ("test_images", "train images"),
        ("evaluation", "validation-set"),
        ("split_01", "split_02"),
        ("fold1", "fold2", "extra"),
    ],
)
@pytest.mark.parametrize("classes", [("happy", "sad"), ("1", "2", "7"), ("0",)])
def test_parts_of_a_split_raise_whatever_they_hold(tmp_path, parts, classes):
    fill(tmp_path, *(f"{part}/{name}" for part in parts for name in classes))
    with pytest.raises(DatasetError, match=r"parts of a split.*Load one of them, such as '.*label=") as caught:
        load_face_folder(tmp_path)
    assert repr(parts[0]) in str(caught.value) and repr(parts[1]) in str(caught.value)


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (("anna/happy", "anna/sad", "bert/happy", "bert/sad"), "'anna', 'bert'"),
        (("S01/happy", "S02/Happiness", "S02/sad"), "'S01', 'S02'"),
        (("part one/anger", "part one/fear", "part two/surprise"), "'part one'"),
        (("happy", "sad", "more/happy"), "'more'"),
        (("set A/images/happy", "set A/images/sad", "set B/images/sad"), "'set A', 'set B'"),
        (("happy", "sad", "old/2019/Pain", "old/2019/sad"), "'old'"),
    ],
)
def test_folders_that_hold_the_same_emotions_again_raise(tmp_path, folders, named):
    with pytest.raises(DatasetError, match=rf"{named}, which contain the same emotions again .*Load one.*label="):
        load_face_folder(fill(tmp_path, *folders))
    faces = load_face_folder(tmp_path, label=r"([^/]+)/[^/]+$")
    assert set(faces.target_names) <= {"happiness", "sadness", "pain", "anger", "fear", "surprise"}


def test_emotions_inside_a_class_of_emotion_belong_to_it(tmp_path):
    fill(tmp_path, "happy/happy", "sad/neutral", "Angry_faces/anger")
    assert load_face_folder(tmp_path).target_names.tolist() == ["Angry_faces", "happiness", "sadness"]


@pytest.fixture
def flat(tmp_path):
    for number, code in enumerate(["AN", "HA", "AN", "HA"]):
        save_photo(tmp_path / "K" / f"K{'AB'[number % 2]}.{code}{number}.png", number)
    return tmp_path


CODES = {"AN": "angry", "HA": "happiness"}


@pytest.mark.parametrize(
    ("label", "labels"),
    [
        (r"\.([A-Z]{2})\d", CODES),
        (re.compile(r"\.(an|ha)\d", re.IGNORECASE), CODES),
        (r"^K/K[AB]\.(?P<emotion>..)(\d)\.png$", CODES),
        (lambda path: path.name[3:5], CODES),
        (lambda path: {"AN": "Anger", "HA": "happy"}[path.stem.split(".")[1][:2]], None),
        (lambda path: int("AN" in path.name), {0: "happy", 1: "anger"}),
        (lambda path: np.int64("AN" in path.name), {"0": "happy", "1": "anger"}),
        (lambda path: np.str_("anger\n" if path.with_name("KA.AN0.png").samefile(path) else "happy"), None),
    ],
)
def test_labels_are_read_from_file_names(flat, label, labels):
    faces = load_face_folder(flat, label=label, labels=labels, groups=re.compile(r"/(K.)\."))
    assert faces.target_names.tolist() == ["anger", "happiness"]
    assert all(("AN" in path) >= (emotion == "anger") for path, emotion in zip(faces.data, faces.target, strict=True))
    assert faces.groups.tolist()[0] == "KA" and len(faces.skipped) == 0
    assert r"Grouped by the pattern '/(K.)\\.'." in faces.DESCR


def test_photos_beside_folders_are_labeled_too(flat):
    save_photo(flat / "KA.AN9.png", 30)
    assert load_face_folder(flat, label=r"\.(..)\d", labels=CODES).target.tolist().count("anger") == 3


def test_photos_that_a_pattern_does_not_match_are_skipped_with_a_warning(flat):
    for name in ("notes.png", "K/group.jpg"):
        save_photo(flat / name, 30)
    (flat / "README.txt").write_text("No photo, so that it needs no label.")
    with pytest.warns(DatasetWarning, match=r"no label\): 2 \('K/group\.jpg', 'notes\.png'\)"):
        faces = load_face_folder(flat, label=r"\.(..)\d", labels=CODES)
    assert sorted(path.rsplit("/", 1)[-1] for path in faces.skipped) == ["group.jpg", "notes.png"]
    assert len(faces.data) == 4 and "(no label): 2" in faces.DESCR


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (r"\.(AN)|\.(HA)", r"a single class: anger.*no label\): 2 \('K/KB\.HA1\.png'"),
        (r"\.(A.)", r"a single class: anger.*no label\): 2"),
        (r"\.(?:A.)|(x)", r"matches none of 4 photos.*first group is the label"),
        (lambda path: "AN" if "AN" in path.name else None, r"a single class: anger.*no label\): 2"),
    ],
)
def test_skipped_photos_are_named_where_they_leave_too_little(flat, label, message):
    with pytest.raises(DatasetError, match=message):
        load_face_folder(flat, label=label, labels=CODES)


def test_photos_without_a_label_by_a_function_are_counted(flat):
    save_photo(flat / "notes.png", 30)
    (flat / "README.txt").write_text("The function is not asked about it.")
    faces = load_face_folder(flat, label=lambda path: CODES[path.name[3:5]] if "." in path.stem else None)
    assert len(faces.skipped) == 1 and "(no label): 1 ('notes.png')" in faces.DESCR


def test_function_that_skips_all_photos_is_reported(flat):
    with pytest.raises(DatasetError, match=r"contains no photos.*no label\): 4 \('K/KA\.AN0\.png'"):
        load_face_folder(flat, label=lambda path: None)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are of POSIX")
def test_pipe_among_labeled_photos_is_not_waited_for(flat):
    os.mkfifo(flat / "K" / "pipe")
    assert len(load_face_folder(flat, label=r"\.(..)\d", labels=CODES).data) == 4


def test_labeled_files_that_are_no_whole_photos_are_left_out_with_a_warning(flat):
    (flat / "KA.AN7.png").write_bytes(b"")
    with pytest.warns(DatasetWarning, match=r"damaged or too large.*KA\.AN7\.png"):
        assert len(load_face_folder(flat, label=r"\.(..)\d", labels=CODES).data) == 4


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (r"\.([a-z]{9})\d", r"matches none of 4 photos .*KA\.AN0\.png"),
        (r"()K", "matches none"),
        (r"\.(..", "not a valid regular expression"),
        (r"AN|HA", "with a capturing group"),
        (r"\.(?:AN|HA)", "with a capturing group"),
        (re.compile(rb"\.(..)"), "is not a str pattern with a capturing group"),
        (lambda path: path.no_such_name, r"raised AttributeError .* for 'K/KA\.AN0\.png'"),
        (lambda path: {}["AN"], r"raised KeyError \('AN'\)"),
        (lambda path: 1.5, r"returned 1\.5 \(float\)"),
        (lambda path: True, r"returned True \(bool\)"),
        (lambda path: path, r"returned .*Path"),
        (lambda path: "", r"returned '' \(str\)"),
        (lambda path: b"AN", r"returned b'AN' \(bytes\)"),
    ],
)
def test_labels_that_cannot_be_read_from_names_are_explained(flat, label, message):
    with pytest.raises(DatasetError, match=f"load_face_folder: label.*{message}"):
        load_face_folder(flat, label=label, labels=CODES)


def test_labels_that_are_no_emotions_are_reported_wherever_they_come_from(flat):
    with pytest.warns(DatasetWarning, match="no class is a known emotion: 'AN', 'HA'"):
        load_face_folder(flat, label=r"\.(..)\d")


def test_missing_folder_is_named_also_with_a_pattern(flat):
    with pytest.raises(DatasetNotFoundError, match="nowhere"):
        load_face_folder(flat / "nowhere", label="(a)")
    with pytest.raises(DatasetError, match="contains no photos"):
        (flat / "empty").mkdir()
        load_face_folder(flat / "empty", label="(a)")


@pytest.mark.parametrize(
    ("folders", "labels", "expected"),
    [
        (("1", "2"), {1: "surprise", 2: "fear"}, ["fear", "surprise"]),
        (("1", "2"), {"1": "Surprised", "2": "fear", "9": "pain"}, ["fear", "surprise"]),
        (("01", "02"), {1: "surprise", 2: "fear"}, ["fear", "surprise"]),
        (("01", "1"), {"01": "surprise", "1": "fear"}, ["fear", "surprise"]),
        (("1", "002"), {1.0: "surprise", "2.0": "fear"}, ["fear", "surprise"]),
        (("3.0000000e+00", "1.0"), {3: "surprise", "1": "fear"}, ["fear", "surprise"]),
        (("-1", "+1"), {-1: "surprise", 1: "fear"}, ["fear", "surprise"]),
        (("train", "test", "happy"), {"train": "a", "test": "b"}, ["a", "b", "happiness"]),
        (("train/happy", "test/happy", "happy", "sad"), {"train": None, "test": None}, ["happiness", "sadness"]),
        (("fold1", "fold2"), {"fold1": 1, "fold2": 2}, ["1", "2"]),
        (("old/happy", "old/sad", "happy", "sad"), {"old": None}, ["happiness", "sadness"]),
        (("boring", "happy", "sad"), {"boring": "neutral"}, ["happiness", "neutral", "sadness"]),
        (("happy", "sad", "Anger"), {"happiness": "good", "sad": "bad", "anger": "bad"}, ["bad", "good"]),
        (("happy", "sad", "mixed"), {"mixed": None}, ["happiness", "sadness"]),
        (("a", "b"), {"a": 0, "b": 1}, ["0", "1"]),
    ],
)
def test_names_of_folders_are_mapped_to_classes(tmp_path, folders, labels, expected):
    faces = load_face_folder(fill(tmp_path, *folders), labels=labels)
    assert faces.target_names.tolist() == expected
    assert len(faces.data) + len(faces.skipped) == len(folders)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({1: "surprise"}, "labels has no entry for '2', which are not known emotions"),
        ({}, "labels has no entry for '1', '2'"),
        ({1: "surprise", 2: 0.5}, "labels maps to 0.5"),
        ({1: "surprise", 2: ""}, "labels maps to ''"),
        ({1: "surprise", 2: " "}, "labels maps to ' '"),
        ({1: True, 2: False}, "labels maps to True"),
        ({1: "surprise", 2: float("nan")}, "labels maps to nan"),
        ({1: "surprise", 2: ["fear"]}, r"labels maps to \['fear'\]"),
        ({1: "surprise", "1": "fear", 2: "fear"}, "contains the same name twice"),
        ({1: None, 2: None}, "contains no photos"),
        ({1: "fear", 2: "afraid"}, "a single class: fear"),
    ],
)
def test_mapping_that_leaves_folders_without_a_class_raises(tmp_path, labels, message):
    with pytest.raises(DatasetError, match=message):
        load_face_folder(fill(tmp_path, "1", "2"), labels=labels)


def test_folder_without_photos_needs_no_class(tmp_path):
    (fill(tmp_path, "1", "2") / "docs").mkdir()
    (tmp_path / "docs" / "notes.txt").write_text("notes")
    with pytest.warns(DatasetWarning, match=r"Left out.*docs/notes\.txt"):
        assert len(load_face_folder(tmp_path, labels={1: "fear", 2: "pain"}).data) == 2


@pytest.mark.parametrize("label", [None, r"^([^/]+)/"])
@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("loop", "."),
        ("loop", ".."),
        ("Pain/loop", ".."),
        ("Pain/deep/loop", "../.."),
        ("Pain/self", "."),
        ("nowhere", "nowhere"),
    ],
)
def test_link_to_a_folder_around_it_is_no_class_and_is_not_walked(folder, link, target, label):
    (folder / link).parent.mkdir(exist_ok=True)
    (folder / link).symlink_to(target, target_is_directory=True)
    faces = load_face_folder(folder, label=label)
    assert len(faces.data) == 6 and faces.target_names.tolist() == ["happiness", "pain"]


@pytest.mark.parametrize("label", [None, r"^([^/]+)/"])
def test_links_to_folders_elsewhere_are_followed(folder, tmp_path_factory, label):
    elsewhere = fill(tmp_path_factory.mktemp("elsewhere"), "fearful", "more")
    (elsewhere / "more" / "back").symlink_to(folder, target_is_directory=True)
    (folder / "fear").symlink_to(elsewhere / "fearful", target_is_directory=True)
    (folder / "Pain" / "more").symlink_to(elsewhere / "more", target_is_directory=True)
    faces = load_face_folder(folder, label=label)
    assert faces.target.tolist().count("fear") == 1 and faces.target.tolist().count("pain") == 4


def test_links_that_lead_to_each_other_are_walked_once(folder, tmp_path_factory):
    elsewhere = fill(tmp_path_factory.mktemp("elsewhere"), "one", "two")
    for name, other in (("one", "two"), ("two", "one")):
        (elsewhere / name / "other").symlink_to(elsewhere / other, target_is_directory=True)
    (folder / "sad").symlink_to(elsewhere / "one", target_is_directory=True)
    assert load_face_folder(folder).target.tolist().count("sadness") == 2


@pytest.mark.skipif(os.sep != "/" or sys.platform == "darwin", reason="names of files are text there")
def test_bytes_of_names_that_are_no_text_are_escaped_in_every_message(tmp_path):
    root = tmp_path / os.fsdecode(b"caf\xff")
    messages = []
    for load in (load_face_folder, load_face_table, load_fer2013, load_model):
        with pytest.raises(SkEmotionError) as caught:
            load(root / "nothing")
        messages.append(str(caught.value))
    for seed, name in enumerate([b"happy/a.png", b"happy/b.png", b"sad/c.png", b"sad/d\xfe.png"]):
        save_photo(root / os.fsdecode(name), seed)
    (root / "happy" / os.fsdecode(b"e\xfd.png")).write_bytes(b"nothing")
    with pytest.warns(DatasetWarning) as warned:
        faces = load_face_folder(root)
    messages += [str(warning.message) for warning in warned]
    with pytest.raises(DatasetError) as caught:
        load_face_folder(root, label="(x)9")
    messages += [str(caught.value), faces.DESCR]
    with pytest.raises(ImageReadError) as caught:
        FaceLoader().fit_transform([root / "happy" / os.fsdecode(b"e\xfd.png")])
    messages.append(str(caught.value))
    for message in messages:
        message.encode()
        assert "udc" not in message
    assert any(r"caf\xff" in message for message in messages) and any(r"e\xfd.png" in message for message in messages)


@pytest.mark.parametrize("blank", [" ", "\t", "\N{NO-BREAK SPACE}"])
def test_folders_that_differ_in_blanks_are_one_class(tmp_path, blank):
    for seed, name in enumerate([f"calm{blank}", "calm", "tense", f"{blank}happy", "happy"]):
        save_photo(tmp_path / name / "a.png", seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        faces = load_face_folder(tmp_path)
    assert faces.target_names.tolist() == ["calm", "happiness", "tense"]
