"""Agreement of results across workers, batch sizes, precisions and devices, as documented.

For training with a fixed seed, see tests/_training/test_determinism.py.
"""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from sk_emotion import EmotionClassifier, compare_classifiers, make_hog_svm, networks

pytestmark = pytest.mark.training(quick=True)


def make_network(precision="fp32"):
    return EmotionClassifier(networks.ResNet(width=4), max_epochs=1, batch_size=20, precision=precision, random_state=0)


@pytest.fixture(scope="module")
def trained(faces):
    return make_network().fit(*faces[:2])


@pytest.fixture(scope="module")
def trained_in_bf16(faces):
    return make_network("bf16").fit(*faces[:2])


def test_scores_of_a_comparison_do_not_depend_on_workers(faces):
    X, y, people = faces
    models = {"network": make_network(), "HOG+SVM": make_hog_svm(image_size=24, probability=False)}
    # Use one thread in all, as in this process.
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        sequential, shared = (
            compare_classifiers(
                models, X, y, groups=people, cv=2, scoring=["f1_macro", "roc_auc"], n_jobs=n_jobs, random_state=0
            )
            for n_jobs in (1, 2)
        )
    times = ["fit_time", "score_time"]
    pd.testing.assert_frame_equal(
        sequential.scores.drop(columns=times), shared.scores.drop(columns=times), check_exact=True
    )
    pd.testing.assert_frame_equal(sequential.tests, shared.tests, check_exact=True)
    pd.testing.assert_frame_equal(
        sequential.reference.drop(columns=times), shared.reference.drop(columns=times), check_exact=True
    )


@pytest.mark.parametrize("size", [1, 7, 33])
def test_batch_size_hardly_changes_predictions(trained, faces, size):
    X = faces[0]
    parts = [trained.predict_proba(X[start : start + size]) for start in range(0, len(X), size)]
    np.testing.assert_allclose(np.concatenate(parts), trained.predict_proba(X), atol=1e-6)


def test_prediction_is_exactly_reproducible(trained, faces):
    X = faces[0]
    first = trained.predict_proba(X)
    restored = pickle.loads(pickle.dumps(trained))
    for model in (trained, clone(trained).fit(*faces[:2]), restored):
        np.testing.assert_array_equal(model.predict_proba(X), first)


def test_prediction_in_bf16_is_close_to_fp32(trained_in_bf16, faces):
    X = faces[0]
    in_bf16 = trained_in_bf16.predict_proba(X)
    # With precision="auto", prediction is in fp32, with the same weights.
    in_fp32 = copy.copy(trained_in_bf16).set_params(precision="auto").predict_proba(X)
    assert (in_bf16 != in_fp32).any()
    np.testing.assert_allclose(in_bf16, in_fp32, atol=0.05)


def test_training_in_bf16_is_close_to_fp32(trained, trained_in_bf16, faces):
    losses = [model.history_[0]["train_loss"] for model in (trained, trained_in_bf16)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=0.02)
    probabilities = [model.predict_proba(faces[0]) for model in (trained, trained_in_bf16)]
    np.testing.assert_allclose(*probabilities, atol=0.02)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", ["trained", "trained_in_bf16"])
def test_prediction_on_a_gpu_is_close_to_a_cpu(kind, faces, request):
    model = request.getfixturevalue(kind)
    on_cpu = copy.copy(model)
    on_cpu.device_ = "cpu"
    on_gpu = copy.copy(model)
    on_gpu.device_ = "cuda"
    # A model is moved to its device when it is loaded.
    answers = [pickle.loads(pickle.dumps(each)).predict_proba(faces[0]) for each in (on_cpu, on_gpu)]
    np.testing.assert_allclose(*answers, atol=0.05)
