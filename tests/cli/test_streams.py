"""Closed, full and ASCII-only standard streams, and files that must not be overwritten."""

import io
import json
import os
import subprocess
import sys
from contextlib import suppress

import pandas as pd
import pytest
from PIL import Image

from sk_emotion import make_faces, make_hog_svm, save_model
from sk_emotion.cli._output import print_table

FACE = "/9j/" + "4AAQSkZJRgABAQEAYABgAAD" * 20


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Folder with a model, faces by emotion, and a table of them."""
    path = tmp_path_factory.mktemp("place")
    X, y, _ = make_faces(24, emotions=["happiness", "pain"], image_size=16, random_state=0)
    save_model(make_hog_svm(image_size=16).fit(X, y), path / "model.skops")
    names = []
    for number, (face, emotion) in enumerate(zip(X, y, strict=True)):
        (path / "faces" / emotion).mkdir(parents=True, exist_ok=True)
        names.append(path / "faces" / emotion / f"{number}.png")
        Image.fromarray(face).save(names[-1])
    pd.DataFrame({"image": names, "label": y}).to_csv(path / "faces.csv", index=False)
    return path


@pytest.fixture
def photo(place):
    return next((place / "faces/pain").iterdir())


@pytest.fixture
def open_output():
    """Return a function that opens a file as a standard stream; close the streams at teardown."""
    streams = []

    def open_stream(file, encoding="utf-8"):
        streams.append(io.TextIOWrapper(open(file, "wb"), encoding=encoding))  # noqa: SIM115 - closed below
        return streams[-1]

    yield open_stream
    for stream in streams:
        with suppress(OSError):
            stream.close()


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_full_disk_is_an_error(place, photo, run, capsys, monkeypatch, open_output, form):
    monkeypatch.setattr(sys, "stdout", open_output("/dev/full"))
    assert run("predict", photo, "--model", place / "model.skops", "--format", form, "-q") == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: the result cannot be written to standard output (No space left")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_broken_pipe_ends_the_command_silently(place, photo, run, capsys, monkeypatch, open_output, form):
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "stdout", open_output(writer))
    assert run("predict", photo, "--model", place / "model.skops", "--format", form, "-q") == 141
    assert capsys.readouterr().err == ""


def test_files_are_written_even_if_printing_fails(place, run, capsys, monkeypatch, open_output, tmp_path):
    monkeypatch.setattr(sys, "stdout", open_output("/dev/full"))
    arguments = ["--report", tmp_path / "page.html", "--plot", tmp_path / "plot.png"]
    assert run("evaluate", place / "model.skops", place / "faces", *arguments, "-q") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "plot.png"]
    monkeypatch.setattr(sys, "stdout", open_output("/dev/full"))
    quick = ["--model", "hog-svm", "--detector", "none", "--image-size", 16, "-q"]
    assert run("train", place / "faces", "--out", tmp_path / "new.skops", *quick) == 2
    assert (tmp_path / "new.skops").exists()


@pytest.mark.parametrize("broken", ["/dev/full", None], ids=["full", "closed"])
def test_result_is_printed_if_messages_cannot_be(place, photo, run, capsys, monkeypatch, open_output, broken):
    monkeypatch.setattr(sys, "stderr", broken and open_output(broken))
    assert run("predict", photo, "--model", place / "model.skops", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["picture"] == str(photo)
    with suppress(OSError):
        sys.stderr.close()


def test_closed_input_is_empty(run, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert run("predict", "-") == 2
    assert "standard input is empty" in capsys.readouterr().err
    sys.stdin.close()


def test_closed_streams_of_a_process_are_an_error_without_traceback(tmp_path):
    code = (
        "from sk_emotion.cli import app, main; from sk_emotion.cli._output import show\n"
        "@app.command()\ndef answer(): show('the result')\n"
        "main(['answer'])"
    )
    (tmp_path / "answer.py").write_text(code)
    command = f"{sys.executable} '{tmp_path / 'answer.py'}' <&- >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: the result cannot be written to standard output")
    assert len(done.stderr.splitlines()) == 1


def test_exit_code_of_interrupt(run, capsys, monkeypatch):
    class Input(io.BytesIO):
        def read(self, *_):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Input()))
    assert run("predict", "-") == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("command", [["evaluate"], ["predict", "--format", "json"], ["predict", "--format", "table"]])
def test_characters_missing_from_the_encoding(
    place, run, capsys, monkeypatch, open_output, tmp_path, encoding, command
):
    photo = tmp_path / "café 快乐.png"
    Image.new("L", (16, 16), 90).save(photo)
    monkeypatch.setattr(sys, "stdout", open_output(tmp_path / "out", encoding))
    name, *options = command
    arguments = (
        [place / "model.skops", place / "faces"] if name == "evaluate" else [photo, "--model", place / "model.skops"]
    )
    assert run(name, *arguments, *options, "-q") == 0
    text = (tmp_path / "out").read_text(encoding=encoding)
    if "json" in options:
        assert json.loads(text)[0]["picture"] == str(photo)
    elif name == "predict":
        assert r"\u5feb\u4e50.png" in text
    else:
        assert "\n-----" in text


@pytest.mark.parametrize("width", [1, 20, 59, 60])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_name_and_share_are_visible_on_narrow_terminals(monkeypatch, open_output, tmp_path, width, encoding):
    stream = open_output(tmp_path / "out", encoding)
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")
    print_table(["picture", "share"], [["a.png", 0.5], ["b.png", float("nan")]], share=1)
    text = (tmp_path / "out").read_text(encoding=encoding)
    assert "a.png" in text
    assert "0.500" in text


@pytest.mark.parametrize(
    ("command", "option", "file"),
    [
        ("evaluate", "--report", "model.skops"),
        ("evaluate", "--report", "faces.csv"),
        ("evaluate", "--plot", "photo"),
        ("train", "--out", "faces.csv"),
        ("train", "--out", "photo"),
        ("compare", "--report", "faces.csv"),
        ("compare", "--report", "photo"),
    ],
)
def test_inputs_are_not_overwritten(place, photo, run, capsys, command, option, file):
    path = photo if file == "photo" else place / file
    before = path.read_bytes()
    model = [place / "model.skops"] if command == "evaluate" else []
    for data in ("faces.csv", *([] if file == "faces.csv" else ["faces"])):
        assert run(command, *model, place / data, option, path, "-q") == 2
        assert "is an input of this command" in capsys.readouterr().err
        assert path.read_bytes() == before


def test_same_file_for_two_outputs_is_an_error(place, run, capsys, tmp_path):
    twice = [tmp_path / "a.png", "--report", tmp_path / "x/../a.png"]
    (tmp_path / "x").mkdir()
    assert run("evaluate", place / "model.skops", place / "faces", "--plot", *twice) == 2
    assert "is also the file of --plot" in capsys.readouterr().err


def test_photo_is_not_overwritten_by_its_annotated_copy(place, photo, run, capsys):
    before = photo.read_bytes()
    for pictures in (photo, photo.parent):
        assert run("predict", pictures, "--model", place / "model.skops", "--annotate", photo.parent) == 2
        assert "would overwrite" in capsys.readouterr().err
    assert photo.read_bytes() == before


def test_copies_beside_photos_of_other_formats_are_written(place, run, capsys, tmp_path):
    Image.new("L", (16, 16), 90).save(tmp_path / "a.jpg")
    assert run("predict", tmp_path / "a.jpg", "--model", place / "model.skops", "--annotate", tmp_path, "-q") == 0
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "x.png", "--min-confidence", f"data:image/jpeg;base64,{FACE}"],
        ["predict", "x.png", f"--{FACE}"],
        ["predict", "x.png", "--model", f"data:image/jpeg;base64,{FACE}"],
        ["predict", "x.png", f"--model={FACE}"],
        ["predict", "x.png", f"--https://example.org/{FACE}?size=48"],
        ["predict", "x.png", "--format", FACE],
        ["train", f"https://example.org/{FACE}"],
        ["train", ".", f"data:,{FACE}"],
        ["evaluate", "human-emotions", FACE],
        [FACE],
        ["predict", "x.png", "--model", "\n".join(FACE[at : at + 50] for at in range(0, len(FACE), 50))],
        ["train", ".", "--labels", " ".join(FACE[at : at + 76] for at in range(0, len(FACE), 76))],
    ],
)
def test_encoded_faces_in_arguments_are_not_echoed(run, capsys, arguments):
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Error: ")
    assert len(captured.err.splitlines()) == 1
    assert FACE[:61] not in captured.err + captured.out


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_encoded_faces_passed_as_photos_are_not_echoed(place, run, capsys, form):
    pictures = [FACE, f"data:image/jpeg;base64,{FACE}", f"https://example.org/{FACE}"]
    assert run("predict", *pictures, "--model", place / "model.skops", "--format", form, "-q") == 1
    captured = capsys.readouterr()
    assert FACE[:61] not in captured.err + captured.out
