import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from sk_emotion import AugmentationDisplay, FaceAugmentation
from sk_emotion.exceptions import ImageArrayError

NOTHING = FaceAugmentation(flip=0, rotation=0, scale=0, translation=0, brightness=0, contrast=0, erasing=0)


def test_first_face_is_the_original_and_the_others_are_augmented(faces):
    face = faces[0][0]
    display = AugmentationDisplay.from_augmentation(FaceAugmentation(), face, n_draws=7, random_state=0)
    assert display.images.shape == (8, 24, 24)
    assert display.images.dtype == np.uint8
    np.testing.assert_array_equal(display.images[0], face)
    assert all((image != face).any() for image in display.images[1:])
    assert len({image.tobytes() for image in display.images}) == 8
    assert [ax.get_title() for ax in display.axes_[:2]] == ["original", "draw 1"]


def test_copies_are_the_output_of_the_augmentation(faces):
    face = faces[0][0]
    seen = []

    def dim(images, generator):
        seen.append((images, generator))
        return images / 2

    display = AugmentationDisplay.from_augmentation(dim, face, n_draws=3)
    np.testing.assert_allclose(display.images[1:], np.repeat(face[np.newaxis] / 2, 3, axis=0), atol=0.5)
    images, generator = seen[0]
    assert images.shape == (3, 1, 24, 24)
    assert images.max() <= 1
    assert isinstance(generator, torch.Generator)


@pytest.mark.parametrize("scale", [1, 1 / 255])
@pytest.mark.parametrize("color", [False, True])
def test_augmentation_of_zero_strength_changes_nothing(faces, scale, color):
    face = faces[0][0] * np.float32(scale)
    face = np.stack([face, face / 2, face], axis=-1) if color else face
    display = AugmentationDisplay.from_augmentation(NOTHING, face, n_draws=2)
    np.testing.assert_allclose(display.images[2], face, rtol=1e-5, atol=1e-5)


def test_random_state_is_reproducible(faces):
    first, again, other = (
        AugmentationDisplay.from_augmentation(FaceAugmentation(), faces[0][0], n_draws=3, random_state=seed).images
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_faces_are_plotted_on_given_axes(faces):
    _, axes = plt.subplots(1, 3)
    display = AugmentationDisplay.from_augmentation(NOTHING, faces[0][0], n_draws=2, axes=axes)
    assert list(display.axes_) == list(axes)
    assert display.plot() is display
    with pytest.raises(ValueError, match="got 2 axes, expected 3"):
        display.plot(axes[:2])


@pytest.mark.parametrize(
    ("face", "message"),
    [
        (np.zeros((2, 24, 24, 3)), "face has shape \\(2, 24, 24, 3\\), expected one image"),
        (np.zeros(576), "face has shape \\(576,\\)"),
        ("face.png", "FaceLoader\\(\\)"),
        (np.zeros((8, 8)), "8x8 pixels. Images under 16 pixels"),
    ],
)
def test_invalid_face_is_an_error(face, message):
    with pytest.raises(ImageArrayError, match=message):
        AugmentationDisplay.from_augmentation(FaceAugmentation(), face)


def test_invalid_augmentation_is_an_error(faces):
    for augmentation in ("default", None, FaceAugmentation):
        with pytest.raises(TypeError, match="expected one such as FaceAugmentation\\(\\)"):
            AugmentationDisplay.from_augmentation(augmentation, faces[0][0])
    with pytest.raises(ValueError, match="n_draws=0"):
        AugmentationDisplay.from_augmentation(NOTHING, faces[0][0], n_draws=0)
