"""``sk-emotion compare``, here or on the workers of a Dask cluster."""

import logging
import platform
import warnings
from collections.abc import Mapping
from contextlib import closing, nullcontext
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from ..exceptions import LabelError, MissingDependencyError
from . import _options as options
from ._data import Layout, ask_binary, load_data, read_images
from ._output import Progress, ignore_dataset_warnings, print_json, show

# In seconds.
_TIMEOUT = 5

# Different versions of these may change scores or break serialization.
_PACKAGES = ("sk-emotion", "torch", "scikit-learn", "numpy", "joblib", "dask", "cloudpickle")


def compare(
    context: typer.Context,
    data: options.OptionalData = None,
    report: Annotated[Path | None, typer.Option(dir_okay=False, writable=True, help="HTML page to write.")] = None,
    cv: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 5,
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
    options.check_writable(report, "--report")
    options.check_outputs({"--report": report}, data)
    progress = Progress(quiet)
    client = None
    if cluster is not None:
        client = context.with_resource(closing(_connect(cluster)))
        _check_workers(client, cluster, progress)

    from imblearn.pipeline import make_pipeline
    from joblib import parallel_config

    from .. import AugmentationOverSampler, EmotionClassifier, FaceLoader, compare_classifiers, make_hog_svm
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
    faces, _ = read_images(faces, detector, image_size, cache, progress)
    cnn = make_pipeline(
        FaceLoader(image_size=image_size),
        AugmentationOverSampler(random_state=seed),
        EmotionClassifier(
            options.make_network(width), max_epochs=epochs, checkpoint_dir=checkpoints, random_state=seed
        ),
    )
    hog_svm = make_hog_svm(image_size=image_size, random_state=seed)
    with ignore_dataset_warnings(), nullcontext() if client is None else parallel_config("dask", client=client):
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


def _connect(address: str) -> Any:
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
        from distributed.versions import VersionMismatchWarning
    except ImportError as error:
        raise MissingDependencyError(
            '--cluster needs Dask, which is not installed. Install it: pip install "sk-emotion[cluster]".'
        ) from error
    # The command reports errors itself.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        # A client with an invalid address would never return.
        get_address_host_port(address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)
            return Client(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"--cluster: no Dask scheduler answers at {address!r} ({error}). Pass the address that `dask scheduler` "
            "prints, such as tcp://192.168.0.1:8786."
        ) from error


def _check_workers(client: Any, address: str, progress: Progress) -> None:
    n_threads = client.nthreads()
    if not n_threads:
        raise ConnectionError(
            f"--cluster: the scheduler at {address!r} has no workers. Start one per GPU or core: "
            f"dask worker {address} --nthreads 1"
        )
    n_folds = sum(n_threads.values())
    if n_folds == 1:
        raise ConnectionError(
            f"--cluster: the scheduler at {address!r} has a single worker with one thread, which joblib does not use. "
            "Start another worker, or start this one with --nthreads 2."
        )
    progress.say(f"Cluster: {len(n_threads)} worker(s), {n_folds} folds in parallel.")
    try:
        versions = client.run(read_versions)
    except Exception as error:
        # Dask raises a bare Exception for what a worker cannot deserialize.
        raise ConnectionError(
            f"--cluster: a worker of {address!r} cannot use sk_emotion ({error}). Install the same version everywhere."
        ) from error
    for line in describe_differences(read_versions(), versions):
        progress.warn(line)


def read_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect results."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "none"
    return versions


def describe_differences(here: Mapping[str, str], there: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Describe, one line per package, on how many workers its version differs from the local one."""
    lines = []
    for package, version in here.items():
        others = [versions[package] for versions in there.values() if versions[package] != version]
        if others:
            found = ", ".join(sorted(set(others)))
            lines.append(f"{package} is {found} on {len(others)} of {len(there)} workers, {version} here.")
    return lines
