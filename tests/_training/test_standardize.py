import numpy as np
import pytest
import torch

from sk_emotion._images._validation import learn_pixel_range
from sk_emotion._training._batches import Preparation, learn_pixel_statistics


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
