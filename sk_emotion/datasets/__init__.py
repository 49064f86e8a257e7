"""Where faces come from: folders, tables, FER2013, and faces drawn on the spot."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
