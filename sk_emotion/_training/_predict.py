"""Predict with a trained net: batches, views for test-time augmentation, and features."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._images._validation import MIN_AUGMENT_SIZE, as_tensor, validate_images
from ..augmentation import move
from ..networks._base import RegionPool
from ._hardware import autocast, double_precision, limit_worker_threads, module_lock, prediction_batch_size

# Shift left and up as a fraction of the side, angle in degrees, scale. On PublicTest of FER2013, views that are also
# rotated and enlarged improve accuracy more than shifts.
_SHIFT = 1 / 24
# Poses come in mirrored pairs, so that a face and its mirror image get the same prediction.
_POSES = ((_SHIFT, _SHIFT, -8, 1.1), (-_SHIFT, _SHIFT, 8, 1.1), (_SHIFT, -_SHIFT, 8, 1.0), (-_SHIFT, -_SHIFT, -8, 1.0))


def predict_probabilities(clf: Any, X: Any) -> NDArray[np.float64]:
    """Return the probability of each class, averaged over the views of `tta`."""

    def average_views(images: torch.Tensor) -> torch.Tensor:
        views = make_views(images, clf.tta)
        # Few images are predicted in all views at once.
        batches = torch.cat(views).split(prediction_batch_size(clf.batch_size, clf.device_, clf.image_shape_[:2]))
        # Not every device supports float64.
        logits = torch.cat([clf.net_.module_(batch) for batch in batches]).cpu().double()
        return torch.softmax(logits, dim=1).reshape(len(views), len(images), -1).mean(dim=0)

    return _map(clf, average_views, X)


def compute_features(clf: Any, X: Any) -> NDArray[Any]:
    """Return the inputs of the last linear layer, or, before a grid of cells is pooled, the mean of each map."""
    layers = list(clf.net_.module_.modules())
    kind = RegionPool if any(isinstance(layer, RegionPool) for layer in layers) else torch.nn.Linear
    last = [layer for layer in layers if isinstance(layer, kind)]
    if not last:
        raise ValueError(f"embed: {clf.network_!r} has no linear layer whose input could be returned.")
    seen = _Inputs(threading.get_ident())
    with module_lock:
        handle = last[-1].register_forward_pre_hook(seen)

    def last_features(images: torch.Tensor) -> torch.Tensor:
        clf.net_.module_(images)
        return (seen.last if seen.last.dtype == torch.float64 else seen.last.float()).cpu()

    try:
        return _map(clf, last_features, X)
    finally:
        with module_lock:
            handle.remove()


def make_views(images: torch.Tensor, tta: str | None) -> list[torch.Tensor]:
    """Return the images (n, C, H, W), with "mirror" also their mirror images, with "crops" also four moved pairs."""
    faces = [images]
    if tta == "crops":
        n_images = images.shape[0]
        poses = torch.tensor(_POSES, dtype=images.dtype, device=images.device)
        left, up, degrees, size = poses.unsqueeze(1).expand(-1, n_images, -1).reshape(-1, 4).T
        copies = images.repeat(len(_POSES), 1, 1, 1)
        moved = move(copies, angle=torch.deg2rad(degrees), size=size, shift=torch.stack([left, up]))
        faces += moved.unflatten(0, (len(_POSES), n_images)).unbind()
    return faces if tta is None else [view for face in faces for view in (face, face.flip(-1))]


@dataclass(eq=False)
class _Inputs:
    """Forward pre-hook that stores the input of a layer in one thread: others may use the same network."""

    thread: int | None
    last: torch.Tensor = field(init=False)

    def __call__(self, layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if threading.get_ident() == self.thread:
            self.last = inputs[0].mean((-2, -1)) if isinstance(layer, RegionPool) else inputs[0].flatten(1)

    def __deepcopy__(self, _memo: Any) -> "_Inputs":
        # Copies of the network, made to continue training, must not store anything.
        return _Inputs(thread=None)


def _map(clf: Any, function: Callable[[torch.Tensor], torch.Tensor], X: Any) -> Any:
    """Apply a function to prepared batches in inference mode and concatenate the results."""
    images = validate_images(clf, X, reset=False, in_memory=False)
    net, module = clf.net_, clf.net_.module_
    # In float64, predictions of tiny images do not depend on their batch (to 1e-7), at no noticeable cost.
    tiny = min(clf.image_shape_[:2]) < MIN_AUGMENT_SIZE and torch.device(clf.device_).type != "mps"
    module.eval()
    results: NDArray[Any] | None = None
    with double_precision(module) if tiny else nullcontext():
        precision = "fp32" if clf.precision == "auto" else net.precision
        with torch.inference_mode(), autocast(precision, clf.device_), limit_worker_threads():
            size = prediction_batch_size(clf.batch_size, clf.device_, clf.image_shape_[:2])
            for start in range(0, len(images), size):
                batch = as_tensor(images[start : start + size]).to(clf.device_)
                part = function(net.preparation(batch.double() if tiny else batch)).numpy()
                if results is None:
                    results = np.empty((len(images), *part.shape[1:]), dtype=part.dtype)
                results[start : start + size] = part
    return results
