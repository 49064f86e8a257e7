"""Model files that never run code."""

import io
import os
import stat
import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import skops.io
from sklearn.utils._param_validation import HasMethods, validate_params
from sklearn.utils.validation import check_is_fitted

from . import __version__
from ._model_archive import write_archive
from ._model_file import FORMAT, LaterFormatError, MalformedError, name_node, read_schema, walk
from ._model_networks import CLASSIFIER, check_classifiers, limited_networks
from ._trusted_names import ALL_TRUSTED, KINDS, TRUSTED
from .exceptions import ModelFileError, ModelNotFoundError, SkEmotionError
from .utils._files import write_output


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
        If the model holds what has no name to be loaded by, such as a lambda, what cannot be written as plain data, or
        more than 40,000 parts.
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
    callbacks, or has too many parts, save ``search.best_estimator_``. The same model gives the same file to the byte.

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
    write_output(path, _dump(model).getbuffer())


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
        If the file is damaged or no model file, was made by a later version, or names something that is not trusted.
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

    A file is refused, before much memory is taken, if it is no regular file, is compressed, claims more than it has, or
    describes larger networks than it has weights for. Beside its arrays, a model has at most 40,000 parts and 8 MB of
    text.

    This says nothing of what the model does: a forged one may predict nonsense, or fail when it is used. It may also
    name folders, such as the `cache` of a :class:`FaceLoader`, into which it writes then. ``SECURITY.md`` says more.

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
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ModelFileError(f"load_model: {path} is no regular file, but a pipe or a device. Name a file.")
            return _load(file, f"load_model: {path}", names)
    except IsADirectoryError as error:
        raise ModelFileError(f"load_model: {path} is a folder. Name a file in it.") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelNotFoundError(f"load_model: there is no file {path}. Check the path.") from error


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for whoever might write into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _dump(model: Any) -> io.BytesIO:
    """Write a model into an archive in memory, and read it back: later would be too late to learn of an error."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            archive = write_archive(model, {"format": FORMAT, "version": __version__})
            schema, shapes = read_schema(archive)
            _build(archive, schema, shapes, _list_untrusted(archive, schema))
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


def _load(file: BinaryIO, place: str, trusted: set[str]) -> Any:
    """Read a model, but build nothing before all that the file names is trusted."""
    try:
        schema, shapes = read_schema(file)
        untrusted = _list_untrusted(file, schema)
    except LaterFormatError as error:
        raise ModelFileError(f"{place} {error}. Update sk_emotion: this is {__version__}.") from error
    except Exception as error:
        raise ModelFileError(
            f"{place} is no file of save_model, or is damaged ({_describe(error)}). Save the model again."
        ) from error
    unknown = sorted(untrusted - trusted)
    if unknown:
        raise ModelFileError(
            f"{place} needs {', '.join(unknown)}. Only if you trust whoever made the file, pass trusted={unknown}."
        )
    try:
        model = _build(file, schema, shapes, trusted)
    except (SkEmotionError, Warning):
        raise
    except Exception as error:
        version = str(schema["sk_emotion"].get("version"))[:40]
        raise ModelFileError(
            f"{place} is damaged, or needs what is not installed here ({_describe(error)}). Load it with the packages "
            f"that it was saved with (sk_emotion {version}; this is {__version__}), or save the model again."
        ) from error
    if not hasattr(model, "fit"):
        raise ModelFileError(f"{place} holds a {type(model).__name__}, expected a fitted estimator.")
    return model


def _build(file: BinaryIO, schema: dict[str, Any], shapes: list[tuple[int, ...]], trusted: set[str]) -> Any:
    """Build a model of trusted names."""
    names = {name_node(node) for node in walk(schema)}
    # skops keeps a list of them for each node.
    known = names & ALL_TRUSTED | trusted
    check_classifiers(file, schema, known, trusted)
    # A network of the user's own may build more than it keeps.
    limited = CLASSIFIER in names and not names & trusted
    with limited_networks(shapes) if limited else nullcontext():
        return skops.io.load(file, trusted=sorted(known))


def _list_untrusted(file: BinaryIO, schema: dict[str, Any]) -> set[str]:
    """List the names that are on no list of ours or of skops, or stand where names of their kind should not."""
    misplaced = {
        name
        for kind, name in ((node["__loader__"], name_node(node)) for node in walk(schema))
        if kind not in KINDS or (name in ALL_TRUSTED and name not in TRUSTED.get(kind, ()))
    }
    return misplaced | (set(skops.io.get_untrusted_types(file=file)) - ALL_TRUSTED)


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
    if isinstance(error, MalformedError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
