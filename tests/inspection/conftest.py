import numpy as np
import pytest
from matplotlib import pyplot as plt

from sk_emotion import EmotionClassifier, make_faces, networks

# Rows and columns of the only informative part of a face, and of an equally conspicuous uninformative part.
REGION = slice(28, 42), slice(5, 19)
DISTRACTION = slice(28, 42), slice(29, 43)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def marked():
    """Neutral faces X with horizontal or vertical stripes on one cheek (y) and diagonal stripes on the other."""
    X, _, _ = make_faces(80, emotions=["neutral"], image_size=48, random_state=0)
    y = np.array(["level", "upright"] * 40)
    places = np.arange(14)
    stripes = np.where(places // 2 % 2, 220, 40)
    for number, (face, label) in enumerate(zip(X, y, strict=True)):
        face[REGION] = stripes[:, np.newaxis] if label == "level" else stripes
        face[DISTRACTION] = np.where((places + places[:, np.newaxis] + number // 2) // 3 % 2, 220, 40)
    return X, y


@pytest.fixture(scope="session")
def network(marked):
    """Small network that classifies the stripes."""
    clf = EmotionClassifier(
        networks.ResNet(width=8, pool=1),
        augmentation=None,
        max_epochs=6,
        batch_size=16,
        optimizer="sgd",
        learning_rate=0.02,
        random_state=0,
    ).fit(*marked)
    assert clf.score(*marked) == 1
    return clf


@pytest.fixture(scope="session")
def share_at_region():
    """Return a function that computes how often the maximum of a map lies within 4 pixels of the stripes."""

    def share(maps):
        down, across = np.unravel_index(maps.reshape(len(maps), -1).argmax(axis=1), maps.shape[1:])
        inside = (down >= 24) & (down < 46) & (across >= 1) & (across < 23)
        return inside.mean()

    return share
