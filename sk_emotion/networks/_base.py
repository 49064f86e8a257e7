"""What a network specification is."""

from abc import ABC, abstractmethod

from sklearn.base import BaseEstimator
from torch import nn


class Network(BaseEstimator, ABC):
    """Base class of network specifications.

    A specification holds hyper-parameters and builds a module when the images are known, as a kernel does in
    scikit-learn's ``GaussianProcessClassifier(kernel=RBF(1.0))``. So it clones, prints and compares, and its
    parameters can be searched: ``{"network": [ResNet(), VGG()], "network__width": [16, 32]}``.
    """

    @abstractmethod
    def build(self, in_channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        """Build the module.

        Parameters
        ----------
        in_channels : int
            1 for grey, 3 for RGB images.
        image_size : tuple of (int, int)
            Height and width in pixels.
        n_classes : int
            Number of outputs.

        Returns
        -------
        torch.nn.Module
            Takes standardised images ``(n, in_channels, H, W)`` and returns logits ``(n, n_classes)``.
        """

    def without_weights(self) -> "Network":
        """Give a specification of the same module without pretrained weights, for a model whose own are at hand."""
        return self

    def learning_rates(self) -> dict[str, float]:
        """Give the learning rates of some weights, by a pattern of their names, as a share of that of the others."""
        return {}


def conv_bn(in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the size (but for the stride), then batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def pooled_head(in_features: int, n_classes: int, dropout: float) -> nn.Sequential:
    """Global average pooling, dropout, and one linear layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(in_features, n_classes))
