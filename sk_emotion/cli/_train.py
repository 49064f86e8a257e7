"""``sk-emotion train``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..exceptions import LabelError
from ..utils import printable
from . import _options as options
from ._data import Faces, Layout, ask_binary, load_data, read_images
from ._output import Progress, ignore_dataset_warnings, print_json, save_figure, show


class Kind(StrEnum):
    """Models that can be trained."""

    CNN = "cnn"
    HOG_SVM = "hog-svm"


def train(
    data: options.OptionalData = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Model file to write.")] = Path("model.skops"),
    model: Annotated[Kind, typer.Option(help="Kind of model.")] = Kind.CNN,
    validation: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the images to validate on (whole groups); 0 trains on all.")
    ] = 0.2,
    equalize: Annotated[
        bool,
        typer.Option(help="Balance the classes in training: by augmented copies, or by class weights for hog-svm."),
    ] = True,
    specificity: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="With --binary: specificity for which to choose the threshold in validation."),
    ] = None,
    curves: Annotated[Path | None, typer.Option(help="Figure of training curves to write: .png, .svg or .pdf.")] = None,
    epochs: options.Epochs = 30,
    width: options.Width = None,
    checkpoints: options.Checkpoints = None,
    binary: options.Binary = None,
    detector: options.Detector = options.DetectorName.CENTERFACE,
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
    """Train a model on labeled images and save it to a file.

    Beside the file, model.training.json holds digests of the images, by which evaluate says if a model is evaluated on
    images that it was trained on. It can be deleted.

    \b
    Examples:
      sk-emotion train my_faces
      sk-emotion train faces.csv --groups person --curves curves.png
      sk-emotion train my_faces --binary pain --specificity 0.9 --out pain.skops
    """
    options.check_data(data)
    options.check_cache(cache, data)
    options.check_writable(out, "--out")
    options.check_picture(curves, "--curves")
    options.check_outputs({"--out": out, "--curves": curves}, data)
    of_cnn = {"--curves": curves, "--checkpoints": checkpoints}
    for option, value in of_cnn.items():
        if value is not None and model is not Kind.CNN:
            raise typer.BadParameter(f"this option needs --model cnn, not {model.value}.", param_hint=option)
    if specificity is not None and (binary is None or not validation):
        raise typer.BadParameter("this option needs --binary and a --validation above 0.", param_hint="--specificity")

    from sklearn.pipeline import Pipeline

    from .. import TrainingCurves, save_model

    progress = Progress(quiet)
    layout = Layout(groups, image_column, label_column, label, labels, sep, header, root)
    faces = load_data(data, layout, progress, image_size=image_size, seed=seed)
    answers, pos_label = ask_binary(faces.labels, binary, progress)
    faces = faces._replace(labels=answers)
    tuned_label = pos_label if specificity is not None else None
    options.check_outputs({"--out": out, "--curves": curves}, *faces.list_files())
    # Raise errors of splitting before any image is read.
    _split(faces, validation, seed, tuned_label)
    faces, loader = read_images(faces, detector, image_size, cache, progress)
    fit_part, held_out = _split(faces, validation, seed, tuned_label)
    n_held_out = 0 if held_out is None else len(held_out.labels)
    progress.say(f"{len(fit_part.labels)} images to train on, {n_held_out} to validate on.")
    if held_out is not None and held_out.people is not None and len(set(held_out.people)) == 1:
        progress.warn(
            f"all validation images belong to one group, {held_out.people[0]}: their scores may not hold for others. "
            "Use a larger --validation, or sk-emotion compare, which validates on each group in turn."
        )
    if model is Kind.CNN:
        steps = _train_network(fit_part, held_out, equalize, width, epochs, checkpoints, seed, progress)
    else:
        steps = _train_hog_svm(fit_part, equalize, image_size, seed, progress)

    result: dict[str, Any] = {"model": str(out), "classes": steps[-1][1].classes_, "n_train": len(fit_part.labels)}
    summary = ""
    if held_out is not None:
        if specificity is not None:
            steps = _choose_threshold(steps, held_out, pos_label, specificity, result)
        summary = _evaluate(steps, held_out, pos_label, result)
    pipeline = Pipeline([("faceloader", loader.set_params(on_error="raise", cache=None)), *steps])
    # Before printing, which may fail.
    save_model(pipeline, out, training_data=fit_part.photos, validation_data=held_out and held_out.photos)
    if curves is not None:
        save_figure(lambda: TrainingCurves.from_estimator(pipeline).figure, curves)
        result["curves"] = str(curves)
    if json:
        print_json(result | {"unread": faces.n_unread})
    else:
        named = printable(out)
        show(f"{summary}Model: {named}\nUse it: sk-emotion predict photo.jpg --model {named}")


def _split(faces: Faces, fraction: float, seed: int, tuned_label: Any) -> tuple[Faces, Faces | None]:
    """Split faces into training and validation sets of whole groups, in which a threshold for a label can be tuned."""
    if not fraction:
        return faces, None
    from .. import train_val_test_split

    rows = np.arange(len(faces.labels))
    try:
        with ignore_dataset_warnings():
            parts = train_val_test_split(
                rows, faces.labels, groups=faces.together, val_size=fraction, test_size=0, random_state=seed
            )
    except LabelError as error:
        raise LabelError(
            f"--validation {fraction} cannot split {len(rows)} images of {len(set(faces.labels))} class(es), since a "
            "class has too few images or groups. Add images, check --groups, or use --validation 0."
        ) from error
    first, second = (faces.take(np.sort(part)) for part in parts[:2])
    n_positive, n_held_out = int((second.labels == tuned_label).sum()), len(second.labels)
    if tuned_label is not None and not 0 < n_positive < n_held_out:
        raise LabelError(
            f"--specificity needs validation images of both classes, but {n_positive} of {n_held_out} are "
            f"{tuned_label}. Use a larger --validation, or check --groups."
        )
    return first, second


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
    from .. import AugmentationOverSampler, EmotionClassifier
    from ._epochs import ShowEpochs

    images, labels = faces.images, faces.labels
    if equalize:
        images, labels = AugmentationOverSampler(random_state=seed).fit_resample(images, labels)
    validation = {} if held_out is None else {"X_val": held_out.images, "y_val": held_out.labels}
    with progress.track("Training", epochs) as advance:
        classifier = EmotionClassifier(
            options.make_network(width),
            max_epochs=epochs,
            callbacks=[ShowEpochs(advance)],
            checkpoint_dir=checkpoints,
            random_state=seed,
        )
        classifier.fit(images, labels, **validation)
    # Callbacks and checkpoints belong to this run, not to the model.
    return [("emotionclassifier", classifier.set_params(callbacks=None, checkpoint_dir=None))]


def _train_hog_svm(
    faces: Faces, equalize: bool, image_size: int, seed: int, progress: Progress
) -> list[tuple[str, Any]]:
    from .. import make_hog_svm

    # Weights rather than copies: calibration holds out images, and copies of them would leak into training.
    class_weight = "balanced" if equalize else None
    pipeline = make_hog_svm(image_size=image_size, class_weight=class_weight, random_state=seed)[1:]
    progress.say("Training ...")
    pipeline.fit(faces.images, faces.labels)
    return list(pipeline.steps)


def _choose_threshold(
    steps: list[tuple[str, Any]], held_out: Faces, pos_label: Any, specificity: float, result: dict[str, Any]
) -> list[tuple[str, Any]]:
    """Set the decision threshold of the last step to reach a specificity."""
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
    # The frozen estimator is not refitted.
    features = held_out.images if len(steps) == 1 else Pipeline(steps[:-1]).transform(held_out.images)
    return [*steps[:-1], (name, fixed.fit(features, held_out.labels))]


def _evaluate(steps: list[tuple[str, Any]], held_out: Faces, pos_label: Any, result: dict[str, Any]) -> str:
    """Score the model on the validation set and return the text to print."""
    from sklearn.pipeline import Pipeline

    from .. import EmotionReport

    with ignore_dataset_warnings():
        report = EmotionReport.from_estimator(
            Pipeline(steps),
            held_out.images,
            held_out.labels,
            photos=held_out.photos,
            groups=held_out.people,
            pos_label=pos_label,
            random_state=0,
        )
    result["validation"] = report.scores["value"].to_dict() | {"n": report.n_samples}
    summary = f"On the validation images, which were not trained on:\n\n{report}\n\n"
    if "threshold" in result:
        summary += f"The threshold {result['threshold']:.3f} was chosen on these images: evaluate it on others.\n\n"
    return summary
