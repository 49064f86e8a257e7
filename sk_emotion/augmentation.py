"""Random changes of faces that leave their emotion as it is, drawn for each image on its own, in whole batches."""

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

from .utils._locks import compute_alone_after_fork

compute_alone_after_fork()

# Share of the image that is erased, and height against width, as in Zhong et al. (2020), with a smaller largest area:
# a fifth hides an eye or a mouth, but never both.
_ERASED_AREA = (0.02, 0.2)
_ERASED_RATIO = (0.3, 1 / 0.3)


class FaceAugmentation(BaseEstimator):
    """Strengths of the random changes that a face undergoes.

    The object is called on a batch. Each image gets draws of its own (torchvision's transforms draw once for a whole
    batch), and all images are changed at once, on the device where they are. The same object serves
    :class:`EmotionClassifier`, which changes the images anew in each epoch, and :class:`AugmentationOverSampler`, which
    makes new rows.

    Parameters
    ----------
    flip : float, default=0.5
        Probability of the mirror image.
    rotation : float, default=10
        Largest angle in degrees, to either side.
    scale : float, default=0.1
        Largest change of size, as a share: 0.1 is from 90 to 110 per cent.
    translation : float, default=0.1
        Largest shift, as a share of height and width.
    brightness : float, default=0.2
        Largest change of brightness, as a share.
    contrast : float, default=0.2
        Largest change of contrast around the image's mean, as a share.
    erasing : float, default=0.25
        Probability that a rectangle of 2 to 20 per cent of the image is replaced by the image's mean [1]_.

    See Also
    --------
    EmotionClassifier : Uses it while training.
    AugmentationOverSampler : Uses it to make classes equal.

    Notes
    -----
    What comes in from outside when a face is turned or shifted is the image mirrored at its edge.

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
        """Change each image at random.

        Parameters
        ----------
        images : torch.Tensor of shape (n, C, H, W)
            Floats in [0, 1], on any device.
        generator : torch.Generator, default=None
            On the CPU, so that the draws are the same on each device. None means PyTorch's global generator.

        Returns
        -------
        torch.Tensor of shape (n, C, H, W)
            Changed images in [0, 1]; `images` itself is left as it is.
        """
        self._validate_params()
        # All draws are made whatever the strengths, so that a change of one strength leaves the others' draws alone.
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
            # Rounding may step beyond the range, and [0, 1] is how such images are told from [0, 255].
            images = images.clamp_(0, 1)
        elif self.flip:
            images = torch.where(_as_column(_bring(mirrored, images)), images.flip(-1), images)
        if self.brightness or self.contrast:
            images = expose(images, 1 + signed[4] * self.brightness, 1 + signed[5] * self.contrast)
        if self.erasing:
            images = erase(images, chance[1] < self.erasing, draws[8:])
        return images


# What is told of each image may be on the CPU, and is brought to the images as late as can be: starting a computation
# takes a GPU longer than these few numbers take.


def move(
    images: torch.Tensor,
    *,
    angle: torch.Tensor,
    size: torch.Tensor,
    shift: torch.Tensor,
    mirrored: torch.Tensor | None = None,
) -> torch.Tensor:
    """Turn clockwise by `angle` (n,) in radians, resize by `size` (n,), and shift by `shift` (2, n).

    The shift is a share of width and of height, to the left and upwards, of the image before it is turned. The images
    that are `mirrored` (n,) are so before all else.
    """
    height, width = images.shape[2:]
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    # grid_sample asks where each pixel comes from, in coordinates from -1 to 1 along both axes. One product tells it
    # for all images; functional.affine_grid takes longer than the sampling itself.
    across = torch.stack([cos, sin * height / width, 2 * shift[0]], dim=1)
    down = torch.stack([-sin * width / height, cos, 2 * shift[1]], dim=1)
    if mirrored is not None:
        across = torch.where(mirrored.unsqueeze(1), -across, across)
    origins = _bring(torch.cat([across, down], dim=1), images).reshape(-1, 3)
    precision = "float64" if angle.dtype == torch.float64 else "float32"
    sources = origins @ _bring(torch.from_numpy(_centers(height, width, precision)).to(angle.dtype), images)
    grid = sources.reshape(-1, 2, height, width).permute(0, 2, 3, 1)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def expose(images: torch.Tensor, brightness: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
    """Multiply by `brightness` (n,), and spread by `contrast` (n,) around the mean of each image."""
    factor = brightness * contrast
    of_image, of_mean = _bring(torch.stack([factor, brightness - factor]), images)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return torch.addcmul(mean * _as_column(of_mean), images, _as_column(of_image)).clamp_(0, 1)


def erase(images: torch.Tensor, chosen: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Replace a rectangle of the `chosen` images (n,) by their mean; `draws` (4, n) say which, each from 0 to 1."""
    height, width = images.shape[2:]
    # As arrays, which take a fifth of the time of tensors that are so small.
    area, ratio, top, left = draws.to(torch.promote_types(draws.dtype, torch.float32)).numpy()
    area = _ERASED_AREA[0] + area * (_ERASED_AREA[1] - _ERASED_AREA[0])
    log_ratio = math.log(_ERASED_RATIO[0]) + ratio * math.log(_ERASED_RATIO[1] / _ERASED_RATIO[0])
    ratio = torch.from_numpy(log_ratio).exp().numpy()
    tall, wide = np.sqrt(area * ratio), np.sqrt(area / ratio)
    down = _inside(height, top * (1 - tall), tall) & chosen.numpy()[:, None]
    across = _inside(width, left * (1 - wide), wide)
    inside = torch.from_numpy(np.concatenate([down, across], axis=1))
    down, across = _bring(inside, images).split([height, width], dim=1)
    erased = down[:, None, :, None] & across[:, None, None, :]
    return torch.where(erased, images.mean(dim=(2, 3), keepdim=True), images)


def _inside(length: int, start: NDArray[Any], extent: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which of `length` pixels lie in an interval given as shares of the length: (n, length)."""
    centers = _shares(length)
    return (centers >= start[:, None]) & (centers < (start + extent)[:, None])


# These are the same for each batch, and as dear to make as the draws. They are NumPy's, since a tensor that is made
# while a network is exported is of no use afterwards.


@lru_cache(maxsize=8)
def _centers(height: int, width: int, precision: str) -> NDArray[Any]:
    """Give the centers of the pixels on axes from -1 to 1, and a one for each: (3, height * width)."""
    x, y = ((np.arange(length, dtype=precision) * 2 + 1) / length - 1 for length in (width, height))
    return np.stack([np.tile(x, height), np.repeat(y, width), np.ones(height * width, dtype=precision)])


@lru_cache(maxsize=8)
def _shares(length: int) -> NDArray[Any]:
    """Give the centers of so many pixels as shares of the length."""
    return (np.arange(length, dtype=np.float32) + 0.5) / length


def _bring(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return values.to(images.device, non_blocking=images.is_cuda)


def _as_column(values: torch.Tensor) -> torch.Tensor:
    return values.reshape(-1, 1, 1, 1)
