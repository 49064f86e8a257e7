"""Which device to compute on, and whether its memory was enough."""

import torch

from ..exceptions import ParameterError
from ._locks import compute_alone_after_fork

compute_alone_after_fork()


def choose_device(device: str | torch.device) -> str:
    """Resolve ``"auto"`` to cuda, mps or cpu.

    Raises
    ------
    ParameterError
        If the device is not there, or computes nothing.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    shown = repr(str(device))
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise ParameterError(f'device={shown} is no device of PyTorch. Pass "auto", "cpu", "cuda" or "mps".') from error
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise ParameterError(f'device={shown}, but PyTorch sees no CUDA device here. Pass device="auto" or "cpu".')
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise ParameterError(f'device={shown}, but PyTorch sees no Apple GPU here. Pass device="auto" or "cpu".')
    try:
        # Some, such as "meta", compute nothing, and others are known by name alone.
        torch.ones(1, device=wanted).item()
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].partition(". ")[0][:100]
        raise ParameterError(
            f'device={shown}, but PyTorch cannot compute on it here ({reason}). Pass device="auto" or "cpu".'
        ) from error
    return str(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether memory of a device does not suffice."""
    # On a CPU, PyTorch has no type of its own for it.
    words = ("can't allocate memory", "size calculation overflowed")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error) for word in words)
