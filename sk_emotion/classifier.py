"""A convolutional network as a scikit-learn classifier."""

import json
import math
import os
import threading
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.utils import check_random_state, compute_class_weight, compute_sample_weight
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ._images._stored import StoredImages
from ._images._tensors import as_tensor
from ._images._validation import MIN_AUGMENT_SIZE, check_one_label_each, learn_pixel_range, validate_images
from ._training._batches import FaceDataset
from ._training._build import build_net, check_same_network, rebuild_net, restore_net, seeded
from ._training._checkpoints import Checkpoints
from ._training._hardware import autocast, double_precision, limit_worker_threads, module_lock, prediction_batch_size
from ._training._net import FaceNet
from ._training._processes import SingleProcess, join_processes
from ._training._run import identify_run
from ._training._views import make_views
from .augmentation import FaceAugmentation
from .exceptions import LabelError, ParameterError, TrainingError
from .networks import ResNet
from .utils._arrays import as_numpy
from .utils._device import choose_device
from .utils._estimators import add_new_parameters, as_fitted, fit_aside, put_defaults, snapshot
from .utils._labels import check_classes, check_labels, check_lengths, check_scored_labels, describe_spelling
from .utils._splits import split_validation


class EmotionClassifier(ClassifierMixin, BaseEstimator):
    """Convolutional network that classifies images of faces.

    Parameters
    ----------
    network : network specification, default=None
        Builds the module; None means ``networks.ResNet()``. Nested parameters such as ``network__width`` can be set,
        also if `network` is None.
    augmentation : FaceAugmentation, "default", callable or None, default="default"
        Random changes to each image, drawn anew in each epoch. Images under 16 pixels on a side are never augmented.
        A callable takes images ``(n, C, H, W)`` in [0, 1] and a ``torch.Generator``, and returns images of the same
        shape; wrap a torchvision transform in such a function.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, 3)`` of flattened rows. By default, a square number of features is
        a square grayscale image, and up to 256 other features are an image of height 1.
    max_epochs : int, default=30
        Passes over the training images.
    batch_size : int, default=32
        Maximum number of images in a training step.
    optimizer : {"sgd", "adamw"} or torch.optim.Optimizer class, default="sgd"
        ``"sgd"`` is used with Nesterov momentum.
    learning_rate : float, default=0.05
        The maximum learning rate of the schedule.
    momentum : float, default=0.9
        Momentum of ``"sgd"``.
    weight_decay : float, default=5e-4
        Weight decay.
    schedule : {"onecycle", "cosine"} or None, default="onecycle"
        Schedule of the learning rate; None keeps it constant.
    ema : float or None, default=None
        Decay per step, below 1, of an exponential moving average of the weights, which is then used to predict.
    label_smoothing : float, default=0.1
        Share of the target that is spread over all classes.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, as in scikit-learn; "balanced" takes sample weights into account.
    balance_batches : bool, default=False
        Whether every class appears equally often in each epoch. This acts after the inner validation split, so it is
        the safe way to combine balancing with early stopping.
    validation_fraction : float or None, default=None
        Share of the training images set aside to validate each epoch, stratified. With `groups`, whole groups are set
        aside: one of ``round(1 / validation_fraction)`` folds (above 0.5, all but one). Do not use it after
        over-sampling: the validation set would contain copies of training images.
    early_stopping : bool, default=False
        Whether to stop when the validation loss has not improved for `n_iter_no_change` epochs, and to keep the
        weights of the best epoch. Needs a validation set.
    n_iter_no_change : int, default=10
        Patience of early stopping, in epochs.
    tta : {"mirror", "crops"} or None, default=None
        Test-time augmentation, the views averaged in prediction: the image and its mirror image, or also four slightly
        shifted, rotated and enlarged views, each with its mirror image, which takes five times as long.
    device : str, default="auto"
        ``"cuda"``, ``"mps"``, ``"cpu"`` or any PyTorch device; ``"auto"`` is the first of these that is available.
    precision : {"auto", "fp32", "bf16", "fp16"}, default="auto"
        Precision of training; ``"auto"`` is bf16 if the hardware supports it, or the value of the environment variable
        SK_EMOTION_PRECISION (``fp32`` or ``bf16``). With ``"auto"``, prediction is in fp32.
    data_parallel : bool, default=False
        Whether the processes started by ``accelerate launch`` or ``torchrun`` train together, each on its part of
        every batch and on its own GPU. Pass the same images in all processes. As in Accelerate, `batch_size` is that of
        one process: two processes take the same steps as one with twice the `batch_size`. All end with the same
        weights and history; the main process writes checkpoints and prints. It has no effect in a single process.
        Requires Accelerate: ``pip install "sk-emotion[accelerate]"``.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous `fit`.
    callbacks : list of skorch callbacks, default=None
        Added to the default ones. Their scorers see your labels, so `pos_label` can be one of them; by default, the
        positive class is 1 if that is a class, else the second of two.
    checkpoint_dir : str, PathLike or None, default=None
        Folder in which `fit` writes a checkpoint after each epoch, in a subfolder for each combination of data and
        parameters, such as each fold of a search. The same training resumes from its last completed epoch, however it
        was interrupted, and a finished one is not repeated, so fit times of a search only count what was run. Steps
        before it in a pipeline need a fixed `random_state`, so that they return the same images. Delete the folder
        when you no longer need it, and after changing the code of a custom network.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, order, dropout and augmentation. With an int, training is bit-for-bit reproducible on the same
        device with the same number of threads. PyTorch's global random state is not changed.
    verbose : int, default=0
        1 prints a line per epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of values per image.
    image_shape_ : tuple of int
        ``(height, width)`` or ``(height, width, 3)``.
    pixel_range_ : tuple of (float, float)
        Pixel range of the training images.
    network_ : network specification
        The specification of the trained network.
    net_ : skorch.NeuralNetClassifier
        The trained skorch net; its history is ``net_.history``.
    history_ : list of dict
        One entry per epoch; convert it to a table with ``pandas.DataFrame(clf.history_)``.
    n_iter_ : int
        Number of epochs run.
    device_ : str
        Device in use.

    See Also
    --------
    make_hog_svm : The classic baseline to compare with.
    AugmentationOverSampler : Balance classes before training.

    Notes
    -----
    One of scikit-learn's common checks fails, as for its own stochastic estimators: doubling the weight of a sample and
    repeating the sample are equivalent only in expectation.

    Training is bit-for-bit reproducible in any process with the same number of threads, such as the workers of a
    search. With a different number of threads, sums are computed in a different order, and training amplifies the
    rounding errors: after an epoch on 64 images, probabilities differ by less than 0.02; later the weights diverge, at
    an equal loss. Concurrent fits in threads of one process run one after the other, since PyTorch has one random state
    per process.

    A training resumed from a checkpoint ends with exactly the weights of an uninterrupted one, with the same number of
    threads. Callbacks that implement ``state_dict`` and ``load_state_dict`` are checkpointed. With
    ``random_state=None``, an unfinished training is resumed, and after a finished one a new one starts.

    Images are staged on the device once, unless they would take more than half of a GPU's free memory. On a CPU, a
    memory-map is read batch by batch, with exactly the same result as an array in memory. A Zarr array is read in
    chunks, shuffled by chunk, and by row within about 32 MB of chunks: see "Larger than memory" in the guide.

    References
    ----------
    He, K., Zhang, X., Ren, S., & Sun, J. (2016). Deep residual learning for image recognition. CVPR.

    Smith, L. N., & Topin, N. (2019). Super-convergence: very fast training of neural networks using large learning
    rates. Artificial Intelligence and Machine Learning for Multi-Domain Operations Applications.

    Examples
    --------
    >>> from sk_emotion import EmotionClassifier, make_faces, networks
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> clf = EmotionClassifier(networks.ResNet(width=8), max_epochs=2, random_state=0).fit(X, y)
    >>> clf.predict_proba(X[:3]).shape
    (3, 2)
    """

    # `groups` is only used for the inner validation split. It is not requested by default, since after a sampler in a
    # Pipeline it would no longer match the rows.
    __metadata_request__fit = {"groups": False}  # noqa: RUF012 - scikit-learn reads a plain dict

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's form
        "network": [HasMethods("build"), None],
        "augmentation": [StrOptions({"default"}), callable, None],
        "image_shape": [tuple, list, None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions({"sgd", "adamw"}), callable],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "schedule": [StrOptions({"onecycle", "cosine"}), None],
        "ema": [Interval(Real, 0, 1, closed="neither"), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "balance_batches": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tta": [StrOptions({"mirror", "crops"}), None],
        "device": [str, torch.device],
        "precision": [Options(str, {"auto", "fp32", "bf16", "fp16"})],
        "data_parallel": ["boolean"],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "checkpoint_dir": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        network=None,
        *,
        augmentation="default",
        image_shape=None,
        max_epochs=30,
        batch_size=32,
        optimizer="sgd",
        learning_rate=0.05,
        momentum=0.9,
        weight_decay=5e-4,
        schedule="onecycle",
        ema=None,
        label_smoothing=0.1,
        class_weight=None,
        balance_batches=False,
        validation_fraction=None,
        early_stopping=False,
        n_iter_no_change=10,
        tta=None,
        device="auto",
        precision="auto",
        data_parallel=False,
        warm_start=False,
        callbacks=None,
        checkpoint_dir=None,
        random_state=None,
        verbose=0,
    ):
        self.network = network
        self.augmentation = augmentation
        self.image_shape = image_shape
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.ema = ema
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.balance_batches = balance_batches
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tta = tta
        self.device = device
        self.precision = precision
        self.data_parallel = data_parallel
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state
        self.verbose = verbose

    def set_params(self, **params):
        """Set parameters, including ``network__...`` and ``augmentation__...`` of the defaults.

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        self : EmotionClassifier
        """
        params = put_defaults(self, params, {"network": (None, ResNet), "augmentation": ("default", FaceAugmentation)})
        try:
            return super().set_params(**params)
        except AttributeError as error:
            # Elements of a list or dict cannot be set by name.
            raise ParameterError(
                f"EmotionClassifier: {', '.join(name for name in params if '__' in name)} cannot be set individually "
                f"({error}). Pass the whole parameter, as in callbacks=[EarlyStopping(patience=3)]."
            ) from error

    @_fit_context(prefer_skip_nested_validation=True)
    @fit_aside
    def fit(self, X, y, sample_weight=None, *, groups=None, X_val=None, y_val=None):
        """Train a network.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images: uint8, or floats.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the images in the loss. Images of weight 0, including by `class_weight`, are not used.
        groups : array-like of shape (n_samples,), default=None
            Persons, for `validation_fraction`: no person is in both sets. A search or pipeline passes groups on only
            after ``sklearn.set_config(enable_metadata_routing=True)`` and ``clf.set_fit_request(groups=True)``, and
            no sampler before the classifier may change the rows.
        X_val, y_val : array-like, default=None
            Validation images and labels, used to score each epoch and for `early_stopping`.

        Returns
        -------
        self : EmotionClassifier
            The fitted classifier.

        Raises
        ------
        ImageArrayError
            If X does not contain images, or the validation images differ in size, channels or range.
        LabelError
            If y contains only one class, or labels do not match the images.
        ImageSizeError
            If the network cannot process images of this size.
        TrainingError
            If the loss is not finite, or memory runs out. After at least one completed epoch, the classifier is fitted
            with the state of the last one; the same holds after Ctrl-C.
        CheckpointError
            If a checkpoint cannot be written to `checkpoint_dir`, or all checkpoints are damaged.

        Warns
        -----
        CheckpointWarning
            If a checkpoint is damaged and an older one is used, or another process runs the same training.
        """
        warm_start = self.warm_start and hasattr(self, "net_")
        if not warm_start and hasattr(self, "net_"):
            # A failed fit must not leave the old network with new classes_. Other threads use the old fit until then.
            del self.net_, self.history_, self.n_iter_
        if isinstance(self.network, type):
            name = self.network.__name__
            raise TypeError(f"EmotionClassifier: network is the class {name}. Pass an instance: network={name}().")
        images, labels = self._check_training_data(X, y, reset=not warm_start)
        if warm_start:
            self._check_known(labels, "y")
        else:
            self.classes_ = np.unique(labels)
            if len(self.classes_) < 2:
                raise LabelError(
                    f"EmotionClassifier needs at least two classes; y contains only one class: {self.classes_[0]!s}."
                )
        if warm_start:
            check_same_network(self, "Set warm_start=False to train a new network")
        codes = np.searchsorted(self.classes_, labels)
        weight = self._compute_weights(labels, sample_weight)
        others = (labels, weight, groups, X_val, y_val)
        (images, codes, weight), groups = self._drop_zero_weight((images, codes, weight), groups, reset=not warm_start)
        processes = join_processes(self)
        with self._open_checkpoints(processes, images, *others, warm_start=warm_start) as (checkpoints, random_state):
            train, validation = self._split(images, codes, weight, groups, X_val, y_val, random_state)
            self._train(
                train,
                validation,
                self.max_epochs,
                warm_start=warm_start,
                schedule=self.schedule,
                processes=processes,
                random_state=random_state,
                checkpoints=checkpoints,
            )
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @fit_aside
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch at a constant learning rate.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels of all calls; required in the first call, unless `y` contains all of them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the images in the loss. Multiplied by `class_weight`, they are divided by their mean in each
            call.

        Returns
        -------
        self : EmotionClassifier
            The classifier, trained for one more epoch.
        """
        first = not hasattr(self, "net_")
        images, labels = self._check_training_data(X, y, reset=first)
        if first:
            self.classes_ = np.unique(labels if classes is None else np.asarray(classes))
            if len(self.classes_) < 2:
                raise LabelError("EmotionClassifier.partial_fit needs at least two classes. Pass classes=[...].")
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise LabelError(
                f"classes={list(classes)} differs from the classes of the first call: {list(self.classes_)}."
            )
        self._check_known(labels, "y")
        if not first:
            check_same_network(self, "Call fit to train a new network")
        weight = self._compute_weights(labels, sample_weight)
        codes = np.searchsorted(self.classes_, labels)
        train, _ = self._drop_zero_weight((images, codes, weight), None, reset=first)
        self._train(
            train,
            None,
            1,
            warm_start=not first,
            schedule=None,
            processes=join_processes(self),
            random_state=self.random_state,
        )
        return self

    @as_fitted
    def predict(self, X):
        """Predict the label of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images like those of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels from `classes_`.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    @as_fitted
    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images like those of `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            float64; columns in the order of `classes_`.
        """

        def average_views(images: torch.Tensor) -> torch.Tensor:
            views = make_views(images, self.tta)
            # Few images are predicted in all views at once.
            batches = torch.cat(views).split(self._prediction_batch_size())
            # Not every device supports float64.
            logits = torch.cat([self.net_.module_(batch) for batch in batches]).cpu().double()
            return torch.softmax(logits, dim=1).reshape(len(views), len(images), -1).mean(dim=0)

        return self._map(average_views, X)

    def score(self, X, y, sample_weight=None):
        """Return the accuracy on the given images and labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images like those of `fit`.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the images.

        Returns
        -------
        float
            Accuracy, the share of images classified correctly.

        Raises
        ------
        LabelError
            If y contains numbers and `classes_` names, or vice versa.

        Warns
        -----
        DatasetWarning
            If y contains synonyms of some of `classes_`, such as ``angry`` for ``anger``, which count as errors.
        """
        check_is_fitted(self, "net_")
        fitted = snapshot(self)
        check_scored_labels(y, fitted.classes_, "EmotionClassifier")
        sample_weight = as_numpy(sample_weight, "EmotionClassifier", "sample_weight")
        return super(EmotionClassifier, fitted).score(X, as_numpy(y, "EmotionClassifier", "y"), sample_weight)

    @as_fitted
    def embed(self, X):
        """Return the inputs of the last linear layer as features.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images like those of `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_embedding)
            float32 (float64 for images under 16 pixels on a side).
        """
        check_is_fitted(self, "net_")
        linear = [layer for layer in self.net_.module_.modules() if isinstance(layer, torch.nn.Linear)]
        if not linear:
            raise ValueError(f"embed: {self.network_!r} has no linear layer whose input could be returned.")
        seen = _Inputs()
        with module_lock:
            handle = linear[-1].register_forward_pre_hook(seen)

        def last_features(images: torch.Tensor) -> torch.Tensor:
            self.net_.module_(images)
            last = seen.last
            return last.cpu() if last.dtype == torch.float64 else last.float().cpu()

        try:
            return self._map(last_features, X)
        finally:
            with module_lock:
                handle.remove()

    def _check_training_data(self, X, y, *, reset: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        X = as_numpy(X, "EmotionClassifier")
        if y is None:
            raise LabelError("EmotionClassifier requires y to be passed, but the target y is None.")
        images = validate_images(self, X, reset=reset, in_memory=False)
        labels = check_labels(y, "EmotionClassifier")
        check_one_label_each("EmotionClassifier", X, len(images), labels)
        check_classes(labels, "EmotionClassifier")
        return images, labels

    def _check_known(self, labels: NDArray[Any], name: str) -> None:
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise LabelError(
                f"{name} contains labels that are not in classes_: {unknown.tolist()}. Known: {self.classes_.tolist()}."
                f"{describe_spelling(unknown.tolist(), self.classes_.tolist())}"
            )

    def _compute_weights(self, labels, sample_weight) -> NDArray[np.float32]:
        """Multiply sample and class weights, scaled to a mean of 1 where above 0, as the learning rate assumes."""
        sample_weight = as_numpy(sample_weight, "EmotionClassifier", "sample_weight")
        weight = _check_sample_weight(sample_weight, labels, ensure_non_negative=True)
        present = weight > 0
        if self.class_weight == "balanced" and present.any():
            # As in scikit-learn, a row of weight 2 counts as two rows, and one of weight 0 as none.
            classes, codes = np.unique(labels[present], return_inverse=True)
            of_class = compute_class_weight(
                "balanced", classes=classes, y=labels[present], sample_weight=weight[present]
            )
            weight = weight.copy()
            weight[present] *= of_class[codes]
        elif self.class_weight is not None:
            weight = weight * compute_sample_weight(self.class_weight, labels)
            if not (np.isfinite(weight).all() and weight.min() >= 0):
                raise LabelError(f"class_weight={self.class_weight!r}, expected finite weights of at least 0.")
        if not weight.sum() > 0:
            raise LabelError("All sample weights are zero. Pass at least one weight above 0.")
        return (weight / weight[weight > 0].mean()).astype(np.float32)

    def _drop_zero_weight(self, train, groups, *, reset: bool):
        """Drop rows of weight 0, which must not affect pixel statistics nor batch normalization."""
        images, codes, weight = train
        present = weight > 0
        if present.all():
            return train, groups
        if groups is not None:
            check_lengths("EmotionClassifier", len(present), len(present), groups)
            groups = check_labels(groups, "EmotionClassifier", "groups")[present]
        rows = np.flatnonzero(present)
        images = images.take(rows) if isinstance(images, StoredImages) else images[rows]
        if reset:
            self.pixel_range_ = learn_pixel_range(images, "EmotionClassifier")
        return (images, codes[rows], weight[rows]), groups

    def _open_checkpoints(self, processes: SingleProcess, images, *others, warm_start: bool):
        """Return a context manager yielding (checkpoints, random_state); checkpoints is None without checkpoint_dir."""
        if self.checkpoint_dir is None:
            return nullcontext((None, processes.share_random_state(self.random_state)))
        start = self.net_.to_arrays() if warm_start else None
        run = identify_run(self, images, *others, start, processes.count)
        return processes.open_checkpoints(self.checkpoint_dir, run)

    def _split(self, images, codes, weight, groups, X_val, y_val, random_state):
        """Return training and validation sets; the latter is the user's, a part of the training images, or None."""
        if (X_val is None) != (y_val is None):
            raise ParameterError("X_val and y_val must be passed together; one of them is None.")
        if X_val is not None:
            if self.validation_fraction is not None:
                raise ParameterError("Pass either X_val and y_val or validation_fraction, not both.")
            val_images = validate_images(self, X_val, reset=False, in_memory=False)
            val_labels = check_labels(y_val, "EmotionClassifier", "y_val")
            check_one_label_each("EmotionClassifier, X_val and y_val", X_val, len(val_images), val_labels)
            self._check_known(val_labels, "y_val")
            return (images, codes, weight), (val_images, np.searchsorted(self.classes_, val_labels))
        if self.validation_fraction is None:
            if self.early_stopping:
                raise ParameterError(
                    "early_stopping=True needs a validation set. Set validation_fraction=0.1, or pass X_val and y_val."
                )
            return (images, codes, weight), None
        train, held_out = split_validation(
            codes, self.validation_fraction, groups=groups, random_state=check_random_state(random_state)
        )
        take = images.take if isinstance(images, StoredImages) else images.__getitem__
        return (take(train), codes[train], weight[train]), (take(held_out), codes[held_out])

    def _train(
        self,
        train,
        validation,
        n_epochs: int,
        *,
        warm_start: bool,
        schedule: str | None,
        processes: SingleProcess,
        random_state: Any,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.device_ = processes.choose_device(self.device)
        drawn = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        drawn = processes.run_on_main(lambda: drawn)
        # Continued training draws new orders and augmentations.
        seed = int(np.random.SeedSequence([drawn, self.n_iter_ if warm_start else 0]).generate_state(1)[0])
        dataset = FaceDataset(*train).to(self.device_)
        run = {
            "schedule": schedule,
            "n_steps": n_epochs * math.ceil(len(dataset) / (self.batch_size * processes.count)),
            "validation": None if validation is None else FaceDataset(*validation).to(self.device_),
            "seed": seed,
            "processes": processes,
        }
        with seeded(seed, self.device_), limit_worker_threads():
            if warm_start:
                net = rebuild_net(self, self.net_, **run)
            else:
                self.network_ = ResNet() if self.network is None else clone(self.network)
                net = build_net(self, train[0], **run)
            try:
                net.train_for(n_epochs, dataset, checkpoints)
            except (KeyboardInterrupt, TrainingError) as error:
                # Keep what was learned: always after Ctrl-C, otherwise if an epoch was completed.
                if isinstance(error, KeyboardInterrupt) or net.history:
                    self._keep(net)
                    error.add_note(f"The EmotionClassifier is fitted with its state after {self.n_iter_} epochs.")
                raise
        self._keep(net)

    def _keep(self, net: FaceNet) -> None:
        # The net would keep the validation images in memory.
        net.train_split = None
        self.net_ = net
        self.history_ = net.epochs()
        self.n_iter_ = len(self.history_)

    def _prediction_batch_size(self) -> int:
        return prediction_batch_size(self.batch_size, self.device_, self.image_shape_[:2])

    def _map(self, function: Callable[[torch.Tensor], torch.Tensor], X: Any) -> Any:
        """Apply a function to prepared batches in inference mode and concatenate the results."""
        check_is_fitted(self, "net_")
        images = validate_images(self, X, reset=False, in_memory=False)
        net, module = self.net_, self.net_.module_
        # In float64, predictions of tiny images do not depend on their batch (to 1e-7), at no noticeable cost.
        tiny = min(self.image_shape_[:2]) < MIN_AUGMENT_SIZE and torch.device(self.device_).type != "mps"
        module.eval()
        results: NDArray[Any] | None = None
        with double_precision(module) if tiny else nullcontext():
            precision = "fp32" if self.precision == "auto" else net.precision
            with torch.inference_mode(), autocast(precision, self.device_), limit_worker_threads():
                size = self._prediction_batch_size()
                for start in range(0, len(images), size):
                    batch = as_tensor(images[start : start + size]).to(self.device_)
                    part = function(net.preparation(batch.double() if tiny else batch)).numpy()
                    if results is None:
                        results = np.empty((len(images), *part.shape[1:]), dtype=part.dtype)
                    results[start : start + size] = part
        return results

    def __getstate__(self):
        state = dict(super().__getstate__())
        net = state.pop("net_", None)
        if net is None:
            return state
        if self.callbacks:
            warnings.warn("EmotionClassifier: callbacks are not saved with the model.", UserWarning, stacklevel=2)
            state["callbacks"] = None
        # One string for thousands of numbers; other objects recorded by callbacks are converted to strings.
        history = json.dumps(state["history_"], default=str)
        with module_lock:
            net_state = {**net.to_arrays(), "bookkeeping": net.bookkeeping()}
        return {**state, "history_": history, "net_state": net_state}

    def __setstate__(self, state):
        net_state = state.get("net_state")
        state = add_new_parameters(self, {name: value for name, value in state.items() if name != "net_state"})
        if isinstance(state.get("history_"), str):
            state["history_"] = json.loads(state["history_"])
        super().__setstate__(state)
        if net_state is None:
            return
        try:
            self.device_ = choose_device(self.device_)
        except ValueError:
            # A model trained on a GPU can be used without one.
            self.device_ = "cpu"
        self.net_ = restore_net(self, net_state)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class _Inputs:
    """Forward pre-hook that stores the input of a layer, in the thread that created the hook."""

    last: torch.Tensor

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def __call__(self, _layer: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        # Other threads may be predicting with the same network.
        if threading.get_ident() == self._thread:
            self.last = inputs[0].flatten(1)

    def __deepcopy__(self, _memo: Any) -> Any:
        # Copies of the network, made to continue training, must not store anything.
        return _ignore


def _ignore(_layer: Any, _inputs: Any) -> None:
    pass
