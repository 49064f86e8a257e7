"""Small files of every supported format, and random mutations that damage them."""

import struct
import zlib

import numpy as np
from encoded import encode
from PIL import Image, features

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
EXIF_OF_ORIENTATION = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0%c\0\0\0\0\0\0"


def draw(width=24, height=20):
    """Draw a smooth color image with some noise."""
    down, right = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(0).integers(0, 20, (height, width))
    return Image.fromarray(np.stack([right * 9 % 256, down * 11 % 256, 90 + noise], axis=-1).astype(np.uint8))


def make_files():
    """Return valid files by a description of their format."""
    picture = draw()
    other = picture.rotate(180)
    transparent = picture.convert("RGBA")
    transparent.putalpha(picture.getchannel("R"))
    palette = picture.convert("P")
    deep = Image.fromarray((np.arange(480, dtype=np.uint16) * 130).reshape(20, 24))
    floats = Image.fromarray(np.linspace(0, 1, 480, dtype=np.float32).reshape(20, 24))
    exif = EXIF_OF_ORIENTATION % 6
    profile = b"profile" * 30

    files = {
        "jpeg": encode(picture, "JPEG"),
        "jpeg gray": encode(picture.convert("L"), "JPEG"),
        "jpeg cmyk": encode(picture.convert("CMYK"), "JPEG"),
        "jpeg progressive": encode(picture, "JPEG", progressive=True),
        "jpeg large": encode(draw(300, 200), "JPEG", quality=40),
        "jpeg restarts": encode(picture, "JPEG", restart_marker_blocks=1),
        "jpeg no subsampling": encode(picture, "JPEG", subsampling=0, keep_rgb=True),
        "jpeg metadata": encode(picture, "JPEG", exif=exif, icc_profile=profile, comment=b"c" * 20, dpi=(72, 72)),
        "mpo": encode(picture, "MPO", other),
        "png": encode(picture, "PNG"),
        "png bits": encode(picture.convert("1"), "PNG"),
        "png gray and alpha": encode(transparent.convert("LA"), "PNG"),
        "png palette": encode(palette, "PNG", transparency=bytes(range(200))),
        "png one transparent color": encode(picture.convert("L"), "PNG", transparency=90),
        "png alpha": encode(transparent, "PNG"),
        "png deep": encode(deep, "PNG"),
        "png metadata": encode(picture, "PNG", exif=exif, icc_profile=profile, pnginfo=_make_texts(), dpi=(72, 72)),
        "apng": encode(picture, "PNG", other),
        "webp": encode(picture, "WEBP"),
        "webp lossless": encode(transparent, "WEBP", lossless=True),
        "webp alpha": encode(transparent, "WEBP", exif=exif, icc_profile=profile),
        "webp animated": encode(picture, "WEBP", other),
        "gif": encode(picture, "GIF"),
        "gif transparent": encode(palette, "GIF", transparency=3, comment=b"c" * 300),
        "gif animated": encode(palette, "GIF", other, disposal=2, loop=0),
        "bmp": encode(picture, "BMP"),
        "bmp bits": encode(picture.convert("1"), "BMP"),
        "bmp palette": encode(palette, "BMP"),
        "bmp alpha": encode(transparent, "BMP"),
        "bmp run lengths": _make_run_length_bmp(),
        "ppm": encode(picture, "PPM"),
        "pgm": encode(picture.convert("L"), "PPM"),
        "pgm deep": encode(deep, "PPM"),
        "pbm": encode(picture.convert("1"), "PPM"),
        "ppm in words": b"P3\n# words\n3 2\n255\n" + b"1 2 3 " * 6,
        "pbm in words": b"P1 3 2 101 010",
        "pfm": encode(floats, "PPM"),
        "tiff": encode(picture, "TIFF"),
        "tiff big": encode(picture, "TIFF", big_tiff=True),
        "tiff pages": encode(picture, "TIFF", other),
        "tiff turned": encode(picture, "TIFF", tiffinfo={0x0112: 6, 270: "words"}),
        "tiff deep": encode(deep, "TIFF"),
        "tiff floats": encode(floats, "TIFF"),
        "tiff alpha": encode(transparent, "TIFF", compression="tiff_lzw"),
        "tiff cmyk": encode(picture.convert("CMYK"), "TIFF"),
        "tiff lab": encode(picture.convert("LAB"), "TIFF"),
        "tiff palette": encode(palette, "TIFF", compression="packbits"),
        "tiff fax": encode(picture.convert("1"), "TIFF", compression="group4"),
        "tiff ycbcr": encode(picture.convert("YCbCr"), "TIFF", compression="jpeg"),
        "tiff strips": encode(picture, "TIFF", compression="tiff_adobe_deflate", strip_size=200),
        "tiff tiles": make_tiles(24, 20, 16, 16, zlib.compress(bytes(range(256)))),
    }
    if features.check("avif"):
        files["avif"] = encode(picture, "AVIF", speed=10)
        files["avif alpha"] = encode(transparent, "AVIF", speed=10, exif=exif)
        files["avif animated"] = encode(picture, "AVIF", other, speed=10)
    return files


def mutate(files, rng):
    """Return a random file with one to four random mutations."""
    names = sorted(files)
    data = bytearray(files[rng.choice(names)])
    for _ in range(rng.choice((1, 1, 2, 4))):
        change = rng.choice(_CHANGES)
        data = bytearray(change(data, rng) if change is not _splice else _splice(data, rng, files[rng.choice(names)]))
    # Otherwise Pillow would stop at the checksum of a damaged PNG chunk.
    return repair_png(bytes(data)) if rng.random() < 0.8 else bytes(data)


def repair_png(data):
    """Recompute the checksums of a PNG as far as its chunks can be parsed; return other files unchanged."""
    if not data.startswith(b"\x89PNG"):
        return data
    repaired, position = bytearray(data[:8]), 8
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4])
        if end > len(data):
            break
        repaired += data[position:end] + zlib.crc32(data[position + 4 : end]).to_bytes(4)
        position = end + 4
    return bytes(repaired) + data[position:]


def _place(data, rng):
    """Choose a position: half the time near the beginning, where headers are, but rarely in the signature."""
    first = 0 if rng.random() < 0.1 else min(8, len(data) - 1)
    last = len(data) if rng.random() < 0.5 else min(len(data), 160)
    return rng.randrange(first, last) if last > first >= 0 else 0


def _piece(data, rng):
    start = _place(data, rng)
    return slice(start, start + rng.choice((1, 2, 4, 8, 12, 16, 64, 256)))


def _flip_bits(data, rng):
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if data else 0):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)
    return data


def _write_extreme(data, rng):
    """Overwrite a field of 1, 2, 4 or 8 bytes, in either byte order, with a number that is often mishandled."""
    size = rng.choice((1, 2, 2, 4, 4, 8))
    value = rng.choice((*EXTREMES, rng.getrandbits(16))) % (1 << 8 * size)
    start = _place(data, rng)
    data[start : start + size] = value.to_bytes(size, rng.choice(("little", "big")))
    return data


def _cut_off(data, rng):
    return data[: rng.randint(len(data) // 8, len(data))]


def _take_out(data, rng):
    del data[_piece(data, rng)]
    return data


def _repeat(data, rng):
    piece = _piece(data, rng)
    data[piece.start : piece.start] = data[piece] * rng.choice((1, 2, 40))
    return data


def _insert_noise(data, rng):
    start = _place(data, rng)
    data[start:start] = rng.randbytes(rng.choice((1, 4, 64)))
    return data


def _move(data, rng):
    piece = _piece(data, rng)
    moved = data[piece]
    del data[piece]
    start = _place(data, rng)
    data[start:start] = moved
    return data


def _change_part(data, rng):
    """Repeat, drop, move or change one part of a PNG, RIFF, TIFF, JPEG or ISO file, delimited by its length field."""
    parts = list_parts(bytes(data))
    if not parts:
        return _write_extreme(data, rng)
    start, end = rng.choice(parts)
    part = data[start:end]
    way = rng.randrange(4)
    if way == 0:
        data[start:start] = part * rng.choice((1, 3, 200))
    elif way == 1:
        del data[start:end]
    elif way == 2:
        del data[start:end]
        target = rng.choice(parts)[0]
        data[target:target] = part
    elif part:
        data[start:end] = _write_extreme(_flip_bits(part, rng), rng)
    return data


def list_parts(data):
    """List the start and end of chunks, segments, directory entries or boxes."""
    parts, position = [], 0
    if data.startswith(b"\x89PNG"):
        position = 8
        while position + 12 <= len(data):
            end = position + 12 + int.from_bytes(data[position : position + 4])
            parts.append((position, end))
            position = end
    elif data.startswith(b"RIFF"):
        position = 12
        while position + 8 <= len(data):
            size = int.from_bytes(data[position + 4 : position + 8], "little")
            parts.append((position, position + 8 + size + size % 2))
            position = parts[-1][1]
    elif data.startswith(b"\xff\xd8"):
        position = 2
        while position + 4 <= len(data) and data[position] == 0xFF:
            end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
            parts.append((position, end))
            position = end
    elif data[4:8] == b"ftyp":
        while position + 8 <= len(data):
            size = max(8, int.from_bytes(data[position : position + 4]))
            # Descend into meta, whose boxes contain the sizes.
            step = 12 if data[position + 4 : position + 8] == b"meta" else size
            step = 8 if data[position + 4 : position + 8] in (b"iprp", b"ipco") else step
            parts.append((position, position + size))
            position += step
    elif data[:2] in (b"II", b"MM") and len(data) > 8:
        order = "<" if data.startswith(b"II") else ">"
        start = struct.unpack_from(order + "L", data, 4)[0]
        if start + 2 <= len(data):
            number = struct.unpack_from(order + "H", data, start)[0]
            parts = [(start + 2 + 12 * index, start + 14 + 12 * index) for index in range(min(number, 40))]
    return [(start, end) for start, end in parts if end <= len(data)]


def _splice(data, rng, other):
    """Continue with the rest of another file."""
    return data[: rng.randint(len(data) // 8, len(data))] + other[rng.randint(0, len(other)) :]


_CHANGES = (
    _flip_bits,
    _flip_bits,
    _write_extreme,
    _write_extreme,
    _change_part,
    _change_part,
    _change_part,
    _cut_off,
    _take_out,
    _repeat,
    _insert_noise,
    _move,
    _splice,
)


def _make_texts():
    from PIL import PngImagePlugin

    texts = PngImagePlugin.PngInfo()
    texts.add_text("plain", "words")
    texts.add_text("packed", "words" * 50, zip=True)
    texts.add_itxt("international", "Wörter", "de", zip=True)
    return texts


def make_tiles(width, height, tile_width, tile_height, tile, **more):
    """Make a grayscale TIFF of Deflate-compressed tiles with the same content, which Pillow cannot write."""
    number = -(-width // tile_width) * -(-height // tile_height)
    start = 8 + len(tile)
    places = struct.pack("<L", 8) * number + struct.pack("<L", len(tile)) * number
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile_width, 323: tile_height}
    tags |= {324: start if number > 1 else 8, 325: start + 4 * number if number > 1 else len(tile)}
    tags |= {int(tag[3:]): value for tag, value in more.items()}
    directory = start + len(places)
    entries = b"".join(
        struct.pack("<HHLL", tag, 4, number if tag in (324, 325) else 1, value) for tag, value in sorted(tags.items())
    )
    return b"II*\0" + struct.pack("<L", directory) + tile + places + struct.pack("<H", len(tags)) + entries + bytes(4)


def _make_run_length_bmp():
    """Make a run-length encoded BMP, which Pillow reads but cannot write."""
    rows = bytes((24, 7, 0, 0)) * 19 + bytes((0, 4, 1, 2, 3, 4, 0, 2, 3, 0, 17, 9, 0, 1))
    colors = bytes(range(256)) * 4
    header = struct.pack("<LllHHLLllLL", 40, 24, 20, 1, 8, 1, len(rows), 0, 0, 256, 0)
    start = 14 + len(header) + len(colors)
    return b"BM" + struct.pack("<LHHL", start + len(rows), 0, 0, start) + header + colors + rows
