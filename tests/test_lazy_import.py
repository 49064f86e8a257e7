import importlib
import subprocess
import sys

import pytest
from PIL import Image
from skimage.data import astronaut

import sk_emotion

HEAVY = ("torch", "torchvision", "skorch", "skops", "cv2", "matplotlib", "skimage")
ROOMS = [
    "datasets",
    "feature_extraction",
    "inspection",
    "metrics",
    "model_selection",
    "networks",
    "over_sampling",
    "preprocessing",
    "pretrained",
    "utils",
]


def run(code):
    """Run code in a new Python process; return the heavy packages that it imported."""
    report = f"import sys; print('loaded', *[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


def test_import_of_the_package_is_lightweight():
    rooms = "\n".join(f"import sk_emotion.{room}" for room in ROOMS)
    assert run(f"import sk_emotion\n{rooms}\nassert 'EmotionClassifier' in dir(sk_emotion)") == []


def test_help_of_the_command_is_lightweight():
    code = """
import runpy, sys
sys.argv = ["sk-emotion", "--help"]
try:
    runpy.run_module("sk_emotion", run_name="__main__")
except SystemExit as end:
    assert not end.code
"""
    assert run(code) == []


def test_names_are_loaded_on_first_use():
    assert run("import sk_emotion; sk_emotion.networks.ResNet") == ["torch"]


def test_training_does_not_import_torch_dynamo():
    code = """
import sys
from sk_emotion import EmotionClassifier, make_faces, networks
X, y, _ = make_faces(20, image_size=24, random_state=0)
for optimizer in ("sgd", "adamw"):
    EmotionClassifier(networks.VGG(width=4), optimizer=optimizer, max_epochs=1, random_state=0).fit(X, y).predict(X)
assert "torch._dynamo" not in sys.modules
"""
    assert "torch" in run(code)


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(astronaut()).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_command_predict_is_lightweight(photo):
    code = f"""
from sk_emotion.cli import main
try:
    main(["predict", {photo!r}])
except SystemExit as end:
    assert not end.code
"""
    assert run(code) == []


def test_prediction_with_onnx_is_lightweight(photo):
    code = f"""
from sk_emotion import load_pretrained, predict_faces
from sk_emotion.datasets import list_images
table = predict_faces(load_pretrained("human-emotions", engine="onnx"), list_images({photo!r}))
assert table["label"].tolist() == ["happiness"] and table["face_found"].all()
"""
    assert run(code) == []


@pytest.mark.parametrize("name", sk_emotion.__all__)
def test_public_names_exist(name):
    assert getattr(sk_emotion, name) is not None


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_of_subpackages_exist(room):
    module = importlib.import_module(f"sk_emotion.{room}")
    assert module.__all__ and all(getattr(module, name) is not None for name in module.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Boredom"):
        _ = sk_emotion.Boredom
