"""The code of README and docs runs as it stands."""

import re
from pathlib import Path

import pytest
from matplotlib import pyplot as plt
from PIL import Image
from skimage.data import astronaut

from sk_emotion import make_faces

ROOT = Path(__file__).parents[1]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


def run_code(path):
    """Run the Python blocks of a page one after the other; give their names."""
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert blocks
    names = {}
    for block in blocks:
        exec(compile(block, path.name, "exec"), names)
    return names


def test_recipes_run(here, capsys):
    names = run_code(ROOT / "docs" / "recipes.md")
    assert names["point"].specificity >= 0.9
    printed = capsys.readouterr().out
    assert "Why they differ" in printed
    assert "Holm-adjusted for the 3 pairs" in printed
    assert (here / "pain.skops").exists()
    assert (here / "report.png").exists()


def test_readme_runs_on_a_folder_of_photos(here, capsys):
    X, y, _ = make_faces(30, emotions=["happiness", "pain", "sadness"], image_size=48, random_state=0)
    for number, (face, emotion) in enumerate(zip(X, y, strict=True)):
        (here / "my_faces" / emotion).mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(here / "my_faces" / emotion / f"{number}.png")
    for name in ("photo.jpg", "another.png"):
        Image.fromarray(astronaut()).save(here / name)
    names = run_code(ROOT / "README.md")
    assert "HOG+SVM" in capsys.readouterr().out
    assert names["search"].best_score_ >= 0
    assert (here / "report.html").exists()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", "docs/recipes.md"])
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    for link in links:
        if not link.startswith("http"):
            assert (ROOT / page).parent.joinpath(link).exists(), link
