"""Run the examples in an empty folder, with one epoch, on synthetic faces and on photos.

`make docs` runs them in full.
"""

import re
import runpy
import sys
from pathlib import Path

import pytest
from matplotlib import pyplot as plt
from PIL import Image

from sk_emotion import make_faces

EXAMPLES = Path(__file__).parents[1] / "examples"
# `make demo` runs the demo.
SHOWN = {
    "custom_loss.py": ["majority focal loss", "votes    cross-entropy", "cross-entropy with the votes"],
    "custom_network.py": ["separable", "VGG", "Loaded: "],
    "final_project_binary.py": ["F1 (pain)", "Why they differ", "equalized test set", "new_photo.png"],
    "final_project_multiclass.py": ["macro F1", "ROC AUC", "HOG+SVM, for comparison", "new_photo.png"],
    "grid_search.py": ["CNN: 4 candidates", "HOG+SVM: 8 candidates", "On the test set: macro F1"],
    "photos_and_clinical_columns.py": ["numbers ROC AUC 0.", "both    ROC AUC 0.", "faceembedding__faceembedding0"],
    "subject_wise_evaluation.py": ["people known", "people new", "95% interval by people"],
}


@pytest.fixture
def run_example(tmp_path, monkeypatch, capsys):
    """Return a function that runs an example in an empty folder, with one epoch, and returns its output."""

    def run(name, *arguments):
        shorter = tmp_path / "example" / name
        shorter.parent.mkdir()
        code = (EXAMPLES / name).read_text(encoding="utf-8")
        shorter.write_text(re.sub(r"max_epochs(=|\W+)\d+", r"max_epochs\g<1>1", code), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(shorter), run_name="__main__")
        return capsys.readouterr().out

    yield run
    plt.close("all")


@pytest.mark.parametrize("name", SHOWN)
def test_example_runs_on_synthetic_faces(name, run_example, tmp_path):
    printed = run_example(name)
    for expected in SHOWN[name]:
        assert expected in printed
    pictures = sorted(path.name for path in tmp_path.rglob("*.png"))
    assert pictures == {
        "final_project_binary.py": ["binary_report.png", "binary_training_curves.png", "new_photo.png"],
        "final_project_multiclass.py": ["new_photo.png", "report.png", "training_curves.png"],
    }.get(name, [])


# So few photos cause a warning.
@pytest.mark.filterwarnings("ignore:EmotionReport. Fewer than 20:sk_emotion.exceptions.DatasetWarning")
@pytest.mark.parametrize("name", ["final_project_binary.py", "final_project_multiclass.py"])
def test_final_project_runs_on_a_folder_of_photos(name, run_example, tmp_path):
    X, y, _ = make_faces(60, emotions=["happiness", "pain", "sadness"], image_size=64, random_state=0)
    for number, (face, emotion) in enumerate(zip(X, y, strict=True)):
        (tmp_path / "my faces" / emotion).mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(tmp_path / "my faces" / emotion / f"{number}.jpg")
    photo = tmp_path / "new.jpg"
    Image.fromarray(X[0]).resize((300, 200)).save(photo)
    assert str(photo) in run_example(name, tmp_path / "my faces", photo)


def test_all_examples_are_short_and_are_run():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {*SHOWN, "compare_cnn_and_hog.py"}
    for name in names:
        assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= 60, name
