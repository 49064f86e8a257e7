"""Save models to files that hold no code."""

import io
import json
import os
import pickle
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, BinaryIO

import skops.io
from sklearn.utils._metadata_requests import MetadataRequest, MethodMetadataRequest
from sklearn.utils._param_validation import HasMethods, validate_params
from sklearn.utils.validation import check_is_fitted

from .. import __version__
from ..exceptions import ModelFileError, SkEmotionError
from ..leakage._training_images import ATTRIBUTE, record_images
from ..utils._files import write_output
from ._checks import FORMAT, SCHEMA, describe, remove_memory, walk
from ._content import Content
from ._files import check_target
from ._onnx_classifier import OnnxClassifier
from ._side_file import name_content, write_side_file


@validate_params(
    {
        "model": [HasMethods("fit")],
        "path": [str, os.PathLike],
        "training_data": "no_validation",
        "validation_data": "no_validation",
    },
    prefer_skip_nested_validation=True,
)
def save_model(
    model: Any, path: str | os.PathLike[str], *, training_data: Any = None, validation_data: Any = None
) -> None:
    """Save a fitted model to a file for :func:`load_model`.

    The file is written atomically: if saving fails, `path` still holds the previous model.

    Parameters
    ----------
    model : estimator
        Fitted classifier, pipeline or search. Callbacks of a fitted :class:`EmotionClassifier` are not saved, with a
        warning.
    path : str or PathLike
        File to write; the usual extension is ``.skops``.
    training_data : Bunch, list of images or paths, or array, default=None
        Images that the model was trained on: a Bunch of a loader of this package, a list of paths, bytes, PIL images or
        arrays, or an array of images or of flattened ones. :class:`EmotionReport` then says how many test images are
        among them, whatever their names. Pass photos rather than the faces that were cropped from them if you evaluate
        the model on photos, since a face is another image. Those of the file from which the model was loaded are kept,
        unless it was fitted anew.
    validation_data : Bunch, list of images or paths, or array, default=None
        Images that the model was validated on, such as those by which the number of epochs or a threshold was chosen.

    Raises
    ------
    ModelFileError
        If the model holds an object that cannot be imported by name, such as a lambda, or cannot be written as plain
        data, or an :class:`OnnxClassifier`, or if it has more than 40,000 parts.
    ModelNotFoundError
        If the folder does not exist.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ImageArrayError, ImageReadError
        If `training_data` or `validation_data` contains no images, or none that can be read; others are left out.
    TypeError
        If `model` is not an estimator.
    OSError
        If the file cannot be written, for example because the disk is full.

    Warns
    -----
    DatasetWarning
        If some images cannot be read, or the second file exists with other content and is therefore not written.

    See Also
    --------
    load_model : Load the file.

    Notes
    -----
    The file is a zip archive in the format of skops [1]_: parameters and fitted attributes as JSON and NumPy arrays,
    classes and functions by name only. It contains no code of your own classes and functions: to load the model, their
    module must be installed and they must be passed as `trusted`.

    A search includes its parameter space. If that cannot be saved or trusted, such as distributions of ``scipy.stats``
    or callbacks, or has too many parts, save ``search.best_estimator_``. Saving the same model twice writes identical
    files.

    Training and validation images are recorded in a second file, ``model.training.json`` beside ``model.skops``, to
    which the model file refers: for each image, 8 bytes of a digest of its pixels and 8 bytes of a perceptual hash, as
    :func:`find_duplicates` computes it. It holds no images and no names, but anyone who has an image can check whether
    it is among them. Delete the file if you do not want this; the model remains the same.

    References
    ----------
    .. [1] https://skops.readthedocs.io/en/stable/persistence.html

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sk_emotion import load_model, make_faces, make_hog_svm, save_model
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(make_hog_svm().fit(X, y), Path(folder, "pain.skops"))
    ...     load_model(Path(folder, "pain.skops")).predict(X[:2]).shape
    (2,)
    """
    check_is_fitted(model)
    path = check_target(path, "save_model")
    images = record_images(model, training_data, validation_data, "save_model")
    recorded = None if images is None else images.to_json()
    content = _dump(model, {} if recorded is None else {"training_images": name_content(recorded)}).getbuffer()
    if recorded is not None:
        # First, so that `path` still holds the previous model if it cannot be written.
        write_side_file(path, recorded, "save_model")
    write_output(path, content)


def _dump(model: Any, about: dict[str, Any]) -> io.BytesIO:
    """Write a model to an archive in memory, and load it to check that it can be loaded."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            archive = _write_archive(model, {"format": FORMAT, "version": __version__, **about})
            content = Content(archive)
            content.build(content.untrusted)
    except (SkEmotionError, Warning):
        raise
    except Exception as error:
        raise ModelFileError(
            f"save_model: {type(model).__name__} holds an object that cannot be saved ({describe(error)}). Remove it "
            "from the model, or define a __getstate__ that returns plain values and arrays."
        ) from error
    # Each __getstate__ was called several times.
    for message, category in {(str(warning.message), warning.category) for warning in caught}:
        warnings.warn(message, category, stacklevel=4)
    return archive


def _write_archive(model: Any, made_by: dict[str, Any]) -> io.BytesIO:
    """Write a model to a zip archive in memory."""
    check = _NameCheck(model)
    check.dump(model)
    with _without_owners(check.requests), _without_training_images(check.recorded):
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
    return _copy_members(written, {**schema, "sk_emotion": made_by}, names)


class _NameCheck(pickle.Pickler):
    """Reject objects whose name does not import the same object. The pickle itself is discarded."""

    def __init__(self, model: Any):
        super().__init__(io.BytesIO(), protocol=5, buffer_callback=lambda _array: None)
        self.params: dict[str, Any] = getattr(model, "get_params", dict)()
        self.requests: list[Any] = []
        self.recorded: list[Any] = []

    def reducer_override(self, value: Any) -> Any:
        """Check each object of the model."""
        if isinstance(value, MetadataRequest | MethodMetadataRequest):
            self.requests.append(value)
        if ATTRIBUTE in getattr(value, "__dict__", ()):
            self.recorded.append(value)
        if isinstance(value, OnnxClassifier):
            raise ModelFileError(
                f"save_model: the network is in an ONNX file, {os.fspath(value.path)!r}. Copy that file, which "
                "load_model reads, too."
            )
        # Without PyTorch, there are no modules.
        torch: Any = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.nn.Module | torch.Tensor):
            raise ModelFileError(
                f"save_model: the model holds a {type(value).__name__}{self._place(value)}, but model files contain "
                "classes and functions only by name. Pass the class, with parameters that are plain values, such as "
                "criterion__gamma or network__hidden."
            )
        is_named = isinstance(value, FunctionType | type) and value.__module__ != "builtins"
        if is_named and _import(value.__module__, value.__name__) is not value:
            place = self._place(value)
            raise ModelFileError(
                f"save_model: {value.__module__}.{value.__qualname__}{place} cannot be saved, since "
                "classes and functions are saved by name. Define it at the top level of a module."
            )
        return NotImplemented

    def _place(self, value: Any) -> str:
        """Return the parameter that holds a value, if any, in parentheses."""
        return "".join([f" ({name})" for name, param in self.params.items() if param is value][:1])


def _import(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None


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


@contextmanager
def _without_training_images(recorded: list[Any]) -> Iterator[None]:
    """Detach training images from the classifiers that have some, since they are saved in a file of their own."""
    images = [vars(classifier).pop(ATTRIBUTE) for classifier in recorded]
    try:
        yield
    finally:
        for classifier, each in zip(recorded, images, strict=True):
            setattr(classifier, ATTRIBUTE, each)


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
        # Replacement nodes have no number.
        if "__id__" in node:
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


def _copy_members(file: BinaryIO, schema: Any, names: dict[str, str]) -> io.BytesIO:
    """Write a model file with `schema` and the members that it names; `names` maps them to those of `file`."""
    archive = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(archive, "w") as target:
        # Without timestamps, so that files are reproducible.
        for name in sorted({node["file"] for node in walk(schema) if "file" in node}):
            content = source.read(names[name])
            target.writestr(zipfile.ZipInfo(name), _decompress(content) if name.endswith(".npz") else content)
        target.writestr(zipfile.ZipInfo(SCHEMA), json.dumps(schema, separators=(",", ":")))
    return archive


def _decompress(content: bytes) -> bytes:
    """Rewrite an archive without compression."""
    stored = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(stored, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return stored.getvalue()
