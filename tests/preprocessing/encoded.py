"""Pictures as files."""

import io


def encode(picture, format, *more, **options):
    """Write a picture, and more frames, if any, into bytes."""
    buffer = io.BytesIO()
    if more:
        # Copies, since Pillow would write a TIFF with what it kept of a JPEG.
        options.update(save_all=True, append_images=[frame.copy() for frame in more])
    picture.save(buffer, format, **options)
    return buffer.getvalue()
