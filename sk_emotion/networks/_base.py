"""Base class and building blocks of network specifications."""

from abc import ABC, abstractmethod
from numbers import Integral

from sklearn.base import BaseEstimator, clone
from torch import nn

from ..exceptions import ParameterError


class Network(BaseEstimator, ABC):
    """Base class of network specifications.

    A specification stores hyperparameters and builds a module once the shape of the images is known, as kernels in
    scikit-learn's ``GaussianProcessClassifier(kernel=RBF(1.0))`` do. It can be cloned, printed and compared, and its
    parameters can be searched: ``{"network": [ResNet(), VGG()], "network__width": [16, 32]}``.
    """

    @abstractmethod
    def build(self, in_channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        """Build the module.

        Parameters
        ----------
        in_channels : int
            1 for grayscale, 3 for RGB images.
        image_size : tuple of (int, int)
            Height and width in pixels.
        n_classes : int
            Number of outputs.

        Returns
        -------
        torch.nn.Module
            Takes standardized images ``(n, in_channels, H, W)`` and returns logits ``(n, n_classes)``.
        """

    def without_weights(self) -> "Network":
        """Return a specification of the same module without pretrained weights, used to load a saved model."""
        return self

    def resolve(self) -> "Network":
        """Return a copy in which parameters whose default depends on other parameters have their values."""
        return clone(self)

    def learning_rates(self) -> dict[str, float]:
        """Return learning rates of some weights, by pattern of their names, as a share of that of the others."""
        return {}


def conv_bn(in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution with padding that preserves the size (at stride 1), followed by batch normalization."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class RegionPool(nn.AvgPool2d):
    """Average over the cells of a grid, which overlap if its size does not divide that of the map.

    Unlike :class:`torch.nn.AdaptiveAvgPool2d`, it is exported to ONNX, and runs on MPS, for any size.
    """

    def __init__(self, map_size: tuple[int, int], grid: tuple[int, int]):
        (height, width), (rows, columns) = map_size, grid
        stride = height // rows, width // columns
        kernel = height - (rows - 1) * stride[0], width - (columns - 1) * stride[1]
        super().__init__(kernel, stride)


def pooled_head(
    in_channels: int, map_size: tuple[int, int], pool: int, n_classes: int, dropout: float
) -> nn.Sequential:
    """Return average pooling to a grid of at most `pool` cells per side, dropout, and a linear layer."""
    if not (isinstance(pool, Integral) and pool >= 1):
        raise ParameterError(f"pool={pool!r}, expected an integer of at least 1.")
    rows, columns = grid = min(pool, map_size[0]), min(pool, map_size[1])
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1) if grid == (1, 1) else RegionPool(map_size, grid),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(in_channels * rows * columns, n_classes),
    )
