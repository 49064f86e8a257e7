"""Run the Python and shell code of the page of public data sets on small data sets with the same layout."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sk_emotion import make_faces
from sk_emotion.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "guide" / "data_sets.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE))
FER = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
FER_PLUS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
CODES = {"AF": "fear", "AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "NE": "neutral"} | {
    "SA": "sadness",
    "SU": "surprise",
}
FACES = make_faces(60, image_size=48, random_state=0)[0]
QUICK = ["--model", "hog-svm", "--detector", "none", "--validation", "0", "--image-size", "32", "--quiet"]


class Writer:
    """Writer of a different face on each call."""

    def __init__(self):
        self.n_written = 0

    def __call__(self, path):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.n_written += 1
        Image.fromarray(FACES[self.n_written % len(FACES)]).save(path)


def lay_out_fer2013(write):
    usages = ["Training"] * 14 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
    rows = [f"{row % 7},{' '.join(map(str, FACES[row].ravel()))},{usage}" for row, usage in enumerate(usages)]
    Path("fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    for number, name in enumerate(["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"] * 2):
        write(f"fer2013/train/{name}/Training_{number}.jpg")
        write(f"fer2013/test/{name}/PrivateTest_{number}.jpg")
    return {"faces": [sorted(FER * 2)] * 2}


def lay_out_fer_plus(write):
    lay_out_fer2013(write)
    columns = [*FER_PLUS, "unknown", "NF"]
    lines = [f"Usage,Image name,{','.join(columns)}"]
    for row in range(28):
        votes = dict.fromkeys(columns, 0) | {FER_PLUS[row % 8]: 7, "unknown": 3}
        if row == 3:
            votes = dict.fromkeys(columns, 0) | {"NF": 10}
        if row == 4:
            votes = dict.fromkeys(columns, 1)
        usage = "Training" if row < 14 else "PublicTest" if row < 21 else "PrivateTest"
        lines.append(f"{usage},fer{row:07d}.png,{','.join(map(str, votes.values()))}")
    Path("fer2013new.csv").write_text("\n".join(lines) + "\n")
    return {"faces": [sorted(FER * 4)], "y": [FER_PLUS[row % 8] for row in range(14) if row not in (3, 4)]}


def lay_out_ck(write):
    for number, person in enumerate(["S005", "S010", "S011"] * 2):
        sequence = f"{person}/{number:03d}"
        stem = f"{person}_{number:03d}_0000000"
        for frame in (1, 2, 3):
            write(f"CK+/cohn-kanade-images/{sequence}/{stem}{frame}.png")
        folder = Path("CK+/Emotion", sequence)
        folder.mkdir(parents=True)
        if number:
            (folder / f"{stem}3_emotion.txt").write_text(f"   {number}.0000000e+00\n")
    for name in ("anger", "contempt", "happy"):
        for person in ("S005", "S010"):
            write(f"CK+48/{name}/{person}_001_00000011.png")
    sequences = ["anger", "contempt", "disgust", "fear", "happiness"]
    classes = ["anger", "anger", "contempt", "contempt", "happiness", "happiness"]
    return {"faces": [sequences, classes], "persons": {"S005", "S010"}}


def lay_out_jaffe(write):
    for person in ("KA", "NA"):
        for number, code in enumerate(["AN", "DI", "FE", "HA", "NE", "SA", "SU"]):
            write(f"jaffe/{person}.{code}1.{number}.tiff")
    Path("jaffe/README").write_text("The images are described in a paper.\n")
    labels = [CODES[code] for code in ["AN", "DI", "FE", "HA", "NE", "SA", "SU"]]
    return {"faces": [sorted(labels * 2)], "persons": {"KA", "NA"}}


def lay_out_kdef(write):
    for session in ("AF01", "BF01", "AM02"):
        for code in ("AF", "AN", "DI", "HA", "NE", "SA", "SU"):
            write(f"KDEF_and_AKDEF/KDEF/{session}/{session}{code}S.JPG")
    write("KDEF_and_AKDEF/KDEF/AM02/AM02ANFL.JPG")
    labels = [CODES[code] for code in ["AF", "AN", "DI", "HA", "NE", "SA", "SU"] * 3]
    return {"faces": [sorted([*labels, "anger"])], "persons": {"F01", "M02"}}


def lay_out_raf(write):
    lines = []
    for number in range(1, 15):
        name = f"{'train' if number < 11 else 'test'}_{number:05d}"
        write(f"basic/Image/original/{name}.jpg")
        write(f"basic/Image/aligned/{name}_aligned.jpg")
        write(f"DATASET/train/{number % 7 + 1}/train_{number:05d}_aligned.jpg")
        write(f"DATASET/test/{number % 7 + 1}/test_{number:04d}_aligned.jpg")
        lines.append(f"{name}.jpg {number % 7 + 1}\n")
    Path("basic/EmoLabel").mkdir()
    Path("basic/EmoLabel/list_patition_label.txt").write_text("".join(lines))
    return {"faces": [sorted(FER * 2)] * 3}


def lay_out_affectnet(write):
    lines = ["subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"]
    Path("train_set/annotations").mkdir(parents=True)
    for number in range(16):
        write(f"train_set/images/{number}.jpg")
        np.save(f"train_set/annotations/{number}_exp.npy", str(number % 8))
        np.save(f"train_set/annotations/{number}_val.npy", "0.1")
        write(f"Manually_Annotated_Images/103/{number:040x}.jpg")
        lines.append(f"103/{number:040x}.jpg,10,10,40,40,1;2;3,{number % 11},0.1,0.2\n")
    Path("training.csv").write_text("".join(lines))
    names = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
    return {"faces": [sorted(names * 2), sorted([*names, *names[:5]])]}


LAYOUTS = {
    "FER2013": lay_out_fer2013,
    "FER+": lay_out_fer_plus,
    "CK+": lay_out_ck,
    "JAFFE": lay_out_jaffe,
    "KDEF": lay_out_kdef,
    "RAF-DB": lay_out_raf,
    "AffectNet": lay_out_affectnet,
}


def find_blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", LAYOUTS)
def test_code_of_data_set_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    expected = LAYOUTS[name](Writer())
    names, loaded = {}, []
    for block in find_blocks(PAGE.partition("## ")[0], "python") + find_blocks(SECTIONS[name], "python"):
        exec(compile(block, "data_sets.md", "exec"), names)
        if "faces = " in block:
            loaded.append(sorted(names["faces"].target))
    assert loaded == expected["faces"]
    if "persons" in expected:
        assert set(names["faces"].groups) == expected["persons"]
    if "y" in expected:
        assert names["y"].tolist() == expected["y"]
        assert len(names["X"]) == len(names["groups"]) == len(expected["y"])
    commands = "".join(find_blocks(SECTIONS[name], "sh")).replace("\\\n", " ").strip().splitlines()
    assert commands
    for command in commands:
        program, verb, *arguments = shlex.split(command)
        assert program == "sk-emotion"
        with pytest.raises(SystemExit) as stopped:
            main([verb, *arguments, *(QUICK if verb == "train" else ["--quiet"])])
        printed = capsys.readouterr()
        assert stopped.value.code == 0, printed.err
        assert "Warning" not in printed.err


def test_all_data_sets_of_the_page_are_tested():
    assert set(SECTIONS) == set(LAYOUTS)
