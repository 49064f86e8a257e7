from ._embedding import FaceEmbedding
from ._load import load_pretrained

__all__ = ["FaceEmbedding", "load_pretrained"]
