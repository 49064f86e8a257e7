"""The shell command ``sk-emotion``.

Everything heavy is imported inside the commands, so that ``sk-emotion --help`` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="sk-emotion",
    help="Recognise emotions in images of faces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_EXIT_ERROR = 2
_N_FACES = 900


def main(args: list[str] | None = None) -> None:
    """Run the command; what is wrong with data or files is one line on standard error, and exit code 2."""
    from .exceptions import SkEmotionError

    try:
        app(args)
    except (SkEmotionError, OSError) as error:
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(_EXIT_ERROR)


def _print_version(wanted: bool) -> None:
    if wanted:
        from . import __version__

        typer.echo(f"sk-emotion {__version__}")
        raise typer.Exit


@app.callback()
def _group(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Recognise emotions in images of faces."""


@app.command()
def compare(
    data: Annotated[
        Path | None,
        typer.Argument(help="Folder with one sub-folder a class, or a CSV file. Without it, faces are drawn."),
    ] = None,
    report: Annotated[Path | None, typer.Option(dir_okay=False, writable=True, help="HTML page to write.")] = None,
    cv: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Passes of the network over the training images.")] = 30,
    width: Annotated[int, typer.Option(min=1, help="Width of the network: channels of its first stage.")] = 32,
    binary: Annotated[
        str | None, typer.Option(help="Emotion, or several with commas, to tell from all others: pain.")
    ] = None,
    detector: Annotated[str, typer.Option(help="Face detector: none or lbp.")] = "none",
    groups: Annotated[
        str | None,
        typer.Option(
            help="Who is who, so that nobody is in training and test set at once: the column of a CSV file; for a "
            "folder 'duplicates', 'none', or a regular expression for file names."
        ),
    ] = None,
    image_column: Annotated[str, typer.Option(help="Column of a CSV file with the paths.")] = "image",
    label_column: Annotated[str, typer.Option(help="Column of a CSV file with the labels.")] = "label",
    image_size: Annotated[int, typer.Option(min=8, help="Side of the faces, in pixels.")] = 48,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of folds, weights and order.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Cross-validate a convolutional network and HOG+SVM on the same folds."""
    if detector not in ("none", "lbp"):
        raise typer.BadParameter(f"{detector!r}, expected none or lbp.", param_hint="--detector")
    if report is not None and not report.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {str(report.parent)!r}.", param_hint="--report")

    from imblearn.pipeline import make_pipeline

    from . import AugmentationOverSampler, EmotionClassifier, FaceLoader, compare_classifiers, make_hog_svm
    from .emotions import consolidate_emotions
    from .networks import ResNet

    say = _make_say(quiet)
    images, labels, people = _load(data, groups, image_column, label_column, image_size, seed)
    say(f"{len(images)} images: {_describe_classes(labels)}")
    if data is not None:
        # Decoding learns nothing from the images, so that doing it before the folds leaks nothing.
        say("Reading the images ...")
        loader = FaceLoader(image_size=image_size, detector=None if detector == "none" else detector, on_error="blank")
        images = loader.fit_transform(images)
        readable = images.any(axis=(1, 2))
        images, labels = images[readable], labels[readable]
        people = None if people is None else people[readable]
    if binary is not None:
        positive = [name.strip() for name in binary.split(",") if name.strip()]
        name = " or ".join(positive)
        labels = consolidate_emotions(labels, positive=positive, names=(f"not {name}", name))
        say(f"Question: {_describe_classes(labels)}")
    cnn = make_pipeline(
        FaceLoader(image_size=image_size),
        AugmentationOverSampler(random_state=seed),
        EmotionClassifier(ResNet(width=width), max_epochs=epochs, random_state=seed),
    )
    hog_svm = make_hog_svm(image_size=image_size, random_state=seed)
    result = compare_classifiers(
        {"CNN": cnn, "HOG+SVM": hog_svm},
        images,
        labels,
        groups=people,
        cv=cv,
        random_state=seed,
        verbose=0 if quiet else 1,
    )
    typer.echo(str(result))
    if report is not None:
        result.to_html(report)
        say(f"Report: {report}")


def _make_say(quiet: bool) -> Any:
    def say(line: str) -> None:
        if not quiet:
            typer.echo(line, err=True)

    return say


def _describe_classes(labels: Any) -> str:
    from collections import Counter

    counts = Counter(str(label) for label in labels)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _load(
    data: Path | None, groups: str | None, image_column: str, label_column: str, image_size: int, seed: int
) -> tuple[Any, Any, Any]:
    """Load images or paths, labels and persons from wherever they are."""
    from . import datasets

    if data is None:
        return datasets.make_faces(_N_FACES, image_size=image_size, random_state=seed)
    if data.suffix.lower() in (".csv", ".tsv"):
        faces = datasets.load_face_table(data, image=image_column, label=label_column, group=groups)
    elif groups is None:
        faces = datasets.load_face_folder(data)
    else:
        faces = datasets.load_face_folder(data, groups=None if groups == "none" else groups)
    return faces.data, faces.target, faces.get("groups")
