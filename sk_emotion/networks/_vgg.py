"""A plain convolutional network for small face images."""

from torch import nn

from ..exceptions import ImageSizeError
from ._base import Network, conv_bn, pooled_head


class VGG(Network):
    """Plain convolutional network in the style of VGG, with batch normalization and global pooling.

    Four stages of two 3x3 convolutions, each followed by 2x2 max pooling. Global average pooling replaces the large
    dense layers of the original, so that images of any size from 16x16 pixels can be used.

    Parameters
    ----------
    width : int, default=32
        Channels of the first stage; the next ones have 2, 4 and 8 times as many.
    dropout : float, default=0.1
        Share of the pooled features set to zero in training.

    References
    ----------
    Simonyan, K., & Zisserman, A. (2015). Very deep convolutional networks for large-scale image recognition. ICLR.

    Examples
    --------
    >>> from sk_emotion.networks import VGG
    >>> module = VGG(width=16).build(in_channels=3, image_size=(48, 48), n_classes=2)
    """

    def __init__(self, width: int = 32, *, dropout: float = 0.1):
        self.width = width
        self.dropout = dropout

    def build(self, in_channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        if min(image_size) < 16:
            raise ImageSizeError(
                f"VGG halves the image four times and cannot process {image_size[0]}x{image_size[1]} pixels. "
                "Use images of at least 16x16, or networks.ResNet()."
            )
        layers: list[nn.Module] = []
        channels = in_channels
        for factor in (1, 2, 4, 8):
            for _ in range(2):
                layers += [conv_bn(channels, self.width * factor), nn.ReLU(inplace=True)]
                channels = self.width * factor
            layers.append(nn.MaxPool2d(2))
        return nn.Sequential(*layers, *pooled_head(channels, n_classes, self.dropout))
