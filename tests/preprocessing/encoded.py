"""Encode images as files."""

import io


def encode(picture, format, *more, **options):
    """Encode an image, and optional further frames, as bytes."""
    buffer = io.BytesIO()
    if more:
        # Copy, since Pillow would write a TIFF with metadata of a JPEG.
        options.update(save_all=True, append_images=[frame.copy() for frame in more])
    picture.save(buffer, format, **options)
    return buffer.getvalue()
