"""Copies of photos that ``sk-emotion predict`` writes: annotated ones, and faces cut out."""

import os
from pathlib import Path
from typing import Any

import typer

from ..utils import is_copy, write_copy

# Ending of the name of a copy, and the maximum length of the stem in bytes: file systems limit the length of names.
_ENDING, _MOST_BYTES = ".png", 200


class Copies:
    """Writer of copies, which replace only copies that an earlier command wrote: no photo, and not each other."""

    def __init__(self, annotate: Path | None, crops: Path | None, blur: bool, sources: list[str | bytes]):
        self.annotate = annotate
        self.crops = crops
        self.blur = blur
        self._taken = {_resolve(source) for source in sources if isinstance(source, str)}
        inside = None if annotate is None else os.path.realpath(annotate)
        for path in sources:
            where, name = os.path.split(os.path.realpath(path)) if isinstance(path, str) else ("", "")
            if where == inside and name.lower().endswith(_ENDING):
                raise typer.BadParameter(
                    f"its copy would overwrite {path!r}. Use another folder.", param_hint="--annotate"
                )

    def annotate_photo(self, source: str | bytes, faces: Any) -> None:
        """Write an annotated copy of a photo, of whose faces the rows of a table are passed."""
        if self.annotate is not None:
            from ..prediction import annotate_faces

            (file,) = self._choose_files(self.annotate, source, [_ENDING])
            write_copy(file, annotate_faces(source, faces, blur=self.blur))

    def cut_out(self, source: str | bytes, faces: Any) -> None:
        """Write the faces of a photo, of which the rows of a table are passed; a row without a box is no face."""
        seen = faces[faces["x"].notna()]
        if self.crops is not None and len(seen):
            from ..prediction import crop_faces

            files = self._choose_files(self.crops, source, [f"-{face}{_ENDING}" for face in seen["face"]])
            for file, image in zip(files, crop_faces(source, seen), strict=True):
                write_copy(file, image)

    def _choose_files(self, folder: Path, source: str | bytes, endings: list[str]) -> list[Path]:
        """Return the files of a photo; with a number in their names if one of them is taken."""
        stem = _shorten(Path(source).stem) if isinstance(source, str) else "picture"
        number = 1
        while True:
            chosen = stem if number == 1 else f"{stem} ({number})"
            files = [folder / f"{chosen}{ending}" for ending in endings]
            names = set(map(_resolve, files))
            # A pipe or a device is written to.
            if not names & self._taken and all(is_copy(file) or not os.path.isfile(file) for file in files):
                self._taken |= names
                return files
            number += 1


def _shorten(stem: str) -> str:
    """Cut off letters until a name has few enough bytes."""
    while len(os.fsencode(stem)) > _MOST_BYTES:
        stem = stem[:-1]
    return stem


def _resolve(path: str | Path) -> str:
    """Return the path of a file, the same for names that some file systems do not distinguish."""
    return os.path.realpath(path).lower()
