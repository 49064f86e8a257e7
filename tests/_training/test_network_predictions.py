"""Views of an image."""

import pytest
import torch

from sk_emotion._training._predict import make_views


@pytest.fixture
def images():
    return torch.randn(3, 1, 48, 40, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("tta", "number"), [(None, 1), ("mirror", 2), ("crops", 10)])
def test_first_view_is_the_image_and_each_has_its_mirror_image(images, tta, number):
    views = make_views(images, tta)
    assert len(views) == number
    assert views[0] is images
    for view, mirrored in zip(views[::2], views[1::2], strict=False):
        assert view.shape == images.shape
        torch.testing.assert_close(mirrored, view.flip(-1))


def test_shifted_views_keep_the_pixel_range(images):
    moved = torch.stack(make_views(images, "crops")[2:])
    assert moved.min() < -1
    assert moved.max() > 1
    assert moved.abs().max() <= images.abs().max() + 1e-5


def test_shifted_views_show_the_same_image_slightly_shifted():
    dot = torch.zeros(1, 1, 48, 48)
    dot[..., 22:26, 22:26] = 1
    for view in make_views(dot, "crops")[2:]:
        assert (view[0, 0] > 0.5).any()
        rows, columns = torch.nonzero(view[0, 0] > 0.5, as_tuple=True)
        distance = torch.hypot(rows.float().mean() - 23.5, columns.float().mean() - 23.5)
        assert 1 < distance < 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_of_height_1_have_views_in_any_dtype(dtype):
    views = make_views(torch.ones(2, 3, 1, 9, dtype=dtype), "crops")
    assert {view.dtype for view in views} == {dtype}
    assert all(torch.allclose(view, torch.ones_like(view)) for view in views)
