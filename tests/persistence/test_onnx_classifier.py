"""OnnxClassifier predicts as the exported classifier does, wherever it is copied to."""

import json
import multiprocessing
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.validation import check_is_fitted

from sk_emotion import (
    EmotionClassifier,
    FaceLoader,
    OnnxClassifier,
    export_onnx,
    load_model,
    load_pretrained,
    make_faces,
    networks,
    predict_faces,
    save_model,
)
from sk_emotion.exceptions import DatasetWarning, ImageArrayError, LabelError, ModelFileError, ModelNotFoundError

pytest.importorskip("onnxscript")

X, Y, _ = make_faces(60, emotions=["fear", "happiness", "pain"], image_size=24, random_state=0)


def train(images=X, labels=Y):
    clf = EmotionClassifier(networks.VGG(width=4), max_epochs=2, batch_size=20, random_state=0)
    return clf.fit(images, labels)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "faces.onnx"
    clf = train()
    export_onnx(clf, path)
    return clf, path


def describe(path, target, **changes):
    """Copy a file with changed metadata."""
    model = onnx.load(path)
    (entry,) = model.metadata_props
    entry.value = json.dumps(json.loads(entry.value) | changes)
    onnx.save(model, target)
    return target


def test_predictions_are_those_of_the_classifier(exported):
    clf, path = exported
    loaded = OnnxClassifier(path)
    images = np.concatenate([X, X, X])
    np.testing.assert_allclose(loaded.predict_proba(images), clf.predict_proba(images), atol=1e-5)
    np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))
    assert loaded.score(X, Y) == clf.score(X, Y)
    assert loaded.predict_proba(X).sum(axis=1) == pytest.approx(1, abs=1e-12)
    attributes = (loaded.classes_.tolist(), loaded.image_shape_, loaded.n_features_in_, loaded.pixel_range_)
    assert attributes == (["fear", "happiness", "pain"], (24, 24), 576, (0.0, 255.0))
    assert loaded.loader_ is None


@pytest.mark.parametrize(
    ("images", "new"),
    [
        (X / 255, X / 255 + 0.01),
        ((X / 128.0 - 1).astype(np.float32), X / 128.0 - 1),
        (X.astype(np.uint16) * 257, X.astype(np.uint16)),
        (np.stack([X, X[:, ::-1], X], axis=-1)[:, :, :20],) * 2,
    ],
    ids=["unit floats", "standardized", "16 bits", "oblong and in color"],
)
def test_pixels_are_those_of_the_classifier(images, new, tmp_path):
    clf = train(images)
    export_onnx(clf, tmp_path / "model.onnx")
    loaded = OnnxClassifier(tmp_path / "model.onnx")
    assert (loaded.pixel_range_, loaded.image_shape_) == (clf.pixel_range_, clf.image_shape_)
    np.testing.assert_allclose(loaded.predict_proba(new), clf.predict_proba(new), atol=1e-4)


def test_other_forms_of_bytes_are_converted(exported, tmp_path):
    clf, path = exported
    loaded = OnnxClassifier(path)
    for same in (X.astype(np.int64), X.astype(float), X.reshape(60, -1), X[..., np.newaxis]):
        np.testing.assert_allclose(loaded.predict_proba(same), clf.predict_proba(X), atol=1e-5)
    np.save(tmp_path / "images.npy", X)
    stored = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_allclose(loaded.predict_proba(stored), clf.predict_proba(X), atol=1e-5)
    fractions = np.clip(X + 0.6, 0, 255)
    np.testing.assert_array_equal(loaded.predict_proba(fractions), loaded.predict_proba(fractions.round()))


@pytest.mark.parametrize("labels", [[0, 1, 2], [1.0, 2.0, 3.0], ["a", "b", "c"]], ids=str)
def test_labels_keep_their_type(exported, tmp_path, labels):
    loaded = OnnxClassifier(describe(exported[1], tmp_path / "model.onnx", classes=labels))
    codes = exported[0].predict_proba(X).argmax(axis=1)
    expected = np.array(labels)[codes]
    np.testing.assert_array_equal(loaded.predict(X), expected)
    assert loaded.predict(X).dtype == expected.dtype


def test_is_fitted_from_the_start_and_fit_changes_nothing(exported):
    loaded = OnnxClassifier(exported[1])
    check_is_fitted(loaded)
    before = loaded.predict_proba(X[:4])
    assert loaded.fit(X[:2], Y[:2], sample_weight=[1, 2]) is loaded
    np.testing.assert_array_equal(loaded.predict_proba(X[:4]), before)
    assert cross_val_score(loaded, X, Y, cv=3).mean() == pytest.approx(exported[0].score(X, Y))


def test_clones_and_pickles_predict_the_same(exported):
    loaded = OnnxClassifier(exported[1])
    expected = loaded.predict_proba(X)
    pickled = pickle.dumps(loaded)
    assert len(pickled) < 1000
    for same in (clone(loaded), pickle.loads(pickled)):
        np.testing.assert_array_equal(same.predict_proba(X), expected)


def test_another_path_is_another_network(exported, tmp_path):
    loaded = OnnxClassifier(exported[1])
    assert loaded.classes_[0] == "fear"
    loaded.set_params(path=describe(exported[1], tmp_path / "other.onnx", classes=["a", "b", "c"]))
    assert loaded.classes_.tolist() == ["a", "b", "c"]


def test_network_that_was_opened_does_not_need_the_file(exported, tmp_path):
    path = shutil.copy(exported[1], tmp_path)
    loaded = OnnxClassifier(path).fit()
    os.remove(path)
    assert loaded.predict(X).shape == (60,)


def test_several_threads_open_the_file_once(exported):
    loaded = OnnxClassifier(exported[1])
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: id(loaded._open()), range(40)))
        answers = list(pool.map(lambda _: loaded.predict_proba(X), range(16)))
    assert len(set(opened)) == 1
    for answer in answers:
        np.testing.assert_allclose(answer, answers[0], atol=1e-6)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_forked_process_opens_the_file_again(exported, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    loaded = OnnxClassifier(exported[1])
    expected = loaded.predict_proba(X)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        answers = pool.map_async(loaded.predict_proba, [X, X, X]).get(120)
    for answer in answers:
        np.testing.assert_allclose(answer, expected, atol=1e-6)


def test_images_are_validated(exported):
    loaded = OnnxClassifier(exported[1])
    for one in (X[0], np.stack([X[0]] * 3, axis=-1), np.zeros((60, 80), np.uint8)):
        with pytest.raises(ImageArrayError, match=r"[Pp]ass X\[np\.newaxis\]"):
            loaded.predict(one)
    with pytest.raises(ImageArrayError, match="30x30 gray images, but was fitted on 24x24"):
        loaded.predict(np.zeros((2, 30, 30), np.uint8))
    with pytest.raises(ImageArrayError, match="range of the training images"):
        loaded.predict(X[:2] * 300.0)
    with pytest.raises(ImageArrayError, match="NaN"):
        loaded.predict(np.full((2, 24, 24), np.nan))
    with pytest.raises(LabelError, match="OnnxClassifier: y contains"):
        loaded.score(X, np.zeros(60))


@pytest.mark.parametrize("name", ["absent.onnx", "folder", "text.onnx"])
def test_file_that_cannot_be_opened_is_an_error_on_first_use(name, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.onnx").write_text("text")
    loaded = OnnxClassifier(tmp_path / name)
    error = ModelNotFoundError if name == "absent.onnx" else ModelFileError
    for method in (loaded.fit, loaded.predict, loaded.predict_proba):
        with pytest.raises(error, match=f"OnnxClassifier: .*{name}"):
            method(X)
    with pytest.raises(ModelFileError, match=name):
        loaded.score(X, Y)
    assert not hasattr(loaded, "classes_") and "predict" in dir(loaded)
    assert name in repr(loaded) and loaded._repr_html_()


def test_model_of_a_file_begins_with_the_loader_of_the_export(tmp_path):
    model = load_pretrained("fer2013").set_params(faceloader__margin=np.float64(0.3), faceloader__cache="elsewhere")
    model.set_params(faceloader__image_size=np.int64(48), faceloader__n_jobs=1)
    export_onnx(model, tmp_path / "model.onnx")
    loaded = load_model(tmp_path / "model.onnx")
    # A cache or a number of threads is that of another machine.
    assert loaded[0].get_params() == model[0].get_params() | {"cache": None, "n_jobs": None}
    assert "elsewhere" not in (tmp_path / "model.onnx").read_bytes().decode("latin-1")


def test_model_of_a_network_alone_begins_with_a_default_loader(exported, tmp_path):
    loaded = load_model(str(exported[1]))
    assert loaded[0].get_params() == FaceLoader(24).get_params()
    np.testing.assert_allclose(loaded.predict_proba(list(X)), exported[0].predict_proba(X), atol=1e-5)
    clf = train(np.stack([X, X, X], axis=-1)[:, :, :20])
    export_onnx(clf, tmp_path / "MODEL.ONNX")
    loaded = load_model(tmp_path / "MODEL.ONNX")
    assert loaded[0].get_params() == FaceLoader((24, 20), color=True).get_params()


def test_model_of_other_pixels_is_the_network_alone(tmp_path):
    clf = train(X / 255)
    export_onnx(clf, tmp_path / "model.onnx")
    loaded = load_model(tmp_path / "model.onnx")
    assert isinstance(loaded, OnnxClassifier)
    with pytest.warns(DatasetWarning, match="no FaceLoader"):
        table = predict_faces(loaded, list(X))
    np.testing.assert_allclose(table.filter(like="probability"), clf.predict_proba(X / 255), atol=1e-4)


def test_function_as_detector_cannot_be_exported(exported, tmp_path):
    model = load_pretrained("fer2013").set_params(faceloader__detector=lambda _image: None)
    with pytest.raises(ModelFileError, match="detector of the FaceLoader is a function"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: model[-1]], ids=["pipeline", "classifier"])
def test_save_model_refuses_a_network_of_a_file(wrap, tmp_path):
    with pytest.raises(ModelFileError, match=r"in an ONNX file, .*human-emotions\.onnx.*Copy that file"):
        save_model(wrap(load_pretrained(engine="onnx")), tmp_path / "model.skops")
    assert not list(tmp_path.iterdir())
