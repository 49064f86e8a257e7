"""Over-sampling of classes by augmentation."""

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import StrOptions

from .._images._pixel_range import clip_pixels
from .._images._validation import MIN_AUGMENT_SIZE, check_one_label_each, validate_images
from ..exceptions import LabelError
from ..utils._arrays import as_numpy
from ..utils._estimators import put_defaults
from ..utils._labels import check_classes

# Number of images augmented at once, to limit memory.
_CHUNK = 1024


class AugmentationOverSampler(BaseOverSampler):
    """Over-sample minority classes with augmented copies of their images.

    In an :class:`imblearn.pipeline.Pipeline` it only acts in `fit`, so that in cross-validation no copy of a test image
    is trained on, and test images are not changed.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        Number of samples per class after resampling, as in all samplers of imbalanced-learn: with ``"auto"``, every
        class gets the size of the largest; a float is the desired ratio of two classes, a dict has the size of each
        class, and a callable takes y and returns such a dict.
    augmentation : FaceAugmentation, "default", callable or None, default="default"
        How copies are augmented; ``"default"`` means ``FaceAugmentation()``, None leaves copies unchanged. Nested
        parameters such as ``augmentation__rotation`` can also be set on the default.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, 3)`` of flattened rows. By default, a square number of features is
        a square grayscale image, and up to 256 other features are an image of height 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of images and of their augmentation.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of copies for each class.
    class_counts_ : dict
        Number of samples of each class in `y`.
    sample_indices_ : ndarray of shape (n_new_samples,)
        Row of X from which each returned row comes, for example to resample groups and weights.
    n_features_in_ : int
        Number of values per image.
    image_shape_ : tuple of int
        ``(height, width)`` or ``(height, width, 3)``.
    pixel_range_ : tuple of (float, float)
        Range of the pixels.

    See Also
    --------
    EmotionClassifier : With ``balance_batches=True``, balances classes without new rows, after its inner validation
        split.
    imblearn.over_sampling.RandomOverSampler : Copy rows without changing them.

    Notes
    -----
    Within a class, the numbers of copies of any two images differ by at most one. Images under 16 pixels on a side are
    too small to augment and are copied unchanged. The dtype is preserved: uint8 stays uint8.

    Examples
    --------
    >>> from collections import Counter
    >>> from sk_emotion import AugmentationOverSampler, make_faces
    >>> X, y, groups = make_faces(40, emotions=["happiness", "pain"], weights=[3, 1], random_state=0)
    >>> X_new, y_new = AugmentationOverSampler(random_state=0).fit_resample(X, y)
    >>> sorted(Counter(y_new.tolist()).items())
    [('happiness', 30), ('pain', 30)]
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's form
        **BaseOverSampler._parameter_constraints,
        "augmentation": [StrOptions({"default"}), callable, None],
        "image_shape": [tuple, list, None],
        "random_state": ["random_state"],
    }

    def __init__(self, *, sampling_strategy="auto", augmentation="default", image_shape=None, random_state=None):
        super().__init__(sampling_strategy=sampling_strategy)
        self.augmentation = augmentation
        self.image_shape = image_shape
        self.random_state = random_state

    def set_params(self, **params):
        """Set parameters, including ``augmentation__...`` of the default.

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        self : AugmentationOverSampler
        """
        from ..augmentation import FaceAugmentation

        return super().set_params(**put_defaults(self, params, {"augmentation": ("default", FaceAugmentation)}))

    def fit_resample(self, X, y):
        """Resample the dataset.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images: uint8, or floats.
        y : array-like of shape (n_samples,)
            Labels of at least two classes.

        Returns
        -------
        X_resampled : array-like of shape (n_new_samples, ...)
            The original images, followed by the augmented copies, with the axes of `X`.
        y_resampled : array-like of shape (n_new_samples,)
            Their labels, in the format of `y`.

        Raises
        ------
        ImageArrayError
            If X does not contain images.
        LabelError
            If labels are missing or not those of a classification, if their number is not that of the images, or if y
            contains a single class.
        """
        X, y = as_numpy(X, "AugmentationOverSampler"), as_numpy(y, "AugmentationOverSampler", "y")
        # imbalanced-learn first sorts labels, which raises other errors for missing ones.
        check_classes(y, "AugmentationOverSampler")
        return super().fit_resample(X, y)

    def _check_X_y(self, X, y):  # noqa: N802 - the name is imbalanced-learn's
        check_classes(y, "AugmentationOverSampler")
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        # imbalanced-learn's own check rejects arrays of more than two axes.
        images = validate_images(self, X, reset=True)
        check_one_label_each("AugmentationOverSampler", X, len(images), y)
        if len(np.unique(y)) < 2:
            raise LabelError(
                f"AugmentationOverSampler needs at least two classes; y contains only one class: {y[0]!s}. Add images "
                "of another class."
            )
        # Resampled images have the axes of X: flattened rows or images.
        return images.reshape(np.shape(X)), y, binarize_y

    def _fit_resample(self, X, y):
        random_state = check_random_state(self.random_state)
        labels, counts = np.unique(y, return_counts=True)
        self.class_counts_ = dict(zip(labels.tolist(), counts.tolist(), strict=True))
        copied = [np.empty(0, dtype=np.int64)]
        for label, n_copies in self.sampling_strategy_.items():
            rows = np.flatnonzero(y == label)
            # Whole permutations of the class, then part of one, so that all rows are copied about equally often.
            rounds = [random_state.permutation(rows) for _ in range(-(-n_copies // len(rows)))]
            copied.append(np.array(rounds, dtype=np.int64).ravel()[:n_copies])
        sources = np.concatenate(copied)
        self.sample_indices_ = np.concatenate([np.arange(len(X)), sources])
        return np.concatenate([X, self._augment(X, sources, random_state)]), _safe_indexing(y, self.sample_indices_)

    def _augment(self, X, sources, random_state):
        """Return augmented copies of the `sources` rows of X."""
        if self.augmentation is None or min(self.image_shape_[:2]) < MIN_AUGMENT_SIZE or not len(sources):
            return X[sources]
        import torch

        from .._images._validation import as_tensor
        from ..augmentation import FaceAugmentation

        augmentation = FaceAugmentation() if isinstance(self.augmentation, str) else self.augmentation
        generator = torch.Generator().manual_seed(int(random_state.randint(np.iinfo(np.int32).max)))
        low, high = self.pixel_range_
        span = high - low
        copies = np.empty((len(sources), *X.shape[1:]), dtype=X.dtype)
        for start in range(0, len(sources), _CHUNK):
            rows = sources[start : start + _CHUNK]
            faces = clip_pixels(X[rows], self.pixel_range_).reshape(len(rows), *self.image_shape_)
            images = as_tensor(faces).float()
            changed = augmentation((images - low) / span, generator).clamp(0, 1) * span + low
            pixels = changed.permute(0, 2, 3, 1).numpy().reshape(len(rows), *X.shape[1:])
            copies[start : start + len(rows)] = pixels.round() if X.dtype == np.uint8 else pixels
        return copies

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = False
        tags.input_tags.dataframe = False
        tags.sampler_tags.sample_indices = True
        return tags
