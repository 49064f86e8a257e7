"""Choose the device, and recognize out-of-memory errors."""

import torch

from ..exceptions import ParameterError
from ._locks import use_one_thread_after_fork

use_one_thread_after_fork()


def choose_device(device: str | torch.device) -> str:
    """Resolve ``"auto"`` to cuda, mps or cpu.

    Raises
    ------
    ParameterError
        If the device is not available, or cannot compute.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    shown = repr(str(device))
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise ParameterError(f'device={shown} is not a PyTorch device. Pass "auto", "cpu", "cuda" or "mps".') from error
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise ParameterError(f'device={shown}, but PyTorch finds no CUDA device. Pass device="auto" or "cpu".')
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise ParameterError(f'device={shown}, but PyTorch finds no Apple GPU. Pass device="auto" or "cpu".')
    try:
        # Some devices, such as "meta", cannot compute, and others are only known by name.
        torch.ones(1, device=wanted).item()
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].partition(". ")[0][:100]
        raise ParameterError(
            f'device={shown}, but PyTorch cannot compute on it ({reason}). Pass device="auto" or "cpu".'
        ) from error
    return str(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that a device is out of memory."""
    # PyTorch has no exception type for it on a CPU.
    words = ("can't allocate memory", "size calculation overflowed")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error) for word in words)
