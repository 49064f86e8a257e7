from ._base import list_images
from ._fer2013 import load_fer2013
from ._folder import load_face_folder
from ._generator import make_faces
from ._load import load_faces
from ._stored import iter_face_blocks, open_faces
from ._table import load_face_table, read_face_table

__all__ = [
    "iter_face_blocks",
    "list_images",
    "load_face_folder",
    "load_face_table",
    "load_faces",
    "load_fer2013",
    "make_faces",
    "open_faces",
    "read_face_table",
]
