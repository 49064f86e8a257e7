"""What is refused on saving, and what is left behind."""

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
from sk_emotion.persistence._schema import MAX_NODES

pytestmark = pytest.mark.training


def test_model_that_is_not_fitted_is_refused(path):
    with pytest.raises(NotFittedError):
        save_model(make_classifier(), path)
    assert not path.exists()


@pytest.mark.parametrize("model", [None, 3, {"a": 1}, networks.ResNet(), EmotionClassifier])
def test_what_is_no_estimator_is_refused(model, path):
    with pytest.raises(TypeError):
        save_model(model, path)
    assert not path.exists()


@pytest.mark.parametrize("wrong", [3, None, b"model"])
@pytest.mark.parametrize("call", [lambda path, svm: save_model(svm, path), lambda path, svm: load_model(path)])
def test_what_is_no_path_is_refused(wrong, call, svm):
    with pytest.raises(TypeError, match="path"):
        call(wrong, svm)


@pytest.mark.parametrize(
    "function, name",
    [(lambda X: X, "<lambda>"), (make_local_detector(), "make_local_detector.<locals>.detect_middle")],
)
def test_function_without_a_name_of_its_own_is_refused(function, name, few, path):
    pipeline = make_hog_svm(image_size=24, probability=False).fit(*few[:2])
    pipeline.set_params(faceloader__detector=function)
    with pytest.raises(ModelFileError, match=f"{name} .faceloader__detector. cannot be kept.*top level"):
        save_model(pipeline, path)


def test_class_inside_another_is_refused(svm, path):
    model = copy.deepcopy(svm).set_params(hogtransformer__n_jobs=Perceptron.Inner())
    with pytest.raises(ModelFileError, match=r"Perceptron\.Inner cannot be kept"):
        save_model(model, path)


@pytest.mark.parametrize("value", [{None: 1}, {(1, 2): 3}, {1: 2, "1": 3}, (number for number in [1]), sys.stdout])
def test_what_no_file_can_keep_is_refused(value, svm, path):
    model = copy.deepcopy(svm)
    model.value_ = value
    with pytest.raises(ModelFileError, match="save_model: "):
        save_model(model, path)
    assert list(path.parent.iterdir()) == []


def test_folder_that_is_missing_is_named(svm, tmp_path):
    with pytest.raises(ModelNotFoundError, match="nowhere does not exist"):
        save_model(svm, tmp_path / "nowhere" / "model.skops")


@pytest.mark.parametrize("call", [lambda path, svm: save_model(svm, path), lambda path, svm: load_model(path)])
def test_folder_is_no_file(call, svm, tmp_path):
    with pytest.raises(ModelFileError, match="is a folder"):
        call(tmp_path, svm)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_old_file_outlives_a_failure(step, svm, path, monkeypatch):
    def fail(*_args):
        raise OSError("the disk is full")

    path.write_bytes(b"old")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="the disk is full"):
        patch.setattr(os, step, fail)
        save_model(svm, path)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_file_replaces_the_old_one_and_leaves_nothing_beside(svm, path):
    path.write_bytes(b"old")
    save_model(svm, str(path))
    load_model(str(path))
    assert list(path.parent.iterdir()) == [path]
    plain = path.with_name("plain")
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("name", ["strings", "search"])
def test_same_model_gives_the_same_file(name, saved, path):
    models, folder = saved
    save_model(models[name], path)
    assert path.read_bytes() == (folder / name).read_bytes()


def test_model_of_too_many_parts_is_refused(svm, path):
    model = copy.deepcopy(svm)
    model.value_ = [[]] * MAX_NODES
    with pytest.raises(ModelFileError, match="its tree has more than 40,000 nodes"):
        save_model(model, path)


def test_compressed_parts_are_written_anew(svm, path):
    model = copy.deepcopy(svm)
    model.matrix_ = sparse.csr_array(np.eye(300))
    np.testing.assert_array_equal(save_and_load(model, path).matrix_.toarray(), np.eye(300))
