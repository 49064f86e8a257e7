"""One image instead of a batch, the most common mistake, raises wherever its shape shows it."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    FaceEmbedding,
    FaceLoader,
    HOGTransformer,
    LeastSquaresSVC,
    find_duplicates,
    load_pretrained,
    make_faces,
    make_hog_svm,
    networks,
    predict_faces,
)
from sk_emotion.exceptions import ImageArrayError, LabelError
from sk_emotion.persistence import load_model, save_model

X, Y, _ = make_faces(12, emotions=["fear", "pain"], image_size=48, random_state=0)
RGB = np.repeat(X[..., np.newaxis], 3, axis=-1)
ROWS = X.reshape(12, -1)

FITS = {
    "list": list(X),
    "batch": X,
    "color": RGB,
    "rows": ROWS,
    "table": pd.DataFrame(ROWS, columns=[f"pixel{index}" for index in range(2304)]),
    "floats": X / 255,
}
METHODS = ("transform", "predict", "predict_proba", "decision_function", "embed")
SHAPES = [
    (48, 48),
    (48, 48, 1),
    (48, 48, 3),
    (48, 48, 4),
    (60, 80),
    (60, 80, 1),
    (60, 80, 2),
    (60, 80, 3),
    (256, 256),
    (480, 640, 3),
    (1, 300),
    (5, 48),
]


def draw(shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


IMAGES = {str(shape): draw(shape) for shape in SHAPES} | {
    "floats": draw((60, 80)) / 255,
    "16 bits": draw((60, 80)).astype(np.uint16) * 257,
    "nested lists": draw((48, 48)).tolist(),
    "nested lists of colors": draw((48, 48, 3)).tolist(),
    "list of rows": list(draw((48, 48))),
    "list of color rows": list(draw((48, 48, 3))),
}


def make_network():
    return EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0, device="cpu")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Every kind of estimator, fitted on every kind of images."""
    folder = tmp_path_factory.mktemp("faces")
    paths = [folder / f"{number}.png" for number in range(len(X))]
    for face, path in zip(X, paths, strict=True):
        Image.fromarray(face).save(path)
    estimators = {}
    for name, images in {**FITS, "paths": paths}.items():
        estimators[name] = [FaceLoader().fit(images), make_hog_svm().fit(images, Y)]
        if name == "list":
            network = make_pipeline(FaceLoader(), make_network()).fit(images, Y)
            save_model(network, folder / "network.skops")
            estimators[name] += [network, load_model(folder / "network.skops")]
        elif name != "paths":
            estimators[name] += [HOGTransformer().fit(images), make_network().fit(images, Y)]
        estimators[name].append(FaceEmbedding().fit(images))
    pretrained = load_pretrained("human-emotions", engine="onnx")
    estimators["list"].append(pretrained)
    estimators["batch"].append(pretrained[-1])
    return estimators


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("fit", [*FITS, "paths"])
def test_one_image_raises_whatever_was_fitted_on(fit, image, fitted):
    for estimator in fitted[fit]:
        for method in METHODS:
            if hasattr(estimator, method):
                with pytest.raises(ImageArrayError, match=r"[Pp]ass .*X\[np\.newaxis\]"):
                    getattr(estimator, method)(IMAGES[image])


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize("shape", [(48, 48), (60, 80), (47, 50), (1, 300), (256, 256)])
@pytest.mark.parametrize("prefix", [None, "column"])
@pytest.mark.parametrize("fit", [*FITS, "paths"])
def test_table_of_one_image_raises_whatever_was_fitted_on(fit, prefix, shape, fitted):
    table = pd.DataFrame(draw(shape))
    table = table if prefix is None else table.add_prefix(prefix)
    for estimator in fitted[fit]:
        with pytest.raises(ImageArrayError, match=r"[Pp]ass X\[np\.newaxis\]"):
            getattr(estimator, "predict" if hasattr(estimator, "predict") else "transform")(table)


@pytest.mark.parametrize("shape", [(48, 48, 1), (48, 48, 3), (60, 80, 2), (60, 80, 4), (256, 256, 3)])
def test_search_for_duplicates_refuses_one_image(shape):
    with pytest.raises(ImageArrayError, match=r"find_duplicates: .* Pass X\[np\.newaxis\]"):
        find_duplicates(draw(shape))


def test_validation_set_of_one_image_or_of_too_few_labels_is_reported():
    with pytest.raises(ImageArrayError, match=r"Pass X\[np\.newaxis\]"):
        make_network().fit(X, Y, X_val=X[0], y_val=Y[:1])
    with pytest.raises(LabelError, match="X_val and y_val: X has 12 images, but y has 3 labels"):
        make_network().fit(X, Y, X_val=X, y_val=Y[:3])


@pytest.mark.parametrize("shape", [(3, 3, 3), (48, 1, 3), (2, 2, 1), (1, 4, 4), (30, 3, 2)])
def test_image_of_few_columns_is_reported_where_its_size_is_wrong(shape, fitted):
    for estimator in fitted["batch"]:
        if not isinstance(estimator, EmotionClassifier | HOGTransformer):
            continue
        with pytest.raises(ImageArrayError, match=r"pass X\[np\.newaxis\]"):
            getattr(estimator, "predict" if hasattr(estimator, "predict") else "transform")(draw(shape))


@pytest.mark.parametrize("shape", [(48, 48), (60, 80, 2), (256, 256)])
def test_pretrained_model_and_score_refuse_one_image(shape):
    model = load_pretrained("fer2013")
    with pytest.raises(ImageArrayError, match=r"X\[np\.newaxis\]"):
        model.predict(draw(shape))
    with pytest.raises(ImageArrayError, match=r"X\[np\.newaxis\]"):
        model.score(draw(shape), ["fear"] * shape[0])


@pytest.mark.parametrize("image", [name for name in IMAGES if "list" not in name])
def test_table_of_predictions_takes_no_single_frame(image, fitted):
    for fit in ("list", "batch", "paths"):
        with pytest.raises(ImageArrayError) as caught:
            predict_faces(fitted[fit][1], IMAGES[image])
        assert f"X has shape {IMAGES[image].shape}" in str(caught.value)
        assert "Pass [frame] or frame[np.newaxis]" in str(caught.value)
    assert len(predict_faces(fitted["list"][1], [draw((60, 80))])) == 1


def test_rows_on_another_scale_are_not_reported_as_one_frame(fitted):
    model = fitted["batch"][1]
    with pytest.raises(ImageArrayError, match=r"X has pixels from .* Scale X"):
        predict_faces(model, X.reshape(len(X), -1) * 300.0)


def test_messages_of_scikit_learn_come_first(fitted):
    for estimator, name in [(fitted["batch"][2], "HOGTransformer"), (fitted["table"][3], "EmotionClassifier")]:
        method = estimator.transform if name == "HOGTransformer" else estimator.predict
        with pytest.raises(ImageArrayError) as caught:
            method(draw((60, 80)))
        words = f"X has 80 features, but {name} is expecting 2304 features as input"
        assert str(caught.value).startswith(words)
        assert str(caught.value).endswith("pass X[np.newaxis].")


@pytest.mark.parametrize("shape", [(48, 48), (48, 48, 1), (60, 80, 2), (256, 256), (60, 80, 3)])
def test_support_vector_machine_of_features_refuses_an_image(shape):
    machine = LeastSquaresSVC().fit(HOGTransformer().fit_transform(X), Y)
    images = [draw(shape)] + ([pd.DataFrame(draw(shape))] if len(shape) == 2 else [])
    for method in (machine.predict, machine.predict_proba, machine.decision_function):
        for image in images:
            with pytest.raises(ImageArrayError, match=r"X\[np\.newaxis\]"):
                method(image)


FITTING = {
    "FaceLoader": lambda images, y: FaceLoader().fit(images, y),
    "HOGTransformer": lambda images, y: HOGTransformer().fit(images, y),
    "make_hog_svm": lambda images, y: make_hog_svm().fit(images, y),
    "EmotionClassifier": lambda images, y: make_network().fit(images, y),
    "LeastSquaresSVC": lambda images, y: LeastSquaresSVC().fit(images, y),
    "AugmentationOverSampler": lambda images, y: AugmentationOverSampler().fit_resample(images, y),
}


@pytest.mark.parametrize("shape", [(48, 48), (60, 80), (256, 256), (60, 80, 1), (48, 48, 2), (48, 48, 3)])
@pytest.mark.parametrize("estimator", FITTING)
def test_one_label_for_many_rows_is_that_of_one_image(estimator, shape):
    with pytest.raises(ImageArrayError, match=r"[Pp]ass X\[np\.newaxis\]"):
        FITTING[estimator](draw(shape), ["pain"])


@pytest.mark.parametrize("estimator", ["FaceLoader", "HOGTransformer", "make_hog_svm"])
@pytest.mark.parametrize("label", ["pain", 3, np.str_("pain"), np.array("pain"), ("pain",)])
def test_label_that_is_in_no_list_is_one_label(estimator, label):
    with pytest.raises(ImageArrayError, match=r"48 images, but y has 1 labels.* pass X\[np\.newaxis\]"):
        FITTING[estimator](draw((48, 48)), label)


@pytest.mark.parametrize("estimator", FITTING)
def test_another_number_of_labels_is_reported(estimator):
    with pytest.raises(LabelError, match=r"48 images, but y has 47 labels.* pass X\[np\.newaxis\]"):
        FITTING[estimator](draw((48, 48)), ["pain", "fear"] * 23 + ["pain"])


@pytest.mark.parametrize("estimator", [FaceLoader(), HOGTransformer(), FaceLoader(image_shape=(48, 48))])
@pytest.mark.parametrize("shape", [(48, 48, 1), (60, 80, 2), (48, 300), (300, 260)])
def test_fit_refuses_what_shows_to_be_one_image(estimator, shape):
    with pytest.raises(ImageArrayError, match=r"[Pp]ass X\[np\.newaxis\]"):
        estimator.fit(draw(shape))


@pytest.mark.parametrize(
    ("loader", "images"),
    [
        (FaceLoader(), ROWS),
        (FaceLoader(), RGB.reshape(12, -1)),
        (FaceLoader((24, 96)), ROWS),
        (FaceLoader(image_shape=(96, 24)), ROWS),
        (FaceLoader(image_shape=(16, 16, 3)), draw((5, 768))),
        (FaceLoader(), X[:, :5]),
        (FaceLoader(), X[:1]),
        (FaceLoader(), X[..., np.newaxis]),
        (FaceLoader(), RGB[:, :20]),
        (FaceLoader(), ROWS.tolist()),
    ],
)
def test_batches_and_rows_of_the_size_wanted_go_through_a_loader_of_images(loader, images):
    assert len(loader.fit([X[0]]).transform(images)) == len(images)


def test_color_rows_are_read_as_color_images():
    loader = FaceLoader(color=True).fit([X[0]])
    np.testing.assert_array_equal(loader.transform(RGB.reshape(12, -1)), RGB)


@pytest.mark.parametrize("size", [(2, 2), (3, 4), (4, 4)])
def test_tiny_images_are_batches(size):
    images = draw((6, *size))
    describer = HOGTransformer().fit(images)
    assert len(describer.transform(images)) == len(describer.transform(images.reshape(6, -1))) == 6
    with pytest.raises(ImageArrayError, match=r"X\[np\.newaxis\]"):
        describer.transform(images[0][..., np.newaxis])
