from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sk_emotion import AugmentationOverSampler
from sk_emotion.emotions import EMOTIONS

SEEDS = st.integers(0, 2**32 - 1)
# Images under 16 pixels are copied as they are.
SHAPES = st.sampled_from([(16, 16), (17, 20), (16, 18, 3), (256,), (3, 5), (16, 16, 1)])
SCALES = st.sampled_from([("uint8", 1, 0), ("float32", 1 / 255, 0), ("float64", 1, 0), ("float64", 1 / 64, -2)])


@st.composite
def draw_problems(draw):
    """Draw images, labels, and the wanted number of samples per class."""
    counts = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    wanted = {
        name: count + draw(st.integers(0, 7))
        for name, count in zip(EMOTIONS, counts, strict=False)
        if draw(st.booleans())
    }
    random = np.random.default_rng(draw(SEEDS))
    y = random.permutation(np.repeat(EMOTIONS[: len(counts)], counts))
    dtype, factor, offset = draw(SCALES)
    X = random.integers(0, 256, (len(y), *draw(SHAPES)))
    return (X * factor + offset).astype(dtype), y, wanted


@given(draw_problems(), SEEDS)
def test_originals_stay_and_classes_get_the_size_that_was_asked_for(problem, seed):
    X, y, wanted = problem
    before = X.copy()
    sampler = AugmentationOverSampler(sampling_strategy=wanted, random_state=seed)
    X_new, y_new = sampler.fit_resample(X, y)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(X_new[: len(X)], X)
    np.testing.assert_array_equal(y_new[: len(y)], y)
    assert Counter(y_new.tolist()) == Counter(y.tolist()) | Counter(wanted)
    np.testing.assert_array_equal(y_new, y[sampler.sample_indices_])


@given(draw_problems(), SEEDS)
def test_copies_have_type_shape_and_range_of_the_images(problem, seed):
    X, y, wanted = problem
    sampler = AugmentationOverSampler(sampling_strategy=wanted, random_state=seed)
    X_new, _ = sampler.fit_resample(X, y)
    assert X_new.dtype == X.dtype and X_new.shape[1:] == X.shape[1:]
    low, high = sampler.pixel_range_
    tolerance = 1e-6 * max(abs(low), abs(high))
    assert X_new.min() >= low - tolerance and X_new.max() <= high + tolerance


@given(draw_problems(), SEEDS)
def test_same_seed_gives_the_same_copies(problem, seed):
    X, y, wanted = problem
    first, second = (
        AugmentationOverSampler(sampling_strategy=wanted, random_state=seed).fit_resample(X, y)[0] for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@given(draw_problems(), SEEDS)
def test_by_default_all_classes_become_as_large_as_the_largest(problem, seed):
    X, y, _ = problem
    _, y_new = AugmentationOverSampler(random_state=seed).fit_resample(X, y)
    assert set(Counter(y_new.tolist()).values()) == {max(Counter(y.tolist()).values())}
