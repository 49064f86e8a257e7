"""Recognize emotions in images of faces with scikit-learn estimators.

Public names are loaded lazily (`SPEC 1 <https://scientific-python.org/specs/spec-0001/>`_), so that ``import
sk_emotion`` does not import PyTorch. They are listed in ``__init__.pyi``.
"""

import lazy_loader

__version__ = "0.1.0.dev0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = ["__version__", *__all__]
