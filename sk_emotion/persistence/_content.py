"""Build the model that a file of save_model describes."""

import warnings
import zipfile
from typing import Any, BinaryIO

from skops.io._audit import get_tree
from skops.io._utils import LoadContext

from .. import __version__
from ..exceptions import MissingDependencyError, ModelFileError
from ..utils._files import NAMED_FOLDERS
from ._checks import (
    LaterFormatError,
    MalformedError,
    describe,
    list_folders,
    name_node,
    read_schema,
    remove_memory,
    walk,
)
from ._files import escape
from ._trusted import ALL_TRUSTED, CLASSIFIER, KINDS, TRUSTED, build_nets, defer_nets


class Content:
    """Parsed and checked content of a model file, before any object is built."""

    def __init__(self, file: BinaryIO):
        schema, nodes, self.sizes = read_schema(file)
        self.version = escape(schema["sk_emotion"].get("version"), 40)
        self.training_images = schema["sk_emotion"].get("training_images")
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


def load_content(file: BinaryIO, place: str, trusted: set[str]) -> tuple[Any, Any]:
    """Load a model in the format of skops, and the name of its training images, which may be anything.

    Nothing is built unless everything that the file names is trusted.
    """
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
    return model, content.training_images


def _ask_for(unknown: list[str]) -> str:
    """List the names that the user would have to trust, as the end of a sentence."""
    few, condition = ", ".join(unknown), "Only if you trust the author of the file, pass"
    if len(few) > 100:
        return f"{escape(few, 150)}..., {len(unknown)} names in total. {condition} them as `trusted`."
    return f"{escape(few, 100)}. {condition} trusted={[escape(name, 100) for name in unknown]}."
