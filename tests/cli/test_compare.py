import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

QUICK = ["--epochs", "1", "--cv", "2", "--width", "4"]


def test_folder_is_compared_and_reported(folder, tmp_path, capsys, run):
    assert run("compare", folder, "--report", tmp_path / "report.html", *QUICK) == 0
    captured = capsys.readouterr()
    assert "macro F1" in captured.out
    assert "HOG+SVM" in captured.out
    assert "chance" in captured.out
    assert "36 images: fear 12, happiness 12, pain 12" in captured.err
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_quiet_prints_only_the_table(folder, capsys, run):
    assert run("compare", folder, "--quiet", *QUICK) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "HOG+SVM" in captured.out


def test_binary_question(folder, capsys, run):
    assert run("compare", folder, "--binary", "Pain", *QUICK) == 0
    captured = capsys.readouterr()
    assert "pain 12" in captured.err
    assert "2 classes" in captured.out
    assert "one vs rest" not in captured.out


def test_table_with_groups(folder, tmp_path, capsys, run):
    paths = sorted(folder.rglob("*.jfif"))
    table = pd.DataFrame(
        {"file": paths, "emotion": [path.parent.name for path in paths], "person": np.arange(len(paths)) % 6}
    )
    table.to_csv(tmp_path / "faces.csv", index=False)
    columns = ["--image-column", "file", "--label-column", "emotion", "--groups", "person"]
    assert run("compare", tmp_path / "faces.csv", *columns, *QUICK) == 0
    assert "3 classes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "no/such/folder"], "no/such/folder"),
        (["compare", "--detector", "haar"], "haar"),
        (["compare", "--report", "no/such/folder/report.html"], "no/such/folder"),
        (["compare", "--binary", "boredom"], "boredom"),
    ],
)
def test_invalid_arguments_are_an_error_without_traceback(arguments, message, capsys, run):
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_single_class_is_an_error(folder, capsys, run):
    for emotion in ("PAIN", "FEAR"):
        for path in (folder / emotion).iterdir():
            path.unlink()
        (folder / emotion).rmdir()
    assert run("compare", folder) == 2
    error = capsys.readouterr().err
    assert "happiness" in error
    assert len(error.strip().splitlines()) == 1


def test_help_and_version_do_not_import_torch(run):
    code = (
        "import sys; from sk_emotion.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'skimage', 'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    version = subprocess.run([sys.executable, "-m", "sk_emotion", "--version"], capture_output=True, text=True)
    assert version.stdout.startswith("sk-emotion 0.")


def test_damaged_image_of_a_table_is_left_out_with_a_warning(folder, tmp_path, capsys, run):
    paths = sorted(folder.rglob("*.jfif"))
    paths[0].write_bytes(b"no picture")
    table = pd.DataFrame({"image": paths, "label": [path.parent.name for path in paths]})
    table.to_csv(tmp_path / "faces.csv", index=False)
    assert run("compare", tmp_path / "faces.csv", "--quiet", *QUICK) == 0
    captured = capsys.readouterr()
    assert "Warning: 1 of 36 images cannot be read" in captured.err
    assert paths[0].name in captured.err
    assert "HOG+SVM" in captured.out


def test_json(folder, capsys, run):
    assert run("compare", folder, "--json", "--quiet", *QUICK) == 0
    result = json.loads(capsys.readouterr().out)
    assert {row["estimator"] for row in result["folds"]} == {"CNN", "HOG+SVM"}
    assert result["tests"][0]["p"] == result["tests"][0]["p_holm"]


def test_warning_of_left_out_files_comes_before_an_error_in_labels(folder, capsys, run):
    (folder / "PAIN" / "damaged.jpg").write_bytes(b"no picture")
    assert run("compare", folder, "--binary", "boredom") == 2
    error = capsys.readouterr().err
    line = next(line for line in error.splitlines() if "damaged.jpg" in line)
    assert line.startswith("Warning: load_face_folder")


def test_warnings_are_printed_without_source_code():
    code = (
        "import warnings; from sk_emotion.cli import app, main\n"
        "@app.command()\ndef warn(): warnings.warn('of a\\nlibrary', stacklevel=1)\n"
        "main(['warn'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "Warning: of a library\n"


def test_unwritable_report_is_an_error_before_training(tmp_path, capsys, run):
    assert run("compare", "--report", tmp_path) == 2
    assert "--report" in capsys.readouterr().err
