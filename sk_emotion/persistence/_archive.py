"""Serialization of a model to the zip archive of a model file."""

import io
import json
import pickle
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any

import skops.io
from sklearn.utils._metadata_requests import MetadataRequest, MethodMetadataRequest

from ..exceptions import ModelFileError
from ._schema import SCHEMA, copy_members, remove_memory, walk


def write_archive(model: Any, made_by: dict[str, Any]) -> io.BytesIO:
    """Write a model to a zip archive in memory.

    Raises
    ------
    ModelFileError
        If the model holds an object without an importable name. skops and the model may raise other errors.
    """
    check = _NameCheck(model)
    check.dump(model)
    with _without_owners(check.requests):
        written = io.BytesIO(skops.io.dumps(model))
    with zipfile.ZipFile(written) as archive:
        schema = json.loads(archive.read(SCHEMA))
    _repair(schema)
    memory = remove_memory(walk(schema))
    if memory:
        warnings.warn(
            f"save_model: memory ({memory[0]}) is not saved, since anyone who can write to that folder could run code "
            "when the loaded model is fitted again. Set it again after loading.",
            UserWarning,
            stacklevel=2,
        )
    schema, names = _renumber(schema)
    return copy_members(written, {**schema, "sk_emotion": made_by}, names)


class _NameCheck(pickle.Pickler):
    """Reject objects whose name does not import the same object. The pickle itself is discarded."""

    def __init__(self, model: Any):
        super().__init__(io.BytesIO(), protocol=5, buffer_callback=lambda _array: None)
        self.params: dict[str, Any] = getattr(model, "get_params", dict)()
        self.requests: list[Any] = []

    def reducer_override(self, value: Any) -> Any:
        """Check each object of the model."""
        if isinstance(value, MetadataRequest | MethodMetadataRequest):
            self.requests.append(value)
        if isinstance(value, FunctionType | type) and value.__module__ != "builtins":
            named = getattr(sys.modules.get(value.__module__), value.__name__, None)
            if named is not value:
                places = [f" ({name})" for name, param in self.params.items() if param is value]
                raise ModelFileError(
                    f"save_model: {value.__module__}.{value.__qualname__}{''.join(places[:1])} cannot be saved, since "
                    "classes and functions are saved by name. Define it at the top level of a module."
                )
        return NotImplemented


@contextmanager
def _without_owners(requests: list[Any]) -> Iterator[None]:
    """Break the reference cycle of an estimator and its metadata requests, on which skops would recurse endlessly."""
    owners = [request.owner for request in requests]
    try:
        for request, owner in zip(requests, owners, strict=True):
            # scikit-learn needs the owner only for its name in messages, and accepts a string.
            request.owner = owner if isinstance(owner, str) else type(owner).__name__
        yield
    finally:
        for request, owner in zip(requests, owners, strict=True):
            request.owner = owner


def _repair(schema: dict[str, Any]) -> None:
    """Unify the nodes of each object, and repair keys of dictionaries."""
    first: dict[int, dict[str, Any]] = {}
    for node in walk(schema):
        same = first.setdefault(node["__id__"], node)
        if same is not node:
            # The states of one object are equal except for node numbers.
            node.update(same)
        elif node["__loader__"] == "DictNode":
            node["content"] = _repair_keys(node)


def _renumber(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Number nodes and members by order; skops numbers them by memory address."""
    # Copy, so that no nodes are shared from here on.
    schema = json.loads(json.dumps(schema))
    numbers: dict[int, int] = {}
    names = {}
    for node in walk(schema):
        if "__id__" not in node:
            # A replacement node.
            continue
        node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if "file" in node:
            old = node["file"]
            node["file"] = f"{node['__id__']}{Path(old).suffix}"
            names[node["file"]] = old
    return schema, names


def _repair_keys(node: dict[str, Any]) -> dict[str, Any]:
    """Replace False keys by "": skops reads keys as ``type(text)``, and ``bool("false")`` is True."""
    types = [key_type["__class__"] for key_type in node["key_types"]["content"]]
    items = zip(types, node["content"].items(), strict=False)
    repaired = {"" if (name, key) == ("bool", "false") else key: value for name, (key, value) in items}
    if len(repaired) < len(types):
        raise ModelFileError(
            f"save_model: the model holds a dict with different keys of equal str(key): {list(repaired)}. Use either "
            "strings or numbers."
        )
    return repaired
