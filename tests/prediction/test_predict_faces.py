"""Tables of predictions: a row per image or per face, with the reason where there is no label."""

import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import make_pipeline
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV

from sk_emotion import ConsolidatedClassifier, EmotionClassifier, FaceLoader, make_hog_svm, networks, predict_faces
from sk_emotion.exceptions import DatasetWarning, FaceNotFoundError, ImageArrayError, ImageReadError, ParameterError
from sk_emotion.preprocessing import read_faces, split_loader


@pytest.fixture(scope="module")
def model(faces):
    X, y, _ = faces
    return make_hog_svm(image_size=24).fit(X, y)


@pytest.fixture
def photos(faces, tmp_path):
    X, _, _ = faces
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, image in zip(paths, X[:4], strict=True):
        Image.fromarray(image).save(path)
    return paths


def detect_bright_images(image):
    """Detect a face in bright images, and none in dark ones."""
    return [(0, 0, image.shape[1], image.shape[0])] if image.mean() > 60 else []


def test_table_agrees_with_the_model(faces, model, photos):
    table = predict_faces(model, photos)
    assert table["picture"].tolist() == [str(path) for path in photos]
    assert table["label"].tolist() == model.predict(photos).tolist()
    probabilities = table[["probability_happiness", "probability_pain"]].to_numpy()
    np.testing.assert_array_equal(probabilities, model.predict_proba(photos))
    np.testing.assert_allclose(table["confidence"], probabilities.max(axis=1))
    assert (table["rejected"] == "").all()
    boxes = table[["face", "n_faces", "x", "y", "width", "height", "face_found"]].drop_duplicates()
    assert boxes.to_numpy().tolist() == [[0, 1, 0, 0, 24, 24, True]]
    assert table["score"].isna().all()


def test_columns_are_in_order(model, photos):
    columns = ["picture", "face", "n_faces", "x", "y", "width", "height", "score", "label", "confidence", "rejected"]
    expected = [*columns, "face_found", "probability_happiness", "probability_pain"]
    for faces in ("largest", "all"):
        assert predict_faces(model, photos, faces=faces).columns.tolist() == expected


def test_without_a_detector_no_face_is_looked_for(faces, photos):
    model = make_hog_svm(image_size=24, detector=None).fit(*faces[:2])
    with pytest.warns(DatasetWarning, match='faces="all", but the model looks for no face'):
        every = predict_faces(model, photos, faces="all")
    for table in (predict_faces(model, photos), every):
        assert len(table) == len(photos)
        assert (table["rejected"] == "").all() and (table["face"] == 0).all()
        assert table[["face_found", "n_faces", "x", "score"]].isna().all(axis=None)


def detect_bright_squares(image):
    """Detect a face in each bright quarter of an image."""
    half = len(image) // 2
    corners = [(x, y) for y in (0, half) for x in (0, half)]
    return [(x, y, half - y // half, half) for x, y in corners if image[y : y + half, x : x + half].mean() > 60]


@pytest.fixture
def quarters(faces):
    """Images of faces in some quarters, largest first, and these faces."""
    X, _, _ = faces
    bright = np.maximum(X[:4], 70)
    photos = []
    for kept in ([0, 3], [], [1], [0, 1, 2, 3]):
        photo = np.zeros((48, 48), np.uint8)
        for quarter in kept:
            top, left = 24 * (quarter // 2), 24 * (quarter % 2)
            photo[top : top + 24, left : left + 24] = bright[quarter]
        photos.append(np.kron(photo, np.ones((2, 2), np.uint8)))
    return photos


@pytest.fixture
def model_of_quarters(faces):
    X, y, _ = faces
    model = make_hog_svm(image_size=24, detector=detect_bright_squares)
    model.set_params(faceloader__margin=0).fit(np.maximum(X, 70), y)
    return model


def test_each_face_has_a_row(model_of_quarters, quarters):
    table = predict_faces(model_of_quarters, [*quarters[:2], b"no picture", *quarters[2:]], faces="all")
    assert table["picture"].tolist() == [f"picture {number}" for number in (0, 0, 1, 2, 3, 4, 4, 4, 4)]
    assert table["face"].tolist() == [0, 1, 0, 0, 0, 0, 1, 2, 3]
    assert table["n_faces"].tolist() == [2, 2, 0, 0, 1, 4, 4, 4, 4]
    assert table["rejected"].str[:4].tolist() == ["", "", "no f", "cann", "", "", "", "", ""]
    assert table["face_found"].tolist() == [True, True, False, False, True, True, True, True, True]
    assert table["label"].notna().tolist() == table["face_found"].tolist()
    # The boxes of the lower row are narrower.
    assert table[["x", "y"]].fillna(-1).to_numpy().tolist() == [
        *([0, 0], [48, 48], [-1, -1], [-1, -1], [48, 0]),
        *([0, 0], [48, 0], [0, 48], [48, 48]),
    ]
    accepted = predict_faces(model_of_quarters, quarters, faces="all", require_face=False)
    assert accepted["label"].notna().all() and accepted["n_faces"][2] == 0


def test_each_face_is_predicted_as_its_crop(faces, model_of_quarters, quarters):
    table = predict_faces(model_of_quarters, quarters, faces="all", require_face=False)
    classifier, read = read_faces(model_of_quarters, quarters, faces="all")
    np.testing.assert_array_equal(table.filter(like="probability_"), classifier.predict_proba(read.images))
    # The rows of the last image, whose faces were enlarged by 2.
    differences = read.images[4:].astype(float) - np.maximum(faces[0][:4], 70)
    assert np.abs(differences).mean(axis=(1, 2)).max() < 8


def test_largest_faces_are_the_first_of_all(model_of_quarters, quarters):
    every = predict_faces(model_of_quarters, quarters, faces="all")
    largest = predict_faces(model_of_quarters, quarters)
    pd.testing.assert_frame_equal(every[every["face"] == 0].reset_index(drop=True), largest)


def test_unknown_faces_are_an_error(model, photos):
    for wrong in ("every", None, 2):
        with pytest.raises(ValueError, match=f"^predict_faces: faces={wrong!r}, expected"):
            predict_faces(model, photos, faces=wrong)


def test_name_of_a_model_says_how_to_load_it(photos):
    with pytest.raises(ParameterError, match=r"model is 'human-emotions', .* Pass load_pretrained\(name\)"):
        predict_faces("human-emotions", photos)


def test_images_below_min_confidence_get_no_label(faces, model):
    X, _, _ = faces
    confidence = model.predict_proba(X).max(axis=1)
    table = predict_faces(model, X, min_confidence=np.median(confidence))
    doubtful = confidence < np.median(confidence)
    assert 0 < doubtful.sum() < len(X)
    assert table["label"].isna().tolist() == doubtful.tolist()
    assert (table.loc[doubtful, "rejected"] == "not confident").all()
    assert table["picture"][0] == "picture 0"


def test_images_without_a_face_get_no_label_if_require_face(faces):
    X, y, _ = faces
    model = make_hog_svm(image_size=24, detector=detect_bright_images).fit(X, y)
    pictures = [np.full((32, 32), 200, dtype=np.uint8), np.full((32, 32), 10, dtype=np.uint8)]
    table = predict_faces(model, pictures)
    assert table["face_found"].tolist() == [True, False]
    assert table["rejected"].tolist() == ["", "no face seen"]
    assert table["label"].isna().tolist() == [False, True]
    # The confidence is still reported.
    assert table["confidence"].notna().all()
    assert predict_faces(model, pictures, require_face=False)["label"].notna().all()


def test_small_uniform_images_have_no_face(faces):
    X, y, _ = faces
    model = make_hog_svm(image_size=24).fit(X, y)
    blank = [np.zeros((24, 24), np.uint8), Image.new("RGB", (64, 64), "white"), np.zeros((1, 1), np.uint8), X[0]]
    assert predict_faces(model, blank)["rejected"].tolist() == ["no face seen"] * 3 + [""]
    batch = X[:4].copy()
    batch[2] = 0
    assert predict_faces(model, batch)["face_found"].tolist() == [True, True, False, True]
    assert predict_faces(model, batch.reshape(4, -1))["rejected"].tolist() == ["", "", "no face seen", ""]


def test_missing_frame_does_not_affect_the_others(faces, model):
    X, _, _ = faces
    table = predict_faces(model, [X[0], None, X[1]])
    assert table["rejected"].str[:22].tolist() == ["", "cannot be read: is Non", ""]
    assert table["label"][[0, 2]].tolist() == model.predict(list(X[:2])).tolist()


def test_damaged_image_does_not_affect_the_others(model, photos):
    photos[1].write_bytes(b"no picture")
    table = predict_faces(model, photos)
    assert table["rejected"].str.startswith("cannot be read").tolist() == [False, True, False, False]
    assert table.loc[1, ["label", "confidence", "probability_pain"]].isna().all()
    assert table["label"].notna().sum() == 3
    # on_error of the model is not changed.
    with pytest.raises(ImageReadError):
        model.predict(photos)


def test_network_without_loader_accepts_photos_of_any_size(faces, photos):
    X, y, _ = faces
    clf = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0).fit(X, y)
    with pytest.warns(DatasetWarning, match="has no FaceLoader"):
        table = predict_faces(clf, [str(photos[0]), np.zeros((50, 40), dtype=np.uint8)])
    assert len(table) == 2
    np.testing.assert_allclose(predict_faces(clf, X)["probability_pain"], clf.predict_proba(X)[:, 1], atol=1e-6)


def test_search_and_column_of_paths(faces, photos):
    X, y, _ = faces
    search = GridSearchCV(make_hog_svm(image_size=24), {"hogtransformer__orientations": [6]}, cv=2).fit(X, y)
    by_column = predict_faces(search, pd.DataFrame({"image": [str(path) for path in photos]}))
    assert by_column["label"].tolist() == search.predict(photos).tolist()


def test_faces_are_read_as_the_model_reads_them(faces, model, photos):
    photos[2].write_bytes(b"no picture")
    classifier, read = read_faces(model, photos)
    assert list(read.unread) == [2] and read.unread[2].startswith("is not an image")
    assert not read.images[2].any() and read.found.tolist() == [True, True, False, True]
    assert np.isnan(read.boxes).all(axis=1).tolist() == [False, False, True, False]
    loader, rest = split_loader(model)
    assert loader is model[0] and list(rest.named_steps) == list(classifier.named_steps)
    np.testing.assert_array_equal(classifier.predict(read.images[:2]), model.predict(photos[:2]))
    with pytest.raises(ImageReadError, match=r"2\.png' is not an image"):
        read_faces(model, photos, strict=True)


def test_without_a_loader_images_are_kept(faces, model):
    X, _, _ = faces
    rest = model[1:]
    for strict in (False, True):
        classifier, read = read_faces(rest, X, strict=strict)
        assert classifier is rest and read.images is X
        assert read.boxes.shape == (len(X), 4) and read.landmarks.shape == (len(X), 5, 2)
    assert split_loader(rest) == (None, rest)


def test_threshold_of_the_model_is_used(faces, model):
    X, y, _ = faces
    strict = FixedThresholdClassifier(
        FrozenEstimator(model), threshold=1.0, pos_label="pain", response_method="predict_proba"
    ).fit(X, y)
    table = predict_faces(strict, X)
    assert set(table["label"]) == {"happiness"}


def test_progress_counts_images(faces, model):
    X, _, _ = faces
    steps = []
    predict_faces(model, list(X), progress=steps.append)
    assert sum(steps) == len(X)
    assert len(steps) > 1


def test_model_without_probabilities_predicts_labels_only(faces):
    X, y, _ = faces
    model = make_hog_svm(image_size=24, probability=False).fit(X, y)
    table = predict_faces(model, X)
    assert table["label"].tolist() == model.predict(X).tolist()
    assert table["confidence"].isna().all()
    with pytest.raises(ValueError, match="no predict_proba"):
        predict_faces(model, X, min_confidence=0.5)


def test_min_confidence_out_of_range_is_an_error(faces, model):
    with pytest.raises(ValueError, match="min_confidence=60"):
        predict_faces(model, faces[0], min_confidence=60)


def test_detector_is_called_once_per_image(faces, photos):
    X, y, _ = faces
    calls = []

    def detect(picture):
        calls.append(picture.shape)
        return [(0, 0, 10, 10)]

    pipeline = make_pipeline(
        FaceLoader(image_size=24, detector=detect),
        EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0),
    ).fit(X[:8].copy(), y[:8])
    calls.clear()
    predict_faces(pipeline, photos)
    assert len(calls) == len(photos)


@pytest.mark.parametrize("wrapper", ["calibrated", "fixed", "tuned", "search", "consolidated"])
def test_images_without_a_face_and_damaged_images_are_rejected_in_meta_estimators(faces, photos, wrapper):
    X, y, _ = faces
    pipeline = make_hog_svm(image_size=24, detector=detect_bright_images)
    fitted = FrozenEstimator(pipeline.fit(X, y))
    model = {
        "calibrated": CalibratedClassifierCV(fitted),
        "fixed": FixedThresholdClassifier(fitted, threshold=0.4, pos_label="pain", response_method="predict_proba"),
        "tuned": TunedThresholdClassifierCV(pipeline, cv=2, scoring="balanced_accuracy"),
        "search": GridSearchCV(pipeline, {"hogtransformer__orientations": [6]}, cv=2),
        "consolidated": ConsolidatedClassifier(fitted, positive="pain", names=("other", "pain")),
    }[wrapper].fit(X, y)
    photos[1].write_bytes(b"no picture")
    Image.new("L", (32, 32), 10).save(photos[2])
    photos[3] = photos[0]
    table = predict_faces(model, photos)
    assert table["rejected"].str[:4].tolist() == ["", "cann", "no f", ""]
    whole = [photos[0], photos[3]]
    pain = model.classes_.tolist().index("pain")
    np.testing.assert_allclose(table["probability_pain"][[0, 3]], model.predict_proba(whole)[:, pain], rtol=1e-12)
    assert table["label"][[0, 3]].tolist() == model.predict(whole).tolist()


def test_loader_is_found_in_any_meta_estimator_with_one_fitted_estimator(faces, photos):
    class Inverted(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
        def __init__(self, estimator):
            self.estimator = estimator

        def fit(self, X, y):
            self.estimator_, self.classes_ = self.estimator.fit(X, y), np.unique(y)
            return self

        def predict_proba(self, X):
            return 1 - self.estimator_.predict_proba(X)

        def predict(self, X):
            return self.classes_[self.predict_proba(X).argmax(axis=1)]

    X, y, _ = faces
    model = Inverted(make_hog_svm(image_size=24)).fit(X, y)
    loader, rest = split_loader(model)
    assert loader is model.estimator_[0]
    np.testing.assert_array_equal(rest.predict_proba(loader.transform(photos)), model.predict_proba(photos))
    photos[1].write_bytes(b"no picture")
    assert predict_faces(model, photos)["rejected"].str[:4].tolist() == ["", "cann", "", ""]
    # The base estimator of an ensemble is not fitted.
    bagged = BaggingClassifier(make_hog_svm(image_size=24), 1).fit(X.reshape(len(X), -1), y)
    assert split_loader(bagged) == (None, bagged)


def test_threshold_inside_of_other_classes_does_not_scale_the_confidence(faces, model):
    X, y, _ = faces
    sensitive = FixedThresholdClassifier(
        FrozenEstimator(model), threshold=0.1, pos_label="pain", response_method="predict_proba"
    ).fit(X, y)
    table = predict_faces(ConsolidatedClassifier(FrozenEstimator(sensitive), positive="pain").fit(X, y), X)
    assert table.attrs == {}
    codes = table["label"].to_numpy(dtype=int)
    probabilities = table[["probability_0", "probability_1"]].to_numpy()
    np.testing.assert_array_equal(table["confidence"], probabilities[np.arange(len(X)), codes])


def test_confidence_is_scaled_by_the_threshold_of_the_model(faces, model):
    X, y, _ = faces
    sensitive = FixedThresholdClassifier(
        FrozenEstimator(model), threshold=0.1, pos_label="pain", response_method="predict_proba"
    ).fit(X, y)
    table = predict_faces(sensitive, X)
    pain = table["probability_pain"]
    expected = np.where(pain >= 0.1, 0.5 + 0.5 * (pain - 0.1) / 0.9, 0.5 + 0.5 * (0.1 - pain) / 0.1)
    np.testing.assert_allclose(table["confidence"], expected)
    assert (table["confidence"] >= 0.5).all()
    pd.testing.assert_frame_equal(predict_faces(FrozenEstimator(sensitive), X), table)


def test_network_trained_on_16_bits_rejects_8_bits(faces):
    X, y, _ = faces
    deep = X.astype(np.uint16) * 257
    clf = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0).fit(deep, y)
    with pytest.raises(ImageArrayError, match="was fitted on pixels from 0 to 65535"):
        predict_faces(clf, X)


def test_network_trained_on_floats_accepts_photos(faces, photos):
    X, y, _ = faces
    clf = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0).fit(X / 255, y)
    with pytest.warns(DatasetWarning, match="has no FaceLoader"):
        table = predict_faces(clf, photos)
    np.testing.assert_allclose(table["probability_pain"], clf.predict_proba(X[:4] / 255)[:, 1], atol=1e-6)


def test_loader_with_on_missing_raise_rejects_images_without_a_face(faces):
    X, y, _ = faces
    model = make_hog_svm(image_size=24, detector=detect_bright_images)
    model.set_params(faceloader__on_missing="raise").fit(np.maximum(X, 70), y)
    dark = [np.full((32, 32), 10, dtype=np.uint8)]
    assert predict_faces(model, dark)["rejected"].tolist() == ["no face seen"]
    with pytest.raises(FaceNotFoundError):
        model.predict(dark)
