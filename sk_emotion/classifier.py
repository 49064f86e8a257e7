"""A convolutional network as a scikit-learn classifier."""

import os
from numbers import Integral, Real

import torch
from sklearn.base import _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from ._training._build import keep_former_default, pack_net, restore_net, unpack_net
from ._training._fit import fit_epochs, fit_one_epoch
from ._training._parameters import ParametersOfClasses
from ._training._predict import compute_features, predict_probabilities
from .utils._estimators import ClassifierOfLabels, add_new_parameters, as_fitted, fit_aside


class EmotionClassifier(ClassifierOfLabels, ParametersOfClasses):
    """Convolutional network that classifies images of faces.

    Parameters
    ----------
    network : network specification, torch.nn.Module class or instance, or None, default=None
        Builds the module; None means ``networks.ResNet()``. Nested parameters such as ``network__width`` can be set,
        also if `network` is None. A class or instance is trained as ``networks.TorchNetwork(network)``; an instance is
        copied, so that each `fit` starts from its weights.
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
    optimizer : {"sgd", "adamw"} or torch.optim.Optimizer class, default="adamw"
        ``"sgd"`` is used with Nesterov momentum. A function that takes the weights and ``lr`` can be passed, too.
    learning_rate : float or "auto", default="auto"
        The maximum learning rate of the schedule. ``"auto"`` is 0.002 for ``"adamw"``, or 0.0005 if the network is
        pretrained, 0.05 for ``"sgd"``, and the default of an optimizer class.
    momentum : float, default=0.9
        Momentum of ``"sgd"``.
    weight_decay : float or "auto", default="auto"
        Weight decay. ``"auto"`` is 0.05 for ``"adamw"``, where it is multiplied by the learning rate, 5e-4 for
        ``"sgd"``, and the default of an optimizer class.
    schedule : {"onecycle", "cosine"} or None, default="onecycle"
        Schedule of the learning rate; None keeps it constant.
    ema : float, "auto" or None, default="auto"
        Decay per step, below 1, of an exponential moving average of the weights, which is validated and used to
        predict. ``"auto"`` averages over about the last 5 % of the steps of a `fit` with a `schedule`, from 40 steps.
    criterion : "cross_entropy", torch loss class or callable, default="cross_entropy"
        The loss of training and validation. A class, such as ``torch.nn.MultiMarginLoss``, is built with parameters
        ``criterion__...``, and with ``reduction="none"`` if it has that parameter. A function or instance takes float32
        logits ``(n, n_classes)`` and int64 indices into `classes_` ``(n,)``, and returns a loss per image ``(n,)``, or,
        if all images have the same weight, their mean. Learned parameters of a loss are trained, too.
    label_smoothing : float, default=0.1
        Share of the target that is spread over all classes, if `criterion` is ``"cross_entropy"``; in training only.
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
        Whether the processes started by ``accelerate launch`` or ``torchrun``, if any, train together, each on its part
        of every batch and on its own GPU. Pass the same images in all processes. As in Accelerate, `batch_size` is that
        of one process: two processes take the same steps as one with twice the `batch_size`. All end with the same
        weights and history; the main process writes checkpoints and prints. Requires Accelerate:
        ``pip install "sk-emotion[accelerate]"``.
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
    **params : dict
        Parameters of a class: ``criterion__gamma`` of `criterion`, ``network__hidden`` of `network`.

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
    an equal loss. Concurrent fits in threads of one process run one after the other: they share PyTorch's random state.

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
        "network": [HasMethods("build"), torch.nn.Module, type, None],
        "augmentation": [StrOptions({"default"}), callable, None],
        "image_shape": [tuple, list, None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions({"sgd", "adamw"}), callable],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "schedule": [StrOptions({"onecycle", "cosine"}), None],
        "ema": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="neither"), None],
        "criterion": [StrOptions({"cross_entropy"}), callable],
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
        optimizer="adamw",
        learning_rate="auto",
        momentum=0.9,
        weight_decay="auto",
        schedule="onecycle",
        ema="auto",
        criterion="cross_entropy",
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
        **params,
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
        self.criterion = criterion
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
        self._set_passed_on(params)

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
        fit_epochs(self, X, y, sample_weight, groups, X_val, y_val)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @fit_aside
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch at a constant learning rate, `learning_rate`.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels of all calls; required in the first call, unless `y` contains all of them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the images in the loss, multiplied by `class_weight` and divided by their mean in each call.

        Returns
        -------
        self : EmotionClassifier
        """
        fit_one_epoch(self, X, y, classes, sample_weight)
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
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

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
        return predict_probabilities(self, X)

    @as_fitted
    def embed(self, X):
        """Return features: the mean of each of the last feature maps, or the inputs of the last linear layer.

        The mean is over the whole map, also if the network averages over a grid (``networks.ResNet(pool=3)``). Networks
        other than :class:`~networks.ResNet` and :class:`~networks.VGG` return the inputs of their last linear layer.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images like those of `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_embedding)
            float32 (float64 for images under 16 pixels on a side).
        """
        return compute_features(self, X)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    def __getstate__(self):
        return pack_net(dict(super().__getstate__()))

    def __setstate__(self, state):
        state, net_state = unpack_net(add_new_parameters(self, state))
        super().__setstate__(state)
        keep_former_default(self)
        restore_net(self, net_state)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
