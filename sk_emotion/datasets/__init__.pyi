from ._blocks import iter_face_blocks
from ._fer2013 import load_fer2013
from ._folder import load_face_folder
from ._generator import make_faces
from ._opened import open_faces
from ._shards import load_face_shards
from ._table import load_face_table

__all__ = [
    "iter_face_blocks",
    "load_face_folder",
    "load_face_shards",
    "load_face_table",
    "load_fer2013",
    "make_faces",
    "open_faces",
]
