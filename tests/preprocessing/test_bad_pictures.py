"""Every kind of image yields the documented face or error."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from encoded import encode
from PIL import Image, ImageFile, features

from sk_emotion import FaceLoader
from sk_emotion.exceptions import ImageReadError
from sk_emotion.preprocessing._cost import find_decoded_size
from sk_emotion.preprocessing._decode import decode_picture, list_formats

WHITE, RED, BLUE, BLACK = (255, 255, 255), (200, 40, 30), (20, 60, 210), (0, 0, 0)
SIZE = (48, 32)


def draw_flag():
    """Draw red on the left, blue on the right, and white in the upper left corner."""
    flag = Image.new("RGB", SIZE, RED)
    flag.paste(BLUE, (24, 0, 48, 32))
    flag.paste(WHITE, (0, 0, 16, 16))
    return flag


FLAG = draw_flag()
IN_COLOR = {(4, 4): WHITE, (4, 28): RED, (44, 28): BLUE}
IN_GRAY = {(4, 4): 255, (4, 28): 87, (44, 28): 65}
SEEN_THROUGH = FLAG.convert("RGBA")
SEEN_THROUGH.paste((0, 0, 0, 0), (24, 0, 48, 32))
WITHOUT_BLUE = {**IN_COLOR, (44, 28): WHITE}
NEGATIVE = Image.eval(FLAG, lambda value: 255 - value)


def save(format, mode="RGB", *more, picture=FLAG, **options):
    return lambda: encode(picture.convert(mode), format, *more, **options)


def make_exif(orientation):
    return b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHL", orientation, 0, 0)


def make_png(width, height, depth, color_type, rows=b"", *chunks):
    header = struct.pack(">LLBBBBB", width, height, depth, color_type, 0, 0, 0)
    body = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data)) for name, data in body
    )


def make_deep_png():
    """Make a color PNG with 16 bits per channel, which Pillow cannot write."""
    pixels = np.asarray(FLAG).astype(">u2") * 257
    return make_png(*SIZE, 16, 2, b"".join(b"\0" + row.tobytes() for row in pixels))


def make_ycck():
    """Make a JPEG of Y, Cb, Cr and K, as Photoshop writes it."""
    cyan, magenta, yellow, key = FLAG.convert("CMYK").split()
    planes = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    # Pillow writes inverted CMYK, and stores the transform in the twelfth byte after the word Adobe.
    data = bytearray(encode(Image.merge("CMYK", [*(Image.eval(p, lambda v: 255 - v) for p in planes), key]), "JPEG"))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def make_deep(kind):
    """Make a gray image of more than 8 bits, whose face has 8."""
    gray = np.asarray(FLAG.convert("L"))
    return Image.fromarray(gray.astype(np.float32) / 255 if kind == "F" else gray.astype(kind) * 257)


def make_scans(number):
    """Make a JPEG with many empty scans."""
    data = encode(FLAG, "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    header = data[start : start + 2 + int.from_bytes(data[start + 2 : start + 4])]
    return data[:-2] + header * (number - data.count(b"\xff\xda")) + data[-2:]


def make_strips(number, order="<", big=False):
    """Make a TIFF that declares many strips."""
    tags = [(256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1)]
    count = [1, 1, 1, 1, 1, number, 1, 1]
    form = "HHQQ" if big else "HHLL"
    entries = b"".join(struct.pack(order + form, tag, 4, n, v) for (tag, v), n in zip(tags, count, strict=True))
    start = struct.pack(order + ("HHHQQ" if big else "HLH"), *((43, 8, 0, 16, 8) if big else (42, 8, 8)))
    return (b"II" if order == "<" else b"MM") + start + entries + bytes(8)


def make_tiff(tags, content=b"", order="<", big=False):
    """Make a TIFF of possibly wrong tags, (tag, value) or (tag, value, kind); the content starts at byte 16."""
    form, size = ("HHQQ", 8) if big else ("HHLL", 4)
    entries = b""
    for tag, value, *kind in tags:
        kind = kind[0] if kind else 4
        field = {3: "H", 4: "L", 9: "l", 16: "Q"}[kind]
        entries += struct.pack(order + form[:-1], tag, kind, 1)
        entries += struct.pack(order + field, value).ljust(size, b"\0")
    start = 16 + len(content)
    if big:
        head, number = struct.pack(order + "HHHQ", 43, 8, 0, start), struct.pack(order + "Q", len(tags))
    else:
        head, number = struct.pack(order + "HL", 42, start), struct.pack(order + "H", len(tags))
    return ((b"II" if order == "<" else b"MM") + head).ljust(16, b"\0") + content + number + entries + bytes(8)


def make_tile(width, height, tile_width, tile_height, *more, compression=8, **options):
    """Make a TIFF of gray tiles of zeros."""
    number = -(-width // tile_width) * -(-height // tile_height)
    content = zlib.compress(bytes(min(tile_width * tile_height, 2**20)))
    tags = [(256, width), (257, height), (258, 8), (259, compression), (262, 1), (277, 1)]
    tags += [(322, tile_width), (323, tile_height), *more, (324, 16), (325, len(content))]
    assert number == 1 or compression != 8 or max(width, height) > 8
    return make_tiff(tags, content, **options)


def make_segments(number, name=b"Exif\0\0"):
    """Make a JPEG with many metadata segments."""
    data = encode(FLAG, "JPEG")
    return data[:2] + (b"\xff\xe1" + struct.pack(">H", 2 + len(name)) + name) * number + data[2:]


def make_bmp(width, height, rows, bits=8, compression=1):
    header = struct.pack("<LllHHLLllLL", 40, width, height, 1, bits, compression, len(rows), 0, 0, 2**bits, 0)
    start = 14 + len(header) + 4 * 2**bits
    return b"BM" + struct.pack("<LHHL", start + len(rows), 0, 0, start) + header + bytes(4 * 2**bits) + rows


def make_gif_frame():
    """Make a GIF whose frame is far larger than its canvas."""
    data = bytearray(encode(FLAG.convert("L"), "GIF"))
    struct.pack_into("<HH", data, data.index(b",\0\0\0\0") + 5, 12_000, 9_900)
    return bytes(data)


def make_run_lengths():
    """Make a run-length encoded BMP, which Pillow cannot write."""
    rows = b"\x18\1\x18\2\0\0" * 16 + b"\x10\0\x08\1\x18\2\0\0" * 16 + b"\0\1"
    colors = b"".join(bytes((*color[::-1], 0)) for color in (WHITE, RED, BLUE))
    header = struct.pack("<LllHHLLllLL", 40, *SIZE, 1, 8, 1, len(rows), 0, 0, 3, 0) + colors
    return b"BM" + struct.pack("<LHHL", 14 + len(header) + len(rows), 0, 0, 14 + len(header)) + header + rows


def make_palette(format, *more, **options):
    """Make an image with a palette of three colors, the last of which is blue."""
    flag = Image.new("P", SIZE, 1)
    flag.putpalette([*WHITE, *RED, *BLUE])
    flag.paste(2, (24, 0, 48, 32))
    flag.paste(0, (0, 0, 16, 16))
    return encode(flag, format, *more, **options)


def with_dimensions(data, find, offset, form, *sides):
    """Write other dimensions into a header."""
    data = bytearray(data)
    struct.pack_into(form, data, data.index(find) + offset, *sides)
    return bytes(data)


def make_webp_bomb():
    return with_dimensions(encode(FLAG, "WEBP", NEGATIVE), b"VP8X", 12, "<HBHB", *(0xFFFF, 0, 0xFFFF, 0))


def in_text_chunk(name, size):
    return (name, b"x\0\0" + zlib.compress(bytes(size)))


# Name, factory, size, mode, and pixels by position.
READ = [
    ("jpeg", save("JPEG"), SIZE, "RGB", IN_COLOR),
    ("jpeg, gray", save("JPEG", "L"), SIZE, "L", IN_GRAY),
    ("jpeg, progressive", save("JPEG", progressive=True), SIZE, "RGB", IN_COLOR),
    ("jpeg, without subsampling", save("JPEG", subsampling=0), SIZE, "RGB", IN_COLOR),
    ("jpeg, CMYK", save("JPEG", "CMYK"), SIZE, "RGB", IN_COLOR),
    ("jpeg, YCCK", make_ycck, SIZE, "RGB", IN_COLOR),
    ("jpeg, two pictures of a stereo camera", save("MPO", "RGB", NEGATIVE), SIZE, "RGB", IN_COLOR),
    ("jpeg, film behind it", lambda: save("JPEG")() + b"\xff\xda" * 1000, SIZE, "RGB", IN_COLOR),
    ("jpeg, 100 scans", lambda: make_scans(100), SIZE, "RGB", IN_COLOR),
    ("jpeg, broken color profile", save("JPEG", icc_profile=b"none"), SIZE, "RGB", IN_COLOR),
    ("jpeg, broken EXIF", save("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), SIZE, "RGB", IN_COLOR),
    ("jpeg, EXIF that ends", save("JPEG", exif=make_exif(6)[:20]), SIZE, "RGB", IN_COLOR),
    *[(f"jpeg, orientation {n} is none", save("JPEG", exif=make_exif(n)), SIZE, "RGB", IN_COLOR) for n in (0, 9, 999)],
    ("png", save("PNG"), SIZE, "RGB", IN_COLOR),
    ("png, gray", save("PNG", "L"), SIZE, "L", IN_GRAY),
    ("png, one bit", save("PNG", "1"), SIZE, "L", {(4, 4): 255}),
    ("png, palette", lambda: make_palette("PNG"), SIZE, "RGB", IN_COLOR),
    ("png, palette with a hole", lambda: make_palette("PNG", transparency=2), SIZE, "RGB", WITHOUT_BLUE),
    ("png, palette with alpha", lambda: make_palette("PNG", transparency=b"\xff\xff\0"), SIZE, "RGB", WITHOUT_BLUE),
    ("png, gray with one gray seen through", save("PNG", "L", transparency=65), SIZE, "RGB", {(44, 28): WHITE}),
    ("png, one color seen through", save("PNG", transparency=BLUE), SIZE, "RGB", WITHOUT_BLUE),
    ("png, alpha", save("PNG", "RGBA", picture=SEEN_THROUGH), SIZE, "RGB", WITHOUT_BLUE),
    ("png, gray and alpha", save("PNG", "LA", picture=SEEN_THROUGH), SIZE, "RGB", {(44, 28): WHITE}),
    ("png, 16 bits, gray", lambda: encode(make_deep("u2"), "PNG"), SIZE, "L", IN_GRAY),
    ("png, 16 bits, color", make_deep_png, SIZE, "RGB", IN_COLOR),
    ("png, animated", save("PNG", "RGB", NEGATIVE), SIZE, "RGB", IN_COLOR),
    ("png, 1 x 1", lambda: make_png(1, 1, 8, 0, b"\0\x07"), (1, 1), "L", {(0, 0): 7}),
    ("png, 1 x 100,000", lambda: make_png(1, 100_000, 8, 0, b"\0\x07" * 100_000), (1, 100_000), "L", {(0, 99_999): 7}),
    ("png, 100,000 x 1", lambda: make_png(100_000, 1, 8, 0, b"\0" + b"\x07" * 100_000), (100_000, 1), "L", {}),
    ("webp", save("WEBP", quality=95), SIZE, "RGB", IN_COLOR),
    ("webp, lossless with alpha", save("WEBP", "RGBA", picture=SEEN_THROUGH, lossless=True), SIZE, "RGB", WITHOUT_BLUE),
    ("webp, animated", save("WEBP", "RGB", NEGATIVE, lossless=True), SIZE, "RGB", IN_COLOR),
    ("gif", lambda: make_palette("GIF"), SIZE, "RGB", IN_COLOR),
    ("gif, one color seen through", lambda: make_palette("GIF", transparency=2), SIZE, "RGB", WITHOUT_BLUE),
    ("gif, animated", lambda: make_palette("GIF", NEGATIVE.convert("P")), SIZE, "RGB", IN_COLOR),
    ("bmp", save("BMP"), SIZE, "RGB", IN_COLOR),
    ("bmp, one bit", save("BMP", "1"), SIZE, "L", {(4, 4): 255}),
    ("bmp, 32 bits", save("BMP", "RGBA"), SIZE, "RGB", IN_COLOR),
    ("bmp, run lengths", make_run_lengths, SIZE, "RGB", IN_COLOR),
    ("tiff", save("TIFF"), SIZE, "RGB", IN_COLOR),
    ("tiff, BigTIFF", save("TIFF", big_tiff=True), SIZE, "RGB", IN_COLOR),
    ("tiff, CMYK", save("TIFF", "CMYK", compression="tiff_lzw"), SIZE, "RGB", IN_COLOR),
    ("tiff, YCbCr in JPEG", save("TIFF", "YCbCr", compression="jpeg"), SIZE, "RGB", IN_COLOR),
    ("tiff, LAB", save("TIFF", "LAB"), SIZE, "RGB", {(4, 4): WHITE}),
    ("tiff, fax", save("TIFF", "1", compression="group4"), SIZE, "L", {(4, 4): 255}),
    ("tiff, 16 bits", lambda: encode(make_deep("u2"), "TIFF"), SIZE, "L", IN_GRAY),
    ("tiff, 32 bits", lambda: encode(make_deep("i4"), "TIFF"), SIZE, "L", IN_GRAY),
    ("tiff, floats", lambda: encode(make_deep("F"), "TIFF"), SIZE, "L", IN_GRAY),
    ("tiff, pages", save("TIFF", "RGB", NEGATIVE), SIZE, "RGB", IN_COLOR),
    ("ppm", save("PPM"), SIZE, "RGB", IN_COLOR),
    ("pgm, 16 bits", lambda: encode(make_deep("u2"), "PPM"), SIZE, "L", IN_GRAY),
    ("pbm", save("PPM", "1"), SIZE, "L", {(4, 4): 255}),
    ("ppm, in words", lambda: b"P3 2 1 255\n1 2 3 4 5 6", (2, 1), "RGB", {(1, 0): (4, 5, 6)}),
    ("pfm", lambda: encode(make_deep("F"), "PPM"), SIZE, "L", IN_GRAY),
    ("tiff, tile larger than it", lambda: make_tile(8, 8, 1024, 1024), (8, 8), "L", {(4, 4): 0}),
    ("ppm, with comments", lambda: b"P3 2 1 255\n" + b"#\n" * 99 + b"1 2 3 4 5 6", (2, 1), "RGB", {(1, 0): (4, 5, 6)}),
    ("jpeg, 1,000 pieces of metadata", lambda: make_segments(1000, b"c" * 20), SIZE, "RGB", IN_COLOR),
]
if features.check("avif"):
    READ += [
        ("avif", save("AVIF"), SIZE, "RGB", IN_COLOR),
        ("avif, alpha", save("AVIF", "RGBA", picture=SEEN_THROUGH), SIZE, "RGB", WITHOUT_BLUE),
        ("avif, animated", save("AVIF", "RGB", NEGATIVE), SIZE, "RGB", IN_COLOR),
    ]

# Stored image by EXIF orientation.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def cut(name):
    """Truncate an image of READ by a third."""

    def make():
        data = next(make for known, make, *_ in READ if known == name)()
        return data[: len(data) * 2 // 3]

    return make


SMALL_PNG = make_png(1, 1, 8, 0, b"\0\x07")
NOT_TAKEN = "is not an image in a supported format (JPEG, PNG, WEBP"

# Name, factory, and part of the message.
REFUSED = [
    ("nothing", lambda: b"", "is empty"),
    ("words", lambda: b"no picture at all", NOT_TAKEN),
    ("page", lambda: b"<!DOCTYPE html><html><body>404", NOT_TAKEN),
    ("zeros", lambda: bytes(1000), NOT_TAKEN),
    *[(f"signature of {n}", lambda n=n: save(n)()[:12], NOT_TAKEN) for n in ("PNG", "WEBP", "GIF", "BMP")],
    ("signature of JPEG", lambda: save("JPEG")()[:12], "is truncated"),
    *[
        (f"truncated {name}", cut(name), "is truncated")
        for name in ("jpeg", "jpeg, progressive", "jpeg, CMYK", "png", "gif", "bmp", "tiff", "ppm", "pgm, 16 bits")
    ],
    ("truncated webp", cut("webp"), "is damaged"),
    ("damaged png", lambda: save("PNG")()[:50] + b"\xff" * 30 + save("PNG")()[80:], "is damaged"),
    ("two halves", lambda: save("JPEG")()[:400] + save("PNG")()[80:], "is damaged"),
    *[
        (f"{name} of no pixels", make, NOT_TAKEN)
        for name, make in {
            "png": lambda: make_png(0, 8, 8, 0),
            "ppm": lambda: b"P6 0 8 255\n",
            "jpeg": lambda: with_dimensions(save("JPEG")(), b"\xff\xc0", 5, ">HH", 0, 0),
        }.items()
    ],
    ("png bomb", lambda: make_png(30_000, 30_000, 1, 0), "is too large"),
    ("png of two billion a side", lambda: make_png(2**31 - 1, 2**31 - 1, 8, 6), "is too large"),
    ("png over max_pixels", lambda: make_png(12_000, 10_001, 1, 0), "(12,000 x 10,001 pixels, max_pixels=120,000,000)"),
    ("png that Pillow warns of", lambda: make_png(10_000, 10_000, 1, 0), "is truncated"),
    ("jpeg bomb", lambda: with_dimensions(save("JPEG")(), b"\xff\xc0", 5, ">HH", 65_500, 65_500), "is too large"),
    ("gif bomb", lambda: with_dimensions(save("GIF")(), b"GIF", 6, "<HH", 65_535, 65_535), "is too large"),
    ("bmp bomb", lambda: with_dimensions(save("BMP")(), b"BM", 18, "<ll", 2**30, -(2**30)), "is too large"),
    ("webp bomb", make_webp_bomb, "is too large"),
    ("ppm bomb", lambda: b"P5 100000 100000 255\n", "is too large"),
    ("pbm bomb", lambda: b"P4 9999999999 9 ", "is too large"),
    ("png text bomb", lambda: make_png(1, 1, 8, 0, b"\0\0", in_text_chunk(b"zTXt", 2**22)), "is damaged"),
    ("jpeg of 101 scans", lambda: make_scans(101), "has 101 scans, expected at most 100"),
    ("jpeg of 30,000 scans", lambda: make_scans(30_000), "has 30,000 scans"),
    ("jpeg of 4,000 pieces of metadata", lambda: make_segments(4000), "has too many segments"),
    ("jpeg of 4,000 comments", lambda: make_segments(4000, b"c" * 20), "has too many segments"),
    (
        "jpeg of 100 scans of 50 million pixels",
        lambda: with_dimensions(make_scans(100), b"\xff\xc2", 5, ">HH", 7000, 7200),
        "in 100 scans count as 504,000,000, expected at most 120,000,000; raise max_pixels",
    ),
    (
        "jpeg, progressive, of 108 million pixels without subsampling",
        lambda: with_dimensions(save("JPEG", progressive=True, subsampling=0)(), b"\xff\xc2", 5, ">HH", 9000, 12_000),
        "raise max_pixels to read it",
    ),
    ("tiff, tile of a billion pixels", lambda: make_tile(8, 8, 32_768, 32_768), "(32,768 x 32,768 pixels as coded"),
    ("tiff, tile, big-endian", lambda: make_tile(8, 8, 32_768, 16_384, order=">"), "(32,768 x 16,384 pixels as"),
    ("tiff, tile, BigTIFF", lambda: make_tile(8, 8, 32_768, 16_384, big=True), "(32,768 x 16,384 pixels as"),
    ("tiff, tile that is named twice", lambda: make_tile(8, 8, 16, 16, (322, 2**20)), "has several sizes"),
    ("tiff, tile of a signed type", lambda: make_tiff([(256, 8), (257, 8), (322, 9, 9)]), "of an unexpected type"),
    ("tiff, tile not compressed", lambda: make_tile(8, 8, 32_768, 32_768, compression=1), "pixels as coded"),
    ("tiff, tile in LZW", lambda: make_tile(8, 8, 2**20, 2**10, compression=5), "pixels as coded"),
    ("tiff, tiles that reach far out", lambda: make_tile(20, 40_000, 2**14, 16), "(16,384 x 40,000 pixels as coded"),
    (
        "tiff, one strip as large as the picture",
        lambda: make_tiff([(256, 9000), (257, 9000), (258, 16), (259, 8), (262, 1), (277, 1), (273, 16), (279, 9)]),
        "raise max_pixels to read it",
    ),
    ("tiff of 20,000 tags", lambda: make_tiff([(2**15 + n % 999, 0) for n in range(20_000)]), "has 20,000 tags"),
    (
        "tiff in LZMA",
        lambda: make_tile(10_000, 10_000, 10_000, 10_000, compression=34925),
        "raise max_pixels to read it",
    ),
    ("png of a column", lambda: make_png(1, 100_000_000, 8, 0), "(1 x 100,000,000 pixels of this kind of PNG count"),
    ("png of a row", lambda: make_png(100_000_000, 1, 8, 0), "(100,000,000 x 1 pixels of this kind of PNG count"),
    ("png in color", lambda: make_png(10_000, 8000, 8, 2), "(10,000 x 8,000 pixels of this kind of PNG count"),
    ("png with alpha", lambda: make_png(8000, 6000, 8, 6), "(8,000 x 6,000 pixels of this kind of PNG count"),
    ("png of 16 bits in color", lambda: make_png(7000, 7000, 16, 2), "(7,000 x 7,000 pixels of this kind of PNG"),
    (
        "png, palette seen through",
        lambda: make_png(7000, 7000, 8, 3, b"", (b"PLTE", bytes(768)), (b"tRNS", bytes(256))),
        "raise max_pixels to read it",
    ),
    (
        "webp of 20 million pixels",
        lambda: with_dimensions(encode(FLAG, "WEBP", NEGATIVE), b"VP8X", 12, "<HBHB", 4999, 0, 3999, 0),
        "(5,000 x 4,000 pixels of this kind of WEBP count as 133,",
    ),
    ("gif, frame larger than the canvas", make_gif_frame, "(12,000 x 9,900 pixels of this kind of GIF count"),
    (
        "gif of 100 million pixels",
        lambda: with_dimensions(save("GIF")(), b"GIF", 6, "<HH", 10_000, 10_000),
        "(10,000 x 10,000 pixels of this kind of GIF count",
    ),
    ("bmp, run lengths, leaps", lambda: make_bmp(2**26, 1, b"\0\2\1\xff" * 9), "of this kind of BMP count"),
    ("bmp, run lengths, ends of lines", lambda: make_bmp(2**26, 1, b"\1\1\0\0" * 9), "of this kind of BMP count"),
    ("bmp, run lengths of 4 bits", lambda: make_bmp(4000, -4000, b"\0\1", 4, 2), "of this kind of BMP count"),
    ("ppm of 100,000 comments", lambda: b"P3 2 1 255\n" + b"#\n" * 100_000, "has 100,000 comments, expected at most"),
    ("pgm of 16 bits", lambda: b"P5 6000 6000 65535\n", "(6,000 x 6,000 pixels of this kind of PPM count"),
    ("pfm", lambda: b"Pf 6000 6000 -1.0\n", "(6,000 x 6,000 pixels of this kind of PPM count"),
    ("tiff of a million strips", lambda: make_strips(10**6), "has 1,000,000 strips or tiles, expected at most 100,000"),
    ("tiff of a million strips, big-endian", lambda: make_strips(10**6, ">"), "has 1,000,000 strips"),
    ("BigTIFF of a billion strips", lambda: make_strips(10**9, big=True), "has 1,000,000,000 strips"),
    ("tiff of NaN", lambda: encode(Image.new("F", SIZE, float("nan")), "TIFF"), "has pixels from nan to nan"),
    ("tiff of large floats", lambda: encode(Image.new("F", SIZE, 1e9), "TIFF"), "has pixels from 1e+09 to 1e+09"),
    ("pfm of negative floats", lambda: encode(Image.new("F", SIZE, -1), "PPM"), "has pixels from -1 to -1"),
    # Unsupported formats: some run programs, some are not photos.
    *[
        (f"{name}, not taken", save(name), NOT_TAKEN)
        for name in ("EPS", "PDF", "ICO", "ICNS", "TGA", "PCX", "SGI", "DDS", "JPEG2000", "DIB")
    ],
    ("svg, not taken", lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', NOT_TAKEN),
    ("xpm, not taken", lambda: b'/* XPM */\nstatic char *a[] = {\n"1 1 1 1",\n"a c #000000",\n"a"};', NOT_TAKEN),
    ("fits, not taken", lambda: b"SIMPLE  =                    T".ljust(2880), NOT_TAKEN),
    ("wmf, not taken", lambda: b"\xd7\xcd\xc6\x9a\0\0".ljust(200, b"\0"), NOT_TAKEN),
    ("photoshop, not taken", lambda: b"8BPS\0\1".ljust(200, b"\0"), NOT_TAKEN),
    ("heic without its plug-in", lambda: b"\0\0\0\x18ftypheic".ljust(200, b"\0"), NOT_TAKEN),
    ("film", lambda: b"\0\0\0\x18ftypmp42".ljust(200, b"\0"), NOT_TAKEN),
    ("archive", lambda: b"PK\3\4".ljust(200, b"\0"), NOT_TAKEN),
]


def check_pixels(picture, pixels):
    for place, promised in pixels.items():
        assert np.abs(np.subtract(picture.getpixel(place), promised)).max() <= 12, place


@pytest.mark.parametrize(("make", "size", "mode", "pixels"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_image_is_read(make, size, mode, pixels, tmp_path):
    data = make()
    # The file name is irrelevant.
    (tmp_path / "picture.jpg").write_bytes(data)
    for source in (data, tmp_path / "picture.jpg"):
        picture = decode_picture(source)
        assert (picture.size, picture.mode) == (size, mode)
        check_pixels(picture, pixels)
    for color in (False, True):
        faces = FaceLoader(image_size=16, color=color, n_jobs=1).fit_transform([data])
        assert faces.shape == ((1, 16, 16, 3) if color else (1, 16, 16))


@pytest.mark.parametrize(("make", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_image_raises(make, words, tmp_path):
    data = make()
    (tmp_path / "picture.jpg").write_bytes(data)
    for source, name in ((data, "image 0"), (tmp_path / "picture.jpg", "picture.jpg'")):
        with pytest.raises(ImageReadError) as caught:
            FaceLoader(image_size=16, n_jobs=1).fit_transform([source])
        assert words in str(caught.value)
        assert name in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


def test_empty_parts_of_an_avif_take_little_time():
    # Items of 65,535 parts each, which have no bytes, no offset and no length in the box.
    item = struct.pack(">HHQH", 1, 0, 2**40, 65_535)
    content = bytes([0, 0, 0, 0, 0x00, 0x80]) + struct.pack(">H", 10_000) + item * 10_000
    data = struct.pack(">L4s", 8 + len(content), b"iloc") + content
    with pytest.raises(ImageReadError, match="has parts that overlap"):
        find_decoded_size(SimpleNamespace(format="AVIF", size=SIZE), data)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not read AVIF")
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_size_of_an_avif_is_what_is_coded(subsampling):
    large = encode(FLAG.resize((960, 640)), "AVIF", speed=10, subsampling=subsampling)
    # Wrong boxes, in a still image and in an animation.
    for data in (large, encode(FLAG.resize((960, 640)), "AVIF", NEGATIVE.resize((960, 640)), speed=10)):
        lies = data
        for form in (">LL", ">HH"):
            lies = lies.replace(struct.pack(form, 960, 640), struct.pack(form, 8, 8))
        with pytest.raises(ImageReadError, match=r"is too large \(960 x 640 pixels"):
            decode_picture(lies, max_pixels=1000)
    assert decode_picture(large, max_pixels=960 * 640).size == (960, 640)


@pytest.mark.parametrize(
    ("format", "size", "options"),
    [
        ("JPEG", (12_000, 9000), {"mode": "L"}),
        ("JPEG", (8000, 6000), {}),
        ("JPEG", (8000, 6000), {"progressive": True}),
        ("PNG", (8000, 6000), {"compress_level": 1}),
        ("WEBP", (4000, 3000), {"method": 0}),
        ("AVIF", (4032, 3024), {"speed": 10}),
    ],
)
def test_photo_of_a_phone_is_within_the_limits(format, size, options):
    if format not in list_formats():
        pytest.skip("this Pillow does not read AVIF")
    photo = encode(Image.new(options.pop("mode", "RGB"), size, 90), format, **options)
    assert FaceLoader(image_size=16, n_jobs=1).fit_transform([photo]).any()


def test_more_pixels_allow_more_memory():
    photo = make_png(10_000, 8000, 8, 2)
    with pytest.raises(ImageReadError, match=r"count as 1\d\d,\d*,\d*, expected at most 120,000,000; raise max_pixels"):
        decode_picture(photo, max_pixels=90_000_000)
    for max_pixels in (190_000_000, None):
        with pytest.raises(ImageReadError, match="is truncated"):
            decode_picture(photo, max_pixels=max_pixels)


def test_tiles_of_an_image_of_pillow_count_until_it_is_decoded(tmp_path):
    (tmp_path / "tile.tiff").write_bytes(make_tile(8, 8, 1024, 1024))
    with Image.open(tmp_path / "tile.tiff") as image:
        with pytest.raises(ImageReadError, match=r"is too large \(1,024 x 1,024 pixels, max_pixels=100\)"):
            decode_picture(image, max_pixels=100)
        image.load()
        assert decode_picture(image, max_pixels=100).size == (8, 8)


@pytest.mark.skipif(sys.platform == "win32", reason="resource is of POSIX")
def test_memory_stays_within_the_documented_limits():
    code = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from contextlib import suppress
from test_bad_pictures import READ, REFUSED, FaceLoader, Image, ImageReadError, encode, features

loader = FaceLoader(image_size=16, n_jobs=1).fit([b""])
for _, make, *_ in READ:
    loader.transform([make()])
pictures = [make() for _, make, _ in REFUSED]
webp = encode(Image.new("RGB", (4200, 4200)), "WEBP", lossless=True, method=0)

def take(pictures):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for picture in pictures:
        with suppress(ImageReadError):
            loader.transform([picture])
    # In bytes on macOS, in KiB elsewhere.
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(taken / (10**6 if sys.platform == "darwin" else 10**6 / 2**10))

take(pictures)
take([webp])
"""
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    result = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert float(result[0]) < 150 and float(result[1]) < 300


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_is_turned_upright(format, orientation):
    if format not in list_formats():
        pytest.skip("this Pillow does not read AVIF")
    stored = FLAG if orientation == 1 else FLAG.transpose(STORED[orientation])
    picture = decode_picture(encode(stored, format, exif=make_exif(orientation)))
    assert picture.size == SIZE
    check_pixels(picture, IN_COLOR)


def test_refusal_lists_what_is_accepted():
    with pytest.raises(ImageReadError) as caught:
        decode_picture(b"%!PS-Adobe-3.0 EPSF-3.0")
    assert all(format in str(caught.value) for format in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"))


def test_heif_is_read_once_a_plug_in_is_registered(monkeypatch):
    class HeifImageFile(ImageFile.ImageFile):
        """The plug-in that pillow-heif registers, without its decoder."""

        def _open(self):
            self._size, self._mode = (2, 1), "L"
            self.tile = [ImageFile._Tile("raw", (0, 0, 2, 1), 24, "L")]

    data = b"\0\0\0\x18ftypheic".ljust(24, b"\0") + b"\x07\x08"
    monkeypatch.setitem(Image.OPEN, "HEIF", (HeifImageFile, lambda prefix: prefix[4:12] == b"ftypheic"))
    assert np.asarray(decode_picture(data)).tolist() == [[7, 8]]
