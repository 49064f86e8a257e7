"""Errors of save_model, and the files that it leaves."""

import copy
import os
import sys

import numpy as np
import pytest
from saved_models import Perceptron, make_classifier, make_local_detector, save_and_load
from scipy import sparse
from sklearn.exceptions import NotFittedError

from sk_emotion import (
    EmotionClassifier,
    load_model,
    make_hog_svm,
    networks,
    save_model,
)
from sk_emotion.exceptions import ModelFileError, ModelNotFoundError
from sk_emotion.persistence import _checks

pytestmark = pytest.mark.training


def test_unfitted_model_is_an_error(path):
    with pytest.raises(NotFittedError):
        save_model(make_classifier(), path)
    assert not path.exists()


@pytest.mark.parametrize("model", [None, 3, {"a": 1}, networks.ResNet(), EmotionClassifier])
def test_other_objects_are_an_error(model, path):
    with pytest.raises(TypeError):
        save_model(model, path)
    assert not path.exists()


@pytest.mark.parametrize("wrong", [3, None, b"model"])
@pytest.mark.parametrize("call", [lambda path, svm: save_model(svm, path), lambda path, svm: load_model(path)])
def test_invalid_path_is_an_error(wrong, call, svm):
    with pytest.raises(TypeError, match="path"):
        call(wrong, svm)


@pytest.mark.parametrize(
    "function, name",
    [(lambda X: X, "<lambda>"), (make_local_detector(), "make_local_detector.<locals>.detect_middle")],
)
def test_lambda_or_local_function_is_an_error(function, name, few, path):
    pipeline = make_hog_svm(image_size=24, probability=False).fit(*few[:2])
    pipeline.set_params(faceloader__detector=function)
    with pytest.raises(ModelFileError, match=f"{name} .faceloader__detector. cannot be saved.*top level"):
        save_model(pipeline, path)


def test_nested_class_is_an_error(svm, path):
    model = copy.deepcopy(svm).set_params(hogtransformer__n_jobs=Perceptron.Inner())
    with pytest.raises(ModelFileError, match=r"Perceptron\.Inner cannot be saved"):
        save_model(model, path)


@pytest.mark.parametrize("value", [{None: 1}, {(1, 2): 3}, {1: 2, "1": 3}, (number for number in [1]), sys.stdout])
def test_values_that_cannot_be_saved_are_an_error(value, svm, path):
    model = copy.deepcopy(svm)
    model.value_ = value
    with pytest.raises(ModelFileError, match="save_model: "):
        save_model(model, path)
    assert list(path.parent.iterdir()) == []


def test_missing_folder_is_an_error(svm, tmp_path):
    with pytest.raises(ModelNotFoundError, match="nowhere does not exist"):
        save_model(svm, tmp_path / "nowhere" / "model.skops")


@pytest.mark.parametrize("call", [lambda path, svm: save_model(svm, path), lambda path, svm: load_model(path)])
def test_folder_as_path_is_an_error(call, svm, tmp_path):
    with pytest.raises(ModelFileError, match="is a folder"):
        call(tmp_path, svm)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failed_save_keeps_the_old_file(step, svm, path, monkeypatch):
    def fail(*_args):
        raise OSError("the disk is full")

    path.write_bytes(b"old")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="the disk is full"):
        patch.setattr(os, step, fail)
        save_model(svm, path)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_save_replaces_the_old_file_and_leaves_no_other(svm, path):
    path.write_bytes(b"old")
    save_model(svm, str(path))
    load_model(str(path))
    assert list(path.parent.iterdir()) == [path]
    plain = path.with_name("plain")
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("name", ["strings", "search"])
def test_files_are_reproducible(name, saved, path):
    models, folder = saved
    save_model(models[name], path)
    assert path.read_bytes() == (folder / name).read_bytes()


def test_model_with_too_many_parts_is_an_error(svm, path, monkeypatch):
    assert _checks.MAX_NODES == 40_000
    monkeypatch.setattr(_checks, "MAX_NODES", 4_000)
    model = copy.deepcopy(svm)
    model.value_ = [[]] * 4_000
    with pytest.raises(ModelFileError, match="its tree has more than 4,000 nodes"):
        save_model(model, path)


def test_compressed_parts_are_decompressed(svm, path):
    model = copy.deepcopy(svm)
    model.matrix_ = sparse.csr_array(np.eye(300))
    np.testing.assert_array_equal(save_and_load(model, path).matrix_.toarray(), np.eye(300))
