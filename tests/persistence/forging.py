"""Forged model files, whose content save_model would not write."""

import io
import json
import struct
import warnings
import zipfile

import numpy as np

from sk_emotion.persistence._checks import walk


def unpack(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(parts, **settings):
    """Write an archive from ``{name: content}`` or pairs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **settings) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names
        for name, content in parts.items() if isinstance(parts, dict) else parts:
            archive.writestr(name, content)
    return file.getvalue()


def forge(content, change):
    """Change the schema of a model file."""
    parts = unpack(content)
    schema = json.loads(parts["schema.json"])
    parts["schema.json"] = json.dumps(change(schema) or schema)
    return pack(parts)


def find(schema, name):
    """Find the attributes of the first fitted object of a class in a schema."""
    return next(node for node in walk(schema) if node["__class__"] == name)["content"]["content"]


def plant(content, node, parts=None):
    """Replace an attribute of a StandardScaler, and add members."""
    changed = forge(content, lambda schema: find(schema, "StandardScaler").update(with_mean=node))
    return pack({**unpack(changed), **(parts or {})})


def replace_arrays(content, array, ending=".npy", number=None):
    """Replace arrays."""
    parts = unpack(content)
    names = sorted(name for name in parts if name.endswith(ending))[:number]
    return pack({**parts, **dict.fromkeys(names, array)})


# Nodes as skops writes them


def name(kind, path, **content):
    module, _, attribute = path.rpartition(".")
    return {"__class__": attribute, "__module__": module, "__loader__": kind, **content}


def text(value):
    return name("JsonNode", "builtins.str", content=json.dumps(value))


def group(kind, *nodes):
    return name(f"{kind.title()}Node", f"builtins.{kind}", content=list(nodes))


def mapping(types=None, **nodes):
    types = types or [name("TypeNode", "builtins.str")] * len(nodes)
    return name("DictNode", "builtins.dict", key_types=group("list", *types), content=nodes)


def build(path, **attributes):
    return name("ObjectNode", path, content=mapping(**attributes))


def call(path, *arguments):
    return name("ConstructorFromReduceNode", path, content=group("tuple", *arguments))


def object_array(*items, shape=None):
    shape = group("tuple", *map(text, shape or (len(items),)))
    return name("NdArrayNode", "numpy.ndarray", type="json", content=list(items), shape=shape)


def array_node(file, **others):
    return name("NdArrayNode", "numpy.ndarray", type="numpy", file=file, **others)


# Arrays as NumPy writes them


def array(value, **settings):
    buffer = io.BytesIO()
    np.save(buffer, value, **settings)
    return buffer.getvalue()


def header(descr, shape, *, version=(1, 0), length=None, rest=b""):
    content = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode("latin1")
    size = struct.pack("<H" if version == (1, 0) else "<I", len(content) if length is None else length)
    return b"\x93NUMPY" + bytes(version) + size + content + rest


# Archives and classifiers


def patch(content, signature, offset, value):
    """Change bytes of each header that begins with a signature."""
    content, start = bytearray(content), 0
    while (start := content.find(signature, start)) >= 0:
        content[start + offset : start + offset + len(value)] = value
        start += 1
    return bytes(content)


def classifier(content, network=None, net=None, **attributes):
    """Change a fitted EmotionClassifier, its network or the state of its net."""

    def change(schema):
        clf = find(schema, "EmotionClassifier")
        if network is not None:
            clf["network"] = clf["network_"] = network
        clf["net_state"]["content"].update(net or {})
        clf.update(attributes)

    return forge(content, change)
