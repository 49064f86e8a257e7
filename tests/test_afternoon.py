"""The user's afternoon, as the design tells it, on a small folder of drawn faces."""

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


def test_from_a_folder_to_a_search_and_a_comparison(folder, tmp_path):
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
    )
    assert "CNN, tuned" in str(result)
    result.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 1000


class GreyLevels(ClassifierMixin, BaseEstimator):
    """Keeps the grey levels that it is fitted on, and those that it predicts."""

    seen: list = []  # noqa: RUF012 - the clones of a search share it on purpose

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.fitted_ = set(X[:, 8, 8].tolist())
        self.n_fitted_ = len(X)
        return self

    def predict(self, X):
        self.seen.append((self.fitted_, self.n_fitted_, X))
        return np.resize(self.classes_, len(X))


def test_no_row_of_a_test_fold_and_no_copy_of_one_is_seen_in_fit():
    # Each image has a grey level of its own, which geometric changes leave as it is, so copies can be told.
    X = np.repeat(np.arange(100, 140, dtype=np.uint8), 16 * 16).reshape(40, 16, 16)
    y = np.array(["pain"] * 8 + ["fear"] * 32)
    moving = FaceAugmentation(brightness=0, contrast=0)
    pipeline = make_pipeline(AugmentationOverSampler(augmentation=moving, random_state=0), GreyLevels())
    GreyLevels.seen.clear()
    search = GridSearchCV(
        pipeline, {"augmentationoversampler__sampling_strategy": ["auto", "all"]}, cv=4, scoring="accuracy", refit=False
    )
    search.fit(X, y)
    assert len(GreyLevels.seen) == 8
    for fitted, n_fitted, tested in GreyLevels.seen:
        assert n_fitted == 48  # 24 of the larger class, and as many of the smaller one
        assert len(fitted) == 30
        assert not fitted & set(tested[:, 8, 8].tolist())
        # The test fold is neither grown nor changed.
        assert len(tested) == 10
        assert all(image.min() == image.max() for image in tested)
