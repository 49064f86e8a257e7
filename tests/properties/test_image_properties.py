import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from sk_emotion._images._validation import validate_images


class Looker(BaseEstimator):
    def fit(self, X):
        self.images_ = validate_images(self, X, reset=True)
        return self

    def see(self, X):
        return validate_images(self, X, reset=False)


@st.composite
def draw_images(draw):
    shape = (
        draw(st.integers(1, 5)),
        draw(st.integers(5, 12)),
        draw(st.integers(5, 12)),
        *draw(st.sampled_from([(), (3,)])),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype, factor, offset = draw(
        st.sampled_from(
            [("uint8", 1, 0), ("float32", 1 / 255, 0), ("float64", 1, 0), ("float64", 1 / 64, -2), ("int64", 9, -99)]
        )
    )
    return (random.integers(0, 256, shape) * factor + offset).astype(dtype)


@given(draw_images())
def test_images_that_were_checked_pass_again_unchanged(X):
    looker = Looker().fit(X)
    np.testing.assert_array_equal(looker.images_, X)
    again = Looker().fit(looker.images_)
    assert np.shares_memory(again.images_, looker.images_)
    assert again.image_shape_ == looker.image_shape_ and again.pixel_range_ == looker.pixel_range_


@given(draw_images())
def test_pixels_lie_in_the_range_that_was_learned(X):
    low, high = Looker().fit(X).pixel_range_
    assert low <= X.min() and X.max() <= high and low < high


@given(draw_images(), st.randoms(use_true_random=False))
def test_any_rows_of_the_fitted_images_are_seen_as_they_are_in_any_form(X, random):
    looker = Looker().fit(X)
    rows = random.choices(range(len(X)), k=len(X))
    seen = looker.see(X[rows])
    np.testing.assert_array_equal(seen, X[rows])
    forms = [X[rows].reshape(len(X), -1), np.asfortranarray(X[rows]), list(X[rows]), X[rows][..., ::-1][..., ::-1]]
    for form in forms:
        np.testing.assert_array_equal(looker.see(form), seen)
