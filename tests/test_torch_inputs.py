"""Tensors and torch Datasets as input."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    EmotionReport,
    FaceLoader,
    HOGTransformer,
    LeastSquaresSVC,
    compare_classifiers,
    find_duplicates,
    make_hog_svm,
    networks,
    train_val_test_split,
)
from sk_emotion.exceptions import ImageArrayError, ImageReadError, LabelError
from sk_emotion.utils._arrays import as_numpy


@pytest.fixture(scope="module")
def images(faces):
    X, y, _ = faces
    return torch.tensor(np.asarray(X)[:24, :32, :32]), np.unique(y[:24])[np.arange(24) % 2], torch.arange(24) % 2


KINDS = {
    "uint8": lambda X: X,
    "int64": lambda X: X.long(),
    "needs gradients": lambda X: (X / 255).requires_grad_(),
    "bfloat16": lambda X: (X / 255).bfloat16(),
    "half": lambda X: (X / 255).half(),
    "double": lambda X: X.double() / 255,
    "sparse": lambda X: (X / 255).to_sparse(),
    "a channel last": lambda X: X[..., None],
    "list": lambda X: list(X),
    "list that needs gradients": lambda X: list((X / 255).requires_grad_()),
    "not contiguous": lambda X: X.repeat(1, 1, 2)[..., ::2].transpose(1, 2).contiguous().transpose(1, 2),
}


def network():
    return EmotionClassifier(networks.VGG(width=4), max_epochs=1, random_state=0, precision="fp32")


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_are_arrays(images, kind):
    X = KINDS[kind](images[0])
    like = {"list": list(images[0].numpy())}.get(kind, as_numpy(X, "a test"))
    for transformer in (HOGTransformer(), FaceLoader(24)):
        found, expected = (clone(transformer).fit(data).transform(data) for data in (X, like))
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, expected)
    found, labels = AugmentationOverSampler(random_state=0).fit_resample(X, images[2])
    assert np.shape(found)[0] == len(labels) == 24


@pytest.mark.parametrize("kind", ["uint8", "needs gradients", "bfloat16", "list that needs gradients"])
def test_network_trains_and_predicts_on_tensors(images, kind):
    X = KINDS[kind](images[0])
    found = network().fit(X, images[2], sample_weight=torch.ones(24))
    expected = network().fit(as_numpy(X, "a test"), images[2].numpy())
    assert found.classes_.tolist() == [0, 1]
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(as_numpy(X, "a test")))
    assert found.embed(X).shape[0] == 24
    assert 0 <= found.score(X, images[2]) <= 1


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: y,
        lambda y: y.float().requires_grad_(),
        lambda y: y.bfloat16(),
        lambda y: list(y),
        lambda y: y.bool(),
        lambda y: y.to(torch.uint8),
    ],
)
def test_labels_may_be_tensors(images, convert):
    y = convert(images[2])
    for model in (network(), make_hog_svm(), HOGTransformer()):
        model.fit(images[0], y)
    assert EmotionReport(y, y, n_resamples=0).n_samples == 24
    parts = train_val_test_split(images[0], y, groups=torch.arange(24) // 2, return_indices=True, random_state=0)
    assert sorted(np.concatenate(parts[-3:])) == list(range(24))


@pytest.mark.parametrize(
    "convert",
    [
        lambda values: values.float().requires_grad_(),
        lambda values: values.bfloat16(),
        lambda values: values.to_sparse(),
        lambda values: list(values.double()),
        lambda values: list(values.float().requires_grad_()),
        lambda values: values.int(),
    ],
    ids=["needs gradients", "bfloat16", "sparse", "list", "list that needs gradients", "int32"],
)
@pytest.mark.parametrize("make", [network, LeastSquaresSVC], ids=["network", "machine"])
def test_labels_and_weights_of_a_score_may_be_tensors(images, convert, make):
    X, _, codes = images
    rows = X.reshape(24, -1).numpy()
    weight = torch.arange(24) % 3
    fitted = make().fit(rows, codes.numpy())
    expected = fitted.score(rows, codes.numpy(), sample_weight=weight.numpy())
    assert fitted.score(rows, convert(codes), sample_weight=convert(weight)) == expected


def test_rows_of_features_may_be_tensors(images):
    features = torch.from_numpy(HOGTransformer().fit_transform(images[0])).requires_grad_()
    model = LeastSquaresSVC().fit(features, images[2], sample_weight=torch.ones(24))
    expected = LeastSquaresSVC().fit(features.detach().numpy(), images[2].numpy())
    np.testing.assert_array_equal(model.predict_proba(features), expected.predict_proba(features.detach().numpy()))


def test_images_as_features_raise(images):
    with pytest.raises(ImageArrayError, match=r"dim 3.*HOGTransformer.*reshape"):
        LeastSquaresSVC().fit(images[0], images[2])
    model = LeastSquaresSVC().fit(images[0].reshape(24, -1).float(), images[2])
    with pytest.raises(ImageArrayError, match=r"dim 3.*HOGTransformer"):
        model.predict(images[0])


@pytest.mark.filterwarnings("ignore::sk_emotion.exceptions.DatasetWarning")
def test_tensors_are_judged_and_compared(images):
    X, _, codes = images
    scores = torch.rand(24, 2, generator=torch.Generator().manual_seed(0)).softmax(1).requires_grad_()
    assert EmotionReport(codes, codes, scores, n_resamples=0).n_samples == 24
    model = make_hog_svm().fit(X, codes)
    assert EmotionReport.from_estimator(model, X, codes, n_resamples=0).n_samples == 24
    assert np.isfinite(cross_val_score(make_hog_svm(), X, codes, cv=2, error_score="raise")).all()
    assert len(compare_classifiers({"HOG": make_hog_svm()}, X, codes, cv=2, random_state=0).scores) == 2
    np.testing.assert_array_equal(find_duplicates((X / 255).requires_grad_()), find_duplicates(X.numpy() / 255))


class Pictures(Dataset):
    """Dataset that counts the images read."""

    read = 0

    def __len__(self):
        return 4

    def __getitem__(self, index):
        self.read += 1
        return torch.zeros(1, 8, 8), index % 2


class Stream(IterableDataset):
    def __iter__(self):
        return iter(Pictures())


DATASETS = {
    "own": Pictures,
    "TensorDataset": lambda: TensorDataset(torch.zeros(4, 8, 8), torch.arange(4)),
    "Subset": lambda: Subset(Pictures(), [0, 1]),
    "IterableDataset": Stream,
    "DataLoader": lambda: DataLoader(Pictures()),
}


@pytest.mark.parametrize("kind", DATASETS)
@pytest.mark.parametrize(
    "use",
    [
        lambda X: network().fit(X, None),
        lambda X: network().fit(X, [0, 1, 0, 1]),
        lambda X: network().partial_fit(X, [0, 1, 0, 1]),
        lambda X: HOGTransformer().fit(X),
        lambda X: FaceLoader().fit(X),
        lambda X: FaceLoader().to_zarr(X, "unused.zarr"),
        lambda X: LeastSquaresSVC().fit(X, [0, 1, 0, 1]),
        lambda X: AugmentationOverSampler().fit_resample(X, [0, 1, 0, 1]),
        lambda X: find_duplicates(X),
    ],
)
def test_torch_datasets_raise_unread_with_what_to_do(kind, use):
    X = DATASETS[kind]()
    with pytest.raises(ImageArrayError, match=r"torch Data.*X = (np\.stack|torch\.cat)"):
        use(X)
    assert getattr(X, "read", 0) == 0


def test_dataset_as_labels_raises(images):
    with pytest.raises(LabelError, match=r"y is a torch Dataset"):
        network().fit(images[0], TensorDataset(images[2]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda X: X[:, None].expand(-1, 3, -1, -1), r"movedim\(1, -1\)"),
        (lambda X: X[:, None], r"movedim\(1, -1\)"),
        (lambda X: list(X[:, None].expand(-1, 3, -1, -1)), r"movedim\(1, -1\)"),
        (lambda X: X.to("meta"), "meta device"),
        (lambda X: list(X.to("meta")), "meta device"),
        (lambda X: X.to(torch.complex64), "Complex data"),
        (lambda X: torch.nested.nested_tensor([X[0].float(), X[1, :20].float()]), "different sizes"),
    ],
)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_tensors_that_are_no_images_raise(images, make, message):
    X = make(images[0])
    for use in (network().fit, AugmentationOverSampler().fit_resample):
        with pytest.raises(ImageArrayError, match=message):
            use(X, images[2])
    with pytest.raises(ImageArrayError, match=message):
        HOGTransformer().fit(X)


def test_loader_takes_tensors_of_different_sizes_and_names_channels_that_come_first(images):
    X = images[0]
    pictures = [X[0], X[1, :20], X[2][..., None].expand(-1, -1, 3), (X[3] / 255).requires_grad_()]
    arrays = [as_numpy(picture, "a test") for picture in pictures]
    np.testing.assert_array_equal(FaceLoader(24).fit_transform(pictures), FaceLoader(24).fit_transform(arrays))
    with pytest.raises(ImageReadError, match=r"np\.moveaxis\(image, 0, -1\)"):
        FaceLoader(24).fit_transform([X[0][None].expand(3, -1, -1)])


def test_labels_without_values_raise(images):
    with pytest.raises(LabelError, match="y is a tensor on the meta device"):
        network().fit(images[0], images[2].to("meta"))


class Foreign:
    """Array of another library, possibly on another device."""

    def __init__(self, values, reachable=True):
        self.values, self.reachable = values, reachable
        self.shape, self.dtype = values.shape, values.dtype

    def __array_namespace__(self, api_version=None):
        return np

    def __array__(self, dtype=None, copy=None):
        if not self.reachable:
            raise TypeError("Implicit conversion is not allowed")
        return np.asarray(self.values, dtype=dtype)


def test_arrays_of_other_libraries_are_copied_to_numpy(images):
    X = images[0].numpy()
    np.testing.assert_array_equal(
        HOGTransformer().fit(Foreign(X)).transform(Foreign(X)), HOGTransformer().fit_transform(X)
    )
    with pytest.raises(ImageArrayError, match=r"Foreign.*Copy it to the CPU"):
        HOGTransformer().fit(Foreign(X, reachable=False))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_tensors_on_a_gpu_are_copied(images):
    X = images[0].cuda()
    assert HOGTransformer().fit(X).transform(X).shape[0] == 24
    assert network().fit(X, images[2].cuda()).predict(X).shape == (24,)


def test_tensors_are_arrays_where_scikit_learn_dispatches():
    """SciPy reads its setting on import."""
    code = """
import numpy as np, sklearn, torch
from sklearn.model_selection import cross_val_score, train_test_split
from sk_emotion import *
X, y, _ = make_faces(24, emotions=["happiness", "pain"], image_size=32, random_state=0)
X, codes = np.asarray(X), np.unique(y, return_inverse=True)[1]
T, labels = torch.tensor(X), torch.tensor(codes)
clf = EmotionClassifier(networks.VGG(width=4), max_epochs=1, precision="fp32", random_state=0)
expected = clf.fit(X, codes).predict_proba(X)
with sklearn.config_context(array_api_dispatch=True):
    clf.fit(X, y).score(X, y)
    for images in (T, (T / 255).requires_grad_(), list(T)):
        clf.fit(images, labels, sample_weight=torch.ones(24))
        np.testing.assert_allclose(clf.predict_proba(images), expected, atol=0.01)
    clf.score(T, labels), clf.score(T, labels.bfloat16(), sample_weight=torch.ones(24, requires_grad=True))
    np.testing.assert_array_equal(HOGTransformer().fit(T).transform(T), HOGTransformer().fit_transform(X))
    np.testing.assert_array_equal(FaceLoader(24).fit(T).transform(T), FaceLoader(24).fit_transform(X))
    LeastSquaresSVC().fit(T.reshape(24, -1).float(), labels).predict_proba(T.reshape(24, -1).float())
    AugmentationOverSampler().fit_resample(T, labels)
    make_hog_svm().fit(T, labels).score(T, labels)
    cross_val_score(make_hog_svm(), T, labels, cv=2, error_score="raise")
    train_test_split(T, labels), train_val_test_split(T, labels), find_duplicates(T)
"""
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "SCIPY_ARRAY_API": "1"}, check=True, timeout=300)
