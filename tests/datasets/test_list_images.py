"""Images are listed from files, folders and patterns."""

from pathlib import Path

import pytest
from PIL import Image

from sk_emotion.datasets import list_images
from sk_emotion.exceptions import DatasetNotFoundError, DatasetWarning, ParameterError
from sk_emotion.utils import is_copy, write_copy


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder with two files, a hidden file, and a file in a subfolder."""
    for name in ("b.png", "a.png", ".hidden.png", "more/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", [str, Path, lambda path: [path]])
def test_folder_lists_all_but_hidden_files(folder, form):
    assert list_images(form(folder)) == [str(folder / name) for name in ("a.png", "b.png", "more/c.jpg")]


def test_pattern_lists_matching_files(folder):
    assert list_images(["*.png", "**/*.jpg"]) == ["a.png", "b.png", "more/c.jpg"]


def test_file_whose_name_looks_like_a_pattern(folder):
    (folder / "face[1].png").write_bytes(b"")
    assert list_images("face[1].png") == ["face[1].png"]


def test_missing_file_is_kept_for_a_later_error(folder):
    assert list_images(["a.png", "none.png"]) == ["a.png", "none.png"]


@pytest.mark.parametrize(
    ("path", "message"), [("*.gif", r"no file matches '\*\.gif'"), ("empty", "no images in 'empty'.$")]
)
def test_nothing_found_is_an_error(folder, path, message):
    (folder / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match=message):
        list_images(path)


def test_files_of_folders_and_patterns_are_listed_once(folder):
    expected = [str(folder / name) for name in ("a.png", "b.png", "more/c.jpg")]
    assert list_images([folder, folder, folder / "more"]) == expected
    assert list_images(["b.png", ".", "more", "*.png"]) == ["b.png", "a.png", "more/c.jpg"]
    # What was named twice was meant twice.
    assert list_images(["a.png", "a.png"]) == ["a.png", "a.png"]


def test_empty_list_is_an_error():
    with pytest.raises(DatasetNotFoundError, match=r"list_images: paths is empty\. Pass"):
        list_images([])


@pytest.mark.parametrize("paths", [None, 3, [3], ["a.png", None]], ids=repr)
def test_anything_but_paths_is_an_error(paths):
    with pytest.raises(ParameterError, match=r"list_images: got (None \(NoneType\)|3 \(int\)), expected a path"):
        list_images(paths)


def test_files_of_a_folder_that_are_not_images_are_passed_over(folder):
    (folder / "notes.txt").write_text("no picture")
    Image.new("L", (9, 9)).save(folder / "more/photo", "PNG")
    write_copy(folder / "copy.png", Image.new("RGB", (9, 9)))
    kept = ["a.png", "b.png", "more/c.jpg", "more/photo"]
    words = (
        r"passed over 1 file\(s\) that are not images \(.*notes\.txt\) and 1 file\(s\) written by sk-emotion predict"
    )
    with pytest.warns(DatasetWarning, match=f"^list_images: {words}"):
        assert list_images(folder) == [str(folder / name) for name in kept]
    # Files that were named are listed, whatever they are.
    named = ["copy.png", "notes.txt", "none.png"]
    assert list_images(named) == named
    assert list_images([*named, "."])[3:] == list_images([".", *named])[:4] == kept
    with pytest.warns(DatasetWarning, match=r"^list_images: passed over 1 file\(s\) that are not images"):
        list_images(["copy.png", "."])


def test_folder_of_other_files_is_an_error(folder):
    (folder / "texts").mkdir()
    (folder / "texts/notes.txt").write_text("no picture")
    with pytest.raises(
        DatasetNotFoundError, match=r"no images in 'texts': passed over 1 file\(s\) that are not images"
    ):
        list_images("texts")
    write_copy(folder / "empty.png", Image.new("RGB", (9, 9)))
    (folder / "empty.png").replace(folder / "texts/notes.txt")
    with pytest.raises(DatasetNotFoundError, match=r"no images in 'texts': passed over 1 file\(s\) written by"):
        list_images("texts")


def test_files_of_any_size_are_no_copies(folder):
    write_copy(folder / "copy.png", Image.new("RGB", (9, 9)))
    whole = (folder / "copy.png").read_bytes()
    for n_bytes in (0, 8, 33, 50, 80):
        (folder / "part.png").write_bytes(whole[:n_bytes])
        assert not is_copy(folder / "part.png")
    assert not is_copy(folder) and not is_copy(folder / "none.png")
