"""Malicious files are rejected without running code or allocating much memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_files import CANARY, COSTLY, FILES, write_files

from sk_emotion import save_model
from sk_emotion.exceptions import ModelFileError

MEMORY = 60_000_000
"""Allowed growth in bytes, in addition to eight times the size of the file."""


def make_device(path):
    path.symlink_to("/dev/zero")


PLACES = {
    "a pipe": (os.mkfifo, "not a regular file"),
    "a device": (make_device, "not a regular file"),
    "a folder": (Path.mkdir, "is a folder"),
    "a missing file": (lambda path: None, "there is no file"),
    "a broken link": (lambda path: path.symlink_to("nowhere"), "there is no file"),
}


@pytest.fixture(scope="module")
def results(trained, svm, tmp_path_factory):
    """Outcome of loading each file, by description."""
    folder = tmp_path_factory.mktemp("hostile")
    good = [folder / "net", folder / "svm"]
    for model, path in zip((trained, svm), good, strict=True):
        save_model(model, path)
    paths = write_files(folder, *[path.read_bytes() for path in good])
    for number, (what, (make, _)) in enumerate(PLACES.items()):
        paths[what] = folder / f"place {number}"
        make(paths[what])
    script = Path(__file__).with_name("load_apart.py")
    done = subprocess.run(
        [sys.executable, script, *good, "--", *good, *paths.values()], capture_output=True, text=True, check=True
    )
    lines = {line["path"]: line for line in map(json.loads, done.stdout.splitlines())}
    return {what: lines[str(path)] for what, path in {"net": good[0], "svm": good[1], **paths}.items()}


@pytest.mark.parametrize("what, message", [(what, message) for what, (_, message) in {**FILES, **PLACES}.items()])
def test_hostile_file_is_rejected_with_a_one_line_message(what, message, results):
    result = results[what]
    assert "ModelFileError" in result["kinds"], result
    with pytest.raises(ModelFileError, match=message):
        raise ModelFileError(result["error"])
    assert result["path"] in result["error"]
    assert "\n" not in result["error"] and len(result["error"]) < 800


@pytest.mark.parametrize("what", {**FILES, **PLACES})
def test_message_and_traceback_are_short_and_have_no_control_characters(what, results):
    result = results[what]
    # 200 characters of content, and 300 of other text.
    assert len(result["error"]) - len(result["path"]) < 200 + 300
    assert result["shown"].replace("\n", "").isprintable()
    assert len(result["shown"]) < 6_000


@pytest.mark.parametrize("what", {**FILES, **PLACES, **COSTLY})
def test_hostile_file_runs_no_code_and_opens_no_files(what, results):
    assert results[what]["seen"] == []
    assert not CANARY.exists()


@pytest.mark.parametrize("what", {**FILES, **PLACES, **COSTLY})
def test_hostile_file_needs_little_memory(what, results):
    path = Path(results[what]["path"])
    size = path.stat().st_size if path.is_file() else 0
    assert results[what]["grown"] < MEMORY + 8 * size, results[what]


@pytest.mark.parametrize("what", COSTLY)
def test_costly_file_is_loaded_or_rejected(what, results):
    result = results[what]
    assert "ModelFileError" in result["kinds"] or result["error"].startswith("loaded "), result


@pytest.mark.parametrize("what", ["net", "svm"])
def test_valid_files_are_loaded_under_the_same_audit(what, results):
    assert results[what]["error"].startswith("loaded ")
    assert results[what]["seen"] == []
