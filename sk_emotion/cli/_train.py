"""``sk-emotion train``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from . import _options as options
from ._data import Faces, Layout, load_data, read_images
from ._output import Progress, print_json, save_figure, show, told_in_the_result


class Kind(StrEnum):
    """What can be trained."""

    CNN = "cnn"
    HOG_SVM = "hog-svm"


def train(
    data: options.OptionalData = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Model file to write.")] = Path("model.skops"),
    model: Annotated[Kind, typer.Option(help="What to train.")] = Kind.CNN,
    validation: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the images to validate on, whole groups; 0 trains on all.")
    ] = 0.2,
    equalize: Annotated[
        bool,
        typer.Option(help="Make classes count equally in training: by augmented copies, for hog-svm by weights."),
    ] = True,
    specificity: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="With --binary: choose the threshold for this specificity, on the validation."),
    ] = None,
    curves: Annotated[Path | None, typer.Option(help="Picture of the training to write: .png, .svg or .pdf.")] = None,
    epochs: options.Epochs = 30,
    width: options.Width = None,
    checkpoints: options.Checkpoints = None,
    binary: options.Binary = None,
    detector: options.Detector = options.DetectorName.MTCNN,
    cache: options.Cache = None,
    groups: options.Groups = None,
    image_column: options.ImageColumn = "image",
    label_column: options.LabelColumn = "label",
    label: options.Label = None,
    labels: options.Labels = None,
    sep: options.Sep = None,
    header: options.Header = True,
    root: options.Root = None,
    image_size: options.ImageSize = 48,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a model on labelled images, and keep it in a file.

    \b
    Examples:
      sk-emotion train my_faces
      sk-emotion train faces.csv --groups person --curves curves.png
      sk-emotion train my_faces --binary pain --specificity 0.9 --out pain.skops
    """
    options.check_data(data)
    options.check_cache(cache, data)
    chosen = options.choose_detector(detector, data)
    options.check_writable(out, "--out")
    options.check_picture(curves, "--curves")
    options.check_outputs({"--out": out, "--curves": curves}, data)
    of_cnn = {"--curves": curves, "--checkpoints": checkpoints}
    for option, value in of_cnn.items():
        if value is not None and model is not Kind.CNN:
            raise typer.BadParameter(f"only a cnn takes it, not {model.value}.", param_hint=option)
    if specificity is not None and (binary is None or not validation):
        raise typer.BadParameter("it needs --binary, and a --validation above 0.", param_hint="--specificity")

    from sklearn.pipeline import Pipeline

    from .. import FaceLoader, TrainingCurves, save_model
    from ..utils._text import printable
    from ._question import ask_binary

    progress = Progress(quiet)
    layout = Layout(groups, image_column, label_column, label, labels, sep, header, root)
    faces = load_data(data, layout, image_size, seed, progress)
    answers, pos_label = ask_binary(faces.labels, binary, progress)
    faces = faces._replace(labels=answers)
    asked = pos_label if specificity is not None else None
    options.check_outputs({"--out": out, "--curves": curves}, *faces.list_files())
    # What cannot be split is known before any picture is read.
    _split(faces, validation, seed, asked)
    loader = FaceLoader(image_size=image_size, detector=chosen, on_error="blank", cache=cache).fit(faces.images)
    faces = read_images(faces, loader, progress)
    fit_part, held_out = _split(faces, validation, seed, asked)
    n_held_out = 0 if held_out is None else len(held_out.labels)
    progress.say(f"{len(fit_part.labels)} images to train on, {n_held_out} to validate on.")
    _warn_of_one_group(held_out, progress)
    if model is Kind.CNN:
        steps = _train_network(fit_part, held_out, equalize, width, epochs, checkpoints, seed, progress)
    else:
        steps = _train_hog_svm(fit_part, equalize, image_size, seed, progress)

    result: dict[str, Any] = {"model": str(out), "classes": steps[-1][1].classes_, "n_train": len(fit_part.labels)}
    judgement = ""
    if held_out is not None:
        if specificity is not None:
            steps = _choose_threshold(steps, held_out, pos_label, specificity, result)
        judgement = _judge(steps, held_out, pos_label, result)
    pipeline = Pipeline([("faceloader", loader.set_params(on_error="raise", cache=None)), *steps])
    # Before anything is printed, which may fail.
    save_model(pipeline, out)
    if curves is not None:
        save_figure(lambda: TrainingCurves.from_estimator(pipeline).figure_, curves)
        result["curves"] = str(curves)
    if json:
        print_json(result | {"unread": len(faces.unread)})
    else:
        named = printable(out)
        show(f"{judgement}Model: {named}\nUse it: sk-emotion predict photo.jpg --model {named}")


def _split(faces: Faces, fraction: float, seed: int, asked: Any) -> tuple[Faces, Faces | None]:
    """Part faces into those to train on and those to validate on, whole groups each.

    If an answer is `asked` for, a threshold is to be chosen for it, and there must be images of it and of others.
    """
    if not fraction:
        return faces, None
    import numpy as np

    from .._training._split import split_validation
    from ..exceptions import LabelError

    codes = np.unique(faces.labels, return_inverse=True)[1]
    try:
        parts = split_validation(codes, fraction, groups=faces.together, random_state=seed)
    except LabelError as error:
        raise LabelError(
            f"--validation {fraction} cannot hold out some of the {len(codes)} images of {codes.max() + 1} class(es), "
            "since a class has too few images or groups. Add images, see to --groups, or use --validation 0."
        ) from error
    first, second = map(faces.take, parts)
    n_asked, n_held_out = int((second.labels == asked).sum()), len(second.labels)
    if asked is not None and not 0 < n_asked < n_held_out:
        raise LabelError(
            f"--specificity needs images of both answers to validate on, but {n_asked} of {n_held_out} are {asked}: "
            "its groups are too few. Use a larger --validation, or see to --groups."
        )
    return first, second


def _warn_of_one_group(held_out: Faces | None, progress: Progress) -> None:
    """Say that scores on one person tell little of others."""
    if held_out is not None and held_out.people is not None and len(set(held_out.people)) == 1:
        progress.warn(
            f"all images to validate on are of one group, {held_out.people[0]}: their scores say little of others. Use "
            "a larger --validation, or sk-emotion compare, which validates on each group in turn."
        )


def _equalize(faces: Faces, equalize: bool, seed: int) -> tuple[Any, Any]:
    from .. import AugmentationOverSampler

    if not equalize:
        return faces.images, faces.labels
    return AugmentationOverSampler(random_state=seed).fit_resample(faces.images, faces.labels)


def _train_network(
    faces: Faces,
    held_out: Faces | None,
    equalize: bool,
    width: int | None,
    epochs: int,
    checkpoints: Path | None,
    seed: int,
    progress: Progress,
) -> list[tuple[str, Any]]:
    from .. import EmotionClassifier
    from ._epochs import ShowEpochs

    validation = {} if held_out is None else {"X_val": held_out.images, "y_val": held_out.labels}
    with progress.track("Training", epochs) as advance:
        classifier = EmotionClassifier(
            options.make_network(width),
            max_epochs=epochs,
            callbacks=[ShowEpochs(advance)],
            checkpoint_dir=checkpoints,
            random_state=seed,
        )
        classifier.fit(*_equalize(faces, equalize, seed), **validation)
    # Callbacks and checkpoints belong to this run, not to the model.
    return [("emotionclassifier", classifier.set_params(callbacks=None, checkpoint_dir=None))]


def _train_hog_svm(
    faces: Faces, equalize: bool, image_size: int, seed: int, progress: Progress
) -> list[tuple[str, Any]]:
    from .. import make_hog_svm

    # Weights rather than copies: probabilities are calibrated on images left out, of which copies would stay.
    class_weight = "balanced" if equalize else None
    pipeline = make_hog_svm(image_size=image_size, class_weight=class_weight, random_state=seed)[1:]
    progress.say("Training ...")
    pipeline.fit(faces.images, faces.labels)
    return list(pipeline.steps)


def _choose_threshold(
    steps: list[tuple[str, Any]], held_out: Faces, pos_label: Any, specificity: float, result: dict[str, Any]
) -> list[tuple[str, Any]]:
    """Let the last step answer yes from the threshold on that gives the wanted specificity."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import FixedThresholdClassifier
    from sklearn.pipeline import Pipeline

    from .. import find_operating_point

    pipeline = Pipeline(steps)
    column = pipeline.classes_.tolist().index(pos_label)
    scores = pipeline.predict_proba(held_out.images)[:, column]
    point = find_operating_point(held_out.labels, scores, specificity=specificity, pos_label=pos_label)
    result |= {"threshold": point.threshold, "threshold_chosen_on": "validation"}
    name, classifier = steps[-1]
    fixed = FixedThresholdClassifier(
        FrozenEstimator(classifier), threshold=point.threshold, pos_label=pos_label, response_method="predict_proba"
    )
    # Fitting a frozen estimator fits nothing.
    features = held_out.images if len(steps) == 1 else Pipeline(steps[:-1]).transform(held_out.images)
    return [*steps[:-1], (name, fixed.fit(features, held_out.labels))]


def _judge(steps: list[tuple[str, Any]], held_out: Faces, pos_label: Any, result: dict[str, Any]) -> str:
    """Score the model on what was held out; give what is to be printed of it."""
    from sklearn.pipeline import Pipeline

    from .. import EmotionReport

    with told_in_the_result():
        report = EmotionReport.from_estimator(
            Pipeline(steps), held_out.images, held_out.labels, groups=held_out.people, pos_label=pos_label
        )
    result["validation"] = report.scores_["value"].to_dict() | {"n": report.n_samples_}
    told = f"On the validation images, which were not trained on:\n\n{report}\n\n"
    if "threshold" in result:
        told += (
            f"The threshold {result['threshold']:.3f} was chosen on these images: judge it on others, by evaluate.\n\n"
        )
    return told
