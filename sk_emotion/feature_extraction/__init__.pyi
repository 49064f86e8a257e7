from ._hog import HOGTransformer

__all__ = ["HOGTransformer"]
