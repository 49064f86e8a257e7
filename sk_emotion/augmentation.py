"""Random, label-preserving augmentation of faces, drawn per image and applied to whole batches."""

import math
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from torch.nn import functional

from .utils._device import use_one_thread_after_fork

use_one_thread_after_fork()

# Erased fraction of the image, and ratio of height to width, as in Zhong et al. (2020), but with a smaller maximum:
# a fifth hides an eye or the mouth, but never both.
_ERASED_AREA = (0.02, 0.2)
_ERASED_RATIO = (0.3, 1 / 0.3)


class FaceAugmentation(BaseEstimator):
    """Random augmentation of faces.

    The object is called on a batch. Parameters are drawn per image (torchvision's transforms draw once per batch), and
    all images are transformed at once, on their device. The same object is used in :class:`EmotionClassifier`, which
    augments the images anew in each epoch, and in :class:`AugmentationOverSampler`, which creates new rows.

    Parameters
    ----------
    flip : float, default=0.5
        Probability of a horizontal flip.
    rotation : float, default=10
        Maximum angle in degrees, in either direction.
    scale : float, default=0.1
        Maximum relative change of size: 0.1 means from 90 to 110 percent.
    translation : float, default=0.1
        Maximum shift, as a fraction of height and width.
    brightness : float, default=0.2
        Maximum relative change of brightness.
    contrast : float, default=0.2
        Maximum relative change of contrast around the mean of the image.
    erasing : float, default=0.25
        Probability of replacing a rectangle of 2 to 20 percent of the image by its mean [1]_.

    See Also
    --------
    EmotionClassifier : Augment the images in each epoch of training.
    AugmentationOverSampler : Balance classes by augmentation.

    Notes
    -----
    Pixels from outside the image are filled by reflection at its edges.

    References
    ----------
    .. [1] Zhong, Z., Zheng, L., Kang, G., Li, S., & Yang, Y. (2020). Random erasing data augmentation. AAAI.

    Examples
    --------
    >>> import torch
    >>> from sk_emotion import FaceAugmentation
    >>> faces = torch.rand(8, 1, 48, 48)
    >>> FaceAugmentation(rotation=20)(faces, torch.Generator().manual_seed(0)).shape
    torch.Size([8, 1, 48, 48])
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's form
        "flip": [Interval(Real, 0, 1, closed="both")],
        "rotation": [Interval(Real, 0, 180, closed="both")],
        "scale": [Interval(Real, 0, 1, closed="left")],
        "translation": [Interval(Real, 0, 1, closed="left")],
        "brightness": [Interval(Real, 0, 1, closed="both")],
        "contrast": [Interval(Real, 0, 1, closed="both")],
        "erasing": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self, *, flip=0.5, rotation=10.0, scale=0.1, translation=0.1, brightness=0.2, contrast=0.2, erasing=0.25
    ):
        self.flip = flip
        self.rotation = rotation
        self.scale = scale
        self.translation = translation
        self.brightness = brightness
        self.contrast = contrast
        self.erasing = erasing

    def __call__(self, images: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Augment each image at random.

        Parameters
        ----------
        images : torch.Tensor of shape (n, C, H, W)
            Floats in [0, 1], on any device.
        generator : torch.Generator, default=None
            On the CPU, so that all devices use the same draws. None means PyTorch's global generator.

        Returns
        -------
        torch.Tensor of shape (n, C, H, W)
            Augmented images in [0, 1]; `images` is not modified.
        """
        self._validate_params()
        # Always draw all parameters, so that changing one strength does not affect the draws of the others.
        draws = torch.rand(12, len(images), generator=generator, device="cpu").to(images.dtype)
        chance, signed = draws[:2], draws[2:8] * 2 - 1
        mirrored = chance[0] < self.flip
        if self.rotation or self.scale or self.translation:
            images = move(
                images,
                angle=signed[0] * math.radians(self.rotation),
                size=1 + signed[1] * self.scale,
                shift=signed[2:4] * self.translation,
                mirrored=mirrored,
            )
            # Rounding may leave the range, by which images in [0, 1] are distinguished from [0, 255].
            images = images.clamp_(0, 1)
        elif self.flip:
            images = torch.where(_as_column(_to_device(mirrored, images)), images.flip(-1), images)
        if self.brightness or self.contrast:
            images = expose(images, 1 + signed[4] * self.brightness, 1 + signed[5] * self.contrast)
        if self.erasing:
            images = erase(images, chance[1] < self.erasing, draws[8:])
        return images


# Parameters may be on the CPU, and are moved to the device of the images as late as possible: launching a kernel takes
# a GPU longer than computing these few numbers.


def move(
    images: torch.Tensor,
    *,
    angle: torch.Tensor,
    size: torch.Tensor,
    shift: torch.Tensor,
    mirrored: torch.Tensor | None = None,
) -> torch.Tensor:
    """Rotate clockwise by `angle` (n,) in radians, scale by `size` (n,), and shift by `shift` (2, n).

    The shift is a fraction of width and height, to the left and upwards, before the rotation. Images that are
    `mirrored` (n,) are flipped first.
    """
    height, width = images.shape[2:]
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    # grid_sample needs the source of each pixel, in coordinates from -1 to 1 along both axes. One matrix product
    # computes it for all images; functional.affine_grid takes longer than the sampling itself.
    across = torch.stack([cos, sin * height / width, 2 * shift[0]], dim=1)
    down = torch.stack([-sin * width / height, cos, 2 * shift[1]], dim=1)
    if mirrored is not None:
        across = torch.where(mirrored.unsqueeze(1), -across, across)
    origins = _to_device(torch.cat([across, down], dim=1), images).reshape(-1, 3)
    precision = "float64" if angle.dtype == torch.float64 else "float32"
    sources = origins @ _to_device(torch.from_numpy(_centers(height, width, precision)).to(angle.dtype), images)
    grid = sources.reshape(-1, 2, height, width).permute(0, 2, 3, 1)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def expose(images: torch.Tensor, brightness: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
    """Scale by `brightness` (n,), and by `contrast` (n,) around the mean of each image."""
    factor = brightness * contrast
    of_image, of_mean = _to_device(torch.stack([factor, brightness - factor]), images)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return torch.addcmul(mean * _as_column(of_mean), images, _as_column(of_image)).clamp_(0, 1)


def erase(images: torch.Tensor, chosen: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Replace a rectangle of the `chosen` images (n,) by their mean; `draws` (4, n) in [0, 1] determine it."""
    height, width = images.shape[2:]
    # NumPy takes a fifth of the time of PyTorch for such small arrays.
    area, ratio, top, left = draws.to(torch.promote_types(draws.dtype, torch.float32)).numpy()
    area = _ERASED_AREA[0] + area * (_ERASED_AREA[1] - _ERASED_AREA[0])
    log_ratio = math.log(_ERASED_RATIO[0]) + ratio * math.log(_ERASED_RATIO[1] / _ERASED_RATIO[0])
    ratio = torch.from_numpy(log_ratio).exp().numpy()
    tall, wide = np.sqrt(area * ratio), np.sqrt(area / ratio)
    down = _inside(height, top * (1 - tall), tall) & chosen.numpy()[:, None]
    across = _inside(width, left * (1 - wide), wide)
    inside = torch.from_numpy(np.concatenate([down, across], axis=1))
    down, across = _to_device(inside, images).split([height, width], dim=1)
    erased = down[:, None, :, None] & across[:, None, None, :]
    return torch.where(erased, images.mean(dim=(2, 3), keepdim=True), images)


def _inside(length: int, start: NDArray[Any], extent: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of `length` pixels are in an interval, given as fractions of the length: (n, length)."""
    centers = _shares(length)
    return (centers >= start[:, None]) & (centers < (start + extent)[:, None])


# Cached, since they are the same for each batch and as expensive as the draws. NumPy arrays, since a tensor created
# while a network is exported cannot be used afterwards.


@lru_cache(maxsize=8)
def _centers(height: int, width: int, precision: str) -> NDArray[Any]:
    """Return the pixel centers on axes from -1 to 1, and ones: (3, height * width)."""
    x, y = ((np.arange(length, dtype=precision) * 2 + 1) / length - 1 for length in (width, height))
    return np.stack([np.tile(x, height), np.repeat(y, width), np.ones(height * width, dtype=precision)])


@lru_cache(maxsize=8)
def _shares(length: int) -> NDArray[Any]:
    """Return the centers of `length` pixels as fractions of the length."""
    return (np.arange(length, dtype=np.float32) + 0.5) / length


def _to_device(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return values.to(images.device, non_blocking=images.is_cuda)


def _as_column(values: torch.Tensor) -> torch.Tensor:
    return values.reshape(-1, 1, 1, 1)
