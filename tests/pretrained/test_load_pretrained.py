"""Pretrained models: input, predictions, and fine-tuning."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut
from sklearn.base import clone

import sk_emotion
from sk_emotion import EmotionClassifier, FaceLoader, load_model, load_pretrained, make_faces, networks, save_model
from sk_emotion.utils._files import FOLDER, list_weights

CLASSES = {
    "fer2013": ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"],
    "human-emotions": ["anger", "disgust", "fear", "happiness", "pain", "sadness"],
}


@pytest.fixture(scope="module")
def faces():
    return make_faces(48, emotions=["happiness", "pain", "sadness"], random_state=0)


@pytest.fixture(scope="module")
def models():
    return {name: load_pretrained(name) for name in CLASSES}


def body(clf):
    state = clf.net_.module_.state_dict()
    return {name: value for name, value in state.items() if not name.startswith("head")}


def test_models_have_at_most_6_mb_of_weights_and_a_card():
    assert list_weights() == sorted(CLASSES)
    for name, classes in CLASSES.items():
        for ending in (".safetensors", ".onnx"):
            assert (FOLDER / f"{name}{ending}").stat().st_size <= 6e6
        assert 0 < (FOLDER / f"{name}.training.json").stat().st_size < 1e6
        card = (FOLDER / f"{name}.md").read_text()
        assert all(f"| {label} |" in card for label in classes)
        assert "Not fit for" in card and f"The package contains `{name}.training.json`" in card


def test_package_contains_no_images():
    endings = {path.suffix.lower() for path in Path(sk_emotion.__file__).parent.rglob("*") if path.is_file()}
    assert not endings & {".jpg", ".jpeg", ".png", ".webp", ".npy", ".npz", ".gif", ".bmp"}


@pytest.mark.parametrize("name", CLASSES)
def test_prediction_is_the_same_for_all_input_types(name, models, tmp_path):
    photo = Image.fromarray(astronaut())
    photo.save(tmp_path / "photo.png")
    encoded = io.BytesIO()
    photo.save(encoded, "PNG")
    probabilities = models[name].predict_proba(
        [tmp_path / "photo.png", str(tmp_path / "photo.png"), encoded.getvalue(), photo, astronaut()]
    )
    assert models[name].classes_.tolist() == CLASSES[name]
    assert probabilities.shape == (5, len(CLASSES[name]))
    np.testing.assert_allclose(probabilities, probabilities[:1].repeat(5, axis=0), atol=1e-6)
    assert models[name].classes_[probabilities[0].argmax()] == "happiness"


def test_face_crops_are_not_cropped_again(faces, models):
    model = models["fer2013"]
    np.testing.assert_array_equal(model.predict_proba(faces[0]), model[-1].predict_proba(faces[0]))
    assert model[0].load(faces[0]).found.all()
    color = np.stack([faces[0]] * 3, axis=-1)
    np.testing.assert_allclose(model.predict_proba(color), model.predict_proba(faces[0]), atol=1e-6)


@pytest.mark.parametrize("name", CLASSES)
def test_both_engines_predict_the_same(name, models, faces):
    # If this fails after a change of the weights or loaders, run `make onnx`.
    model, other = models[name], load_pretrained(name, engine="onnx")
    assert other[0].get_params() == model[0].get_params()
    assert other.classes_.tolist() == CLASSES[name]
    noise = np.random.default_rng(0).integers(0, 256, (70, 48, 48)).astype(np.uint8)
    for images in (faces[0], noise):
        np.testing.assert_allclose(other[-1].predict_proba(images), model[-1].predict_proba(images), atol=1e-4)
    photos = [astronaut(), astronaut()[:200, 100:350]]
    np.testing.assert_allclose(other.predict_proba(photos), model.predict_proba(photos), atol=1e-3)


def test_unknown_engine_is_an_error():
    with pytest.raises(ValueError, match=r"load_pretrained: engine='tensorflow', expected 'torch' or 'onnx'"):
        load_pretrained(engine="tensorflow")


def test_unknown_model_is_an_error_that_lists_the_models():
    with pytest.raises(ValueError, match=r"pretrained='fer' is not an included model\. .*'fer2013', 'human-emotions'"):
        load_pretrained("fer")
    with pytest.raises(ValueError, match="is not an included model"):
        load_pretrained("../x", engine="onnx")
    with pytest.raises(ValueError, match="is not an included model"):
        networks.ResNet(pretrained="fer").build(1, (48, 48), 3)


def test_pretrained_model_can_be_saved(faces, models, tmp_path):
    save_model(models["human-emotions"], tmp_path / "model.skops")
    same = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(same.predict_proba(faces[0]), models["human-emotions"].predict_proba(faces[0]))


def test_fit_starts_from_the_pretrained_weights(faces, models):
    model = clone(models["fer2013"]).set_params(emotionclassifier__max_epochs=1, emotionclassifier__random_state=0)
    before = body(models["fer2013"][-1])
    after = body(model.fit(faces[0], faces[1])[-1])
    assert model.classes_.tolist() == ["happiness", "pain", "sadness"]
    distance = (after["stage3.0.first.0.weight"] - before["stage3.0.first.0.weight"]).norm()
    assert 0 < distance < 0.1 * before["stage3.0.first.0.weight"].norm()


@pytest.mark.parametrize("shape", [(48, 48), (48, 48, 3), (64, 40)])
def test_fine_tuning_on_images_of_any_shape(shape, faces):
    images = FaceLoader(image_size=shape[:2], color=len(shape) == 3).fit_transform(list(faces[0]))
    clf = EmotionClassifier(networks.ResNet(pretrained="fer2013"), max_epochs=1, random_state=0)
    assert clf.fit(images, faces[1]).predict_proba(images).shape == (48, 3)
    head, stem = clf.net_.optimizer_.param_groups[-1], clf.net_.optimizer_.param_groups[0]
    assert stem["lr"] == pytest.approx(0.3 * head["lr"])
    # A quarter of the rate from scratch.
    assert head["initial_lr"] == 5e-4


def test_grayscale_and_rgb_weights_agree_on_grayscale_images():
    gray, rgb = (networks.ResNet(pretrained="fer2013").build(channels, (48, 48), 3).eval() for channels in (1, 3))
    images = torch.rand(4, 1, 48, 48)
    torch.testing.assert_close(gray.stem(images), rgb.stem(images.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("frozen_parts", [1, 4])
def test_frozen_parts_are_not_trained(frozen_parts, faces):
    network = networks.ResNet(pretrained="fer2013", frozen_parts=frozen_parts)
    clf = EmotionClassifier(network, max_epochs=1, random_state=0).fit(faces[0], faces[1])
    start = network.build(1, (48, 48), 3).state_dict()
    frozen = ("stem", "stage1", "stage2", "stage3")[:frozen_parts]
    for name, value in body(clf).items():
        if name.endswith(("weight", "running_mean")):
            assert torch.equal(value, start[name]) == name.startswith(frozen), name


def test_frozen_parts_stay_frozen_after_loading(faces, tmp_path):
    network = networks.ResNet(pretrained="fer2013", frozen_parts=4)
    clf = EmotionClassifier(network, max_epochs=1, random_state=0).fit(faces[0], faces[1])
    before = body(clf)
    save_model(clf, tmp_path / "model.skops")
    after = body(load_model(tmp_path / "model.skops").partial_fit(faces[0], faces[1]))
    assert all(torch.equal(value, before[name]) for name, value in after.items() if "tracked" not in name)


def test_width_that_the_weights_do_not_have_is_an_error():
    with pytest.raises(
        ValueError, match=r"pretrained='fer2013' requires width=24, blocks_per_stage=1; got .*'width': 8"
    ):
        networks.ResNet(width=8, pretrained="fer2013").build(1, (48, 48), 3)


def test_too_many_frozen_parts_are_an_error():
    with pytest.raises(ValueError, match="frozen_parts=5, expected 0 to 4"):
        networks.ResNet(pretrained="fer2013", frozen_parts=5).build(1, (48, 48), 3)
