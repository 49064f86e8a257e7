"""Number of threads, batch size of predictions, and precision for the hardware."""

import ctypes
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from typing import Any

import torch
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from torch import nn

from .._images._validation import MIN_AUGMENT_SIZE
from ..exceptions import ImageSizeError, ParameterError
from ..utils._parallel import ForkSafeLock, in_dask_task
from ..utils._text import name_some

# Shared by all modules: conversion to float64 is brief, and a module must not be copied meanwhile.
module_lock = ForkSafeLock()

_PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

# Pixels in a batch of predictions, and bounds on the number of images. On a CPU, this is fastest from 24x24 to 96x96
# pixels, since activations fit the cache and stay below 32 MiB, above which glibc allocates from the system with a page
# fault per 4 KiB; at 224x224, where torchvision's networks downsample early, batches of 16 are twice as fast as batches
# of 2. A GPU needs many images to be busy.
_N_PIXELS_ON_CPU = 64 * 48 * 48
_N_PIXELS_ON_GPU = 1024 * 48 * 48
_FEWEST, _MOST = 16, 1024


def choose_precision(precision: str, device: str, image_size: tuple[int, int], smallest_map: int) -> str:
    """Resolve ``"auto"`` to bf16 if the hardware supports it and it is safe, else to fp32.

    On CPU, bf16 convolutions on 1x1 maps return gradients that are not finite (measured, PyTorch 2.15).
    """
    if precision != "auto":
        return precision
    kind = torch.device(device).type
    is_safe = min(image_size) >= MIN_AUGMENT_SIZE and not (kind == "cpu" and smallest_map <= 1)
    preferred = os.environ.get("SK_EMOTION_PRECISION") or native_precision(device)
    if preferred not in ("fp32", "bf16"):
        raise ParameterError(
            f"The environment variable SK_EMOTION_PRECISION must be 'fp32' or 'bf16'; got {preferred!r}."
        )
    return preferred if is_safe else "fp32"


def native_precision(device: str = "cpu") -> str:
    """Return ``"bf16"`` if the hardware supports it natively, else ``"fp32"``."""
    kind, has_bf16 = torch.device(device).type, False
    if kind == "cuda":
        has_bf16 = torch.cuda.get_device_capability(device)[0] >= 8
    elif kind == "cpu":
        has_bf16 = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return "bf16" if has_bf16 else "fp32"


def prediction_batch_size(batch_size: int, device: str, image_size: tuple[int, int]) -> int:
    """Return the batch size of predictions, where `batch_size` is that of training."""
    on_cpu = torch.device(device).type == "cpu"
    n_images = (_N_PIXELS_ON_CPU if on_cpu else _N_PIXELS_ON_GPU) // math.prod(image_size)
    n_images = min(max(n_images, _FEWEST), _MOST)
    return n_images if on_cpu else max(batch_size, n_images)


def autocast(precision: str, device: str) -> Any:
    """Return the context manager for a forward pass in `precision`."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=_PRECISIONS[precision])


@contextmanager
def double_precision(module: nn.Module) -> Iterator[None]:
    """Convert a module to float64 inside the context, and back to float32; one thread at a time."""
    with module_lock:
        module.double()
        try:
            yield
        finally:
            module.float()


@contextmanager
def limit_worker_threads() -> Iterator[None]:
    """Limit PyTorch to one thread in workers of joblib or Dask, whose threads would wait for one another.

    joblib sets OMP_NUM_THREADS for loky processes, and Dask for those of a nanny, but neither does for threads.
    """
    is_worker = get_active_backend()[0].nesting_level != 0
    if in_dask_task():
        is_worker = True
        _keep_freed_memory()
    if not is_worker or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


@cache
def _keep_freed_memory() -> None:
    """Let glibc keep up to 64 MiB of freed memory, its own dynamic maximum; acts once per process.

    The MALLOC_TRIM_THRESHOLD_ of Dask's nannies disables that: training takes 1.6 times as long (measured).
    """
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        return
    with suppress(OSError, AttributeError, TypeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def smallest_feature_map(module: nn.Module, image_shape: tuple[int, ...], classes: NDArray[Any], *, name: str) -> int:
    """Return the smallest side of the feature maps of `module`, which errors call `name`, for two blank images."""
    height, width, in_channels = (*image_shape, 1)[:3]
    sides = [min(height, width)]

    def record(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        sides.append(min(output.shape[-2:]))

    handles = [layer.register_forward_hook(record) for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            output = module(torch.zeros(2, in_channels, height, width))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ImageSizeError(
            f"{name} cannot process {height}x{width} images with {in_channels} channel(s) ({reason}). Use larger "
            "images or another network."
        ) from error
    finally:
        module.train(was_training)
        for handle in handles:
            handle.remove()
    if not isinstance(output, torch.Tensor):
        raise ParameterError(f"{name} returned a {type(output).__name__}, expected a tensor of logits.")
    shape, n_classes = tuple(output.shape), len(classes)
    if len(shape) == 2 and shape[0] == 2 and shape[1] != n_classes:
        outputs = "1 output" if shape[1] == 1 else f"{shape[1]} outputs"
        raise ParameterError(
            f"{name} has {outputs}, but y contains {n_classes} classes: {name_some(classes.tolist())}. The last layer "
            "must have n_classes outputs."
        )
    if shape != (2, n_classes):
        raise ImageSizeError(
            f"{name} returned {shape} for 2 images, expected logits of shape (2, {n_classes}). The last layer must "
            "have n_classes outputs."
        )
    return min(sides)
