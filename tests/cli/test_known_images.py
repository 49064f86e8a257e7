"""Train a model in the shell, and evaluate it on the images that it was trained on."""

import json
import shutil

import pytest
from PIL import Image

from sk_emotion import load_model

pytestmark = pytest.mark.training


@pytest.fixture
def trained(folder, run, tmp_path, capsys):
    model = tmp_path / "model.skops"
    assert run("train", folder, "--model", "hog-svm", "--image-size", 24, "--out", model, "--quiet") == 0
    capsys.readouterr()
    return model


def evaluate(run, capsys, *arguments):
    assert run("evaluate", *arguments, "--json", "--quiet") == 0
    return json.loads(capsys.readouterr().out)["caveats"]


def test_evaluate_counts_images_of_training_and_validation(trained, folder, run, capsys):
    caveats = evaluate(run, capsys, trained, folder)
    images = load_model(trained)[-1].training_images_
    n_trained, n_validated = len(images.training.pixels), len(images.validation.pixels)
    assert n_trained + n_validated == 36 and n_trained > 2 * n_validated > 0
    assert caveats[0].startswith(f"{n_trained} of 36 images were trained on, so scores are too high")
    assert caveats[1].startswith(f"{n_validated} of 36 images were used to validate the model")


def test_text_says_it_too(trained, folder, run, capsys):
    assert run("evaluate", trained, folder, "--quiet") == 0
    assert "of 36 images were trained on" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("question", [[], ["--binary", "pain"]])
def test_renamed_images_are_known(question, trained, folder, run, capsys, tmp_path):
    for number, path in enumerate(sorted(folder.rglob("*.jfif"))):
        target = tmp_path / "others" / path.parent.name / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert "of 36 images were trained on" in evaluate(run, capsys, trained, tmp_path / "others", *question)[0]


def test_nothing_is_said_of_other_images_nor_without_the_side_file(trained, folder, run, capsys, tmp_path):
    for path in folder.rglob("*.jfif"):
        target = tmp_path / "others" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(target, "PNG")
    assert not any(
        "train" in caveat or "valid" in caveat for caveat in evaluate(run, capsys, trained, tmp_path / "others")
    )
    trained.with_name("model.training.json").unlink()
    assert not any("train" in caveat or "valid" in caveat for caveat in evaluate(run, capsys, trained, folder))


def test_threshold_and_network_keep_their_images(folder, run, capsys, tmp_path):
    model = tmp_path / "pain.skops"
    options = ["--binary", "pain", "--specificity", 0.5, "--epochs", 1, "--width", 4, "--image-size", 24]
    assert run("train", folder, *options, "--validation", 0.4, "--out", model, "--quiet") == 0
    capsys.readouterr()
    caveats = evaluate(run, capsys, model, folder)
    assert "of 36 images were trained on" in caveats[0] and "used to validate the model" in caveats[1]


def test_synthetic_faces_are_recorded(run, tmp_path):
    model = tmp_path / "synthetic.skops"
    assert run("train", "--model", "hog-svm", "--image-size", 16, "--out", model, "--quiet") == 0
    images = load_model(model)[-1].training_images_
    assert len(images.training.pixels) > len(images.validation.pixels) > 50
