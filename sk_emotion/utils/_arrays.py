"""Convert tensors to NumPy arrays, reject torch Datasets with a hint, and keep the index of tables."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._set_output import _get_output_config

from ..exceptions import ImageArrayError, LabelError


def as_numpy(values: Any, owner: str, name: str = "X") -> Any:
    """Convert a tensor, or the tensors in a list, to NumPy arrays; return other values as they are.

    Tensors may be on a GPU, require gradients, or have a dtype that NumPy lacks, such as bfloat16.
    """
    _refuse_datasets(values, owner, name)
    if isinstance(values, list | tuple):
        has_tensors = any(_is_torch(value, "Tensor") for value in values)
        return [as_numpy(value, owner, name) for value in values] if has_tensors else values
    if _is_torch(values, "Tensor"):
        return _convert(values, owner, name)
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


class IndexedImages(np.ndarray):
    """Images with the index of their table, by which a ColumnTransformer joins tables; slices have no index."""

    index: Any = None

    def __reduce__(self) -> Any:
        return _restore, (np.asarray(self), self.index)


def keep_index(images: NDArray[Any], X: Any, transformer: Any) -> NDArray[Any]:
    """Attach the index of `X` to `images`, if `transformer` is set to pandas output and X has an index."""
    index = X.index if isinstance(X, pd.DataFrame | pd.Series) else getattr(X, "index", None)
    if not isinstance(index, pd.Index) or _get_output_config("transform", transformer)["dense"] != "pandas":
        return images
    return _restore(images, index)


def use_index(features: NDArray[Any], X: Any, transformer: Any) -> Any:
    """Return `features` as a table with the index that :func:`keep_index` attached to the images `X`, if any."""
    if not isinstance(X, IndexedImages) or X.index is None:
        return features
    wanted = _get_output_config("transform", transformer)["dense"]
    return pd.DataFrame(features, index=X.index) if wanted == "pandas" else features


def _is_torch(value: Any, name: str) -> bool:
    """Return whether a value is an instance of a class of PyTorch, which takes seconds to import."""
    return any(base.__name__ == name and base.__module__.partition(".")[0] == "torch" for base in type(value).__mro__)


def _convert(tensor: Any, owner: str, name: str) -> Any:
    import torch

    if tensor.is_meta:
        raise _error_of(name)(
            f"{owner}: {name} is a tensor on the meta device, which has no values. Pass a tensor on another device."
        )
    if tensor.is_nested:
        return [_convert(part, owner, name) for part in tensor.unbind()]
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
    is_loader = _is_torch(values, "DataLoader")
    if not is_loader and not _is_torch(values, "Dataset"):
        return
    kind = f"torch Dataset ({type(values).__name__})"
    cure = "X = np.stack([np.asarray(image) for image, _ in dataset]) and y = np.array([label for _, label in dataset])"
    if is_loader:
        kind = "torch DataLoader"
        cure = "X = torch.cat([images for images, _ in loader]) and y = torch.cat([labels for _, labels in loader])"
    raise _error_of(name)(f"{owner}: {name} is a {kind}, expected an array. Pass arrays: {cure}.")


def _error_of(name: str) -> type[ImageArrayError | LabelError]:
    return ImageArrayError if name in ("X", "image") else LabelError


def _restore(images: NDArray[Any], index: Any) -> NDArray[Any]:
    indexed = images.view(IndexedImages)
    indexed.index = index
    return indexed
