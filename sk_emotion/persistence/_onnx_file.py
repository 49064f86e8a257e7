"""Open ONNX files of export_onnx with ONNX Runtime; reject all others before anything is computed."""

import json
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from .._images._pixel_range import clip_pixels
from ..exceptions import ModelFileError
from ..leakage._training_images import TrainingImages
from ..utils._files import FOLDER, list_weights
from ..utils._parallel import open_session
from ._files import escape, first_line, open_model
from ._side_file import read_side_file

METADATA_KEY = "sk_emotion"

LOADER_PARAMETERS = (
    *("image_size", "color", "detector", "detection_size", "min_score", "min_face", "align", "margin"),
    *("on_missing", "channel_order", "image_shape"),
)
"""Parameters of a FaceLoader that are stored in a file: those that change faces, none that names a folder."""

_MAX_FILE_SIZE = 500_000_000
_MAX_CLASSES, _MAX_LABEL_LENGTH = 1000, 200
_LARGEST_PIXEL, _LONGEST_SIDE = 1e36, 1_000_000

_BATCH_SIZE, _SMALLEST_BATCH = 64, 8

_ELEMENT_TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
# Integers of images of more than 8 bits, and the ranges of their pixels.
_DEEP_TYPES = ("int8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
_DEEP_RANGES = (2.0**12 - 1, 2.0**16 - 1, 2.0**32 - 1)
_LABEL_TYPES = (str, bool, int, float)
_TEXT = {
    "classes": list,
    "image_shape": list,
    "pixel_range": list,
    "loader": dict | None,
    "integer_ranges": dict,
    "pretrained": list,
    "training_images": str,
}
# Entries of networks whose training images are known.
_OPTIONAL: dict[str, Any] = {"pretrained": [], "training_images": ""}


class OnnxFile:
    """Network in a file: its labels, the images it takes, and its session.

    Parameters
    ----------
    data : bytes
        Content of the file.
    refuse : callable
        Return the error to be raised, from a reason, unless export_onnx could have written the file.
    check : bool, default=True
        Whether to check the operators and sizes. Files of the package are not checked.
    """

    classes: NDArray[Any]
    image_shape: tuple[int, ...]
    pixel_range: tuple[float, float]
    loader: dict[str, Any] | None
    integer_ranges: dict[str, float]
    # Included models from which training started, and the name of the content of the file beside it.
    pretrained: list[str]
    named_images: str
    training_images: TrainingImages | None = None

    def __init__(self, data: bytes, refuse: Callable[[str], ModelFileError], *, check: bool = True):
        self._refuse = refuse
        if len(data) > _MAX_FILE_SIZE:
            raise refuse(f"it has more than {_MAX_FILE_SIZE:,} bytes")
        self._graph, self._batch_size = None, _BATCH_SIZE
        if check:
            # onnx takes long to import.
            from ._onnx_graph import Graph

            self._graph = Graph(data, refuse)
            self._batch_size = self._graph.find_batch_size(_BATCH_SIZE)
        self._checked = {1, _BATCH_SIZE}
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
        if self._graph is not None and len(batch) not in self._checked:
            self._graph.check_batch(len(batch))
            self._checked.add(len(batch))
        try:
            (probabilities,) = self._session.run(None, {self._input: batch.astype(self._dtype, copy=False)})
        except Exception as error:
            raise self._refuse(f"its network cannot be run ({first_line(error)})") from None
        if probabilities.shape != (len(batch), len(self.classes)):
            raise self._refuse(f"its network returns an array of shape {probabilities.shape}")
        return probabilities

    def _open_session(self, data: bytes) -> Any:
        try:
            session = open_session(data)
        except Exception as error:
            raise self._refuse(f"ONNX Runtime cannot load it: {first_line(error)}") from None
        (entry,), (result,) = session.get_inputs(), session.get_outputs()
        if entry.type not in _ELEMENT_TYPES or result.type != "tensor(float)":
            raise self._refuse(f"it maps {entry.type} to {result.type}")
        self._input, self._dtype = entry.name, _ELEMENT_TYPES[entry.type]
        self._shapes = entry.shape[1:], result.shape[1:]
        return session

    def _read_metadata(self) -> None:
        try:
            about = json.loads(self._session.get_modelmeta().custom_metadata_map[METADATA_KEY])
            # Files of earlier versions state no ranges.
            about.setdefault("pixel_range", [0.0, 255.0 if self._dtype == np.uint8 else 1.0])
            about.setdefault("integer_ranges", {})
            about = _OPTIONAL | about
            wrong = [key for key, kind in _TEXT.items() if not isinstance(about[key], kind)]
        except Exception:
            raise self._refuse(f"its metadata have no entry {METADATA_KEY}, or not of that form") from None
        if wrong:
            raise self._refuse(f"its metadata hold no valid {wrong[0]}")
        labels, shape, limits, self.loader, self.integer_ranges = (about[key] for key in _TEXT if key not in _OPTIONAL)
        self.pretrained, self.named_images = (about[key] for key in _OPTIONAL)
        kinds = {type(label) for label in labels}
        if len(kinds) != 1 or not kinds <= {*_LABEL_TYPES} or not 2 <= len(labels) <= _MAX_CLASSES:
            raise self._refuse(f"its classes must be 2 to {_MAX_CLASSES} names or numbers")
        if max(len(str(label)) for label in labels) > _MAX_LABEL_LENGTH:
            raise self._refuse(f"its classes have more than {_MAX_LABEL_LENGTH} letters")
        # NaN is not equal to itself.
        if labels != sorted(set(labels)) or any(label != label for label in labels):
            raise self._refuse("its classes must be sorted and distinct")
        self.classes = np.array(labels)
        # NumPy strips null characters, and makes floats or objects of large integers.
        if (
            self.classes.tolist() != labels
            or {*map(type, self.classes.tolist())} != kinds
            or self.classes.dtype == object
        ):
            raise self._refuse("its classes cannot be the elements of an array of NumPy")
        if shape != self._shapes[0] or len(shape) not in (2, 3) or shape[2:] not in ([], [3]) or not is_whole(shape):
            raise self._refuse(f"its image_shape is {escape(shape, 60)}, but its input {escape(self._shapes[0], 60)}")
        if self._shapes[1] != [len(labels)]:
            raise self._refuse(f"it has {len(labels)} classes, but its output {escape(self._shapes[1], 60)}")
        self.image_shape = tuple(shape)
        is_range = len(limits) == 2 and {*map(type, limits)} <= {int, float}
        if not is_range or not -_LARGEST_PIXEL <= limits[0] < limits[1] <= _LARGEST_PIXEL:
            raise self._refuse(f"its pixel_range is {escape(limits, 60)}")
        self.pixel_range = (float(limits[0]), float(limits[1]))
        unknown = sorted({*(self.loader or ())} - {*LOADER_PARAMETERS})
        if unknown:
            raise self._refuse(f"its loader has a parameter {escape(unknown[0], 60)}")
        flat = (self.loader or {}).get("image_shape")
        if flat is not None and not (isinstance(flat, list) and len(flat) in (2, 3) and is_whole(flat)):
            raise self._refuse(f"the image_shape of its loader is {escape(flat, 60)}")
        for dtype, top in self.integer_ranges.items():
            if dtype not in _DEEP_TYPES or type(top) is not float or top not in _DEEP_RANGES:
                raise self._refuse(f"its integer_ranges are {escape(self.integer_ranges, 60)}")


def is_whole(shape: list[Any]) -> bool:
    """Return whether a shape consists of integers, each at least 1 and not larger than that of any image."""
    return all(type(side) is int and 1 <= side <= _LONGEST_SIDE for side in shape)


def read_onnx(path: str | os.PathLike[str]) -> OnnxFile:
    """Open a file; raise a ModelFileError unless export_onnx could have written it."""
    place = f"OnnxClassifier: {escape(os.fsdecode(path))}"

    def refuse(reason: str) -> ModelFileError:
        return ModelFileError(
            f"{place} was not written by export_onnx or is damaged ({reason}). Export the model again."
        )

    with open_model(path, "OnnxClassifier") as file:
        data = file.read(_MAX_FILE_SIZE + 1)
    is_included = Path(path).resolve().parent == FOLDER.resolve()
    network = OnnxFile(data, refuse, check=not is_included)
    named = [Path(path).stem] if is_included else network.pretrained
    started_from = tuple(name for name in list_weights() if name in named)
    known = read_side_file(path, network.named_images, "OnnxClassifier")
    network.training_images = TrainingImages(pretrained=started_from) if known is None and started_from else known
    return network


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
