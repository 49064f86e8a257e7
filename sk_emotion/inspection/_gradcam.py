"""Display of the regions that a network uses, by Grad-CAM, and a check of such maps."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ConstantInputWarning, spearmanr
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn import functional

from .._images._validation import as_tensor, validate_images
from .._training._build import seeded
from .._training._hardware import limit_worker_threads
from ..preprocessing._pipelines import look_inside, transform_before_last
from ._occlusion import AttributionDisplay, choose_targets, scale_maps

# Smaller than in prediction, since activations are kept for the backward pass.
_BATCH = 64


class GradCAMDisplay(AttributionDisplay):
    """Grad-CAM [1]_ maps of the regions that a network uses, overlaid on faces.

    Use :meth:`from_estimator`.

    Parameters
    ----------
    images : ndarray of shape (n_faces, H, W) or (n_faces, H, W, 3)
        Faces as the network receives them.
    maps : ndarray of float64 of shape (n_faces, H, W)
        From 0 to 1, the maximum of each face; all 0 if there is no evidence for the class.
    targets : ndarray of shape (n_faces,)
        Class that each map explains.
    confidence : ndarray of float of shape (n_faces,), default=None
        Probability of the target class.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_faces,)
        After :meth:`plot`.
    figure_ : matplotlib Figure
        After :meth:`plot`.

    See Also
    --------
    OcclusionDisplay : Maps for any classifier.
    check_randomization : Check that maps depend on the learned weights.

    Notes
    -----
    The channels of a layer are weighted by the mean gradient of the logit of the class, summed, clipped at 0, and
    resized to the size of the face. The resolution of the map is that of the layer: 6 x 6 for a face of 48 pixels with
    ``networks.ResNet``. Maps are computed in single precision and without ``tta``.

    A map shows where the network found evidence, not whether that evidence is sound. Inspect many faces, and run
    :func:`check_randomization`.

    References
    ----------
    .. [1] Selvaraju, R. R., Cogswell, M., Das, A., Vedantam, R., Parikh, D., & Batra, D. (2017). Grad-CAM: visual
       explanations from deep networks via gradient-based localization. ICCV.

    Examples
    --------
    >>> from sk_emotion import EmotionClassifier, GradCAMDisplay, make_faces, networks
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> clf = EmotionClassifier(networks.ResNet(width=8), max_epochs=2, random_state=0).fit(X, y)
    >>> GradCAMDisplay.from_estimator(clf, X[:4], target="pain").maps.shape
    (4, 48, 48)
    """

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, target: Any = None, layer: str | None = None, axes: Any = None
    ) -> "GradCAMDisplay":
        """Plot the regions that a network uses.

        Parameters
        ----------
        estimator : EmotionClassifier, Pipeline or search
            Fitted estimator whose last step is an EmotionClassifier. It is not modified.
        X : array, list or DataFrame of length n_faces
            Images or paths, as the estimator takes them.
        target : label, or array-like of shape (n_faces,), default=None
            Class to explain, one for all faces or one per face; by default the predicted class.
        layer : str, default=None
            Name of a layer in ``clf.net_.module_.named_modules()``. By default, the last convolution whose output is
            larger than one pixel, or the block that ends with it.
        axes : sequence of matplotlib Axes, default=None
            Axes to plot on, one per face; by default on a new figure.

        Returns
        -------
        GradCAMDisplay

        Raises
        ------
        TypeError
            If the last step is not an EmotionClassifier.
        LabelError
            If `target` is not a class of the estimator.
        ValueError
            If there is no such layer, or no layer with feature maps.
        """
        clf, images = _find_network(estimator, X, cls.__name__)
        module = clf.net_.module_
        with _evaluation_mode(module):
            probabilities = clf.predict_proba(images)
            codes = choose_targets(target, clf.classes_[probabilities.argmax(axis=1)], clf.classes_, cls.__name__)
            maps = _compute_maps(clf, module, images, codes, layer)
        confidence = probabilities[np.arange(len(images)), codes]
        return cls(images=images, maps=maps, targets=clf.classes_[codes], confidence=confidence).plot(axes)


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
    clf, images = _find_network(estimator, X, "check_randomization")
    with _evaluation_mode(clf.net_.module_):
        predicted = clf.predict(images)
        codes = choose_targets(target, predicted, clf.classes_, "check_randomization")
        learned = _compute_maps(clf, clf.net_.module_, images, codes, layer)
        random = _compute_maps(clf, _randomize(clf, random_state), images, codes, layer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        correlations = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(learned, random, strict=True)]
    return np.nan_to_num(np.array(correlations, dtype=np.float64))


def _find_network(estimator: Any, X: Any, owner: str) -> tuple[Any, NDArray[Any]]:
    """Return the EmotionClassifier at the end of an estimator, and its input images."""
    check_is_fitted(estimator)
    *parts, clf = look_inside(estimator)
    if not hasattr(clf, "net_"):
        raise TypeError(
            f"{owner}: {type(clf).__name__} has no network; expected an EmotionClassifier, or a pipeline or search "
            "that ends in one. OcclusionDisplay accepts any classifier."
        )
    for part in parts:
        _, X = transform_before_last(part, X)
    return clf, validate_images(clf, X, reset=False)


@contextmanager
def _evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Set a module to evaluation mode, and restore the mode of each submodule afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _compute_maps(
    clf: Any, module: nn.Module, images: NDArray[Any], codes: NDArray[np.intp], layer: str | None
) -> NDArray[np.float64]:
    """Compute Grad-CAM maps of a module, which must be in evaluation mode."""
    seen: list[Any] = []
    raw = []
    with torch.inference_mode(False), torch.enable_grad(), limit_worker_threads():
        chosen = _choose_layer(module, _prepare(clf, images[:1]), layer)
        with chosen.register_forward_hook(lambda _layer, _inputs, output: seen.append(output)):
            for start in range(0, len(images), _BATCH):
                rows = slice(start, start + _BATCH)
                seen.clear()
                logits = module(_prepare(clf, images[rows]))
                features = _check_features(seen, layer)
                target = torch.as_tensor(codes[rows], device=logits.device).unsqueeze(1)
                (gradients,) = torch.autograd.grad(logits.gather(1, target).sum(), features)
                weights = gradients.mean(dim=(2, 3), keepdim=True)
                cam = torch.relu((weights * features).sum(dim=1, keepdim=True))
                cam = functional.interpolate(cam, size=images.shape[1:3], mode="bilinear", align_corners=False)
                raw.append(cam.squeeze(1).detach().cpu().numpy())
    return scale_maps(np.concatenate(raw))


def _prepare(clf: Any, images: NDArray[Any]) -> torch.Tensor:
    """Convert images to input of the module that requires gradients, so that they reach frozen layers too."""
    prepared = clf.net_.preparation(as_tensor(images).to(clf.device_)).requires_grad_()
    # A module may begin with an in-place operation, which autograd does not allow on a leaf.
    return prepared.clone()


def _choose_layer(module: nn.Module, sample: torch.Tensor, name: str | None) -> nn.Module:
    """Return a layer by name, or the last convolution larger than one pixel, or the block that ends with it."""
    layers = dict(module.named_modules())
    if name is not None:
        if name not in layers or not name:
            raise ValueError(
                f"GradCAMDisplay: layer={name!r} is not a layer of the network, expected one such as "
                f"{', '.join(repr(known) for known in list(layers)[1:][-6:])}."
            )
        return layers[name]
    finished: list[tuple[nn.Module, tuple[int, ...]]] = []

    def record(part: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4:
            finished.append((part, tuple(output.shape[-2:])))

    with torch.no_grad(), ExitStack() as hooks:
        for part in list(layers.values())[1:]:
            hooks.enter_context(part.register_forward_hook(record))
        module(sample)
    convolutions = [
        place for place, (part, size) in enumerate(finished) if isinstance(part, nn.Conv2d) and max(size) > 1
    ]
    if not convolutions:
        raise ValueError(
            "GradCAMDisplay: the network has no convolution whose output is larger than one pixel. Use larger images, "
            "pass layer, or use OcclusionDisplay."
        )
    last = convolutions[-1]
    return [part for part, size in finished[last:] if size == finished[last][1]][-1]


def _check_features(seen: list[Any], name: str | None) -> torch.Tensor:
    features = seen[-1] if seen else None
    if not isinstance(features, torch.Tensor) or features.ndim != 4:
        what = "nothing" if features is None else f"{tuple(getattr(features, 'shape', ()))}"
        raise ValueError(
            f"GradCAMDisplay: layer={name!r} outputs {what}, expected maps of shape (n, channels, height, width). Pass "
            "the name of a convolution, or of a block of them."
        )
    return features


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
