from ._base import Network
from ._external import TimmNetwork, TorchNetwork, TorchvisionNetwork
from ._resnet import ResNet
from ._vgg import VGG

__all__ = ["VGG", "Network", "ResNet", "TimmNetwork", "TorchNetwork", "TorchvisionNetwork"]
