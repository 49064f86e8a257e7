"""The file of training images beside a model file."""

import copy
import json
import os
import pickle

import numpy as np
import pytest
from saved_models import make_classifier, rewrite
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from sk_emotion import (
    ConsolidatedClassifier,
    EmotionClassifier,
    FaceLoader,
    OnnxClassifier,
    export_onnx,
    load_model,
    make_hog_svm,
    networks,
    save_model,
)
from sk_emotion.exceptions import DatasetWarning, ImageArrayError, ModelFileError
from sk_emotion.leakage._training_images import find_training_images
from sk_emotion.persistence._side_file import name_content

pytestmark = pytest.mark.training


@pytest.fixture
def side_file(path):
    return path.with_name("model.training.json")


@pytest.fixture
def written(svm, few, path):
    """A model file with training images beside it."""
    save_model(svm, path, training_data=few[0][:20], validation_data=few[0][20:25])
    return path


def count(model):
    """Return the number of training and validation images that are known of a model."""
    images = find_training_images(model)
    return None if images is None else (len(images.training.pixels), len(images.validation.pixels))


def test_loader_attaches_what_was_saved(written, side_file, svm):
    assert side_file.stat().st_size < 24 * 25 + 200
    assert count(load_model(written)) == (20, 5)
    assert count(svm) is None


def test_nothing_is_written_without_images(svm, path, side_file):
    save_model(svm, path)
    assert not side_file.exists() and count(load_model(path)) is None


def test_a_bunch_holds_the_images(svm, few, path):
    save_model(svm, path, training_data=Bunch(data=few[0], target=few[1]))
    assert count(load_model(path)) == (36, 0)


def test_model_file_without_its_side_file_is_complete(written, side_file):
    side_file.unlink()
    assert count(load_model(written)) is None


def test_both_files_can_be_renamed_and_moved(written, side_file, tmp_path):
    (tmp_path / "moved").mkdir()
    written.rename(tmp_path / "moved" / "pain.v2.skops")
    side_file.rename(tmp_path / "moved" / "pain.v2.training.json")
    assert count(load_model(tmp_path / "moved" / "pain.v2.skops")) == (20, 5)


def test_saving_twice_writes_identical_files(written, side_file, svm, few):
    before = written.read_bytes(), side_file.read_bytes()
    save_model(svm, written, training_data=few[0][:20], validation_data=few[0][20:25])
    assert (written.read_bytes(), side_file.read_bytes()) == before


def test_images_of_a_former_model_are_not_those_of_the_next(written, svm):
    save_model(svm, written)
    assert count(load_model(written)) is None


def damage(side_file, svm, few):
    side_file.write_bytes(side_file.read_bytes()[:-20])


def write_other_format(side_file, svm, few):
    side_file.write_text('{"epochs": 30}')


def write_for_another_model(side_file, svm, few):
    save_model(svm, side_file.with_name("other.skops"), training_data=few[0][:10])
    os.replace(side_file.with_name("other.training.json"), side_file)


def make_huge(side_file, svm, few):
    os.truncate(side_file, 2**40)


def make_folder(side_file, svm, few):
    side_file.unlink()
    side_file.mkdir()


def make_pipe(side_file, svm, few):
    side_file.unlink()
    os.mkfifo(side_file)


@pytest.mark.parametrize(
    "change, reason",
    [
        (damage, "was written with another model or is damaged"),
        (write_other_format, "was written with another model or is damaged"),
        (write_for_another_model, "was written with another model or is damaged"),
        (make_huge, "was written with another model or is damaged"),
        (make_folder, "is not a regular file"),
        pytest.param(make_pipe, "is not a regular file", marks=pytest.mark.skipif(os.name == "nt", reason="no pipes")),
    ],
)
def test_other_side_file_is_ignored_with_a_warning(change, reason, written, side_file, svm, few):
    change(side_file, svm, few)
    with pytest.warns(
        DatasetWarning, match=rf"^load_model: .*model\.training\.json {reason}.*delete this one"
    ) as caught:
        model = load_model(written)
    assert count(model) is None and caught[0].filename == __file__
    np.testing.assert_array_equal(model.predict(few[0]), svm.predict(few[0]))


def test_side_file_of_a_later_version_is_ignored_with_a_warning(written, side_file):
    content = side_file.read_bytes().replace(b'"version": 1', b'"version": 2')
    side_file.write_bytes(content)
    rewrite(written, lambda schema: schema | {"sk_emotion": {"format": 1, "training_images": name_content(content)}})
    with pytest.warns(DatasetWarning, match="was written by a later version of sk_emotion"):
        assert count(load_model(written)) is None


def test_endless_link_is_ignored_with_a_warning(written, side_file):
    side_file.unlink()
    side_file.symlink_to(side_file)
    with pytest.warns(DatasetWarning, match="is not a regular file"):
        assert count(load_model(written)) is None


def test_file_of_someone_else_is_kept(svm, few, path, side_file):
    side_file.write_text("my notes")
    with pytest.warns(
        DatasetWarning, match="^save_model: .* holds no training images, so it is kept.* Move it"
    ) as caught:
        save_model(svm, path, training_data=few[0])
    assert side_file.read_text() == "my notes" and path.exists() and caught[0].filename == __file__


def test_previous_model_stays_if_the_side_file_cannot_be_written(svm, few, tmp_path):
    path = tmp_path / f"{'m' * 245}.skops"
    save_model(svm, path)
    content = path.read_bytes()
    with pytest.raises(OSError, match="too long"):
        save_model(clone(svm).fit(*few[:2]), path, training_data=few[0])
    assert path.read_bytes() == content and count(load_model(path)) is None


@pytest.mark.parametrize("wrong", [3, np.zeros((2, 2, 2, 2, 2)), np.zeros(9), {"data": 1}, "photos"])
def test_data_that_are_no_images_are_an_error(wrong, svm, path, side_file):
    with pytest.raises(ValueError):
        save_model(svm, path, training_data=wrong)
    assert not path.exists() and not side_file.exists()


def test_standardized_images_are_an_error(svm, few, path):
    with pytest.raises(ImageArrayError, match=r"save_model: none of the 36 images .*before they are standardized"):
        save_model(svm, path, training_data=(few[0] - 100.0) / 50)


def test_images_that_cannot_be_read_are_left_out(svm, few, path):
    with pytest.warns(DatasetWarning, match=r"save_model: 1 of 3 images cannot be read") as caught:
        save_model(svm, path, training_data=[few[0][0], b"damaged", few[0][1]])
    assert caught[0].filename == __file__
    assert count(load_model(path)) == (2, 0)


def test_saving_a_loaded_model_keeps_its_images(written, few, tmp_path):
    model = load_model(written)
    save_model(model, tmp_path / "same.skops")
    assert (tmp_path / "same.training.json").read_bytes() == written.with_name("model.training.json").read_bytes()
    save_model(model, tmp_path / "more.skops", training_data=few[0][15:30])
    assert count(load_model(tmp_path / "more.skops")) == (30, 5)
    assert count(model) == (20, 5)


def test_images_stay_in_the_side_file(written, few, tmp_path):
    """A model file that contained them could not be loaded."""
    inside = CalibratedClassifierCV(FrozenEstimator(load_model(written)[-1]), cv=3)
    features = load_model(written)[:-1].transform(few[0])
    save_model(inside.fit(features, few[1]), tmp_path / "outer.skops")
    assert b"TrainingImages" not in (tmp_path / "outer.skops").read_bytes()
    loaded = load_model(tmp_path / "outer.skops")
    assert count(inside) == count(loaded) == (20, 5)


WRAPPERS = {
    "copy": lambda model, X, y: copy.deepcopy(model),
    "pickle": lambda model, X, y: pickle.loads(pickle.dumps(model)),
    "last step": lambda model, X, y: model[-1],
    "pipeline": lambda model, X, y: make_pipeline(FaceLoader(image_size=24).fit(X), model[-1]),
    "frozen": lambda model, X, y: FrozenEstimator(model),
    "threshold": lambda model, X, y: FixedThresholdClassifier(
        FrozenEstimator(model), threshold=0.3, pos_label="pain"
    ).fit(X, y),
    "threshold before fit": lambda model, X, y: FixedThresholdClassifier(FrozenEstimator(model), pos_label="pain"),
    "binary": lambda model, X, y: ConsolidatedClassifier(FrozenEstimator(model), positive="pain").fit(X, y),
    "calibrated": lambda model, X, y: CalibratedClassifierCV(FrozenEstimator(model), cv=3).fit(X, y),
}


@pytest.fixture(scope="module")
def network(few, tmp_path_factory):
    """A loaded pipeline with a network."""
    path = tmp_path_factory.mktemp("network") / "network.skops"
    model = make_pipeline(FaceLoader(image_size=24), make_classifier()).fit(*few[:2])
    save_model(model, path, training_data=few[0][:30], validation_data=few[0][30:])
    return load_model(path)


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_images_are_known_of_a_wrapped_model(wrap, network, few):
    assert count(WRAPPERS[wrap](network, *few[:2])) == (30, 6)


REFITS = {
    "clone": lambda model, X, y: clone(model).fit(X, y),
    "fit": lambda model, X, y: copy.deepcopy(model).fit(X, y),
    "fit after a pickle": lambda model, X, y: pickle.loads(pickle.dumps(model)).fit(X, y),
    "search": lambda model, X, y: GridSearchCV(model, {"emotionclassifier__max_epochs": [1]}, cv=2).fit(X, y),
    "threshold": lambda model, X, y: FixedThresholdClassifier(model, pos_label="pain").fit(X, y),
    "binary": lambda model, X, y: ConsolidatedClassifier(model, positive="pain").fit(X, y),
    "calibrated": lambda model, X, y: CalibratedClassifierCV(model, cv=2).fit(X, y),
}


@pytest.mark.parametrize("refit", REFITS)
def test_images_of_an_earlier_fit_are_forgotten(refit, network, few):
    assert count(REFITS[refit](network, *few[:2])) is None


@pytest.mark.parametrize("refit", ["fit", "partial_fit"])
def test_continued_training_adds_images(refit, network, few, path):
    clf = copy.deepcopy(network)[-1].set_params(warm_start=True)
    getattr(clf, refit)(*few[:2])
    assert count(clf) == (30, 6)
    save_model(clf, path, training_data=few[0])
    assert count(load_model(path)) == (36, 6)


MODELS = {
    "HOG+SVM": lambda: make_hog_svm(image_size=24, probability=False),
    "calibrated": lambda: make_hog_svm(image_size=24),
    "network": make_classifier,
    "search": lambda: GridSearchCV(make_hog_svm(image_size=24, probability=False), {"svc__C": [1, 2]}, cv=2),
    "threshold": lambda: FixedThresholdClassifier(make_hog_svm(image_size=24), pos_label="pain"),
    "binary": lambda: ConsolidatedClassifier(make_hog_svm(image_size=24), positive="pain"),
}


@pytest.mark.parametrize("name", MODELS)
def test_refit_of_any_loaded_model_is_recognized(name, few, path):
    save_model(MODELS[name]().fit(*few[:2]), path, training_data=few[0])
    model = load_model(path)
    assert count(model) == (36, 0)
    assert count(model.fit(*few[:2])) is None


def test_exported_network_knows_its_images(network, few, tmp_path):
    path = tmp_path / "model.onnx"
    export_onnx(network, path)
    for model in (load_model(path), OnnxClassifier(path), pickle.loads(pickle.dumps(load_model(path)))):
        assert count(model) == (30, 6)
    path.with_name("model.training.json").unlink()
    assert count(load_model(path)) is None


def test_model_and_its_export_share_the_side_file(network, tmp_path):
    save_model(network, tmp_path / "model.skops")
    export_onnx(network, tmp_path / "model.onnx")
    assert count(load_model(tmp_path / "model.skops")) == count(load_model(tmp_path / "model.onnx")) == (30, 6)
    assert len(list(tmp_path.iterdir())) == 3


def test_side_file_of_another_export_is_ignored_with_a_warning(network, few, tmp_path):
    export_onnx(network, tmp_path / "model.onnx")
    save_model(network, tmp_path / "model.skops", training_data=255 - few[0])
    with pytest.warns(DatasetWarning, match="was written with another model"):
        assert count(load_model(tmp_path / "model.onnx")) is None


def test_export_names_the_included_model_from_which_training_started(few, tmp_path):
    network = EmotionClassifier(networks.ResNet(width=24, pretrained="fer2013"), max_epochs=1, random_state=0)
    export_onnx(network.fit(*few[:2]), tmp_path / "model.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert find_training_images(load_model(tmp_path / "model.onnx")).pretrained == ("fer2013",)


@pytest.mark.parametrize(
    "about, expected",
    [
        ({"pretrained": ["fer2013", "../fer2013", 3, None, {}]}, ("fer2013",)),
        ({"pretrained": ["missing"] * 1000}, None),
        ({"training_images": "0" * 32}, None),
        ({"training_images": 3}, ModelFileError),
        ({"pretrained": "fer2013"}, ModelFileError),
    ],
)
def test_metadata_of_an_export_name_only_included_models(about, expected, model, tmp_path):
    """`model` is the graph of an included model."""
    (entry,) = model.metadata_props
    entry.value = json.dumps(json.loads(entry.value) | about)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    if expected is ModelFileError:
        with pytest.raises(ModelFileError, match="metadata hold no valid"):
            load_model(path)
        return
    images = find_training_images(load_model(path))
    assert (None if images is None else images.pretrained) == expected
