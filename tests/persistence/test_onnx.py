"""ONNX Runtime predicts the same from an exported file as the classifier."""

import json
import warnings

import numpy as np
import pytest
from imblearn.pipeline import make_pipeline
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from torch import nn

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    FaceLoader,
    OnnxClassifier,
    export_onnx,
    load_model,
    load_pretrained,
    make_faces,
    make_hog_svm,
    networks,
)
from sk_emotion.exceptions import ModelFileError, ModelNotFoundError
from sk_emotion.persistence import _onnx, _onnx_file

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

X, Y, _ = make_faces(60, emotions=["fear", "happiness", "pain"], image_size=24, random_state=0)


def train(images=X, **settings):
    clf = EmotionClassifier(networks.VGG(width=4), max_epochs=2, batch_size=20, random_state=0, **settings)
    return clf.fit(images, Y)


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def ask(session, images):
    return session.run(["probabilities"], {"images": images})[0]


def describe(session):
    return json.loads(session.get_modelmeta().custom_metadata_map["sk_emotion"])


@pytest.fixture(scope="module")
def fer2013(tmp_path_factory):
    """Pretrained model, and its exported file."""
    path = tmp_path_factory.mktemp("fer2013") / "fer2013.onnx"
    model = load_pretrained("fer2013").set_params(emotionclassifier__tta=None)
    export_onnx(model, path)
    return model, path


@pytest.mark.parametrize("tta", [None, "mirror", "crops"])
def test_probabilities_for_any_batch_size_and_silent_export(tmp_path, tta, capfd):
    clf = train(tta=tta)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_onnx(clf, tmp_path / "model.onnx")
    assert capfd.readouterr() == ("", "")
    session = open_session(tmp_path / "model.onnx")
    assert session.get_inputs()[0].type == "tensor(uint8)"
    for n in (1, 2, 60):
        np.testing.assert_allclose(ask(session, X[:n]), clf.predict_proba(X[:n]), atol=1e-4)


def test_classifier_can_be_used_after_the_export(tmp_path):
    clf = train(X[:, 1:-1], tta="crops", augmentation=None)
    export_onnx(clf, tmp_path / "model.onnx")
    clf.set_params(augmentation="default", warm_start=True).fit(X[:, 1:-1], Y).predict_proba(X[:, 1:-1])


@pytest.mark.parametrize(
    "images",
    [np.stack([X, X[:, ::-1], X], axis=-1)[:, :, :20], (X / 255).astype(np.float32)],
    ids=["oblong and in color", "floats"],
)
def test_input_has_the_format_of_fit(tmp_path, images):
    clf = train(images)
    export_onnx(clf, tmp_path / "model.onnx")
    session = open_session(tmp_path / "model.onnx")
    np.testing.assert_allclose(ask(session, images), clf.predict_proba(images), atol=1e-4)
    assert describe(session) == {
        "classes": ["fear", "happiness", "pain"],
        "image_shape": list(images.shape[1:]),
        "pixel_range": list(clf.pixel_range_),
        "loader": None,
    }


def test_loader_of_a_pipeline_is_described_in_the_metadata(tmp_path):
    pipeline = make_pipeline(FaceLoader(image_size=24), AugmentationOverSampler(random_state=0), train())
    pipeline.steps[0][1].fit(X)
    export_onnx(pipeline, tmp_path / "model.onnx")
    loader = describe(open_session(tmp_path / "model.onnx"))["loader"]
    assert {"image_size", "detector"} <= loader.keys() and not {"cache", "n_jobs", "max_pixels"} & loader.keys()
    faces = FaceLoader(**loader).fit_transform([*X[:5]])
    np.testing.assert_array_equal(faces, X[:5])


def test_pretrained_model_is_exported(fer2013):
    model, path = fer2013
    faces, _, _ = make_faces(6, random_state=1)
    session = open_session(path)
    np.testing.assert_allclose(ask(session, faces), model[-1].predict_proba(faces), atol=1e-4)
    assert describe(session)["loader"]["detector"] == model[0].detector


def test_file_names_no_file_of_this_machine_and_is_reproducible(fer2013, tmp_path):
    model, path = fer2013
    content = path.read_bytes()
    assert b".py" not in content and b"forward" not in content
    export_onnx(model, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == content


def test_quantized_file_is_smaller_and_predicts_almost_the_same(fer2013, tmp_path):
    model, path = fer2013
    clf = model[-1]
    faces, _, _ = make_faces(64, random_state=0)
    export_onnx(clf, tmp_path / "small.onnx", calibration=faces)
    assert (tmp_path / "small.onnx").stat().st_size < 0.4 * path.stat().st_size
    quantized = ask(open_session(tmp_path / "small.onnx"), faces)
    expected = clf.predict_proba(faces)
    assert np.abs(quantized - expected).mean() < 0.02
    # The network is uncertain about many synthetic faces.
    assert np.mean(quantized.argmax(axis=1) == expected.argmax(axis=1)) > 0.8
    # Quantized probabilities do not add up to 1.
    normalized = quantized / quantized.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(OnnxClassifier(tmp_path / "small.onnx").predict_proba(faces), normalized, atol=1e-6)


@pytest.mark.parametrize("size", [40, 48])
def test_grid_of_pooled_cells_is_exported_in_both_precisions(size, tmp_path):
    faces, labels, _ = make_faces(90, emotions=["fear", "happiness"], image_size=size, random_state=0)
    clf = EmotionClassifier(networks.ResNet(width=4, pool=3), max_epochs=4, random_state=0).fit(faces, labels)
    export_onnx(clf, tmp_path / "model.onnx")
    expected = clf.predict_proba(faces)
    np.testing.assert_allclose(load_model(tmp_path / "model.onnx").predict_proba(faces), expected, atol=1e-5)
    export_onnx(clf, tmp_path / "small.onnx", calibration=faces)
    quantized = OnnxClassifier(tmp_path / "small.onnx").predict_proba(faces)
    assert np.abs(quantized - expected).mean() < 0.02


def test_other_models_are_an_error(tmp_path):
    with pytest.raises(ModelFileError, match=r"ends in \w+, expected an EmotionClassifier"):
        export_onnx(make_hog_svm(image_size=24).fit(X, Y), tmp_path / "model.onnx")


def test_folder_as_path_is_an_error_before_the_network_is_converted(tmp_path, monkeypatch):
    monkeypatch.setattr(_onnx, "_trace", None)
    with pytest.raises(ModelFileError, match=r"is a folder\. Pass the path of a file"):
        export_onnx(train(), tmp_path)


def test_file_that_could_not_be_opened_is_not_written(tmp_path):
    clf = train()
    clf.classes_ = np.array(["fear", "happiness", "pain" * 60])
    with pytest.raises(ModelFileError, match=r"export_onnx: .*classes have more than 200 letters.*save_model"):
        export_onnx(clf, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("limit", "message"),
    [("_MAX_CLASSES", "2 to 2 names"), ("_MAX_FILE_SIZE", "more than 2 bytes"), ("_LONGEST_SIDE", "its image_shape")],
)
def test_limits_of_the_classifier_are_those_of_the_export(tmp_path, monkeypatch, limit, message):
    monkeypatch.setattr(_onnx_file, limit, 2)
    with pytest.raises(ModelFileError, match=f"export_onnx: .*{message}"):
        export_onnx(train(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_loader_for_faces_of_another_size_is_an_error(tmp_path):
    pipeline = make_pipeline(FaceLoader(image_size=24).fit(X), train()).set_params(faceloader__image_size=30)
    with pytest.raises(ModelFileError, match=r"export_onnx: .*FaceLoader for faces of shape \(30, 30\)"):
        export_onnx(pipeline, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_pipeline_of_standardized_pixels_is_an_error(tmp_path):
    standardized = (X / 128.0 - 1).astype(np.float32)
    pipeline = make_pipeline(FaceLoader(image_size=24), train(standardized))
    pipeline[0].fit(standardized)
    with pytest.raises(ModelFileError, match=r"standardized pixels, from -1 to .*Pass the EmotionClassifier alone"):
        export_onnx(pipeline, tmp_path / "model.onnx")
    export_onnx(pipeline[-1], tmp_path / "model.onnx")
    expected = pipeline.predict_proba(standardized)
    np.testing.assert_allclose(load_model(tmp_path / "model.onnx").predict_proba(standardized), expected, atol=1e-4)


def test_range_of_deep_integers_is_that_of_fit(tmp_path):
    deep = list(X.astype(np.uint16) * 16)
    pipeline = make_pipeline(FaceLoader(image_size=24, detector=None), train()).fit(deep, Y)
    export_onnx(pipeline, tmp_path / "model.onnx")
    loaded = load_model(tmp_path / "model.onnx")
    dark = [image // 16 for image in deep]
    np.testing.assert_array_equal(loaded[0].transform(dark), pipeline[0].transform(dark))
    np.testing.assert_allclose(loaded.predict_proba(dark), pipeline.predict_proba(dark), atol=1e-4)


@pytest.mark.parametrize("wrap", ["search", "frozen search", "search in a pipeline"])
def test_best_estimator_of_a_search_is_exported(tmp_path, wrap):
    network = EmotionClassifier(networks.VGG(width=4), max_epochs=1, random_state=0)
    if wrap == "search in a pipeline":
        model = make_pipeline(FaceLoader(24, margin=0.3), GridSearchCV(network, {"max_epochs": [1]}, cv=2))
    else:
        model = GridSearchCV(make_pipeline(FaceLoader(24), network), {"faceloader__margin": [0.3]}, cv=2)
    model.fit(list(X), Y)
    export_onnx(FrozenEstimator(model) if wrap == "frozen search" else model, tmp_path / "model.onnx")
    loaded = load_model(tmp_path / "model.onnx")
    assert loaded[0].margin == 0.3
    np.testing.assert_allclose(loaded.predict_proba(list(X)), model.predict_proba(list(X)), atol=1e-4)


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ModelNotFoundError, match="Create it first"):
        export_onnx(train(), tmp_path / "absent" / "model.onnx")


class Odd(nn.Module):
    """Network with control flow that depends on the input, which cannot be traced."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(24 * 24, 3))

    def forward(self, images):
        return self.layers(images) if images.sum().item() > 0 else self.layers(-images)


def test_network_that_onnx_cannot_express_is_an_error_and_leaves_no_file(tmp_path):
    clf = EmotionClassifier(networks.TorchNetwork(Odd), max_epochs=1, random_state=0).fit(X, Y)
    with pytest.raises(ModelFileError, match=r"cannot be converted to ONNX .*save_model"):
        export_onnx(clf, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
