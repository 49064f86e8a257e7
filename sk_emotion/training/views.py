"""Views of an image over which a prediction is averaged."""

import math
from collections.abc import Iterator

import torch

from ..augmentation import move

# Shift to the left and upwards as a share of the side, angle in degrees, size. On PublicTest of FER2013, views that are
# turned and enlarged too bring more than shifted ones.
_SHIFT = 1 / 24
# Each has its mirror image among them, so that a face and its mirror image are told alike.
_POSES = ((_SHIFT, _SHIFT, -8, 1.1), (-_SHIFT, _SHIFT, 8, 1.1), (_SHIFT, -_SHIFT, 8, 1.0), (-_SHIFT, -_SHIFT, -8, 1.0))


def make_views(images: torch.Tensor, tta: str | None) -> Iterator[torch.Tensor]:
    """Give images as they are, and other views of them.

    Parameters
    ----------
    images : torch.Tensor of shape (n, C, H, W)
    tta : {"mirror", "crops"} or None
        Which views there are beside the image: none, its mirror image, or four moved ones too, each with its mirror
        image.

    Yields
    ------
    torch.Tensor of shape (n, C, H, W)
    """
    yield images
    if tta is None:
        return
    yield images.flip(-1)
    if tta == "crops":
        each = torch.ones(len(images), dtype=images.dtype, device=images.device)
        for left, up, degrees, size in _POSES:
            shift = torch.stack([left * each, up * each])
            view = move(images, angle=math.radians(degrees) * each, size=size * each, shift=shift)
            yield view
            yield view.flip(-1)
