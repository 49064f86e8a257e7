"""The loss that training minimizes: built from the parameters of an EmotionClassifier, and computed per image."""

import copy
import inspect
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ..exceptions import ParameterError, TrainingError
from ..utils._device import is_out_of_memory


class CrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy of each image, with label smoothing in training only."""

    def forward(self, logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        smoothing = self.label_smoothing if self.training else 0.0
        return functional.cross_entropy(logits, codes, reduction="none", label_smoothing=smoothing)


def build_criterion(criterion: Any, params: dict[str, Any], label_smoothing: float) -> Any:
    """Build a loss: `criterion` is ``"cross_entropy"``, a class, to which `params` are passed, or a callable."""
    if isinstance(criterion, str):
        return CrossEntropy(label_smoothing=label_smoothing)
    built = _build_class(criterion, params) if isinstance(criterion, type) else copy.deepcopy(criterion)
    if not callable(built):
        raise ParameterError(
            f"criterion={_name(criterion)} builds an object that cannot be called, expected a torch.nn.Module "
            "that takes logits and class codes."
        )
    if isinstance(built, nn.NLLLoss):
        raise ParameterError(
            "criterion=NLLLoss takes log-probabilities, but networks return logits. Pass torch.nn.CrossEntropyLoss, "
            "which takes logits."
        )
    return built


def compute_loss(
    net: Any, logits: torch.Tensor, codes: torch.Tensor, sample_weight: torch.Tensor, training: bool
) -> torch.Tensor:
    """Return the mean loss of a batch, where a loss per image is multiplied by its weight."""
    name = _name(net.criterion.args[0])
    losses = _call(net.criterion_, logits, codes, name)
    if training and not losses.requires_grad:
        raise TrainingError(f"criterion={name} returned a loss that does not depend on the logits.")
    if not losses.ndim and net.has_weights:
        raise ParameterError(
            f"criterion={name} returned a scalar, but sample_weight or class_weight differ between images. Return one "
            'loss per image, as losses of PyTorch do with reduction="none", or pass no weights.'
        )
    return (losses * sample_weight).mean()


def list_state(criterion: Any) -> dict[str, torch.Tensor]:
    """Return the parameters and buffers of a loss by name."""
    return dict(criterion.state_dict()) if isinstance(criterion, nn.Module) else {}


def load_state(criterion: Any, state: dict[str, torch.Tensor]) -> bool:
    """Load the state returned by :func:`list_state`, unless it is that of another loss; return whether it fits."""
    own = list_state(criterion)
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in state.items()}:
        return False
    if own:
        criterion.load_state_dict(state)
    return True


def _call(criterion: Any, logits: torch.Tensor, codes: torch.Tensor, name: str) -> torch.Tensor:
    """Return the loss of each image, or a scalar."""
    wanted = f"expected one loss per image, of shape ({len(codes)},), or their mean"
    try:
        losses = criterion(logits, codes)
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise ParameterError(
            f"criterion={name} cannot be computed for logits of shape {tuple(logits.shape)} and class codes of shape "
            f"{tuple(codes.shape)} ({type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]})."
        ) from error
    if not isinstance(losses, torch.Tensor):
        raise ParameterError(f"criterion={name} returned a {type(losses).__name__}, {wanted}.")
    if losses.shape not in ((), codes.shape):
        raise ParameterError(f"criterion={name} returned a tensor of shape {tuple(losses.shape)}, {wanted}.")
    return losses


def _name(criterion: Any) -> str:
    """Return a short name of a criterion for messages."""
    return getattr(criterion, "__name__", " ".join(repr(criterion).split()))


def _build_class(criterion: type, params: dict[str, Any]) -> Any:
    """Build a loss of its class, with a loss per image if it has `reduction`, so that images can be weighted."""
    try:
        takes_reduction = "reduction" in inspect.signature(criterion).parameters
    except (TypeError, ValueError):
        takes_reduction = False
    given = {**({"reduction": "none"} if takes_reduction else {}), **copy.deepcopy(params)}
    try:
        return criterion(**given)
    except (RuntimeError, TypeError, ValueError) as error:
        shown = ", ".join(f"{name}={value!r}" for name, value in given.items())
        raise ParameterError(
            f"criterion={_name(criterion)} cannot be built with {shown or 'no parameters'} ({error}). Pass "
            "its parameters as criterion__..., such as criterion__reduction."
        ) from error
