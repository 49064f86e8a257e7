"""Graphs that may read other files, or need much time or memory, are refused before anything is computed."""

import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_graphs import add_constant, add_node
from torch import nn

from sk_emotion import EmotionClassifier, OnnxClassifier, export_onnx, networks
from sk_emotion.exceptions import ModelFileError
from sk_emotion.persistence import _onnx_graph

X = np.random.default_rng(0).integers(0, 256, (3, 48, 48)).astype(np.uint8)


class Normalized(nn.Sequential):
    """Network with group normalization."""

    def __init__(self):
        layers = nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        super().__init__(*layers, nn.Linear(4, 2))


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


def add_to_output(model, name):
    """Add an array, which must not change anything, to the output."""
    add_constant(model, "zero", np.float32(0))
    for node in model.graph.node:
        node.output[:] = ["before" if output == model.graph.output[0].name else output for output in node.output]
    add_node(model, "Cast", [name], [f"{name} float"], to=TensorProto.FLOAT)
    add_node(model, "ReduceSum", [f"{name} float"], ["sum"], keepdims=0)
    add_node(model, "Mul", ["sum", "zero"], ["nothing"])
    return add_node(model, "Add", ["before", "nothing"], [model.graph.output[0].name])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures memory as Linux does")
@pytest.mark.parametrize("is_hidden", [False, True], ids=["known length", "length from a computed value"])
def test_doubled_array_is_refused_before_it_is_inferred(model, is_hidden, tmp_path):
    add_constant(model, "a0", [1])
    if is_hidden:
        add_constant(model, "start", [0])
        add_node(model, "Concat", ["start"], ["computed"], axis=0)
        add_node(model, "Slice", ["a0", "computed", "a0"], ["b0"])
    else:
        add_node(model, "Identity", ["a0"], ["b0"])
    for power in range(60):
        add_node(model, "Concat", [f"b{power}"] * 2, [f"b{power + 1}"], axis=0)
    (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
    code = f"""
import resource, onnx.reference, onnxruntime
from sk_emotion import OnnxClassifier
loaded = OnnxClassifier({str(tmp_path / "bad.onnx")!r})
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 500_000_000,) * 2)
try:
    loaded.fit()
except ValueError as error:
    print("computes an array of" in str(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_axes_added_without_end_are_refused(model, refuse):
    add_constant(model, "axes", np.arange(20))
    refuse(add_node(model, "Unsqueeze", ["images", "axes"], ["y"]), "array with 23 axes")


@pytest.mark.parametrize("dtype", [TensorProto.DOUBLE, TensorProto.INT64])
def test_bytes_are_limited_not_numbers(model, dtype, refuse):
    add_constant(model, "sizes", [2**24 + 1])
    value = helper.make_tensor("value", dtype, [1], [0])
    refuse(add_node(model, "ConstantOfShape", ["sizes"], ["huge"], value=value), "array of 134,217,736 bytes")


def test_sum_of_all_arrays_is_limited(model, refuse):
    add_constant(model, "sizes", [2**25])
    add_node(model, "ConstantOfShape", ["sizes"], ["a0"])
    for number in range(16):
        add_node(model, "Neg", [f"a{number}"], [f"a{number + 1}"])
    refuse(model, "arrays have more than 2,147,483,648 bytes for a batch of 1")


@pytest.mark.parametrize("operator", ["MatMul", "Gemm", "Einsum"])
def test_multiplications_are_limited(model, operator, refuse):
    add_constant(model, "sizes", [5000, 5000])
    add_node(model, "ConstantOfShape", ["sizes"], ["a0"])
    settings = {"equation": "ij,jk->ik"} if operator == "Einsum" else {}
    for number in range(2):
        add_node(model, operator, [f"a{number}", "a0"], [f"a{number + 1}"], **settings)
    refuse(model, "multiplies more than 200,000,000,000 numbers for an image")


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose", "AveragePool"])
def test_multiplications_of_large_kernels_are_limited(model, operator, refuse):
    add_constant(model, "sizes", [1, 1, 4000, 4000])
    add_constant(model, "kernel", np.zeros((1, 1, 300, 300), np.float32))
    add_node(model, "ConstantOfShape", ["sizes"], ["a0"])
    weights = [] if operator == "AveragePool" else ["kernel"]
    refuse(add_node(model, operator, ["a0", *weights], ["a1"], kernel_shape=[300, 300]), "multiplies more than")


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_copies_of_pixels_under_large_kernels_are_limited(model, operator, refuse):
    add_constant(model, "sizes", [1, 1, 1000, 1000])
    add_constant(model, "kernel", np.zeros((1, 1, 60, 60), np.float32))
    add_node(model, "ConstantOfShape", ["sizes"], ["a0"])
    refuse(add_node(model, operator, ["a0", "kernel"], ["a1"]), "arrays have more than 2,147,483,648 bytes")


def test_size_that_is_large_for_some_numbers_of_images_only_is_refused(model, tmp_path):
    add_node(model, "Shape", ["images"], ["n"], end=1)
    add_constant(model, "one", [1])
    add_constant(model, "most", [64])
    add_node(model, "Sub", ["n", "one"], ["from one"])
    add_node(model, "Sub", ["most", "n"], ["to most"])
    add_node(model, "Mul", ["from one", "to most"], ["b0"])
    for power in range(2):
        add_node(model, "Mul", [f"b{power}"] * 2, [f"b{power + 1}"])
    add_node(model, "ConstantOfShape", ["b2"], ["huge"])
    path = tmp_path / "model.onnx"
    path.write_bytes(add_to_output(model, "huge").SerializeToString())
    loaded = OnnxClassifier(path)
    assert loaded.predict_proba(X[:1]).shape == (1, 6)
    with pytest.raises(ModelFileError, match=r"computes an array of .* for a batch of 3"):
        loaded.predict_proba(X)


@pytest.mark.parametrize(
    "operator", ["RandomUniformLike", "ImageDecoder", "NonMaxSuppression", "SequenceEmpty", "LSTM"]
)
def test_operators_of_other_programs_are_refused(model, operator, refuse):
    refuse(add_node(model, operator, ["images"], ["y"]), f"operator {operator}, which is not one of")


@pytest.mark.parametrize("operator", ["Size", "Shape", "Conv", "QLinearConv", "MatMul", "Einsum", "GroupNormalization"])
@pytest.mark.parametrize("inputs", [[], [""], ["images"]], ids=["none", "empty", "one"])
def test_operators_without_inputs_or_settings_are_refused_or_unused(model, operator, inputs, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(add_node(model, operator, inputs, ["y"]).SerializeToString())
    try:
        OnnxClassifier(path).fit()
    except ModelFileError:
        return
    assert operator in ("Size", "Shape") and inputs == ["images"]


@pytest.mark.parametrize("equation", [b"ij,jk->ik", b"i\xff,jk->ik", b"", b"...i,ik->...k"])
def test_equations_that_do_not_fit_are_refused(model, equation, refuse):
    refuse(add_node(model, "Einsum", ["images", "images"], ["y"], equation=equation), "damaged")


def test_multiplications_of_unnamed_axes_are_limited(model, refuse):
    add_constant(model, "sizes", [100, 100, 50, 5])
    add_node(model, "ConstantOfShape", ["sizes"], ["a0"])
    refuse(add_node(model, "Einsum", ["a0", "a0"], ["y"], equation="...i,...i->..."), "multiplies more than")


def test_arrays_of_one_name_are_refused(model, refuse):
    refuse(add_node(model, "Identity", ["images"], [model.graph.node[0].output[0]]), "same name")


def test_many_operators_are_refused(model, refuse, monkeypatch):
    monkeypatch.setattr(_onnx_graph, "_MAX_NODES", 5)
    refuse(model, "more than 5 operators")


def test_group_normalization_is_accepted(tmp_path):
    # Its sizes are not inferred by onnx itself.
    clf = EmotionClassifier(networks.TorchNetwork(Normalized), max_epochs=1, random_state=0).fit(X, [0, 0, 1])
    export_onnx(clf, tmp_path / "model.onnx")
    loaded = OnnxClassifier(tmp_path / "model.onnx")
    np.testing.assert_allclose(loaded.predict_proba(X), clf.predict_proba(X), atol=1e-4)


def test_large_arrays_are_computed_for_fewer_images_at_a_time(model, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    expected = OnnxClassifier(path).predict_proba(X)
    monkeypatch.setattr(_onnx_graph, "_LARGEST_ARRAY", 480_000)
    small = OnnxClassifier(path)
    np.testing.assert_allclose(small.predict_proba(X), expected, atol=1e-6)
    assert small._open()._batch_size == 2
