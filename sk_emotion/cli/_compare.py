"""``sk-emotion compare``."""

from pathlib import Path
from typing import Annotated

import typer

from . import _options as options
from ._cluster import compute_on, connect
from ._data import Layout, ask_binary, load_data, read_images
from ._output import Progress, ignore_dataset_warnings, print_json, show


def compare(
    context: typer.Context,
    data: options.OptionalData = None,
    report: Annotated[Path | None, typer.Option(dir_okay=False, writable=True, help="HTML page to write.")] = None,
    cv: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 5,
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
    cluster: options.Cluster = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Cross-validate a convolutional network and HOG+SVM on the same folds.

    \b
    Examples:
      sk-emotion compare my_faces --report report.html
      sk-emotion compare faces.csv --groups person --binary pain --cv 3
      sk-emotion compare my_faces --cluster tcp://192.168.0.1:8786
    """
    options.check_data(data)
    options.check_cache(cache, data)
    chosen = options.choose_detector(detector, data)
    options.check_writable(report, "--report")
    options.check_outputs({"--report": report}, data)
    progress = Progress(quiet)
    client = context.with_resource(connect(cluster, progress))

    from imblearn.pipeline import make_pipeline

    from .. import AugmentationOverSampler, EmotionClassifier, FaceLoader, compare_classifiers, make_hog_svm
    from ..exceptions import LabelError
    from ..model_selection import draw_folds

    layout = Layout(groups, image_column, label_column, label, labels, sep, header, root)
    faces = load_data(data, layout, progress, image_size=image_size, seed=seed)
    faces = faces._replace(labels=ask_binary(faces.labels, binary, progress)[0])
    options.check_outputs({"--report": report}, *faces.list_files())
    # Raise errors of splitting before any image is read.
    try:
        draw_folds(faces.images, faces.labels, groups=faces.together, cv=cv, random_state=seed)
    except LabelError as error:
        raise LabelError(str(error).replace("draw_folds", "--cv")) from error
    # Decoding learns nothing from the images, so doing it before splitting causes no leakage.
    loader = FaceLoader(image_size=image_size, detector=chosen, on_error="blank", cache=cache).fit(faces.images)
    faces = read_images(faces, loader, progress)
    cnn = make_pipeline(
        FaceLoader(image_size=image_size),
        AugmentationOverSampler(random_state=seed),
        EmotionClassifier(
            options.make_network(width), max_epochs=epochs, checkpoint_dir=checkpoints, random_state=seed
        ),
    )
    hog_svm = make_hog_svm(image_size=image_size, random_state=seed)
    with ignore_dataset_warnings(), compute_on(client):
        result = compare_classifiers(
            {"CNN": cnn, "HOG+SVM": hog_svm},
            faces.images,
            faces.labels,
            groups=faces.together,
            cv=cv,
            random_state=seed,
            verbose=0 if quiet else 1,
        )
    if report is not None:
        # Before printing, which may fail.
        result.to_html(report)
        progress.say(f"Report: {report}")
    if json:
        print_json(
            {
                "folds": result.to_frame().to_dict(orient="records"),
                "reference": result.reference.to_dict(orient="index"),
                "tests": result.tests.to_dict(orient="records"),
                "caveats": result.caveats,
            }
        )
    else:
        show(str(result))
