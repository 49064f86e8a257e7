"""Formats, input, annotated copies and crops of ``sk-emotion predict``."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut
from skimage.io import imread
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sk_emotion import HOGTransformer, load_pretrained, predict_faces, save_model
from sk_emotion.cli import _predict
from sk_emotion.cli._output import print_table
from sk_emotion.utils import is_copy


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


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Photo of three faces, of which the second is the largest."""
    face = Image.fromarray(astronaut()).crop((100, 0, 360, 260))
    photo = Image.new("RGB", (660, 300), (110, 120, 130))
    for left, side in ((0, 160), (180, 260), (450, 200)):
        photo.paste(face.resize((side, side)), (left, 20))
    photo.save(tmp_path / "group.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    return np.asarray(Image.open("group.jpg"))


def read_table(text):
    return pd.read_csv(io.StringIO(text), dtype={"rejected": object}).fillna({"rejected": ""})


@pytest.mark.parametrize("faces", ["largest", "all"])
def test_formats_agree(pictures, group, run, capsys, faces):
    printed = {}
    for form in ("csv", "json", "jsonl"):
        assert run("predict", "photos", "group.jpg", "--faces", faces, "--format", form, "--quiet") == 1
        printed[form] = capsys.readouterr().out
    photos = json.loads(printed["json"])
    assert [json.loads(line) for line in printed["jsonl"].splitlines()] == photos
    assert [photo["n_faces"] for photo in photos] == [1, 1, 0, 0, 3]
    assert [len(photo["faces"]) for photo in photos] == [1, 1, 0, 0, 3 if faces == "all" else 1]
    table = read_table(printed["csv"])
    assert table["picture"].drop_duplicates().tolist() == [photo["picture"] for photo in photos]
    assert dict(zip(table["picture"], table["rejected"], strict=True)) == {
        photo["picture"]: photo["rejected"] or "" for photo in photos
    }
    found = [face for photo in photos for face in photo["faces"]]
    by_face = table[table["n_faces"] > 0]
    for name in ("face", "x", "label", "confidence", "score"):
        assert by_face[name].tolist() == [face[name] for face in found]
    assert by_face["probability_pain"].tolist() == [face["probabilities"]["pain"] for face in found]


def test_table_counts_the_other_faces(group, run, capsys):
    assert run("predict", "group.jpg") == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[0:2] == ["group.jpg", "happiness"]
    assert run("predict", "group.jpg", "--min-confidence", 0.9999) == 0
    assert capsys.readouterr().out.rstrip().endswith("not confident, 1 of 3 faces")
    assert run("predict", "group.jpg", "--faces", "all") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["picture", "face", "emotion", "confidence", "remark"]
    assert [line[:2] for line in lines[1:]] == [["group.jpg", face] for face in "012"]
    assert [len(line) for line in lines[1:]] == [4, 4, 4]


def test_photo_without_a_face_has_no_face_number(pictures, run, capsys):
    assert run("predict", "photos/wall.png", "--faces", "all") == 0
    cells = capsys.readouterr().out.splitlines()[1].split()
    assert cells[1:3] == ["\N{EN DASH}", "\N{EN DASH}"] and cells[-3:] == ["no", "face", "seen"]


def test_prediction_imports_neither_torch_nor_libraries_of_pictures(group):
    code = (
        "import sys; from sk_emotion.cli import main\n"
        "try: main(['predict', 'group.jpg', '--faces', 'all'])\n"
        "except SystemExit as stopped: assert not stopped.code\n"
        "print({'torch', 'torchvision', 'skorch', 'cv2', 'skimage', 'matplotlib', 'skops'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
    assert done.stdout.count("happiness") == 3


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_rows_are_printed_while_later_photos_are_unread(pictures, run, monkeypatch, form):
    """Copies are written and rows are printed part by part; the parts do not differ from the whole."""
    photos = ["photos/astronaut.png", "photos/more/astronaut.jpg", "photos/wall.png"]

    class Output(io.StringIO):
        def write(self, text):
            n_copies.append(len(list(Path("out").iterdir())))
            return super().write(text)

    texts = []
    for part, expected in {1: {1, 2, 3}, 2: {2, 3}, 3: {3}}.items():
        n_copies = []
        monkeypatch.setattr(_predict, "_PART", part)
        monkeypatch.setattr(sys, "stdout", Output())
        assert run("predict", *photos, "--format", form, "--annotate", "out", "-q") == 0
        texts.append(sys.stdout.getvalue())
        assert set(n_copies) == expected
        for copy in Path("out").iterdir():
            copy.unlink()
    assert len(texts[0].splitlines()) == 3 + (form == "csv")
    if form == "csv":
        tables = [read_table(text) for text in texts]
        pd.testing.assert_frame_equal(tables[0], tables[2], rtol=1e-5)
        pd.testing.assert_frame_equal(tables[1], tables[2], rtol=1e-5)


def test_warning_of_every_part_is_printed_once(tmp_path, run, capsys, monkeypatch, faces):
    from sk_emotion import EmotionClassifier, networks, save_model

    X, y, _ = faces
    save_model(EmotionClassifier(networks.ResNet(width=4), max_epochs=1).fit(X, y), tmp_path / "model.skops")
    for number in range(3):
        Image.fromarray(X[number]).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(_predict, "_PART", 1)
    assert run("predict", *tmp_path.glob("*.png"), "--model", tmp_path / "model.skops") == 0
    assert capsys.readouterr().err.count("has no FaceLoader") == 1


def test_what_is_no_photo_is_passed_over_and_counted(pictures, run, capsys):
    (pictures / "photos/notes.txt").write_text("no picture")
    assert run("predict", "photos", "--annotate", "photos/out", "--crops", "photos/faces", "--json") == 1
    first = capsys.readouterr()
    words = "passed over 1 file(s) that are not images (photos/notes.txt)"
    assert first.err.count("passed over") == 1 and f"Warning: {words}.\n" in first.err
    assert run("predict", "photos", "--json") == 1
    again = capsys.readouterr()
    assert json.loads(again.out) == json.loads(first.out)
    assert f"Warning: {words} and 5 file(s) written by sk-emotion predict.\n" in again.err
    named = [path for folder in ("out", "faces") for path in (pictures / "photos" / folder).iterdir()]
    assert run("predict", *named, "photos/notes.txt", "--json", "-q") == 1
    assert [photo["picture"] for photo in json.loads(capsys.readouterr().out)] == [*map(str, named), "photos/notes.txt"]


def test_photo_on_standard_input(pictures, run, capsys, monkeypatch):
    data = (pictures / "photos/astronaut.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert run("predict", "-", "--json", "--annotate", "out") == 0
    (photo,) = json.loads(capsys.readouterr().out)
    assert (photo["picture"], photo["faces"][0]["label"]) == ("-", "happiness")
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
    assert copy.shape == photo.shape
    changed = np.argwhere((copy != photo).any(axis=2))
    # Bounds around the astronaut's face, and its tag.
    assert (changed.min(axis=0) > (30, 150)).all()
    assert (changed.max(axis=0) < (210, 330)).all()
    # Of a photo without a face, only the corner with the reason differs.
    changed = np.argwhere(imread(pictures / "out/wall.png")[..., 0] != 128)
    assert tuple(changed.min(axis=0)) == (0, 0) and changed.max(axis=0)[0] < 20


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (4000, 30)])
def test_photo_of_any_size_is_annotated(tmp_path, run, capsys, size):
    Image.new("L", size, 90).save(tmp_path / "odd.png")
    assert run("predict", tmp_path / "odd.png", "--annotate", tmp_path / "out") == 0
    with Image.open(tmp_path / "out/odd.png") as copy:
        assert copy.size == size


def measure_detail(image, box):
    """Return the mean difference of neighboring pixels inside a box."""
    x, y, width, height = map(int, box)
    inside = image[y + 8 : y + height - 8, x + 8 : x + width - 8].astype(float)
    return np.abs(np.diff(inside, axis=1)).mean()


@pytest.mark.parametrize("faces", ["largest", "all"])
def test_all_faces_are_blurred(group, run, capsys, faces):
    options = ["--faces", faces, "--format", "csv", "-q"]
    assert run("predict", "group.jpg", "--annotate", "blurred", "--blur", *options) == 0
    assert len(read_table(capsys.readouterr().out)) == (3 if faces == "all" else 1)
    assert run("predict", "group.jpg", "--annotate", "plain", *options) == 0
    blurred, plain = imread("blurred/group.png"), imread("plain/group.png")
    boxes = predict_faces(load_pretrained(engine="onnx"), ["group.jpg"], faces="all")
    for box in boxes[["x", "y", "width", "height"]].to_numpy():
        assert measure_detail(blurred, box) < 0.3 * measure_detail(group, box)
        assert measure_detail(plain, box) == pytest.approx(measure_detail(group, box))


def test_photo_without_a_face_is_named_as_not_blurred(pictures, run, capsys):
    assert run("predict", "photos/wall.png", "photos/astronaut.png", "--annotate", "out", "--blur", "-q") == 0
    assert "no face was found in 1 photo(s), whose copies are not blurred" in capsys.readouterr().err


def test_size_and_score_of_the_detection_can_be_set(group, faces, run, capsys):
    def count(*options):
        assert run("predict", "group.jpg", "--json", "-q", *options) == 0
        return json.loads(capsys.readouterr().out)[0]["n_faces"]

    assert count() == 3
    assert count("--detection-size", 40) < 3
    assert count("--min-score", 1) == 0
    save_model(make_pipeline(HOGTransformer(), LogisticRegression()).fit(*faces[:2]), "model.skops")
    assert run("predict", "group.jpg", "--model", "model.skops", "--min-score", 0.7) == 2
    assert "--min-score: this option needs a model that begins with a FaceLoader" in capsys.readouterr().err


def test_copies_of_photos_with_long_names_are_shortened(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.new("L", (90, 60), 128).save(tmp_path / folder / ("\u7b11" * 80 + ".png"))
    assert run("predict", "a", "b", "--annotate", "out", "-q") == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_blur_needs_copies_and_a_detector(pictures, faces, run, capsys):
    from sk_emotion import make_hog_svm, save_model

    assert run("predict", "photos", "--blur") == 2
    assert "--blur: this option needs --annotate" in capsys.readouterr().err
    save_model(make_hog_svm(detector=None).fit(*faces[:2]), "model.skops")
    assert run("predict", "photos", "--blur", "--annotate", "out", "--model", "model.skops") == 2
    assert "--blur: this option needs a model that detects faces" in capsys.readouterr().err


@pytest.mark.parametrize("blur", [[], ["--annotate", "out", "--blur"]])
def test_crops_show_the_faces_in_full_resolution(group, run, capsys, blur):
    assert run("predict", "group.jpg", "--crops", "faces", *blur, "--json", "-q") == 0
    assert [path.name for path in Path("faces").iterdir()] == ["group-0.png"]
    assert run("predict", "group.jpg", "--faces", "all", "--crops", "faces", *blur, "--json", "-q") == 0
    photos = [json.loads(text + "]") for text in capsys.readouterr().out.split("\n]")[:-1]]
    for face in photos[1][0]["faces"]:
        crop = imread(f"faces/group-{face['face']}.png")
        side = 1.4 * np.sqrt(face["width"] * face["height"])
        assert crop.shape == pytest.approx((side, side, 3), abs=1)
        left, top = (int(face[name] + face[size] / 2 - side / 2) for name, size in (("x", "width"), ("y", "height")))
        assert any(
            np.array_equal(crop, group[top + dy :][: len(crop), left + dx :][:, : len(crop)])
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
        )
    assert sorted(path.name for path in Path("faces").iterdir()) == [f"group-{face}.png" for face in range(3)]
    # No photo is read from the folder of crops.
    assert run("predict", "faces") == 2
    assert "no images in 'faces': passed over 3 file(s) written by sk-emotion predict" in capsys.readouterr().err


def test_copies_never_replace_a_photo(pictures, run, capsys):
    """A file of the same name that is no copy is kept, and an earlier copy is replaced."""
    kept = {}
    for name in ("astronaut.png", "astronaut-0.png"):
        Image.new("L", (20, 20), 40).save(pictures / name)
        kept[name] = (pictures / name).read_bytes()
    for _ in range(2):
        assert run("predict", "photos/more", "--annotate", ".", "--crops", ".", "-q") == 0
        assert {path.name for path in pictures.glob("*.png")} == {*kept, "astronaut (2).png", "astronaut (2)-0.png"}
        assert all((pictures / name).read_bytes() == content for name, content in kept.items())
        assert all(is_copy(path) == (path.name not in kept) for path in pictures.glob("*.png"))


def test_copies_never_replace_a_copy_that_is_read(pictures, run, capsys):
    """Copies that are named are photos: the first face of a.png may not replace a-0.png."""
    assert run("predict", "photos/more", "--annotate", "out", "-q") == 0
    kept = [pictures / "out/a.png", pictures / "out/a-0.png"]
    for path in kept:
        path.write_bytes((pictures / "out/astronaut.png").read_bytes())
    assert run("predict", *kept, "--crops", "out", "-q") == 0
    assert len({path.read_bytes() for path in kept}) == 1
    assert {path.name for path in Path("out").iterdir()} == {
        *("astronaut.png", "a.png", "a-0.png", "a (2)-0.png", "a-0-0.png"),
    }


def test_copies_of_photos_with_similar_names_do_not_collide(pictures, run, capsys):
    """The first face of a.jpg would be a-0.png, as the annotated copy of a-0.jpg."""
    for name in ("a.jpg", "a-0.jpg"):
        Image.fromarray(astronaut()).save(pictures / "photos/more" / name)
    assert run("predict", "photos/more", "--annotate", "out", "--crops", "out", "-q") == 0
    assert len(list(Path("out").iterdir())) == 6


@pytest.mark.parametrize("form", ["csv", "jsonl", "table"])
def test_bar_is_not_drawn_between_rows_on_a_terminal(pictures, run, capsys, monkeypatch, form):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run("predict", "photos/wall.png", "--format", form) == 0
    assert ("Reading the images" in capsys.readouterr().err) == (form == "table")


def test_terminal_table_has_bars_and_literal_names(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    # No colors.
    monkeypatch.setenv("TERM", "dumb")
    print_table(["picture", "share"], [["[red]a[/red].png", 0.5], ["b.png", float("nan")]], share=1)
    first, second = capsys.readouterr().out.splitlines()[-3:-1]
    assert "[red]a[/red].png" in first
    assert "0.500 ━━━━━━" in first
    assert "━" not in second
