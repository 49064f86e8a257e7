"""Refuse model files that save_model would not write, before any object is built.

A model file is a zip archive in the format of skops: ``schema.json``, a tree of nodes that describe objects, and one
member per array. Reading needs no more than a small multiple of its size: nothing expands to more than itself.
"""

import io
import json
import math
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, BinaryIO

import numpy as np
from scipy import sparse
from skops.io._protocol import PROTOCOL

from ._files import escape

FORMAT = 1
"""Files of a later format are rejected."""

SCHEMA = "schema.json"

MAX_SCHEMA_SIZE = 8_000_000
MAX_NODES = 40_000
"""Reading takes about 2.5 kB per node."""
MAX_DEPTH = 200
"""A pipeline in a search has a depth of 21."""
_MAX_TOKENS = 15 * MAX_NODES
_MAX_DIRECTORY_SIZE = 4_000_000
_MAX_RANGE = 100_000
_MAX_HEADER_SIZE = 500
"""Of an array, in bytes: parsing takes a millisecond per kilobyte, twice. A decision tree needs 350."""
_N_PARTS = {"FunctionNode": 4, "ObjectNode": 2, "SparseMatrixNode": 30}
"""Nodes counted several times, for which skops keeps a list of hundreds of names or which take milliseconds to read."""

# Older protocols of skops name functions elsewhere in the tree.
_OLDEST_PROTOCOL = 2

_MEMBERS = re.compile(r"[\w-]+\.(npy|npz|bin)")
_OLD_NUMBER = re.compile(rb"\A[^\n]*\dL")
_KEY_TYPES = re.compile(r"builtins\.(bool|float|int|str)|numpy\.(bool|str_|u?int\d+|float\d+)")
_VERSION = re.compile(r'"[\w.+-]{1,40}"', re.ASCII)

# Names in parameter grids and results of a search are nested and prefixed.
_MEMORY = re.compile(r"(param_)?(.*__)?memory", re.DOTALL)
_FOLDER = re.compile(r"(.*__)?(cache|checkpoint_dir)", re.DOTALL)


class MalformedError(ValueError):
    """Reason why a file is rejected, as the end of a sentence."""


class LaterFormatError(MalformedError):
    """The file was written by a later version."""


def describe(error: Exception) -> str:
    """Return the reason why a file is rejected, or an error, as the end of a sentence."""
    known = isinstance(error, MalformedError)
    return str(error) if known else f"{type(error).__name__}: {escape(' '.join(str(error)[:1000].split()), 150)}"


def read_schema(file: BinaryIO) -> tuple[dict[str, Any], list[dict[str, Any]], list[int]]:
    """Read the tree of a model file; return it, its nodes in the order of :func:`walk`, and its array sizes in bytes.

    Raise MalformedError if save_model could not have written the file; a damaged file may raise other errors.
    """
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        schema = _parse(archive)
        nodes = _check_nodes(schema)
        return schema, nodes, _check_members(archive, nodes)


def walk(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every node from which skops may build an object."""
    todo = [(schema, 0)]
    while todo:
        item, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise MalformedError(f"its tree is more than {MAX_DEPTH} levels deep")
        if isinstance(item, dict):
            if isinstance(item.get("__loader__"), str):
                yield item
            elif "__id__" in item and not isinstance(item["__id__"], dict):
                raise MalformedError("a node without a kind refers to another")
            todo.extend((value, depth + 1) for value in item.values())
        elif isinstance(item, list):
            todo.extend((value, depth + 1) for value in item)


def name_node(node: dict[str, Any]) -> str:
    """Return the name of the class or function that a node builds."""
    return f"{node.get('__module__')}.{node.get('__class__')}"


def remove_memory(nodes: Iterable[dict[str, Any]]) -> list[str]:
    """Set `memory` of all estimators to None, since ``fit`` unpickles from that folder; return the old values."""
    return [text for value in _find(nodes, _MEMORY) for text in _remove(value)]


def list_folders(nodes: Iterable[dict[str, Any]]) -> set[str]:
    """Return the folders to which the model would write in ``predict`` or ``fit``."""
    return {folder for value in _find(nodes, _FOLDER) for folder in _read_folders(value)}


def _find(nodes: Iterable[dict[str, Any]], pattern: re.Pattern[str]) -> list[Any]:
    """List the values of all dictionaries whose key matches."""
    dictionaries = [node["content"] for node in nodes if node["__loader__"] == "DictNode"]
    return [value for content in dictionaries for key, value in content.items() if pattern.fullmatch(key)]


def _remove(node: Any) -> list[str]:
    """Replace a memory by None, or each of several in a parameter grid."""
    kind, content = node["__loader__"], node.get("content")
    if kind == "MaskedArrayNode" and content["data"].get("type") == "json":
        return _remove(content["data"])
    if kind in ("ListNode", "TupleNode") or (kind == "NdArrayNode" and node["type"] == "json"):
        return [text for part in content for text in _remove(part)]
    if kind == "JsonNode" and not content.lstrip().startswith('"'):
        return []
    text = escape(content, 60) if kind == "JsonNode" else f"a {escape(node['__class__'], 60)}"
    node.clear()
    node.update({"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null"})
    return [text]


def _read_folders(node: Any) -> list[str]:
    kind, content = node["__loader__"], node.get("content")
    if kind in ("ListNode", "TupleNode"):
        return [text for part in content for text in _read_folders(part)]
    if kind == "ConstructorFromReduceNode":
        return [os.path.join("", *_read_folders(content))]
    value = json.loads(content) if kind == "JsonNode" else None
    return [value] if isinstance(value, str) else []


class _ShortReads:
    """File that limits the size of the zip directory: zipfile creates an object per entry on opening."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        limit = _MAX_DIRECTORY_SIZE + 1
        content = self._file.read(limit if size < 0 else min(size, limit))
        if len(content) == limit:
            raise MalformedError(f"its zip directory has more than {_MAX_DIRECTORY_SIZE:,} bytes")
        return content


def _check_directory(file: BinaryIO) -> None:
    """Reject an archive that is compressed, or whose members claim to be larger than the file."""
    with zipfile.ZipFile(_ShortReads(file)) as archive:
        members = archive.infolist()
    names = [member.filename for member in members]
    unexpected = [name for name in names if name != SCHEMA and not _MEMBERS.fullmatch(name)]
    if unexpected:
        raise MalformedError(f"it has a member {unexpected[0][:50]!a}, expected {SCHEMA} and arrays")
    if len(set(names)) < len(names):
        raise MalformedError("two of its members have the same name")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise MalformedError(f"its member {escape(member.filename, 50)} is compressed or encrypted")
    if sum(max(member.file_size, member.compress_size) for member in members) > file.seek(0, io.SEEK_END):
        raise MalformedError("its members claim to be larger than the file")


def _parse(archive: zipfile.ZipFile) -> dict[str, Any]:
    size = archive.getinfo(SCHEMA).file_size
    if size > MAX_SCHEMA_SIZE:
        raise MalformedError(f"its {SCHEMA} has {size:,} bytes, expected at most {MAX_SCHEMA_SIZE:,}")
    content = archive.read(SCHEMA)
    # Each token may become an object of a hundred bytes.
    if sum(map(content.count, (b"{", b"[", b","))) > _MAX_TOKENS or not content.isascii():
        raise MalformedError(f"its {SCHEMA} has too many parts")
    schema = json.loads(content)
    made_by = schema.get("sk_emotion")
    if made_by is None:
        raise MalformedError("save_model did not write it")
    if made_by["format"] > FORMAT:
        raise LaterFormatError(f"was made by a later version of sk_emotion ({escape(made_by.get('version'), 40)})")
    protocol = schema["protocol"]
    if type(protocol) is not int or not _OLDEST_PROTOCOL <= protocol <= PROTOCOL:
        advice = "; update skops" if type(protocol) is int and protocol > PROTOCOL else ""
        raise MalformedError(f"it has protocol {escape(protocol, 40)} of skops{advice}")
    return schema


def _check_nodes(schema: Any) -> list[dict[str, Any]]:
    """Reject nodes that would expand to more than themselves, or make arbitrary calls."""
    first: dict[Any, dict[str, Any]] = {}
    nodes, number = [], 0
    for node in walk(schema):
        nodes.append(node)
        number += _N_PARTS.get(node["__loader__"], 1)
        if number > MAX_NODES:
            raise MalformedError(f"its tree has more than {MAX_NODES:,} nodes")
        # skops reads only the first node of a number: lists that contain each other would grow without end.
        if "__id__" in node and first.setdefault(node["__id__"], node) != node:
            raise MalformedError("two different nodes have the same number")
        if not _is_written_by_skops(node):
            raise MalformedError(f"a {node['__loader__']} for {escape(name_node(node), 80)} was not written by skops")
    return nodes


def _is_written_by_skops(node: Any) -> bool:
    kind, content = node["__loader__"], node.get("content")
    if kind == "JsonNode":
        return not content.lstrip().startswith(("[", "{"))
    if kind == "NdArrayNode":
        # skops would unfold nested objects into object arrays of several dimensions.
        shape = node.get("shape")
        return node["type"] == "numpy" or (shape["__loader__"] == "TupleNode" and len(shape["content"]) == 1)
    if kind == "MaskedArrayNode":
        return {part["__loader__"] for part in content.values()} == {"NdArrayNode"}
    if kind == "DictNode":
        # scikit-learn quotes the version in a warning if it differs, and skops calls the type of a key with the key.
        version, types = content.get("_sklearn_version"), node["key_types"]
        if version is not None and not _VERSION.fullmatch(version["content"]):
            return False
        return types["__loader__"] == "ListNode" and all(map(_is_key_type, types["content"]))
    if kind == "ConstructorFromReduceNode":
        arguments = content["content"]
        if name_node(node) == "builtins.frozenset":
            return [argument["__loader__"] for argument in arguments] == ["ListNode"]
        # Large ranges can be expanded to large objects.
        is_range = name_node(node) == "builtins.range"
        return not is_range or len(range(*[json.loads(part["content"]) for part in arguments])) <= _MAX_RANGE
    if kind == "ObjectNode":
        # Attributes must be a dict, whose keys are checked; skops would also accept a list of pairs.
        own = node["__module__"].partition(".")[0] in ("sk_emotion", "sklearn", "imblearn")
        return not own or content is None or content["__loader__"] == "DictNode" or content.get("content") == "null"
    return True


def _is_key_type(node: Any) -> bool:
    return node["__loader__"] == "TypeNode" and _KEY_TYPES.fullmatch(name_node(node)) is not None


def _check_members(archive: zipfile.ZipFile, nodes: Iterable[dict[str, Any]]) -> list[int]:
    """Check the arrays that the nodes name, and return their sizes."""
    sizes = []
    owners: dict[str, Any] = {}
    for node in nodes:
        if "file" not in node:
            continue
        name, known = node["file"], node["file"] in owners
        # An array named by many nodes would be read once per node.
        if not node.get("__id__") or owners.setdefault(name, node["__id__"]) != node["__id__"]:
            raise MalformedError(f"several nodes refer to {escape(name, 50)}")
        if known:
            continue
        if node["__loader__"] == "NdArrayNode":
            with archive.open(name) as file:
                shape, dtype = _read_header(file, archive.getinfo(name).file_size, escape(name, 50))
            # The type of a scalar is called: ``numpy.void(10**9)`` takes a gigabyte.
            kind = name_node(node)
            fits = shape == () and f"numpy.{dtype.type.__name__}" == kind != "numpy.void"
            if kind.startswith("numpy.") and kind != "numpy.ndarray" and not fits:
                described = f"shape {escape(shape, 50)} and dtype {escape(dtype, 50)}"
                raise MalformedError(f"a {escape(kind, 50)} has {described}")
            sizes.append(math.prod(shape) * dtype.itemsize)
        elif node["__loader__"] == "SparseMatrixNode":
            _check_sparse_matrix(archive.read(name), escape(name, 50))
    return sizes


def _read_header(file: IO[bytes], size: int, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and dtype of an array; reject it if they do not match the size of the data."""
    start = io.BytesIO(file.read(_MAX_HEADER_SIZE + 16))
    if np.lib.format.read_magic(start) != (1, 0):
        raise MalformedError(f"{name} is an array in a format that save_model does not write")
    # NumPy parses numbers written by Python 2 ten times slower.
    if _OLD_NUMBER.search(start.getvalue()):
        raise MalformedError(f"{name} is an array written by Python 2")
    shape, _, dtype = np.lib.format.read_array_header_1_0(start, max_header_size=_MAX_HEADER_SIZE)
    if dtype.hasobject:
        raise MalformedError(f"{name} is an array of objects, which NumPy would unpickle")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or (count and not dtype.itemsize) or count * dtype.itemsize != size - start.tell():
        raise MalformedError(
            f"{name} is an array of shape {escape(shape, 50)} and dtype {escape(dtype, 50)}, but has {size:,} bytes"
        )
    return shape, dtype


def _check_sparse_matrix(content: bytes, name: str) -> None:
    """Check the indices of a sparse matrix, which SciPy does not: forged ones point outside the arrays."""
    with zipfile.ZipFile(_ShortReads(io.BytesIO(content))) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.compress_size > len(content):
                raise MalformedError(f"the sparse matrix {name} is compressed")
            with archive.open(member) as file:
                _read_header(file, member.file_size, name)
        if len(archive.infolist()) > len(("format", "shape", "data", "indices", "indptr", "_is_array")):
            raise MalformedError(f"the sparse matrix {name} has too many parts")
    sparse.load_npz(io.BytesIO(content)).check_format(full_check=True)
