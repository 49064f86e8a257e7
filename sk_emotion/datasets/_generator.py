"""Faces drawn on the spot, for examples, tests and benchmarks that need no download."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from ..emotions import EMOTIONS, normalize_emotion
from ..exceptions import DatasetError, LabelError

Array: TypeAlias = NDArray[np.float32]

_ACTION_UNITS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    43: "eyes closed",
}
# One emotion has several prototypes, as in the EMFACS tables; a sample shows one of them, more or less strongly.
_PROTOTYPES: dict[str, list[dict[int, float]]] = {
    "anger": [
        {4: 1.0, 5: 0.7, 7: 0.6, 17: 0.4, 24: 0.9},
        {4: 1.0, 5: 0.6, 7: 0.7, 10: 0.5, 25: 0.7, 26: 0.3},
    ],
    "contempt": [{12: 0.8, 24: 0.3}],
    "disgust": [
        {4: 0.3, 9: 1.0, 10: 0.8, 17: 0.5},
        {4: 0.3, 7: 0.4, 9: 0.8, 10: 1.0, 15: 0.4, 25: 0.6},
    ],
    "fear": [
        {1: 1.0, 2: 0.7, 4: 0.5, 5: 1.0, 20: 0.8, 25: 0.6, 26: 0.3},
        {1: 0.9, 2: 0.6, 4: 0.6, 5: 0.9, 20: 0.6, 25: 0.4, 26: 0.6},
    ],
    "happiness": [
        {6: 0.9, 12: 1.0, 25: 0.8},
        {6: 0.8, 12: 1.0, 25: 0.8, 26: 0.4},
        {6: 0.6, 12: 0.8},
    ],
    "neutral": [{}],
    "pain": [
        {4: 0.9, 6: 0.9, 7: 0.6, 9: 0.7, 10: 0.6, 20: 0.5, 25: 0.7, 43: 1.0},
        {4: 1.0, 6: 0.6, 7: 0.9, 10: 0.7, 25: 0.7, 26: 0.5, 43: 0.8},
        {4: 0.9, 6: 0.8, 7: 0.9, 9: 0.7, 20: 0.7, 24: 0.3, 43: 1.0},
    ],
    "sadness": [
        {1: 1.0, 4: 0.5, 15: 1.0, 17: 0.6},
        {1: 1.0, 4: 0.6, 7: 0.3, 15: 0.8, 17: 0.3, 25: 0.2, 43: 0.3},
    ],
    "surprise": [{1: 1.0, 2: 1.0, 5: 0.9, 25: 0.6, 26: 1.0}],
}
_ONE_SIDED = ("contempt",)
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# About the pixels of 64 small faces: the temporaries of one chunk then stay in a CPU's cache.
_PIXELS_PER_CHUNK = 64 * 48 * 48


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "emotions": ["array-like"],
        "image_size": [Interval(Integral, 16, None, closed="left")],
        "weights": ["array-like", dict, None],
        "n_subjects": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "color": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_faces(
    n_samples: int = 600,
    *,
    emotions: Sequence[str] = EMOTIONS,
    image_size: int = 48,
    weights: ArrayLike | Mapping[str, float] | None = None,
    n_subjects: int = 30,
    noise: float = 8.0,
    color: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.str_], NDArray[np.int64]]:
    """Draw faces that show emotions.

    Each emotion is drawn from the action units of the Facial Action Coding System [1]_ that belong to it [2]_; pain
    is drawn from those of the Prkachin and Solomon Pain Intensity, AU4 + max(AU6, AU7) + max(AU9, AU10) + AU43 [3]_.
    Subjects differ in the geometry of the face, skin, hair, beard and glasses. Samples of a subject differ in pose,
    light, contrast, sharpness, symmetry and in how strongly the emotion shows; a few faces are partly covered.

    The faces are cartoons. They are for examples, tests and benchmarks: a model trained on them knows nothing of
    people.

    Parameters
    ----------
    n_samples : int, default=600
        Number of faces.
    emotions : sequence of str, default=EMOTIONS
        What to draw, by any name that :func:`~sk_emotion.normalize_emotion` knows: the six of
        :data:`~sk_emotion.EMOTIONS`, ``"neutral"``, ``"surprise"`` and ``"contempt"``.
    image_size : int, default=48
        Height and width of a face in pixels, at least 16.
    weights : array-like of shape (n_emotions,) or dict, default=None
        Proportions of the emotions, in the order of `emotions` or by name; they need not sum to 1. A dict may leave
        emotions out, which gives them 0. An emotion of positive weight gets at least one face as long as there are
        as many faces as such emotions. By default all are equally frequent.
    n_subjects : int, default=30
        Number of different people. Each has ``n_samples / n_subjects`` faces, give or take one.
    noise : float, default=8.0
        Standard deviation of the pixel noise, in grey levels of 0 to 255.
    color : bool, default=False
        Whether to draw in colour. The same `random_state` draws the same faces in grey.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same faces at each call.

    Returns
    -------
    X : ndarray of shape (n_samples, image_size, image_size) or (n_samples, image_size, image_size, 3), dtype=uint8
        The faces, in grey or RGB.
    y : ndarray of shape (n_samples,), dtype=str
        The standard name of the emotion of each face.
    groups : ndarray of shape (n_samples,), dtype=int64
        The subject of each face, from 0 to ``n_subjects - 1``. Give it to a splitter such as
        :class:`~sklearn.model_selection.StratifiedGroupKFold` to test on people not trained on.

    Raises
    ------
    LabelError
        If `emotions` is empty, holds a name twice or one that cannot be drawn, or if a dict of `weights` names an
        emotion that is not in `emotions`.
    DatasetError
        If `weights` are not as many as the emotions, negative, not finite, or all 0.

    See Also
    --------
    load_face_folder : Load photos of faces from a folder.

    References
    ----------
    .. [1] P. Ekman and W. V. Friesen, "Facial Action Coding System: A Technique for the Measurement of Facial
           Movement", Consulting Psychologists Press, 1978.
    .. [2] P. Ekman, W. V. Friesen and J. C. Hager, "Facial Action Coding System: Investigator's Guide", Research
           Nexus, 2002.
    .. [3] K. M. Prkachin and P. E. Solomon, "The structure, reliability and validity of pain expression: Evidence
           from patients with shoulder pain", Pain, 139(2), 267-274, 2008.

    Examples
    --------
    >>> from sk_emotion.datasets import make_faces
    >>> X, y, groups = make_faces(n_samples=4, emotions=["neutral", "happy"], random_state=0)
    >>> X.shape, X.dtype
    ((4, 48, 48), dtype('uint8'))
    >>> sorted(y.tolist())
    ['happiness', 'happiness', 'neutral', 'neutral']
    """
    names = _check_emotions(emotions)
    counts = _class_counts(n_samples, _check_weights(weights, names))
    rng = np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))

    y = rng.permutation(np.repeat(np.array(names), counts))
    groups = rng.permutation(np.arange(n_samples, dtype=np.int64) % n_subjects)
    person = {name: value[groups] for name, value in _draw_subjects(n_subjects, rng).items()}
    left, right = _draw_action_units(y, rng)
    view = _draw_views(n_samples, rng)

    channels = 3 if color else 1
    X = np.empty((n_samples, image_size, image_size, channels), dtype=np.uint8)
    step = max(1, _PIXELS_PER_CHUNK // image_size**2)
    for start in range(0, n_samples, step):
        rows = slice(start, start + step)
        canvas = _Canvas(image_size, {name: value[rows] for name, value in view.items()}, channels)
        chunk = {name: value[rows] for name, value in person.items()}
        sides = {-1: {unit: left[unit][rows] for unit in left}, 1: {unit: right[unit][rows] for unit in right}}
        _render(canvas, chunk, sides)
        X[rows] = canvas.expose(noise, rng)
    return (X if color else X[..., 0]), y, groups


def _check_emotions(emotions: Sequence[str]) -> list[str]:
    """Give the emotions their standard names, or say which cannot be drawn."""
    names = [normalize_emotion(name) for name in emotions]
    known = sorted(_PROTOTYPES)
    unknown = [name for name in names if name not in _PROTOTYPES]
    if unknown:
        raise LabelError(f"make_faces: emotions={unknown} cannot be drawn. Choose among {known}.")
    if not names or len(set(names)) < len(names):
        raise LabelError(f"make_faces: emotions={names}, expected at least one, each once. Choose among {known}.")
    return names


def _check_weights(weights: Any, names: list[str]) -> NDArray[np.float64]:
    """Give the proportions of the emotions, which sum to 1."""
    if weights is None:
        return np.full(len(names), 1 / len(names))
    if isinstance(weights, Mapping):
        by_name = {normalize_emotion(name): value for name, value in weights.items()}
        unknown = [name for name in by_name if name not in names]
        if unknown:
            raise LabelError(f"make_faces: weights name {unknown}, expected only emotions={names}. Add or drop them.")
        weights = [by_name.get(name, 0.0) for name in names]
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (len(names),):
        raise DatasetError(
            f"make_faces: weights of shape {given.shape}, expected ({len(names)},). Give one weight for each of {names}."
        )
    if not (np.isfinite(given).all() and (given >= 0).all() and given.sum() > 0):
        raise DatasetError(
            f"make_faces: weights={given.tolist()}, expected finite numbers of at least 0. Make one of them positive."
        )
    return given / given.sum()


def _class_counts(n_samples: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Share out the samples by largest remainder, at least one for each class of positive weight."""
    exact = n_samples * weights
    counts = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(-(exact - counts), kind="stable")
    counts[by_remainder[: n_samples - counts.sum()]] += 1
    for empty in np.flatnonzero((counts == 0) & (weights > 0)):
        if counts.max() > 1:
            counts[counts.argmax()] -= 1
            counts[empty] += 1
    return counts


def _draw_subjects(n: int, rng: np.random.Generator) -> dict[str, Array]:
    """Draw people. Lengths are in half image widths; colours are RGB of 0 to 1, of shape (n, 3)."""

    def spread(centre: float, deviation: float) -> Array:
        return (centre + deviation * rng.standard_normal(n).clip(-2, 2)).astype(np.float32)

    def either(probability: float) -> Array:
        return (rng.random(n) < probability).astype(np.float32)

    def between(low: Sequence[float], high: Sequence[float]) -> Array:
        at = rng.random((n, 1))
        mixed = (1 - at) * np.array(low) + at * np.array(high)
        return (mixed * rng.uniform(0.93, 1.07, (n, 3))).clip(0, 1).astype(np.float32)

    skin = between((0.40, 0.26, 0.19), (0.97, 0.80, 0.69))
    # Hair from black to fair, but never so fair that brows vanish from a fair skin.
    hair = between((0.07, 0.05, 0.04), (0.50, 0.36, 0.20)) * rng.choice([0.6, 1.0], (n, 1))
    bearded = either(0.18)
    return {
        "skin": skin,
        "hair": hair.astype(np.float32),
        "brow_hair": (0.75 * hair + 0.05 * skin).astype(np.float32),
        "lip": (skin * np.array([0.80, 0.52, 0.52])).astype(np.float32),
        "iris": between((0.16, 0.10, 0.07), (0.30, 0.40, 0.48)),
        "cloth": rng.random((n, 3)).astype(np.float32),
        "head_width": spread(0.72, 0.035),
        "head_height": spread(0.97, 0.03),
        "jaw": spread(0.24, 0.06),
        "eye_x": spread(0.315, 0.018),
        "eye_y": spread(-0.13, 0.02),
        "eye_width": spread(0.175, 0.012),
        "eye_open": spread(0.078, 0.009),
        "eye_tilt": spread(-0.015, 0.015),
        "brow_y": spread(-0.365, 0.022),
        "brow_thick": spread(0.036, 0.009),
        "brow_arch": spread(0.045, 0.02),
        "nose_length": spread(0.20, 0.03),
        "nose_width": spread(0.125, 0.016),
        "mouth_y": spread(0.50, 0.02),
        "mouth_width": spread(0.255, 0.022),
        "lip_thick": spread(0.058, 0.012),
        "hairline": spread(-0.66, 0.06),
        "parting": spread(0.0, 0.25),
        "long_hair": either(0.4) * (1 - bearded),
        "beard": bearded * rng.uniform(0.35, 0.8, n).astype(np.float32),
        "moustache": np.maximum(bearded, either(0.05)) * 0.7,
        "glasses": either(0.15),
        "wrinkles": spread(1.0, 0.25),
    }


def _draw_action_units(y: NDArray[np.str_], rng: np.random.Generator) -> tuple[dict[int, Array], dict[int, Array]]:
    """Draw how strongly each action unit shows on the left and on the right of each face, from 0 to about 1.2."""
    units = list(_ACTION_UNITS)
    n = len(y)
    strength = np.zeros((n, len(units)))
    for emotion in np.unique(y):
        table = np.array([[prototype.get(unit, 0.0) for unit in units] for prototype in _PROTOTYPES[emotion]])
        rows = np.flatnonzero(y == emotion)
        strength[rows] = table[rng.integers(len(table), size=len(rows))]
    # People show most feelings weakly and never twice alike, and move their faces for no reason, too.
    intensity = 0.25 + 0.85 * rng.beta(2.0, 1.6, (n, 1))
    own = rng.uniform(0.45, 1.25, strength.shape) * (rng.random(strength.shape) > 0.12)
    idle = rng.exponential(0.09, strength.shape) * (rng.random(strength.shape) < 0.5)
    strength = (strength * intensity * own + idle).clip(0, 1.25)

    lean = rng.normal(0, 0.12, (n, 1)) + rng.normal(0, 0.05, strength.shape)
    one_sided = np.isin(y, _ONE_SIDED)
    lean[one_sided] = rng.choice([-0.9, 0.9], (one_sided.sum(), 1))
    left, right = ((strength * (1 + sign * lean).clip(0, 1.6)).astype(np.float32) for sign in (-1, 1))
    return dict(zip(units, left.T, strict=True)), dict(zip(units, right.T, strict=True))


def _draw_views(n: int, rng: np.random.Generator) -> dict[str, Array]:
    """Draw pose, light and camera. Angles are in radians, lengths in half image widths."""

    def spread(centre: float, deviation: float) -> Array:
        return (centre + deviation * rng.standard_normal(n).clip(-2.5, 2.5)).astype(np.float32)

    return {
        "roll": spread(0.0, 0.09),
        "yaw": spread(0.0, 0.35),
        "pitch": spread(0.0, 0.3),
        "shift_x": spread(0.0, 0.05),
        "shift_y": spread(0.02, 0.05),
        "scale": spread(0.96, 0.055),
        "light_x": spread(0.0, 0.45),
        "light_y": spread(-0.3, 0.25),
        "gaze_x": spread(0.0, 0.25),
        "exposure": spread(1.0, 0.13),
        "contrast": spread(1.0, 0.15),
        "blur": rng.uniform(0, 1, n).astype(np.float32) ** 2,
        "grain": rng.uniform(0.5, 1.5, n).astype(np.float32),
        "backdrop": rng.uniform(0.15, 0.85, (n, 3)).astype(np.float32) * 0.4 + rng.uniform(0.1, 0.5, (n, 1)),
        "covered": (rng.random(n) < 0.08).astype(np.float32),
        "cover_x": rng.uniform(-0.9, 0.9, n).astype(np.float32),
        "cover_y": rng.uniform(-0.6, 0.9, n).astype(np.float32),
        "cover_angle": rng.uniform(0, np.pi, n).astype(np.float32),
    }


class _Canvas:
    """A batch of pictures of shape (n_channels, n, size, size), with the coordinates of each pixel on its face.

    The middle of the face is (0, 0); x points to the right and y down; 1 is half the width of the picture at scale 1.
    """

    def __init__(self, size: int, view: dict[str, Array], n_channels: int) -> None:
        self.view = {name: value[:, None, None] for name, value in view.items() if value.ndim == 1}
        self.n_channels = n_channels
        self.size = size
        axis = ((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1).astype(np.float32)
        v = self.view
        self.u, self.v = axis[None, None, :], axis[None, :, None]
        across, down = self.u - v["shift_x"], self.v - v["shift_y"]
        cos, sin = np.cos(v["roll"]) / v["scale"], np.sin(v["roll"]) / v["scale"]
        self.x, self.y = cos * across + sin * down, cos * down - sin * across
        self.pixel = 2 / size / v["scale"]
        self.picture = np.broadcast_to(self.ink(view["backdrop"]), (n_channels, *self.x.shape)).copy()

    def ink(self, colour: Array) -> Array:
        """Make RGB of shape (n, 3) ready to paint with, in grey where the canvas is grey."""
        channels = colour.T if self.n_channels == 3 else (colour @ _LUMA)[None]
        return channels[:, :, None, None].astype(np.float32)

    def inside(self, distance: Array) -> Array:
        """Say how much of each pixel lies where the signed distance is negative, from 0 to 1."""
        return (0.5 - distance / self.pixel).clip(0, 1)

    def paint(self, colour: Array | float, cover: Array) -> None:
        """Lay a colour over the picture."""
        self.picture += (colour - self.picture) * cover

    def shade(self, amount: Array) -> None:
        """Darken the picture; a negative amount lightens it."""
        self.picture *= 1 - amount

    def expose(self, noise: float, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Take the photo: exposure, contrast, blur and noise; of shape (n, size, size, n_channels)."""
        v = self.view
        picture = (self.picture * v["exposure"] - 0.5) * v["contrast"] + 0.5
        sigma = 0.9 * self.size / 48
        blurred = gaussian_filter(picture, (0, 0, sigma, sigma), truncate=2.5)
        picture += (blurred - picture) * v["blur"]
        # Drawn for one channel and used for all, so that grey and colour photos are of the same faces.
        grain = rng.standard_normal(self.x.shape, dtype=np.float32)
        picture = picture * 255 + grain * (noise * v["grain"])
        return np.moveaxis(picture.round().clip(0, 255).astype(np.uint8), 0, -1)


def _gauss(x: Array, y: Array, width: Array | float, height: Array | float) -> Array:
    """Give a soft spot of height 1."""
    return np.exp(-((x / width) ** 2) - (y / height) ** 2)


def _ellipse(x: Array, y: Array, width: Array | float, height: Array | float) -> Array:
    """Give the signed distance to an ellipse, exact enough near its edge."""
    return (np.sqrt((x / width) ** 2 + (y / height) ** 2) - 1) * np.minimum(width, height)


def _render(canvas: _Canvas, person: dict[str, Array], sides: dict[int, dict[int, Array]]) -> None:
    """Draw the faces from back to front."""
    p = {name: canvas.ink(value) if value.ndim == 2 else value[:, None, None] for name, value in person.items()}
    s = {side: {unit: value[:, None, None] for unit, value in units.items()} for side, units in sides.items()}
    both = {unit: (s[-1][unit] + s[1][unit]) / 2 for unit in s[1]}
    v = canvas.view

    head = _draw_head(canvas, p, both)
    # What lies in the middle of a turned head moves more than what lies at its sides.
    round_x = (1 - (canvas.x / p["head_width"]) ** 2).clip(0, 1)
    x = canvas.x - 0.16 * v["yaw"] * round_x
    y = canvas.y - 0.10 * v["pitch"] * round_x
    _draw_folds(canvas, p, s, both, x, y)
    _draw_beard(canvas, p, both, head, x, y)
    _draw_mouth(canvas, p, s, both, x, y)
    _draw_nose(canvas, p, both, x - 0.06 * v["yaw"], y)
    for side, units in s.items():
        _draw_eye(canvas, p, units, side * x - p["eye_x"], y - p["eye_y"], side)
        _draw_brow(canvas, p, units, side * x, y)
    _draw_glasses(canvas, p, x, y)
    _draw_fringe(canvas, p, head)
    _draw_cover(canvas, p)
    canvas.shade(-0.22 * (v["light_x"] * canvas.u + v["light_y"] * canvas.v))


def _draw_head(canvas: _Canvas, p: dict[str, Array], au: dict[int, Array]) -> Array:
    """Draw hair, shoulders, ears and the shaded head; give the signed distance to the head's outline."""
    x, y, v = canvas.x, canvas.y, canvas.view
    backdrop = 0.25 * v["light_x"] * canvas.u - 0.12 * canvas.v
    canvas.shade(backdrop)
    width, height = p["head_width"], p["head_height"]
    hair_long = canvas.inside(_ellipse(x, y - 0.15, width * 1.25, height * 1.18))
    canvas.paint(p["hair"] * 0.8, hair_long * p["long_hair"])
    canvas.paint(p["cloth"] * 0.7, canvas.inside(_ellipse(x, y - 1.55, 1.1, 0.62)))
    canvas.paint(p["skin"] * 0.68, canvas.inside(np.maximum(np.abs(x) - 0.36, 0.5 - y) + 0 * y) * (y < 1.12))
    for side in (-1, 1):
        ear = _ellipse(side * x - width * 0.98, y - 0.02, 0.11, 0.19)
        canvas.paint(p["skin"] * 0.84, canvas.inside(ear) * (1 - 0.9 * p["long_hair"]))

    below = np.maximum(y, 0)
    length = height + 0.09 * au[26]
    half_width = width * (1 - p["jaw"] * (below / length) ** 2)
    radius = np.sqrt((np.abs(x) / half_width) ** 2.3 + (np.abs(y) / np.where(y > 0, length, height)) ** 2.3)
    head = (radius - 1) * width
    depth = np.sqrt((1 - radius**2).clip(0, 1))
    light = 0.72 + 0.30 * depth + 0.24 * (v["light_x"] * x / width + v["light_y"] * y / height)
    canvas.paint(p["skin"] * light.clip(0.3, 1.25), canvas.inside(head))
    return head


def _draw_folds(
    canvas: _Canvas, p: dict[str, Array], s: dict[int, dict[int, Array]], au: dict[int, Array], x: Array, y: Array
) -> None:
    """Shade the relief of the skin: sockets, cheeks and the folds that action units make."""
    age = p["wrinkles"]
    fold = np.zeros_like(x)
    for side, units in s.items():
        out = side * x
        eye_x, eye_y = out - p["eye_x"], y - p["eye_y"]
        fold += (0.16 + 0.10 * units[4]) * _gauss(eye_x + 0.06, eye_y + 0.10, 0.24, 0.13)
        lift = 0.10 * units[6] + 0.04 * units[12]
        fold -= (0.10 + 0.14 * units[6] + 0.08 * units[12]) * _gauss(out - 0.40, y - 0.22 + lift, 0.17, 0.13)
        fold += 0.30 * age * units[6] * _gauss(eye_x, eye_y - 0.155 + 0.25 * eye_x**2, 0.20, 0.028)
        feet = np.abs(eye_y) - 0.28 * (eye_x - 0.17)
        fold += 0.30 * age * np.maximum(units[6], 0.6 * units[43]) * _gauss(eye_x - 0.27, feet, 0.07, 0.025)
        # The nasolabial fold runs from the wing of the nose around the corner of the mouth.
        at = (y - 0.18) / 0.34
        curve = out - (p["nose_width"] + 0.05 + (0.17 + 0.07 * units[12]) * at.clip(0, 1.2) ** 0.8)
        depth = 0.07 + 0.28 * np.maximum.reduce([units[12], units[9], 0.9 * units[10], 0.5 * units[6]])
        fold += depth * age * _gauss(curve, at - 0.5, 0.035, 0.52)
        fold += 0.30 * age * units[4] * _gauss(out - 0.05, y - p["brow_y"] - 0.03, 0.022, 0.10)
    raised = np.minimum(au[1], 0.4 + au[2])
    for row in (0.17, 0.26):
        fold += 0.26 * age * raised * _gauss(x, y - p["brow_y"] + row + 0.06 * au[1] - 0.12 * x**2, 0.36, 0.02)
    for row in (-0.06, 0.01, 0.08):
        fold += 0.32 * age * au[9] * _gauss(x, y - p["eye_y"] - row - 0.25 * np.abs(x), 0.11, 0.02)
    chin_y = y - p["mouth_y"] - 0.10 * au[26]
    fold += (0.14 + 0.22 * au[17]) * _gauss(x, chin_y - 0.16 + 0.5 * x**2, 0.20, 0.03)
    fold -= 0.10 * _gauss(x, chin_y - 0.28, 0.16, 0.08)
    canvas.shade(fold)


def _draw_beard(
    canvas: _Canvas, p: dict[str, Array], au: dict[int, Array], head: Array, x: Array, y: Array
) -> None:
    """Draw beard and moustache under the mouth's layers."""
    edge = 0.22 + 0.25 * (1 - (x / p["head_width"]) ** 2).clip(0, 1)
    jaw = canvas.inside(head) * ((y - edge) / 0.08).clip(0, 1)
    canvas.paint(p["hair"], p["beard"] * jaw)
    lip = _gauss(x, y - p["mouth_y"] + 0.11 + 0.04 * au[10] - 0.5 * x**2, 0.22, 0.045)
    canvas.paint(p["hair"], p["moustache"] * lip)


def _draw_nose(canvas: _Canvas, p: dict[str, Array], au: dict[int, Array], x: Array, y: Array) -> None:
    """Draw the ridge, the wings and the nostrils."""
    tip = p["nose_length"] - 0.045 * au[9] - 0.015 * au[10]
    width = p["nose_width"] * (1 + 0.18 * au[9] + 0.08 * au[12])
    along = ((y + 0.10) / (tip + 0.10)).clip(0, 1.15)
    side_x = canvas.view["light_x"]
    ridge = _gauss(x, (y - tip * 0.3).clip(0, None) + (-0.15 - y).clip(0, None), 0.05, 0.25)
    relief = -0.17 * ridge - 0.16 * _gauss(x, y - tip + 0.02, 0.07, 0.06)
    for side in (-1, 1):
        flank = side * x - (0.05 + 0.5 * width * along)
        relief += (0.10 - 0.08 * side * side_x) * _gauss(flank, y - tip * 0.4, 0.04, 0.20)
        wing = side * x - width
        relief += (0.24 + 0.14 * au[9]) * _gauss(wing, y - tip - 0.01 + 1.5 * wing, 0.03, 0.06)
    relief += 0.22 * _gauss(x, y - tip - 0.085, width, 0.03)
    canvas.shade(relief)
    for side in (-1, 1):
        nostril = _ellipse(side * x - 0.48 * width, y - tip - 0.045, 0.038, 0.022)
        canvas.paint(0.3 * p["skin"], 0.85 * canvas.inside(nostril))


def _draw_eye(canvas: _Canvas, p: dict[str, Array], au: dict[int, Array], x: Array, y: Array, side: int) -> None:
    """Draw one eye, x pointing outwards from its middle."""
    half = p["eye_width"]
    t = x / half
    arc = (1 - t**2).clip(-1, 1)
    squeeze = (0.55 * au[7] + 0.45 * au[6] + 0.25 * au[9] + 0.30 * au[12] * au[6]).clip(0, 0.85)
    opened = (1 - au[43].clip(0, 1)) * (1 + 0.10 * au[1])
    upper = p["eye_open"] * (1.0 + 0.75 * au[5] - 0.22 * au[4] - 0.28 * squeeze).clip(0.25, 2) * opened
    lower = p["eye_open"] * (0.72 + 0.15 * au[5] - 0.75 * squeeze).clip(0.05, 1) * opened
    # Closed lids meet below the middle; sorrow lifts the inner corner of the upper lid.
    y = y - p["eye_tilt"] * t - 0.035 * au[43] + 0.03 * (au[1] - au[4]) * t.clip(-1, 1)
    closed_bow = 0.045 * au[43].clip(0, 1) * arc
    top, bottom = -upper * arc + closed_bow, lower * arc + closed_bow
    within = np.abs(x) - half
    gap = np.maximum(np.maximum(top - y, y - bottom), within)
    white = canvas.inside(gap) * (upper + lower > 0.02)
    canvas.paint(0.93 * (1 - 0.25 * np.exp(-((y - top) / 0.04).clip(0, None))), white)
    gaze = x - side * 0.35 * half * canvas.view["gaze_x"]
    iris = p["eye_open"] * 1.05
    canvas.paint(p["iris"], white * canvas.inside(_ellipse(gaze, y + 0.005, iris, iris)))
    canvas.paint(0.04, white * canvas.inside(_ellipse(gaze, y + 0.005, iris * 0.5, iris * 0.5)))
    canvas.paint(1.0, 0.9 * white * canvas.inside(_ellipse(gaze + side * 0.03, y + 0.04, 0.018, 0.018)))
    lash = canvas.inside(np.maximum(np.abs(y - top) - 0.017 - 0.008 * au[43], within - 0.015))
    canvas.paint(0.28 * p["skin"], 0.9 * lash)
    canvas.paint(0.45 * p["skin"], 0.45 * canvas.inside(np.maximum(np.abs(y - bottom) - 0.010, within)))
    crease = np.abs(y - top + 0.05 * (1 - 0.5 * au[5])) - 0.008
    canvas.paint(0.5 * p["skin"], 0.4 * (1 - 0.6 * au[4]).clip(0, 1) * canvas.inside(np.maximum(crease, within)))


def _draw_brow(canvas: _Canvas, p: dict[str, Array], au: dict[int, Array], x: Array, y: Array) -> None:
    """Draw one brow, x pointing outwards from the middle of the face."""
    start = p["eye_x"] - 0.19 - 0.05 * au[4]
    t = (x - start) / 0.43
    at = t.clip(0, 1)
    inner = -0.12 * au[1] + 0.135 * au[4] * (1 - 0.6 * au[1].clip(0, 1)) + 0.03 * au[9]
    outer = -0.11 * au[2] + 0.03 * au[4] + 0.03 * au[1] + 0.02 * au[6] + 0.03 * au[43]
    line = p["brow_y"] + inner * (1 - at) ** 1.5 + outer * at + 0.045 * at**2
    line -= p["brow_arch"] * 4 * at * (1 - at) * (1 - 0.5 * au[4].clip(0, 1))
    thick = p["brow_thick"] * (1.25 - 0.85 * at**2)
    ends = (np.abs(t - 0.5) - 0.5) * 0.43
    canvas.paint(p["brow_hair"], 0.92 * canvas.inside(np.maximum(np.abs(y - line) - thick, ends)))


def _draw_mouth(
    canvas: _Canvas, p: dict[str, Array], s: dict[int, dict[int, Array]], au: dict[int, Array], x: Array, y: Array
) -> None:
    """Draw lips, teeth and tongue between two corners that move on their own."""
    right = 0.5 + 0.5 * np.tanh(x / 0.08)

    def mixed(unit: int) -> Array:
        return s[-1][unit] + (s[1][unit] - s[-1][unit]) * right

    pull, depress = mixed(12), mixed(15)
    half = p["mouth_width"] * (1 + 0.32 * pull + 0.28 * mixed(20) - 0.06 * au[17] - 0.14 * au[26] - 0.05 * au[24])
    t = x / half
    arc = (1 - t**2).clip(-0.5, 1)
    bend = t.clip(-1.2, 1.2) ** 2
    y = y - p["mouth_y"] + 0.03 * au[17] - 0.02 * au[26]
    # The line where the lips meet: its corners go up and down, its middle is lifted by AU10 and AU17.
    line = bend * (0.115 * depress - 0.135 * pull + 0.02 * mixed(20)) + 0.035 * pull - 0.055 * au[17] * arc
    line = line + 0.012 * np.cos(3.1 * t) * (1 - au[25].clip(0, 1))
    lift = (0.075 * au[10] + 0.035 * au[9]) * arc
    part = (au[25] * (1 - 0.7 * au[24].clip(0, 1))).clip(0, 1.2)
    top = line - lift - 0.022 * part * arc
    bottom = line - 0.55 * lift + (0.085 * part + 0.17 * au[26] * part.clip(0.35, 1)) * arc
    bottom = bottom + 0.3 * lift * part
    lip = p["lip_thick"] * (1 - 0.65 * au[24].clip(0, 1) - 0.15 * pull)
    bow = 1 - 0.22 * np.exp(-((t / 0.16) ** 2))
    within = np.abs(x) - half
    outline = np.maximum(top - 0.85 * lip * bow * arc - y, y - bottom - 1.15 * lip * (1 + 0.25 * au[17]) * arc)
    canvas.paint(p["lip"], 0.9 * canvas.inside(np.maximum(outline, within)))
    canvas.shade(-0.12 * _gauss(x, y - bottom - 0.6 * lip, 0.5 * half, 0.6 * lip + 0.01))
    hole = canvas.inside(np.maximum(np.maximum(top - y, y - bottom), within)) * (bottom - top > 0.02)
    canvas.paint(0.13, hole)
    canvas.paint(0.35 * p["lip"] + 0.1, 0.8 * hole * canvas.inside(_ellipse(x, y - bottom, 0.6 * half, 0.06)))
    canvas.paint(0.93 - 0.25 * t**2, hole * canvas.inside(y - top - 0.065))
    canvas.paint(0.85 - 0.25 * t**2, hole * mixed(20).clip(0, 1) * canvas.inside(bottom - 0.035 - y))
    seam = np.maximum(np.abs(y - top) - 0.013, within - 0.01)
    canvas.paint(0.3 * p["skin"], 0.85 * canvas.inside(seam))
    corner = _gauss(np.abs(x) - half - 0.01, y - line, 0.035, 0.035)
    canvas.shade((0.12 + 0.22 * np.maximum(pull, depress)) * corner)


def _draw_glasses(canvas: _Canvas, p: dict[str, Array], x: Array, y: Array) -> None:
    """Draw the frames of those who wear glasses."""
    lens = np.abs(_ellipse(np.abs(x) - p["eye_x"], y - p["eye_y"] - 0.03, 0.25, 0.20)) - 0.014
    bridge = np.maximum(np.abs(y - p["eye_y"]) - 0.014, np.abs(x) - p["eye_x"] + 0.24)
    canvas.paint(0.12, 0.85 * p["glasses"] * canvas.inside(np.minimum(lens, bridge)))


def _draw_fringe(canvas: _Canvas, p: dict[str, Array], head: Array) -> None:
    """Draw the hair in front of the forehead and down the temples."""
    x, y = canvas.x, canvas.y
    edge = p["hairline"] + 0.55 * (np.abs(x) / p["head_width"]) ** 4 - 0.12 * np.abs(x - p["parting"]) + 0.05
    hair = np.maximum(head - 0.07, y - edge)
    gloss = 1 + 0.35 * _gauss(x + 0.2 * canvas.view["light_x"], y + 0.85, 0.35, 0.10)
    strands = 1 + 0.10 * np.sin(26 * (x - p["parting"]) + 6 * y)
    canvas.paint(p["hair"] * gloss * strands, canvas.inside(hair))


def _draw_cover(canvas: _Canvas, p: dict[str, Array]) -> None:
    """Draw something that hides a part of a few faces: a hand, a scarf, somebody's back."""
    v = canvas.view
    across, down = canvas.u - v["cover_x"], canvas.v - v["cover_y"]
    cos, sin = np.cos(v["cover_angle"]), np.sin(v["cover_angle"])
    shape = _ellipse(cos * across + sin * down, cos * down - sin * across, 0.62, 0.24)
    canvas.paint(0.5 * (p["cloth"] + p["skin"]), v["covered"] * canvas.inside(shape))
