"""Looking at faces: what a classifier makes of them, what an augmentation does to them, and which part decides."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
