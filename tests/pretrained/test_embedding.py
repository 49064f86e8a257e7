"""FaceEmbedding computes the features of the pretrained networks, next to other columns."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from sk_emotion import FaceEmbedding, HOGTransformer, load_model, load_pretrained, make_faces, save_model
from sk_emotion.exceptions import FaceNotFoundError, ImageArrayError, ImageReadError

X, Y, _ = make_faces(70, emotions=["happiness", "pain"], random_state=0)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Seventy photos, with an age and a label each."""
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{number:02}.png" for number in range(len(X))]
    for face, path in zip(X, paths, strict=True):
        Image.fromarray(face).save(path)
    return pd.DataFrame({"photo": [str(path) for path in paths], "age": np.arange(70.0)}, index=range(70, 0, -1))


@pytest.mark.parametrize("pretrained", ["human-emotions", "fer2013"])
def test_features_are_those_of_the_network(pretrained):
    model = load_pretrained(pretrained)
    photos = [astronaut(), *X]
    expected = model[-1].embed(model[0].transform(photos))
    features = FaceEmbedding(pretrained).fit_transform(photos)
    np.testing.assert_allclose(features, expected, atol=1e-4)
    assert features.dtype == np.float32 and features.std(axis=0).min() > 0


def test_parameter_changed_after_fit_has_no_effect():
    embedding = FaceEmbedding().fit(X)
    expected = embedding.transform(X)
    np.testing.assert_array_equal(embedding.set_params(pretrained="fer2013").transform(X), expected)


def test_pixels_of_any_form_have_the_same_features(table):
    expected = FaceEmbedding().fit_transform(X)
    for same in (list(X), X / 255, X.reshape(70, -1), table["photo"], table[["photo"]], iter(table["photo"])):
        np.testing.assert_allclose(FaceEmbedding().fit_transform(same), expected, atol=1e-4)
    frames = [astronaut()[..., ::-1]]
    np.testing.assert_array_equal(
        FaceEmbedding(channel_order="bgr").fit_transform(frames), FaceEmbedding().fit_transform([astronaut()])
    )


def test_standardized_pixels_are_scaled_by_their_range():
    standardized = (X - 128.0) / 64
    low, high = standardized.min(), standardized.max()
    expected = FaceEmbedding().fit_transform(np.rint((standardized - low) / (high - low) * 255).astype(np.uint8))
    embedding = FaceEmbedding().fit(standardized)
    np.testing.assert_allclose(embedding.transform(standardized), expected, atol=1e-2)
    np.testing.assert_array_equal(embedding.transform(standardized[:3]), embedding.transform(standardized)[:3])


def test_features_do_not_depend_on_the_batch():
    embedding = FaceEmbedding().fit(X)
    single = np.vstack([embedding.transform(face[np.newaxis]) for face in X[:5]])
    np.testing.assert_array_equal(embedding.transform(X)[:5], single)


@pytest.mark.parametrize("photo", ["photo", ["photo"]])
def test_photos_and_numbers_make_one_named_table(table, photo):
    columns = make_column_transformer((FaceEmbedding(), photo), ("passthrough", ["age"])).set_output(transform="pandas")
    found = columns.fit_transform(table)
    names = [f"faceembedding__faceembedding{number}" for number in range(192)]
    assert found.columns.tolist() == [*names, "passthrough__age"] == columns.get_feature_names_out().tolist()
    assert found.index.equals(table.index)
    np.testing.assert_array_equal(found.to_numpy()[:, :-1], FaceEmbedding().fit_transform(X))


def test_linear_model_and_union_learn_from_features(table):
    joined = make_column_transformer((FaceEmbedding(), "photo"), (StandardScaler(), ["age"]))
    scores = cross_val_score(make_pipeline(joined, LogisticRegression(max_iter=1000)), table, Y, cv=3)
    assert scores.mean() > 0.8
    names = make_union(FaceEmbedding(), HOGTransformer()).fit(X).get_feature_names_out()
    assert names[[0, 191, 192]].tolist() == [
        *("faceembedding__faceembedding0", "faceembedding__faceembedding191", "hogtransformer__hog0")
    ]


def test_names_need_a_fit():
    with pytest.raises(NotFittedError):
        FaceEmbedding().get_feature_names_out()
    assert len(FaceEmbedding().fit([b""]).get_feature_names_out()) == 192


def test_images_without_a_face_or_content_are_handled_as_by_the_loader(tmp_path):
    wall = np.full((90, 120, 3), 200, dtype=np.uint8)
    assert FaceEmbedding().fit_transform([wall]).shape == (1, 192)
    with pytest.raises(FaceNotFoundError):
        FaceEmbedding(on_missing="raise").fit_transform([wall])
    with pytest.raises(ImageReadError):
        FaceEmbedding().fit_transform([b"no image"])
    with pytest.warns(UserWarning, match="cannot be read"):
        assert np.isfinite(FaceEmbedding(on_error="blank").fit_transform([b"no image"])).all()
    with pytest.raises(ImageArrayError, match=r"[Pp]ass .*X\[np\.newaxis\]"):
        FaceEmbedding().fit(X).transform(X[0])


def test_unknown_model_is_an_error():
    with pytest.raises(ValueError, match=r"pretrained='\.\./x' is not an included model"):
        FaceEmbedding("../x").fit(X)
    forged = FaceEmbedding().fit(X)
    forged._fitted_to = "../x"
    with pytest.raises(ValueError, match="is not an included model"):
        forged.transform(X)


def test_faces_are_cached(table, tmp_path):
    embedding = FaceEmbedding(cache=tmp_path / "cache", n_jobs=1)
    first = embedding.fit_transform(table["photo"])
    assert len(list((tmp_path / "cache").rglob("*"))) >= 1
    np.testing.assert_array_equal(embedding.fit_transform(table["photo"]), first)


def test_copies_have_the_same_features(tmp_path):
    embedding = FaceEmbedding("fer2013").fit(X)
    expected = embedding.transform(X)
    save_model(embedding, tmp_path / "embedding.skops")
    loaded = load_model(tmp_path / "embedding.skops")
    for same in (clone(embedding).fit(X), pickle.loads(pickle.dumps(embedding)), loaded):
        np.testing.assert_array_equal(same.transform(X), expected)
    assert len(pickle.dumps(embedding)) < 5000


def test_nothing_is_printed_and_torch_is_not_imported():
    code = """
import sys, numpy
from sk_emotion import FaceEmbedding
FaceEmbedding().fit_transform(numpy.zeros((2, 48, 48), numpy.uint8))
print([name for name in ("torch", "torchvision", "skorch", "skops", "cv2", "skimage") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
