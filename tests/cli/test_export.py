"""``sk-emotion export``, and evaluation and prediction with the file that it writes."""

import json

import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline

from sk_emotion import EmotionClassifier, FaceLoader, load_model, make_faces, networks, save_model
from sk_emotion.utils._files import FOLDER

pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folder with a saved network, and with faces."""
    folder = tmp_path_factory.mktemp("models")
    X, y, _ = make_faces(40, emotions=["happiness", "pain"], image_size=32, random_state=0)
    for number, (face, emotion) in enumerate(zip(X, y, strict=True)):
        path = folder / "faces" / emotion / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(path)
    network = EmotionClassifier(networks.VGG(width=4), max_epochs=2, random_state=0)
    save_model(
        make_pipeline(FaceLoader(32, detector=None, margin=0.3), network).fit(list(X), y), folder / "model.skops"
    )
    return folder


@pytest.fixture
def here(models, monkeypatch):
    monkeypatch.chdir(models)


def test_exported_model_is_evaluated_and_predicts_as_the_saved_one(here, models, run, capsys):
    assert run("export", "model.skops", "model.onnx") == 0
    assert capsys.readouterr().err == "Written: model.onnx\n"
    assert load_model("model.onnx")[0].get_params() == load_model("model.skops")[0].get_params()
    results = []
    for name in ("model.skops", "model.onnx"):
        assert run("evaluate", name, "faces", "--json", "--quiet", "--report", "report.html") == 0
        result = json.loads(capsys.readouterr().out)
        assert run("predict", "faces", "--model", name, "--json", "--quiet") == 0
        results.append((result["confusion_matrix"], json.loads(capsys.readouterr().out)))
    assert results[0][0] == results[1][0]
    for row, other in zip(results[0][1], results[1][1], strict=True):
        # In either form of a picture: one face in the row, or a list of faces.
        (face,), (same,) = (row.get("faces", [row]), other.get("faces", [other]))
        assert face["label"] == same["label"]
        assert face["probabilities"] == pytest.approx(same["probabilities"], abs=1e-4)


def test_included_model_is_exported_as_it_is_shipped(tmp_path, run):
    # If this fails after a change of the weights, the loaders or the export, run `make onnx`.
    assert run("export", "human-emotions", tmp_path / "model.onnx", "--quiet") == 0
    assert (
        load_model(tmp_path / "model.onnx")[0].get_params()
        == load_model(FOLDER / "human-emotions.onnx")[0].get_params()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.skops", "model.onnx"], "there is no model file 'absent.skops'"),
        (["human-emotion", "model.onnx"], "Did you mean human-emotions?"),
        (["model.skops", "model.skops"], "expected a name ending in .onnx; got 'model.skops'"),
        (["model.skops", "absent/model.onnx"], "there is no folder 'absent'"),
        ([str(FOLDER / "fer2013.onnx"), "other.onnx"], "is in an ONNX file already"),
        (["bad.onnx", "bad.onnx"], "is an input of this command"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(here, models, run, capsys, arguments, message):
    (models / "bad.onnx").write_bytes(b"bad")
    before = sorted(models.iterdir())
    assert run("export", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(models.iterdir()) == before


def test_file_that_is_no_model_is_reported_by_evaluate(here, models, run, capsys):
    (models / "bad.onnx").write_bytes(b"bad")
    assert run("evaluate", "bad.onnx", "faces") == 2
    assert "bad.onnx was not written by export_onnx or is damaged" in capsys.readouterr().err
