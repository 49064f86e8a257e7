"""Reports say how many images a loaded model was trained or validated on."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.naive_bayes import GaussianNB
from sklearn.utils import Bunch

from sk_emotion import EmotionReport, load_model, load_pretrained, make_faces, make_hog_svm, save_model
from sk_emotion.exceptions import DatasetWarning, LabelError
from sk_emotion.leakage import _fingerprints
from sk_emotion.preprocessing import read_faces

TRAINED = "were trained on, so scores are too high for new images. Evaluate on images that the model has not seen."
VALIDATED = (
    "were used to validate the model: choices were made by their scores, which may be slightly too high for new images."
)
SIMILAR = (
    "are possible copies of images that the model was trained or validated on: they look the same, in another size or "
    "file format, for example. Copies make scores too high: leave them out."
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """60 photos with names, and their labels."""
    X, y, _ = make_faces(60, emotions=["fear", "pain"], image_size=40, random_state=0)
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"photo {number}.png" for number in range(60)]
    for path, face in zip(paths, X, strict=True):
        Image.fromarray(face).save(path)
    return paths, y


@pytest.fixture(scope="module")
def model(photos, tmp_path_factory):
    """A loaded model that was trained on the first 20 photos and validated on the next 10."""
    paths, y = photos
    file = tmp_path_factory.mktemp("model") / "model.skops"
    trained = make_hog_svm(image_size=24, probability=False).fit(paths[:20], y[:20])
    save_model(trained, file, training_data=Bunch(data=paths[:20]), validation_data=paths[20:30])
    return load_model(file)


def evaluate(model, X, y, **options):
    """Return the caveats about images that the model has seen."""
    with pytest.warns(DatasetWarning) as caught:
        report = EmotionReport.from_estimator(model, X, y, n_resamples=0, **options)
    assert str(caught[0].message) == "EmotionReport: " + " ".join(report.caveats)
    text = " ".join(str(report).split())
    assert all(caveat in text for caveat in report.caveats)
    return [caveat for caveat in report.caveats if " images " in caveat]


def reencode(path):
    file = io.BytesIO()
    Image.open(path).save(file, "JPEG", quality=95)
    return file.getvalue()


def test_images_are_counted_in_a_sentence_for_each_kind(model, photos):
    paths, y = photos
    assert evaluate(model, paths[5:40], y[5:40]) == [f"15 of 35 images {TRAINED}", f"10 of 35 images {VALIDATED}"]
    assert evaluate(model, paths[:20], y[:20]) == [f"20 of 20 images {TRAINED}"]
    assert evaluate(model, paths[20:40], y[20:40]) == [f"10 of 20 images {VALIDATED}"]
    assert evaluate(model, paths[30:50], y[30:50]) == []


def test_renamed_photos_and_their_arrays_are_known(model, photos, tmp_path):
    paths, y = photos
    for number, path in enumerate(paths[10:30]):
        (tmp_path / f"{number}.jpg").write_bytes(path.read_bytes())
    renamed = [str(tmp_path / f"{number}.jpg") for number in range(20)]
    arrays = np.stack([np.asarray(Image.open(path)) for path in paths[10:30]])
    expected = [f"10 of 20 images {TRAINED}", f"10 of 20 images {VALIDATED}"]
    for X in (renamed, arrays, list(arrays), [Image.open(path) for path in renamed]):
        assert evaluate(model, X, y[10:30]) == expected


def test_reencoded_photos_are_possible_copies(model, photos):
    paths, y = photos
    found = evaluate(model, [*paths[:5], *map(reencode, paths[5:10]), *paths[30:40]], np.r_[y[:10], y[30:40]])
    assert found[0] == f"5 of 20 images {TRAINED}" and len(found) == 2
    count, _, sentence = found[1].partition(" of 20 images ")
    # A perceptual hash may change by a bit.
    assert sentence == SIMILAR and 3 <= int(count) <= 5


def test_blank_images_are_not_possible_copies(photos, tmp_path):
    paths, y = photos
    blank = [np.full((40, 40), value, np.uint8) for value in (0, 100, 200)]
    save_model(make_hog_svm(image_size=24, probability=False).fit(paths, y), tmp_path / "m.skops", training_data=blank)
    model = load_model(tmp_path / "m.skops")
    X = [*[np.full((40, 40), value, np.uint8) for value in (0, 50, 150)], *paths[:20]]
    assert evaluate(model, X, np.r_[y[:3], y[:20]]) == [f"1 of 23 images {TRAINED}"]


def test_cropped_faces_are_known_by_their_photos(model, photos):
    paths, y = photos
    classifier, faces = read_faces(model, paths[:30])
    assert evaluate(classifier, faces.images, y[:30]) == []
    assert evaluate(classifier, faces.images, y[:30], photos=paths[:30])[0] == f"20 of 30 images {TRAINED}"
    with pytest.raises(LabelError, match="X has 30 images, but photos has 29 photos"):
        EmotionReport.from_estimator(classifier, faces.images, y[:30], photos=paths[:29])


def test_photos_name_the_faces(model, photos):
    paths, y = photos
    classifier, faces = read_faces(model, paths[30:])
    with pytest.warns(DatasetWarning, match="Fewer than 20"):
        report = EmotionReport.from_estimator(classifier, faces.images, y[30:], photos=paths[30:], n_resamples=0)
    assert str(paths[30 + report.doubtful[0]]) in report.to_html()


def test_photos_that_cannot_be_read_count_as_new(model, photos):
    paths, y = photos
    classifier, faces = read_faces(model, paths[:20])
    found = evaluate(classifier, faces.images, y[:20], photos=[*paths[:19], "missing.png"])
    assert found == [f"19 of 20 images {TRAINED}"]


def test_images_of_an_included_model_are_named_by_it():
    faces = make_faces(20, emotions=["fear", "sadness"], random_state=0)[0]
    # A black face is among those of FER2013.
    faces[3] = 0
    y = np.resize(["fear", "sadness"], 20)
    expected = TRAINED.replace("trained on", "trained on (in the training of fer2013)")
    assert evaluate(load_pretrained("fer2013", engine="onnx"), faces, y) == [f"1 of 20 images {expected}"]


def test_nothing_is_computed_for_a_model_without_record(photos, monkeypatch):
    paths, y = photos
    model = make_hog_svm(image_size=24, probability=False).fit(paths, y)
    monkeypatch.delattr(_fingerprints, "blake2b")
    report = EmotionReport.from_estimator(model, paths, y, n_resamples=0)
    assert report.caveats == []


def test_features_of_a_loaded_model_are_no_images(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(60, 300)), np.resize(["fear", "pain"], 60)
    faces = make_faces(3, random_state=0)[0]
    save_model(GaussianNB().fit(X, y), tmp_path / "m.skops", training_data=faces)
    assert EmotionReport.from_estimator(load_model(tmp_path / "m.skops"), X, y, n_resamples=0).caveats == []
