"""Fingerprints of images: the same for all forms of one image, and similar ones for copies."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from sk_emotion import FaceLoader, LeastSquaresSVC, make_faces
from sk_emotion.exceptions import ImageArrayError, ImageReadError
from sk_emotion.leakage._fingerprints import Fingerprints, take_fingerprints

zarr = pytest.importorskip("zarr")


def take(images, model=None, **options):
    fingerprints, n_images = take_fingerprints(images, model or LeastSquaresSVC(), "take", **options)
    assert n_images == len(fingerprints.pixels)
    return fingerprints


def encode(pixels, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def encode_turned(pixels):
    """Encode an image that a camera took on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(np.ascontiguousarray(np.rot90(pixels)), exif=exif)


def enlarge(width, height):
    return np.asarray(Image.fromarray(astronaut()[:300, 50:350]).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def faces():
    return make_faces(6, image_size=24, random_state=0)[0]


def store(faces, folder):
    array = zarr.create_array(str(folder / "faces.zarr"), shape=faces.shape, chunks=(4, 24, 24), dtype=faces.dtype)
    array[:] = faces
    return array


def map_file(faces, folder):
    np.save(folder / "faces.npy", faces)
    return np.load(folder / "faces.npy", mmap_mode="r")


def write(faces, folder):
    for number, face in enumerate(faces):
        Image.fromarray(face).save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(len(faces))]


FORMS = {
    "array": lambda faces, folder: faces,
    "list of arrays": lambda faces, folder: list(faces),
    "Bunch": lambda faces, folder: Bunch(data=faces, target=None),
    "float 0 to 1": lambda faces, folder: (faces / 255).astype(np.float32),
    "float 0 to 255": lambda faces, folder: faces.astype(float),
    "list of floats": lambda faces, folder: list(faces / 255),
    "int64": lambda faces, folder: faces.astype(np.int64),
    "rows": lambda faces, folder: faces.reshape(len(faces), -1),
    "rows of floats": lambda faces, folder: faces.reshape(len(faces), -1) / 255,
    "table": lambda faces, folder: pd.DataFrame(faces.reshape(len(faces), -1)),
    "one channel": lambda faces, folder: faces[..., np.newaxis],
    "equal channels": lambda faces, folder: np.stack([faces] * 3, axis=-1),
    "opaque": lambda faces, folder: np.concatenate(
        [np.stack([faces] * 3, axis=-1), np.full((*faces.shape, 1), 255, np.uint8)], axis=-1
    ),
    "memory-map": map_file,
    "rows of a memory-map": lambda faces, folder: map_file(faces.reshape(len(faces), -1), folder),
    "Zarr": store,
    "paths": write,
    "Bunch of paths": lambda faces, folder: Bunch(data=np.array(list(map(str, write(faces, folder)))), target=None),
    "column of paths": lambda faces, folder: pd.DataFrame({"photo": list(map(str, write(faces, folder)))}),
    "bytes": lambda faces, folder: [encode(face) for face in faces],
    "file objects": lambda faces, folder: [io.BytesIO(encode(face)) for face in faces],
    "PIL images": lambda faces, folder: [Image.fromarray(face) for face in faces],
    "WebP without loss": lambda faces, folder: [encode(face, "WEBP", lossless=True) for face in faces],
    "turned by EXIF": lambda faces, folder: list(map(encode_turned, faces)),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_an_image_have_the_same_fingerprint(form, faces, tmp_path):
    expected, found = take(faces), take(FORMS[form](faces, tmp_path))
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    np.testing.assert_array_equal(found.looks, expected.looks)


def test_different_images_have_different_fingerprints(faces):
    found = take(np.concatenate([faces, 255 - faces, faces[:, :, ::-1]]))
    assert len(np.unique(found.pixels)) == len(np.unique(found.looks)) == 18


def test_one_changed_pixel_changes_the_digest_and_not_the_look(faces):
    changed = faces.copy()
    changed[:, 3, 3] ^= 1
    assert not np.isin(take(changed).pixels, take(faces).pixels).any()
    np.testing.assert_array_equal(take(changed).looks, take(faces).looks)


def test_shape_is_part_of_the_digest():
    pixels = np.arange(64, dtype=np.uint8)
    assert len(np.unique(take([pixels.reshape(shape) for shape in [(8, 8), (4, 16), (16, 4)]]).pixels)) == 3


def test_colors_are_part_of_the_digest(faces):
    colored = np.stack([faces, faces, faces // 2], axis=-1)
    assert not np.isin(take(colored).pixels, take(faces).pixels).any()


def test_blank_images_have_no_look(faces):
    blank = np.stack([np.full((24, 24), value, np.uint8) for value in (0, 90, 255)])
    blank[1, ::2] += 1
    found = take(np.concatenate([blank, faces]))
    assert (found.looks[:3] == 0).all() and (found.looks[3:] != 0).all() and len(np.unique(found.pixels)) == 9
    assert 0 not in Fingerprints.join([found]).looks


@pytest.mark.parametrize("side", [512, 1400])
@pytest.mark.parametrize("form", ["JPEG of lower quality", "PNG", "half the size"])
def test_copies_of_a_photo_look_the_same(side, form):
    photo = enlarge(side, side)
    copies = {
        "JPEG of lower quality": lambda: encode(photo, "JPEG", quality=75),
        "PNG": lambda: encode(photo),
        "half the size": lambda: photo[::2, ::2],
    }
    found = take([encode(photo, "JPEG", quality=95), copies[form]()])
    assert found.looks[0] == found.looks[1] != 0 and found.pixels[0] != found.pixels[1]


def test_digests_of_other_sizes_are_not_computed(faces):
    others = [encode(face[:-1]) for face in faces]
    found, alone = take([*map(encode, faces), *others], known=take(faces[:1])), take(others)
    np.testing.assert_array_equal(found.pixels[:6], take(faces).pixels)
    assert not found.pixels[6:].any()
    np.testing.assert_array_equal(found.looks[6:], alone.looks)


def test_large_photo_of_another_size_looks_as_when_it_is_decoded_completely(faces):
    photo = encode(enlarge(1300, 1100), "JPEG")
    assert take([photo], known=take(faces)).looks == take([photo]).looks


def test_turned_photo_counts_as_one_of_its_size():
    wide = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30)
    np.testing.assert_array_equal(take([encode_turned(wide)], known=take([wide])).pixels, take([wide]).pixels)


def test_images_that_cannot_be_read_are_left_out(faces, tmp_path):
    images = [faces[0], b"no image", tmp_path / "missing.png", None, np.full((24, 24), np.nan), faces[1]]
    found, n_images = take_fingerprints(images, LeastSquaresSVC(), "take")
    assert n_images == 6
    np.testing.assert_array_equal(found.pixels, take(faces[:2]).pixels)


def test_arrays_of_a_bgr_loader_equal_its_files():
    photo = astronaut()[:64, 100:164]
    model = make_pipeline(FaceLoader(channel_order="bgr"), LeastSquaresSVC())
    pixels = take([photo[..., ::-1], encode(photo)], model).pixels
    assert pixels[0] == pixels[1]


def test_rows_have_the_shape_of_the_model(faces):
    wide = faces[:, :12]
    model = LeastSquaresSVC()
    model.image_shape_ = (12, 24)
    np.testing.assert_array_equal(take(wide.reshape(6, -1), model).pixels, take(wide).pixels)
    assert not np.isin(take(wide.reshape(6, -1)[:, :256], LeastSquaresSVC()).pixels, take(wide).pixels).any()


@pytest.mark.parametrize(
    "images, error, message",
    [
        ("photo.jpg", ImageReadError, "is one path"),
        (np.zeros((3, 5, 5, 5, 1)), ImageArrayError, r"take: images have shape \(3, 5, 5, 5, 1\) .*expected paths"),
        (np.zeros(7), ImageArrayError, r"shape \(7,\)"),
        (np.zeros((24, 24, 3)), ImageArrayError, "np.newaxis"),
        (np.zeros((5, 300)), ImageArrayError, "image_shape"),
        (np.array([["a", "b"]]), ImageReadError, "2 columns"),
    ],
)
def test_anything_else_is_an_error(images, error, message):
    with pytest.raises(error, match=message):
        take(images)
