import pytest
import torch

from sk_emotion import make_faces


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    # Small nets gain nothing from threads, and parallel test runs would fight over them.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def faces():
    """Faces of two emotions that a small network tells apart within seconds: X, y, groups."""
    return make_faces(80, emotions=["happiness", "pain"], image_size=24, noise=2, random_state=0)
