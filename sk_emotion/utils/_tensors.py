"""Convert tensors to NumPy arrays, and reject torch Datasets with a hint."""

import sys
from typing import Any

import numpy as np

from ..exceptions import ImageArrayError, LabelError


def as_numpy(values: Any, owner: str, name: str = "X") -> Any:
    """Convert a tensor, or the tensors in a list, to NumPy arrays; return other values as they are.

    Tensors may be on a GPU, require gradients, or have a dtype that NumPy lacks, such as bfloat16.

    Raises
    ------
    ImageArrayError, or LabelError if `name` is not X
        If a tensor has no accessible values, or `values` is a PyTorch Dataset or DataLoader.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        _refuse_datasets(values, owner, name)
        if isinstance(values, list | tuple):
            if any(isinstance(value, torch.Tensor) for value in values):
                return [as_numpy(value, owner, name) for value in values]
            return values
        if isinstance(values, torch.Tensor):
            return _convert(values, torch, owner, name)
    # Arrays of other libraries, with which scikit-learn would compute if array_api_dispatch is set.
    if hasattr(values, "__array_namespace__") and not isinstance(values, np.ndarray | np.generic):
        try:
            return np.asarray(values)
        except Exception as error:
            raise _error_of(name)(
                f"{owner}: {name} is {type(values).__name__}, which cannot be converted to NumPy ({error}). Copy it to "
                "the CPU and pass np.asarray of it."
            ) from error
    return values


def _convert(tensor: Any, torch: Any, owner: str, name: str) -> Any:
    if tensor.is_meta:
        raise _error_of(name)(
            f"{owner}: {name} is a tensor on the meta device, which has no values. Pass a tensor on another device."
        )
    if tensor.is_nested:
        return [_convert(part, torch, owner, name) for part in tensor.unbind()]
    try:
        plain = tensor.detach()
        if plain.is_quantized:
            plain = plain.dequantize()
        if plain.layout != torch.strided:
            plain = plain.to_dense()
        if plain.is_floating_point() and plain.dtype not in (torch.float16, torch.float32, torch.float64):
            plain = plain.float()
        return plain.numpy(force=True)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise _error_of(name)(
            f"{owner}: {name} is a tensor that cannot be converted to NumPy ({str(error).splitlines()[0][:100]}). Pass "
            f"{name}.detach().float().cpu().numpy()."
        ) from error


def _refuse_datasets(values: Any, owner: str, name: str) -> None:
    data = sys.modules.get("torch.utils.data")
    if data is None or not isinstance(values, data.Dataset | data.DataLoader):
        return
    kind = f"torch Dataset ({type(values).__name__})"
    cure = "X = np.stack([np.asarray(image) for image, _ in dataset]) and y = np.array([label for _, label in dataset])"
    if isinstance(values, data.DataLoader):
        kind = "torch DataLoader"
        cure = "X = torch.cat([images for images, _ in loader]) and y = torch.cat([labels for _, labels in loader])"
    raise _error_of(name)(f"{owner}: {name} is a {kind}, expected an array. Pass arrays: {cure}.")


def _error_of(name: str) -> type[ImageArrayError | LabelError]:
    return ImageArrayError if name == "X" else LabelError
