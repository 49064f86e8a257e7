import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from sk_emotion import FaceAugmentation
from sk_emotion.augmentation import erase, expose, move

NOTHING = dict.fromkeys(("flip", "rotation", "scale", "translation", "brightness", "contrast", "erasing"), 0)


@pytest.fixture
def images():
    return torch.rand(12, 3, 20, 16, generator=torch.Generator().manual_seed(0))


def seed(number):
    return torch.Generator().manual_seed(number)


def test_same_generator_gives_the_same_images(images):
    augment = FaceAugmentation()
    assert torch.equal(augment(images, seed(1)), augment(images, seed(1)))
    assert not torch.equal(augment(images, seed(1)), augment(images, seed(2)))


def test_images_stay_what_they_were_and_results_stay_in_range(images):
    before = images.clone()
    changed = FaceAugmentation(brightness=1, contrast=1, rotation=180, erasing=1)(images, seed(0))
    assert torch.equal(images, before)
    assert changed.shape == images.shape
    assert 0 <= changed.min() <= changed.max() <= 1


def test_strengths_of_zero_change_nothing(images):
    assert torch.equal(FaceAugmentation(**NOTHING)(images, seed(0)), images)


@pytest.mark.parametrize("name", ["rotation", "scale", "translation", "brightness", "contrast", "flip", "erasing"])
def test_each_image_has_a_draw_of_its_own(name):
    same = torch.rand(1, 1, 20, 20, generator=seed(0)).expand(24, 1, 20, 20)
    changed = FaceAugmentation(**{**NOTHING, name: 0.5})(same, seed(0))
    n_kinds = len(torch.unique(changed.reshape(24, -1), dim=0))
    assert n_kinds == 2 if name == "flip" else n_kinds > 8


def test_flip_is_the_exact_mirror_image(images):
    assert torch.equal(FaceAugmentation(**{**NOTHING, "flip": 1})(images, seed(0)), images.flip(-1))


def test_one_strength_leaves_the_draws_of_the_others_alone(images):
    flips = FaceAugmentation(**{**NOTHING, "flip": 0.5})(images, seed(4))
    both = FaceAugmentation(**{**NOTHING, "flip": 0.5, "brightness": 1e-9})(images, seed(4))
    torch.testing.assert_close(flips, both)


def test_quarter_turn_is_exact_on_a_square():
    square = torch.rand(1, 1, 9, 9, generator=seed(0))
    turned = move(square, angle=torch.tensor([torch.pi / 2]), size=torch.ones(1), shift=torch.zeros(2, 1))
    quarters = [torch.rot90(square, k, dims=(2, 3)) for k in (1, 3)]
    assert any(torch.allclose(turned, quarter, atol=1e-5) for quarter in quarters)


def test_turning_keeps_a_round_spot_round_on_a_strip():
    rows, columns = np.mgrid[:40, :24]
    spot = torch.tensor(np.exp(-((rows - 19.5) ** 2 + (columns - 11.5) ** 2) / 20), dtype=torch.float32)[None, None]
    turned = move(spot, angle=torch.tensor([0.7]), size=torch.ones(1), shift=torch.zeros(2, 1))
    # Mirror images come in at the corners, so the middle is compared.
    assert (turned - spot)[..., 10:30, 2:22].abs().max() < 0.03


def test_shift_is_a_share_of_each_side():
    dot = torch.zeros(1, 1, 20, 10)
    dot[0, 0, 10, 5] = 1
    moved = move(dot, angle=torch.zeros(1), size=torch.ones(1), shift=torch.tensor([[0.1], [0.2]]))
    row, column = divmod(int(moved.argmax()), 10)
    assert (abs(row - 10), abs(column - 5)) == (4, 1)


def test_size_grows_and_shrinks():
    square = torch.zeros(1, 1, 21, 21)
    square[..., 7:14, 7:14] = 1
    areas = [
        move(square, angle=torch.zeros(1), size=torch.tensor([size]), shift=torch.zeros(2, 1)).sum().item()
        for size in (0.8, 1.0, 1.2)
    ]
    assert areas == pytest.approx([49 * 0.64, 49, 49 * 1.44], rel=0.1)


def test_brightness_scales_and_contrast_spreads_around_the_mean():
    image = torch.tensor([0.2, 0.4]).reshape(1, 1, 1, 2)
    one = torch.ones(1)
    torch.testing.assert_close(expose(image, one * 1.5, one).flatten(), torch.tensor([0.3, 0.6]))
    torch.testing.assert_close(expose(image, one, one * 2).flatten(), torch.tensor([0.1, 0.5]))


def test_rectangles_of_the_wanted_size_are_erased_from_the_chosen_alone():
    images = torch.rand(400, 1, 40, 40, generator=seed(0))
    chosen = torch.arange(400) % 2 == 0
    erased = erase(images, chosen, torch.rand(4, 400, generator=seed(1)))
    share = (erased != images).float().mean(dim=(1, 2, 3))
    assert (share[~chosen] == 0).all()
    assert 0.005 < share[chosen].min() < 0.04
    assert 0.15 < share[chosen].max() < 0.25


@pytest.mark.parametrize("wrong", [{"flip": 1.5}, {"rotation": -1}, {"scale": 1}, {"erasing": "much"}])
def test_wrong_strength_is_named(images, wrong):
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        FaceAugmentation(**wrong)(images)


def test_it_is_cloned_and_printed_like_an_estimator():
    assert repr(clone(FaceAugmentation(rotation=5))) == "FaceAugmentation(rotation=5)"
