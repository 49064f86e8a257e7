"""Check the operators of an ONNX graph, and infer the sizes of all arrays, before anything is computed."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import (
    GraphProto,
    OperatorSetIdProto,
    TensorProto,
    TypeProto,
    defs,
    helper,
    load_model_from_string,
    numpy_helper,
)
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import infer_node_outputs

from ._files import escape, first_line

_MAX_METADATA_SIZE = 100_000
_MAX_NODES, _MAX_AXES = 20_000, 16

# Limits for one image: bytes of the largest array and of all arrays, and multiplications.
_LARGEST_ARRAY, _ALL_ARRAYS, _PRODUCTS = 2**27, 2**31, 2 * 10**11

# Arrays of at most so many numbers may be sizes, axes or scales.
_MAX_SIZES = 64

# Operators to which PyTorch exports networks, and those of quantized ones. Others, such as decoders of images, random
# numbers and loops, may take any time and memory.
_SIMPLE = """
    Abs Acos Add And Asin Atan BatchNormalization Cast CastLike Ceil Celu Clip Cos Cosh CumSum DequantizeLinear Div
    Dropout DynamicQuantizeLinear Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual GroupNormalization HardSigmoid
    HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax LpNormalization LRN Max Mean MeanVarianceNormalization Min Mish Mod Mul Neg Not Or PRelu Pow
    QuantizeLinear RMSNormalization Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Sub
    Sum Swish Tan Tanh ThresholdedRelu Where Xor
    AffineGrid ArgMax ArgMin Concat Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Gather GatherElements
    GatherND GridSample OneHot Pad Range ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Reshape Resize ScatterElements ScatterND Shape Size Slice SpaceToDepth Split
    Squeeze Tile TopK Transpose Trilu Unsqueeze
"""
_POOLING = ("AveragePool", "MaxPool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
# The place of the weights among the inputs.
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "ConvTranspose": 1, "QLinearConv": 3}
_MATRIX_PRODUCTS = ("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul")
_OPERATORS = {*_SIMPLE.split(), *_POOLING, *_CONVOLUTIONS, *_MATRIX_PRODUCTS, "Einsum"}

# Operators and types by which sizes are computed from others; operators whose output has the shape of the input.
_COMPUTING_SIZES = "Add Cast Concat Gather Identity Mul Reshape Slice Squeeze Sub Unsqueeze"
_WHOLE_TYPES = (np.dtype(np.int32), np.dtype(np.int64))
_KEEPING_SHAPE = ("GroupNormalization", "MeanVarianceNormalization")


class Graph:
    """Operators of an ONNX file and the shapes of its weights.

    Parameters
    ----------
    data : bytes
        Content of the file.
    refuse : callable
        Return the error to be raised, from a reason.
    """

    def __init__(self, data: bytes, refuse: Callable[[str], Exception]):

        self._refuse = refuse
        try:
            model = load_model_from_string(data)
        except Exception:
            raise refuse("it is not an ONNX file") from None
        self._check_form(model, len(data))
        # A copy, so that the weights can be freed.
        graph = GraphProto(node=model.graph.node, input=model.graph.input)
        self._nodes, self._entry = list(graph.node), graph.input[0]
        self._versions = [
            OperatorSetIdProto(domain=entry.domain, version=entry.version) for entry in model.opset_import
        ]
        self._ir_version = model.ir_version
        self._types: dict[str, Any] = {}
        self._known: dict[str, NDArray[Any]] = {}
        for tensor in model.graph.initializer:
            self._types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
            if math.prod(tensor.dims) <= _MAX_SIZES:
                try:
                    self._known[tensor.name] = numpy_helper.to_array(tensor)
                except Exception:
                    raise refuse(f"its array {escape(tensor.name, 60)} cannot be read") from None
        if len(self._types) < len(model.graph.initializer) or self._entry.name in self._types:
            raise refuse("two of its arrays have the same name")

    def _check_form(self, model: Any, n_bytes: int) -> None:
        """Reject graphs that read other files or use other operators."""

        graph = model.graph
        if not graph.node or len(graph.input) != 1 or len(graph.output) != 1:
            raise self._refuse("it is not a network with one input and one output")
        if len(graph.node) > _MAX_NODES:
            raise self._refuse(f"it has more than {_MAX_NODES:,} operators")
        if model.functions or graph.sparse_initializer:
            raise self._refuse("it defines functions or sparse arrays")
        if sum(entry.domain in ("", "ai.onnx") for entry in model.opset_import) != 1:
            raise self._refuse("it states no version of its operators")
        for node in graph.node:
            name = escape(node.op_type, 60)
            if node.domain not in ("", "ai.onnx"):
                raise self._refuse(f"it uses the custom operator {name}")
            if any(part.HasField("g") or part.graphs or part.sparse_tensors for part in node.attribute):
                raise self._refuse(f"it uses the operator {name} with a graph inside")
            if node.op_type not in _OPERATORS:
                raise self._refuse(f"it uses the operator {name}, which is not one of those of networks for images")
        for tensor in _list_tensors(graph):
            if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
                raise self._refuse("its data are in other files")
            # Two numbers of 4 bits share a byte.
            if min(tensor.dims, default=0) < 0 or math.prod(tensor.dims) > 2 * n_bytes or len(tensor.dims) > _MAX_AXES:
                raise self._refuse(f"it claims to hold an array of shape {escape(list(tensor.dims[:9]), 60)}")
        if sum(len(entry.value) for entry in model.metadata_props) > _MAX_METADATA_SIZE:
            raise self._refuse(f"its metadata have more than {_MAX_METADATA_SIZE:,} characters")
        if not graph.input[0].type.tensor_type.shape.dim:
            raise self._refuse("its input has no shape")

    def find_batch_size(self, most: int) -> int:
        """Return the number of images, at most `most`, for which the arrays are as large as they may be for one."""
        self.check_batch(1)
        return max(1, math.floor(most / self._weigh(most, most)))

    def check_batch(self, n_images: int) -> None:
        """Reject graphs that need too much memory for a batch of this size."""
        # Memory that does not depend on the number of images may make up the other half.
        self._weigh(n_images, min(n_images, 2))

    def _weigh(self, n_images: int, most: int) -> float:
        """Return how much memory a batch needs, at least 1; reject more than `most`. One image may need 1."""
        largest = total = columns = products = 0
        # Node by node, since sizes may be doubled by each.
        for node, inputs, outputs in self._infer(n_images):
            for array in outputs:
                n_bytes = self._count_bytes(array)
                total += n_bytes
                largest = max(largest, n_bytes)
            if largest > most * _LARGEST_ARRAY:
                raise self._refuse(f"it computes an array of {largest:,} bytes for a batch of {n_images}")
            try:
                added, copied = self._count_products(node, inputs, outputs) if node is not None and outputs else (0, 0)
            except (IndexError, KeyError, UnicodeDecodeError):
                raise self._refuse(f"the operator {node.op_type} lacks inputs") from None
            products, columns = products + added, max(columns, 4 * copied)
            if products > n_images * _PRODUCTS:
                raise self._refuse(f"it multiplies more than {_PRODUCTS:,} numbers for an image")
            if total + columns > most * _ALL_ARRAYS:
                raise self._refuse(f"its arrays have more than {most * _ALL_ARRAYS:,} bytes for a batch of {n_images}")
        return max(1.0, largest / _LARGEST_ARRAY, (total + columns) / _ALL_ARRAYS)

    def _infer(self, n_images: int) -> Iterator[tuple[Any, list[Any], list[Any]]]:
        """Iterate over the nodes, with the types of their inputs and outputs; begin with the input of the graph."""
        entry = TypeProto()
        entry.CopyFrom(self._entry.type)
        entry.tensor_type.shape.dim[0].dim_value = n_images
        yield None, [], [entry]
        types, known = {**self._types, self._entry.name: entry}, dict(self._known)
        for node in self._nodes:
            missing = [name for name in node.input if name and name not in types]
            if missing:
                raise self._refuse(f"nothing computes its array {escape(missing[0], 60)}")
            try:
                found = self._infer_node(node, types, known)
            except Exception as error:
                raise self._refuse(f"its sizes are inconsistent: {first_line(error)}") from None
            names = [name for name in node.output if name]
            if any(name in types for name in names):
                raise self._refuse("two of its arrays have the same name")
            # What follows relies on known sizes.
            outputs = [found.get(name) for name in names]
            yield node, [types[name] for name in node.input if name], outputs
            types.update(found)
            if len(node.output) == len(names) == 1:
                self._compute_sizes(node, types, known)

    def _infer_node(self, node: Any, types: dict[str, Any], known: dict[str, NDArray[Any]]) -> dict[str, Any]:

        version = next(entry.version for entry in self._versions if entry.domain in ("", "ai.onnx"))
        schema = defs.get_schema(node.op_type, version, "")
        if node.op_type in _KEEPING_SHAPE:
            return {node.output[0]: types[node.input[0]]}
        names = [name for name in node.input if name]
        return infer_node_outputs(
            schema,
            node,
            {name: types[name] for name in names},
            {name: numpy_helper.from_array(known[name]) for name in names if name in known},
            opset_imports=self._versions,
            ir_version=self._ir_version,
        )

    def _count_bytes(self, array: Any) -> int:
        # All sizes follow from the number of images, unless they are computed from pixels.
        shape = None if array is None or not array.HasField("tensor_type") else _get_shape(array)
        if shape is None:
            raise self._refuse("the sizes of its arrays depend on their values")
        if len(shape) > _MAX_AXES:
            raise self._refuse(f"it computes an array with {len(shape)} axes")
        try:
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(array.tensor_type.elem_type))
        except (KeyError, TypeError):
            dtype = np.dtype(object)
        if dtype.kind in "OSU":
            raise self._refuse("it computes an array of text")
        return math.prod(shape) * dtype.itemsize

    def _count_products(self, node: Any, inputs: list[Any], outputs: list[Any]) -> tuple[int, int]:
        """Return the number of multiplications of a node, and that of the pixels that a convolution copies."""
        shapes, size = [_get_shape(array) or (1,) for array in inputs], math.prod(_get_shape(outputs[0]) or (0,))
        settings = {part.name: part for part in node.attribute}
        kind = node.op_type
        if kind in _CONVOLUTIONS:
            images, weights = shapes[0], shapes[_CONVOLUTIONS[kind]]
            products = (math.prod(images) if kind == "ConvTranspose" else size) * math.prod(weights[1:])
            # The pixels under each position of the kernel, of one image.
            return products, products // max(1, images[0] * weights[0])
        if kind in _MATRIX_PRODUCTS:
            is_transposed = "transA" in settings and settings["transA"].i
            return size * shapes[0][0 if is_transposed else -1], 0
        if kind in _POOLING and "kernel_shape" in settings:
            return size * math.prod(settings["kernel_shape"].ints), 0
        if kind == "Einsum":
            if len(inputs) > 2:
                raise self._refuse("it uses the operator Einsum with more than two arrays")
            terms = settings["equation"].s.decode().replace(" ", "").partition("->")[0].split(",")
            if "." not in "".join(terms) and [*map(len, terms)] == [*map(len, shapes)]:
                sides = sorted(zip("".join(terms), sum(shapes, ()), strict=True))
                # Of sides of the same name, the largest.
                return math.prod(dict(sides).values()), 0
            return math.prod(map(math.prod, shapes)), 0
        return 0, 0

    def _compute_sizes(self, node: Any, types: dict[str, Any], known: dict[str, NDArray[Any]]) -> None:
        """Compute the values of a node if they may be sizes; add them to `known`."""
        name, args = node.output[0], [name for name in node.input if name]
        shape = _get_shape(types[name])
        if shape is None or math.prod(shape) > _MAX_SIZES:
            return
        if node.op_type in ("Shape", "Size") and args:
            sizes = np.array(_get_shape(types[args[0]]), dtype=np.int64)
            span = {part.name: part.i for part in node.attribute}
            known[name] = sizes.prod() if node.op_type == "Size" else sizes[span.get("start", 0) : span.get("end")]
            return
        whole = all(arg in known and known[arg].dtype in _WHOLE_TYPES for arg in args)
        whole = whole and types[name].tensor_type.elem_type in (TensorProto.INT64, TensorProto.INT32)
        if node.op_type != "Constant" and not (whole and node.op_type in _COMPUTING_SIZES.split()):
            return
        inputs, outputs = (
            [helper.make_value_info(key, types[key]) for key in keys] for keys in (dict.fromkeys(args), [name])
        )
        graph = helper.make_graph([node], "sizes", inputs, outputs)
        model = helper.make_model(graph, opset_imports=self._versions, ir_version=self._ir_version)
        try:
            (values,) = ReferenceEvaluator(model).run(None, {arg: known[arg] for arg in args})
        except Exception as error:
            raise self._refuse(f"its sizes are inconsistent: {first_line(error)}") from None
        # ONNX Runtime might compute others if the two disagree.
        if np.shape(values) == shape:
            known[name] = np.asarray(values)


def _get_shape(array: Any) -> tuple[int, ...] | None:
    """Return the shape of a type of ONNX; None if it is not known."""
    shape = array.tensor_type.shape
    if not array.tensor_type.HasField("shape") or not all(axis.HasField("dim_value") for axis in shape.dim):
        return None
    return tuple(axis.dim_value for axis in shape.dim)


def _list_tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
