"""Load model files without running code from them."""

import os
from collections.abc import Iterable
from typing import Any

from sklearn.utils._param_validation import validate_params

from ..leakage._training_images import attach
from ._files import escape, open_model
from ._side_file import read_side_file


@validate_params({"path": [str, os.PathLike], "trusted": "no_validation"}, prefer_skip_nested_validation=True)
def load_model(path: str | os.PathLike[str], trusted: Iterable[Any] = ()) -> Any:
    """Load a model that :func:`save_model` or :func:`export_onnx` wrote.

    Parameters
    ----------
    path : str or PathLike
        Model file. If its name ends in ``.onnx``, it is read as an ONNX file, without importing PyTorch.
    trusted : iterable of str, class or function, default=()
        Classes and functions of your own that the model needs, such as the module of a
        :class:`~sk_emotion.networks.TorchNetwork`, detectors or estimators, or their names, such as
        ``"mymodule.MyNet"``. The file may call them with arbitrary arguments, so pass them only if you trust the
        author of the file.

    Returns
    -------
    estimator
        Fitted model. A model that was trained on a GPU runs on the CPU if there is no GPU. That of an ONNX file is a
        pipeline of a :class:`FaceLoader` and an :class:`OnnxClassifier`: the loader with which it was exported, or one
        for faces of the size of the network. A network that was exported alone and does not take pixels in [0, 255] is
        an :class:`OnnxClassifier`.

    Raises
    ------
    ModelFileError
        If the file is damaged or not a model file, was saved by a later version, or names something that is not
        trusted.
    ModelNotFoundError
        If the file does not exist.
    TypeError
        If `trusted` is not a list of names, classes and functions.

    Warns
    -----
    DatasetWarning
        If the file of training images beside the model file, which :func:`save_model` describes, is damaged or was
        written with another model. It is ignored.

    See Also
    --------
    save_model : Save a model.
    export_onnx : Export a network to an ONNX file.

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
    if os.fsdecode(path).lower().endswith(".onnx"):
        from ._onnx_classifier import load_onnx

        return load_onnx(path)
    # skops takes long to import, and ONNX files do not need it.
    from ._content import load_content

    with open_model(path, "load_model") as file:
        model, named = load_content(file, f"load_model: {escape(os.fsdecode(path))}", names)
    attach(model, read_side_file(path, named, "load_model"))
    return model


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
