"""The examples run as they stand, in an empty folder, on drawn faces; the final project on a folder of photos too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sk_emotion import make_faces

EXAMPLES = Path(__file__).parents[1] / "examples"
# The demo is run by `make demo`.
SHOWN = {
    "custom_network.py": ["separable", "VGG", "Loaded: "],
    "final_project_binary.py": ["F1 (pain)", "Why they differ", "equalised test set", "new_photo.png"],
    "final_project_multiclass.py": ["macro F1", "ROC AUC", "HOG+SVM, for comparison", "new_photo.png"],
    "grid_search.py": ["CNN: 4 candidates", "HOG+SVM: 8 candidates", "On the test set: macro F1"],
    "subject_wise_evaluation.py": ["people known", "people new", "95 % interval by people"],
}


def run_example(name, folder, *arguments, warnings="error::UserWarning"):
    """Run an example in a folder; give what it prints."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    # One thread, since tests run side by side.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": warnings}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SHOWN)
def test_example_runs_on_drawn_faces(name, tmp_path):
    printed = run_example(name, tmp_path)
    for expected in SHOWN[name]:
        assert expected in printed
    pictures = sorted(path.name for path in tmp_path.rglob("*.png"))
    assert pictures == {
        "final_project_binary.py": ["binary_report.png", "binary_training_curves.png", "new_photo.png"],
        "final_project_multiclass.py": ["new_photo.png", "report.png", "training_curves.png"],
    }.get(name, [])


@pytest.mark.parametrize("name", ["final_project_binary.py", "final_project_multiclass.py"])
def test_final_project_runs_on_a_folder_of_photos(name, tmp_path):
    X, y, _ = make_faces(60, emotions=["happiness", "pain", "sadness"], image_size=64, random_state=0)
    for number, (face, emotion) in enumerate(zip(X, y, strict=True)):
        (tmp_path / "my faces" / emotion).mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(tmp_path / "my faces" / emotion / f"{number}.jpg")
    photo = tmp_path / "new.jpg"
    Image.fromarray(X[0]).resize((300, 200)).save(photo)
    # So few photos are warned of.
    assert str(photo) in run_example(name, tmp_path, tmp_path / "my faces", photo, warnings="default")


def test_every_example_is_short_and_is_run():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {*SHOWN, "compare_cnn_and_hog.py"}
    for name in names:
        assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= 60, name
