"""Loaded models equal the saved ones."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn
import torch
from imblearn.pipeline import make_pipeline
from saved_models import MODELS, TRUSTED, make_classifier, save_and_load
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    StratifiedGroupKFold,
)

from sk_emotion import (
    FaceLoader,
    load_model,
    save_model,
)

pytestmark = pytest.mark.training(quick=True)


@pytest.fixture(scope="session")
def elsewhere(saved, few):
    """Predictions of each saved model in a new process."""
    _, folder = saved
    np.savez(folder / "faces.npz", X=few[0])
    code = f"""
import sys
import warnings
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np, torch
from sk_emotion import load_model
from saved_models import MODELS, TRUSTED
torch.set_num_threads(1)
X = np.load("faces.npz")["X"]
models = {{name: load_model(name, trusted=TRUSTED.get(name, ())) for name in MODELS}}
np.savez("predicted.npz", **{{name: models[name].predict_proba(MODELS[name][1](X)) for name in MODELS}})
"""
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    return np.load(folder / "predicted.npz")


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_identical_in_a_new_process(name, saved, elsewhere, few):
    model = saved[0][name]
    np.testing.assert_array_equal(elsewhere[name], model.predict_proba(MODELS[name][1](few[0])))


@pytest.mark.parametrize("name", ["strings", "integers", "booleans", "objects", "hog and svm"])
def test_labels_round_trip(name, saved, few):
    models, folder = saved
    loaded = load_model(folder / name)
    assert loaded.classes_.dtype == models[name].classes_.dtype
    np.testing.assert_array_equal(loaded.predict(few[0]), models[name].predict(few[0]))


@pytest.mark.parametrize("name", MODELS)
def test_parameters_round_trip(name, saved):
    models, folder = saved
    loaded, model = load_model(folder / name, TRUSTED.get(name, ())), models[name]
    shown = [re.sub(" at 0x[0-9A-Fa-f]+", "", repr(estimator.get_params())) for estimator in (loaded, model)]
    assert shown[0] == shown[1]


def test_boolean_keys_round_trip(saved):
    assert load_model(saved[1] / "booleans").class_weight == {True: 2.0, False: 1.0}


def test_random_state_round_trip(saved):
    models, folder = saved
    loaded = load_model(folder / "random state").random_state
    assert loaded.randint(1 << 30) == copy.deepcopy(models["random state"].random_state).randint(1 << 30)


def test_paths_and_tuples_round_trip(few, path, tmp_path):
    X, y, _ = few
    pipeline = make_pipeline(FaceLoader(image_size=(24, 20), cache=tmp_path / "cache"), make_classifier()).fit(X, y)
    loader = save_and_load(pipeline, path)[0]
    assert loader.image_size == (24, 20)
    assert loader.cache == tmp_path / "cache" and isinstance(loader.cache, Path)


def test_search_results_round_trip(saved):
    models, folder = saved
    loaded, search = load_model(folder / "search"), models["search"]
    assert repr(loaded.best_params_) == repr(search.best_params_)
    assert loaded.cv_results_.keys() == search.cv_results_.keys()
    for name, column in search.cv_results_.items():
        assert repr(loaded.cv_results_[name]) == repr(column)


def test_history_round_trip(saved):
    models, folder = saved
    loaded = load_model(folder / "early stopping")
    assert loaded.history_ == models["early stopping"].history_
    assert loaded.net_.history[:, "train_loss"] == models["early stopping"].net_.history[:, "train_loss"]


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adamw", "learning_rate": 1e-3}, {"ema": 0.9}])
@pytest.mark.parametrize("way", ["partial_fit", "fit"])
def test_training_continues_after_loading(settings, way, few, path):
    X, y, _ = few
    clf = make_classifier(warm_start=True, **settings).partial_fit(X, y).partial_fit(X, y)
    loaded = save_and_load(clf, path)
    for model in (clf, loaded):
        getattr(model, way)(X, y)
    assert loaded.n_iter_ == 3
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


def test_file_of_a_loaded_model_is_not_larger(trained, path, tmp_path):
    save_model(trained, path)
    save_model(load_model(path), tmp_path / "again.skops")
    assert (tmp_path / "again.skops").stat().st_size == pytest.approx(path.stat().st_size, rel=0.05)


def test_frozen_model_with_threshold_round_trip(trained, few, path):
    X, y, _ = few
    model = FixedThresholdClassifier(FrozenEstimator(trained), threshold=0.4, pos_label="pain").fit(X, y)
    np.testing.assert_array_equal(save_and_load(model, path).predict(X), model.predict(X))


def test_decision_function_of_svm_round_trip(svm, few, path):
    np.testing.assert_array_equal(save_and_load(svm, path).decision_function(few[0]), svm.decision_function(few[0]))


def test_metadata_requests_round_trip_and_saving_does_not_change_them(few, path):
    X, y, groups = few
    with sklearn.config_context(enable_metadata_routing=True):
        clf = make_classifier(validation_fraction=0.4).set_fit_request(groups=True)
        search = GridSearchCV(clf, {"learning_rate": [0.1]}, cv=StratifiedGroupKFold(2)).fit(X, y, groups=groups)
        loaded = save_and_load(search, path)
        assert loaded.estimator.get_metadata_routing().fit.requests["groups"] is True
        loaded.fit(X, y, groups=groups)
    assert search.estimator._metadata_request.owner is search.estimator


def test_callbacks_are_dropped_with_one_warning(few, path):
    from skorch.callbacks import EpochTimer

    X, y, _ = few
    clf = make_classifier(callbacks=[EpochTimer()]).fit(X, y)
    with pytest.warns(UserWarning, match="callbacks are not saved") as caught:
        save_model(clf, path)
    assert len(caught) == 1
    assert load_model(path).callbacks is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is available")
def test_model_trained_on_a_gpu_runs_on_the_cpu(trained, few, path):
    on_gpu = copy.deepcopy(trained)
    on_gpu.device_ = "cuda"
    loaded = save_and_load(on_gpu, path)
    assert loaded.device_ == "cpu"
    np.testing.assert_array_equal(loaded.predict_proba(few[0]), trained.predict_proba(few[0]))


def test_loading_an_svm_does_not_import_the_classifier(svm, path):
    save_model(svm, path)
    code = "import sys; from sk_emotion import load_model; load_model(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert not {"sk_emotion.classifier", "skorch", "torchvision"} & set(done.stdout.split())
