"""Load damaged and forged ONNX files, as fuzz_models.py does for other model files.

python tests/soak/fuzz_onnx.py --count 500 --keep escapes
"""

import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from fuzz_models import flip, main
from onnx import helper

from sk_emotion.utils._files import FOLDER, list_weights

SIZES = (0, -1, 1, 3, 10**6, 2**40, 2**62, -(2**63))
OPERATORS = sorted(schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain)
ATTRIBUTES = ("axes", "axis", "group", "kernel_shape", "mode", "pads", "perm", "to")


def change_operator(graph, rng):
    rng.choice(graph.node).op_type = rng.choice(OPERATORS)


def change_attribute(graph, rng):
    parts = [part for node in graph.node for part in node.attribute if part.ints]
    part = rng.choice(parts)
    part.ints[rng.randrange(len(part.ints))] = rng.choice(SIZES)


def add_attribute(graph, rng):
    value = rng.choice((3, -5, [1, 2, 3], [2**60] * 4, "x", 0.5))
    rng.choice(graph.node).attribute.append(helper.make_attribute(rng.choice(ATTRIBUTES), value))


def connect(graph, rng):
    names = [tensor.name for tensor in graph.initializer] + [name for node in graph.node for name in node.output]
    node = rng.choice([node for node in graph.node if node.input])
    node.input[rng.randrange(len(node.input))] = rng.choice(names)


def change_shape(graph, rng):
    tensor = rng.choice([tensor for tensor in graph.initializer if tensor.dims])
    tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(SIZES)


def change_type(graph, rng):
    rng.choice(graph.initializer).data_type = rng.randrange(24)


def change_sizes(graph, rng):
    tensor = rng.choice([tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT64])
    values = np.frombuffer(tensor.raw_data, np.int64).copy()
    if len(values):
        values[rng.randrange(len(values))] = rng.choice(SIZES)
        tensor.raw_data = values.tobytes()


def remove_node(graph, rng):
    del graph.node[rng.randrange(len(graph.node))]


def rename_output(graph, rng):
    rng.choice(graph.node).output[0] = rng.choice(("probabilities", "images", "other"))


CHANGES = (
    *(change_operator, change_attribute, add_attribute, connect, change_shape, change_type, change_sizes),
    *(remove_node, rename_output),
)


def make_good():
    """Return the contents of valid files, and import what loading them needs."""
    from sk_emotion import load_model

    contents = [(FOLDER / f"{name}.onnx").read_bytes() for name in list_weights()]
    with tempfile.TemporaryDirectory() as folder:
        # Copies, since files of the package are not checked.
        path = Path(folder, "model.onnx")
        for content in contents:
            path.write_bytes(content)
            load_model(path).predict([np.zeros((48, 48), np.uint8)])
    return contents


def make_file(good, seed, number):
    """Return the content of a damaged file."""
    rng = random.Random(f"{seed} {number}")
    content = rng.choice(good)
    way = rng.random()
    if way < 0.15:
        # The nodes are at the beginning, the metadata at the end.
        damaged = bytearray(content)
        start = rng.choice((0, len(damaged) - 3000))
        part = damaged[start : start + 12_000]
        flip(part, rng)
        damaged[start : start + 12_000] = part
        return bytes(damaged)
    if way < 0.2:
        return content[: rng.randrange(len(content))]
    model = onnx.load_model_from_string(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice(CHANGES)(model.graph, rng)
    return model.SerializeToString()


if __name__ == "__main__":
    sys.exit(main(__doc__, make_good, make_file, "model.onnx"))
