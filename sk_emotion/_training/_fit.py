"""Fit an EmotionClassifier: validate images and labels, weigh and split them, and train a net."""

import math
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state, compute_class_weight, compute_sample_weight
from sklearn.utils.validation import _check_sample_weight

from .._images._stored import StoredImages
from .._images._validation import check_one_label_each, learn_pixel_range, validate_images
from ..exceptions import LabelError, ParameterError, TrainingError
from ..utils._arrays import as_numpy
from ..utils._labels import check_classes, check_labels, check_lengths, describe_spelling
from ..utils._splits import split_validation
from ._batches import FaceDataset
from ._build import build_net, check_same_network, choose_network, rebuild_net, seeded
from ._checkpoints import Checkpoints, identify_run
from ._distributed import SingleProcess, join_processes
from ._hardware import limit_worker_threads
from ._net import FaceNet
from ._state import list_epochs

_OWNER = "EmotionClassifier"


def fit_epochs(clf: Any, X: Any, y: Any, sample_weight: Any, groups: Any, X_val: Any, y_val: Any) -> None:
    """Train a new network for `max_epochs`, or continue with that of the previous fit if `warm_start` is set."""
    warm_start = clf.warm_start and hasattr(clf, "net_")
    if not warm_start and hasattr(clf, "net_"):
        # A failed fit must not leave the old network with new classes_. Other threads use the old fit until then.
        del clf.net_, clf.history_, clf.n_iter_
    images, labels = _check_training_data(clf, X, y, reset=not warm_start)
    if warm_start:
        _check_known(clf, labels, "y")
        check_same_network(clf, "Set warm_start=False to train a new network")
    else:
        clf.classes_ = np.unique(labels)
        if len(clf.classes_) < 2:
            raise LabelError(
                f"EmotionClassifier needs at least two classes; y contains only one class: {clf.classes_[0]!s}."
            )
    weight = _compute_weights(clf, labels, sample_weight)
    others = (labels, weight, groups, X_val, y_val)
    train, groups = _drop_zero_weight(clf, (images, labels, weight), groups, reset=not warm_start)
    processes = join_processes(clf)
    if clf.checkpoint_dir is None:
        opened: Any = nullcontext((None, processes.share_random_state(clf.random_state)))
    else:
        start = clf.net_.to_arrays() if warm_start else None
        run = identify_run(clf, train[0], *others, start, processes.count)
        opened = processes.open_checkpoints(clf.checkpoint_dir, run)
    with opened as (checkpoints, random_state):
        train, validation = _split(clf, train, groups, X_val, y_val, random_state)
        _train(clf, train, validation, processes, random_state, checkpoints, warm_start=warm_start)


def fit_one_epoch(clf: Any, X: Any, y: Any, classes: Any, sample_weight: Any) -> None:
    """Train for one more epoch; the parameters are those of :meth:`EmotionClassifier.partial_fit`."""
    first = not hasattr(clf, "net_")
    images, labels = _check_training_data(clf, X, y, reset=first)
    if first:
        clf.classes_ = np.unique(labels if classes is None else np.asarray(classes))
        if len(clf.classes_) < 2:
            raise LabelError("EmotionClassifier.partial_fit needs at least two classes. Pass classes=[...].")
    elif classes is not None and not np.array_equal(np.unique(classes), clf.classes_):
        raise LabelError(f"classes={list(classes)} differs from the classes of the first call: {list(clf.classes_)}.")
    _check_known(clf, labels, "y")
    if not first:
        check_same_network(clf, "Call fit to train a new network")
    weight = _compute_weights(clf, labels, sample_weight)
    train, _ = _drop_zero_weight(clf, (images, labels, weight), None, reset=first)
    _train(clf, train, None, join_processes(clf), clf.random_state, warm_start=not first, one_epoch=True)


def _check_training_data(clf: Any, X: Any, y: Any, *, reset: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    X = as_numpy(X, _OWNER)
    if y is None:
        raise LabelError("EmotionClassifier requires y to be passed, but the target y is None.")
    images = validate_images(clf, X, reset=reset, in_memory=False)
    labels = check_labels(y, _OWNER)
    check_one_label_each(_OWNER, X, len(images), labels)
    check_classes(labels, _OWNER)
    return images, labels


def _check_known(clf: Any, labels: NDArray[Any], name: str) -> None:
    unknown = np.setdiff1d(labels, clf.classes_)
    if len(unknown):
        raise LabelError(
            f"{name} contains labels that are not in classes_: {unknown.tolist()}. Known: {clf.classes_.tolist()}."
            f"{describe_spelling(unknown.tolist(), clf.classes_.tolist())}"
        )


def _compute_weights(clf: Any, labels: NDArray[Any], sample_weight: Any) -> NDArray[np.float32]:
    """Multiply sample and class weights, scaled to a mean of 1 where above 0, as the learning rate assumes."""
    sample_weight = as_numpy(sample_weight, _OWNER, "sample_weight")
    weight = _check_sample_weight(sample_weight, labels, ensure_non_negative=True)
    present = weight > 0
    if clf.class_weight == "balanced" and present.any():
        # As in scikit-learn, a row of weight 2 counts as two rows, and one of weight 0 as none.
        classes, codes = np.unique(labels[present], return_inverse=True)
        of_class = compute_class_weight("balanced", classes=classes, y=labels[present], sample_weight=weight[present])
        weight = weight.copy()
        weight[present] *= of_class[codes]
    elif clf.class_weight is not None:
        weight = weight * compute_sample_weight(clf.class_weight, labels)
        if not (np.isfinite(weight).all() and weight.min() >= 0):
            raise LabelError(f"class_weight={clf.class_weight!r}, expected finite weights of at least 0.")
    if not weight.sum() > 0:
        raise LabelError("All sample weights are zero. Pass at least one weight above 0.")
    return (weight / weight[weight > 0].mean()).astype(np.float32)


def _drop_zero_weight(clf: Any, train: tuple[Any, ...], groups: Any, *, reset: bool) -> tuple[tuple[Any, ...], Any]:
    """Drop rows of weight 0, which must not affect pixel statistics nor batch normalization, and encode labels."""
    images, labels, weight = train
    codes = np.searchsorted(clf.classes_, labels)
    present = weight > 0
    if present.all():
        return (images, codes, weight), groups
    if groups is not None:
        check_lengths(_OWNER, len(present), len(present), groups)
        groups = check_labels(groups, _OWNER, "groups")[present]
    rows = np.flatnonzero(present)
    images = images.take(rows) if isinstance(images, StoredImages) else images[rows]
    if reset:
        clf.pixel_range_ = learn_pixel_range(images, _OWNER)
    return (images, codes[rows], weight[rows]), groups


def _split(
    clf: Any, train: tuple[Any, ...], groups: Any, X_val: Any, y_val: Any, random_state: Any
) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
    """Return training and validation sets; the latter is the user's, a part of the training images, or None."""
    if (X_val is None) != (y_val is None):
        raise ParameterError("X_val and y_val must be passed together; one of them is None.")
    if X_val is not None:
        if clf.validation_fraction is not None:
            raise ParameterError("Pass either X_val and y_val or validation_fraction, not both.")
        val_images = validate_images(clf, X_val, reset=False, in_memory=False)
        val_labels = check_labels(y_val, _OWNER, "y_val")
        check_one_label_each("EmotionClassifier, X_val and y_val", X_val, len(val_images), val_labels)
        _check_known(clf, val_labels, "y_val")
        return train, (val_images, np.searchsorted(clf.classes_, val_labels))
    if clf.validation_fraction is None:
        if clf.early_stopping:
            raise ParameterError(
                "early_stopping=True needs a validation set. Set validation_fraction=0.1, or pass X_val and y_val."
            )
        return train, None
    images, codes, weight = train
    kept, held_out = split_validation(
        codes, clf.validation_fraction, groups=groups, random_state=check_random_state(random_state)
    )
    take = images.take if isinstance(images, StoredImages) else images.__getitem__
    return (take(kept), codes[kept], weight[kept]), (take(held_out), codes[held_out])


def _train(
    clf: Any,
    train: tuple[Any, ...],
    validation: tuple[Any, ...] | None,
    processes: SingleProcess,
    random_state: Any,
    checkpoints: Checkpoints | None = None,
    *,
    warm_start: bool,
    one_epoch: bool = False,
) -> None:
    """Train for `max_epochs`, or for one epoch at a constant learning rate."""
    n_epochs = 1 if one_epoch else clf.max_epochs
    clf.device_ = processes.choose_device(clf.device)
    drawn = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    drawn = processes.run_on_main(lambda: drawn)
    # Continued training draws new orders and augmentations.
    seed = int(np.random.SeedSequence([drawn, clf.n_iter_ if warm_start else 0]).generate_state(1)[0])
    dataset = FaceDataset(*train).to(clf.device_)
    run = {
        "schedule": None if one_epoch else clf.schedule,
        "n_steps": n_epochs * math.ceil(len(dataset) / (clf.batch_size * processes.count)),
        "validation": None if validation is None else FaceDataset(*validation).to(clf.device_),
        "seed": seed,
        "processes": processes,
    }
    with seeded(seed, clf.device_), limit_worker_threads():
        if warm_start:
            net = rebuild_net(clf, clf.net_, **run)
        else:
            clf.network_ = choose_network(clf)
            net = build_net(clf, train[0], **run)
        try:
            net.train_for(n_epochs, dataset, checkpoints)
        except (KeyboardInterrupt, TrainingError) as error:
            # Keep what was learned: always after Ctrl-C, otherwise if an epoch was completed.
            if isinstance(error, KeyboardInterrupt) or net.history:
                _keep(clf, net)
                error.add_note(f"The EmotionClassifier is fitted with its state after {clf.n_iter_} epochs.")
            raise
    _keep(clf, net)


def _keep(clf: Any, net: FaceNet) -> None:
    # The net would keep the validation images in memory.
    net.train_split = None
    clf.net_ = net
    clf.history_ = list_epochs(net.history)
    clf.n_iter_ = len(clf.history_)
