"""Export of trained networks to ONNX."""

import copy
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import HasMethods, validate_params
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._images._pixel_range import clip_pixels
from .._images._validation import validate_images
from .._training._predict import make_views
from ..classifier import EmotionClassifier
from ..exceptions import MissingDependencyError, ModelFileError
from ..leakage._training_images import find_training_images
from ..preprocessing import FaceLoader
from ..utils._files import write_output
from ._files import check_target
from ._onnx_classifier import OnnxClassifier, build_loader
from ._onnx_file import LOADER_PARAMETERS, METADATA_KEY, OnnxFile
from ._side_file import name_content, write_side_file

_BATCH_SIZE = 64


@validate_params(
    {"model": [HasMethods("predict_proba")], "path": [str, os.PathLike], "calibration": "no_validation"},
    prefer_skip_nested_validation=True,
)
def export_onnx(model: Any, path: str | os.PathLike[str], *, calibration: Any = None) -> None:
    """Export a trained network to an ONNX file, which is run without PyTorch.

    The input ``images`` has shape ``(n, H, W)`` or ``(n, H, W, 3)`` for any n and pixels in the range of `fit`: uint8
    if the network was trained on pixels in [0, 255], else float32. The output ``probabilities`` is float32 of shape
    ``(n, n_classes)``. Standardization and the views of `tta` are part of the graph.

    Parameters
    ----------
    model : EmotionClassifier, Pipeline or search
        Fitted model; of a search, its best estimator. In a pipeline, a :class:`FaceLoader` may precede the classifier:
        its parameters that change faces are written to the metadata of the file, so that :func:`load_model` returns a
        pipeline.
    path : str or PathLike
        File to write, atomically; the usual extension is ``.onnx``.
    calibration : array-like of shape (n_samples, H, W) or (n_samples, H, W, 3), default=None
        A few hundred faces that are representative of the data. If passed, the network is quantized to 8-bit integers,
        whose ranges are calibrated on these faces: a quarter of the size and faster on many processors, at some cost in
        accuracy, which you should measure.

    Raises
    ------
    ModelFileError
        If the model is not a network, a step other than a FaceLoader precedes it, its detector is a function, the
        pixels of a pipeline are standardized, ONNX does not support an operation of the network, or
        :class:`OnnxClassifier` could not open the file.
    ModelNotFoundError
        If the folder does not exist.
    MissingDependencyError
        If the extra ``onnx`` is not installed.

    See Also
    --------
    OnnxClassifier : Predict with the file in Python.
    load_model : Load the file as a pipeline.
    save_model : Save the whole pipeline, to train it further.

    Notes
    -----
    Other engines can run the file, too. The entry ``sk_emotion`` of its metadata is JSON with the keys ``classes``, the
    labels of the columns, without their dtype; ``image_shape``; ``pixel_range``; ``loader``, parameters of the
    :class:`FaceLoader`, or null; and, if the loader was fitted on integers of more than 8 bits, ``integer_ranges``, the
    largest pixel by dtype. If the training images of a loaded model are known, the file beside it that
    :func:`save_model` describes is written, too: ``pretrained`` names the included models from which training started,
    and ``training_images`` is a digest of that file.

    Examples
    --------
    >>> from sk_emotion import export_onnx, load_pretrained
    >>> export_onnx(load_pretrained("fer2013"), "fer2013.onnx")  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession("fer2013.onnx")  # doctest: +SKIP
    >>> (probabilities,) = session.run(None, {"images": faces})  # doctest: +SKIP
    """
    _check_installed()
    path = check_target(path, "export_onnx")
    clf, loader = _split_model(model)
    params = None if loader is None else _describe_loader(loader)
    exported = _trace(clf)
    if calibration is not None:
        exported = _quantize(exported, _as_input(clf, validate_images(clf, calibration, reset=False)))
    about = {
        "classes": clf.classes_.tolist(),
        "image_shape": list(clf.image_shape_),
        "pixel_range": list(clf.pixel_range_),
        "loader": params,
    }
    if loader is not None and loader._tops:
        about["integer_ranges"] = loader._tops
    images = find_training_images(model)
    recorded = images.to_json() if images is not None and images.has_own else None
    if images is not None:
        about["pretrained"] = list(images.pretrained)
        about["training_images"] = "" if recorded is None else name_content(recorded)
    entry = exported.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(about, default=lambda number: number.item())
    content = exported.SerializeToString()
    _check_content(content)
    if recorded is not None:
        write_side_file(path, recorded, "export_onnx")
    write_output(path, content)


def _check_content(content: bytes) -> None:
    """Raise an error if OnnxClassifier or load_model could not open the file."""

    def refuse(reason: object) -> ModelFileError:
        return ModelFileError(
            f"export_onnx: the file could not be opened, since {reason}. Change the model, or save it with save_model."
        )

    try:
        build_loader(OnnxFile(content, refuse))
    except ModelFileError:
        raise
    except ValueError as error:
        raise refuse(f"it has {error}") from error


class _PixelsToProbabilities(nn.Module):
    """Module equivalent to :meth:`EmotionClassifier.predict_proba`, in single precision."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, clf: EmotionClassifier):
        super().__init__()
        preparation = clf.net_.preparation
        self.network = _simplify(copy.deepcopy(clf.net_.module_).cpu().float())
        self.low, self.high = preparation.pixel_range
        # With a pixel range of [0, 255], the input is uint8 and needs no clipping.
        self.clips = preparation.pixel_range == (0.0, 1.0)
        self.register_buffer("mean", torch.tensor(preparation.mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(preparation.std).reshape(1, -1, 1, 1))
        self.tta = clf.tta

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = images.float()
        pixels = pixels.unsqueeze(1) if images.ndim == 3 else pixels.permute(0, 3, 1, 2)
        pixels = (pixels - self.low) / (self.high - self.low)
        if self.clips:
            pixels = pixels.clamp(0, 1)
        faces = (pixels - self.mean) / self.std
        views = make_views(faces, self.tta)
        probabilities = self.network(torch.cat(views)).softmax(dim=1)
        return probabilities.unflatten(0, (len(views), images.shape[0])).mean(dim=0)


class _GlobalMean(nn.Module):
    """Module equivalent to ``AdaptiveAvgPool2d(1)``, which PyTorch exports as sizes computed at run time."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.mean((-2, -1), keepdim=True)


def _simplify(network: nn.Module) -> nn.Module:
    for name, layer in network.named_children():
        if isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size in (1, (1, 1)):
            setattr(network, name, _GlobalMean())
        else:
            _simplify(layer)
    return network


def _check_installed() -> None:
    try:
        import_module("onnxscript")
    except ImportError as error:
        raise MissingDependencyError(
            f'export_onnx needs {error.name}, which is not installed: pip install "sk-emotion[onnx]".'
        ) from error


def _split_model(model: Any) -> tuple[EmotionClassifier, FaceLoader | None]:
    """Return the classifier and the FaceLoader before it, or None."""
    check_is_fitted(model)
    *before, clf = _list_steps(model)
    if isinstance(clf, OnnxClassifier):
        raise ModelFileError(f"export_onnx: the network is in an ONNX file already, {os.fspath(clf.path)!r}. Copy it.")
    if not isinstance(clf, EmotionClassifier):
        raise ModelFileError(
            f"export_onnx: the model ends in {type(clf).__name__}, expected an EmotionClassifier. Save other models "
            "with save_model."
        )
    # Samplers only act in fit.
    before = [step for step in before if not hasattr(step, "fit_resample")]
    foreign = [type(step).__name__ for step in before if not isinstance(step, FaceLoader)]
    if foreign or len(before) > 1:
        raise ModelFileError(
            f"export_onnx: {', '.join(foreign) or 'several FaceLoaders'} before the network cannot be exported to a "
            "file whose input is images. Pass the EmotionClassifier alone."
        )
    if before and clf.pixel_range_ != (0.0, 255.0):
        low, high = clf.pixel_range_
        raise ModelFileError(
            f"export_onnx: the pipeline was fitted on standardized pixels, from {low:g} to {high:g}, which the "
            "FaceLoader of a file would not accept. Pass the EmotionClassifier alone."
        )
    return clf, before[0] if before else None


def _list_steps(model: Any) -> list[Any]:
    """List the steps of a model, also of nested pipelines and the best pipeline of a search."""
    if isinstance(model, FrozenEstimator):
        return _list_steps(model.estimator)
    if hasattr(model, "best_estimator_"):
        return _list_steps(model.best_estimator_)
    if not isinstance(model, Pipeline):
        return [model]
    steps = [_list_steps(step) for _, step in model.steps if step not in (None, "passthrough")]
    return list(chain.from_iterable(steps))


def _describe_loader(loader: FaceLoader) -> dict[str, Any]:
    """Return the parameters of a FaceLoader that change faces."""
    params = loader.get_params()
    if callable(params["detector"]):
        raise ModelFileError(
            "export_onnx: the detector of the FaceLoader is a function, which cannot be exported. Pass the "
            "EmotionClassifier alone."
        )
    return {name: params[name] for name in LOADER_PARAMETERS if name in params}


def _as_input(clf: EmotionClassifier, images: NDArray[Any]) -> NDArray[Any]:
    return clip_pixels(images, clf.pixel_range_).astype(np.uint8 if clf.pixel_range_ == (0.0, 255.0) else np.float32)


def _trace(clf: EmotionClassifier) -> Any:
    """Trace the network to an ONNX model with a dynamic batch size."""
    # With a batch of one, the exporter would make the batch size constant.
    images = torch.from_numpy(_as_input(clf, np.zeros((2, *clf.image_shape_))))
    try:
        with _silence():
            program: Any = torch.onnx.export(
                _PixelsToProbabilities(clf).eval(),
                (images,),
                input_names=["images"],
                output_names=["probabilities"],
                dynamic_shapes={"images": {0: torch.export.Dim("n", min=1)}},
                dynamo=True,
                verbose=False,
            )
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ModelFileError(
            f"export_onnx: {clf.network_!r} cannot be converted to ONNX ({type(error).__name__}: {reason}). Save it "
            "with save_model."
        ) from error
    return _strip(program.model_proto)


def _strip(exported: Any) -> Any:
    """Remove notes of the exporter, which name files of this machine."""
    graph = exported.graph
    for part in (exported, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return exported


def _quantize(exported: Any, faces: NDArray[Any]) -> Any:
    """Quantize a network to 8-bit integers, with ranges calibrated on faces."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    batches = iter([{"images": faces[start : start + _BATCH_SIZE]} for start in range(0, len(faces), _BATCH_SIZE)])

    class Batches(CalibrationDataReader):
        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return next(batches, None)

    with tempfile.TemporaryDirectory() as folder, _silence():
        traced, prepared, quantized = (os.path.join(folder, f"{step}.onnx") for step in range(3))
        onnx.save(exported, traced)
        quant_pre_process(traced, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantized,
            Batches(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # 8-bit products overflow on processors without VNNI; 7-bit weights work on any, without loss of accuracy.
            reduce_range=True,
        )
        return onnx.load(quantized)


@contextmanager
def _silence() -> Iterator[None]:
    """Suppress log messages and warnings of the exporters."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(level)
