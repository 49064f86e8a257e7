import sys

import pytest
import torch
from sklearn.base import clone
from torch import nn

from sk_emotion import networks
from sk_emotion.exceptions import ImageSizeError, MissingDependencyError


class Linear(nn.Module):
    def __init__(self, n_classes, image_size, hidden=3):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(image_size[0] * image_size[1], hidden), nn.Linear(hidden, n_classes)
        )

    def forward(self, images):
        return self.layers(images)


def takes_anything(**settings):
    return Linear(settings["n_classes"], settings["image_size"])


@pytest.mark.parametrize("in_channels", [1, 3])
@pytest.mark.parametrize("image_size", [(48, 48), (30, 62)])
@pytest.mark.parametrize(
    "network",
    [
        networks.ResNet(width=4),
        networks.ResNet(width=4, blocks_per_stage=2, dropout=0),
        networks.VGG(width=4),
        networks.TorchvisionNetwork("squeezenet1_1"),
    ],
    ids=repr,
)
def test_images_become_logits(network, image_size, in_channels):
    module = network.build(in_channels=in_channels, image_size=image_size, n_classes=5).eval()
    assert module(torch.rand(2, in_channels, *image_size)).shape == (2, 5)


def test_width_scales_the_number_of_weights():
    counts = [
        sum(weight.numel() for weight in networks.ResNet(width=width).build(1, (48, 48), 6).parameters())
        for width in (16, 32)
    ]
    assert 1.0e6 < counts[1] < 1.4e6
    assert counts[1] / counts[0] == pytest.approx(4, rel=0.05)


def test_resnet_takes_the_smallest_image():
    assert networks.ResNet(width=4).build(1, (1, 2), 3).eval()(torch.rand(2, 1, 1, 2)).shape == (2, 3)


def test_vgg_says_which_size_it_needs():
    with pytest.raises(ImageSizeError, match=r"12x48 pixels. Use images of at least 16x16"):
        networks.VGG().build(1, (12, 48), 6)


def test_specifications_are_cloned_printed_and_set():
    network = clone(networks.ResNet(width=8)).set_params(dropout=0.5)
    assert repr(network) == "ResNet(dropout=0.5, width=8)"
    assert networks.TorchNetwork(Linear, module_params={"hidden": 4}).get_params()["module_params"] == {"hidden": 4}


@pytest.mark.parametrize("module", [Linear, takes_anything])
def test_own_module_gets_what_its_signature_names(module):
    built = networks.TorchNetwork(module).build(in_channels=1, image_size=(4, 5), n_classes=2)
    assert built(torch.rand(3, 1, 4, 5)).shape == (3, 2)


def test_own_module_gets_its_parameters():
    built = networks.TorchNetwork(Linear, module_params={"hidden": 7}).build(1, (4, 5), 2)
    assert built.layers[1].out_features == 7


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module"):
        networks.TorchNetwork(lambda: 3).build(1, (4, 4), 2)


def test_unknown_network_of_torchvision_is_named():
    with pytest.raises(ValueError, match=r"name='resnet19' is no classification network of torchvision"):
        networks.TorchvisionNetwork("resnet19").build(1, (48, 48), 6)


def test_timm_network_is_built_where_timm_is_installed():
    pytest.importorskip("timm")
    module = networks.TimmNetwork("resnet10t").build(in_channels=1, image_size=(48, 48), n_classes=4).eval()
    assert module(torch.rand(2, 1, 48, 48)).shape == (2, 4)
    with pytest.raises(ValueError, match="timm knows no model"):
        networks.TimmNetwork("resnet19").build(1, (48, 48), 6)


def test_absent_timm_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependencyError, match=r"sk-emotion\[timm\]"):
        networks.TimmNetwork().build(1, (48, 48), 6)
