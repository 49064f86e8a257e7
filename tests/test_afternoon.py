"""A typical workflow on a small folder of synthetic faces: load, search, compare, report."""

import numpy as np
import pytest
from imblearn.pipeline import make_pipeline
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    FaceAugmentation,
    FaceLoader,
    compare_classifiers,
    load_face_folder,
    make_faces,
    make_hog_svm,
    networks,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("faces")
    X, y, _ = make_faces(60, emotions=["happiness", "pain", "sadness"], image_size=32, random_state=0)
    for number, (face, emotion) in enumerate(zip(X, y, strict=True)):
        (path / emotion).mkdir(exist_ok=True)
        Image.fromarray(face).save(path / emotion / f"{number}.png")
    return path


def test_folder_to_search_and_comparison(folder, tmp_path):
    faces = load_face_folder(folder)
    cnn = make_pipeline(
        FaceLoader(image_size=24, cache=tmp_path / "cache"),
        AugmentationOverSampler(random_state=0),
        EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0),
    )
    search = GridSearchCV(
        cnn,
        {"emotionclassifier__network__width": [2, 4], "emotionclassifier__learning_rate": [0.01, 0.1]},
        scoring="f1_macro",
        cv=StratifiedGroupKFold(2),
    )
    search.fit(faces.data, faces.target, groups=faces.groups)
    assert set(search.best_params_) == {"emotionclassifier__network__width", "emotionclassifier__learning_rate"}

    result = compare_classifiers(
        {"CNN, tuned": search, "HOG+SVM": make_hog_svm(image_size=24)},
        faces.data,
        faces.target,
        groups=faces.groups,
        cv=2,
        random_state=0,
    )
    assert "CNN, tuned" in str(result)
    result.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 1000


class GrayLevels(ClassifierMixin, BaseEstimator):
    """Classifier that records the gray levels of the images in fit and predict."""

    seen: list = []  # noqa: RUF012 - shared by the clones of a search on purpose

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.fitted_ = set(X[:, 8, 8].tolist())
        self.n_fitted_ = len(X)
        return self

    def predict(self, X):
        self.seen.append((self.fitted_, self.n_fitted_, X))
        return np.resize(self.classes_, len(X))


def test_no_sample_of_a_test_fold_and_no_copy_of_one_is_used_in_fit():
    # Each image has a unique gray level, which geometric augmentation preserves, so that copies can be recognized.
    X = np.repeat(np.arange(100, 140, dtype=np.uint8), 16 * 16).reshape(40, 16, 16)
    y = np.array(["pain"] * 8 + ["fear"] * 32)
    moving = FaceAugmentation(brightness=0, contrast=0)
    pipeline = make_pipeline(AugmentationOverSampler(augmentation=moving, random_state=0), GrayLevels())
    GrayLevels.seen.clear()
    search = GridSearchCV(
        pipeline, {"augmentationoversampler__sampling_strategy": ["auto", "all"]}, cv=4, scoring="accuracy", refit=False
    )
    search.fit(X, y)
    assert len(GrayLevels.seen) == 8
    for fitted, n_fitted, tested in GrayLevels.seen:
        assert n_fitted == 48  # 24 of each class
        assert len(fitted) == 30
        assert not fitted & set(tested[:, 8, 8].tolist())
        # The test fold is neither oversampled nor augmented.
        assert len(tested) == 10
        assert all(image.min() == image.max() for image in tested)
