from ._face_loader import FaceLoader
from ._faces import LoadedFaces
from ._pipelines import read_faces, split_loader

__all__ = ["FaceLoader", "LoadedFaces", "read_faces", "split_loader"]
