"""From a model to the archive that is its file."""

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
from ._schema import SCHEMA, copy_members, forget_memory, walk


def write_archive(model: Any, made_by: dict[str, Any]) -> io.BytesIO:
    """Write a model into a zip archive in memory.

    Raises
    ------
    ModelFileError
        If the model holds what has no name of its own. Other errors come from skops, and from what the model holds.
    """
    check = _NameCheck(model)
    check.dump(model)
    with _without_owners(check.requests):
        written = io.BytesIO(skops.io.dumps(model))
    with zipfile.ZipFile(written) as archive:
        schema = json.loads(archive.read(SCHEMA))
    _mend(schema)
    memory = forget_memory(walk(schema))
    if memory:
        warnings.warn(
            f"save_model: memory is not kept in a saved model, but was {memory[0]}: whoever can write into that folder "
            "could run code when the loaded model is trained again. Set it again after loading.",
            UserWarning,
            stacklevel=2,
        )
    schema, names = _number(schema)
    return copy_members(written, {**schema, "sk_emotion": made_by}, names)


class _NameCheck(pickle.Pickler):
    """Refuses what skops would write by a name that leads nowhere, or elsewhere. What it pickles is thrown away."""

    def __init__(self, model: Any):
        super().__init__(io.BytesIO(), protocol=5, buffer_callback=lambda _array: None)
        self.params: dict[str, Any] = getattr(model, "get_params", dict)()
        self.requests: list[Any] = []

    def reducer_override(self, value: Any) -> Any:
        """See each object of the model."""
        if isinstance(value, MetadataRequest | MethodMetadataRequest):
            self.requests.append(value)
        if isinstance(value, FunctionType | type) and value.__module__ != "builtins":
            named = getattr(sys.modules.get(value.__module__), value.__name__, None)
            if named is not value:
                places = [f" ({name})" for name, param in self.params.items() if param is value]
                raise ModelFileError(
                    f"save_model: {value.__module__}.{value.__qualname__}{''.join(places[:1])} cannot be kept, since a "
                    "file holds classes and functions by name. Define it at the top level of a module."
                )
        return NotImplemented


@contextmanager
def _without_owners(requests: list[Any]) -> Iterator[None]:
    """Break the circle of an estimator and its metadata requests, which skops would follow without end."""
    owners = [request.owner for request in requests]
    try:
        for request, owner in zip(requests, owners, strict=True):
            # scikit-learn shows the owner's name in messages, and takes a string for it.
            request.owner = owner if isinstance(owner, str) else type(owner).__name__
        yield
    finally:
        for request, owner in zip(requests, owners, strict=True):
            request.owner = owner


def _mend(schema: dict[str, Any]) -> None:
    """Make one of the nodes of one object, and keys of dictionaries survive."""
    first: dict[int, dict[str, Any]] = {}
    for node in walk(schema):
        same = first.setdefault(node["__id__"], node)
        if same is not node:
            # The states of an object are the same, but not the numbers in them.
            node.update(same)
        elif node["__loader__"] == "DictNode":
            node["content"] = _mend_keys(node)


def _number(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Number nodes and members in their order: skops does so by where they stood in memory."""
    # What was the same is equal from here on.
    schema = json.loads(json.dumps(schema))
    numbers: dict[int, int] = {}
    names = {}
    for node in walk(schema):
        if "__id__" not in node:
            # What was put in the place of another.
            continue
        node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if "file" in node:
            old = node["file"]
            node["file"] = f"{node['__id__']}{Path(old).suffix}"
            names[node["file"]] = old
    return schema, names


def _mend_keys(node: dict[str, Any]) -> dict[str, Any]:
    """skops reads keys as ``type(text)``, and ``bool("false")`` is True."""
    types = [key_type["__class__"] for key_type in node["key_types"]["content"]]
    items = zip(types, node["content"].items(), strict=False)
    mended = {"" if (name, key) == ("bool", "false") else key: value for name, (key, value) in items}
    if len(mended) < len(types):
        raise ModelFileError(
            f"save_model: the model holds a dict with keys that are the same in print: {list(mended)}. Use either "
            "strings or numbers."
        )
    return mended
