"""Base class and building blocks of network specifications."""

from abc import ABC, abstractmethod

from sklearn.base import BaseEstimator
from torch import nn


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

    def learning_rates(self) -> dict[str, float]:
        """Return learning rates of some weights, by pattern of their names, as a share of that of the others."""
        return {}


def conv_bn(in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution with padding that preserves the size (at stride 1), followed by batch normalization."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def pooled_head(in_features: int, n_classes: int, dropout: float) -> nn.Sequential:
    """Return global average pooling, dropout, and a linear layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(in_features, n_classes))
