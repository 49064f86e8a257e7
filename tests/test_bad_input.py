"""Common mistakes raise a one-line error that names the object and says what to do; other work is kept."""

import io

import pytest
from PIL import Image

from sk_emotion import (
    EmotionClassifier,
    FaceLoader,
    load_face_folder,
    make_faces,
    networks,
)
from sk_emotion.exceptions import DatasetWarning, SkEmotionError

X, Y, _ = make_faces(12, emotions=["fear", "pain"], image_size=32, random_state=0)


@pytest.fixture
def folder(tmp_path):
    for number, (face, emotion) in enumerate(zip(X, Y, strict=True)):
        (tmp_path / emotion).mkdir(exist_ok=True)
        Image.fromarray(face).save(tmp_path / emotion / f"{number}.jpg")
    return tmp_path


def one_line(action, *mentioned):
    with pytest.raises(SkEmotionError) as caught:
        action()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for text in mentioned:
        assert text in message


def damage(path):
    picture = io.BytesIO()
    Image.fromarray(X[0]).resize((200, 200)).save(picture, "JPEG")
    contents = {"truncated.jpg": picture.getvalue()[:1500], "text.jpg": b"no picture", "empty.jpg": b""}
    for name, content in contents.items():
        (path / name).write_bytes(content)
    return [str(path / name) for name in contents]


def test_missing_folder(tmp_path):
    one_line(lambda: load_face_folder(tmp_path / "absent"), "absent", "Pass a folder")


def test_folder_with_one_class(folder):
    for path in (folder / "pain").iterdir():
        path.unlink()
    (folder / "pain").rmdir()
    one_line(lambda: load_face_folder(folder), "fear", "Add a folder")


def test_damaged_files_are_left_out_of_a_folder_and_named(folder):
    damage(folder / "pain")
    with pytest.warns(DatasetWarning, match=r"empty\.jpg.*text\.jpg.*truncated\.jpg"):
        faces = load_face_folder(folder)
    assert len(faces.data) == 12


def test_damaged_files_are_named_by_the_loader(tmp_path, folder):
    for path in damage(tmp_path):
        one_line(lambda path=path: FaceLoader().fit_transform([path]), path, "Remove it", "on_error")


def test_one_damaged_file_costs_the_others_nothing(tmp_path, folder):
    photos = [*damage(tmp_path), *sorted(str(path) for path in folder.rglob("[0-9]*.jpg"))]
    with pytest.warns(DatasetWarning, match="3 of 15 images"):
        faces = FaceLoader(on_error="blank").fit_transform(photos)
    assert (faces[:3] == 0).all()
    assert (faces[3:].max(axis=(1, 2)) > 0).all()
    one_line(lambda: FaceLoader(cache=tmp_path / "cache").fit_transform(photos), "2 more")
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 12


def test_image_size_that_the_network_cannot_take():
    one_line(lambda: EmotionClassifier(networks.VGG()).fit(X[:, :8, :8], Y), "8x8", "at least 16x16")
