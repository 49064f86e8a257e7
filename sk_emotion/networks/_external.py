"""Networks of torchvision and timm, and custom modules."""

import copy
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn

from ..exceptions import MissingDependencyError, OutOfMemoryError
from ..utils._device import is_out_of_memory
from ._base import Network


class TorchvisionNetwork(Network):
    """A classification network of torchvision, with input and output adapted to the images and classes.

    Parameters
    ----------
    name : str, default="resnet18"
        Name in :func:`torchvision.models.list_models`.
    weights : str or None, default=None
        Name of pretrained weights in torchvision, such as ``"DEFAULT"``, which torchvision downloads. The
        classification layer is always newly initialized.

    Notes
    -----
    Grayscale images are repeated over the three channels that these networks expect.

    Examples
    --------
    >>> from sk_emotion.networks import TorchvisionNetwork
    >>> module = TorchvisionNetwork("resnet18").build(in_channels=1, image_size=(64, 64), n_classes=6)
    """

    _options: Mapping[str, bool] = MappingProxyType({})

    def __init__(self, name: str = "resnet18", *, weights: str | None = None):
        self.name = name
        self.weights = weights

    def build(self, in_channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        from torchvision import models

        if self.name not in models.list_models(module=models):
            raise ValueError(
                f"TorchvisionNetwork: name={self.name!r} is not a classification network of torchvision. "
                "torchvision.models.list_models(module=torchvision.models) lists them."
            )
        if self.weights is None:
            module = models.get_model(self.name, weights=None, num_classes=n_classes, **self._options)
        else:
            module = models.get_model(self.name, weights=self.weights)
            _replace_last_linear(module, n_classes, self.name)
        # Inception and GoogLeNet have auxiliary outputs in training.
        for name, value in {"aux1": None, "aux2": None, "AuxLogits": None, "aux_logits": False}.items():
            if hasattr(module, name):
                setattr(module, name, value)
        return _RepeatChannel(module) if in_channels == 1 else module

    def without_weights(self) -> Network:
        bare = TorchvisionNetwork(self.name)
        if self.weights is not None and self.name in ("googlenet", "inception_v3"):
            # With weights, these two also transform their input.
            bare._options = {"transform_input": True, "init_weights": False}
        return bare


class TimmNetwork(Network):
    """A network of timm (``pip install "sk-emotion[timm]"``).

    Parameters
    ----------
    name : str, default="resnet18"
        Name in ``timm.list_models()``.
    pretrained : bool, default=False
        Whether timm downloads and loads pretrained weights.

    Examples
    --------
    >>> from sk_emotion.networks import TimmNetwork
    >>> TimmNetwork("resnet18")
    TimmNetwork()
    """

    def __init__(self, name: str = "resnet18", *, pretrained: bool = False):
        self.name = name
        self.pretrained = pretrained

    def build(self, in_channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        try:
            import timm
        except ImportError as error:
            raise MissingDependencyError(
                'TimmNetwork needs timm, which is not installed: pip install "sk-emotion[timm]".'
            ) from error
        if not timm.is_model(self.name):
            raise ValueError(f"TimmNetwork: timm has no model {self.name!r}. timm.list_models() lists them.")
        return timm.create_model(self.name, pretrained=self.pretrained, in_chans=in_channels, num_classes=n_classes)

    def without_weights(self) -> Network:
        return TimmNetwork(self.name)


class TorchNetwork(Network):
    """A custom PyTorch module.

    Parameters
    ----------
    module : torch.nn.Module class or instance, or callable
        A class, or a function that returns a module, is called with those of ``in_channels``, ``image_size`` and
        ``n_classes`` that are in its signature, and with `module_params`. An instance is copied.
    module_params : dict or None, default=None
        Additional keyword arguments of a class or function, as a dict because ``clone`` does not support ``**kwargs``.
        They are copied, too.

    Notes
    -----
    :class:`~sk_emotion.EmotionClassifier` takes classes and instances of modules without this wrapper. Each fit of an
    instance starts with its weights; those of a class are drawn anew. Pickles contain instances, but files of
    :func:`~sk_emotion.save_model` contain classes and functions only, by name.

    Examples
    --------
    >>> from torch import nn
    >>> from sk_emotion.networks import TorchNetwork
    >>> def perceptron(in_channels, image_size, n_classes, hidden=16):
    ...     height, width = image_size
    ...     return nn.Sequential(
    ...         nn.Flatten(), nn.Linear(in_channels * height * width, hidden), nn.ReLU(), nn.Linear(hidden, n_classes)
    ...     )
    >>> module = TorchNetwork(perceptron, module_params={"hidden": 8}).build(1, (48, 48), 6)
    """

    def __init__(self, module: nn.Module | Callable[..., nn.Module], *, module_params: dict[str, Any] | None = None):
        self.module = module
        self.module_params = module_params

    def build(self, in_channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        if isinstance(self.module, nn.Module):
            if self.module_params:
                raise TypeError(
                    f"TorchNetwork: module is an instance of {type(self.module).__name__}, which takes no "
                    "module_params. Pass its class."
                )
            return copy.deepcopy(self.module).cpu()
        offered = {"in_channels": in_channels, "image_size": image_size, "n_classes": n_classes}
        parameters = inspect.signature(self.module).parameters
        takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        accepted = {name: value for name, value in offered.items() if takes_all or name in parameters}
        try:
            module = self.module(**{**accepted, **copy.deepcopy(self.module_params or {})})
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            height, width = image_size
            raise OutOfMemoryError(
                f"TorchNetwork: {self.module!r} does not fit in memory for images of {height}x{width} pixels "
                f"({error}). Use smaller images, or a network whose layers do not grow with them."
            ) from error
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"TorchNetwork: module={self.module!r} returned a {type(module).__name__}, expected a torch.nn.Module."
            )
        return module


class _RepeatChannel(nn.Module):
    """Repeat one channel three times before `module`."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, images):
        return self.module(images.expand(-1, 3, -1, -1))


def _replace_last_linear(module: nn.Module, n_classes: int, model: str) -> None:
    """Replace the classification layer of a pretrained module."""
    linear = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise ValueError(
            f"TorchvisionNetwork: {model!r} has no linear classification layer to replace. Pass weights=None or "
            "another name."
        )
    name, last = linear[-1]
    parent, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(parent), attribute, nn.Linear(last.in_features, n_classes))
