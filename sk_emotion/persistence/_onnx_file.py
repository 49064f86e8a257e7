"""Open ONNX files of export_onnx with ONNX Runtime; reject all others before anything is computed."""

import json
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from .._images._pixel_range import clip_pixels
from ..exceptions import ModelFileError
from ..utils._files import FOLDER
from ._files import escape, open_model

METADATA_KEY = "sk_emotion"

LOADER_PARAMETERS = (
    *("image_size", "color", "detector", "detection_size", "min_score", "min_face", "align", "margin"),
    *("on_missing", "channel_order", "image_shape"),
)
"""Parameters of a FaceLoader that are stored in a file: those that change faces, none that names a folder."""

_MAX_FILE_SIZE = 500_000_000
_MAX_METADATA_SIZE = 100_000
_MAX_CLASSES, _MAX_LABEL_LENGTH = 1000, 200

_BATCH_SIZE, _SMALLEST_BATCH = 64, 8
# Numbers in the largest array that is computed. If a batch needs more than one image may, batches are smaller.
_MOST_FOR_ONE, _MOST_FOR_BATCH = 2**25, 2**31

_ELEMENT_TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
_LABEL_TYPES = (str, bool, int, float)
_TEXT = {"classes": list, "image_shape": list, "pixel_range": list, "loader": dict | None}


class OnnxFile:
    """Network in a file: its labels, the images it takes, and its session.

    Raise a ModelFileError unless export_onnx could have written the file. Files of the package are not checked.
    """

    classes: NDArray[Any]
    image_shape: tuple[int, ...]
    pixel_range: tuple[float, float]
    loader: dict[str, Any] | None

    def __init__(self, path: str | os.PathLike[str]):
        self._place = f"OnnxClassifier: {escape(os.fsdecode(path))}"
        with open_model(path, "OnnxClassifier") as file:
            data = file.read(_MAX_FILE_SIZE + 1)
        if len(data) > _MAX_FILE_SIZE:
            raise self._refuse(f"it has more than {_MAX_FILE_SIZE:,} bytes")
        is_shipped = Path(path).resolve().parent == FOLDER.resolve()
        self._batch_size = _BATCH_SIZE if is_shipped else self._check_graph(data)
        self._session = self._open_session(data)
        self._read_metadata()

    def predict_proba(self, images: Any) -> NDArray[np.float64]:
        """Return the probabilities of validated images, computed in batches."""
        probabilities = run_in_batches(self._run, images, self._batch_size).astype(np.float64)
        totals = probabilities.sum(axis=1, keepdims=True)
        if not (np.isfinite(totals).all() and (probabilities >= 0).all() and totals.all()):
            raise self._refuse("its network returns no probabilities")
        return probabilities / totals

    def _run(self, images: NDArray[Any]) -> NDArray[Any]:
        batch = clip_pixels(images, self.pixel_range)
        if self._dtype == np.uint8 and batch.dtype != np.uint8:
            batch = np.rint(batch)
        try:
            (probabilities,) = self._session.run(None, {self._input: batch.astype(self._dtype, copy=False)})
        except Exception as error:
            raise self._refuse(f"its network cannot be run ({_first_line(error)})") from None
        if probabilities.shape != (len(batch), len(self.classes)):
            raise self._refuse(f"its network returns an array of shape {probabilities.shape}")
        return probabilities

    def _refuse(self, reason: str) -> ModelFileError:
        return ModelFileError(
            f"{self._place} was not written by export_onnx or is damaged ({reason}). Export the model again."
        )

    def _check_graph(self, data: bytes) -> int:
        """Reject graphs that read other files, use other operators or compute huge arrays; return the batch size."""
        import onnx
        from onnx.shape_inference import infer_shapes

        try:
            model = onnx.load_model_from_string(data)
        except Exception:
            raise self._refuse("it is not an ONNX file") from None
        graph = model.graph
        if not graph.node or len(graph.input) != 1 or len(graph.output) != 1:
            raise self._refuse("it is not a network with one input and one output")
        if model.functions or graph.sparse_initializer:
            raise self._refuse("it defines functions or sparse arrays")
        for node in graph.node:
            if node.domain not in ("", "ai.onnx"):
                raise self._refuse(f"it uses the custom operator {escape(node.op_type, 60)}")
            if any(part.HasField("g") or part.graphs or part.sparse_tensors for part in node.attribute):
                raise self._refuse(f"it uses the operator {escape(node.op_type, 60)} with a graph inside")
        for tensor in _list_tensors(graph):
            if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
                raise self._refuse("its data are in other files")
            # Two numbers of 4 bits share a byte.
            if min(tensor.dims, default=0) < 0 or math.prod(tensor.dims) > 2 * len(data):
                raise self._refuse(f"it claims to hold an array of shape {escape(list(tensor.dims), 60)}")
        if sum(len(entry.value) for entry in model.metadata_props) > _MAX_METADATA_SIZE:
            raise self._refuse(f"its metadata have more than {_MAX_METADATA_SIZE:,} characters")
        axes = graph.input[0].type.tensor_type.shape.dim
        if not axes:
            raise self._refuse("its input has no shape")
        # What the file claims about sizes must not count.
        del graph.value_info[:]
        graph.output[0].type.tensor_type.ClearField("shape")
        # Constants are computed on loading, other arrays may grow with any power of the number of images.
        largest = 0
        for n_images, limit in ((1, _MOST_FOR_ONE), (_BATCH_SIZE, _MOST_FOR_BATCH)):
            axes[0].dim_value = n_images
            try:
                inferred = infer_shapes(model, strict_mode=True, data_prop=True).graph
            except Exception as error:
                raise self._refuse(f"its sizes are inconsistent: {_first_line(error)}") from None
            largest = max(map(self._measure, _list_arrays(inferred)))
            if largest > limit:
                raise self._refuse(f"it computes an array of {largest:,} numbers for {n_images} images")
        return max(1, _BATCH_SIZE * _MOST_FOR_ONE // max(largest, _MOST_FOR_ONE))

    def _measure(self, array: Any) -> int:
        # All sizes follow from the number of images, unless they are computed from pixels.
        is_known = array is not None and array.HasField("shape")
        if not is_known or not all(axis.HasField("dim_value") for axis in array.shape.dim):
            raise self._refuse("the sizes of its arrays depend on their values")
        return math.prod(axis.dim_value for axis in array.shape.dim)

    def _open_session(self, data: bytes) -> Any:
        try:
            session = open_session(data)
        except Exception as error:
            raise self._refuse(f"ONNX Runtime cannot load it: {_first_line(error)}") from None
        (entry,), (result,) = session.get_inputs(), session.get_outputs()
        if entry.type not in _ELEMENT_TYPES or result.type != "tensor(float)":
            raise self._refuse(f"it maps {entry.type} to {result.type}")
        self._input, self._dtype = entry.name, _ELEMENT_TYPES[entry.type]
        self._shapes = entry.shape[1:], result.shape[1:]
        return session

    def _read_metadata(self) -> None:
        try:
            about = json.loads(self._session.get_modelmeta().custom_metadata_map[METADATA_KEY])
            # Files of earlier versions state no range.
            about.setdefault("pixel_range", [0.0, 255.0 if self._dtype == np.uint8 else 1.0])
            wrong = [key for key, kind in _TEXT.items() if not isinstance(about[key], kind)]
        except Exception:
            raise self._refuse(f"its metadata have no entry {METADATA_KEY}, or not of that form") from None
        if wrong:
            raise self._refuse(f"its metadata hold no valid {wrong[0]}")
        labels, shape, limits, self.loader = (about[key] for key in _TEXT)
        kinds = {type(label) for label in labels}
        if len(kinds) != 1 or not kinds <= {*_LABEL_TYPES} or not 2 <= len(labels) <= _MAX_CLASSES:
            raise self._refuse(f"its classes must be 2 to {_MAX_CLASSES} names or numbers")
        if max(len(str(label)) for label in labels) > _MAX_LABEL_LENGTH:
            raise self._refuse(f"its classes have more than {_MAX_LABEL_LENGTH} letters")
        # NaN is not equal to itself.
        if labels != sorted(set(labels)) or any(label != label for label in labels):
            raise self._refuse("its classes must be sorted and distinct")
        self.classes = np.array(labels)
        if shape != self._shapes[0] or len(shape) not in (2, 3) or shape[2:] not in ([], [3]):
            raise self._refuse(f"its image_shape is {escape(shape, 60)}, but its input {escape(self._shapes[0], 60)}")
        if self._shapes[1] != [len(labels)]:
            raise self._refuse(f"it has {len(labels)} classes, but its output {escape(self._shapes[1], 60)}")
        self.image_shape = tuple(shape)
        if len(limits) != 2 or {*map(type, limits)} - {int, float} or not -math.inf < limits[0] < limits[1] < math.inf:
            raise self._refuse(f"its pixel_range is {escape(limits, 60)}")
        self.pixel_range = (float(limits[0]), float(limits[1]))
        unknown = sorted({*(self.loader or ())} - {*LOADER_PARAMETERS})
        if unknown:
            raise self._refuse(f"its loader has a parameter {escape(unknown[0], 60)}")


def run_in_batches(run: Callable[[Any], NDArray[Any]], images: Any, batch_size: int) -> NDArray[Any]:
    """Run a network on batches of images, in as many threads as PyTorch uses."""
    # joblib sets it in its workers.
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    n_threads = int(wanted) if wanted.isascii() and wanted.isdigit() and int(wanted) else cpu_count()
    batch_size = min(batch_size, max(_SMALLEST_BATCH, math.ceil(len(images) / n_threads)))
    batches = [slice(start, start + batch_size) for start in range(0, len(images), batch_size)]
    if len(batches) == 1:
        return run(images[batches[0]])
    with ThreadPoolExecutor(n_threads) as pool:
        return np.concatenate(list(pool.map(lambda batch: run(images[batch]), batches)))


def open_session(data: bytes) -> Any:
    """Open a network that runs in the calling thread; nothing is printed.

    ONNX Runtime's own threads do not survive a fork, after which closing the session would wait for them forever.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Errors are raised.
    options.log_severity_level = 4
    # Without a fallback, which would print the error.
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)


def _list_tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)


def _list_arrays(graph: Any) -> Iterator[Any]:
    """Iterate over the types of the input and of all computed arrays, None if unknown."""
    known = {value.name: value.type.tensor_type for value in (*graph.input, *graph.value_info, *graph.output)}
    for name in (graph.input[0].name, *(name for node in graph.node for name in node.output if name)):
        yield known.get(name)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return escape(lines[0], 150)
