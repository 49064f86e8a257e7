import io

import numpy as np
import pytest
from PIL import Image

from sk_emotion.exceptions import ImageReadError
from sk_emotion.preprocessing._decode import decode_picture, to_uint8


@pytest.fixture
def photo():
    """A smooth picture, which JPEG keeps nearly as it is: red grows to the right, green downwards."""
    down, right = np.mgrid[0:120, 0:160]
    return Image.fromarray(np.stack([right, down, np.full_like(down, 90)], axis=-1).astype(np.uint8))


def encode(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_file_is_told_by_content_not_by_extension(photo, tmp_path, format):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(photo, format))
    for source in (path, str(path), path.read_bytes()):
        decoded = decode_picture(source)
        assert decoded.mode in ("RGB", "L")
        assert decoded.size == (160, 120)
        assert np.abs(np.asarray(decoded, dtype=int) - np.asarray(photo)).mean() < 8


@pytest.mark.parametrize(("orientation", "corner"), [(1, "nw"), (3, "se"), (6, "ne"), (8, "sw")])
def test_exif_orientation_turns_picture_upright(orientation, corner):
    picture = Image.new("RGB", (80, 40))
    picture.paste("white", (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = np.asarray(decode_picture(encode(picture, "JPEG", exif=exif)).convert("L"))
    assert decoded.shape == ((40, 80) if orientation in (1, 3) else (80, 40))
    rows, columns = {"n": slice(0, 8), "s": slice(-8, None)}, {"w": slice(0, 8), "e": slice(-8, None)}
    assert decoded[rows[corner[0]], columns[corner[1]]].mean() > 240


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_leaves_picture_as_stored(photo):
    assert decode_picture(encode(photo, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")).size == (160, 120)


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


def test_transparent_colour_of_palette_becomes_white():
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 2), 1)
    decoded = decode_picture(encode(picture, "PNG", transparency=0))
    assert decoded.getpixel((0, 0)) == (255, 255, 255)
    assert decoded.getpixel((1, 2)) == (200, 100, 50)


def test_half_transparent_pixel_is_mixed_with_white():
    array = np.zeros((2, 2, 4), dtype=np.uint8)
    array[..., 3] = 128
    assert np.abs(np.asarray(decode_picture(array), dtype=int) - 127).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV"])
def test_every_mode_becomes_grey_or_rgb(photo, mode):
    decoded = decode_picture(photo.convert(mode))
    assert decoded.mode in ("L", "RGB")
    assert decoded.size == photo.size


def test_cmyk_jpeg_keeps_its_colours(photo):
    decoded = np.asarray(decode_picture(encode(photo.convert("CMYK"), "JPEG")), dtype=int)
    assert np.abs(decoded - np.asarray(photo)).mean() < 8


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
def test_array_that_is_no_picture_is_an_error(array, reason):
    with pytest.raises(ImageReadError, match=reason):
        decode_picture(array)


def test_animation_gives_first_frame():
    frames = [Image.new("L", (8, 8), value) for value in (10, 200)]
    decoded = decode_picture(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert set(np.asarray(decoded.convert("L")).ravel()) == {10}


def test_large_jpeg_is_decoded_at_a_fraction_but_never_below_what_is_needed(photo):
    data = encode(photo.resize((1600, 1200)), "JPEG")
    assert decode_picture(data).size == (1600, 1200)
    assert decode_picture(data, min_side=100).size == (200, 150)
    assert decode_picture(data, min_side=1000).size == (1600, 1200)
    small, full = (decode_picture(data, min_side=side).resize((40, 30)) for side in (100, None))
    assert np.abs(np.asarray(small, dtype=int) - np.asarray(full)).max() <= 4


def test_large_picture_of_any_kind_is_averaged_but_never_below_what_is_needed(photo):
    large = photo.resize((1605, 1203))
    for source in (encode(large, "PNG"), encode(large, "WEBP", lossless=True), large, np.asarray(large)):
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
def test_grey_of_a_jpeg_is_that_of_its_colours(photo, mode, options, min_side):
    data = encode(photo.convert(mode), "JPEG", **options)
    grey = decode_picture(data, min_side=min_side, grey=True).convert("L")
    expected = decode_picture(data, min_side=min_side).convert("L")
    assert np.abs(np.asarray(grey, dtype=int) - np.asarray(expected)).max() <= 2


def test_pil_image_of_the_caller_is_left_as_it_was(photo):
    before = photo.tobytes()
    assert decode_picture(photo) is not photo
    assert photo.tobytes() == before


def test_unreadable_files_say_what_is_wrong(photo, tmp_path):
    data = encode(photo, "JPEG")
    files = {"truncated": data[: len(data) // 2], "is not a picture": b"no picture at all", "is empty": b""}
    for reason, content in files.items():
        path = tmp_path / "a.jpg"
        path.write_bytes(content)
        for source in (path, content):
            with pytest.raises(ImageReadError, match=reason):
                decode_picture(source)
    with pytest.raises(ImageReadError, match="does not exist"):
        decode_picture(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageReadError, match="does not exist"):
        decode_picture(tmp_path / "a.jpg" / "below a file")
    with pytest.raises(ImageReadError, match="is a folder"):
        decode_picture(tmp_path)
    with pytest.raises(ImageReadError, match="cannot be opened"):
        decode_picture("a\0b")
    with pytest.raises(ImageReadError, match="is NoneType"):
        decode_picture(None)


def test_damaged_png_is_an_error(photo):
    data = bytearray(encode(photo, "PNG"))
    data[60:90] = b"\xff" * 30
    with pytest.raises(ImageReadError, match=r"is (damaged|truncated)"):
        decode_picture(bytes(data))


def test_closed_pil_image_is_an_error(photo, tmp_path):
    photo.save(tmp_path / "a.png")
    image = Image.open(tmp_path / "a.png")
    image.close()
    with pytest.raises(ImageReadError, match="cannot be decoded"):
        decode_picture(image)


def test_decompression_bomb_is_an_error():
    with pytest.raises(ImageReadError, match="is too large"):
        decode_picture(encode(Image.new("1", (20_000, 10_000)), "PNG"))
