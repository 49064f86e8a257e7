"""Sanity check of attribution maps by randomized weights."""

import copy
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ConstantInputWarning, spearmanr
from sklearn.utils import check_random_state
from torch import nn

from .._training._build import seeded
from ._attribution import choose_targets
from ._gradcam import compute_maps, evaluation_mode, find_network


def check_randomization(
    estimator: Any, X: Any, *, target: Any = None, layer: str | None = None, random_state: Any = None
) -> NDArray[np.float64]:
    """Compare the Grad-CAM maps of a network with those of the same network with random weights.

    A map that hardly changes when the weights are randomized reflects edges of the image or the architecture of the
    network, not what was learned [1]_. So the correlation should be far below 1.

    Parameters
    ----------
    estimator : EmotionClassifier, Pipeline or search
        Fitted estimator whose last step is an EmotionClassifier. It is not modified: a copy is randomized.
    X : array, list or DataFrame of length n_faces
        Images or paths, as the estimator takes them.
    target, layer
        As for :meth:`GradCAMDisplay.from_estimator`. Both networks use the same target.
    random_state : int, RandomState instance or None, default=None
        Seed of the random weights.

    Returns
    -------
    ndarray of float64 of shape (n_faces,)
        Spearman's rank correlation between the two maps of each face; 0 if one of them is constant.

    Raises
    ------
    TypeError, LabelError, ValueError
        As :meth:`GradCAMDisplay.from_estimator`.

    See Also
    --------
    GradCAMDisplay : Plot the maps.

    References
    ----------
    .. [1] Adebayo, J., Gilmer, J., Muelly, M., Goodfellow, I., Hardt, M., & Kim, B. (2018). Sanity checks for saliency
       maps. NeurIPS.

    Examples
    --------
    >>> from sk_emotion import EmotionClassifier, make_faces, networks
    >>> from sk_emotion.inspection import check_randomization
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> clf = EmotionClassifier(networks.ResNet(width=8), max_epochs=2, random_state=0).fit(X, y)
    >>> check_randomization(clf, X[:4], random_state=0).shape
    (4,)
    """
    clf, images = find_network(estimator, X, "check_randomization")
    with evaluation_mode(clf.net_.module_):
        predicted = clf.predict(images)
        codes = choose_targets(target, predicted, clf.classes_, "check_randomization")
        learned = compute_maps(clf, clf.net_.module_, images, codes, layer)
        random = compute_maps(clf, _randomize(clf, random_state), images, codes, layer)
    return np.array([_correlate(*maps) for maps in zip(learned, random, strict=True)])


def _randomize(clf: Any, random_state: Any) -> nn.Module:
    """Return a copy of the module with random weights."""
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    module = copy.deepcopy(clf.net_.module_)
    with seeded(seed, clf.device_), torch.no_grad():
        for part in module.modules():
            reset: Any = getattr(part, "reset_parameters", None)
            if reset is not None:
                reset()
                continue
            # Parameters of custom modules are shuffled: they keep their distribution but not what they learned.
            for weight in part.parameters(recurse=False):
                weight.copy_(weight.flatten()[torch.randperm(weight.numel()).to(weight.device)].reshape(weight.shape))
    return module


def _correlate(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        correlation = spearmanr(first.ravel(), second.ravel()).statistic
    return float(np.nan_to_num(correlation))
