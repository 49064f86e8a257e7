import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sk_emotion import FaceLoader

SIZES = st.tuples(st.integers(16, 70), st.integers(16, 70))
LOSSLESS = st.sampled_from(["PNG", "BMP", "TIFF"])


@st.composite
def draw_pictures(draw, sizes=SIZES, channels=((), (3,)), max_size=4):
    """Draw images of different sizes."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = draw(st.lists(st.tuples(sizes, st.sampled_from(channels)), min_size=1, max_size=max_size))
    return [random.integers(0, 256, (*size, *colors)).astype(np.uint8) for size, colors in shapes]


@st.composite
def draw_loaders(draw):
    return FaceLoader(
        image_size=draw(st.sampled_from([24, (20, 30)])),
        color=draw(st.booleans()),
        on_missing=draw(st.sampled_from(["center", "full"])),
        n_jobs=draw(st.sampled_from([None, 1, 2])),
    )


@given(SIZES, st.booleans(), st.integers(1, 4), st.integers(0, 2**32 - 1), draw_loaders())
def test_images_that_have_the_size_already_pass_unchanged(size, color, n_images, seed, loader):
    shape = (n_images, *size, 3) if color else (n_images, *size)
    X = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    loader.set_params(image_size=size, color=color)
    np.testing.assert_array_equal(loader.fit_transform(X), X)
    np.testing.assert_array_equal(loader.fit_transform(list(X)), X)


@given(draw_pictures(), draw_loaders(), st.randoms(use_true_random=False))
def test_order_of_images_is_that_of_their_faces(pictures, loader, random):
    order = random.sample(range(len(pictures)), len(pictures))
    shuffled = loader.fit_transform([pictures[index] for index in order])
    np.testing.assert_array_equal(shuffled, loader.fit_transform(pictures)[order])


@given(draw_pictures(), draw_loaders(), LOSSLESS)
def test_file_bytes_pil_image_and_array_are_one_image(tmp_path_factory, pictures, loader, file_format):
    images = [Image.fromarray(picture) for picture in pictures]
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{number}.img" for number in range(len(images))]
    contents = []
    for image, path in zip(images, paths, strict=True):
        buffer = io.BytesIO()
        image.save(buffer, file_format)
        contents.append(buffer.getvalue())
        path.write_bytes(buffer.getvalue())
    expected = loader.fit_transform(pictures)
    for form in (images, contents, paths, [str(path) for path in paths], np.array(paths, dtype=object)):
        np.testing.assert_array_equal(loader.fit_transform(form), expected)


@given(draw_pictures(), draw_loaders())
def test_cache_changes_nothing(tmp_path_factory, pictures, loader):
    folder = tmp_path_factory.mktemp("cached")
    paths = [folder / f"{number}.png" for number in range(len(pictures))]
    for picture, path in zip(pictures, paths, strict=True):
        Image.fromarray(picture).save(path)
    expected = loader.fit_transform(paths)
    loader.set_params(cache=folder / "cache")
    for _ in ("cold", "warm"):
        np.testing.assert_array_equal(loader.fit_transform(paths), expected)


@given(draw_pictures(sizes=st.just((32, 48)), channels=((3,),)), draw_loaders())
def test_batch_of_images_is_a_list_of_images(pictures, loader):
    np.testing.assert_array_equal(loader.fit_transform(np.stack(pictures)), loader.fit_transform(pictures))
