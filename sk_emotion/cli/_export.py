"""``sk-emotion export``."""

from pathlib import Path
from typing import Annotated

import typer

from . import _options as options
from ._output import Progress


def export(
    model: Annotated[str, typer.Argument(help="Model file written by train, or name of a pretrained model.")],
    out: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="ONNX file to write.")],
    trusted: options.Trusted = None,
    quiet: options.Quiet = False,
) -> None:
    """Export the network of a model to an ONNX file, which predicts without PyTorch.

    The parameters of the model's FaceLoader are stored in the file, so that predict and evaluate take it as a model.

    \b
    Examples:
      sk-emotion export model.skops model.onnx
      sk-emotion predict photo.jpg --model model.onnx
    """
    options.check_model(model)
    if out.suffix.lower() != ".onnx":
        raise typer.BadParameter(f"expected a name ending in .onnx; got {out.name!r}.", param_hint="FILE.onnx")
    options.check_writable(out, "FILE.onnx")
    options.check_outputs({"FILE.onnx": out}, model)
    from ..persistence import export_onnx

    progress = Progress(quiet)
    export_onnx(options.load_classifier(model, trusted), out)
    progress.say(f"Written: {out}")
