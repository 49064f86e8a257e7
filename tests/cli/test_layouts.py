"""Data sets with labels in file names, codes or lists."""

import json

import pandas as pd
import pytest

from sk_emotion import load_model

CODES = {"FEAR": "1", "HAPPINESS": "2", "PAIN": "3"}
EMOTIONS = "1=fear,2=happy,3=pain"
QUICK = ["--model", "hog-svm", "--detector", "none", "--validation", "0", "--image-size", "32", "--json", "--quiet"]


@pytest.fixture
def paths(folder):
    """Move all photos into one folder, with the emotion as a code in the file name."""
    moved = [
        path.rename(folder / f"{path.stem}.{CODES[path.parent.name]}.png") for path in sorted(folder.rglob("*.jfif"))
    ]
    for name in CODES:
        (folder / name).rmdir()
    return moved


def write_list(file, paths, sep, header=None):
    lines = [sep.join([path.name, path.suffixes[-2][1:], "ABB"[number % 3]]) for number, path in enumerate(paths)]
    # The names contain spaces.
    lines = [f'"{path.name}"{line.removeprefix(path.name)}' for path, line in zip(paths, lines, strict=True)]
    file.write_text("\n".join([*([header] if header else []), *lines]) + "\n")
    return file


def train(run, capsys, tmp_path, *arguments):
    assert run("train", *arguments, "--out", tmp_path / "model.skops", *QUICK) == 0
    return json.loads(capsys.readouterr().out)


def test_labels_from_file_names(folder, paths, tmp_path, run, capsys):
    where = ["--label", r"\.(\d)\.png$", "--labels", EMOTIONS]
    assert train(run, capsys, tmp_path, folder, *where)["classes"] == ["fear", "happiness", "pain"]
    assert run("evaluate", tmp_path / "model.skops", folder, *where, "--json") == 0
    assert json.loads(capsys.readouterr().out)["n"] == 36
    assert load_model(tmp_path / "model.skops").predict([str(paths[0])])[0] in ("fear", "happiness", "pain")


@pytest.mark.parametrize(
    ("sep", "options"),
    [
        (" ", ["--sep", " ", "--image-column", "0", "--label-column", "1"]),
        (" ", ["--sep", " "]),
        ("\t", ["--sep", r"\t", "--label-column", "1"]),
        ("|", ["--sep", "|", "--groups", "2"]),
        (",", []),
    ],
)
def test_list_without_header(folder, paths, tmp_path, run, capsys, sep, options):
    file = write_list(tmp_path / "list.txt", paths, sep)
    trained = train(run, capsys, tmp_path, file, "--no-header", "--root", folder, "--labels", EMOTIONS, *options)
    assert trained["classes"] == ["fear", "happiness", "pain"] and trained["n_train"] == 36


def test_codes_without_a_class_are_dropped_and_columns_stay_aligned(folder, paths, tmp_path, run, capsys):
    file = write_list(tmp_path / "faces.csv", paths, ",", "image,label,ward")
    where = ["--root", folder, "--labels", "1=,2=happy,3=pain"]
    assert train(run, capsys, tmp_path, file, *where)["classes"] == ["happiness", "pain"]
    assert run("evaluate", tmp_path / "model.skops", file, *where, "--by", "ward", "--json") == 0
    judged = json.loads(capsys.readouterr().out)
    frame = pd.read_csv(file)
    wards = frame.loc[frame["label"] != 1, "ward"]
    assert judged["n"] == len(wards)
    printed = {str(part["value"]): part["images"] for part in judged["per_group"]}
    assert printed == {str(ward): int((wards == ward).sum()) for ward in set(wards)}


@pytest.mark.parametrize("labels", ["1", "=fear", "1=fear,1=pain", "1=fear=pain", "", "1=fear,,2=pain"])
def test_invalid_mapping_of_labels_is_an_error(folder, run, capsys, labels):
    assert run("compare", folder, "--labels", labels) == 2
    assert "each name once" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", [["train"], ["compare"], ["evaluate", "human-emotions"]])
@pytest.mark.parametrize("option", [["--sep", ";"], ["--root", "."], ["--no-header"]])
def test_option_of_tables_is_an_error_for_a_folder(folder, run, capsys, command, option):
    assert run(*command, folder, *option) == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert option[0] in printed and "this option needs a CSV file" in printed


@pytest.mark.parametrize("command", ["train", "compare"])
@pytest.mark.parametrize(
    "option", [["--label", "(a)"], ["--labels", "1=fear"], ["--sep", ";"], ["--root", "."], ["--no-header"]]
)
def test_option_of_data_is_an_error_without_data(run, capsys, command, option):
    assert run(command, *option) == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert f"for {option[0]}: " in printed and "but no DATA was passed" in printed


def test_pattern_is_an_error_for_a_table(folder, paths, tmp_path, run, capsys):
    file = write_list(tmp_path / "faces.csv", paths, ",", "image,label,ward")
    assert run("compare", file, "--label", "(a)") == 2
    assert "this option needs a folder" in " ".join(capsys.readouterr().err.split())


def test_duplicate_column_is_an_error(folder, paths, tmp_path, run, capsys):
    file = write_list(tmp_path / "faces.csv", paths, ",", "image,label,label")
    assert run("evaluate", "human-emotions", file, "--root", folder, "--labels", EMOTIONS) == 2
    assert "has the column 'label' 2 times" in " ".join(capsys.readouterr().err.split())
    assert run("evaluate", "human-emotions", file, "--by", "label") == 2
    assert "several columns 'label'" in " ".join(capsys.readouterr().err.split())
