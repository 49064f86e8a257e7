"""Views of an image over which a prediction is averaged."""

import torch

from ..augmentation import move

# Shift to the left and upwards as a share of the side, angle in degrees, size. On PublicTest of FER2013, views that are
# turned and enlarged too bring more than shifted ones.
_SHIFT = 1 / 24
# Each has its mirror image among them, so that a face and its mirror image are told alike.
_POSES = ((_SHIFT, _SHIFT, -8, 1.1), (-_SHIFT, _SHIFT, 8, 1.1), (_SHIFT, -_SHIFT, 8, 1.0), (-_SHIFT, -_SHIFT, -8, 1.0))


def make_views(images: torch.Tensor, tta: str | None) -> list[torch.Tensor]:
    """Give images as they are, and other views of them.

    Parameters
    ----------
    images : torch.Tensor of shape (n, C, H, W)
    tta : {"mirror", "crops"} or None
        Which views there are beside the image: none, its mirror image, or four moved ones too, each with its mirror
        image.

    Returns
    -------
    list of torch.Tensor of shape (n, C, H, W)
    """
    if tta is None:
        return [images]
    views = [images]
    if tta == "crops":
        n_images = images.shape[0]
        poses = torch.tensor(_POSES, dtype=images.dtype, device=images.device)
        left, up, degrees, size = poses.unsqueeze(1).expand(-1, n_images, -1).reshape(-1, 4).T
        copies = images.repeat(len(_POSES), 1, 1, 1)
        moved = move(copies, angle=torch.deg2rad(degrees), size=size, shift=torch.stack([left, up]))
        views += moved.unflatten(0, (len(_POSES), n_images)).unbind()
    return [view for face in views for view in (face, face.flip(-1))]
