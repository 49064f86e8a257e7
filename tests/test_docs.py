"""Run the code of README and docs, with fewer epochs and a free dashboard port."""

import re
import sys
from importlib import import_module
from inspect import ismodule
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib import pyplot as plt
from PIL import Image
from skimage.data import astronaut

import sk_emotion
from sk_emotion import EmotionClassifier, make_faces

ROOT = Path(__file__).parents[1]
GUIDE = [
    *("balance", "cluster", "compare", "deploy", "explain", "judge", "larger_than_memory", "load", "many_gpus"),
    *("search", "several_faces", "train"),
]
PAGES = ["index.md", "install.md", "tour.md", "responsible_use.md", *(f"guide/{name}.md" for name in GUIDE)]
NEEDED = {
    "guide/cluster.md": "distributed",
    "guide/deploy.md": "onnxruntime",
    "guide/larger_than_memory.md": "zarr",
    "guide/many_gpus.md": "accelerate",
}
SHOWN = {
    "guide/compare.md": ["Holm-adjusted for the 3 pairs"],
    "guide/deploy.md": ["['happiness']"],
    "guide/judge.md": ["Why they differ"],
    "guide/several_faces.md": ["4 faces", "1280 144 faces"],
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Empty working directory, in which networks are trained for one epoch by default."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(EmotionClassifier.__init__.__kwdefaults__, "max_epochs", 1)
    yield tmp_path
    plt.close("all")


def run_code(path):
    """Run the Python blocks of a page in order, with one epoch and at most three folds; return their namespace.

    The dashboard of a cluster uses any free port, since the default may be in use.
    """
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert blocks
    names = {}
    for block in blocks:
        code = re.sub(r"max_epochs=\d+", "max_epochs=1", block)
        code = re.sub(r"cv=[4-9]", "cv=3", code)
        code = code.replace("LocalCluster(", "LocalCluster(dashboard_address=':0', ")
        exec(compile(code, path.name, "exec"), names)
    return names


class Camera:
    """Replacement for ``cv2.VideoCapture``, which is not installed; returns two BGR frames."""

    def __init__(self, device):
        self.frames = [astronaut()[..., ::-1]] * 2

    def read(self):
        return (True, self.frames.pop()) if self.frames else (False, None)

    def release(self):
        pass


def draw_photos(folder, n_photos=30):
    """Fill a folder with synthetic faces, one subfolder per emotion."""
    X, y, _ = make_faces(n_photos, emotions=["happiness", "pain", "sadness"], image_size=48, random_state=0)
    for number, (face, emotion) in enumerate(zip(X, y, strict=True)):
        (folder / emotion).mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(folder / emotion / f"anna_{number}.png")


@pytest.mark.parametrize("page", PAGES)
def test_code_of_page_runs(here, page, capsys, monkeypatch):
    if page in NEEDED:
        pytest.importorskip(NEEDED[page])
    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(VideoCapture=Camera))
    draw_photos(here / "my_faces")
    names = run_code(ROOT / "docs" / page)
    printed = capsys.readouterr().out
    for expected in SHOWN.get(page, []):
        assert expected in printed
    if page == "guide/judge.md":
        assert names["point"].specificity >= 0.9
        assert (here / "report.png").exists()


def test_all_pages_with_code_are_run():
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    with_code = {page for page in pages if "```python" in (ROOT / "docs" / page).read_text(encoding="utf-8")}
    # test_data_sets_page.py runs the page of public data sets.
    assert {*PAGES, "guide/data_sets.md"} == with_code


def test_all_public_names_are_in_the_api_reference(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    places = import_module("public_names").find_places()
    assert places["EmotionClassifier"] == "sk_emotion.EmotionClassifier"
    assert places["LabelError"] == "sk_emotion.exceptions.LabelError"
    modules = [sk_emotion, *(getattr(sk_emotion, name) for name in sk_emotion.__all__)]
    for module in filter(ismodule, modules):
        for name in getattr(module, "__all__", []):
            assert name in places or name.startswith("_") or ismodule(getattr(module, name)), name


@pytest.mark.filterwarnings("ignore:compare_classifiers. Fewer than 20:sk_emotion.exceptions.DatasetWarning")
def test_readme_runs_on_a_folder_of_photos(here, capsys):
    draw_photos(here / "my_faces", n_photos=18)
    for name in ("photo.jpg", "another.png", "group.jpg"):
        Image.fromarray(astronaut()).save(here / name)
    names = run_code(ROOT / "README.md")
    assert "HOG+SVM" in capsys.readouterr().out
    assert names["search"].best_score_ >= 0
    assert (here / "report.html").exists()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_links_exist(page):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    for link in links:
        if not link.startswith("http"):
            assert (ROOT / page).parent.joinpath(link).exists(), link


def test_paths_of_contributing_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(
        r"`([\w.-]+/[\w./-]*|[\w.-]+\.(?:md|cff|yaml|txt))`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    )
    assert "sk_emotion/networks/" in paths
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert missing == []


def test_map_of_contributing_names_every_room():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawing = set(re.findall(r"\w+", re.search(r"```text\n(.*?)```", text, flags=re.DOTALL)[1]))
    package = ROOT / "sk_emotion"
    rooms = {path.stem for path in package.glob("*") if path.suffix in ("", ".py")} - {
        "__init__",
        "__main__",
        "__pycache__",
    }
    assert rooms <= drawing
