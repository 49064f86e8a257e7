"""Where a network looks, told by the gradients of its last convolution."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn import functional

from .._images._tensors import as_tensor
from .._images._validation import validate_images
from .._training._hardware import as_if_alone
from ..preprocessing._pipelines import find_last_step, transform_before_last
from ._attribution import AttributionDisplay, choose_targets, scale_maps

# Fewer than in a prediction, since all layers are kept until the gradient is there.
_BATCH = 64


class GradCAMDisplay(AttributionDisplay):
    """Where a network looks: maps of what speaks for a class, by Grad-CAM [1]_, laid over the faces.

    Use :meth:`from_estimator`.

    Parameters
    ----------
    images : ndarray of shape (n_faces, H, W) or (n_faces, H, W, 3)
        The faces as the network gets them.
    maps : ndarray of float64 of shape (n_faces, H, W)
        From 0 to 1, which is the strongest point of each face; all 0 where nothing speaks for the class.
    targets : ndarray of shape (n_faces,)
        The class that each map is about.
    confidence : ndarray of float of shape (n_faces,), default=None
        Its probability.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_faces,)
        After :meth:`plot`.
    figure_ : matplotlib Figure
        After :meth:`plot`.

    See Also
    --------
    OcclusionDisplay : The same for any classifier.
    check_randomization : Whether the maps depend on what was learned.

    Notes
    -----
    The channels of a layer are weighted by the mean gradient of the class's logit, summed, cut off at 0, and enlarged
    to the size of the face. The map is as coarse as the layer: of a face of 48 pixels, ``networks.ResNet`` has 6 x 6
    cells. It is computed in single precision, from the face itself without the views of ``tta``.

    A map shows where evidence was found, not whether it is a good reason. It is no proof that the network works as
    people think: look at many faces, and at :func:`check_randomization`.

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
        """Draw where a network looks.

        Parameters
        ----------
        estimator : EmotionClassifier, Pipeline or search
            Fitted; its last step is an EmotionClassifier. It is left as it is.
        X : array, list or DataFrame of length n_faces
            Images or paths, whatever the estimator takes.
        target : label, or array-like of shape (n_faces,), default=None
            The class that is asked about, for all faces or for each; by default the one that the network predicts.
        layer : str, default=None
            Name of a layer in ``clf.net_.module_.named_modules()``. By default, the last one with a convolution whose
            maps have more than one cell: a block with its shortcut, say.
        axes : sequence of matplotlib Axes, default=None
            Where to draw, one for each face; by default on a new figure.

        Returns
        -------
        GradCAMDisplay

        Raises
        ------
        TypeError
            If the last step is no EmotionClassifier.
        LabelError
            If `target` is no class of the estimator.
        ValueError
            If there is no such layer, or none with maps.
        """
        clf, images = find_network(estimator, X, cls.__name__)
        module = clf.net_.module_
        with left_as_it_is(module):
            probabilities = clf.predict_proba(images)
            codes = choose_targets(target, clf.classes_[probabilities.argmax(axis=1)], clf.classes_, cls.__name__)
            maps = compute_maps(clf, module, images, codes, layer)
        confidence = probabilities[np.arange(len(images)), codes]
        return cls(images=images, maps=maps, targets=clf.classes_[codes], confidence=confidence).plot(axes)


def find_network(estimator: Any, X: Any, owner: str) -> tuple[Any, NDArray[Any]]:
    """Give the EmotionClassifier that an estimator ends in, and the images that come to it."""
    check_is_fitted(estimator)
    clf = find_last_step(estimator)
    if not hasattr(clf, "net_"):
        raise TypeError(
            f"{owner}: {type(clf).__name__} has no network with layers to look into, expected an EmotionClassifier, or "
            "a pipeline or search that ends in one. OcclusionDisplay takes any classifier."
        )
    while estimator is not clf:
        if hasattr(estimator, "steps"):
            estimator, X = transform_before_last(estimator, X)
        else:
            # A search, a threshold or a frozen estimator, as find_last_step knows them.
            inner = ("best_estimator_", "estimator_", "estimator")
            estimator = next(getattr(estimator, name) for name in inner if hasattr(estimator, name))
    return clf, validate_images(clf, X, reset=False)


@contextmanager
def left_as_it_is(module: nn.Module) -> Iterator[None]:
    """Let a module predict, and put each of its parts back into the mode it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def compute_maps(
    clf: Any, module: nn.Module, images: NDArray[Any], codes: NDArray[np.intp], layer: str | None
) -> NDArray[np.float64]:
    """Compute Grad-CAM of a module, which is the classifier's or one like it, in the mode of prediction."""
    seen: list[Any] = []
    raw = []
    with torch.inference_mode(False), torch.enable_grad(), as_if_alone():
        chosen = _choose_layer(module, _prepare(clf, images[:1]), layer)
        handle = chosen.register_forward_hook(lambda _layer, _inputs, output: seen.append(output))
        try:
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
        finally:
            handle.remove()
            # The graph of the last batch.
            seen.clear()
    return scale_maps(np.concatenate(raw))


def _prepare(clf: Any, images: NDArray[Any]) -> torch.Tensor:
    """Make of images what the module takes, such that gradients reach each of its layers, frozen ones too."""
    prepared = clf.net_.preparation(as_tensor(images).to(clf.device_)).requires_grad_()
    # A module may begin with an operation in place, which a leaf of the graph would not stand.
    return prepared.clone()


def _choose_layer(module: nn.Module, sample: torch.Tensor, name: str | None) -> nn.Module:
    """Find a layer by name; or the last convolution with maps, and what closes its block at the same size."""
    layers = dict(module.named_modules())
    if name is not None:
        if name not in layers or not name:
            raise ValueError(
                f"GradCAMDisplay: layer={name!r} is no layer of the network, expected one such as "
                f"{', '.join(repr(known) for known in list(layers)[1:][-6:])}."
            )
        return layers[name]
    finished: list[tuple[nn.Module, tuple[int, ...]]] = []

    def record(part: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4:
            finished.append((part, tuple(output.shape[-2:])))

    handles = [part.register_forward_hook(record) for part in layers.values() if part is not module]
    try:
        with torch.no_grad():
            module(sample)
    finally:
        for handle in handles:
            handle.remove()
    convolutions = [
        place for place, (part, size) in enumerate(finished) if isinstance(part, nn.Conv2d) and max(size) > 1
    ]
    if not convolutions:
        raise ValueError(
            "GradCAMDisplay: the network has no convolution whose maps have more than one cell. Use larger images, "
            "name a layer, or use OcclusionDisplay, which needs none."
        )
    last = convolutions[-1]
    return [part for part, size in finished[last:] if size == finished[last][1]][-1]


def _check_features(seen: list[Any], name: str | None) -> torch.Tensor:
    features = seen[-1] if seen else None
    if not isinstance(features, torch.Tensor) or features.ndim != 4:
        what = "nothing" if features is None else f"{tuple(getattr(features, 'shape', ()))}"
        raise ValueError(
            f"GradCAMDisplay: layer={name!r} puts out {what}, expected maps of shape (n, channels, height, width). "
            "Name a convolution, or a block of them."
        )
    return features
