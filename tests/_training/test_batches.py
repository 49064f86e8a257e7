import numpy as np
import pytest
import torch

from sk_emotion import EmotionClassifier, networks
from sk_emotion._images._validation import as_tensor, learn_pixel_range
from sk_emotion._training._batches import FaceBatches, FaceDataset
from sk_emotion._training._standardize import Preparation, learn_pixel_statistics

pytestmark = pytest.mark.training


def make_faces_and_codes(n_samples=23):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n_samples, 16, 16), dtype=np.uint8), np.arange(n_samples) % 3


@pytest.fixture
def memory_map(tmp_path):
    np.save(tmp_path / "faces.npy", make_faces_and_codes()[0])
    return np.load(tmp_path / "faces.npy", mmap_mode="r")


def test_memory_map_is_not_copied(memory_map):
    assert as_tensor(memory_map).data_ptr() == memory_map.__array_interface__["data"][0]


def test_memory_map_trains_as_an_array_does(memory_map):
    images, codes = make_faces_and_codes()
    model = EmotionClassifier(networks.ResNet(width=8), max_epochs=1, random_state=0)
    expected = model.fit(images, codes).predict_proba(images)
    np.testing.assert_array_equal(model.fit(memory_map, codes).predict_proba(memory_map), expected)


def test_channels_come_first_for_pytorch():
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(as_tensor(images)[1, 2], images[1, ..., 2])


@pytest.mark.parametrize("batch_size", [1, 4, 8, 23, 100])
def test_epoch_has_each_image_once_in_batches_of_nearly_equal_size(batch_size):
    images, codes = make_faces_and_codes()
    dataset = FaceDataset(images, codes, np.arange(len(codes), dtype=np.float32))
    batches = FaceBatches(dataset, batch_size, shuffle=True, generator=torch.Generator().manual_seed(0))
    shown = [batch["sample_weight"] for batch, _ in batches]
    assert len(shown) == len(batches)
    assert sorted(torch.cat(shown).tolist()) == list(range(len(codes)))
    sizes = {len(part) for part in shown}
    assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1


def test_batch_has_matching_images_codes_and_weights():
    images, codes = make_faces_and_codes()
    dataset = FaceDataset(images, codes, np.arange(len(codes), dtype=np.float32))
    for batch, batch_codes in FaceBatches(dataset, 5, shuffle=True):
        rows = batch["sample_weight"].long().numpy()
        np.testing.assert_array_equal(batch["images"][:, 0], images[rows])
        np.testing.assert_array_equal(batch_codes, codes[rows])


def test_balanced_epoch_has_each_class_equally_often():
    images, _ = make_faces_and_codes(24)
    dataset = FaceDataset(images, np.repeat([0, 1, 2], [16, 6, 2]))
    shown = torch.cat([codes for _, codes in FaceBatches(dataset, 7, shuffle=True, balance=True)])
    np.testing.assert_array_equal(shown.bincount(), [8, 8, 8])


@pytest.mark.parametrize("shape", [(1500, 8, 8), (1500, 8, 8, 3)])
@pytest.mark.parametrize("scale", [None, 1.0, 1 / 255])
def test_statistics_match_numpy(shape, scale):
    images = np.random.default_rng(0).integers(0, 200, shape, dtype=np.uint8)
    images = images if scale is None else (images * scale).astype(np.float32)
    low, high = learn_pixel_range(images)
    mean, std = learn_pixel_statistics(images, (low, high))
    expected = (images.astype(np.float64) - low) / (high - low)
    axes = (0, 1, 2)
    np.testing.assert_allclose(mean, np.atleast_1d(expected.mean(axis=axes)), rtol=1e-5)
    np.testing.assert_allclose(std, np.atleast_1d(expected.std(axis=axes)), rtol=1e-5)


def test_statistics_of_standardized_floats():
    images = np.random.default_rng(0).normal(3, 2, (40, 8, 8))
    low, high = learn_pixel_range(images)
    mean, std = learn_pixel_statistics(images, (low, high))
    prepared = Preparation((low, high), mean, std)(torch.from_numpy(images).unsqueeze(1))
    assert abs(float(prepared.mean())) < 1e-5 and abs(float(prepared.std()) - 1) < 1e-3


def test_constant_images_are_not_divided_by_zero():
    mean, std = learn_pixel_statistics(np.full((3, 8, 8), 51, dtype=np.uint8), (0.0, 255.0))
    np.testing.assert_allclose(mean, [0.2], rtol=1e-6)
    np.testing.assert_array_equal(std, [1.0])
