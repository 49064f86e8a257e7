"""Keep the index of a table for images, which a table cannot hold."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._set_output import _get_output_config


class IndexedImages(np.ndarray):
    """Images with the index of their table.

    A ColumnTransformer joins the tables of its transformers by their index. Slices and copies have no index.
    """

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


def _restore(images: NDArray[Any], index: Any) -> NDArray[Any]:
    indexed = images.view(IndexedImages)
    indexed.index = index
    return indexed
