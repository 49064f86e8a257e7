"""Files, folders, patterns and standard input."""

import io
import sys

import pytest

from sk_emotion.cli._pictures import Picture, list_pictures
from sk_emotion.exceptions import DatasetNotFoundError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder with two files, a hidden file, and a file in a subfolder."""
    for name in ("b.png", "a.png", ".hidden.png", "more/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pipe(monkeypatch):
    def feed(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return feed


def names(*arguments):
    return [picture.name for picture in list_pictures(list(arguments))]


def test_folder_lists_all_but_hidden_files(folder):
    assert names(str(folder)) == [str(folder / name) for name in ("a.png", "b.png", "more/c.jpg")]


def test_pattern_lists_matching_files(folder):
    assert names("*.png", "**/*.jpg") == ["a.png", "b.png", "more/c.jpg"]


def test_file_whose_name_looks_like_a_pattern(folder):
    (folder / "face[1].png").write_bytes(b"")
    assert names("face[1].png") == ["face[1].png"]


def test_missing_file_is_kept_for_a_later_error(folder):
    assert names("a.png", "none.png") == ["a.png", "none.png"]


@pytest.mark.parametrize(("arguments", "message"), [(["*.gif"], r"no file matches '\*\.gif'"), (["empty"], "no files")])
def test_nothing_found_is_an_error(folder, arguments, message):
    (folder / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match=message):
        list_pictures(arguments)


@pytest.mark.parametrize("data", [b"a.png\nmore/c.jpg\n", b"a.png\r\n\r\nmore/c.jpg", b"a.png\0more/c.jpg\0"])
def test_standard_input_lists_paths(pipe, data):
    pipe(data)
    assert names("-") == ["a.png", "more/c.jpg"]


def test_standard_input_is_an_image(pipe, picture_bytes):
    pipe(picture_bytes)
    assert list_pictures(["-"]) == [Picture("-", picture_bytes)]


def test_empty_standard_input_is_an_error(pipe):
    pipe(b"\n")
    with pytest.raises(DatasetNotFoundError, match="Pipe an image"):
        list_pictures(["-"])
