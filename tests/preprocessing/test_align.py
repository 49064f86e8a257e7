import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from sk_emotion import FaceLoader
from sk_emotion.preprocessing._crop import align_face, crop_face


@pytest.mark.parametrize("color", [False, True])
def test_aligned_faces_are_upright_whichever_way_the_photo_is_turned(color):
    photo = Image.fromarray(astronaut()).crop((60, 0, 380, 320))
    turned = [photo, photo.rotate(20, Image.Resampling.BICUBIC), photo.rotate(-20, Image.Resampling.BICUBIC)]
    crops = {}
    for align in (False, True):
        faces = FaceLoader(align=align, color=color).fit_transform(turned).astype(float)
        assert faces.shape == ((3, 48, 48, 3) if color else (3, 48, 48))
        crops[align] = [np.corrcoef(faces[0].ravel(), face.ravel())[0, 1] for face in faces[1:]]
    assert min(crops[True]) > 0.9
    assert max(crops[False]) < 0.8


@pytest.mark.parametrize("size", [(48, 48), (60, 40)])
def test_usual_landmarks_are_where_a_plain_crop_has_them(size):
    photo = Image.fromarray(astronaut()).convert("L")
    box = np.array([180.0, 60, 90, 118])
    side, center = (90 * 118) ** 0.5, box[:2] + box[2:] / 2
    usual = np.array([(-0.2, -0.135), (0.2, -0.135), (0, 0.093), (-0.17, 0.275), (0.17, 0.275)])
    aligned = align_face(photo, box, center + usual * side, size, 0.2)
    assert aligned.size == size[::-1]
    plain = np.asarray(crop_face(photo, box, size, 0.2), dtype=float)
    assert np.abs(np.asarray(aligned) - plain).mean() < 5


def test_aligned_face_at_the_edge_repeats_it():
    photo = np.full((200, 200), 200, np.uint8)
    landmarks = np.array([(2, 60), (42, 60), (22, 80), (5, 100), (39, 100)], dtype=float)
    aligned = align_face(Image.fromarray(photo), np.array([0.0, 20, 60, 100]), landmarks, (48, 48), 0.4)
    assert (np.asarray(aligned) == 200).all()


@pytest.mark.parametrize("landmarks", [np.full((5, 2), 90.0), np.full((5, 2), 1e6) + np.eye(5, 2)])
def test_landmarks_that_fit_no_face_leave_the_plain_crop(landmarks):
    photo = Image.fromarray(astronaut()).convert("L")
    box = np.array([180.0, 60, 90, 118])
    aligned = align_face(photo, box, landmarks, (48, 48), 0.2)
    np.testing.assert_array_equal(np.asarray(aligned), np.asarray(crop_face(photo, box, (48, 48), 0.2)))


def test_images_without_landmarks_are_not_aligned():
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    np.testing.assert_array_equal(FaceLoader(align=True).fit_transform(faces), faces)
