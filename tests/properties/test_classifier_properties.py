import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_emotion import EmotionClassifier, make_faces, networks

pytestmark = pytest.mark.training

X, Y, _ = make_faces(24, emotions=["fear", "happiness", "pain"], image_size=16, random_state=0)
# Floating-point sums depend on the batch size.
TOLERANCE = {"rtol": 0, "atol": 1e-5}
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", params=[None, "crops"])
def classifier(request):
    return EmotionClassifier(
        networks.ResNet(width=4), max_epochs=1, tta=request.param, device="cpu", random_state=0
    ).fit(X, Y)


@st.composite
def draw_images(draw):
    return np.random.default_rng(draw(SEEDS)).integers(0, 256, (draw(st.integers(1, 9)), 16, 16)).astype(np.uint8)


@given(draw_images())
def test_rows_are_probabilities(classifier, images):
    probabilities = classifier.predict_proba(images)
    assert probabilities.shape == (len(images), 3) and probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(classifier.predict(images), classifier.classes_[probabilities.argmax(axis=1)])


@given(draw_images(), st.randoms(use_true_random=False))
def test_order_of_images_is_that_of_their_answers(classifier, images, random):
    order = random.sample(range(len(images)), len(images))
    for ask in (classifier.predict_proba, classifier.embed):
        np.testing.assert_allclose(ask(images[order]), ask(images)[order], **TOLERANCE)


@given(draw_images())
def test_answer_to_an_image_is_its_own_whatever_batch_it_is_in(classifier, images):
    alone = np.concatenate([classifier.predict_proba(image[np.newaxis]) for image in images])
    np.testing.assert_allclose(alone, classifier.predict_proba(images), **TOLERANCE)


@given(draw_images())
def test_flattened_rows_and_floats_are_the_same_images(classifier, images):
    expected = classifier.predict_proba(images)
    np.testing.assert_array_equal(classifier.predict_proba(images.reshape(len(images), -1)), expected)
    np.testing.assert_array_equal(classifier.predict_proba(images.astype(np.float64)), expected)


@pytest.mark.parametrize("classifier", ["mirror", "crops"], indirect=True)
@given(images=draw_images())
def test_mirror_image_gets_the_same_answer_if_both_are_looked_at(classifier, images):
    mirrored = classifier.predict_proba(np.ascontiguousarray(images[:, :, ::-1]))
    np.testing.assert_allclose(mirrored, classifier.predict_proba(images), **TOLERANCE)
