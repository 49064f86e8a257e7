"""A few hundred damaged images; tests/soak/fuzz_pictures.py runs for as long as requested."""

import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

pytest.importorskip("resource", reason="it is of POSIX")

_FUZZ = runpy.run_path(str(Path(__file__).parents[1] / "soak" / "fuzz_pictures.py"))
_FILES = _FUZZ["make_files"]()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    _FUZZ["make_folder"](folder, _FILES)
    return folder


def test_whole_files_are_decoded(folder):
    assert set(_FUZZ["read_files"](list(_FILES.values()), folder)) == {"decoded"}


@given(rng=st.randoms(use_true_random=True), number=st.integers(0, 3))
@settings(max_examples=100, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
def test_damaged_images_raise_only_errors_of_this_library(folder, rng, number):
    pictures = [_FUZZ["mutate"](_FILES, rng) for _ in range(8)]
    assert len(_FUZZ["read_handful"](pictures, number, folder)) == 8


def test_damaged_images_take_little_memory_and_time(tmp_path):
    script = Path(__file__).parents[1] / "soak" / "fuzz_pictures.py"
    command = [sys.executable, script, "--count", "500", "--seed", "1", "--keep", tmp_path / "escapes"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "seed 1: 504 inputs" in done.stdout and " 0 escapes" in done.stdout


def test_harness_detects_unexpected_errors():
    for action in (lambda: 1 / 0, lambda: warnings.warn("as of Pillow", UserWarning, stacklevel=1)):
        with pytest.raises(_FUZZ["EscapeError"]):
            _FUZZ["_watch"](action)
