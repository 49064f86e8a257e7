"""A residual network for small face images."""

from collections import OrderedDict
from typing import Any

import torch
from sklearn.base import clone
from torch import nn
from torch.nn import functional

from ..utils._files import read_description, read_weights
from ._base import Network, conv_bn, pooled_head

# Of the parameters that are None by default.
_DEFAULTS = {"width": 24, "blocks_per_stage": 1, "pool": 3}


class ResNet(Network):
    """Residual network [1]_ with three stages, sized for faces of 32 to 96 pixels.

    Two convolutions with ``width / 2`` and `width` channels halve the image; the stages have ``2 * width``,
    ``4 * width`` and ``8 * width`` channels, and the last two halve it again. (ImageNet ResNets downsample 32 times,
    which is too much for small faces.)

    Parameters
    ----------
    width : int or None, default=None
        Channels after the first two convolutions: 24 results in 0.7 million weights, 32 in 1.2 million. None means 24,
        or the width of the pretrained model.
    blocks_per_stage : int or None, default=None
        Residual blocks in each stage. None means 1, or as many as in the pretrained model.
    dropout : float, default=0.1
        Share of the pooled features set to zero in training.
    pool : int or None, default=None
        The last feature maps are averaged over a grid of ``pool`` times ``pool`` cells, so that the last layer knows
        where on the face a feature is; 1 is global average pooling. None means 3, or the value of the pretrained model.
    pretrained : str or None, default=None
        Name of a model of :func:`load_pretrained`, such as ``"fer2013"``, whose weights are loaded, except for the last
        layer. Images may be grayscale or RGB, of any size.
    body_rate : float, default=0.3
        Learning rate of pretrained layers, as a share of that of the last layer.
    frozen_parts : int, default=0
        Number of frozen parts, from the input: the first two convolutions are one, and each of the three stages is one.

    Notes
    -----
    Pretrained weights were trained on the faces listed in the model card: scores on these faces, such as the Training
    part of FER2013, are too optimistic.

    Shortcuts of blocks with a stride average 2x2 pixels, which loses less information than a 1x1 convolution with a
    stride [2]_.

    References
    ----------
    .. [1] He, K., Zhang, X., Ren, S., & Sun, J. (2016). Deep residual learning for image recognition. CVPR.
    .. [2] He, T., Zhang, Z., Zhang, H., Zhang, Z., Xie, J., & Li, M. (2019). Bag of tricks for image classification
       with convolutional neural networks. CVPR.

    Examples
    --------
    >>> from sk_emotion.networks import ResNet
    >>> ResNet(width=16)
    ResNet(width=16)
    >>> module = ResNet(width=16).build(in_channels=1, image_size=(48, 48), n_classes=6)
    """

    def __init__(
        self,
        width: int | None = None,
        *,
        blocks_per_stage: int | None = None,
        dropout: float = 0.1,
        pool: int | None = None,
        pretrained: str | None = None,
        body_rate: float = 0.3,
        frozen_parts: int = 0,
    ):
        self.width = width
        self.blocks_per_stage = blocks_per_stage
        self.dropout = dropout
        self.pool = pool
        self.pretrained = pretrained
        self.body_rate = body_rate
        self.frozen_parts = frozen_parts

    def build(self, in_channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        sizes = self._choose_sizes()
        width = channels = sizes["width"]
        narrow = -(-width // 2)
        parts = OrderedDict(
            stem=_Part(
                conv_bn(in_channels, narrow),
                nn.ReLU(inplace=True),
                conv_bn(narrow, channels, stride=2),
                nn.ReLU(inplace=True),
            )
        )
        for stage, out_channels in enumerate((2 * width, 4 * width, 8 * width), start=1):
            blocks = []
            for block in range(sizes["blocks_per_stage"]):
                blocks.append(_ResidualBlock(channels, out_channels, 2 if stage > 1 and block == 0 else 1))
                channels = out_channels
            parts[f"stage{stage}"] = _Part(*blocks)
        if not 0 <= self.frozen_parts <= len(parts):
            raise ValueError(f"ResNet: frozen_parts={self.frozen_parts}, expected 0 to {len(parts)}.")
        if self.pretrained is not None:
            self._load_pretrained(parts, in_channels)
        for part in list(parts.values())[: self.frozen_parts]:
            part.freeze()
        # Three layers with a stride of 2 and padding.
        map_size = -(-image_size[0] // 8), -(-image_size[1] // 8)
        head = pooled_head(channels, map_size, sizes["pool"], n_classes, self.dropout)
        return nn.Sequential(OrderedDict(**parts, head=head))

    def resolve(self) -> "ResNet":
        return clone(self).set_params(**self._choose_sizes())

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Networks of older files have global pooling.
        super().__setstate__({"pool": 1, **state})

    def without_weights(self) -> Network:
        return self.resolve().set_params(pretrained=None)

    def learning_rates(self) -> dict[str, float]:
        return {} if self.pretrained is None else {"stem.*": self.body_rate, "stage*": self.body_rate}

    def _choose_sizes(self) -> dict[str, int]:
        """Return the parameters that are None by default, with their values."""
        given = {name: value for name in _DEFAULTS if (value := getattr(self, name)) is not None}
        if self.pretrained is None or given.keys() == _DEFAULTS.keys():
            return {**_DEFAULTS, **given}
        return {**_describe_network(read_description(self.pretrained)), **given}

    def _load_pretrained(self, parts: "OrderedDict[str, _Part]", in_channels: int) -> None:
        weights, about = read_weights(self.pretrained)
        needed = _describe_network(about)
        # The head is new, so it may have another grid.
        needed.pop("pool")
        given = {name: getattr(self, name) for name in needed}
        if any(value not in (None, needed[name]) for name, value in given.items()):
            expected = ", ".join(f"{name}={value}" for name, value in needed.items())
            raise ValueError(
                f"ResNet: pretrained={self.pretrained!r} requires {expected}; got {given}. Pass {expected}."
            )
        first = weights["stem.0.0.weight"]
        # So that an RGB image with equal channels has the same features as its grayscale image.
        gray = first.sum(dim=1, keepdim=True)
        weights["stem.0.0.weight"] = (
            first if in_channels == first.shape[1] else (gray / in_channels).repeat(1, in_channels, 1, 1)
        )
        body = {name: value for name, value in weights.items() if not name.startswith("head")}
        nn.ModuleDict(parts).load_state_dict(body)


def _describe_network(about: dict[str, Any]) -> dict[str, int]:
    """Return the size of the network of an included model; older descriptions do not name global pooling."""
    return {**_DEFAULTS, "pool": 1, **{name: value for name, value in about["network"].items() if name in _DEFAULTS}}


class _Part(nn.Sequential):
    """Layers that can be frozen together."""

    frozen = False

    def freeze(self) -> None:
        self.frozen = True
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "_Part":
        # In training mode, batch normalization would update its running statistics.
        super().train(mode and not self.frozen)
        return self


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.first = conv_bn(in_channels, out_channels, stride=stride)
        self.second = conv_bn(out_channels, out_channels)
        same_shape = stride == 1 and in_channels == out_channels
        self.stride = stride
        self.shortcut = nn.Identity() if same_shape else conv_bn(in_channels, out_channels, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = torch.relu(self.first(images))
        # Pooling instead of a 1x1 convolution with a stride, whose backward pass on CPU writes out of bounds with fewer
        # than 16 channels (measured, PyTorch 2.15, oneDNN 3.13).
        kept = images if self.stride == 1 else functional.avg_pool2d(images, self.stride, ceil_mode=True)
        return torch.relu(self.second(features) + self.shortcut(kept))
