import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from skimage.feature import hog

from sk_emotion import HOGTransformer

DTYPES = st.sampled_from([("uint8", 1), ("float64", 1), ("float64", 1 / 255), ("float32", 1 / 255)])


FEW, MANY = st.integers(1, 4), st.integers(500, 900)


@st.composite
def draw_cases(draw, n_images=FEW):
    """Draw images, and parameters that need no clipping to fit them."""
    size = draw(st.tuples(st.integers(3, 26), st.integers(3, 26)))
    cell = tuple(draw(st.integers(1, min(side, 10))) for side in size)
    block = tuple(draw(st.integers(1, min(side // length, 3))) for side, length in zip(size, cell, strict=True))
    settings = {
        "orientations": draw(st.integers(1, 18)),
        "pixels_per_cell": cell,
        "cells_per_block": block,
        "block_norm": draw(st.sampled_from(["L1", "L1-sqrt", "L2", "L2-Hys"])),
        "transform_sqrt": draw(st.booleans()),
    }
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(n_images), *size, *draw(st.sampled_from([(), (3,)])))
    dtype, factor = draw(DTYPES)
    # Few levels yield gradients on the border of two bins, and equal ones in two channels.
    return (random.integers(0, draw(st.sampled_from([256, 3])), shape) * factor).astype(dtype), settings


def describe(images, settings, **others):
    # A narrow image could be read as color channels.
    flat = images.reshape(len(images), -1)
    return HOGTransformer(**settings, **others, image_shape=images.shape[1:]).fit_transform(flat)


@given(draw_cases())
def test_histograms_are_those_of_scikit_image(case):
    images, settings = case
    expected = [hog(image, **settings, channel_axis=-1 if images.ndim == 4 else None) for image in images]
    np.testing.assert_allclose(describe(images, settings), expected, rtol=0, atol=1e-6)


@given(draw_cases(), st.randoms(use_true_random=False))
def test_order_of_images_is_that_of_their_histograms(case, random):
    images, settings = case
    order = random.sample(range(len(images)), len(images))
    np.testing.assert_array_equal(describe(images[order], settings), describe(images, settings)[order])


@given(draw_cases())
def test_histogram_of_an_image_is_its_own_whatever_batch_it_is_in(case):
    images, settings = case
    together = describe(images, settings)
    np.testing.assert_array_equal(np.concatenate([describe(image[np.newaxis], settings) for image in images]), together)


@given(draw_cases(MANY))
def test_threads_and_parts_do_not_matter(case):
    images, settings = case
    together = describe(images, settings)
    np.testing.assert_array_equal(describe(images, settings, n_jobs=2), together)
    np.testing.assert_array_equal(describe(images[-3:], settings), together[-3:])
