import numpy as np
import pytest
from skimage.feature import hog
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sk_emotion import EMOTIONS
from sk_emotion.datasets import make_faces
from sk_emotion.exceptions import DatasetError, LabelError

ALL = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "pain", "sadness", "surprise"]


def test_faces_are_gray_bytes_of_six_equal_classes():
    X, y, groups = make_faces(60, random_state=0)
    assert X.shape == (60, 48, 48) and X.dtype == np.uint8
    assert {name: int((y == name).sum()) for name in EMOTIONS} == dict.fromkeys(EMOTIONS, 10)
    assert groups.dtype == np.int64 and np.array_equal(np.unique(groups, return_counts=True)[1], np.full(30, 2))


def test_same_random_state_draws_the_same_faces():
    first, again = make_faces(40, random_state=3), make_faces(40, random_state=3)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], make_faces(40, random_state=4)[0])
    rng = np.random.RandomState(3)
    assert not np.array_equal(make_faces(40, random_state=rng)[0], make_faces(40, random_state=rng)[0])


@pytest.mark.parametrize("image_size", [16, 17, 96])
@pytest.mark.parametrize("color", [False, True])
def test_every_emotion_is_drawn_at_every_size(image_size, color):
    X, y, _ = make_faces(18, emotions=ALL, image_size=image_size, color=color, random_state=0)
    assert X.shape == (18, image_size, image_size, 3)[: 4 if color else 3]
    assert sorted(set(y.tolist())) == ALL
    assert X.reshape(18, -1).std(axis=1).min() > 5


def test_gray_and_color_show_the_same_faces():
    gray, y, groups = make_faces(12, random_state=0, noise=0)
    color, y_color, groups_color = make_faces(12, random_state=0, noise=0, color=True)
    assert np.array_equal(y, y_color) and np.array_equal(groups, groups_color)
    assert np.abs(color @ [0.299, 0.587, 0.114] - gray).mean() < 4


def test_noise_adds_grain():
    clean, _, _ = make_faces(20, noise=0, random_state=0)
    noisy, _, _ = make_faces(20, noise=20, random_state=0)
    assert 10 < (noisy.astype(float) - clean).std() < 30


def test_weights_share_out_the_classes():
    _, y, _ = make_faces(40, emotions=["happy", "pain"], weights={"pain": 3, "happy": 1}, random_state=0)
    assert (y == "pain").sum() == 30
    _, y, _ = make_faces(40, emotions=["happy", "pain"], weights=[1, 0], random_state=0)
    assert set(y.tolist()) == {"happiness"}
    _, y, _ = make_faces(10, emotions=["happy", "pain"], weights=[1e6, 1], random_state=0)
    assert (y == "pain").sum() == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"emotions": ["boredom"]}, LabelError, "cannot be drawn. Choose from"),
        ({"emotions": []}, LabelError, "at least one"),
        ({"emotions": ["happy", "joy"]}, LabelError, "no duplicates"),
        ({"weights": {"neutral": 1}}, LabelError, "weights has"),
        ({"weights": [1, 2]}, DatasetError, r"expected \(6,\)"),
        ({"weights": [0] * 6}, DatasetError, "positive"),
        ({"weights": [-1, 1, 1, 1, 1, 1]}, DatasetError, "at least 0"),
        ({"image_size": 8}, ValueError, "image_size"),
        ({"n_samples": 0}, ValueError, "n_samples"),
    ],
)
def test_invalid_parameters_raise(arguments, error, message):
    with pytest.raises(error, match=message):
        make_faces(**arguments)


def test_fewer_faces_than_subjects_and_classes_are_drawn():
    X, y, groups = make_faces(1, random_state=0)
    assert len(X) == len(y) == len(groups) == 1


def test_emotions_are_learnable_across_people_but_not_trivial():
    X, y, groups = make_faces(600, random_state=0)
    features = np.array([hog(x, 8, (8, 8), (2, 2)) for x in X])
    model = make_pipeline(StandardScaler(), SVC(C=10))
    scores = cross_val_score(model, features, y, groups=groups, cv=StratifiedGroupKFold(5), scoring="f1_macro")
    assert 0.6 < scores.mean() < 0.9
