"""Choose the device of PyTorch, recognize its out-of-memory errors, and limit its threads after a fork."""

import os
from functools import cache

import torch

from ..exceptions import ParameterError


def choose_device(device: str | torch.device) -> str:
    """Resolve ``"auto"`` to cuda, mps or cpu; raise ParameterError if another device is not available."""
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


@cache
def use_one_thread_after_fork() -> None:
    """Limit PyTorch to one thread in processes forked from this one, as its DataLoader does.

    It would wait forever for the other threads of its pool, which a fork does not copy (measured, PyTorch 2.15).
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_use_one_thread)


def _use_one_thread() -> None:
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)


use_one_thread_after_fork()
