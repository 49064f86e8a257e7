"""Limits on workers and sizes."""

import threading

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.naive_bayes import GaussianNB
from torch import nn

from sk_emotion import (
    EmotionClassifier,
    FaceLoader,
    HOGTransformer,
    compare_classifiers,
    find_duplicates,
    make_faces,
    make_hog_svm,
    networks,
)
from sk_emotion.exceptions import OutOfMemoryError, SkEmotionError
from sk_emotion.utils._parallel import bound_jobs, most_jobs


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    X, _, _ = make_faces(12, image_size=20, random_state=0)
    folder = tmp_path_factory.mktemp("photos")
    for number, face in enumerate(X):
        Image.fromarray(face).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.fixture
def n_threads_of(monkeypatch):
    """Count the started threads."""

    def count(call):
        started = []
        start = threading.Thread.start

        def count_and_start(thread):
            started.append(thread)
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", count_and_start)
        call()
        return len(started)

    return count


def load(photos, n_jobs):
    return FaceLoader(image_size=16, n_jobs=n_jobs).fit(photos).transform(photos)


def describe(photos, n_jobs):
    return HOGTransformer(n_jobs=n_jobs).fit_transform(np.zeros((5, 16, 16), np.uint8))


def search(photos, n_jobs):
    return find_duplicates(photos, n_jobs=n_jobs)


@pytest.mark.parametrize("call", [load, describe, search])
@pytest.mark.parametrize("n_jobs", [10**5, 10**9, -(10**5), 3])
def test_threads_are_bounded_and_change_nothing(photos, n_threads_of, call, n_jobs):
    expected = call(photos, 1)
    results = []
    # A pool has some threads in addition to its workers.
    assert n_threads_of(lambda: results.append(call(photos, n_jobs))) <= len(photos) + 5
    np.testing.assert_array_equal(results[0], expected)


@pytest.mark.parametrize("call", [load, describe, search])
def test_threads_of_a_context_are_bounded(photos, n_threads_of, call):
    with joblib.parallel_config("threading", n_jobs=10**5):
        assert n_threads_of(lambda: call(photos, None)) <= len(photos) + 5


@pytest.mark.parametrize("n_jobs", [10**5, -(10**5)])
def test_folds_at_once_are_bounded(n_jobs):
    X, y, _ = make_faces(30, emotions=["fear", "pain"], image_size=16, random_state=0)
    rows = X.reshape(30, -1) / 255
    with joblib.parallel_config("threading"), pytest.warns(UserWarning, match="Fewer than 20"):
        result = compare_classifiers(
            {"a": GaussianNB(), "b": GaussianNB()}, rows, y, cv=2, n_jobs=n_jobs, random_state=0
        )
    assert len(result.scores) == 4


@pytest.mark.parametrize("n_jobs", [0, 1.5, "all", True])
def test_invalid_n_jobs_raises(n_jobs):
    with pytest.raises(ValueError, match="n_jobs") as raised:
        compare_classifiers([GaussianNB()], np.zeros((8, 3)), [0, 1] * 4, cv=2, n_jobs=n_jobs, random_state=0)
    assert isinstance(raised.value, SkEmotionError)


@pytest.mark.parametrize("call", [load, describe, search])
def test_no_workers_raise(photos, call):
    with pytest.raises(ValueError, match="'n_jobs' parameter"):
        call(photos, 0)


@pytest.mark.parametrize(
    ("n_jobs", "n_tasks", "bound"),
    [(None, 5, None), (1, 5, 1), (-1, 5, -1), (3, 5, 3), (9, 5, 5), (10**5, 10**6, most_jobs()), (4, 0, 1)],
)
def test_there_are_no_more_workers_than_tasks_or_than_a_machine_can_start(n_jobs, n_tasks, bound):
    assert bound_jobs(n_jobs, n_tasks) == bound


@pytest.mark.parametrize("image_size", [10**6, (10**6, 10**6), (10**9, 100), 10**12, 2**31])
@pytest.mark.parametrize("color", [False, True])
def test_faces_larger_than_memory_raise(photos, image_size, color):
    with pytest.raises(OutOfMemoryError, match="GiB of memory") as raised:
        FaceLoader(image_size=image_size, color=color).fit_transform(photos)
    assert isinstance(raised.value, MemoryError)


@pytest.mark.parametrize("scale", [1, 1 / 255, 1 / 50])
def test_arrays_are_not_made_larger_than_memory(scale):
    X = make_faces(6, image_size=20, random_state=0)[0] * scale - (2 if scale == 1 / 50 else 0)
    with pytest.raises(OutOfMemoryError, match="image_size=1000000 for"):
        make_hog_svm(image_size=10**6).fit(X, [0, 1] * 3)


def test_drawn_faces_and_features_are_not_made_larger_than_memory():
    with pytest.raises(OutOfMemoryError, match="make_faces"):
        make_faces(2, image_size=10**6)
    images = np.broadcast_to(np.uint8(7), (10**9, 32, 32))
    hog = HOGTransformer(pixels_per_cell=(2, 2)).fit(images[:2])
    with pytest.raises(OutOfMemoryError, match="features per image"):
        hog.transform(images[: 10**8])


@pytest.mark.parametrize("network", [networks.ResNet(width=4), networks.VGG(width=4)])
def test_network_that_pools_takes_images_of_any_size(network):
    assert isinstance(network.build(1, (10**6, 10**6), 2), nn.Module)


@pytest.mark.parametrize(
    "network",
    [
        networks.ResNet(width=10**14),
        networks.ResNet(width=10**15),
        networks.ResNet(width=10**18),
        networks.VGG(width=10**14),
        networks.VGG(width=10**17),
    ],
)
def test_network_larger_than_memory_raises(network):
    X, y, _ = make_faces(6, emotions=["anger", "pain"], image_size=16, random_state=0)
    with pytest.raises(OutOfMemoryError, match="smaller width"):
        EmotionClassifier(network, max_epochs=1).fit(X, y)


def test_module_that_grows_with_the_images_raises_where_memory_ends():
    def flat(image_size, n_classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(image_size[0] * image_size[1], n_classes))

    with pytest.raises(OutOfMemoryError, match="1000000x1000000"):
        networks.TorchNetwork(flat).build(1, (10**6, 10**6), 2)


def test_other_errors_of_a_module_stay():
    def broken():
        raise RuntimeError("no such layer")

    with pytest.raises(RuntimeError, match="no such layer"):
        networks.TorchNetwork(broken).build(1, (8, 8), 2)
