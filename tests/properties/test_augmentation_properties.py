import torch
from hypothesis import given
from hypothesis import strategies as st

from sk_emotion import FaceAugmentation

NAMES = ("flip", "rotation", "scale", "translation", "brightness", "contrast", "erasing")
NONE = dict.fromkeys(NAMES, 0)
SHARES = st.floats(0, 1)
STRENGTHS = st.fixed_dictionaries(
    {
        "flip": SHARES,
        "rotation": st.floats(0, 180),
        "scale": st.floats(0, 0.9),
        "translation": st.floats(0, 0.9),
        "brightness": SHARES,
        "contrast": SHARES,
        "erasing": SHARES,
    }
)
SEEDS = st.integers(0, 2**63 - 1)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@st.composite
def draw_batches(draw):
    shape = (draw(st.integers(1, 5)), draw(st.sampled_from([1, 3])), draw(st.integers(2, 20)), draw(st.integers(2, 20)))
    images = torch.rand(
        shape, generator=seeded(draw(SEEDS)), dtype=draw(st.sampled_from([torch.float32, torch.float64]))
    )
    # Black and white, where rounding could leave the range, or noise.
    return images.round() if draw(st.booleans()) else images


@given(draw_batches(), STRENGTHS, SEEDS)
def test_changed_images_keep_shape_type_and_range(images, strengths, seed):
    before = images.clone()
    changed = FaceAugmentation(**strengths)(images, seeded(seed))
    assert changed.shape == images.shape and changed.dtype == images.dtype
    assert changed.min() >= 0 and changed.max() <= 1
    assert torch.equal(images, before)


@given(draw_batches(), STRENGTHS, SEEDS)
def test_seed_determines_the_changes(images, strengths, seed):
    augmentation = FaceAugmentation(**strengths)
    assert torch.equal(augmentation(images, seeded(seed)), augmentation(images, seeded(seed)))


@given(draw_batches(), SEEDS)
def test_mirror_image_of_the_mirror_image_is_the_image(images, seed):
    mirror = FaceAugmentation(**{**NONE, "flip": 1})
    generator = seeded(seed)
    assert torch.equal(mirror(mirror(images, generator), generator), images)


@given(draw_batches(), SEEDS)
def test_no_strength_changes_nothing(images, seed):
    assert torch.equal(FaceAugmentation(**NONE)(images, seeded(seed)), images)


@given(draw_batches(), STRENGTHS, SEEDS, st.data())
def test_pixels_of_the_others_in_the_batch_do_not_matter(images, strengths, seed, data):
    kept = data.draw(st.integers(0, len(images) - 1))
    others = torch.rand(images.shape, generator=seeded(seed), dtype=images.dtype)
    others[kept] = images[kept]
    augmentation = FaceAugmentation(**strengths)
    changed, changed_among_others = (augmentation(batch, seeded(seed)) for batch in (images, others))
    torch.testing.assert_close(changed_among_others[kept], changed[kept])


@given(draw_batches(), STRENGTHS, SEEDS)
def test_constant_images_are_exposed_alone(images, strengths, seed):
    level = images.mean(dim=(2, 3), keepdim=True).expand_as(images)
    changed = FaceAugmentation(**{**strengths, "brightness": 0, "contrast": 0})(level, seeded(seed))
    torch.testing.assert_close(changed, level.contiguous(), atol=1e-5, rtol=0)
