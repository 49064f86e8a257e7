"""ONNX files that export_onnx would not write are rejected before anything is computed."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from onnx_graphs import SHIPPED, add_constant, add_node, describe

from sk_emotion import OnnxClassifier, load_model
from sk_emotion.exceptions import ModelFileError, ModelNotFoundError
from sk_emotion.persistence import _onnx_file

X = np.random.default_rng(0).integers(0, 256, (3, 48, 48)).astype(np.uint8)


def test_copy_of_an_included_model_is_accepted(tmp_path, model):
    (tmp_path / "copy.onnx").write_bytes(model.SerializeToString())
    expected = OnnxClassifier(SHIPPED).predict_proba(X)
    np.testing.assert_array_equal(OnnxClassifier(tmp_path / "copy.onnx").predict_proba(X), expected)


@pytest.mark.parametrize("content", [b"", b"text", b"\x08\x07", b"\x00" * 100, b"PK\x03\x04" * 50])
def test_other_files_are_refused(content, refuse):
    refuse(content, "not an ONNX file|not a network")


@pytest.mark.parametrize("n_bytes", [10, 500, 10_000, -500])
def test_truncated_file_is_refused(n_bytes, refuse):
    refuse(SHIPPED.read_bytes()[:n_bytes], "was not written by export_onnx or is damaged")


def test_missing_and_irregular_files_are_refused(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"there is no file .*none\.onnx"):
        load_model(tmp_path / "none.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ModelFileError, match="is a folder"):
        load_model(tmp_path / "folder.onnx")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelFileError, match="not a regular file"):
        load_model(tmp_path / "pipe.onnx")


def test_huge_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_onnx_file, "_MAX_FILE_SIZE", 1_000_000)
    (tmp_path / "copy.onnx").write_bytes(SHIPPED.read_bytes())
    with pytest.raises(ModelFileError, match="more than 1,000,000 bytes"):
        load_model(tmp_path / "copy.onnx")


def test_missing_metadata_are_refused(model, refuse):
    del model.metadata_props[:]
    refuse(model, "metadata have no entry sk_emotion")


@pytest.mark.parametrize("text", ["", "text", "3", "[]", "{}", "[" * 50_000, '{"classes": 1}'])
def test_other_metadata_are_refused(model, text, refuse):
    model.metadata_props[0].value = text
    refuse(model, "its metadata")


def test_large_metadata_are_refused(model, refuse):
    refuse(describe(model, more="a" * 200_000), "more than 100,000 characters")


CLASSES = ["anger", "disgust", "fear", "happiness", "pain", "sadness"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["fear"]}, "2 to 1000 names"),
        ({"classes": []}, "2 to 1000 names"),
        ({"classes": CLASSES[::-1]}, "sorted"),
        ({"classes": [*CLASSES[:5], "pain"]}, "distinct"),
        ({"classes": ["fear", "pain"]}, "has 2 classes, but its output"),
        ({"classes": [*CLASSES[:5], 3]}, "names or numbers"),
        ({"classes": [[0], [1]]}, "names or numbers"),
        ({"classes": [0.0, 1.0, 2.0, 3.0, 4.0, float("nan")]}, "sorted and distinct"),
        ({"classes": [*CLASSES[:5], "s" * 201]}, "more than 200 letters"),
        ({"classes": [*CLASSES[:5], "pain\0"]}, "array of NumPy"),
        ({"classes": [0, 1, 2, 3, 4, 2**63]}, "array of NumPy"),
        ({"classes": [10**n for n in range(30, 36)]}, "array of NumPy"),
        ({"classes": 3}, "no valid classes"),
        ({"image_shape": [24]}, "image_shape"),
        ({"image_shape": [24, 24]}, r"image_shape is \[24, 24\], but its input \[48, 48\]"),
        ({"image_shape": [48, 48, 3]}, "image_shape"),
        ({"image_shape": [48, 48.0]}, "image_shape"),
        ({"pixel_range": [0, 0]}, "pixel_range"),
        ({"pixel_range": [0, 10**400]}, "pixel_range"),
        ({"pixel_range": [0, float("inf")]}, "pixel_range"),
        ({"pixel_range": [float("nan"), 1]}, "pixel_range"),
        ({"pixel_range": ["0", "1"]}, "pixel_range"),
        ({"pixel_range": [1]}, "pixel_range"),
        ({"loader": 3}, "no valid loader"),
        ({"loader": {"cache": "/tmp"}}, "loader has a parameter cache"),
        ({"loader": {"n_jobs": 1000}}, "loader has a parameter n_jobs"),
        ({"loader": {"max_pixels": None}}, "loader has a parameter max_pixels"),
        ({"loader": {"image_shape": ["a"]}}, "image_shape of its loader"),
        ({"loader": {"image_shape": [0, 4]}}, "image_shape of its loader"),
        ({"loader": {"image_shape": [-4, 4]}}, "image_shape of its loader"),
        ({"loader": {"image_shape": [10**30, 10**30]}}, "image_shape of its loader"),
        ({"loader": {"image_shape": 4}}, "image_shape of its loader"),
        ({"integer_ranges": 3}, "no valid integer_ranges"),
        ({"integer_ranges": {"object": 65535.0}}, "its integer_ranges are"),
        ({"integer_ranges": {"uint16": 1e300}}, "its integer_ranges are"),
        ({"integer_ranges": {"uint16": [65535.0]}}, "its integer_ranges are"),
    ],
)
def test_invalid_metadata_are_refused(model, changes, message, refuse):
    refuse(describe(model, **changes), message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 10**9}, "FaceLoader for faces of shape"),
        ({"image_size": "48"}, "invalid FaceLoader"),
        ({"image_size": [48, 48, 48]}, "invalid FaceLoader"),
        ({"color": True}, r"shape \(48, 48, 3\)"),
        ({"detector": "os.system"}, "invalid FaceLoader"),
        ({"margin": -1}, "invalid FaceLoader"),
        ({"margin": "\x1b[31m" * 1000}, "invalid FaceLoader"),
        ({"on_missing": {}}, "invalid FaceLoader"),
    ],
)
def test_invalid_loader_is_refused(model, changes, message, tmp_path):
    describe(model, loader=json.loads(model.metadata_props[0].value)["loader"] | changes)
    path = tmp_path / "changed.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500
    assert OnnxClassifier(path).predict(X).shape == (3,)


@pytest.mark.parametrize("value", [float("nan"), -1.0, 0.0])
def test_output_that_is_no_probability_is_reported(model, value, tmp_path):
    name = model.graph.output[0].name
    model.graph.node[-1].output[0] = "probabilities before"
    add_constant(model, "factor", np.float32(value))
    add_node(model, "Mul", ["probabilities before", "factor"], [name])
    path = tmp_path / "changed.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match="returns no probabilities"):
        OnnxClassifier(path).predict(X)


def test_output_of_another_shape_is_reported(model, tmp_path):
    name = model.graph.output[0].name
    model.graph.node[-1].output[0] = "probabilities before"
    add_constant(model, "first", np.array([0]))
    add_node(model, "Gather", ["probabilities before", "first"], [name])
    path = tmp_path / "changed.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=r"returns an array of shape \(1, 6\)"):
        OnnxClassifier(path).predict(X)


def test_name_that_is_no_text_is_refused_silently(model, refuse, capfd):
    content = model.SerializeToString().replace(b"AveragePool", b"Average\xff\xffol")
    refuse(content, "damaged")
    assert capfd.readouterr() == ("", "")


def test_errors_are_silent_and_torch_is_not_imported(model, tmp_path):
    add_node(model, "Reshape", ["images", "absent"], ["y"])
    (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
    code = f"""
import sys, numpy
from sk_emotion import OnnxClassifier, load_model
for path in ({str(SHIPPED)!r}, {str(tmp_path / "bad.onnx")!r}):
    try:
        print(load_model(path).predict(numpy.zeros((2, 48, 48), numpy.uint8)).shape)
    except ValueError as error:
        print(type(error).__name__)
print([name for name in ("torch", "torchvision", "skorch", "skops", "cv2", "skimage") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(2,)\nModelFileError\n[]\n", "")
