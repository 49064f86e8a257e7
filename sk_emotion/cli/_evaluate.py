"""``sk-emotion evaluate``."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..exceptions import LabelError
from ..utils import abridge
from . import _options as options
from ._data import N_NAMED, Layout, ask_binary, load_data, name_answers, read_columns, split_names
from ._output import Progress, ignore_dataset_warnings, print_json, save_figure, show


def evaluate(
    model: Annotated[str, typer.Argument(help="Model file written by train, or name of a pretrained model.")],
    data: options.Data,
    binary: options.Binary = None,
    equalize: Annotated[
        bool, typer.Option("--equalize", help="Also evaluate with classes balanced by augmented copies.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Figure to write: .png, .svg or .pdf.")] = None,
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, writable=True, help="HTML page to write, with the full report.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Column of a CSV file, such as age, to score each value of separately; may be repeated."),
    ] = None,
    cache: options.Cache = None,
    groups: options.Groups = None,
    image_column: options.ImageColumn = "image",
    label_column: options.LabelColumn = "label",
    label: options.Label = None,
    labels: options.Labels = None,
    sep: options.Sep = None,
    header: options.Header = True,
    root: options.Root = None,
    trusted: options.Trusted = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Evaluate a model on labeled images that it was not trained on.

    A model trained with --binary is evaluated on the same question. With --binary, a model of more classes answers by
    the sum of their probabilities. Confidence intervals resample whole groups. For pretrained models and those of
    train, the report says how many of the images they were trained on.

    \b
    Examples:
      sk-emotion evaluate model.skops other_faces --report report.html
      sk-emotion evaluate human-emotions faces.csv --groups person --by age --by camera
      sk-emotion evaluate human-emotions other_faces --binary pain
    """
    options.check_data(data)
    options.check_cache(cache, data)
    options.check_model(model)
    options.check_picture(plot, "--plot")
    options.check_writable(report, "--report")
    options.check_outputs({"--plot": plot, "--report": report}, model, data)
    from sklearn.frozen import FrozenEstimator

    from .. import ConsolidatedClassifier, EmotionReport
    from ..preprocessing import read_faces

    progress = Progress(quiet)
    layout = Layout(groups, image_column, label_column, label, labels, sep, header, root)
    columns = read_columns(data, by, layout)
    classifier = options.load_classifier(model, trusted)
    options.set_loader(classifier, cache=cache)
    # Any class name is valid if the model has it; others raise an error below.
    expected = r"load_face_folder: .*(no class is a known|are not?) emotion"
    faces = load_data(data, layout, progress, expected=expected)
    options.check_outputs({"--plot": plot, "--report": report}, *faces.list_files())
    answers, pos_label, question = _ask_one_question(classifier, faces.labels, binary, progress)
    with progress.track("Reading the images", len(answers)) as advance:
        judge, loaded = read_faces(classifier, list(faces.images), progress=advance)
    faces = faces._replace(labels=answers).keep_readable(loaded, progress)
    if question is not None:
        judge = ConsolidatedClassifier(
            FrozenEstimator(judge), positive=split_names(question), names=name_answers(question)
        ).fit(faces.images, faces.labels)
    with ignore_dataset_warnings():
        result = EmotionReport.from_estimator(
            judge,
            faces.images,
            faces.labels,
            groups=faces.people,
            metadata=columns and {name: column[faces.rows] for name, column in columns.items()},
            equalize=equalize,
            pos_label=pos_label,
            photos=faces.photos,
            display_estimator=classifier,
            random_state=0,
        )
    # Before printing, which may fail.
    if plot is not None:
        save_figure(lambda: result.plot().figure, plot)
        progress.say(f"Figure: {plot}")
    if report is not None:
        asked = f": {binary} or not" if binary else ""
        result.to_html(report, title=f"{model} on {data}{asked}")
        progress.say(f"Report: {report}")
    if json:
        equalized = result.equalized
        print_json(
            {
                "model": model,
                "n": result.n_samples,
                "unread": faces.n_unread,
                "scores": result.scores.to_dict(orient="index"),
                "equalized_scores": None if equalized is None else equalized.scores.to_dict(orient="index"),
                "per_class": result.per_class.to_dict(orient="index"),
                "per_group": result.per_group.to_dict(orient="records"),
                "confusion_matrix": result.confusion_matrix.to_numpy(),
                "classes": result.classes,
                "caveats": result.caveats,
            }
        )
    else:
        show(str(result))


def _ask_one_question(
    classifier: Any, labels: Any, binary: str | None, progress: Progress
) -> tuple[Any, Any, str | None]:
    """Return the labels of the question, the positive label, and the question to ask the model (None: its own)."""
    known = classifier.classes_.tolist()
    by_text = {str(label): label for label in known}
    if {str(label) for label in labels} <= by_text.keys():
        # Folder names are strings, even if the training labels were numbers.
        labels = np.array([by_text[str(label)] for label in labels])
    asked = _find_question(known)
    of_model = asked is not None and (
        not set(labels.tolist()) <= set(known)
        if binary is None
        else set(split_names(binary)) == set(split_names(asked))
    )
    answers, pos_label = ask_binary(labels, asked if of_model else binary, progress, of_model=of_model)
    unknown = sorted(set(answers.tolist()) - set(known), key=str)
    if not unknown:
        return answers, pos_label or asked, None
    if binary is None:
        those, expected = (abridge([str(label) for label in labels], N_NAMED) for labels in (unknown, known))
        raise LabelError(
            f"some images are labeled {those}, but the classes of the model are {expected}. Relabel or remove these "
            "images, pass --binary, or train a model on these classes; in a table, --label-column names the column of "
            "labels."
        )
    obstacle = _find_obstacle(classifier, labels, binary)
    if obstacle:
        raise LabelError(f"--binary {binary}: {obstacle}.")
    return answers, pos_label, binary


def _find_question(classes: Any) -> str | None:
    """Return the binary question that a model with these classes was trained on, or None."""
    names = [str(label) for label in classes]
    if len(names) != 2:
        return None
    asked = [name for name in names if f"not {name}" in names]
    return asked[0] if asked else None


def _find_obstacle(classifier: Any, labels: Any, binary: str) -> str:
    """Return the reason why a classifier cannot answer a question for these labels, or an empty string."""
    from ..emotions import normalize_emotion

    wanted = set(split_names(binary))
    known = {str(normalize_emotion(label)) for label in classifier.classes_}
    classes = ", ".join(map(str, classifier.classes_))
    unknown = sorted(wanted & {str(normalize_emotion(label)) for label in labels} - known)
    if unknown or not wanted & known:
        return f"the model has no class {' or '.join(unknown or sorted(wanted))}; its classes are {classes}"
    if known <= wanted:
        return f"all classes of the model ({classes}) would be positive"
    if len(known) > 2 and not hasattr(classifier, "predict_proba"):
        return "the model has no predict_proba, whose probabilities are summed"
    return ""
