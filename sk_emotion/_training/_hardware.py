"""How many threads and images at once, and which precision, pay on the hardware."""

import ctypes
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from typing import Any

import torch
from joblib.parallel import get_active_backend
from torch import nn

from .._images._validation import MIN_AUGMENT_SIZE
from ..exceptions import ImageSizeError, ParameterError
from ..utils._dask import in_dask_task
from ..utils._locks import ForkSafeLock

# Of all modules: who computes in doubles is quickly done. A module is copied only when nobody does.
module_lock = ForkSafeLock()

_PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

# Pixels to predict at once, and images, whatever their size. On a processor it is what predicts fastest, from 24x24 to
# 96x96 pixels; at 224x224, where torchvision's networks soon make images small, 16 at once are twice as fast as two.
_N_PIXELS_ON_CPU = 64 * 48 * 48
_N_PIXELS_ON_GPU = 1024 * 48 * 48
_FEWEST, _MOST = 16, 1024


def choose_precision(precision: str, device: str, image_size: tuple[int, int], smallest_map: int) -> str:
    """Resolve ``"auto"`` to bf16 where the hardware computes in it and it is safe, else to fp32.

    The environment variable SK_EMOTION_PRECISION, ``fp32`` or ``bf16``, takes the place of what the hardware has: the
    same training on processors of different kinds, or bf16 where it is emulated.

    On CPU, bf16 convolutions on 1x1 maps give gradients that are not finite (measured, PyTorch 2.15).

    Raises
    ------
    ParameterError
        If SK_EMOTION_PRECISION holds anything else.
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
    """Return ``"bf16"`` if the hardware computes in it, else ``"fp32"``."""
    kind = torch.device(device).type
    if kind == "cuda":
        has_bf16 = torch.cuda.get_device_capability(device)[0] >= 8
    else:
        has_bf16 = kind == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return "bf16" if has_bf16 else "fp32"


def prediction_batch_size(batch_size: int, device: str, image_size: tuple[int, int]) -> int:
    """Give the number of images to predict at once, where `batch_size` are trained on at once.

    On a processor the results of a layer should fit its cache, and glibc's 32 MiB, beyond which memory comes fresh from
    the system, a page fault for each 4 KiB: 256 faces of 48x48 take 1.2 to 1.4 times as long, in layers of 16 channels
    or more (measured). A GPU is kept busy by many images, and has room for them: in training it keeps the results of
    all layers.
    """
    on_cpu = torch.device(device).type == "cpu"
    n_images = (_N_PIXELS_ON_CPU if on_cpu else _N_PIXELS_ON_GPU) // math.prod(image_size)
    n_images = min(max(n_images, _FEWEST), _MOST)
    return n_images if on_cpu else max(batch_size, n_images)


def autocast(precision: str, device: str) -> Any:
    """Give the context in which a forward pass runs."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=_PRECISIONS[precision])


@contextmanager
def in_doubles(module: nn.Module) -> Iterator[None]:
    """Let a module compute in float64, one thread after the other, and in float32 again."""
    with module_lock:
        module.double()
        try:
            yield
        finally:
            module.float()


@contextmanager
def as_if_alone() -> Iterator[None]:
    """Compute inside a worker of joblib's or Dask's about as fast as in a process that has its cores to itself.

    A worker that would take all cores, as the others do too, gets one thread. Teams of threads that share cores wait
    for one another: two times two threads on two cores are more than ten times as slow (measured). joblib gives its
    default workers, processes of loky, their share of the cores by OMP_NUM_THREADS, and Dask those that a nanny
    starts, but neither does so for threads.
    """
    is_in_dask = in_dask_task()
    if is_in_dask:
        _keep_freed_memory()
    is_worker = is_in_dask or get_active_backend()[0].nesting_level != 0
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
    """Let glibc keep up to 64 MiB that are free, as it comes to do by itself, once in a process.

    Dask's nannies set MALLOC_TRIM_THRESHOLD_, by which glibc also ceases to learn which sizes are asked for again and
    again: every activation comes fresh from the system, a page fault for each 4 KiB, and training takes 1.6 times as
    long (measured). The figures are what glibc learns at most (``man mallopt``).
    """
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        return
    with suppress(OSError, AttributeError, TypeError):  # another system, another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def smallest_feature_map(
    module: nn.Module, in_channels: int, image_size: tuple[int, int], n_classes: int, *, name: str
) -> int:
    """Run two blank images through `module`; return the smallest side of what its convolutions put out.

    `name` is what an error calls the module.

    Raises
    ------
    ImageSizeError
        If the module cannot take images of this size or does not return ``(n, n_classes)``.
    """
    sides = [min(image_size)]

    def record(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        sides.append(min(output.shape[-2:]))

    handles = [layer.register_forward_hook(record) for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            output = module(torch.zeros(2, in_channels, *image_size))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ImageSizeError(
            f"{name} cannot take {image_size[0]}x{image_size[1]} images with {in_channels} "
            f"channel(s) ({reason}). Use larger images or another network."
        ) from error
    finally:
        module.train(was_training)
        for handle in handles:
            handle.remove()
    if tuple(getattr(output, "shape", ())) != (2, n_classes):
        raise ImageSizeError(
            f"{name} returned {tuple(getattr(output, 'shape', ()))} for 2 images, expected logits "
            f"of shape (2, {n_classes}). Let its last layer have n_classes outputs."
        )
    return min(sides)
