"""What is recorded of training images, and by which fitted estimators it is found."""

import json
from base64 import b64encode

import numpy as np
import pytest

from sk_emotion import EmotionClassifier, FaceEmbedding, LeastSquaresSVC, load_pretrained, networks
from sk_emotion.leakage import _training_images
from sk_emotion.leakage._fingerprints import Fingerprints
from sk_emotion.leakage._training_images import (
    HEAD,
    Seen,
    TrainingImages,
    attach,
    find_seen,
    find_training_images,
    read_included,
    record_images,
)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 255, (300, 16, 16), dtype=np.uint8)


@pytest.fixture
def model(images):
    return LeastSquaresSVC().fit(images[:40].reshape(40, -1), np.resize(["fear", "pain"], 40))


def record(model, images, validation=None):
    return record_images(model, images, validation, "record")


def test_content_is_read_as_it_was_written(images, model):
    written = record(model, images[:200], images[200:])
    read = TrainingImages.from_json(written.to_json())
    for name in ("training", "validation"):
        for part, same in zip(getattr(written, name), getattr(read, name), strict=True):
            np.testing.assert_array_equal(part, same)
    assert len(read.training.pixels) == 200 and len(read.validation.looks) == 100
    assert repr(read) == "TrainingImages(200 training, 100 validation)"


def test_content_has_at_most_24_bytes_per_image_and_not_their_order(images, model):
    content = record(model, images).to_json()
    assert len(content) <= 24 * len(images)
    assert content == record(model, images[::-1]).to_json()
    assert json.loads(content).keys() == {"format", "version", "pretrained", "training", "validation"}


def test_equal_images_are_recorded_once(images, model):
    assert record(model, np.repeat(images[:5], 3, axis=0)).to_json() == record(model, images[:5]).to_json()


GOOD = json.loads(TrainingImages().to_json())


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"version": 2}, "later version"),
        ({"version": "1"}, "damaged"),
        ({"training": {}}, "damaged"),
        ({"training": []}, "damaged"),
        ({"training": {"pixels": 3, "looks": ""}}, "damaged"),
        ({"training": {"pixels": "AAAA", "looks": ""}}, "damaged"),
        ({"training": {"pixels": "?" * 32, "looks": ""}}, "damaged"),
        ({"pretrained": 3}, "damaged"),
        ({"format": "another"}, "not written by save_model"),
        ({"pretrained": ["fer2013"] * 100}, "not written by save_model"),
    ],
)
def test_other_content_is_an_error(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainingImages.from_json(json.dumps(GOOD | changes).encode())


@pytest.mark.parametrize("content", [b"", HEAD, HEAD + b"\xff" * 50, HEAD + b'"a": ' + b"[" * 40, b"[1, 2]"])
def test_damaged_content_is_an_error(content):
    with pytest.raises(ValueError, match="damaged"):
        TrainingImages.from_json(content)


def test_images_are_counted_by_pixels_then_by_look(images, model):
    attach(model, record(model, images[:20], images[20:30]))
    changed = images[:40].copy()
    changed[:, 8, 8] ^= 1
    again = np.concatenate([images[10:35], changed[15:25], changed[30:]])
    assert find_seen(model, again, "test") == Seen(45, trained=10, by_pretrained=[], validated=10, similar=10)


def test_image_in_both_counts_as_trained_on(images, model):
    attach(model, record(model, images[:20], images[10:30]))
    assert find_seen(model, images[:30], "test") == Seen(30, trained=20, by_pretrained=[], validated=10, similar=0)


def test_nothing_is_known_of_a_model_without_record(images, model):
    assert find_training_images(model) is find_seen(model, images, "test") is record(model, None) is None


def test_later_fit_is_not_described_by_the_record(images, model):
    attach(model, record(model, images[:20]))
    rows, y = images.reshape(300, -1), np.resize(["fear", "pain"], 300)
    assert find_training_images(model) is not None
    assert find_training_images(model.fit(rows, y)) is None


def test_images_of_another_record_are_added(images, model):
    attach(model, record(model, images[:20], images[20:25]))
    both = record(model, images[10:30])
    assert len(both.training.pixels) == 30 and len(both.validation.pixels) == 5


def test_included_models_name_their_images():
    faces, photos = read_included("fer2013"), read_included("human-emotions")
    # Copies of the 28,709 and 3,589 rows are recorded once.
    assert len(faces.training.pixels) == 27_473 and len(faces.validation.pixels) == 3_563
    assert len(photos.training.pixels) == 894 and len(photos.validation.pixels) == 0
    assert faces.pretrained == () and photos.pretrained == ("fer2013",)


@pytest.mark.parametrize("name", ["../pretrained/fer2013", "missing", "", "fer2013.training.json\0"])
def test_only_files_of_included_models_are_read(name):
    assert read_included(name) is None


@pytest.fixture(scope="module")
def faces(images):
    """Faces with a black one, which is a row of FER2013."""
    X = np.kron(images[:9, :12, :12], np.ones((4, 4), dtype=np.uint8))
    X[4] = 0
    return X, np.resize(["fear", "pain"], 9)


@pytest.mark.parametrize("engine", ["torch", "onnx"])
@pytest.mark.parametrize("names", [["fer2013"], ["human-emotions", "fer2013"]])
def test_images_of_an_included_model_and_of_its_ancestors_count(engine, names, faces):
    seen = find_seen(load_pretrained(names[0], engine=engine), faces[0], "test")
    by_pretrained = [(name, int(name == "fer2013")) for name in names]
    assert seen == Seen(9, trained=1, by_pretrained=by_pretrained, validated=0, similar=0)


def test_nothing_is_known_of_an_included_model_whose_file_was_deleted(faces, tmp_path, monkeypatch):
    read_included.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(_training_images, "FOLDER", tmp_path)
        assert find_seen(load_pretrained("fer2013", engine="onnx"), faces[0], "test") is None
    read_included.cache_clear()


@pytest.mark.training
def test_images_of_an_included_model_count_for_models_that_start_from_it(faces):
    clf = EmotionClassifier(networks.ResNet(width=24, pretrained="fer2013"), max_epochs=1, random_state=0).fit(*faces)
    attach(clf, record(clf, faces[0][:3]))
    assert find_seen(clf, faces[0], "test").by_pretrained == [("fer2013", 1)]
    assert record(clf, faces[0]).pretrained == ("fer2013",)
    clf.set_params(network=networks.ResNet(width=4)).fit(*faces)
    assert find_training_images(clf) is None


def test_images_of_an_included_network_count_for_its_features(faces):
    assert find_training_images(FaceEmbedding("fer2013").fit(faces[0])).pretrained == ("fer2013",)


def test_foreign_attribute_is_ignored(model, images):
    model.training_images_ = "forged"
    assert find_training_images(model) is None


def test_encoding_does_not_depend_on_the_order_of_bytes():
    values = Fingerprints(np.frombuffer(bytes(range(8)), np.uint64), np.frombuffer(bytes(range(8, 16)), np.uint64))
    about = json.loads(TrainingImages(values).to_json())
    assert about["training"] == {
        "pixels": b64encode(bytes(range(8))).decode(),
        "looks": b64encode(bytes(range(8, 16))).decode(),
    }
