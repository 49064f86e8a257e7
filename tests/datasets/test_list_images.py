"""Images are listed from files, folders and patterns."""

from pathlib import Path

import pytest

from sk_emotion.datasets import list_images
from sk_emotion.exceptions import DatasetNotFoundError, ParameterError


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


@pytest.mark.parametrize(("path", "message"), [("*.gif", r"no file matches '\*\.gif'"), ("empty", "no files")])
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
