"""The images that a model was trained on, as fingerprints that lie beside its file, and whether it is judged on them.

The loader of a model attaches a :class:`TrainingImages` to the classifier that predicts for it, as the attribute
``training_images_``. Images of an included model count for each model that started from its weights.
"""

import json
import warnings
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..exceptions import DatasetWarning, ImageArrayError
from ..preprocessing._pipelines import find_last_step, list_parts
from ..utils._files import FOLDER, list_weights
from ._fingerprints import Fingerprints, take_fingerprints

ATTRIBUTE = "training_images_"
ENDING = ".training.json"

HEAD = b'{"format": "sk_emotion training images", '
"""Beginning of each file."""

_VERSION = 1
# Brackets and commas in a file: any others would be of another form.
_MOST_PARTS = 50


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Fingerprints of the images that a model was trained and validated on.

    Attributes
    ----------
    training, validation : Fingerprints
        Sorted, each once.
    pretrained : tuple of str
        Names of the included models from whose weights training started.
    classes : ndarray or None
        ``classes_`` of the classifier that this is attached to: a new fit makes a new array, a copy or pickle of the
        classifier keeps that both are one.
    """

    training: Fingerprints = field(default_factory=lambda: Fingerprints.join([]))
    validation: Fingerprints = field(default_factory=lambda: Fingerprints.join([]))
    pretrained: tuple[str, ...] = ()
    classes: Any = None

    def __repr__(self) -> str:
        return f"TrainingImages({len(self.training.pixels)} training, {len(self.validation.pixels)} validation)"

    @property
    def has_own(self) -> bool:
        """Whether there are any besides those of included models."""
        return len(self.training.pixels) + len(self.validation.pixels) > 0

    def to_json(self) -> bytes:
        """Return the content of a file: at most 22 bytes for each image."""
        about = {
            "version": _VERSION,
            "pretrained": list(self.pretrained),
            **{name: _encode(getattr(self, name)) for name in ("training", "validation")},
        }
        return HEAD + json.dumps(about)[1:].encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> "TrainingImages":
        """Read the content of a file; raise a ValueError, which ends a sentence, if it is no such content."""
        if not content.startswith(HEAD) or sum(map(content.count, (b"{", b"[", b","))) > _MOST_PARTS:
            raise ValueError("was not written by save_model or is damaged")
        try:
            about = json.loads(content)
            later = about["version"] > _VERSION
            known = {} if later else {name: _decode(about[name]) for name in ("training", "validation")}
            names = tuple(map(str, about["pretrained"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError("is damaged") from error
        if later:
            raise ValueError("was written by a later version of sk_emotion")
        return cls(**known, pretrained=names)


@dataclass(frozen=True)
class Seen:
    """How many images a model has seen before."""

    n_images: int
    trained: int
    # Of these, how many only by an included model from which training started, by its name.
    by_pretrained: list[tuple[str, int]]
    validated: int
    # Images of other pixels, but with the perceptual hash of a training or validation image.
    similar: int


def record_images(model: Any, training: Any, validation: Any, owner: str) -> TrainingImages | None:
    """Return what to write beside the file of a model; None if nothing is known.

    Images that a loaded model was trained on still count, unless it was fitted anew.
    """
    known = find_training_images(model)
    parts: dict[str, list[Fingerprints]] = {"training": [], "validation": []}
    for name, images in {"training": training, "validation": validation}.items():
        if known is not None:
            parts[name].append(getattr(known, name))
        if images is not None:
            parts[name].append(_take_new(images, model, owner))
    joined = {name: Fingerprints.join(each) for name, each in parts.items()}
    record = TrainingImages(**joined, pretrained=() if known is None else known.pretrained)
    return record if record.has_own else None


def _take_new(images: Any, model: Any, owner: str) -> Fingerprints:
    fingerprints, n_images = take_fingerprints(images, model, owner)
    n_read = len(fingerprints.pixels)
    if not n_read:
        raise ImageArrayError(
            f"{owner}: none of the {n_images} images can be read. Pass them as uint8, or as floats from 0 to 1 or 0 to "
            "255, before they are standardized; or existing files."
        )
    if n_read < n_images:
        warnings.warn(
            f"{owner}: {n_images - n_read} of {n_images} images cannot be read, so they are not recorded.",
            DatasetWarning,
            stacklevel=5,
        )
    return fingerprints


def attach(model: Any, images: TrainingImages | None) -> None:
    """Attach its training images to the classifier that predicts for a loaded model."""
    last = find_last_step(model)
    if images is not None and hasattr(last, "classes_"):
        setattr(last, ATTRIBUTE, replace(images, classes=last.classes_))


def find_training_images(model: Any) -> TrainingImages | None:
    """Return the training images of all parts of a model, unless they were fitted since; None if nothing is known."""
    found: list[TrainingImages] = []
    names: set[str] = set()
    for part in list_parts(model):
        images = getattr(part, ATTRIBUTE, None)
        if isinstance(images, TrainingImages) and _is_of_this_fit(images, part):
            found.append(images)
            names.update(images.pretrained)
        # Of a network, and of features that an included network computes.
        for start in (part, getattr(part, "network_", None)):
            name = getattr(start, "pretrained", None)
            if isinstance(name, str) and name in list_weights():
                names.add(name)
    if not found and not names:
        return None
    training, validation = (
        Fingerprints.join(getattr(images, name) for images in found) for name in ("training", "validation")
    )
    return TrainingImages(training, validation, tuple(sorted(names)))


def _is_of_this_fit(images: TrainingImages, part: Any) -> bool:
    return images.classes is None or images.classes is getattr(part, "classes_", None)


def find_seen(model: Any, images: Any, owner: str) -> Seen | None:
    """Count the images that a model has seen before; None if it is unknown which it has seen.

    They are known by their pixels, whatever their names. Images are compared as they are: a face that was cropped from
    a training photo is another image.
    """
    own = find_training_images(model)
    if own is None:
        return None
    earlier = _list_earlier(own.pretrained)
    records = [own, *earlier.values()]
    known = Fingerprints.join(part for record in records for part in (record.training, record.validation))
    if not len(known.pixels):
        # The files of included models may have been deleted.
        return None
    (pixels, looks), n_images = take_fingerprints(images, model, owner, known=known)
    trained = np.isin(pixels, own.training.pixels)
    by_pretrained = []
    for name, record in earlier.items():
        more = np.isin(pixels, record.training.pixels) & ~trained
        by_pretrained.append((name, int(more.sum())))
        trained |= more
    validated = np.isin(pixels, known.pixels) & ~trained
    similar = np.isin(looks, known.looks) & ~trained & ~validated
    return Seen(n_images, int(trained.sum()), by_pretrained, int(validated.sum()), int(similar.sum()))


def _list_earlier(names: Iterable[str]) -> dict[str, TrainingImages]:
    """Return the training images of included models, and of those from which these started."""
    todo, known = list(names), {}
    while todo:
        name = todo.pop(0)
        record = None if name in known else read_included(name)
        if record is not None:
            known[name] = record
            todo += record.pretrained
    return known


@lru_cache
def read_included(name: str) -> TrainingImages | None:
    """Read the training images of an included model; None if their file was deleted."""
    # The name may come from a model file.
    path = FOLDER / f"{name}{ENDING}"
    return TrainingImages.from_json(path.read_bytes()) if name in list_weights() and path.is_file() else None


def _encode(fingerprints: Fingerprints) -> dict[str, str]:
    return {name: b64encode(values.tobytes()).decode() for name, values in fingerprints._asdict().items()}


def _decode(encoded: dict[str, str]) -> Fingerprints:
    return Fingerprints(
        *(np.frombuffer(b64decode(encoded[name], validate=True), dtype=np.uint64) for name in Fingerprints._fields)
    )
