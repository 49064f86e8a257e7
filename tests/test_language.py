"""The package and its pages are written in plain American English."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLACES = ["sk_emotion", "docs", "examples", "benchmarks", *(path.name for path in ROOT.glob("*.md"))]
# What `make docs` and the examples write.
GENERATED = {"_build", "api", "gallery", "demo", "results", "__pycache__"}
TEXT = {".py", ".pyi", ".md", ".rst", ".html", ".css", ".js"}

# In imbalanced-learn and Python.
NAMES_OF_OTHERS = "_edited_nearest_neighbours|EditedNearestNeighbours|CancelledError"

# Whole words, also as parts of identifiers; `are None` is code.
WORDS = {
    "told": r"(?i:told)",
    "alike": r"(?i:alike)",
    "whoever": r"(?i:whoever)",
    "gone on with": r"(?i:gone on with)",
    "are none": r"(?i:are) none",
    "said to be": r"(?i:said to be)",
    "Give at the beginning of a sentence": "Gives?",
}


def list_files():
    for place in PLACES:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.suffix in TEXT and not GENERATED & {*file.relative_to(ROOT).parts}:
                yield file


def find(pattern, text):
    """Return the line numbers where whole words match, also across lines of a comment."""
    words = pattern.replace(" ", r"\s+(?:#\s*)?")
    found = re.finditer(rf"(?<![A-Za-z]){words}(?![A-Za-z])", text)
    return [text.count("\n", 0, match.start()) + 1 for match in found]


def test_words_are_found_in_prose_and_identifiers():
    text = "x.\nGive it. He was told.\nAlike, as_if_told = 1  # these are\n# none, and those are None\ngives retold"
    assert {word: find(pattern, text) for word, pattern in WORDS.items()} == {
        "told": [2, 3],
        "alike": [3],
        "whoever": [],
        "gone on with": [],
        "are none": [3],
        "said to be": [],
        "Give at the beginning of a sentence": [2],
    }


@pytest.mark.parametrize("word", WORDS)
def test_word_is_not_used(word):
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in list_files()
        for line in find(WORDS[word], file.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_spelling_is_american():
    pytest.importorskip("codespell_lib")
    # Letters only, so that the parts of snake_case and CamelCase names are words.
    options = ["--builtin", "en-GB_to_en-US", "--regex", "[A-Z]?[a-z]+|[A-Z]+", "--ignore-regex", NAMES_OF_OTHERS]
    command = [sys.executable, "-m", "codespell_lib", *options, *map(str, list_files())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert not done.stdout, done.stdout.replace(f"{ROOT}/", "")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("tool", ["ruff", "codespell"])
def test_pre_commit_uses_the_pinned_version(tool):
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    version = re.search(rf"/{tool}(?:-pre-commit)?\n\s*rev: v(\S+)", hooks)[1]
    for file in ("pyproject.toml", "constraints.txt"):
        assert f"{tool}=={version}" in (ROOT / file).read_text(encoding="utf-8")
