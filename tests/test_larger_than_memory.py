"""Images on disk have the same results as in memory, and are never all in memory."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sk_emotion import EmotionClassifier, networks
from sk_emotion._images import _stored as stored_images
from sk_emotion._images._stored import StoredImages
from sk_emotion._training._batches import FaceBatches, FaceDataset, _stage, as_tensor
from sk_emotion.exceptions import ImageArrayError

pytestmark = pytest.mark.training

zarr = pytest.importorskip("zarr")

STORES = ["memory-map", "Zarr"]
TRAININGS = {
    "plain": {},
    "balanced": {"balance_batches": True},
    "validated": {"validation_fraction": 0.2, "early_stopping": True},
    "weighted": {"class_weight": "balanced"},
}


class LoggedChunks:
    """A chunked array that counts how often each of its rows is read."""

    def __init__(self, images, rows_per_chunk):
        self._images = images
        self.shape, self.dtype = images.shape, images.dtype
        self.chunks = (rows_per_chunk, *images.shape[1:])
        self.most, self.reads = 0, np.zeros(len(images), dtype=int)

    def __getitem__(self, rows):
        self.reads[rows] += 1
        part = self._images[rows]
        self.most = max(self.most, len(part))
        return part

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("the whole array was read into memory")


@pytest.fixture
def store(tmp_path):
    """Function that writes an array to disk, as a memory-map or in chunks."""

    def write(images, kind="memory-map", mode="r"):
        if kind == "Zarr":
            array = zarr.create_array(
                tmp_path / "faces.zarr", shape=images.shape, chunks=(16, *images.shape[1:]), dtype=images.dtype
            )
            array[:] = images
            return array
        np.save(tmp_path / "faces.npy", images)
        return np.load(tmp_path / "faces.npy", mmap_mode=mode)

    return write


@pytest.fixture
def small_chunks(monkeypatch):
    """Reduce the size of chunks and the number of chunks in memory."""
    monkeypatch.setattr(stored_images, "_LEAST_READ", 1)
    monkeypatch.setattr(stored_images, "_BUFFER", 3 * 8 * 16 * 16)


def make_classifier(**parameters):
    return EmotionClassifier(networks.VGG(width=4), **{"max_epochs": 1, "random_state": 0, **parameters})


def draw_images(n_samples=96, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (n_samples, 16, 16)).astype(dtype)


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("training", TRAININGS)
def test_training_on_disk_is_identical_to_training_in_memory(faces, store, kind, training):
    X, y, _ = faces
    # Imbalanced classes, so that balancing and weights make a difference.
    X, y = X[:70], np.sort(y)[:70]
    expected = make_classifier(**TRAININGS[training]).fit(X, y).predict_proba(X)
    kept = store(X, kind)
    found = make_classifier(**TRAININGS[training]).fit(kept, y).predict_proba(kept)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "float16", ">f4"])
def test_other_dtypes_on_disk_match_those_in_memory(faces, store, kind, dtype):
    X, y, _ = faces
    X = (X[:40] / (1 if dtype == "int64" else 255)).astype(dtype)
    kept = store(X.reshape(len(X), -1), kind)
    expected, found = make_classifier().fit(X, y[:40]), make_classifier().fit(kept, y[:40])
    assert (found.pixel_range_, found.image_shape_) == (expected.pixel_range_, expected.image_shape_)
    np.testing.assert_array_equal(found.predict_proba(kept), expected.predict_proba(X))


def test_validation_set_can_be_on_disk(faces, store):
    X, y, _ = faces
    expected = make_classifier().fit(X, y, X_val=X[:30], y_val=y[:30]).history_[-1]["valid_loss"]
    found = make_classifier().fit(X, y, X_val=store(X[:30], "Zarr"), y_val=y[:30]).history_[-1]["valid_loss"]
    assert found == expected


def test_checkpoints_recognize_the_same_images_on_disk(faces, store, tmp_path):
    X, y, _ = faces
    make_classifier(checkpoint_dir=tmp_path / "checkpoints").fit(X, y)
    make_classifier(checkpoint_dir=tmp_path / "checkpoints").fit(store(X), y)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("parameters", TRAININGS.values(), ids=TRAININGS)
def test_chunks_are_never_all_in_memory(parameters):
    images = LoggedChunks(draw_images(), rows_per_chunk=8)
    classifier = make_classifier(**parameters).fit(images, np.arange(96) % 3)
    assert classifier.predict_proba(images).shape == (96, 3)
    assert images.most == 8


@pytest.mark.usefixtures("small_chunks")
def test_epoch_reads_each_chunk_and_image_once():
    images = LoggedChunks(draw_images(), rows_per_chunk=8)
    dataset = FaceDataset(StoredImages(images, (16, 16), np.uint8), np.zeros(96, np.int64), np.arange(96.0))
    batches = FaceBatches(dataset, 5, shuffle=True, generator=torch.Generator().manual_seed(0))
    shown = torch.cat([batch["sample_weight"] for batch, _ in batches]).long().numpy()
    assert sorted(shown) == list(range(96))
    assert images.reads.tolist() == [1] * 96
    # The first buffer has three chunks, shuffled.
    assert len(set(shown[:24] // 8)) == 3 and len(set(shown[:6] // 8)) > 1


@pytest.mark.usefixtures("small_chunks")
def test_order_of_chunks_depends_on_the_seed():
    images = LoggedChunks(draw_images(), rows_per_chunk=8)
    y = np.arange(96) % 3
    first, again = (make_classifier().fit(images, y).predict_proba(images) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = make_classifier(random_state=1).fit(images, y).predict_proba(images)
    assert not np.array_equal(first, other)


@pytest.mark.usefixtures("small_chunks")
def test_balanced_epoch_of_chunks_has_each_class_equally_often():
    images = StoredImages(LoggedChunks(draw_images(), rows_per_chunk=8), (16, 16), np.uint8)
    codes = np.repeat([0, 1, 2], [66, 20, 10])
    batches = FaceBatches(FaceDataset(images, codes), 10, shuffle=True, balance=True)
    np.testing.assert_array_equal(torch.cat([shown for _, shown in batches]).bincount(), [32, 32, 32])


@pytest.mark.parametrize("kind", STORES)
def test_nested_take_returns_the_right_images(store, kind):
    X = draw_images()
    part = StoredImages(store(X, kind), (16, 16), X.dtype).take(np.arange(0, 96, 3)).take(np.array([5, 2, 31]))
    assert part.shape == (3, 16, 16) and part.nbytes == 3 * 256
    np.testing.assert_array_equal(part[:], X[[15, 6, 93]])
    np.testing.assert_array_equal(part[np.array([2, 0])], X[[93, 15]])


def test_changes_to_a_copy_on_write_map_are_used(store):
    X = draw_images()
    kept = store(X, mode="c")
    kept[3] = 7
    images = StoredImages(kept, (16, 16), X.dtype)
    for _ in range(2):
        assert (images[np.array([3])] == 7).all() and (images[2:4][1] == 7).all()


def test_pages_of_a_memory_map_are_released(tmp_path):
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs Linux's memory statistics of processes")

    def read_mapped():
        return int(status.read_text().split("RssFile:")[1].split()[0]) * 1024

    X = np.lib.format.open_memmap(tmp_path / "faces.npy", mode="w+", dtype=np.uint8, shape=(40_000, 48, 48))
    X[:] = 1
    X.flush()
    kept = np.load(tmp_path / "faces.npy", mmap_mode="r")
    del X
    images = StoredImages(kept, (48, 48), np.uint8)
    before = read_mapped()
    images[np.random.default_rng(0).permutation(40_000)[:2000]]
    for start in range(0, 40_000, 1000):
        images[start : start + 1000]
    assert read_mapped() - before < kept.nbytes / 4


def test_staged_images_equal_those_on_disk(store):
    X = draw_images(dtype=np.float64)
    staged = _stage(StoredImages(store(X, "Zarr"), (16, 16), X.dtype), "cpu")
    torch.testing.assert_close(staged, as_tensor(X), rtol=0, atol=0)


@pytest.mark.parametrize("kind", STORES)
def test_images_on_disk_are_validated(faces, store, kind):
    X, y, _ = faces
    spoilt = X[:40].astype(np.float32)
    spoilt[33, 2, 2] = np.nan
    with pytest.raises(ImageArrayError, match=r"NaN in 1 of 40 images, first in X\[33\]"):
        make_classifier().fit(store(spoilt, kind), y[:40])
    classifier = make_classifier().fit(X / 255, y)
    with pytest.raises(ImageArrayError, match="pixels from 0 to 255, but was fitted on pixels from 0 to 1"):
        classifier.predict(store(X, "memory-map"))


def test_shape_on_disk_is_validated(faces, store):
    classifier = make_classifier().fit(faces[0], faces[1])
    with pytest.raises(ImageArrayError, match="16x16 gray images, but was fitted on 24x24"):
        classifier.predict(store(draw_images()))
    with pytest.raises(ImageArrayError, match="Move the channels last"):
        classifier.predict(store(np.zeros((4, 3, 24, 24), np.uint8)))
