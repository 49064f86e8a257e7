"""Views of an image for test-time augmentation."""

import torch

from ..augmentation import move

# Shift left and up as a fraction of the side, angle in degrees, scale. On PublicTest of FER2013, views that are also
# rotated and enlarged improve accuracy more than shifts.
_SHIFT = 1 / 24
# Poses come in mirrored pairs, so that a face and its mirror image get the same prediction.
_POSES = ((_SHIFT, _SHIFT, -8, 1.1), (-_SHIFT, _SHIFT, 8, 1.1), (_SHIFT, -_SHIFT, 8, 1.0), (-_SHIFT, -_SHIFT, -8, 1.0))


def make_views(images: torch.Tensor, tta: str | None) -> list[torch.Tensor]:
    """Return the images and other views of them.

    Parameters
    ----------
    images : torch.Tensor of shape (n, C, H, W)
    tta : {"mirror", "crops"} or None
        Views in addition to the image: none (None), its mirror image, or its mirror image and four shifted ones, each
        with its mirror image.

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
