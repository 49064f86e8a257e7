"""Model files that never run code."""

import io
import json
import os
import pickle
import sys
import uuid
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any, BinaryIO

import skops.io
from sklearn.utils._metadata_requests import MetadataRequest, MethodMetadataRequest
from sklearn.utils._param_validation import HasMethods, validate_params
from sklearn.utils.validation import check_is_fitted

from ._trusted_names import ALL_TRUSTED, TRUSTED
from .exceptions import ModelFileError, ModelNotFoundError, SkEmotionError

# Where skops keeps the names; its older protocols name functions elsewhere in there.
_SCHEMA = "schema.json"
_OLDEST_PROTOCOL = 2


@validate_params({"model": [HasMethods("fit")], "path": [str, os.PathLike]}, prefer_skip_nested_validation=True)
def save_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to a file that :func:`load_model` reads.

    The file is written beside `path` and renamed when it is complete: whatever happens, `path` holds the old model or
    the new one.

    Parameters
    ----------
    model : estimator
        Fitted classifier, pipeline or search. Callbacks of a fitted :class:`EmotionClassifier` are left out, with a
        warning.
    path : str or PathLike
        File to write; ``.skops`` is the usual ending.

    Raises
    ------
    ModelFileError
        If the model holds what has no name to be loaded by, such as a lambda, or what cannot be written as plain data.
    ModelNotFoundError
        If the folder does not exist.
    sklearn.exceptions.NotFittedError
        If the model is not fitted; TypeError if it is no estimator.
    OSError
        If the disk is full, say.

    See Also
    --------
    load_model : Reads the file.

    Notes
    -----
    The file is a zip archive in the format of skops [1]_: parameters and fitted attributes as JSON and NumPy arrays,
    classes and functions by name alone. Of your own classes and functions it holds no code: whoever loads the model
    needs their module, and names them as `trusted`.

    A search holds what it searched too. Where that cannot be kept or trusted, as distributions of ``scipy.stats`` or
    callbacks, save ``search.best_estimator_``.

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
    path = Path(path)
    if path.is_dir():
        raise ModelFileError(f"save_model: {path} is a folder. Name a file in it.")
    if not path.parent.is_dir():
        raise ModelNotFoundError(f"save_model: the folder {path.parent} does not exist. Make it first.")
    archive = _dump(model)
    # Not mkstemp, whose files nobody else may read.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(archive.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@validate_params({"path": [str, os.PathLike], "trusted": "no_validation"}, prefer_skip_nested_validation=True)
def load_model(path: str | os.PathLike[str], trusted: Iterable[Any] = ()) -> Any:
    """Read a model that :func:`save_model` wrote.

    Parameters
    ----------
    path : str or PathLike
        The file.
    trusted : iterable of str, class or function, default=()
        What of your own the model needs: modules of a :class:`~sk_emotion.networks.TorchNetwork`, detectors,
        estimators; as they are or by name, as in ``"mymodule.MyNet"``. A file may call what you name here with
        arguments of its own choice, so name it only if you trust whoever made the file.

    Returns
    -------
    estimator
        The fitted model. One that was trained on a GPU runs on the CPU where there is none.

    Raises
    ------
    ModelFileError
        If the file is damaged or no model file, or names something that is not trusted.
    ModelNotFoundError
        If there is no such file.
    TypeError
        If `trusted` is no list of names, classes and functions.

    See Also
    --------
    save_model : Writes the file.

    Notes
    -----
    Loading runs no code of the file's, and never unpickles: a fixed list says which classes and functions of this
    package, scikit-learn, imbalanced-learn, NumPy, SciPy and PyTorch a file may name. Decision trees are not among
    them, since a forged tree can crash the process: for your own forests, pass ``trusted=["sklearn.tree._tree.Tree"]``.

    This says nothing of what the model does: a forged one may predict nonsense, or fail when it is used.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sk_emotion import EmotionClassifier, load_model, make_faces, networks, save_model
    >>> X, y, groups = make_faces(40, emotions=["happiness", "pain"], image_size=24, random_state=0)
    >>> clf = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(clf, Path(folder, "pain.skops"))
    ...     same = load_model(Path(folder, "pain.skops"))
    >>> bool((same.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    names = _name_trusted(trusted)
    if Path(path).is_dir():
        raise ModelFileError(f"load_model: {path} is a folder. Name a file in it.")
    try:
        with open(path, "rb") as file:
            return _load(file, path, names)
    except FileNotFoundError as error:
        raise ModelNotFoundError(f"load_model: there is no file {path}. Check the path.") from error


def _dump(model: Any) -> io.BytesIO:
    """Write a model into a zip archive in memory, and read it back: later would be too late to learn of an error."""
    check = _NameCheck(model)
    archive = io.BytesIO()
    try:
        with warnings.catch_warnings(record=True) as caught:
            check.dump(model)
            with _without_owners(check.requests):
                written = io.BytesIO(skops.io.dumps(model))
            with zipfile.ZipFile(written) as source, zipfile.ZipFile(archive, "w") as target:
                for name in source.namelist():
                    content = source.read(name)
                    target.writestr(name, _mend_keys(content) if name == _SCHEMA else content)
            skops.io.load(archive, trusted=skops.io.get_untrusted_types(file=archive))
    except (SkEmotionError, Warning):
        raise
    except Exception as error:
        raise ModelFileError(
            f"save_model: {type(model).__name__} holds what no file can keep ({_describe(error)}). Take it out of the "
            "model, or give it a __getstate__ of plain values and arrays."
        ) from error
    # Each state was asked for several times.
    for message, category in {(str(warning.message), warning.category) for warning in caught}:
        warnings.warn(message, category, stacklevel=4)
    return archive


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


def _mend_keys(content: bytes) -> bytes:
    """Make the keys of dictionaries survive: skops reads them as ``type(text)``, and ``bool("false")`` is True."""
    schema = json.loads(content)
    for node in _walk(schema):
        if node["__loader__"] == "DictNode":
            types = [key_type["__class__"] for key_type in node["key_types"]["content"]]
            items = zip(types, node["content"].items(), strict=False)
            mended = {"" if (name, key) == ("bool", "false") else key: value for name, (key, value) in items}
            if len(mended) < len(types):
                raise ModelFileError(
                    f"save_model: the model holds a dict with keys that are the same in print: {list(mended)}. Use "
                    "either strings or numbers."
                )
            node["content"] = mended
    return json.dumps(schema).encode()


def _load(file: BinaryIO, path: str | os.PathLike[str], trusted: set[str]) -> Any:
    """Read a model, but build nothing before all that the file names is trusted."""
    try:
        with zipfile.ZipFile(file) as archive:
            schema = json.loads(archive.read(_SCHEMA))
        if schema["protocol"] < _OLDEST_PROTOCOL:
            raise ValueError(f"protocol {schema['protocol']} of skops")
        untrusted = _list_misplaced(schema) | (set(skops.io.get_untrusted_types(file=file)) - ALL_TRUSTED)
    except Exception as error:
        raise ModelFileError(
            f"load_model: {path} is no file of save_model, or is damaged ({_describe(error)}). Save the model again."
        ) from error
    unknown = sorted(untrusted - trusted)
    if unknown:
        raise ModelFileError(
            f"load_model: {path} needs {', '.join(unknown)}. Only if you trust whoever made the file, pass "
            f"trusted={unknown}."
        )
    try:
        model = skops.io.load(file, trusted=sorted(ALL_TRUSTED | trusted))
    except (SkEmotionError, Warning):
        raise
    except Exception as error:
        raise ModelFileError(
            f"load_model: {path} is damaged, or needs what is not installed here ({_describe(error)}). Load it with "
            "the packages that it was saved with, or save the model again."
        ) from error
    if not hasattr(model, "fit"):
        raise ModelFileError(f"load_model: {path} holds a {type(model).__name__}, expected a fitted estimator.")
    return model


def _list_misplaced(schema: Any) -> set[str]:
    """List the names of ours that stand where a name of their kind should not."""
    names = ((node["__loader__"], _name_node(node)) for node in _walk(schema))
    return {name for loader, name in names if name in ALL_TRUSTED and name not in TRUSTED.get(loader, ())}


def _walk(schema: Any) -> Iterator[dict[str, Any]]:
    """Give whatever skops may build an object of, and more."""
    todo = [schema]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if isinstance(item.get("__loader__"), str):
                yield item
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)


def _name_node(node: dict[str, Any]) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _name_trusted(trusted: Iterable[Any]) -> set[str]:
    """Name what the user trusts."""
    if isinstance(trusted, str) or not isinstance(trusted, Iterable):
        raise TypeError(f'load_model: trusted={trusted!r}, expected a list: trusted=["mymodule.MyNet"], or [MyNet].')
    names = set()
    for entry in trusted:
        if isinstance(entry, str):
            names.add(entry)
        elif callable(entry) and hasattr(entry, "__qualname__"):
            names.add(f"{entry.__module__}.{entry.__qualname__}")
        else:
            raise TypeError(f"load_model: trusted holds {entry!r}, expected names, classes and functions.")
    return names


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
