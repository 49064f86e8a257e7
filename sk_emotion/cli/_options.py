"""Arguments and options shared by several commands."""

import difflib
import glob
import os
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, Literal

import typer

from ..exceptions import DatasetNotFoundError, ModelFileError, ModelNotFoundError
from ..utils import list_weights, printable


class DetectorName(StrEnum):
    """Detectors of :class:`FaceLoader`, or none."""

    NONE = "none"
    CENTERFACE = "centerface"


_DATA_HELP = "Folder with one subfolder per class (happy, ANGER, ... become happiness, anger), or a CSV file."

Data = Annotated[Path, typer.Argument(help=_DATA_HELP)]
OptionalData = Annotated[Path | None, typer.Argument(help=f"{_DATA_HELP} By default, synthetic faces are drawn.")]
Binary = Annotated[
    str | None, typer.Option(help="Emotion to distinguish from all others, such as pain; separate several by commas.")
]
Detector = Annotated[DetectorName, typer.Option(help="Face detector.")]
Cache = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        help="Folder in which to cache detected faces, for later commands with the same detector and image size.",
    ),
]
Groups = Annotated[
    str | None,
    typer.Option(
        help="Person of each image, so that training and test sets share nobody: a column of a CSV file, or a regular "
        "expression for the file names of a folder. Near-duplicates are grouped too, by default only they are; 'none' "
        "disables grouping."
    ),
]
ImageColumn = Annotated[str, typer.Option(help="Column of a CSV file with the paths; its number with --no-header.")]
LabelColumn = Annotated[str, typer.Option(help="Column of a CSV file with the labels; its number with --no-header.")]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Regular expression for the file names of a folder, whose first group is the label. By default, the names "
        "of subfolders are the labels.",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=EMOTION,...",
        help="Emotions of codes or other names: 1=surprise,2=fear. Names with nothing after = are dropped.",
    ),
]
Sep = Annotated[str | None, typer.Option(help="Column separator of a CSV file; detected by default.")]
Header = Annotated[bool, typer.Option(help="Whether the first line of a CSV file holds column names.")]
Root = Annotated[
    Path | None, typer.Option(help="Folder to which paths in a CSV file are relative; by default, that of the file.")
]


def _complete_model(incomplete: str) -> list[str]:
    """Complete names of pretrained models and of files."""
    models = [name for name in list_weights() if name.startswith(incomplete)]
    return models + glob.glob(f"{glob.escape(incomplete)}*")


Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Model file written by train or export, or name of a pretrained model.",
        autocompletion=_complete_model,
    ),
]
ImageSize = Annotated[int, typer.Option(min=8, max=1024, help="Height and width of the faces in pixels.")]
Epochs = Annotated[int, typer.Option(min=1, help="Number of training epochs of the network.")]
Width = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Train a network of this width from scratch. By default, the pretrained model fer2013 is fine-tuned.",
    ),
]
Checkpoints = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        help="Folder for checkpoints: if training is interrupted, the same command resumes it.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Run on the workers of this Dask scheduler, e.g. tcp://192.168.0.1:8786. Needs the extra cluster.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of splits, initial weights and shuffling.")]
Trusted = Annotated[
    list[str] | None,
    typer.Option(help="Class of your own that the model file may use, such as mymodule.MyNet; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Do not show progress.")]


def check_data(data: Path | None) -> None:
    """Raise an error if the data does not exist, before imports that take seconds."""
    if data is not None and not os.path.exists(data):
        raise DatasetNotFoundError(f"there is no folder or file '{printable(data)}'.")


def check_model(model: str) -> None:
    """Raise an error if a model does not exist, and suggest a similar name."""
    names = list_weights()
    if model in names or os.path.exists(model):
        return
    similar = difflib.get_close_matches(model, names, n=1)
    model = printable(model)
    advice = f"Did you mean {similar[0]}?" if similar else f"Train one: sk-emotion train my_faces --out {model}."
    raise ModelNotFoundError(f"there is no model file '{model}'. {advice} Pretrained models: {', '.join(names)}.")


def load_classifier(model: str, trusted: list[str] | None, engine: Literal["torch", "onnx"] = "torch") -> Any:
    """Load a classifier from a model file or, for an engine, by the name of a pretrained model."""
    from sklearn.base import is_classifier

    from ..pretrained import load_pretrained

    if Path(model).is_file() or (Path(model).exists() and model not in list_weights()):
        from ..persistence import load_model

        classifier = load_model(model, trusted=trusted or ())
    else:
        classifier = load_pretrained(model, engine=engine)
    if not is_classifier(classifier):
        raise ModelFileError(
            f"'{printable(model)}' holds a {type(classifier).__name__}, expected a classifier written by train."
        )
    return classifier


def check_cache(cache: Path | None, *photos: str | Path | None) -> None:
    """Raise an error if the cache is not writable, or lies among the photos."""
    if cache is None:
        return
    for folder in photos:
        if folder is not None and os.path.isdir(folder) and cache.resolve().is_relative_to(Path(folder).resolve()):
            raise typer.BadParameter(
                f"{str(cache)!r} is inside the folder of photos {str(folder)!r}. Use another.", param_hint="--cache"
            )
    check_folder(cache, "--cache")


def set_loader(classifier: Any, **parameters: Any) -> None:
    """Set those parameters of the model's FaceLoader that are not None; raise an error if it has none."""
    from ..preprocessing import split_loader

    loader = split_loader(classifier)[0]
    given = {name: value for name, value in parameters.items() if value is not None}
    if loader is not None:
        loader.set_params(**given)
    elif unused := sorted(given.keys() - {"cache"}):
        raise typer.BadParameter(
            "this option needs a model that begins with a FaceLoader.", param_hint=f"--{unused[0].replace('_', '-')}"
        )


def check_detector(classifier: Any, option: str) -> None:
    """Raise an error if the model does not detect faces."""
    from ..preprocessing import split_loader

    loader = split_loader(classifier)[0]
    if loader is None or loader.detector is None:
        raise typer.BadParameter(
            "this option needs a model that detects faces, which this one does not.", param_hint=option
        )


def make_network(width: int | None) -> Any:
    """Return a network of this width, or a pretrained one if it is None."""
    from ..networks import ResNet

    return ResNet(pretrained="fer2013") if width is None else ResNet(width=width)


def check_writable(path: Path | None, option: str) -> None:
    """Raise an error if a file cannot be written, before hours of computation."""
    if path is None:
        return
    if path.exists() and not path.is_file() and not path.is_dir():
        # A pipe or a device.
        return
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {str(path.parent)!r}.", param_hint=option)
    if path.is_dir():
        raise typer.BadParameter(f"{str(path)!r} is a folder, expected a file.", param_hint=option)
    check_folder(path.parent, option)


def check_folder(folder: Path, option: str) -> None:
    """Create a folder if it does not exist; raise an error if it is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise typer.BadParameter(
            f"the folder {str(folder)!r} is not writable ({error.strerror}).", param_hint=option
        ) from error


def check_outputs(outputs: dict[str, Path | None], *inputs: str | Path | None) -> None:
    """Raise an error if an output file is also an input, or the same as another output."""
    written: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None or (os.path.exists(path) and not os.path.isfile(path)):
            continue
        real = os.path.realpath(path)
        if real in written:
            raise typer.BadParameter(f"{str(path)!r} is also the file of {written[real]}.", param_hint=option)
        written[real] = option
        if any(_reads(source, real) for source in inputs if source is not None and os.path.exists(path)):
            raise typer.BadParameter(f"{str(path)!r} is an input of this command. Use another file.", param_hint=option)


def _reads(source: str | Path, file: str) -> bool:
    """Return whether reading `source` would read `file`: the same file, or one in a class subfolder."""
    root = os.path.realpath(source)
    if file == root:
        return True
    # Files directly in the folder belong to no class.
    return os.path.isdir(root) and Path(root) in Path(file).parent.parents


def check_picture(path: Path | None, option: str) -> None:
    """Raise an error if Matplotlib cannot write a figure to this path."""
    check_writable(path, option)
    if path is not None and path.suffix.lower() not in (".png", ".pdf", ".svg", ".jpg"):
        raise typer.BadParameter(f"expected a name ending in .png, .svg or .pdf; got {path.name!r}.", param_hint=option)
