"""Model files that never run code."""

import errno
import io
import os
import stat
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from sklearn.utils._param_validation import HasMethods, validate_params
from sklearn.utils.validation import check_is_fitted
from skops.io._audit import get_tree
from skops.io._utils import LoadContext

from .. import __version__
from ..exceptions import MissingDependencyError, ModelFileError, ModelNotFoundError, SkEmotionError
from ..preprocessing._sources import show_missing
from ..utils._files import write_output
from ..utils._named_folders import FOLDERS
from ._archive import write_archive
from ._networks import CLASSIFIER, build_nets, defer_nets
from ._schema import (
    FORMAT,
    LaterFormatError,
    MalformedError,
    escape,
    forget_memory,
    list_folders,
    name_node,
    read_schema,
    walk,
)
from ._trusted_names import ALL_TRUSTED, KINDS, TRUSTED


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
        raise ModelFileError(f"save_model: {escape(path)} is a folder. Name a file in it.")
    if not path.parent.is_dir():
        raise ModelNotFoundError(f"save_model: the folder {escape(path.parent)} does not exist. Make it first.")
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
    place = f"load_model: {escape(os.fsdecode(path))}"
    file = None
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - closed below
    except IsADirectoryError as error:
        raise ModelFileError(f"{place} is a folder. Name a file in it.") from error
    except (OSError, ValueError) as error:
        # A name with a null character is a ValueError.
        number = getattr(error, "errno", None)
        if number in (errno.ENXIO, errno.ELOOP, errno.ENODEV):
            raise ModelFileError(f"{place} is no regular file ({os.strerror(number)}). Name a file.") from error
        if number not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, None):
            raise
    if file is None:
        # Not from the error of opening it, which quotes in full what may be no name.
        raise ModelNotFoundError(f"load_model: there is no file {escape(show_missing(path))}. Check the path.")
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ModelFileError(f"{place} is no regular file, but a pipe or a device. Name a file.")
        return _load(file, place, names)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for whoever might write into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _dump(model: Any) -> io.BytesIO:
    """Write a model into an archive in memory, and read it back: later would be too late to learn of an error."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            archive = write_archive(model, {"format": FORMAT, "version": __version__})
            content = _Content(archive)
            content.build(content.untrusted)
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
    """Read a model, but build nothing before all that the file names is trusted.

    Errors have no cause: it would show more of the file, as it is, in a traceback.
    """
    try:
        content = _Content(file)
    except LaterFormatError as error:
        raise ModelFileError(f"{place} {error}. Update sk_emotion: this is {__version__}.") from None
    except Exception as error:
        raise ModelFileError(
            f"{place} is no file of save_model, or is damaged ({_describe(error)}). Save the model again."
        ) from None
    unknown = sorted(content.untrusted - trusted)
    if unknown:
        raise ModelFileError(f"{place} needs {_ask_for(unknown)}")
    try:
        model = content.build(trusted)
    except (MissingDependencyError, Warning):
        raise
    except Exception as error:
        raise ModelFileError(
            f"{place} is damaged, or needs what is not installed here ({_describe(error)}). Load it with the packages "
            f"that it was saved with (sk_emotion {content.version}; this is {__version__}), or save the model again."
        ) from None
    if not hasattr(model, "fit"):
        raise ModelFileError(f"{place} holds a {type(model).__name__}, expected a fitted estimator.")
    if content.memory:
        warnings.warn(
            f"{place} names a memory ({content.memory[0]}). It is left out: whoever can write into that folder could "
            "run code when the model is trained again. Set it again if the folder is yours.",
            UserWarning,
            stacklevel=4,
        )
    FOLDERS.update(content.folders)
    return model


class _Content:
    """What a model file holds, read and checked, but not built."""

    def __init__(self, file: BinaryIO):
        schema, nodes, self.sizes = read_schema(file)
        self.version = escape(schema["sk_emotion"].get("version"), 40)
        self.memory = forget_memory(nodes)
        if self.memory:
            # What it was made of is no part of the model any more.
            nodes = list(walk(schema))
        self.folders = list_folders(nodes)
        self.builders = defer_nets(nodes)
        kinds = {(node["__loader__"], name_node(node)) for node in nodes}
        self.names = {name for _, name in kinds}
        with zipfile.ZipFile(file) as archive:
            context = LoadContext(src=archive, protocol=schema["protocol"])
            # Each node would keep a list of names that are trusted here.
            self.tree = get_tree(schema, context, trusted=None)
        self.classifiers = [
            node for node in context.memo.values() if f"{node.module_name}.{node.class_name}" == CLASSIFIER
        ]
        # Names that are on no list of ours or of skops, or stand where names of their kind should not.
        self.untrusted = {
            name
            for kind, name in kinds
            if kind not in KINDS or (name in ALL_TRUSTED and name not in TRUSTED.get(kind, ()))
        } | (self.tree.get_unsafe_set() - ALL_TRUSTED)

    def build(self, trusted: set[str]) -> Any:
        """Build the model, whose names are trusted."""
        unknown = self.builders - trusted
        if unknown:
            raise MalformedError(f"its network is {escape(min(unknown), 100)}")
        model = self.tree.construct()
        classifiers = [node.construct() for node in self.classifiers]
        # They hold the arrays once more.
        del self.tree, self.classifiers
        # A network of the user's own may build more than it keeps.
        build_nets(classifiers, self.sizes, trusted, limited=not self.names & trusted)
        return model


def _ask_for(unknown: list[str]) -> str:
    """Name what the user would have to trust, as the end of a sentence."""
    few = ", ".join(unknown)
    if len(few) <= 100:
        shown = escape(few, 100)
        names = [escape(name, 100) for name in unknown]
        return f"{shown}. Only if you trust whoever made the file, pass trusted={names}."
    return (
        f"{escape(few, 150)}..., {len(unknown)} names in all. Only if you trust whoever made the file, pass them as "
        "`trusted`."
    )


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
    return f"{type(error).__name__}: {escape(' '.join(str(error)[:1000].split()), 150)}"
