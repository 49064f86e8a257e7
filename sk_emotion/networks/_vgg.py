"""A plain convolutional network for small face images."""

from typing import Any

from torch import nn

from ..exceptions import ImageSizeError
from ._base import Network, conv_bn, pooled_head


class VGG(Network):
    """Plain convolutional network in the style of VGG, with batch normalization.

    Four stages of two 3x3 convolutions, each followed by 2x2 max pooling. Average pooling to a small grid replaces
    the large dense layers of the original, so that images of any size from 16x16 pixels can be used.

    Parameters
    ----------
    width : int, default=32
        Channels of the first stage; the next ones have 2, 4 and 8 times as many.
    dropout : float, default=0.1
        Share of the pooled features set to zero in training.
    pool : int, default=3
        The last feature maps are averaged over a grid of ``pool`` times ``pool`` cells, so that the last layer knows
        where on the face a feature is; 1 is global average pooling.

    References
    ----------
    Simonyan, K., & Zisserman, A. (2015). Very deep convolutional networks for large-scale image recognition. ICLR.

    Examples
    --------
    >>> from sk_emotion.networks import VGG
    >>> module = VGG(width=16).build(in_channels=3, image_size=(48, 48), n_classes=2)
    """

    def __init__(self, width: int = 32, *, dropout: float = 0.1, pool: int = 3):
        self.width = width
        self.dropout = dropout
        self.pool = pool

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
        map_size = image_size[0] // 16, image_size[1] // 16
        return nn.Sequential(*layers, *pooled_head(channels, map_size, self.pool, n_classes, self.dropout))

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Networks of older files have global pooling.
        super().__setstate__({"pool": 1, **state})
