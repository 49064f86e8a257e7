"""Draw cartoon faces: a canvas for a batch of images, and functions that draw on it from back to front.

Each drawing function takes the parameters ``p`` of the subjects (lengths in half image widths, colors as ink) and the
strengths of the action units by number, for both sides (``s``) or for one side or their mean (``au``).
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Array: TypeAlias = NDArray[np.floating[Any]]
Person: TypeAlias = dict[str, Array]
Units: TypeAlias = dict[int, Array]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class Canvas:
    """A batch of images of shape (n_channels, n, size, size), with face coordinates for each pixel.

    The center of the face is (0, 0); x points right and y down; 1 is half the width of the image at scale 1.
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

    def ink(self, color: Array) -> Array:
        """Convert RGB colors of shape (n, 3) for painting, to gray on a grayscale canvas."""
        channels = color.T if self.n_channels == 3 else (color @ _LUMA)[None]
        return channels[:, :, None, None].astype(np.float32)

    def inside(self, distance: Array) -> Array:
        """Return the fraction of each pixel where the signed distance is negative."""
        return (0.5 - distance / self.pixel).clip(0, 1)

    def paint(self, color: Array | float, cover: Array) -> None:
        """Blend a color into the image."""
        self.picture += (color - self.picture) * cover

    def shade(self, amount: Array) -> None:
        """Darken the image; a negative amount lightens it."""
        self.picture *= 1 - amount

    def expose(self, noise: float, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Apply exposure, contrast, blur and noise; return images of shape (n, size, size, n_channels)."""
        v = self.view
        picture = (self.picture * v["exposure"] - 0.5) * v["contrast"] + 0.5
        sigma = 0.9 * self.size / 48
        blurred = gaussian_filter(picture, (0, 0, sigma, sigma), truncate=2.5)
        picture += (blurred - picture) * v["blur"]
        # One draw for all channels, so that gray and color photos show the same faces.
        grain = rng.standard_normal(self.x.shape, dtype=np.float32)
        picture = picture * 255 + grain * (noise * v["grain"])
        return np.moveaxis(picture.round().clip(0, 255).astype(np.uint8), 0, -1)


def _gauss(x: Array, y: Array, width: Array | float, height: Array | float) -> Array:
    """Return a Gaussian spot of height 1."""
    return np.exp(-((x / width) ** 2) - (y / height) ** 2)


def _ellipse(x: Array, y: Array, width: Array | float, height: Array | float) -> Array:
    """Return the approximate signed distance to an ellipse, accurate near its edge."""
    return (np.sqrt((x / width) ** 2 + (y / height) ** 2) - 1) * np.minimum(width, height)


def render(canvas: Canvas, person: Person, sides: dict[int, Units]) -> None:
    """Draw the faces from back to front."""
    p = {name: canvas.ink(value) if value.ndim == 2 else value[:, None, None] for name, value in person.items()}
    s = {side: {unit: value[:, None, None] for unit, value in units.items()} for side, units in sides.items()}
    both: Units = {unit: (s[-1][unit] + s[1][unit]) / 2 for unit in s[1]}
    v = canvas.view

    head = _draw_head(canvas, p, both)
    # On a turned head, the center moves more than the sides.
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


def _draw_head(canvas: Canvas, p: Person, au: Units) -> Array:
    """Draw hair, shoulders, ears and the shaded head; return the signed distance to the head's outline."""
    x, y, v = canvas.x, canvas.y, canvas.view
    backdrop = 0.25 * v["light_x"] * canvas.u - 0.12 * canvas.v
    canvas.shade(backdrop)
    width, height = p["head_width"], p["head_height"]
    hair_long = canvas.inside(_ellipse(x, y - 0.15, width * 1.25, height * 1.18))
    canvas.paint(p["hair"] * 0.8, hair_long * p["long_hair"])
    canvas.paint(p["cloth"] * 0.7, canvas.inside(_ellipse(x, y - 1.55, 1.1, 0.62)))
    canvas.paint(p["skin"] * 0.68, canvas.inside(np.maximum(np.abs(x) - 0.36, 0.5 - y)) * (y < 1.12))
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


def _draw_folds(canvas: Canvas, p: Person, s: dict[int, Units], au: Units, x: Array, y: Array) -> None:
    """Shade the skin: eye sockets, cheeks, and the folds that action units cause."""
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


def _draw_beard(canvas: Canvas, p: Person, au: Units, head: Array, x: Array, y: Array) -> None:
    """Draw beard and mustache below the layers of the mouth."""
    edge = 0.22 + 0.25 * (1 - (x / p["head_width"]) ** 2).clip(0, 1)
    jaw = canvas.inside(head) * ((y - edge) / 0.08).clip(0, 1)
    canvas.paint(p["hair"], p["beard"] * jaw)
    lip = _gauss(x, y - p["mouth_y"] + 0.11 + 0.04 * au[10] - 0.5 * x**2, 0.22, 0.045)
    canvas.paint(p["hair"], p["moustache"] * lip)


def _draw_nose(canvas: Canvas, p: Person, au: Units, x: Array, y: Array) -> None:
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


def _draw_eye(canvas: Canvas, p: Person, au: Units, x: Array, y: Array, side: int) -> None:
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


def _draw_brow(canvas: Canvas, p: Person, au: Units, x: Array, y: Array) -> None:
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


def _draw_mouth(canvas: Canvas, p: Person, s: dict[int, Units], au: Units, x: Array, y: Array) -> None:
    """Draw lips, teeth and tongue between two corners that move independently."""
    right = 0.5 + 0.5 * np.tanh(x / 0.08)

    def mixed(unit: int) -> Array:
        return s[-1][unit] + (s[1][unit] - s[-1][unit]) * right

    pull, depress = mixed(12), mixed(15)
    half = p["mouth_width"] * (1 + 0.32 * pull + 0.28 * mixed(20) - 0.06 * au[17] - 0.14 * au[26] - 0.05 * au[24])
    t = x / half
    arc = (1 - t**2).clip(-0.5, 1)
    bend = t.clip(-1.2, 1.2) ** 2
    y = y - p["mouth_y"] + 0.03 * au[17] - 0.02 * au[26]
    # Line where the lips meet: its corners move up and down, and AU10 and AU17 raise its middle.
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


def _draw_glasses(canvas: Canvas, p: Person, x: Array, y: Array) -> None:
    """Draw glasses."""
    lens = np.abs(_ellipse(np.abs(x) - p["eye_x"], y - p["eye_y"] - 0.03, 0.25, 0.20)) - 0.014
    bridge = np.maximum(np.abs(y - p["eye_y"]) - 0.014, np.abs(x) - p["eye_x"] + 0.24)
    canvas.paint(0.12, 0.85 * p["glasses"] * canvas.inside(np.minimum(lens, bridge)))


def _draw_fringe(canvas: Canvas, p: Person, head: Array) -> None:
    """Draw the hair in front of the forehead and down the temples."""
    x, y = canvas.x, canvas.y
    edge = p["hairline"] + 0.55 * (np.abs(x) / p["head_width"]) ** 4 - 0.12 * np.abs(x - p["parting"]) + 0.05
    hair = np.maximum(head - 0.07, y - edge)
    gloss = 1 + 0.35 * _gauss(x + 0.2 * canvas.view["light_x"], y + 0.85, 0.35, 0.10)
    strands = 1 + 0.10 * np.sin(26 * (x - p["parting"]) + 6 * y)
    canvas.paint(p["hair"] * gloss * strands, canvas.inside(hair))


def _draw_cover(canvas: Canvas, p: Person) -> None:
    """Draw an object that occludes part of a few faces, such as a hand or a scarf."""
    v = canvas.view
    across, down = canvas.u - v["cover_x"], canvas.v - v["cover_y"]
    cos, sin = np.cos(v["cover_angle"]), np.sin(v["cover_angle"])
    shape = _ellipse(cos * across + sin * down, cos * down - sin * across, 0.62, 0.24)
    canvas.paint(0.5 * (p["cloth"] + p["skin"]), v["covered"] * canvas.inside(shape))
