import pickle
import sys

import pytest
import torch
from sklearn.base import BaseEstimator, clone
from torch import nn

from sk_emotion.exceptions import ImageSizeError, MissingDependencyError, ParameterError
from sk_emotion.networks import VGG, Network, ResNet, TimmNetwork, TorchNetwork, TorchvisionNetwork


def perceptron(in_channels, image_size, n_classes, hidden=4):
    height, width = image_size
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * height * width, hidden), nn.Linear(hidden, n_classes))


class Pooled(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.head = nn.Linear(1, n_classes)

    def forward(self, images):
        return self.head(images.mean(dim=(1, 2, 3))[:, None])


SPECS = [
    ResNet(width=4),
    ResNet(width=2, blocks_per_stage=2, dropout=0),
    ResNet(width=2, pool=1),
    VGG(width=4),
    VGG(width=4, pool=2),
    TorchvisionNetwork("squeezenet1_1"),
    TorchNetwork(perceptron),
    TorchNetwork(Pooled),
]


def name_spec(spec):
    """Return a test id without memory addresses, which differ between processes of pytest-xdist."""
    return repr(spec).split(" at 0x")[0]


def count_weights(module):
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize("spec", SPECS, ids=name_spec)
@pytest.mark.parametrize("in_channels", [1, 3])
@pytest.mark.parametrize("image_size", [(48, 48), (33, 20)])
def test_network_returns_a_logit_per_class(spec, in_channels, image_size):
    module = spec.build(in_channels=in_channels, image_size=image_size, n_classes=5)
    assert isinstance(module, nn.Module)
    logits = module(torch.rand(2, in_channels, *image_size))
    assert logits.shape == (2, 5)
    logits.sum().backward()
    assert all(weight.grad is not None for weight in module.parameters())


@pytest.mark.parametrize("spec", SPECS, ids=name_spec)
def test_spec_can_be_cloned_and_compared(spec):
    assert isinstance(spec, Network) and isinstance(spec, BaseEstimator)
    assert not hasattr(spec, "fit")
    copy = clone(spec)
    assert copy is not spec and copy.get_params() == spec.get_params() and repr(copy) == repr(spec)
    before = dict(vars(spec))
    spec.build(1, (32, 32), 2)
    assert vars(spec) == before


def test_spec_prints_changed_parameters():
    assert repr(ResNet(16, dropout=0.5)) == "ResNet(dropout=0.5, width=16)"
    assert repr(VGG()) == "VGG()"
    assert ResNet().set_params(width=8).width == 8


def test_each_build_draws_new_weights():
    spec = ResNet(width=2)
    first, second = (next(spec.build(1, (32, 32), 2).parameters()) for _ in range(2))
    assert not torch.equal(first, second)


def test_network_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Network()


@pytest.mark.parametrize(("width", "millions"), [(32, 1.2), (24, 0.7)])
def test_number_of_weights_of_resnet_matches_the_docstring(width, millions):
    assert count_weights(ResNet(width).build(1, (48, 48), 6)) / 1e6 == pytest.approx(millions, abs=0.05)


def test_resnet_grows_with_blocks_and_width():
    sizes = [
        count_weights(spec.build(1, (48, 48), 6)) for spec in (ResNet(4), ResNet(4, blocks_per_stage=2), ResNet(8))
    ]
    assert sizes[0] < sizes[1] and sizes[0] < sizes[2]
    dropouts = [
        layer.p for layer in ResNet(4, dropout=0.3).build(1, (48, 48), 6).modules() if isinstance(layer, nn.Dropout)
    ]
    assert dropouts == [0.3]


@pytest.mark.parametrize(
    ("network", "image_size", "cells"),
    [
        (ResNet(2), (48, 48), 9),
        (ResNet(2, pool=2), (48, 48), 4),
        (ResNet(2, pool=1), (48, 48), 1),
        (ResNet(2), (40, 25), 9),
        (ResNet(2), (16, 64), 6),
        (ResNet(2), (8, 8), 1),
        (VGG(2), (48, 48), 9),
        (VGG(2), (70, 48), 9),
        (VGG(2, pool=1), (48, 48), 1),
        (VGG(2), (24, 32), 2),
    ],
)
def test_last_layer_sees_a_grid_of_at_most_pool_cells_per_side(network, image_size, cells):
    module = network.build(1, image_size, 3).eval()
    head = next(layer for layer in module.modules() if isinstance(layer, nn.Linear))
    assert head.in_features == 16 * cells
    seen = []
    pools = [layer for layer in module.modules() if isinstance(layer, nn.AvgPool2d | nn.AdaptiveAvgPool2d)]
    pools[-1].register_forward_hook(lambda layer, inputs, output: seen.extend([inputs[0], output]))
    module(torch.rand(2, 1, *image_size))
    maps, pooled = seen
    # Every pixel of the maps is in a cell, and cells are means of equal size, in order.
    assert pooled.shape[2] * pooled.shape[3] == cells
    if all(length % count == 0 for length, count in zip(maps.shape[2:], pooled.shape[2:], strict=True)):
        torch.testing.assert_close(pooled, nn.functional.adaptive_avg_pool2d(maps, pooled.shape[2:]))
    marked = torch.zeros_like(maps)
    marked[..., -1, -1] = 1
    assert pools[-1](marked)[..., -1, -1].min() > 0 and pools[-1](marked).flatten(2)[..., :-1].abs().sum() == 0


@pytest.mark.parametrize("pool", [0, -1, 1.5, "3", [3]])
@pytest.mark.parametrize("network", [ResNet(width=2), VGG(width=2)])
def test_pool_that_is_no_positive_integer_is_an_error(network, pool):
    with pytest.raises(ParameterError, match=r"pool=.*, expected an integer of at least 1"):
        clone(network).set_params(pool=pool).build(1, (48, 48), 3)


def test_parameters_of_resnet_are_resolved_from_the_pretrained_weights():
    assert ResNet().resolve().get_params() == {
        **ResNet().get_params(), "width": 24, "blocks_per_stage": 1, "pool": 3
    }  # fmt: skip
    start = ResNet(pretrained="fer2013", dropout=0.3)
    resolved = start.resolve()
    assert (resolved.width, resolved.blocks_per_stage, resolved.pool, resolved.dropout) == (24, 1, 1, 0.3)
    assert (start.width, start.pool) == (None, None)
    assert resolved.without_weights().get_params() == {**resolved.get_params(), "pretrained": None}
    assert start.without_weights().pool == 1
    assert start.build(1, (48, 48), 4).head[-1].in_features == 192
    assert ResNet(pretrained="fer2013", pool=2).build(1, (48, 48), 4).head[-1].in_features == 4 * 192


@pytest.mark.parametrize("network", [ResNet(width=2), VGG(width=2)])
def test_networks_of_older_files_have_global_pooling(network):
    older = pickle.loads(pickle.dumps(network))
    state = older.__getstate__()
    del state["pool"]
    older = type(network).__new__(type(network))
    older.__setstate__(state)
    assert older.pool == 1
    assert pickle.loads(pickle.dumps(network)).pool == network.pool


@pytest.mark.parametrize("image_size", [(1, 1), (1, 2), (2, 1), (3, 5)])
def test_resnet_accepts_tiny_images(image_size):
    module = ResNet(width=2).build(1, image_size, 3)
    assert module(torch.rand(4, 1, *image_size)).shape == (4, 3)


@pytest.mark.parametrize("image_size", [(15, 16), (48, 8)])
def test_image_too_small_for_vgg_is_an_error(image_size):
    with pytest.raises(ImageSizeError, match=f"{image_size[0]}x{image_size[1]} pixels. Use images of at least 16x16"):
        VGG(width=2).build(1, image_size, 2)
    assert VGG(width=2).build(1, (16, 16), 2)(torch.rand(2, 1, 16, 16)).shape == (2, 2)


def test_torchvision_network_repeats_grayscale_images():
    module = TorchvisionNetwork("squeezenet1_1").build(1, (48, 48), 4).eval()
    gray = torch.rand(2, 1, 48, 48)
    assert torch.equal(module(gray), module.module(gray.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("name", ["resnet999", "ssd300_vgg16", "fcn_resnet50"])
def test_torchvision_network_without_classification_is_an_error(name):
    with pytest.raises(ValueError, match=f"name='{name}' is not a classification network"):
        TorchvisionNetwork(name).build(3, (64, 64), 2)


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
def test_network_with_auxiliary_heads_has_one_output_in_training():
    module = TorchvisionNetwork("googlenet").build(3, (64, 64), 4).train()
    assert module(torch.rand(2, 3, 64, 64)).shape == (2, 4)


def patch_weights(monkeypatch, name):
    """Patch torchvision to return `name` with random instead of downloaded weights."""
    from torchvision import models

    get_model = models.get_model
    monkeypatch.setattr(models, "get_model", lambda model, weights: get_model(model, weights=None))
    return TorchvisionNetwork(name, weights="DEFAULT")


def test_pretrained_network_gets_a_new_last_layer(monkeypatch):
    module = patch_weights(monkeypatch, "resnet18").build(3, (32, 32), 4)
    assert module.fc.out_features == 4
    assert module(torch.rand(2, 3, 32, 32)).shape == (2, 4)


def test_pretrained_network_without_a_linear_layer_is_an_error(monkeypatch):
    with pytest.raises(ValueError, match="'squeezenet1_1' has no linear classification layer"):
        patch_weights(monkeypatch, "squeezenet1_1").build(3, (32, 32), 4)


@pytest.mark.parametrize("in_channels", [1, 3])
def test_timm_network_builds_for_grayscale_and_rgb(in_channels):
    pytest.importorskip("timm")
    module = TimmNetwork("mobilenetv3_small_050").build(in_channels, (48, 48), 4)
    assert module(torch.rand(2, in_channels, 48, 48)).shape == (2, 4)


def test_unknown_timm_network_is_an_error():
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match="timm has no model 'resnet999'"):
        TimmNetwork("resnet999").build(1, (48, 48), 4)


def test_missing_timm_is_an_error_that_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "sk-emotion\[timm\]"'):
        TimmNetwork().build(1, (48, 48), 4)


def test_custom_module_is_called_with_the_arguments_in_its_signature():
    def build_nothing():
        given.append({})
        return nn.Identity()

    def build_by_size(image_size, *, depth=1):
        given.append({"image_size": image_size, "depth": depth})
        return nn.Identity()

    def build_by_anything(**settings):
        given.append(settings)
        return nn.Identity()

    given = []
    TorchNetwork(build_nothing).build(1, (8, 9), 2)
    TorchNetwork(build_by_size, module_params={"depth": 3}).build(1, (8, 9), 2)
    TorchNetwork(build_by_anything, module_params={"depth": 3}).build(1, (8, 9), 2)
    assert given == [
        {},
        {"image_size": (8, 9), "depth": 3},
        {"in_channels": 1, "image_size": (8, 9), "n_classes": 2, "depth": 3},
    ]


def test_module_params_take_precedence():
    module = TorchNetwork(perceptron, module_params={"hidden": 7, "n_classes": 9}).build(1, (8, 8), 2)
    assert module[1].out_features == 7 and module[2].out_features == 9
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        TorchNetwork(perceptron, module_params={"depth": 7}).build(1, (8, 8), 2)


def test_module_params_survive_a_clone():
    assert clone(TorchNetwork(perceptron, module_params={"hidden": 7})).module_params == {"hidden": 7}


def test_function_that_returns_no_module_is_an_error():
    with pytest.raises(TypeError, match=r"returned a list, expected a torch.nn.Module"):
        TorchNetwork(lambda n_classes: [n_classes]).build(1, (8, 8), 2)


def test_module_instance_is_copied():
    module = Pooled(2)
    copies = [TorchNetwork(module).build(1, (8, 8), 2) for _ in range(2)]
    assert all(torch.equal(copy.head.weight, module.head.weight) for copy in copies)
    assert len({id(weight) for built in (module, *copies) for weight in built.parameters()}) == 6
    with pytest.raises(TypeError, match=r"is an instance of Pooled, which takes no module_params\. Pass its class"):
        TorchNetwork(module, module_params={"n_classes": 2}).build(1, (8, 8), 2)


def test_modules_among_module_params_are_copied():
    head = nn.Linear(64, 2)
    spec = TorchNetwork(lambda last: nn.Sequential(nn.Flatten(), last), module_params={"last": head})
    first, second = (spec.build(1, (8, 8), 2) for _ in range(2))
    assert len({id(module) for module in (head, first[1], second[1])}) == 3
    assert torch.equal(first[1].weight, head.weight)


@pytest.mark.parametrize("spec", [ResNet(), ResNet(width=8, blocks_per_stage=2), VGG()], ids=name_spec)
def test_no_1x1_convolution_has_a_stride(spec):
    # On CPU with several threads, its backward pass corrupts the memory of the process (PyTorch 2.15).
    module = spec.build(1, (48, 48), 6)
    convolutions = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    assert all(layer.stride == (1, 1) for layer in convolutions if layer.kernel_size == (1, 1))


def test_shortcut_averages_over_the_stride():
    block = ResNet(width=4).build(1, (48, 48), 6).stage2[0].eval()
    images = torch.rand(2, 8, 12, 12)
    means = images.reshape(2, 8, 6, 2, 6, 2).mean(dim=(3, 5))
    expected = torch.relu(block.second(torch.relu(block.first(images))) + block.shortcut(means))
    torch.testing.assert_close(block(images), expected)


def test_specification_without_weights_builds_the_same_module_and_downloads_nothing(monkeypatch):
    spec = patch_weights(monkeypatch, "resnet18")
    names = list(spec.build(1, (48, 48), 3).state_dict())
    monkeypatch.undo()
    assert list(spec.without_weights().build(1, (48, 48), 3).state_dict()) == names
    assert TimmNetwork("resnet18", pretrained=True).without_weights().pretrained is False
    assert ResNet(width=3).without_weights().width == 3


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_network_without_weights_still_transforms_its_input(name):
    assert TorchvisionNetwork(name, weights="DEFAULT").without_weights().build(3, (96, 96), 2).transform_input
    assert not TorchvisionNetwork(name).without_weights()._options
