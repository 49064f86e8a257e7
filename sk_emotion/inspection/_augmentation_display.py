"""Display of augmented faces."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from .._images._validation import MIN_AUGMENT_SIZE, learn_pixel_range
from ..exceptions import ImageArrayError
from ._face_grid import as_images, draw_faces


class AugmentationDisplay:
    """A face and randomly augmented copies of it.

    Use :meth:`from_augmentation`. Check before training that each face still shows its emotion.

    Parameters
    ----------
    images : ndarray of shape (1 + n_draws, H, W) or (1 + n_draws, H, W, 3)
        The face, followed by its augmented copies.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (1 + n_draws,)
        After :meth:`plot`.
    figure_ : matplotlib Figure
        After :meth:`plot`.

    See Also
    --------
    FaceAugmentation : Augmentation of faces.

    Examples
    --------
    >>> from sk_emotion import AugmentationDisplay, FaceAugmentation, make_faces
    >>> X, y, groups = make_faces(1, random_state=0)
    >>> display = AugmentationDisplay.from_augmentation(FaceAugmentation(rotation=20), X[0], n_draws=7, random_state=0)
    >>> display.images.shape
    (8, 48, 48)
    """

    def __init__(self, *, images: NDArray[Any]):
        self.images = images

    @classmethod
    def from_augmentation(
        cls, augmentation: Any, face: Any, *, n_draws: int = 15, random_state: Any = None, axes: Any = None
    ) -> "AugmentationDisplay":
        """Plot augmented copies of a face.

        Parameters
        ----------
        augmentation : FaceAugmentation, or callable
            Called as ``augmentation(images, generator)`` with images of shape ``(n, C, H, W)`` in [0, 1].
        face : ndarray of shape (H, W) or (H, W, 3)
            One image of uint8 or floats.
        n_draws : int, default=15
            Number of augmented copies.
        random_state : int, RandomState instance or None, default=None
            Seed of the augmentation.
        axes : sequence of matplotlib Axes, default=None
            Axes to plot on, one for the face and one per copy; by default on a new figure.

        Returns
        -------
        AugmentationDisplay

        Raises
        ------
        TypeError
            If `augmentation` is not callable.
        ImageArrayError
            If `face` is not one image, or smaller than 16 pixels: such images are never augmented.
        """
        import torch

        from .._images._validation import as_tensor

        owner = cls.__name__
        if not callable(augmentation) or isinstance(augmentation, type):
            raise TypeError(f"{owner}: augmentation={augmentation!r}, expected one such as FaceAugmentation().")
        if not isinstance(n_draws, Integral) or isinstance(n_draws, bool) or n_draws < 1:
            raise ValueError(f"{owner}: n_draws={n_draws!r}, expected an integer of at least 1.")
        image = np.asarray(face)
        if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise ImageArrayError(
                f"{owner}: face has shape {image.shape}, expected one image (H, W) or (H, W, 3), such as X[0]. "
                "To load one from a file, use FaceLoader().fit_transform([path])[0]."
            )
        if min(image.shape[:2]) < MIN_AUGMENT_SIZE:
            raise ImageArrayError(
                f"{owner}: face has {image.shape[0]}x{image.shape[1]} pixels. Images under {MIN_AUGMENT_SIZE} pixels "
                "in height or width are never augmented."
            )
        images = as_images(image[np.newaxis])
        low, high = learn_pixel_range(images)
        copies = ((as_tensor(images).float() - low) / (high - low)).repeat(int(n_draws), 1, 1, 1)
        seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        changed = augmentation(copies, torch.Generator().manual_seed(seed)).clamp(0, 1) * (high - low) + low
        drawn = changed.permute(0, 2, 3, 1).numpy().reshape(-1, *images.shape[1:])
        if images.dtype == np.uint8:
            drawn = drawn.round()
        return cls(images=np.concatenate([images, drawn.astype(images.dtype)])).plot(axes)

    def plot(self, axes: Any = None) -> "AugmentationDisplay":
        """Plot the face and its copies.

        Parameters
        ----------
        axes : sequence of matplotlib Axes of length 1 + n_draws, default=None
            Axes to plot on; by default on a new figure.

        Returns
        -------
        self : AugmentationDisplay
        """
        titles = ["original", *(f"draw {draw}" for draw in range(1, len(self.images)))]
        self.axes_ = draw_faces(self.images, titles, axes, type(self).__name__)
        self.figure_ = self.axes_[0].figure
        for spine in self.axes_[0].spines.values():
            spine.set(linewidth=2.5)
        return self
