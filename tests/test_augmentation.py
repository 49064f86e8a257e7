import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from sk_emotion import FaceAugmentation
from sk_emotion.augmentation import erase, expose, move

STRENGTHS = {
    "flip": 1,
    "rotation": 20,
    "scale": 0.2,
    "translation": 0.2,
    "brightness": 0.5,
    "contrast": 0.5,
    "erasing": 1,
}
NONE = dict.fromkeys(STRENGTHS, 0)


def only(**strengths):
    return FaceAugmentation(**{**NONE, **strengths})


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def make_batch(n=32, channels=1, height=24, width=24):
    return torch.rand(n, channels, height, width, generator=seeded(7))


def apply_move(image, *, degrees=0.0, size=1.0, right=0.0, down=0.0):
    """Move a single image (H, W)."""
    return move(
        image[None, None],
        angle=torch.tensor([math.radians(degrees)]),
        size=torch.tensor([size]),
        shift=torch.tensor([[-right], [-down]]),
    )[0, 0]


@pytest.mark.parametrize("name", STRENGTHS)
def test_each_image_gets_a_draw_of_its_own(name):
    same = make_batch(1).expand(40, -1, -1, -1)
    changed = only(**{name: 0.5 if name in ("flip", "erasing") else STRENGTHS[name]})(same, seeded())
    kinds = len(torch.unique(changed.flatten(1), dim=0))
    assert kinds == 2 if name == "flip" else kinds > 10


@pytest.mark.parametrize("shape", [(8, 1, 24, 24), (8, 3, 24, 24), (8, 1, 20, 32), (1, 3, 16, 16)])
def test_shape_and_type_stay(shape):
    images = make_batch(*shape)
    changed = FaceAugmentation()(images, seeded())
    assert changed.shape == shape and changed.dtype == torch.float32
    assert FaceAugmentation()(images.double(), seeded()).dtype == torch.float64


def test_generator_repeats_the_draws():
    images, augmentation = make_batch(), FaceAugmentation()
    first = augmentation(images, seeded())
    assert torch.equal(augmentation(images, seeded()), first)
    assert not torch.equal(augmentation(images, seeded(1)), first)
    generator = seeded()
    assert torch.equal(augmentation(images, generator), first)
    assert not torch.equal(augmentation(images, generator), first)


def test_without_generator_the_global_one_draws():
    images = make_batch()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = FaceAugmentation()(images)
        torch.manual_seed(0)
        assert torch.equal(FaceAugmentation()(images), first)
    state = torch.random.get_rng_state()
    FaceAugmentation()(images, seeded())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_one_strength_leaves_the_draws_of_the_others_alone():
    images = make_batch()
    generators = seeded(), seeded()
    only(flip=0.5)(images, generators[0])
    FaceAugmentation()(images, generators[1])
    assert torch.equal(generators[0].get_state(), generators[1].get_state())
    mirrored = only(flip=0.5)(images, seeded())
    assert torch.equal(only(flip=0.5, erasing=1)(images, seeded()), only(erasing=1)(mirrored, seeded()))


def test_each_draw_has_one_meaning_so_that_old_seeds_keep_giving_old_images():
    images, generator = make_batch(), seeded()
    draws = torch.rand(12, 32, generator=generator)
    signed = draws[2:8] * 2 - 1
    expected = torch.where(draws[0].reshape(-1, 1, 1, 1) < 0.6, images.flip(-1), images)
    expected = move(
        expected, angle=torch.deg2rad(20 * signed[0]), size=1 + 0.2 * signed[1], shift=0.1 * signed[2:4]
    ).clamp(0, 1)
    expected = expose(expected, 1 + 0.5 * signed[4], 1 + 0.4 * signed[5])
    expected = erase(expected, draws[1] < 0.3, draws[8:])
    augmentation = FaceAugmentation(
        flip=0.6, rotation=20, scale=0.2, translation=0.1, brightness=0.5, contrast=0.4, erasing=0.3
    )
    used = seeded()
    torch.testing.assert_close(augmentation(images, used), expected)
    assert torch.equal(used.get_state(), generator.get_state())


@pytest.mark.parametrize("name", STRENGTHS)
def test_images_given_are_left_alone(name):
    images = make_batch()
    before = images.clone()
    changed = only(**{name: STRENGTHS[name]})(images, seeded())
    assert torch.equal(images, before)
    assert not torch.equal(changed, before)


@pytest.mark.parametrize("name", STRENGTHS)
def test_pixels_stay_from_0_to_1(name):
    images = make_batch(200).round()
    images[:50] = 1
    changed = only(**{name: STRENGTHS[name]})(images, seeded())
    assert changed.min() >= 0 and changed.max() <= 1


def test_no_strength_changes_nothing():
    images = make_batch()
    assert torch.equal(FaceAugmentation(**NONE)(images, seeded()), images)


def test_constant_images_stay_constant_when_moved_or_erased():
    images = torch.linspace(0, 1, 11)[:, None, None, None].expand(-1, 1, 20, 30)
    changed = only(flip=0.5, rotation=180, scale=0.5, translation=0.5, erasing=1)(images, seeded())
    torch.testing.assert_close(changed, images.contiguous())


def test_certain_flip_is_the_exact_mirror_image():
    images = make_batch(8, 3, 20, 30)
    assert torch.equal(only(flip=1)(images, seeded()), images.flip(-1))


def test_flips_come_as_often_as_asked():
    images = make_batch(2000, 1, 2, 2)
    changed = only(flip=0.25)(images, seeded())
    share = (changed == images.flip(-1)).flatten(1).all(dim=1).float().mean()
    assert 0.22 < share < 0.28


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (-90, 1), (180, 2)])
def test_rotation_turns_clockwise_about_the_center(degrees, turns):
    image = make_batch(1)[0, 0]
    torch.testing.assert_close(apply_move(image, degrees=degrees), torch.rot90(image, turns), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(20, 40), (40, 20)])
def test_rotation_keeps_the_aspect_in_an_image_that_is_not_square(height, width):
    lying, standing = torch.zeros(2, height, width)
    lying[height // 2 - 1 : height // 2 + 1, width // 2 - 8 : width // 2 + 8] = 1
    standing[height // 2 - 8 : height // 2 + 8, width // 2 - 1 : width // 2 + 1] = 1
    turned = apply_move(lying, degrees=90)
    # Beyond the shorter side, the edge is reflected.
    middle = (slice(height // 2 - 10, height // 2 + 10), slice(width // 2 - 10, width // 2 + 10))
    torch.testing.assert_close(turned[middle], standing[middle], atol=1e-4, rtol=0)


@pytest.mark.parametrize("degrees", [17, 45, 80])
def test_rotation_keeps_what_is_round(degrees):
    rows, columns = torch.meshgrid(torch.arange(30) - 14.5, torch.arange(50) - 24.5, indexing="ij")
    cone = (1 - (rows**2 + columns**2).sqrt() / 12).clamp(min=0)
    turned = apply_move(cone, degrees=degrees)
    torch.testing.assert_close(turned[cone > 0], cone[cone > 0], atol=0.06, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 40)])
def test_scale_resizes_about_the_center(height, width):
    image, doubled = torch.zeros(2, height, width)
    image[height // 2 - 2 : height // 2 + 2, width // 2 - 3 : width // 2 + 3] = 1
    doubled[height // 2 - 4 : height // 2 + 4, width // 2 - 6 : width // 2 + 6] = 1
    grown = apply_move(image, size=2.0)
    assert abs(grown.sum() - 4 * image.sum()) < 1e-3
    assert torch.equal(grown.round(), doubled)


def test_rotation_and_scale_combine():
    image = make_batch(1)[0, 0]
    both = apply_move(image, degrees=90, size=2.0)
    torch.testing.assert_close(both, torch.rot90(apply_move(image, size=2.0), -1), atol=1e-5, rtol=0)


def test_translation_is_a_share_of_width_and_height():
    image = make_batch(1, 1, 20, 40)[0, 0]
    moved = apply_move(image, right=0.25, down=0.1)
    torch.testing.assert_close(moved[2:, 10:], image[:-2, :-10], atol=1e-5, rtol=0)


def test_outside_pixels_are_reflected():
    image = make_batch(1, 1, 20, 40)[0, 0]
    moved = apply_move(image, right=0.25)
    torch.testing.assert_close(moved[:, :10], image[:, :10].flip(1), atol=1e-5, rtol=0)


def test_strengths_bound_the_moves():
    image = torch.zeros(1, 1, 40, 80)
    image[..., 18:22, 38:42] = 1
    moved = only(translation=0.1)(image.expand(300, -1, -1, -1), seeded())
    center = (moved * torch.arange(80)).sum(dim=(1, 2, 3)) / moved.sum(dim=(1, 2, 3)) - 39.5
    assert 7 < center.abs().max() <= 8.01
    assert (center > 0).float().mean() == pytest.approx(0.5, abs=0.1)


def test_brightness_and_contrast_are_shares():
    images = make_batch(3) * 0.5
    ones = torch.ones(3)
    torch.testing.assert_close(expose(images, ones * 1.2, ones), images * 1.2)
    flat = expose(images, ones, ones * 0)
    torch.testing.assert_close(flat, images.mean(dim=(1, 2, 3), keepdim=True).expand_as(images))
    torch.testing.assert_close(expose(images, ones, ones * 0.5), images / 2 + flat / 2)
    assert expose(images, ones * 5, ones).max() == 1


@pytest.mark.parametrize(("height", "width"), [(40, 40), (30, 60)])
def test_erased_rectangle_has_2_to_20_percent_of_the_image(height, width):
    images = make_batch(500, 1, height, width)
    erased = only(erasing=1)(images, seeded()) != images
    area = erased.float().mean(dim=(1, 2, 3))
    assert 0.01 < area.min() < 0.04 and 0.15 < area.max() < 0.22
    for rectangle in erased[:50, 0]:
        rows, columns = torch.nonzero(rectangle, as_tuple=True)
        box = rectangle[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert box.all()


@pytest.mark.parametrize(
    ("draws", "rows", "columns"),
    [
        # Height and width for an area A and a ratio r of height to width are sqrt(A r) and sqrt(A / r).
        ((0, 0.5, 0, 0), (0, 14), (0, 14)),
        ((1, 0.5, 0, 0), (0, 45), (0, 45)),
        ((1, 0, 1, 0), (76, 100), (0, 82)),
        ((1, 1, 0, 1), (0, 82), (76, 100)),
        ((1, 0.5, 0.5, 1), (28, 72), (55, 100)),
    ],
)
def test_draws_determine_area_ratio_and_place_of_the_erased_rectangle(draws, rows, columns):
    image = make_batch(1, 1, 100, 100)
    changed = erase(image, torch.tensor([True]), torch.tensor(draws)[:, None] * 1.0) != image
    expected = torch.zeros(100, 100, dtype=torch.bool)
    expected[slice(*rows), slice(*columns)] = True
    assert torch.equal(changed[0, 0], expected)


def test_erased_rectangle_holds_the_mean_of_each_channel():
    images = make_batch(20, 3)
    changed = only(erasing=1)(images, seeded())
    where = changed != images
    assert torch.equal(changed[where], images.mean(dim=(2, 3), keepdim=True).expand_as(images)[where])
    assert torch.equal(where[:, 0], where[:, 1])


def test_only_chosen_images_are_erased():
    images = make_batch(6)
    chosen = torch.tensor([True, False, False, True, False, True])
    changed = erase(images, chosen, torch.rand(4, 6, generator=seeded()))
    assert torch.equal((changed != images).flatten(1).any(dim=1), chosen)
    share = (only(erasing=0.25)(make_batch(1000, 1, 16, 16), seeded()) != make_batch(1000, 1, 16, 16)).flatten(1)
    assert 0.2 < share.any(dim=1).float().mean() < 0.3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flip", 1.1),
        ("flip", -0.1),
        ("rotation", 181),
        ("rotation", -1),
        ("scale", 1),
        ("translation", 1.0),
        ("brightness", 2),
        ("contrast", "0.2"),
        ("erasing", None),
        ("erasing", np.nan),
    ],
)
def test_strength_out_of_bounds_raises_by_name(name, value):
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter of FaceAugmentation"):
        FaceAugmentation(**{name: value})(make_batch(2))


def test_augmentation_clones_and_prints_as_estimators_do():
    augmentation = FaceAugmentation(flip=0, rotation=20)
    assert repr(augmentation) == "FaceAugmentation(flip=0, rotation=20)"
    assert clone(augmentation).get_params() == augmentation.get_params()
    assert augmentation.set_params(scale=0).get_params()["scale"] == 0
