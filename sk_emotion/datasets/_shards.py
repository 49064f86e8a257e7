"""Load labeled images from tar files in WebDataset format."""

import glob
import json
import math
import os
import tarfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ..emotions import normalize_emotions
from ..exceptions import DatasetError, DatasetNotFoundError, DatasetWarning
from ..preprocessing import FaceLoader
from ..preprocessing._sources import NamedBytes, name_some
from ..utils._text import abridge
from ._bunch import check_classes, make_bunch

PICTURES = {"avif", "bmp", "gif", "heic", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff", "webp"}
_LABELS = {"cls", "txt", "json"}

# Maximum size of a label file.
_LONGEST_LABEL = 2**16

# Bytes of faces that are decoded together.
_CHUNK_BYTES = 2**20


@dataclass
class _Index:
    """Position, label and group of each image."""

    shards: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    groups: list[Any] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class TarPictures(Sequence):
    """Encoded images in tar files, read on demand."""

    def __init__(self, files: list[str], index: _Index):
        self.files = files
        self._shards = np.array(index.shards, dtype=np.int32)
        self._starts = np.array(index.starts, dtype=np.int64)
        self._sizes = np.array(index.sizes, dtype=np.int64)
        self._names = np.array(index.names)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.read(np.arange(*index.indices(len(self))))
        return self.read(np.array([range(len(self))[index]]))[0]

    def read(self, rows: NDArray[np.int64], most_bytes: int | None = None) -> list[NamedBytes]:
        """Read some images, and not much more than `most_bytes` of each."""
        pictures: dict[int, NamedBytes] = {}
        for shard in np.unique(self._shards[rows]).tolist():
            with open(self.files[shard], "rb") as file:
                for row in rows[self._shards[rows] == shard].tolist():
                    file.seek(int(self._starts[row]))
                    size = int(self._sizes[row])
                    picture = NamedBytes(file.read(size if most_bytes is None else min(size, most_bytes + 1)))
                    picture.name = repr(f"{self.files[shard]}: {self._names[row].decode()}")
                    pictures[row] = picture
        return [pictures[row] for row in rows.tolist()]


class TarFaces:
    """Faces of images in tar files, decoded on demand, as an array that supports slices and row numbers.

    Attributes
    ----------
    pictures : TarPictures
    shape : tuple of int
    dtype : dtype
        uint8.
    chunks : tuple of int
        Number of faces decoded together, as in a Zarr array.
    """

    def __init__(self, pictures: TarPictures, loader: FaceLoader):
        self.pictures = pictures
        self._loader = clone(loader).fit([b""])
        self.shape = (len(pictures), *self._loader._face_shape())
        self.dtype = np.dtype(np.uint8)
        self.chunks = (max(1, _CHUNK_BYTES // math.prod(self.shape[1:])), *self.shape[1:])
        self._reported: set[int] = set()

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        rows = np.arange(len(self))[index]
        if rows.ndim == 0:
            return self[np.array([rows])][0]
        pictures = self.pictures.read(rows, self._loader.max_file_size)
        if not pictures:
            return np.zeros((0, *self.shape[1:]), dtype=np.uint8)
        with warnings.catch_warnings():
            # Warn once about an image that cannot be read, not in each pass.
            warnings.simplefilter("ignore", DatasetWarning)
            faces = self._loader.transform(pictures)
        new = {int(rows[place]) for place in self._loader.unread_} - self._reported
        if new:
            self._reported |= new
            names = [f"{pictures[place].name} {why}" for place, why in self._loader.unread_.items()]
            warnings.warn(
                f"load_face_shards: {len(new)} images cannot be read and are all-zero images: {abridge(names)}.",
                DatasetWarning,
                stacklevel=2,
            )
        return faces

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def __repr__(self) -> str:
        return f"<faces of {len(self.pictures.files)} shards, shape={self.shape}, dtype={self.dtype}>"


@validate_params(
    {
        "shards": [str, os.PathLike, "array-like"],
        "loader": [FaceLoader, None],
        "label": [str],
        "group": [str, None],
        "classes": ["array-like", None],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_face_shards(
    shards: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    loader: FaceLoader | None = None,
    label: str = "label",
    group: str | None = None,
    classes: Sequence[str] | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[Any, Any]:
    """Load labeled images from tar files, decoding them on demand.

    The files are in WebDataset format: the files of a sample are adjacent and share a stem, ``000123.jpg`` and
    its label ``000123.cls`` (an integer), ``000123.txt`` (a word) or ``000123.json``. Nothing is extracted: the
    files are scanned once for the position of each image.

    Parameters
    ----------
    shards : str, path-like or list of them
        A pattern such as ``"faces/*.tar"``, whose files are sorted by name, or the files. They must not be compressed.
    loader : FaceLoader, default=None
        Loads the faces; None means ``FaceLoader()``: centered gray crops of 48 x 48 pixels. Its `on_error`
        determines how images that cannot be read are handled.
    label : str, default="label"
        Key of the label in a ``.json``.
    group : str, default=None
        Key, in a ``.json``, of the groups that must not be split, such as the person. None for no groups.
    classes : list of str, default=None
        Names of the integers in a ``.cls``. By default, they stay integers.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        With ``data``, an array-like of shape (n_samples, height, width) or (n_samples, height, width, 3) that decodes
        the faces of a slice or of an array of rows on access, with ``shape``, ``dtype`` and ``chunks`` like a Zarr
        array; and with ``target``, ``target_names``, ``groups``, ``frame`` (None) and ``DESCR`` as in
        :func:`load_face_folder`. With `return_X_y`, the tuple ``(data, target)``. Labels and positions take about 100
        bytes per face.

    Raises
    ------
    DatasetNotFoundError
        If a file does not exist.
    DatasetError
        If a file is not an intact tar file or is compressed, a label cannot be read, or there is a single class.

    Warns
    -----
    DatasetWarning
        For samples without an image or a label, which are left out.

    See Also
    --------
    iter_face_blocks : Iterate over them in random order.
    FaceLoader.to_zarr : Decode them once, for several passes.

    Examples
    --------
    >>> import io, tarfile, tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from sk_emotion.datasets import load_face_shards, make_faces
    >>> X, y, _ = make_faces(6, emotions=["happiness", "pain"], random_state=0)
    >>> def add(shard, name, content):
    ...     member = tarfile.TarInfo(name)
    ...     member.size = len(content)
    ...     shard.addfile(member, io.BytesIO(content))
    >>> folder = Path(tempfile.mkdtemp())
    >>> with tarfile.open(folder / "faces-0.tar", "w") as shard:
    ...     for number, (face, emotion) in enumerate(zip(X, y)):
    ...         picture = io.BytesIO()
    ...         Image.fromarray(face).save(picture, format="jpeg")
    ...         add(shard, f"{number:06}.jpg", picture.getvalue())
    ...         add(shard, f"{number:06}.txt", emotion.encode())
    >>> faces = load_face_shards(folder / "*.tar")
    >>> faces.data.shape, faces.data[:2].shape, faces.target_names.tolist()
    ((6, 48, 48), (2, 48, 48), ['happiness', 'pain'])
    """
    files = _find_files(shards)
    index = _Index()
    for number, file in enumerate(files):
        _read_shard(file, number, index, _Reading(label, group, classes))
    if index.left_out:
        warnings.warn(
            f"load_face_shards: {len(index.left_out)} samples without an image or a label are left out: "
            f"{name_some(index.left_out)}.",
            DatasetWarning,
            stacklevel=3,
        )
    where = f"{len(files)} tar files, the first of which is '{files[0]}',"
    if not index.labels:
        raise DatasetError(f"load_face_shards: {where} contain no labeled image, such as 000123.jpg with 000123.txt.")
    target = normalize_emotions(np.array(index.labels))
    check_classes(target, f"load_face_shards: {where}", "Add shards with another class.")
    return make_bunch(
        TarFaces(TarPictures(files, index), FaceLoader() if loader is None else loader),
        target,
        None if group is None else np.array(index.groups),
        name=f"Faces in {len(files)} tar files",
        notes=[f"{len(index.left_out)} samples were left out."] if index.left_out else [],
        return_X_y=return_X_y,
        as_frame=False,
    )


@dataclass(frozen=True)
class _Reading:
    """How labels and groups are read."""

    label: str
    group: str | None
    classes: Sequence[str] | None

    def read(self, members: dict[str, bytes], where: str) -> tuple[Any, Any]:
        """Return label and group of a sample; None for missing ones."""
        label = group = None
        try:
            if "json" in members:
                record = json.loads(members["json"])
                label, group = record.get(self.label), None if self.group is None else record[self.group]
            if "txt" in members:
                label = members["txt"].decode().strip()
            if "cls" in members:
                number = int(members["cls"])
                label = number if self.classes is None else self.classes[range(len(self.classes))[number]]
        except (ValueError, LookupError, AttributeError) as error:
            raise DatasetError(
                f"load_face_shards: the label of {where} cannot be read ({type(error).__name__}: {error}). Correct it, "
                "or describe it with label=, group= and classes=."
            ) from error
        if self.group is not None and group is None:
            raise DatasetError(f"load_face_shards: {where} has no .json with group={self.group!r}. Set group=None.")
        return label, group


def _find_files(shards: Any) -> list[str]:
    if isinstance(shards, str | os.PathLike):
        pattern = str(Path(shards).expanduser())
        files = sorted(glob.glob(pattern)) or [pattern]
    else:
        files = [os.fspath(Path(shard).expanduser()) for shard in shards]
    missing = [file for file in files if not os.path.isfile(file)]
    if missing or not files:
        raise DatasetNotFoundError(
            f"load_face_shards: there is no file {name_some(missing)}. Pass a pattern such as 'faces/*.tar', "
            "or a list of tar files."
        )
    return files


def _read_shard(file: str, number: int, index: _Index, reading: _Reading) -> None:
    """Scan a tar file for images and labels."""
    stem, picture, labels = None, None, {}

    def finish() -> None:
        nonlocal picture, labels
        if stem is None or not (picture or labels):
            return
        label, group = reading.read(labels, f"{file}: {stem}")
        if picture is None or label is None:
            index.left_out.append(f"{file}: {stem}")
        else:
            index.shards.append(number)
            index.starts.append(picture.offset_data)
            index.sizes.append(picture.size)
            index.names.append(picture.name.encode(errors="replace"))
            index.labels.append(label)
            index.groups.append(group)
        picture, labels = None, {}

    try:
        with tarfile.open(file, "r:") as tar:
            end = os.path.getsize(file)
            while (member := tar.next()) is not None:
                # Do not keep all members in memory.
                tar.members.clear()  # type: ignore[attr-defined]  # typeshed lacks it
                if member.offset_data + member.size > end:
                    raise tarfile.ReadError(f"{member.name} is truncated")
                folder, _, base = member.name.rpartition("/")
                name, _, kind = base.partition(".")
                kind = kind.lower()
                # Skip hidden files, too, which macOS writes next to each file.
                if not member.isreg() or member.issparse() or not name:
                    continue
                if (folder, name) != stem:
                    finish()
                    stem = (folder, name)
                if kind in PICTURES:
                    picture = member
                elif kind in _LABELS and member.size <= _LONGEST_LABEL:
                    content = tar.extractfile(member)
                    labels[kind] = b"" if content is None else content.read()
            finish()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DatasetError(
            f"load_face_shards: '{file}' is not an intact, uncompressed tar file ({type(error).__name__}"
            f": {error}). Write it again, or decompress it: JPEGs do not compress further."
        ) from error
