"""Arguments and options that several commands share."""

import difflib
import glob
import os
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import typer

from ..utils._text import printable


class DetectorName(StrEnum):
    """Detectors of :class:`FaceLoader`, and none."""

    NONE = "none"
    MTCNN = "mtcnn"
    LBP = "lbp"


_DATA_HELP = "Folder with one sub-folder a class (happy, ANGER and the like become happiness, anger), or a CSV file."

Data = Annotated[Path, typer.Argument(help=_DATA_HELP)]
OptionalData = Annotated[Path | None, typer.Argument(help=f"{_DATA_HELP} Without it, faces are drawn.")]
Binary = Annotated[str | None, typer.Option(help="Emotion, or several with commas, to tell from all others: pain.")]
Detector = Annotated[DetectorName, typer.Option(help="Face detector.")]
Cache = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        help="Folder that keeps the face found in each photo, for the next command that looks for faces in the same "
        "way.",
    ),
]
Groups = Annotated[
    str | None,
    typer.Option(
        help="Who is who, so that nobody is trained on and judged on: a column of a CSV file, or a regular expression "
        "for the file names of a folder. Near copies of a photo stay together too, by default they alone; 'none' lets "
        "all be parted."
    ),
]
ImageColumn = Annotated[str, typer.Option(help="Column of a CSV file with the paths; with --no-header its number.")]
LabelColumn = Annotated[str, typer.Option(help="Column of a CSV file with the labels; with --no-header its number.")]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Regular expression whose first group is the label, for the file names of a folder. Without it, the names "
        "of its folders are.",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=EMOTION,...",
        help="Emotions of codes or other names: 1=surprise,2=fear. A name with nothing behind the sign is left out.",
    ),
]
Sep = Annotated[str | None, typer.Option(help="What separates the columns of a CSV file, if no comma or the like.")]
Header = Annotated[bool, typer.Option(help="Whether the first line of a CSV file names the columns.")]
Root = Annotated[
    Path | None, typer.Option(help="Folder to which the paths in a CSV file are relative; by default its own.")
]


def _complete_model(incomplete: str) -> list[str]:
    """Complete names of the package's models, and of files."""
    from ..utils._weights import list_weights

    models = [name for name in list_weights() if name.startswith(incomplete)]
    return models + glob.glob(f"{glob.escape(incomplete)}*")


Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Model file, as train writes it, or a model that comes with the package.",
        autocompletion=_complete_model,
    ),
]
ImageSize = Annotated[int, typer.Option(min=8, max=1024, help="Side of the faces, in pixels.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes of the network over the training images.")]
Width = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Train a network of this width from scratch. Without it, training starts from what the package's model "
        "fer2013 knows of faces.",
    ),
]
Checkpoints = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        help="Folder for what each epoch has learned: if training is broken off, the same command goes on from there.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Compute on the workers of this Dask scheduler, tcp://192.168.0.1:8786 say. Needs the extra cluster.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of splits, weights and order.")]
Trusted = Annotated[
    list[str] | None,
    typer.Option(help="Type of a module of your own in the model file, such as mymodule.MyNet; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def check_data(data: Path | None) -> None:
    """Refuse a folder or file that is not there at once: what would read it takes seconds to import."""
    from ..exceptions import DatasetNotFoundError

    if data is not None and not os.path.exists(data):
        raise DatasetNotFoundError(f"there is no folder or file '{printable(data)}'.")


def check_model(model: str) -> None:
    """Refuse a model that is not there, also at once, and name the one that may be meant."""
    from ..exceptions import ModelNotFoundError
    from ..utils._weights import list_weights

    names = list_weights()
    if model in names or os.path.exists(model):
        return
    alike = difflib.get_close_matches(model, names, n=1)
    model = printable(model)
    advice = f"Did you mean {alike[0]}?" if alike else f"Train one: sk-emotion train my_faces --out {model}."
    raise ModelNotFoundError(
        f"there is no model file '{model}'. {advice} These models come with the package: {', '.join(names)}."
    )


def load_classifier(model: str, trusted: list[str] | None) -> Any:
    """Load a model file, or a model that comes with the package, that can be asked for emotions."""
    from sklearn.base import is_classifier

    from ..exceptions import ModelFileError
    from ..pretrained import load_pretrained
    from ..utils._weights import list_weights

    if Path(model).is_file() or (Path(model).exists() and model not in list_weights()):
        # skops takes seconds to import, which a model of the package need not wait for.
        from ..persistence._files import load_model

        classifier = load_model(model, trusted=trusted or ())
    else:
        classifier = load_pretrained(model)
    if not is_classifier(classifier):
        raise ModelFileError(
            f"'{printable(model)}' holds a {type(classifier).__name__}, expected a classifier, as train writes it."
        )
    return classifier


def check_cache(cache: Path | None, *photos: str | Path | None) -> None:
    """Refuse a folder that cannot be written, or in which the next command would look for photos."""
    if cache is None:
        return
    for folder in photos:
        if folder is not None and os.path.isdir(folder) and cache.resolve().is_relative_to(Path(folder).resolve()):
            raise typer.BadParameter(f"{str(cache)!r} is in {str(folder)!r}, among the photos.", param_hint="--cache")
    check_folder(cache, "--cache")


def use_cache(classifier: Any, cache: Path | None) -> None:
    """Let the loader of a model keep the faces that it finds, if it has one."""
    from ..preprocessing._pipelines import split_loader

    loader = split_loader(classifier)[0]
    if cache is not None and loader is not None:
        loader.set_params(cache=cache)


def make_network(width: int | None) -> Any:
    """Make a network of this width, or one that starts from pretrained features."""
    from ..networks import ResNet

    return ResNet(pretrained="fer2013") if width is None else ResNet(width=width)


def choose_detector(detector: DetectorName, data: Path | None) -> str | None:
    """Give the detector as :class:`FaceLoader` takes it; in drawn faces there is nothing to look for."""
    return None if detector is DetectorName.NONE or data is None else detector.value


def check_writable(path: Path | None, option: str) -> None:
    """Refuse a file that cannot be written before hours of work are put into it."""
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
    """Refuse a folder in which nothing can be written; make it if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise typer.BadParameter(
            f"nothing can be written in {str(folder)!r} ({error.strerror}).", param_hint=option
        ) from error


def check_outputs(outputs: dict[str, Path | None], *inputs: str | Path | None) -> None:
    """Refuse a file to write that this command reads, or writes twice."""
    written: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None or (os.path.exists(path) and not os.path.isfile(path)):
            continue
        real = os.path.realpath(path)
        if real in written:
            raise typer.BadParameter(f"{str(path)!r} is the file of {written[real]} too.", param_hint=option)
        written[real] = option
        if any(_reads(source, real) for source in inputs if source is not None and os.path.exists(path)):
            raise typer.BadParameter(f"{str(path)!r} is read by this command. Name another file.", param_hint=option)


def _reads(source: str | Path, file: str) -> bool:
    """Tell whether a file is what is read: itself, or in a folder of a class."""
    root = os.path.realpath(source)
    if file == root:
        return True
    # What lies in the folder itself is of no class.
    return os.path.isdir(root) and Path(root) in Path(file).parent.parents


def check_picture(path: Path | None, option: str) -> None:
    """Refuse what Matplotlib cannot write."""
    check_writable(path, option)
    if path is not None and path.suffix.lower() not in (".png", ".pdf", ".svg", ".jpg"):
        raise typer.BadParameter(f"{path.name!r}, expected a name that ends in .png, .svg or .pdf.", param_hint=option)
