"""Convert images to PyTorch tensors."""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def as_tensor(images: NDArray[Any]) -> torch.Tensor:
    """Return a (n, C, H, W) view of images (n, H, W) or (n, H, W, 3); floats become float32."""
    images = np.ascontiguousarray(images if images.dtype == np.uint8 else images.astype(np.float32, copy=False))
    if images.flags["W"]:
        tensor = torch.from_numpy(images)
    else:
        with warnings.catch_warnings():
            # PyTorch warns that it could write to a read-only array, such as a memory-map. This library never does.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            tensor = torch.from_numpy(images)
    return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2)
