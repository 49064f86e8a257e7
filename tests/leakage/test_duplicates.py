import io
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from sk_emotion.exceptions import DatasetError, ImageReadError
from sk_emotion.leakage import find_duplicates
from sk_emotion.leakage._thumbnails import correlate_aligned


def make_photo(seed, size=(240, 180)):
    """Make a smooth image with structure on every scale."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((size[1], size[0], 3))
    for cells, height in ((4, 60), (9, 30), (20, 10)):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        picture += (np.asarray(noise.resize(size, Image.Resampling.BICUBIC)) / 127.5 - 1) * height
    return Image.fromarray((picture + 128).clip(0, 255).astype(np.uint8))


def compress(photo, quality):
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue()))


def crop(photo, left=0.0, top=0.0, right=0.0, bottom=0.0):
    width, height = photo.size
    return photo.crop((int(left * width), int(top * height), int((1 - right) * width), int((1 - bottom) * height)))


PHOTOS = [make_photo(seed) for seed in range(40)]
CHANGES = {
    "half the size": lambda photo: photo.resize((120, 90)),
    "another aspect": lambda photo: photo.resize((180, 180)),
    "JPEG of quality 25": lambda photo: compress(photo, 25),
    "gray": lambda photo: photo.convert("L"),
    "brighter": lambda photo: ImageEnhance.Brightness(photo).enhance(1.1),
    "less contrast": lambda photo: ImageEnhance.Contrast(photo).enhance(0.7),
    "with alpha": lambda photo: photo.convert("RGBA"),
    "in 256 colors": lambda photo: photo.convert("P"),
    "crop of 2 % each side": lambda photo: crop(photo, 0.02, 0.02, 0.02, 0.02),
    "crop of 5 % below": lambda photo: crop(photo, bottom=0.05),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found(change):
    groups = find_duplicates([*PHOTOS, *map(CHANGES[change], PHOTOS)])
    found = groups[:40] == groups[40:]
    assert found.mean() >= 0.95
    assert len(np.unique(groups[:40])) == 40


def test_tighter_crops_are_found_with_a_larger_distance():
    cropped = [crop(photo, right=0.12) for photo in PHOTOS]
    near, far = (find_duplicates([*PHOTOS, *cropped], max_distance=bits) for bits in (6, 24))
    assert (far[:40] == far[40:]).mean() > (near[:40] == near[40:]).mean() + 0.2
    assert len(np.unique(far[:40])) == 40


def test_groups_are_numbered_by_first_appearance():
    a, b, c = PHOTOS[:3]
    groups = find_duplicates([b, a, b, c, a, b])
    assert groups.dtype == np.int64 and groups.tolist() == [0, 1, 0, 2, 1, 0]


def test_different_photos_of_like_composition_are_kept_apart():
    x = np.linspace(-1, 1, 100)
    rng = np.random.default_rng(0)
    ground = 200 - 120 * np.exp(-3 * (x[:, None] ** 2 + x**2))
    faces = np.stack([np.asarray(make_photo(seed, (100, 100)).convert("L")) for seed in range(60)])
    pictures = (ground + 0.5 * (faces - 128.0) + rng.normal(0, 2, faces.shape)).clip(0, 255).astype(np.uint8)
    assert len(np.unique(find_duplicates(pictures))) == 60


def test_blank_images_are_copies_only_of_equal_ones():
    black, white = np.zeros((48, 48), np.uint8), np.full((48, 48), 255, np.uint8)
    face = np.asarray(PHOTOS[0].convert("L").resize((48, 48)))
    assert find_duplicates([black, white, face, black, white]).tolist() == [0, 1, 2, 0, 1]


def test_paths_bytes_photos_and_arrays_may_be_mixed(tmp_path):
    PHOTOS[0].save(tmp_path / "a.jpg", quality=90)
    images = [tmp_path / "a.jpg", str(tmp_path / "a.jpg"), (tmp_path / "a.jpg").read_bytes(), PHOTOS[0]]
    groups = find_duplicates([*images, np.asarray(PHOTOS[0]), np.asarray(PHOTOS[0]) / 255, PHOTOS[1]])
    assert groups.tolist() == [0, 0, 0, 0, 0, 0, 1]


def test_columns_of_paths_are_accepted(tmp_path):
    for number, photo in enumerate((PHOTOS[0], PHOTOS[1], PHOTOS[0])):
        photo.save(tmp_path / f"{number}.png")
    paths = pd.Series([str(tmp_path / f"{number}.png") for number in range(3)])
    for images in (paths, paths.to_frame("image"), paths.to_numpy(), np.array(paths.tolist())):
        assert find_duplicates(images, n_jobs=2).tolist() == [0, 1, 0]


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("scale", ["uint8", "floats to 1"])
def test_arrays_of_images_are_accepted(color, scale):
    photos = [photo.resize((48, 48)).convert("RGB" if color else "L") for photo in (*PHOTOS, PHOTOS[3])]
    X = np.stack([np.asarray(photo) for photo in photos])
    groups = find_duplicates(X if scale == "uint8" else X / 255)
    assert groups.tolist() == [*range(40), 3]


def test_images_of_sixteen_bits_are_not_cut_off():
    gray = np.asarray(PHOTOS[0].convert("L"))
    deep = Image.fromarray(gray.astype(np.uint16) * 256)
    blank = Image.fromarray(np.full((48, 48), 60000, dtype=np.uint16))
    assert find_duplicates([gray, deep, blank]).tolist() == [0, 0, 1]


def test_turned_photos_are_read_as_they_are_shown(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    PHOTOS[0].rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif)
    assert find_duplicates([PHOTOS[0], tmp_path / "turned.jpg"]).tolist() == [0, 0]


def test_unreadable_images_are_named(tmp_path):
    (tmp_path / "notes.jpg").write_text("notes")
    with pytest.raises(ImageReadError, match=r"image 1: .*notes\.jpg' is not an image"):
        find_duplicates([PHOTOS[0], tmp_path / "notes.jpg"])
    with pytest.raises(ImageReadError, match=r"nowhere\.jpg' does not exist"):
        find_duplicates([tmp_path / "nowhere.jpg"])
    PHOTOS[0].save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:3000])
    with pytest.raises(ImageReadError, match=r"cut\.jpg' is truncated"):
        find_duplicates([tmp_path / "cut.jpg"])
    with pytest.raises(ImageReadError, match=r"shape \(5,\)"):
        find_duplicates([PHOTOS[0], np.zeros(5)])


@pytest.mark.parametrize("images", ["a.jpg", b"bytes", 5, np.zeros((4, 9)), np.zeros(())])
def test_other_collections_raise(images):
    with pytest.raises(DatasetError, match="expected several images"):
        find_duplicates(images)


@pytest.mark.parametrize("n", [0, 1])
def test_no_and_one_image_have_their_groups(n):
    assert find_duplicates(PHOTOS[:n]).tolist() == list(range(n))
    assert find_duplicates(np.zeros((n, 48, 48), np.uint8)).tolist() == list(range(n))


def test_invalid_distance_raises():
    with pytest.raises(ValueError, match="max_distance"):
        find_duplicates(PHOTOS[:2], max_distance=-1)


def test_many_copies_of_few_images_stay_quick():
    X = np.stack([np.asarray(photo.convert("L").resize((48, 48))) for photo in PHOTOS])
    many = np.repeat(X, 100, axis=0)
    noisy = (many[:2000] + np.random.default_rng(0).integers(0, 3, (2000, 48, 48))).clip(0, 255).astype(np.uint8)
    assert len(np.unique(find_duplicates(np.concatenate([many, noisy])))) == 40


def test_small_images_are_accepted():
    X = np.stack([np.asarray(photo.convert("L").resize((8, 8))) for photo in PHOTOS])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_duplicates(np.concatenate([X, X])).tolist() == [*range(40), *range(40)]


def test_alignment_undoes_a_crop():
    shape = (32, 32)
    whole = np.stack([np.asarray(photo.convert("L").resize(shape, Image.Resampling.BOX)) for photo in PHOTOS])
    part = np.stack(
        [np.asarray(crop(photo.convert("L"), 0.05, 0, 0, 0.06).resize(shape, Image.Resampling.BOX)) for photo in PHOTOS]
    )
    a, b = ((x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True) for x in (whole, part))
    before = (a * b).mean((1, 2))
    aligned = correlate_aligned(a.astype(np.float32), b.astype(np.float32))
    assert np.median(before) < 0.95 and (aligned > 0.97).mean() > 0.9


def test_unread_images_are_returned_with_reasons_on_request(tmp_path):
    PHOTOS[0].save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_text("no image")
    images = [tmp_path / "b.jpg", tmp_path / "a.jpg", tmp_path / "missing.jpg", PHOTOS[0]]
    with pytest.raises(ImageReadError, match=r"find_duplicates: image 0: .*b\.jpg"):
        find_duplicates(images)
    duplicates, unread = find_duplicates(images, return_unread=True)
    assert duplicates.tolist() == [0, 1, 2, 1]
    assert list(unread) == [0, 2] and not any(str(tmp_path) in reason for reason in unread.values())
    duplicates, _ = find_duplicates(images, groups=["anna", "ben", "cleo", "anna"], return_unread=True)
    assert duplicates.tolist() == [0, 0, 1, 0]
    assert find_duplicates(PHOTOS[:2], return_unread=True)[1] == {}


def test_only_identical_images_are_found_above_a_number():
    images = [PHOTOS[0], ImageEnhance.Brightness(PHOTOS[0]).enhance(1.1), PHOTOS[0]]
    assert find_duplicates(images, max_compared=3).tolist() == [0, 0, 0]
    assert find_duplicates(images, max_compared=2).tolist() == [0, 1, 0]
