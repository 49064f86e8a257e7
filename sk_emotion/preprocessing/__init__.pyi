from ._face_loader import FaceLoader

__all__ = ["FaceLoader"]
