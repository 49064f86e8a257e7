"""Saving and loading of model files, without running code from the file."""

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
from ..utils._files import write_output
from ..utils._named_folders import FOLDERS
from ..utils._text import show_missing
from ._archive import write_archive
from ._networks import CLASSIFIER, build_nets, defer_nets
from ._schema import (
    FORMAT,
    LaterFormatError,
    MalformedError,
    escape,
    list_folders,
    name_node,
    read_schema,
    remove_memory,
    walk,
)
from ._trusted_names import ALL_TRUSTED, KINDS, TRUSTED


@validate_params({"model": [HasMethods("fit")], "path": [str, os.PathLike]}, prefer_skip_nested_validation=True)
def save_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted model to a file for :func:`load_model`.

    The file is written atomically: if saving fails, `path` still holds the previous model.

    Parameters
    ----------
    model : estimator
        Fitted classifier, pipeline or search. Callbacks of a fitted :class:`EmotionClassifier` are not saved, with a
        warning.
    path : str or PathLike
        File to write; the usual extension is ``.skops``.

    Raises
    ------
    ModelFileError
        If the model holds an object that cannot be imported by name, such as a lambda, or cannot be written as plain
        data, or if it has more than 40,000 parts.
    ModelNotFoundError
        If the folder does not exist.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If `model` is not an estimator.
    OSError
        If the file cannot be written, for example because the disk is full.

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
        raise ModelFileError(f"save_model: {escape(path)} is a folder. Pass the path of a file.")
    if not path.parent.is_dir():
        raise ModelNotFoundError(f"save_model: the folder {escape(path.parent)} does not exist. Create it first.")
    write_output(path, _dump(model).getbuffer())


@validate_params({"path": [str, os.PathLike], "trusted": "no_validation"}, prefer_skip_nested_validation=True)
def load_model(path: str | os.PathLike[str], trusted: Iterable[Any] = ()) -> Any:
    """Load a model that :func:`save_model` wrote.

    Parameters
    ----------
    path : str or PathLike
        Model file.
    trusted : iterable of str, class or function, default=()
        Classes and functions of your own that the model needs, such as the module of a
        :class:`~sk_emotion.networks.TorchNetwork`, detectors or estimators, or their names, such as
        ``"mymodule.MyNet"``. The file may call them with arbitrary arguments, so pass them only if you trust the
        author of the file.

    Returns
    -------
    estimator
        Fitted model. A model that was trained on a GPU runs on the CPU if there is no GPU.

    Raises
    ------
    ModelFileError
        If the file is damaged or not a model file, was saved by a later version, or names something that is not
        trusted.
    ModelNotFoundError
        If the file does not exist.
    TypeError
        If `trusted` is not a list of names, classes and functions.

    See Also
    --------
    save_model : Save a model.

    Notes
    -----
    Loading never runs code from the file and never unpickles: a file may only name classes and functions from a fixed
    list of this package, scikit-learn, imbalanced-learn, NumPy, SciPy and PyTorch. Decision trees are not on the list,
    since a forged tree can crash the process: for your own forests, pass ``trusted=["sklearn.tree._tree.Tree"]``.

    A file is rejected before much memory is allocated if it is not a regular file, is compressed, claims to be larger
    than it is, or describes networks with more weights than it contains. Besides its arrays, a model may have at most
    40,000 parts and 8 MB of text.

    This does not protect against what a model predicts: a forged model may predict nonsense or raise errors. It may
    also name folders to which it writes, such as the `cache` of a :class:`FaceLoader`. See ``SECURITY.md``.

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
        file = open(path, "rb", opener=_open_nonblocking)  # noqa: SIM115 - closed below
    except IsADirectoryError as error:
        raise ModelFileError(f"{place} is a folder. Pass the path of a file.") from error
    except (OSError, ValueError) as error:
        # A path with a null character raises ValueError.
        number = getattr(error, "errno", None)
        if number in (errno.ENXIO, errno.ELOOP, errno.ENODEV):
            raise ModelFileError(f"{place} is not a regular file ({os.strerror(number)}).") from error
        if number not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, None):
            raise
    if file is None:
        # Not chained: the original error quotes the whole path, which may be encoded data.
        raise ModelNotFoundError(f"load_model: there is no file {escape(show_missing(path))}. Check the path.")
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ModelFileError(f"{place} is not a regular file.")
        return _load(file, place, names)


def _open_nonblocking(path: str, flags: int) -> int:
    """Open a file without waiting for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _dump(model: Any) -> io.BytesIO:
    """Write a model to an archive in memory, and load it to check that it can be loaded."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            archive = write_archive(model, {"format": FORMAT, "version": __version__})
            content = _Content(archive)
            content.build(content.untrusted)
    except (SkEmotionError, Warning):
        raise
    except Exception as error:
        raise ModelFileError(
            f"save_model: {type(model).__name__} holds an object that cannot be saved ({_describe(error)}). Remove it "
            "from the model, or define a __getstate__ that returns plain values and arrays."
        ) from error
    # Each __getstate__ was called several times.
    for message, category in {(str(warning.message), warning.category) for warning in caught}:
        warnings.warn(message, category, stacklevel=4)
    return archive


def _load(file: BinaryIO, place: str, trusted: set[str]) -> Any:
    """Load a model; build nothing unless everything that the file names is trusted.

    Errors are not chained: the cause could show unescaped content of the file in a traceback.
    """
    try:
        content = _Content(file)
    except LaterFormatError as error:
        raise ModelFileError(f"{place} {error}. Update sk_emotion: this is {__version__}.") from None
    except Exception as error:
        raise ModelFileError(
            f"{place} was not written by save_model or is damaged ({_describe(error)}). Save the model again."
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
            f"{place} is damaged, or needs a package that is not installed ({_describe(error)}). Load it with the "
            f"versions it was saved with (sk_emotion {content.version}; this is {__version__}), or save it again."
        ) from None
    if not hasattr(model, "fit"):
        raise ModelFileError(f"{place} holds a {type(model).__name__}, expected a fitted estimator.")
    if content.memory:
        warnings.warn(
            f"{place} sets memory ({content.memory[0]}). It is ignored, since anyone who can write to that folder "
            "could run code when the model is fitted again. Set it again if you trust the folder.",
            UserWarning,
            stacklevel=4,
        )
    FOLDERS.update(content.folders)
    return model


class _Content:
    """Parsed and checked content of a model file, before any object is built."""

    def __init__(self, file: BinaryIO):
        schema, nodes, self.sizes = read_schema(file)
        self.version = escape(schema["sk_emotion"].get("version"), 40)
        self.memory = remove_memory(nodes)
        if self.memory:
            # The nodes of the memory are no longer part of the model.
            nodes = list(walk(schema))
        self.folders = list_folders(nodes)
        self.builders = defer_nets(nodes)
        kinds = {(node["__loader__"], name_node(node)) for node in nodes}
        self.names = {name for _, name in kinds}
        with zipfile.ZipFile(file) as archive:
            context = LoadContext(src=archive, protocol=schema["protocol"])
            # With trusted=..., each node would keep a copy of the list.
            self.tree = get_tree(schema, context, trusted=None)
        self.classifiers = [
            node for node in context.memo.values() if f"{node.module_name}.{node.class_name}" == CLASSIFIER
        ]
        # Names that neither we nor skops trust, or that occur in a kind of node for which they are not trusted.
        self.untrusted = {
            name
            for kind, name in kinds
            if kind not in KINDS or (name in ALL_TRUSTED and name not in TRUSTED.get(kind, ()))
        } | (self.tree.get_unsafe_set() - ALL_TRUSTED)

    def build(self, trusted: set[str]) -> Any:
        """Build the model, all of whose names are trusted."""
        unknown = self.builders - trusted
        if unknown:
            raise MalformedError(f"its network is {escape(min(unknown), 100)}")
        model = self.tree.construct()
        classifiers = [node.construct() for node in self.classifiers]
        # They hold copies of the arrays.
        del self.tree, self.classifiers
        # Custom networks may build more weights than they keep.
        build_nets(classifiers, self.sizes, trusted, limited=not self.names & trusted)
        return model


def _ask_for(unknown: list[str]) -> str:
    """List the names that the user would have to trust, as the end of a sentence."""
    few = ", ".join(unknown)
    if len(few) <= 100:
        shown = escape(few, 100)
        names = [escape(name, 100) for name in unknown]
        return f"{shown}. Only if you trust the author of the file, pass trusted={names}."
    return (
        f"{escape(few, 150)}..., {len(unknown)} names in total. Only if you trust the author of the file, pass them as "
        "`trusted`."
    )


def _name_trusted(trusted: Iterable[Any]) -> set[str]:
    """Return the names of trusted classes and functions."""
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
