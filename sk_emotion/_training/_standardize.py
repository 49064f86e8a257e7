"""Standardize pixels: learn mean and standard deviation of the training images, and apply them to each batch."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._images._pixel_range import clip_pixels, is_clipped
from .._images._stored import iterate_blocks

# Rows at a time in the computation of pixel statistics.
_CHUNK = 1024
_LEVELS = np.arange(256.0)


@dataclass(eq=False)
class Preparation:
    """Scale pixels to [0, 1], augment images in training, and standardize each channel."""

    pixel_range: tuple[float, float]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    augmentation: Any = None
    generator: torch.Generator | None = None
    _placed: dict[tuple[torch.dtype, torch.device], torch.Tensor] = field(default_factory=dict, init=False)

    def __call__(self, images: torch.Tensor, *, augment: bool = False) -> torch.Tensor:
        low, high = self.pixel_range
        # Tiny images are predicted in float64.
        scaled = images if images.dtype == torch.float64 else images.float()
        if low:
            scaled = scaled - low
        if high - low != 1:
            scaled = scaled / (high - low)
        if is_clipped(self.pixel_range) and images.dtype != torch.uint8:
            scaled = scaled.clamp(0, 1)
        scaled = scaled.contiguous(memory_format=torch.channels_last)
        if augment and self.augmentation is not None:
            scaled = self.augmentation(scaled, self.generator)
        mean, std = self._place_statistics(scaled.dtype, scaled.device)
        return (scaled - mean) / std

    def _place_statistics(self, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Return mean and standard deviation, cached on the device: copying them in each batch would synchronize."""
        place = (dtype, device)
        if place not in self._placed:
            # Tensors created in inference mode cannot be used in autograd later.
            with torch.inference_mode(False):
                statistics = torch.as_tensor(np.stack([self.mean, self.std]), dtype=dtype, device=device)
                self._placed[place] = statistics.reshape(2, 1, -1, 1, 1)
        return self._placed[place]


def learn_pixel_statistics(
    images: Any, pixel_range: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute mean and standard deviation of each channel, with `pixel_range` scaled to [0, 1]."""
    low, high = pixel_range
    n_channels = images.shape[3] if images.ndim == 4 else 1
    total, squares, count = np.zeros(n_channels), np.zeros(n_channels), 0
    for block in iterate_blocks(images, most_rows=_CHUNK):
        chunk = block.reshape(-1, n_channels)
        if chunk.dtype == np.uint8:
            # Counting 256 values is exact, and five times as fast as summing in float64.
            counts = np.stack([np.bincount(channel, minlength=256) for channel in chunk.T], axis=1)
            total += _LEVELS @ counts
            squares += _LEVELS**2 @ counts
        else:
            values = clip_pixels(chunk, pixel_range).astype(np.float64)
            total += values.sum(axis=0)
            squares += (values**2).sum(axis=0)
        count += len(chunk)
    mean = (total / count - low) / (high - low)
    std = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0)) / (high - low)
    # Constant images have a standard deviation of 0.
    return mean.astype(np.float32), np.where(std > 1e-6, std, 1.0).astype(np.float32)
