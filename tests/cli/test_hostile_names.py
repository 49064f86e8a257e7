"""Names of files, classes and columns with control characters, formulas and markup."""

import io
import json
import os
import unicodedata

import pandas as pd
import pytest
from PIL import Image

from sk_emotion import make_faces, make_hog_svm, save_model

NAMES = [
    b"plain.png",
    b"raw\xff\xfe.png",
    b"=HYPERLINK(1).png",
    b"@sum.png",
    b"+1+1.png",
    b'-x,"quoted";\'.png',
    b"\t=1.png",
    b" =1.png",
    b"color\x1b[31m\x07.png",
    b"two\nlines\r.png",
    "right\u202eto\u2066left.png".encode(),
    "zero\u200bwidth\ufeff.png".encode(),
    "c1\x9b31m.png".encode(),
    b"<b>&amp;.png",
    b"$x$ [red]a[red].png",
    "café 快乐.png".encode(),
]


@pytest.fixture
def model(tmp_path):
    """Model file whose classes have hostile names."""
    X, _, _ = make_faces(30, image_size=16, random_state=0)
    labels = ["\x1b[1m=calm\n", "pain\u202e"] * 15
    save_model(make_hog_svm(image_size=16).fit(X, labels), tmp_path / "model.skops")
    return tmp_path / "model.skops"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    X, _, _ = make_faces(len(NAMES), image_size=16, random_state=1)
    folder = tmp_path / "photos"
    folder.mkdir()
    for face, name in zip(X, NAMES, strict=True):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            Image.fromarray(face).save(file, "PNG")
    monkeypatch.chdir(folder)
    return [os.fsdecode(name) for name in NAMES]


def is_safe(text):
    """Return whether a text has no control characters and all of it is visible."""
    return all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text)


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_control_characters_are_escaped_in_all_formats(photos, model, run, capsys, form):
    assert run("predict", "--model", model, "--format", form, "--", *photos) == 0
    printed = capsys.readouterr()
    assert is_safe(printed.out)
    assert is_safe(printed.err)
    printed.out.encode("utf-8")
    if form in ("table", "csv"):
        assert len(printed.out.splitlines()) == 1 + len(photos)
        assert r"raw\xff\xfe.png" in printed.out
        assert r"two\nlines\r.png" in printed.out
        assert "café 快乐.png" in printed.out


def test_json_preserves_names(photos, model, run, capsys):
    assert run("predict", "--model", model, "--json", "-q", "--", *photos) == 0

    def refuse(constant):
        raise AssertionError(constant)

    rows = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert [row["picture"] for row in rows] == photos
    assert {tuple(face["probabilities"]) for row in rows for face in row["faces"]} == {("\x1b[1m=calm\n", "pain\u202e")}


def test_csv_has_one_row_per_photo_and_no_formula(photos, model, run, capsys):
    assert run("predict", "--model", model, "--format", "csv", "-q", "--", *photos) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(table) == len(photos)
    for column in table.select_dtypes(exclude="number"):
        cells = [column, *table[column].dropna().astype(str)]
        assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "@", "-"))]
    assert table["picture"][2] == "'=HYPERLINK(1).png"
    assert table["confidence"].dtype.kind == "f"


def test_annotated_copies_of_photos_with_hostile_names(photos, model, run, capsys, tmp_path):
    assert run("predict", "--model", model, "--annotate", tmp_path / "out", "-q", "--", *photos) == 0
    assert set(os.listdir(os.fsencode(tmp_path / "out"))) == set(NAMES)


@pytest.mark.parametrize(
    "bad", ["no\x1b[2Jmodel", "no\nmodel", os.fsdecode(b"no\xffmodel"), "no\u202emodel", "no\tmodel"]
)
@pytest.mark.parametrize("command", [["predict", "x.png", "--model"], ["train"], ["evaluate", "human-emotions"]])
def test_errors_are_one_line_with_escaped_names(run, capsys, command, bad):
    assert run(*command, bad) == 2
    error = capsys.readouterr().err
    assert is_safe(error)
    assert len(error.splitlines()) == 1
    assert "no\\" in error


@pytest.mark.parametrize("option", ["--groups", "--label-column", "--image-column"])
def test_errors_about_tables_escape_column_names(run, capsys, tmp_path, option):
    (tmp_path / "faces.csv").write_text("im\x1bage,label\na.png,pain\n")
    assert run("train", tmp_path / "faces.csv", option, "n\x1b[31m\u202ene") == 2
    error = capsys.readouterr().err
    assert is_safe(error)
    assert len(error.splitlines()) == 1


def test_report_of_faces_with_hostile_names(photos, model, run, capsys, tmp_path):
    folder = tmp_path / "classes"
    X, _, _ = make_faces(len(NAMES), image_size=16, random_state=2)
    for number, (face, name) in enumerate(zip(X, NAMES, strict=True)):
        where = folder / ("\x1b[1m=calm\n", "pain\u202e")[number % 2]
        where.mkdir(parents=True, exist_ok=True)
        with open(os.path.join(os.fsencode(where), name), "wb") as file:
            Image.fromarray(face).save(file, "PNG")
    page = tmp_path / "report.html"
    assert run("evaluate", model, folder, "--report", page, "--plot", tmp_path / "plot.svg", "--groups", "none") == 0
    printed = capsys.readouterr()
    assert is_safe(printed.out)
    assert is_safe(printed.err)
    text = page.read_text(encoding="utf-8")
    assert is_safe(text)
    assert r"raw\xff\xfe.png" in text
    assert "&lt;b&gt;&amp;amp;.png" in text
    assert (tmp_path / "plot.svg").stat().st_size > 1000
