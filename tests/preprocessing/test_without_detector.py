"""Without a detector, photos that are too large for cropped faces cause a warning."""

import numpy as np
import pytest
from PIL import Image

from sk_emotion import FaceLoader
from sk_emotion.exceptions import DatasetWarning


def draw(height, width):
    """Return a gray image of random pixels."""
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def test_photos_cause_a_warning_that_counts_them(tmp_path):
    Image.fromarray(draw(500, 257)).save(tmp_path / "photo.png")
    X = [draw(300, 400), tmp_path / "photo.png", draw(100, 900), draw(48, 48)]
    loader = FaceLoader(detector=None)
    with pytest.warns(DatasetWarning, match=r"2 of 4 images .*256 pixels .*image 0: 300.*detector=\"centerface\""):
        faces = loader.fit_transform(X)
    assert faces.shape == (4, 48, 48)
    with pytest.warns(DatasetWarning, match="1 of 1 images"):
        loader.load(X[:1])


def test_cropped_faces_and_batches_cause_no_warning():
    faces = [draw(256, 256), draw(48, 300)]
    assert FaceLoader(detector=None).fit_transform(faces).shape == (2, 48, 48)
    batch = np.stack([draw(300, 400)] * 2)
    assert FaceLoader(detector=None).fit_transform(batch).shape == (2, 48, 48)
    assert FaceLoader().fit_transform(batch).shape == (2, 48, 48)
