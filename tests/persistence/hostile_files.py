"""Malicious model files.

``FILES`` maps a description of each attack to a function that makes the file from the contents of two valid files (an
EmotionClassifier and a pipeline with an SVM), and to the expected message.
"""

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path
from tempfile import gettempdir

import joblib
import numpy as np
import safetensors.numpy
import torch
from forging import (
    array,
    array_node,
    build,
    call,
    classifier,
    find,
    forge,
    group,
    header,
    mapping,
    name,
    object_array,
    pack,
    patch,
    plant,
    replace_arrays,
    text,
    unpack,
)

from sk_emotion.persistence._checks import MAX_NODES, MAX_SCHEMA_SIZE

CANARY = Path(gettempdir(), f"sk_emotion_canary_{os.getpid()}")
"""Folder that is created if code from a file runs."""

COMMAND = f"mkdir {CANARY}"

FREE = 10**6
"""Valid files have no node with this number or above."""

UNTRUSTED = "Only if you trust the author of the file"
DAMAGED = "was not written by save_model or is damaged"
NOT_OF_SKOPS = "was not written by skops"
TOO_MANY_NODES = "its tree has more than 40,000 nodes"

CONTROL_CHARACTERS = "\x1b[31m\u202e\n\x00\x9b"
"""Control characters."""
TOO_MANY_WEIGHTS = "its network has more weights than the file"


class Trap:
    """Object whose pickle creates a folder when it is loaded."""

    def __reduce__(self):
        return os.mkdir, (str(CANARY),)


OBJECTS = np.array([Trap()])


def dump(write, value, **settings):
    """Return what a function writes to a file."""
    buffer = io.BytesIO()
    write(value, buffer, **settings)
    return buffer.getvalue()


def without_mark(schema):
    return {key: value for key, value in schema.items() if key != "sk_emotion"}


def with_a_dict(schema):
    return {**mapping(), "protocol": schema["protocol"], "sk_emotion": schema["sk_emotion"]}


OTHERS = {
    "a pickle": (lambda: pickle.dumps(Trap()), DAMAGED),
    "a pickle of the first protocol": (lambda: pickle.dumps(Trap(), protocol=0), DAMAGED),
    "a file of joblib": (lambda: dump(joblib.dump, Trap()), DAMAGED),
    "a file of torch.save": (lambda: dump(torch.save, Trap()), "has a member 'archive/data.pkl'"),
    "an old file of torch.save": (lambda: dump(torch.save, Trap(), _use_new_zipfile_serialization=False), DAMAGED),
    "arrays of objects": (lambda: dump(lambda value, file: np.savez(file, value), OBJECTS), DAMAGED),
    "safetensors": (lambda: safetensors.numpy.save({"a": np.ones(3)}), DAMAGED),
    "nothing": (lambda: b"", DAMAGED),
    "noise": (lambda: np.random.default_rng(0).bytes(1000), DAMAGED),
    "an archive of nothing": (lambda: pack({}), DAMAGED),
    "a directory of 7,000 long names": (
        lambda: pack([(f"{number:0600}.npy", b"") for number in range(7000)]),
        "its zip directory has more than 4,000,000 bytes",
    ),
    "no schema": (lambda: pack({"7.npy": array(np.ones(3))}), "There is no item named 'schema.json'"),
    "a schema of spaces": (lambda: pack({"schema.json": b" " * (MAX_SCHEMA_SIZE + 1)}), "expected at most 8,000,000"),
    "a schema of empty dicts": (lambda: pack({"schema.json": b"[" + b"{}," * 2_600_000 + b"{}]"}), "too many parts"),
    "a schema of brackets": (lambda: pack({"schema.json": b"[" * 100_000}), "RecursionError"),
    "a schema of emoji": (lambda: pack({"schema.json": "😀".encode() * 1_900_000}), "too many parts"),
}


def overlap(_):
    """Make an archive whose entries all refer to one array of a megabyte."""
    parts = [(f"{number}.npy", bytes(1 << 20 if number == 0 else 0)) for number in range(300)]
    archive = patch(pack([*parts, ("schema.json", b"{}")]), b"PK\x01\x02", 20, struct.pack("<II", 1 << 20, 1 << 20))
    return patch(archive, b"PK\x01\x02", 42, struct.pack("<I", 0))


# An entry of a zip directory begins with PK\1\2, the record at its end with PK\5\6.
ARCHIVES = {
    "a zip bomb": (
        lambda svm: pack({**unpack(svm), "planted.npy": bytes(250_000_000)}, compression=zipfile.ZIP_DEFLATED),
        "is compressed or encrypted",
    ),
    "compression by bzip2": (lambda svm: pack(unpack(svm), compression=zipfile.ZIP_BZIP2), "compressed or encrypted"),
    "an unknown compression": (lambda svm: patch(svm, b"PK\x01\x02", 10, b"\x63"), "compressed or encrypted"),
    "encryption": (lambda svm: patch(svm, b"PK\x01\x02", 8, b"\x01"), "compressed or encrypted"),
    "members of four gigabytes": (
        lambda svm: patch(svm, b"PK\x01\x02", 20, b"\xf0\xff\xff\xff" * 2),
        "its members claim to be larger than the file",
    ),
    "sizes in an extra field": (lambda svm: patch(svm, b"PK\x01\x02", 20, b"\xff" * 8), "larger than the file"),
    "members that overlap": (overlap, "larger than the file"),
    "a directory of four gigabytes": (lambda svm: patch(svm, b"PK\x05\x06", 12, b"\xf0\xff\xff\xff"), DAMAGED),
    "two members with the same name": (
        lambda svm: pack([*unpack(svm).items(), ("schema.json", b"{}")]),
        "the same name",
    ),
    "a member with control characters": (
        lambda svm: pack({**unpack(svm), f"{CONTROL_CHARACTERS}.npy": b""}),
        r"member '\\x1b\[31m",
    ),
    "a member with a long name": (
        lambda svm: patch(pack({"n" * 60_000 + ".npy": b""}), b"PK\x01\x02", 10, b"\x08"),
        "n{9}",
    ),
    "a path outside": (lambda svm: pack({**unpack(svm), "../../evil.npy": b""}), r"member '\.\./\.\./evil"),
    "an absolute path": (lambda svm: pack({**unpack(svm), "/etc/evil.npy": b""}), "member '/etc/evil"),
    "half of a file": (lambda svm: svm[: len(svm) // 2], DAMAGED),
    "a truncated directory": (lambda svm: svm[:-200], DAMAGED),
    "zeros inside": (lambda svm: svm[:9000] + bytes(3000) + svm[12000:], DAMAGED),
    "no arrays": (lambda svm: pack({"schema.json": unpack(svm)["schema.json"]}), "There is no item named"),
    "a file written by skops": (lambda svm: forge(svm, without_mark), "save_model did not write it"),
    "no estimator": (lambda svm: forge(svm, with_a_dict), "holds a dict, expected a fitted estimator"),
    "a later format": (
        lambda svm: forge(svm, lambda schema: schema.update(sk_emotion={"format": 2, "version": "9.0" * 999})),
        r"later version of sk_emotion \(9\.09\.0.{34}\)\. Update sk_emotion",
    ),
    "no format": (lambda svm: forge(svm, lambda schema: schema.update(sk_emotion={"format": "1"})), DAMAGED),
    "a later protocol": (lambda svm: forge(svm, lambda schema: schema.update(protocol=99)), "update skops"),
    "an old protocol": (lambda svm: forge(svm, lambda schema: schema.update(protocol=1)), "protocol 1 of skops"),
}

SYSTEM = name("FunctionNode", "posix.system")
HUGE = text(10**10)
RANGE, HUGE_RANGE = call("builtins.range", text(10)), call("builtins.range", HUGE)
FACE_LOADER = "sk_emotion.preprocessing._face_loader.FaceLoader"
PIPELINE = "sklearn.pipeline.Pipeline"


def make_partial(function):
    parts = {"func": function, "args": group("tuple", text(COMMAND)), "kwds": mapping(), "namespace": mapping()}
    return name("PartialNode", "functools.partial", content=parts)


def make_generator(**seed_sequence):
    states = {"bit_generator": mapping(bit_generator=text("PCG64")), "seed_seq": mapping(**seed_sequence)}
    return name("RandomGeneratorNode", "numpy.random._generator.Generator", content=states)


def nest(levels):
    node = text(0)
    for _ in range(levels):
        node = group("list", node)
    return node


def double(levels):
    """Make a list that contains a list twice, which contains a list twice, and so on."""
    node = group("list", text(0), text(0))
    for level in range(1, levels):
        node["__id__"] = FREE + level
        node = group("list", node, {**group("list"), "__id__": FREE + level})
    return node


# Nodes in place of a flag of a pipeline.
NODES = {
    "nested lists": (nest(150), "more than 200 levels deep"),
    "too many functions": (group("list", *[name("FunctionNode", "numpy.add")] * MAX_NODES), "more than 40,000 nodes"),
    "lists that contain each other": (double(60), "have the same number"),
    "a node with the number of another": (
        group("list", {**text(1), "__id__": FREE}, {"__id__": FREE}),
        "refers to another",
    ),
    "a cached node": ({**name("CachedNode", "builtins.str"), "__id__": FREE}, "unknown object id"),
    "a list as a string": (text([[]] * 1000), NOT_OF_SKOPS),
    "a function": (SYSTEM, f"needs posix.system. {UNTRUSTED}"),
    "a call": (call("posix.system", text(COMMAND)), UNTRUSTED),
    "a call of eval": (call("builtins.eval", text(f"__import__('os').system('{COMMAND}')")), UNTRUSTED),
    "a partial function": (make_partial(SYSTEM), UNTRUSTED),
    "an operator": (name("OperatorFuncNode", "operator.methodcaller", attrs=group("tuple", text("fit"))), UNTRUSTED),
    "a method": (name("MethodNode", PIPELINE, content={"func": "fit", "obj": build(PIPELINE)}), r"Pipeline\.fit"),
    "a class of an unknown module": (build("antigravity.Evil"), UNTRUSTED),
    "a trusted class that is called": (call(FACE_LOADER), f"needs {FACE_LOADER}"),
    "a key that is called": (mapping([SYSTEM], **{COMMAND: text(1)}), NOT_OF_SKOPS),
    "a generator of 40 gigabytes": (make_generator(entropy=text(0), pool_size=HUGE), "needs numpy.random._generator"),
    "a set of a range": (call("builtins.frozenset", RANGE), NOT_OF_SKOPS),
    "a set of a list of a huge range": (call("builtins.frozenset", group("list", HUGE_RANGE)), NOT_OF_SKOPS),
    "an array of a range": (object_array(RANGE, shape=(1, 10)), NOT_OF_SKOPS),
    "a masked range": (
        name("MaskedArrayNode", "numpy.ma.MaskedArray", content={"data": RANGE, "mask": text(False)}),
        NOT_OF_SKOPS,
    ),
    "ten thousand functions": (group("list", *[name("FunctionNode", "numpy.add")] * 10_001), TOO_MANY_NODES),
    "twenty thousand objects": (group("list", *[build("sk_emotion.networks._vgg.VGG")] * 20_001), TOO_MANY_NODES),
    "a custom network in a search": (
        build("sk_emotion.networks._external.TorchNetwork", module=name("TypeNode", "builtins.list")),
        r"its network is builtins\.list",
    ),
    "attributes as pairs": (name("ObjectNode", PIPELINE, content=group("list", text("memory"))), NOT_OF_SKOPS),
    "a long version": (build(PIPELINE, _sklearn_version=text("1" * 10_000)), NOT_OF_SKOPS),
    "a version with control characters": (build(PIPELINE, _sklearn_version=text(CONTROL_CHARACTERS)), NOT_OF_SKOPS),
    "a class with control characters": (build(f"evil{CONTROL_CHARACTERS}.Evil{CONTROL_CHARACTERS}"), UNTRUSTED),
    "a long class name": (build(f"evil.{'E' * 100_000}"), UNTRUSTED),
    "a kind of control characters": (name(CONTROL_CHARACTERS * 100, "builtins.str"), "Can't find loader"),
    "hundreds of classes": (
        group("list", *[build(f"evil.Evil{number}") for number in range(300)]),
        "300 names in total",
    ),
    "a calibration by a range": (
        build("sklearn.isotonic.IsotonicRegression", X_thresholds_=HUGE_RANGE, y_thresholds_=HUGE_RANGE),
        NOT_OF_SKOPS,
    ),
}


def plant_scalar(svm, kind):
    node = name("NdArrayNode", f"numpy.{kind}", type="numpy", file="planted.npy", __id__=FREE)
    return plant(svm, node, {"planted.npy": array(np.array(10**9))})


def plant_matrix(svm, compression=zipfile.ZIP_STORED, **others):
    """Add a sparse matrix to a model."""
    eye = {"format": np.array(b"csr"), "shape": np.array([2, 2]), "data": np.ones(2), "indptr": np.arange(3)}
    arrays = {**eye, "indices": np.arange(2), **others}
    npz = pack({f"{key}.npy": array(value) for key, value in arrays.items()}, compression=compression)
    node = name("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="planted.npz", __id__=FREE)
    return plant(svm, node, {"planted.npz": npz})


def plant_many(svm):
    nodes = [array_node("planted.npy", __id__=FREE + number) for number in range(1000)]
    return plant(svm, group("list", *nodes), {"planted.npy": array(np.zeros(100_000))})


# Replacements for the arrays of a pipeline.
ARRAYS = {
    "an array of objects": (array(OBJECTS), "which NumPy would unpickle"),
    "a pickle as an array": (pickle.dumps(Trap()), DAMAGED),
    "a file of torch.save as an array": (dump(torch.save, Trap()), DAMAGED),
    "an archive as an array": (pack({"a.npy": array(OBJECTS)}), DAMAGED),
    "an array of a terabyte": (header("'<f8'", (10**12,)), "of shape"),
    "an array that overflows": (header("'<f8'", (2**61, 8)), "of shape"),
    "an array of negative shape": (header("'<f8'", (-1, -1), rest=bytes(8)), "of shape"),
    "an array of items of size zero": (header("'|V0'", (10**12,)), "of shape"),
    "an array of huge items": (header(f"[('a', '<f8', ({10**8},))]", (1,)), "of shape"),
    "a header of brackets": (header("(" * 9000, (1,)), DAMAGED),
    "a long header": (header("'<f8'" + " " * 50_000, (1,)), DAMAGED),
    "numbers of Python 2": (header("'<f8'", "(1L,)", rest=bytes(8)), "an array written by Python 2"),
    "a header of many fields": (header([(f"f{number}", "u1") for number in range(90)], (1,), rest=bytes(90)), DAMAGED),
    "a dtype of control characters": (header([(CONTROL_CHARACTERS * 9, "u1", (10**9,))], (1,)), "of shape"),
    "a header of four gigabytes": (header("'<f8'", (1,), version=(2, 0), length=0xFFFFFFFF), "does not write"),
}
PLANTED_ARRAYS = {
    "a scalar of a gigabyte": (lambda svm: plant_scalar(svm, "void"), "a numpy.void has"),
    "bytes of a gigabyte": (lambda svm: plant_scalar(svm, "bytes_"), "a numpy.bytes_ has"),
    "an array that is read 1,000 times": (plant_many, "several nodes refer to planted.npy"),
    "a sparse matrix of objects": (lambda svm: plant_matrix(svm, data=OBJECTS), "which NumPy would unpickle"),
    "thousands of sparse matrices": (
        lambda svm: plant(svm, group("list", *[name("SparseMatrixNode", "scipy.sparse._csr.csr_matrix")] * 1400)),
        TOO_MANY_NODES,
    ),
    "a sparse zip bomb": (
        lambda svm: plant_matrix(svm, zipfile.ZIP_DEFLATED, data=np.zeros(3_000_000)),
        "the sparse matrix planted.npz is compressed",
    ),
    "a sparse matrix with indices out of bounds": (
        lambda svm: plant_matrix(svm, indices=np.array([0, 10**8])),
        "indices must be < 2",
    ),
}


def make_resnet(**params):
    defaults = {"width": 4, "blocks_per_stage": 1, "dropout": 0.1, "pretrained": None, "body_rate": 0.3}
    nodes = {key: text(value) for key, value in {**defaults, "frozen_parts": 0}.items()}
    return build("sk_emotion.networks._resnet.ResNet", **{**nodes, **params})


def make_torch_network(module, **params):
    return build("sk_emotion.networks._external.TorchNetwork", module=module, module_params=mapping(**params))


def make_vision_transformer():
    return build("sk_emotion.networks._external.TorchvisionNetwork", name=text("vit_h_14"), weights=text(None))


def make_bunch(**attributes):
    return {**mapping(**attributes), "__module__": "sklearn.utils._bunch", "__class__": "Bunch"}


def shape_of(*sizes):
    return group("tuple", *map(text, sizes))


# Called with an estimator and X, a scorer makes the estimator predict X: a FaceLoader would read and write files.
SCORE = name("FunctionNode", "sklearn.metrics._classification.accuracy_score")
SCORER = build("sklearn.metrics._scorer._Scorer", _score_func=SCORE, _sign=text(1), _kwargs=mapping())
LIST, SPLITTER = name("TypeNode", "builtins.list"), name("TypeNode", "sklearn.model_selection._split.KFold")
LIST_OF_RATES = make_resnet(pretrained=text("fer2013"), body_rate=group("list", text(0)))

# Attributes of an EmotionClassifier.
CLASSIFIERS = {
    "a network of terabytes": ({"network": make_resnet(width=text(10**6))}, TOO_MANY_WEIGHTS),
    "a network of gigabytes": ({"network": make_resnet(width=text(2000))}, TOO_MANY_WEIGHTS),
    "a network of endless layers": (
        {"network": make_resnet(width=text(0), blocks_per_stage=text(10**9))},
        TOO_MANY_WEIGHTS,
    ),
    "a network of a billion channels": ({"image_shape_": shape_of(24, 24, 10**9)}, "an invalid image_shape_"),
    "a network of 65,000 channels": (
        {"image_shape_": shape_of(24, 24, 65_000), "network": make_resnet(width=text(900))},
        TOO_MANY_WEIGHTS,
    ),
    "a network of a hundred thousand classes": (
        {"classes_": call("builtins.range", text(100_000))},
        "an invalid classes_",
    ),
    "a vision transformer": ({"network": make_vision_transformer()}, TOO_MANY_WEIGHTS),
    "a module that is a scorer": (
        {"network": make_torch_network(SCORER, estimator=build(FACE_LOADER), X=text("/etc/passwd"), y_true=text(1))},
        r"its network is sklearn\.metrics\._scorer\._Scorer",
    ),
    "a module that is a list": ({"network": make_torch_network(LIST)}, r"its network is builtins\.list"),
    "a network that is a dict": ({"network": make_bunch(build=SCORER)}, r"its network is sklearn\.utils\._bunch"),
    "an optimizer that is a scorer": ({"optimizer": SCORER}, "an invalid optimizer"),
    "an optimizer that is a splitter": ({"optimizer": SPLITTER}, "an invalid optimizer"),
    "callbacks": ({"callbacks": group("list", SCORER)}, "an invalid callbacks"),
    "a learning rate that multiplies a list": (
        {"network": LIST_OF_RATES, "learning_rate": text(10**9)},
        "its network has body_rate",
    ),
    "a learning rate that is a list": ({"learning_rate": group("list", text(0))}, "learning_rate"),
    "a history that is not a list": ({"history_": text('{"epoch": 1}')}, "an invalid history_"),
    "a history of many epochs": ({"history_": text(json.dumps([{}] * 50_001))}, "an invalid history_"),
    "a state that is not a dict": ({"net_state": group("list", text(0))}, "is damaged"),
}


def grow_nodes(content, name_of, make_nodes):
    """Add an attribute to an object."""
    return forge(content, lambda schema: find(schema, name_of).update(extra=make_nodes))


def plant_network(net, size, **params):
    """Add weights of one byte each, and a network that needs four bytes per weight."""
    content = classifier(net, network=make_resnet(**params))
    grown = grow_nodes(content, "EmotionClassifier", array_node("planted.npy", __id__=FREE))
    return pack({**unpack(grown), "planted.npy": array(np.zeros(size, np.uint8))})


def plant_weights(net, number):
    nodes = {f"w{index}": array_node(f"w{index}.npy", __id__=FREE + index) for index in range(number)}
    content = forge(
        net, lambda schema: find(schema, "EmotionClassifier")["net_state"].update(mapping(weights=mapping(**nodes)))
    )
    return pack({**unpack(content), **{f"w{index}.npy": array(np.zeros(1, np.uint8)) for index in range(number)}})


# Files that may be loaded if that is cheap.
COSTLY = {
    "thousands of arrays": lambda _net, svm: plant(
        svm,
        group("list", *[array_node(f"w{index}.npy", __id__=FREE + index) for index in range(4000)]),
        {f"w{index}.npy": array(np.zeros(1, np.uint8)) for index in range(4000)},
    ),
    "an array named many times": lambda _net, svm: plant(
        svm, group("list", *[array_node("w.npy", __id__=FREE)] * 20_000), {"w.npy": array(np.zeros(1, np.uint8))}
    ),
    "thousands of weights": lambda net, _svm: plant_weights(net, 3000),
    "functions": lambda _net, svm: plant(svm, group("list", *[name("FunctionNode", "numpy.add")] * 9_800)),
    "objects": lambda _net, svm: plant(
        svm, group("list", *[name("ObjectNode", "sk_emotion.networks._vgg.VGG")] * 19_000)
    ),
    "lists": lambda _net, svm: plant(svm, group("list", *[group("list")] * 38_000)),
    "a long string": lambda _net, svm: plant(svm, text("a" * 7_000_000)),
    "empty epochs": lambda net, _svm: classifier(net, history_=text(json.dumps([{}] * 50_000))),
    "epochs of many values": lambda net, _svm: classifier(
        net, history_=text(json.dumps([dict.fromkeys(map(str, range(20_000)), 1)] * 5))
    ),
    "a network beside bytes": lambda net, _svm: plant_network(net, 2_000_000, width=text(60)),
    "layers beside bytes": lambda net, _svm: plant_network(net, 2_000_000, width=text(1), blocks_per_stage=text(10**6)),
    "empty layers": lambda net, _svm: plant_network(net, 1, width=text(0), blocks_per_stage=text(10**6)),
    "a huge image": lambda net, _svm: classifier(net, image_shape_=shape_of(65_535, 65_535, 3)),
    "a schema of numbers": lambda _net, _svm: pack({"schema.json": b"[" + b"0," * 590_000 + b"0]"}),
    "only a directory": lambda _net, _svm: make_directory(80_000),
}


def make_directory(number):
    """Make an archive that consists of a directory of entries without names."""
    entries = (b"PK\x01\x02" + bytes(42)) * number
    return entries + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(entries), 0, 0)


def change_weights(net, change, part="weights"):
    return forge(net, lambda schema: change(find(schema, "EmotionClassifier")["net_state"]["content"][part]))


def swap_weights(weights):
    first, second, *_ = [key for key in weights["content"] if key.endswith("weight")]
    weights["content"].update({first: weights["content"][second], second: weights["content"][first]})


def swap_momenta(states):
    """Swap momenta of a convolution and a normalization: fused optimizers would write beyond the smaller one."""
    first, second, *_ = [state["content"] for state in states["content"].values()]
    first["exp_avg"], second["exp_avg"] = second["exp_avg"], first["exp_avg"]


def drop_weight(weights):
    weights["content"].popitem()


WEIGHTS = {
    "swapped weights": (lambda net: change_weights(net, swap_weights), "size mismatch"),
    "swapped momenta": (
        lambda net: change_weights(net, swap_momenta, "optimizer_state"),
        "exp_avg has shape .* but its weight",
    ),
    "a missing weight": (lambda net: change_weights(net, drop_weight), "Missing key"),
    "weights of strings": (lambda net: replace_arrays(net, array(np.array(["a"] * 8))), "is damaged"),
    "weights of one number": (lambda net: replace_arrays(net, array(np.ones(1, np.float32))), "size mismatch"),
}

FILES = {
    **{what: (lambda _net, _svm, make=make: make(), says) for what, (make, says) in OTHERS.items()},
    **{what: (lambda _net, svm, make=make: make(svm), says) for what, (make, says) in ARCHIVES.items()},
    **{what: (lambda _net, svm, make=make: make(svm), says) for what, (make, says) in PLANTED_ARRAYS.items()},
    **{what: (lambda _net, svm, node=node: plant(svm, node), says) for what, (node, says) in NODES.items()},
    **{what: (lambda _net, svm, new=new: replace_arrays(svm, new), says) for what, (new, says) in ARRAYS.items()},
    **{what: (lambda net, _svm, new=new: classifier(net, **new), says) for what, (new, says) in CLASSIFIERS.items()},
    **{what: (lambda net, _svm, make=make: make(net), says) for what, (make, says) in WEIGHTS.items()},
}


def write_files(folder, net, svm):
    """Write all files, from the contents of two valid files; return their paths by description."""
    makers = {**{what: make for what, (make, _) in FILES.items()}, **COSTLY}
    paths = {what: Path(folder, f"{number}.skops") for number, what in enumerate(makers)}
    for what, make in makers.items():
        paths[what].write_bytes(make(net, svm))
    return paths
