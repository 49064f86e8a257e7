"""Classes made equal by augmentation."""

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import StrOptions

from .._images._pixel_range import clip_pixels
from .._images._validation import MIN_AUGMENT_SIZE, check_one_label_each, validate_images
from ..exceptions import LabelError
from ..utils._defaults import put_defaults
from ..utils._labels import check_classes
from ..utils._tensors import as_numpy

# Images changed at once: few enough for any memory, many enough for speed.
_CHUNK = 1024


class AugmentationOverSampler(BaseOverSampler):
    """Over-sample the rarer classes with changed copies of their faces.

    In an :class:`imblearn.pipeline.Pipeline` it acts in `fit` alone, so that in a cross-validation no copy of a test
    face is ever trained on, and no test face is changed.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        Which classes get how many faces, as for all samplers of imbalanced-learn: ``"auto"`` brings every class to the
        size of the largest, a float is the wanted ratio of two classes, a dict names sizes, a callable makes such a
        dict of y.
    augmentation : FaceAugmentation, "default" or None, default="default"
        How copies are changed: as by ``FaceAugmentation()``, as by your own, or not at all. Nested names such as
        ``augmentation__rotation`` reach into the default too.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, 3)`` of flattened rows. By default, a square number of features is
        a grey square, and up to 256 other features are a strip of height 1.
    random_state : int, RandomState instance or None, default=None
        Seeds which faces are copied and how they change.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of copies for each class.
    class_counts_ : dict
        Number of faces of each class before.
    sample_indices_ : ndarray of shape (n_new_samples,)
        The row of X that each returned row is, or is a copy of: with it, groups and weights can follow their faces.
    n_features_in_ : int
        Number of values in an image.
    image_shape_ : tuple of int
        ``(height, width)`` or ``(height, width, 3)``.
    pixel_range_ : tuple of (float, float)
        Range of the pixels.

    See Also
    --------
    EmotionClassifier : With ``balance_batches=True`` it makes classes equal without new rows, after its inner
        validation split.
    imblearn.over_sampling.RandomOverSampler : Copies rows without changing them.

    Notes
    -----
    Each face of a class is copied equally often, give or take once. Images under 16 pixels on a side are copied
    unchanged, since a change would ruin them. Faces keep their type: uint8 stays uint8.

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
        """Set parameters; ``augmentation__...`` reaches into the default too.

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
        """Make classes equal.

        Parameters
        ----------
        X : array-like of shape (n_samples, H, W), (n_samples, H, W, 3) or (n_samples, n_features)
            Images: uint8, or floats.
        y : array-like of shape (n_samples,)
            Labels of two classes or more.

        Returns
        -------
        X_resampled : array-like of shape (n_new_samples, ...)
            The images given, as they are, then the copies, in the form of `X`.
        y_resampled : array-like of shape (n_new_samples,)
            Their labels, in the form of `y`.

        Raises
        ------
        ImageArrayError
            If X holds no images.
        LabelError
            If a label is missing or no label of a class, if there are not as many as images, or if all are of one
            class.
        """
        X, y = as_numpy(X, "AugmentationOverSampler"), as_numpy(y, "AugmentationOverSampler", "y")
        # imbalanced-learn sorts labels before anything else, at which missing ones fail in ways of their own.
        check_classes(y, "AugmentationOverSampler")
        return super().fit_resample(X, y)

    def _check_X_y(self, X, y):  # noqa: N802 - the name is imbalanced-learn's
        check_classes(y, "AugmentationOverSampler")
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        # imbalanced-learn's own check refuses images of more than two axes.
        images = validate_images(self, X, reset=True)
        check_one_label_each("AugmentationOverSampler", X, len(images), y)
        if len(np.unique(y)) < 2:
            raise LabelError(
                f"AugmentationOverSampler needs at least two classes, but y holds one class: {y[0]!s}. Add images of "
                "another class."
            )
        # Resampled faces come back in the form in which they were given: flat rows, or images.
        return images.reshape(np.shape(X)), y, binarize_y

    def _fit_resample(self, X, y):
        random_state = check_random_state(self.random_state)
        labels, counts = np.unique(y, return_counts=True)
        self.class_counts_ = dict(zip(labels.tolist(), counts.tolist(), strict=True))
        copied = [np.empty(0, dtype=np.int64)]
        for label, n_copies in self.sampling_strategy_.items():
            rows = np.flatnonzero(y == label)
            # Whole rounds through the class, then a part of one: no face is copied much oftener than another.
            rounds = [random_state.permutation(rows) for _ in range(-(-n_copies // len(rows)))]
            copied.append(np.array(rounds, dtype=np.int64).ravel()[:n_copies])
        sources = np.concatenate(copied)
        self.sample_indices_ = np.concatenate([np.arange(len(X)), sources])
        return np.concatenate([X, self._change(X, sources, random_state)]), _safe_indexing(y, self.sample_indices_)

    def _change(self, X, sources, random_state):
        """Copy the `sources` rows of X, and change the copies."""
        if self.augmentation is None or min(self.image_shape_[:2]) < MIN_AUGMENT_SIZE or not len(sources):
            return X[sources]
        import torch

        from .._images._tensors import as_tensor
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
