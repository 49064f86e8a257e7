"""Rows of a table keep their labels on the way through images, which no table holds."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._set_output import _get_output_config


class IndexedImages(np.ndarray):
    """Images with the index of the table that they come from.

    A ColumnTransformer joins the tables of its transformers by their index. Parts and copies have none.
    """

    index: Any = None

    def __reduce__(self) -> Any:
        return _restore, (np.asarray(self), self.index)


def keep_index(images: NDArray[Any], X: Any, transformer: Any) -> NDArray[Any]:
    """Note the index of `X` on `images`, if `transformer` is to give tables of pandas and X is one."""
    index = X.index if isinstance(X, pd.DataFrame | pd.Series) else getattr(X, "index", None)
    if not isinstance(index, pd.Index) or _get_output_config("transform", transformer)["dense"] != "pandas":
        return images
    return _restore(images, index)


def use_index(features: NDArray[Any], X: Any, transformer: Any) -> Any:
    """Make a table of `features` with the index that :func:`keep_index` noted on the images `X`, if it did."""
    if not isinstance(X, IndexedImages) or X.index is None:
        return features
    wanted = _get_output_config("transform", transformer)["dense"]
    return pd.DataFrame(features, index=X.index) if wanted == "pandas" else features


def _restore(images: NDArray[Any], index: Any) -> NDArray[Any]:
    indexed = images.view(IndexedImages)
    indexed.index = index
    return indexed
