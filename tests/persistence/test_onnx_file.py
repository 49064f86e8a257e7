"""ONNX files that export_onnx would not write are rejected before anything is computed."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sk_emotion import OnnxClassifier, load_model
from sk_emotion.exceptions import ModelFileError, ModelNotFoundError
from sk_emotion.persistence import _onnx_file
from sk_emotion.utils._files import FOLDER

SHIPPED = FOLDER / "human-emotions.onnx"
X = np.random.default_rng(0).integers(0, 256, (3, 48, 48)).astype(np.uint8)


@pytest.fixture
def model():
    """Return a graph of the package, to be changed by a test."""
    return onnx.load(SHIPPED)


@pytest.fixture
def refuse(tmp_path):
    """Return a function that writes a file, and checks that it is rejected and nothing is written."""

    def check(content, message):
        path = tmp_path / "changed.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        for load in (load_model, OnnxClassifier(path).fit):
            with pytest.raises(ModelFileError, match=message) as caught:
                load(*([path] if load is load_model else []))
            assert "changed.onnx" in str(caught.value) and str(caught.value).isprintable()
            assert len(str(caught.value)) < 500
        assert list(tmp_path.iterdir()) == [path]

    return check


def describe(model, **changes):
    """Change the metadata of a graph."""
    (entry,) = model.metadata_props
    entry.value = json.dumps(json.loads(entry.value) | changes)
    return model


def add_node(model, *args, **kwargs):
    model.graph.node.append(helper.make_node(*args, **kwargs))
    return model


def add_constant(model, name, values):
    model.graph.initializer.append(numpy_helper.from_array(np.array(values), name))


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


@pytest.mark.parametrize("place", ["initializer", "attribute"])
def test_data_in_other_files_are_refused(model, place, refuse, tmp_path_factory):
    secret = tmp_path_factory.mktemp("secret") / "secret.bin"
    secret.write_bytes(b"secret" * 10_000)
    tensor = helper.make_tensor("weights", TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", str(secret)
    if place == "initializer":
        model.graph.initializer.append(tensor)
    else:
        add_node(model, "Constant", [], ["constant"], value=tensor)
    refuse(model, "data are in other files")


@pytest.mark.parametrize("sizes", [[2**62], [100_000, 100_000], [-1, 3]])
def test_array_larger_than_the_file_is_refused(model, sizes, refuse, capfd):
    model.graph.initializer[0].dims[:] = sizes
    refuse(model, "claims to hold an array of shape")
    assert capfd.readouterr() == ("", "")


def test_custom_operator_is_refused(model, refuse):
    model.graph.node[3].domain = "my.company"
    refuse(model, "custom operator")


def test_operators_of_onnx_runtime_are_refused(model, refuse):
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    refuse(add_node(model, "EPContext", [], ["context"], domain="com.microsoft"), "custom operator EPContext")


def test_control_flow_is_refused(model, refuse):
    body = helper.make_graph([], "body", [], [])
    refuse(add_node(model, "Loop", ["n", "c"], ["y"], body=body), "Loop with a graph inside")


def test_functions_are_refused(model, refuse):
    model.functions.append(helper.make_function("mine", "F", ["x"], ["y"], [], [helper.make_opsetid("", 20)]))
    refuse(model, "defines functions")


def test_sparse_arrays_are_refused(model, refuse):
    values, indices = (helper.make_tensor(name, TensorProto.INT64, [1], [1]) for name in ("values", "indices"))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [10**9, 10**9]))
    refuse(model, "sparse arrays")


def test_unknown_operator_is_refused(model, refuse):
    refuse(add_node(model, "Conv\x1b[31m", ["images"], ["y"]), "damaged")


@pytest.mark.parametrize("sizes", [[100_000, 100_000, 10], [2**26], [2**40], [2**62, 2**62]])
def test_huge_constant_array_is_refused(model, sizes, refuse):
    add_constant(model, "sizes", sizes)
    refuse(add_node(model, "ConstantOfShape", ["sizes"], ["huge"]), "computes an array of|sizes are inconsistent")


def test_array_that_grows_with_the_number_of_images_is_refused(model, refuse):
    add_node(model, "Shape", ["images"], ["n"], end=1)
    for power in range(6):
        add_node(model, "Mul", ["n" if not power else f"n{power}", "n"], [f"n{power + 1}"])
    refuse(add_node(model, "ConstantOfShape", ["n6"], ["huge"]), "computes an array of")


def test_array_whose_size_is_computed_is_refused(model, refuse):
    add_constant(model, "ten", 10.0)
    add_node(model, "Exp", ["ten"], ["many"])
    add_node(model, "Cast", ["many"], ["whole"], to=TensorProto.INT64)
    add_constant(model, "axes", [0])
    add_node(model, "Unsqueeze", ["whole", "axes"], ["sizes"])
    refuse(add_node(model, "ConstantOfShape", ["sizes"], ["huge"]), "sizes of its arrays depend on their values")


def test_what_a_file_claims_about_sizes_does_not_count(model, refuse):
    add_constant(model, "sizes", [100_000, 100_000, 10])
    add_node(model, "ConstantOfShape", ["sizes"], ["huge"])
    model.graph.value_info.append(helper.make_tensor_value_info("huge", TensorProto.FLOAT, [1]))
    refuse(model, "computes an array of")


def test_second_input_or_output_is_refused(model, refuse):
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    refuse(model, "one input and one output")


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
        ({"classes": 3}, "no valid classes"),
        ({"image_shape": [24]}, "image_shape"),
        ({"image_shape": [24, 24]}, r"image_shape is \[24, 24\], but its input \[48, 48\]"),
        ({"image_shape": [48, 48, 3]}, "image_shape"),
        ({"pixel_range": [0, 0]}, "pixel_range"),
        ({"pixel_range": [0, float("inf")]}, "pixel_range"),
        ({"pixel_range": [float("nan"), 1]}, "pixel_range"),
        ({"pixel_range": ["0", "1"]}, "pixel_range"),
        ({"pixel_range": [1]}, "pixel_range"),
        ({"loader": 3}, "no valid loader"),
        ({"loader": {"cache": "/tmp"}}, "loader has a parameter cache"),
        ({"loader": {"n_jobs": 1000}}, "loader has a parameter n_jobs"),
        ({"loader": {"max_pixels": None}}, "loader has a parameter max_pixels"),
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


def test_large_arrays_are_computed_for_fewer_images_at_a_time(model, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    expected = OnnxClassifier(path).predict_proba(X)
    monkeypatch.setattr(_onnx_file, "_MOST_FOR_ONE", 120_000)
    small = OnnxClassifier(path)
    np.testing.assert_allclose(small.predict_proba(X), expected, atol=1e-6)
    assert small._open()._batch_size == 2


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
