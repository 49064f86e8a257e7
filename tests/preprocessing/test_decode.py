import numpy as np
import pytest
from encoded import encode
from PIL import Image

from sk_emotion.exceptions import ImageReadError
from sk_emotion.preprocessing._decode import decode_picture, to_uint8


@pytest.fixture
def photo():
    """A smooth image, which JPEG hardly changes: red increases to the right, green downwards."""
    down, right = np.mgrid[0:120, 0:160]
    return Image.fromarray(np.stack([right, down, np.full_like(down, 90)], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_parts_become_white(mode):
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 4, 8))
    if mode == "PA":
        opaque, picture = picture.getchannel("A"), picture.convert("P")
        picture.putalpha(opaque)
    picture = picture.convert(mode)
    assert picture.mode == mode
    decoded = np.asarray(decode_picture(picture).convert("L"))
    assert (decoded[:, :4] == 0).all()
    assert (decoded[:, 4:] == 255).all()


def test_half_transparent_pixel_is_mixed_with_white():
    array = np.zeros((2, 2, 4), dtype=np.uint8)
    array[..., 3] = 128
    assert np.abs(np.asarray(decode_picture(array), dtype=int) - 127).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV"])
def test_every_mode_becomes_gray_or_rgb(photo, mode):
    decoded = decode_picture(photo.convert(mode))
    assert decoded.mode in ("L", "RGB")
    assert decoded.size == photo.size


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    values = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    expected = np.arange(256).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    Image.fromarray(values.astype(np.int32)).save(tmp_path / "deep.tiff")
    for source in (tmp_path / "deep.png", tmp_path / "deep.tiff", values):
        np.testing.assert_array_equal(np.asarray(decode_picture(source)), expected)


def test_floats_are_scaled_by_the_smallest_range_that_holds_them(tmp_path):
    unit = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    Image.fromarray(unit).save(tmp_path / "float.tiff")
    for source in (unit, unit * 255, unit.astype(float), tmp_path / "float.tiff"):
        np.testing.assert_array_equal(np.asarray(decode_picture(source)), np.arange(256).reshape(16, 16))


def test_integers_up_to_255_are_kept():
    np.testing.assert_array_equal(to_uint8(np.array([[0, 1, 200]])), [[0, 1, 200]])


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
def test_array_keeps_its_size(shape):
    decoded = decode_picture(np.full(shape, 255, dtype=np.uint8))
    assert decoded.size == (6, 4)
    assert np.asarray(decoded).min() == 255


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 6, 2)), "has shape"),
        (np.zeros((0, 6)), "has shape"),
        (np.zeros((2, 4, 6, 3)), "has shape"),
        (np.full((4, 6), -1.0), "from -1 to -1"),
        (np.full((4, 6), 300.0), "from 300 to 300"),
        (np.full((4, 6), np.nan), "from nan to nan"),
        (np.full((4, 6), 1j), "complex"),
        (np.full((4, 6), "a"), "expected pixels"),
    ],
)
def test_array_that_is_no_image_raises(array, reason):
    with pytest.raises(ImageReadError, match=reason):
        decode_picture(array)


def test_large_jpeg_is_decoded_at_a_fraction_but_never_below_what_is_needed(photo):
    data = encode(photo.resize((1600, 1200)), "JPEG")
    assert decode_picture(data).size == (1600, 1200)
    assert decode_picture(data, min_side=100).size == (200, 150)
    assert decode_picture(data, min_side=1000).size == (1600, 1200)
    small, full = (decode_picture(data, min_side=side).resize((40, 30)) for side in (100, None))
    assert np.abs(np.asarray(small, dtype=int) - np.asarray(full)).max() <= 4


def test_large_image_of_any_kind_is_averaged_but_never_below_what_is_needed(photo):
    large = photo.resize((1605, 1203))
    for source in (encode(large, "PNG"), encode(large, "WEBP", lossless=True, method=0), large, np.asarray(large)):
        assert decode_picture(source).size == (1605, 1203)
        assert decode_picture(source, min_side=700).size == (1605, 1203)
        small = decode_picture(source, min_side=100)
        assert small.size == (133, 100)
        expected = large.resize(small.size, Image.Resampling.BOX)
        assert np.abs(np.asarray(small, dtype=int) - np.asarray(expected)).max() <= 2


@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGB", {}), ("RGB", {"progressive": True}), ("RGB", {"keep_rgb": True}), ("L", {}), ("CMYK", {})],
)
@pytest.mark.parametrize("min_side", [None, 30])
def test_gray_of_a_jpeg_is_that_of_its_colors(photo, mode, options, min_side):
    data = encode(photo.convert(mode), "JPEG", **options)
    gray = decode_picture(data, min_side=min_side, gray=True).convert("L")
    expected = decode_picture(data, min_side=min_side).convert("L")
    assert np.abs(np.asarray(gray, dtype=int) - np.asarray(expected)).max() <= 2


def test_pil_image_of_the_caller_is_left_as_it_was(photo):
    before = photo.tobytes()
    assert decode_picture(photo) is not photo
    assert photo.tobytes() == before


def test_closed_pil_image_raises(photo, tmp_path):
    photo.save(tmp_path / "a.png")
    image = Image.open(tmp_path / "a.png")
    image.close()
    with pytest.raises(ImageReadError, match="cannot be decoded"):
        decode_picture(image)


@pytest.mark.parametrize("source", [None, 3, ["a.jpg"], object()])
def test_other_objects_raise(source):
    with pytest.raises(ImageReadError, match=f"is {type(source).__name__}, expected a path"):
        decode_picture(source)
