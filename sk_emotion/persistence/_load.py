"""Load model files without running code from them."""

import errno
import os
import stat
import warnings
import zipfile
from collections.abc import Iterable
from typing import Any, BinaryIO

from sklearn.utils._param_validation import validate_params
from skops.io._audit import get_tree
from skops.io._utils import LoadContext

from .. import __version__
from ..exceptions import MissingDependencyError, ModelFileError, ModelNotFoundError
from ..utils._files import NAMED_FOLDERS
from ..utils._text import show_missing
from ._checks import (
    LaterFormatError,
    MalformedError,
    describe,
    escape,
    list_folders,
    name_node,
    read_schema,
    remove_memory,
    walk,
)
from ._trusted import ALL_TRUSTED, CLASSIFIER, KINDS, TRUSTED, build_nets, defer_nets


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
    # Do not wait for the writer of a pipe.
    no_wait = getattr(os, "O_NONBLOCK", 0)
    try:
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | no_wait))  # noqa: SIM115 - closed below
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


class Content:
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


def _load(file: BinaryIO, place: str, trusted: set[str]) -> Any:
    """Load a model; build nothing unless everything that the file names is trusted."""
    # Errors are not chained: the cause could show unescaped content of the file in a traceback.
    try:
        content = Content(file)
    except LaterFormatError as error:
        raise ModelFileError(f"{place} {error}. Update sk_emotion: this is {__version__}.") from None
    except Exception as error:
        raise ModelFileError(
            f"{place} was not written by save_model or is damaged ({describe(error)}). Save the model again."
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
            f"{place} is damaged, or needs a package that is not installed ({describe(error)}). Load it with the "
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
    NAMED_FOLDERS.update(content.folders)
    return model


def _ask_for(unknown: list[str]) -> str:
    """List the names that the user would have to trust, as the end of a sentence."""
    few, condition = ", ".join(unknown), "Only if you trust the author of the file, pass"
    if len(few) > 100:
        return f"{escape(few, 150)}..., {len(unknown)} names in total. {condition} them as `trusted`."
    return f"{escape(few, 100)}. {condition} trusted={[escape(name, 100) for name in unknown]}."


def _name_trusted(trusted: Iterable[Any]) -> set[str]:
    """Return the names of trusted classes and functions."""
    if isinstance(trusted, str) or not isinstance(trusted, Iterable):
        raise TypeError(f'load_model: trusted={trusted!r}, expected a list: trusted=["mymodule.MyNet"], or [MyNet].')
    names = set()
    for entry in trusted:
        if not isinstance(entry, str) and not (callable(entry) and hasattr(entry, "__qualname__")):
            raise TypeError(f"load_model: trusted holds {entry!r}, expected names, classes and functions.")
        names.add(entry if isinstance(entry, str) else f"{entry.__module__}.{entry.__qualname__}")
    return names
