from ._detect_faces import detect_faces
from ._face_loader import FaceLoader
from ._faces import LoadedFaces
from ._pipelines import read_faces, split_loader

__all__ = ["FaceLoader", "LoadedFaces", "detect_faces", "read_faces", "split_loader"]
