"""Changed ONNX files, which export_onnx would not write."""

import json

import numpy as np
from onnx import helper, numpy_helper

from sk_emotion.utils._files import FOLDER

SHIPPED = FOLDER / "human-emotions.onnx"


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
