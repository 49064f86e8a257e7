"""Formats, input and annotated copies of ``sk-emotion predict``."""

import base64
import io
import json
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut
from skimage.io import imread

from sk_emotion.cli._output import print_table


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Folder with two photos of the same stem, a photo without a face, and a damaged file."""
    (tmp_path / "photos/more").mkdir(parents=True)
    for name in ("photos/astronaut.png", "photos/more/astronaut.jpg"):
        Image.fromarray(astronaut()).save(tmp_path / name)
    Image.new("L", (90, 60), 128).save(tmp_path / "photos/wall.png")
    (tmp_path / "photos/zero.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_formats_agree(pictures, run, capsys):
    printed = {}
    for form in ("csv", "json", "jsonl"):
        assert run("predict", "photos", "--format", form, "--quiet") == 1
        printed[form] = capsys.readouterr().out
    rows = json.loads(printed["json"])
    assert [json.loads(line) for line in printed["jsonl"].splitlines()] == rows
    table = pd.read_csv(io.StringIO(printed["csv"]))
    assert table["picture"].tolist() == [row["picture"] for row in rows]
    assert table["probability_happiness"].fillna(-1).tolist() == pytest.approx(
        [-1 if row["probabilities"]["happiness"] is None else row["probabilities"]["happiness"] for row in rows]
    )


def test_photo_on_standard_input(pictures, run, capsys, monkeypatch):
    data = (pictures / "photos/astronaut.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert run("predict", "-", "--json", "--annotate", "out") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["picture"], row["label"]) == ("-", "happiness")
    assert (pictures / "out/picture.png").exists()


@pytest.mark.parametrize("end", ["\n", "\r\n\r\n", "\0"])
def test_paths_on_standard_input(pictures, run, capsys, monkeypatch, end):
    text = end.join(["photos/wall.png", "photos/zero.png", ""])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert run("predict", "-", "--json") == 1
    assert [row["picture"] for row in json.loads(capsys.readouterr().out)] == ["photos/wall.png", "photos/zero.png"]


def test_empty_standard_input_is_an_error(run, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    assert run("predict", "-") == 2
    assert "Pipe an image" in capsys.readouterr().err


def encode_photo(folder):
    return base64.b64encode((folder / "photos/astronaut.png").read_bytes()[:3000]).decode()


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("https://example.org/face.jpg?size=large&of=", "is a URL"),
        ("https://example.org/[x]/*.jpg?of=", "is a URL"),
        ("data:image/png;base64,", "is a data URI"),
        ("", "is an image in base64"),
        ("file:///home/anna/", "is a file URL"),
        ("no picture at all ", "cannot be"),
    ],
)
def test_argument_that_is_not_a_path_is_not_shown_in_full(pictures, run, capsys, form, prefix, words):
    argument = prefix + encode_photo(pictures)
    assert run("predict", argument, "photos/wall.png", "--format", form) == 1
    out, err = capsys.readouterr()
    assert words in out
    assert argument[:61] not in out + err
    assert argument[-200:-140] not in out + err


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("prefix", ["data:image/png;base64,", ""])
def test_base64_on_standard_input_is_an_error(pictures, run, capsys, monkeypatch, wrapped, prefix):
    text = prefix + encode_photo(pictures)
    lines = "\n".join(text[start : start + 76] for start in range(0, len(text), 76)) if wrapped else text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    assert run("predict", "-") == 2
    out, err = capsys.readouterr()
    assert "Decode it: base64 --decode" in err
    assert not any(text[start : start + 40] in out + err for start in range(0, len(text), 20))


def test_pattern_without_matches_is_abridged(pictures, run, capsys):
    assert run("predict", "*" + "abc " * 200) == 2
    assert len(capsys.readouterr().err) < 400


def test_annotated_copies_frame_the_face(pictures, run, capsys):
    assert run("predict", "photos", "--annotate", "out", "--quiet") == 1
    written = sorted(path.name for path in (pictures / "out").iterdir())
    assert written == ["astronaut (2).png", "astronaut.png", "wall.png"]
    photo, copy = astronaut(), imread(pictures / "out/astronaut.png")
    assert copy.shape[0] > photo.shape[0]
    changed = np.argwhere((copy[: len(photo)] != photo).any(axis=2))
    # Bounds around the astronaut's face.
    assert (changed.min(axis=0) > (30, 150)).all()
    assert (changed.max(axis=0) < (210, 300)).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (4000, 30)])
def test_photo_of_any_size_is_annotated(tmp_path, run, capsys, size):
    Image.new("L", size, 90).save(tmp_path / "odd.png")
    assert run("predict", tmp_path / "odd.png", "--annotate", tmp_path / "out") == 0
    with Image.open(tmp_path / "out/odd.png") as copy:
        assert max(copy.size) >= 480


def test_terminal_table_has_bars_and_literal_names(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    # No colors.
    monkeypatch.setenv("TERM", "dumb")
    print_table(["picture", "share"], [["[red]a[/red].png", 0.5], ["b.png", float("nan")]], share=1)
    first, second = capsys.readouterr().out.splitlines()[-3:-1]
    assert "[red]a[/red].png" in first
    assert "0.500 ━━━━━━" in first
    assert "━" not in second
