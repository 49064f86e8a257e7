import copy
import inspect
import io
import json
import os
import pickle
import re
import subprocess
import sys
import warnings
import zipfile
from importlib import import_module
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
import torch
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn

import sk_emotion
from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    FaceAugmentation,
    FaceLoader,
    HOGTransformer,
    load_model,
    make_faces,
    make_hog_svm,
    make_sensitivity_scorer,
    networks,
    persistence,
    save_model,
)
from sk_emotion._trusted_names import ALL_TRUSTED
from sk_emotion._trusted_names import TRUSTED as TRUSTED_NAMES
from sk_emotion.exceptions import ModelFileError, ModelNotFoundError


class Perceptron(nn.Module):
    """A user's own module."""

    def __init__(self, in_channels, image_size, n_classes, hidden=8):
        super().__init__()
        n_pixels = in_channels * image_size[0] * image_size[1]
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(n_pixels, hidden), nn.ReLU(), nn.Linear(hidden, n_classes))

    def forward(self, images):
        return self.layers(images)

    class Inner:
        pass


def detect_middle(image):
    """A user's own detector."""
    height, width = image.shape[:2]
    return [[width // 4, height // 4, width // 2, height // 2]]


class Detector:
    """A user's own detector, with parameters."""

    def __init__(self, share=2):
        self.share = share

    def __call__(self, image):
        height, width = image.shape[:2]
        return [[0, 0, width // self.share, height // self.share]]


def make_local_detector():
    def detect_middle(image):
        return None

    return detect_middle


class Trap:
    """Whose pickle makes a folder when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def make_classifier(**params):
    return EmotionClassifier(**{"network": networks.ResNet(width=4), "max_epochs": 1, "random_state": 0, **params})


def make_search():
    pipeline = make_pipeline(FaceLoader(image_size=24), AugmentationOverSampler(random_state=0), make_classifier())
    grid = [
        {"emotionclassifier__network": [networks.ResNet(width=4), networks.VGG(width=4)]},
        {"emotionclassifier__learning_rate": [0.01], "emotionclassifier__n_iter_no_change": range(2, 3)},
    ]
    return GridSearchCV(pipeline, grid, scoring="f1_macro", cv=StratifiedGroupKFold(2))


def make_color(X):
    return np.repeat(X[..., np.newaxis], 3, axis=-1)


def is_pain(y):
    return y == "pain"


SAME = (lambda X: X, lambda y: y)
MODELS = {
    "strings": (make_classifier, *SAME),
    "integers": (make_classifier, SAME[0], lambda y: is_pain(y).astype(int)),
    "booleans": (lambda: make_classifier(class_weight={True: 2.0, False: 1.0}), SAME[0], is_pain),
    "objects": (make_classifier, SAME[0], lambda y: y.astype(object)),
    "colour": (make_classifier, make_color, SAME[1]),
    "floats": (make_classifier, lambda X: X / np.float32(255), SAME[1]),
    "rows": (lambda: make_classifier(image_shape=(24, 24)), lambda X: X.reshape(len(X), -1), SAME[1]),
    "adamw": (lambda: make_classifier(optimizer="adamw", learning_rate=1e-3), *SAME),
    "class of optimisers": (lambda: make_classifier(optimizer=torch.optim.NAdam, learning_rate=1e-3), *SAME),
    "ema": (lambda: make_classifier(ema=0.9), *SAME),
    "class weights": (lambda: make_classifier(class_weight={"happiness": np.float64(1.5), "pain": 1}), *SAME),
    "random state": (lambda: make_classifier(random_state=np.random.RandomState(3)), *SAME),
    "augmentation": (lambda: make_classifier(augmentation=FaceAugmentation(flip=0, rotation=np.float32(3))), *SAME),
    "early stopping": (lambda: make_classifier(validation_fraction=0.3, early_stopping=True), *SAME),
    "device": (lambda: make_classifier(device=torch.device("cpu")), *SAME),
    "vgg": (lambda: make_classifier(network=networks.VGG(width=4)), *SAME),
    "torchvision": (lambda: make_classifier(network=networks.TorchvisionNetwork("resnet18")), *SAME),
    "own module": (
        lambda: make_classifier(network=networks.TorchNetwork(Perceptron, module_params={"hidden": 4})),
        *SAME,
    ),
    "pipeline": (
        lambda: make_pipeline(FaceLoader(image_size=(24, 20)), AugmentationOverSampler(), make_classifier()),
        *SAME,
    ),
    "hog and svm": (lambda: make_hog_svm(image_size=24), *SAME),
    "search": (make_search, *SAME),
    "smote": (lambda: make_pipeline(HOGTransformer(), SMOTE(random_state=0), LogisticRegression()), *SAME),
    "isotonic": (lambda: CalibratedClassifierCV(make_classifier(), method="isotonic", cv=StratifiedKFold(2)), *SAME),
    "calibrated": (
        lambda: CalibratedClassifierCV(make_hog_svm(image_size=24, probability=False), cv=2),
        *SAME,
    ),
    "tuned threshold": (
        lambda: TunedThresholdClassifierCV(make_classifier(), cv=2, scoring=make_sensitivity_scorer(0.8)),
        SAME[0],
        lambda y: is_pain(y).astype(int),
    ),
}
TRUSTED = {"own module": [Perceptron]}


@pytest.fixture(scope="module")
def few():
    return make_faces(36, emotions=["happiness", "pain"], image_size=24, noise=2, random_state=0)


@pytest.fixture(scope="module")
def saved(few, tmp_path_factory):
    """Each model, fitted, and the folder where it is saved."""
    X, y, groups = few
    folder = tmp_path_factory.mktemp("models")
    models = {}
    for name, (make, convert_X, convert_y) in MODELS.items():
        fit_params = {"groups": groups} if name == "search" else {}
        models[name] = make().fit(convert_X(X), convert_y(y), **fit_params)
        save_model(models[name], folder / name)
    return models, folder


@pytest.fixture(scope="module")
def elsewhere(saved, few):
    """What each saved model predicts in a new process."""
    _, folder = saved
    np.savez(folder / "faces.npz", X=few[0])
    code = f"""
import sys
import warnings
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np, torch
from sk_emotion import load_model
from test_persistence import MODELS, TRUSTED
torch.set_num_threads(1)
X = np.load("faces.npz")["X"]
models = {{name: load_model(name, trusted=TRUSTED.get(name, ())) for name in MODELS}}
np.savez("predicted.npz", **{{name: models[name].predict_proba(MODELS[name][1](X)) for name in MODELS}})
"""
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    return np.load(folder / "predicted.npz")


@pytest.fixture(scope="module")
def svm(few):
    X, y, _ = few
    return make_hog_svm(image_size=24, probability=False).fit(X, y)


@pytest.fixture(scope="module")
def trained(few):
    X, y, _ = few
    return make_classifier().fit(X, y)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skops"


def save_and_load(model, path, trusted=()):
    save_model(model, path)
    return load_model(path, trusted)


def rewrite(path, change=lambda schema: schema, entries=None):
    """Write a file anew, with another schema and other entries by their endings."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(contents["schema.json"])
    contents["schema.json"] = json.dumps(change(schema) or schema).encode()
    for name in contents:
        contents[name] = (entries or {}).get(Path(name).suffix, contents[name])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def find(schema, name):
    """Find the attributes of the first object of a class in a schema."""
    return next(node for node in persistence._walk(schema) if node["__class__"] == name)["content"]["content"]


# What comes back


@pytest.mark.parametrize("name", MODELS)
def test_model_predicts_the_same_to_the_bit_in_a_new_process(name, saved, elsewhere, few):
    model = saved[0][name]
    np.testing.assert_array_equal(elsewhere[name], model.predict_proba(MODELS[name][1](few[0])))


@pytest.mark.parametrize("name", ["strings", "integers", "booleans", "objects", "hog and svm"])
def test_labels_come_back_as_they_were(name, saved, few):
    models, folder = saved
    loaded = load_model(folder / name)
    assert loaded.classes_.dtype == models[name].classes_.dtype
    np.testing.assert_array_equal(loaded.predict(few[0]), models[name].predict(few[0]))


@pytest.mark.parametrize("name", MODELS)
def test_parameters_come_back_as_they_were(name, saved):
    models, folder = saved
    loaded, model = load_model(folder / name, TRUSTED.get(name, ())), models[name]
    shown = [re.sub(" at 0x[0-9A-Fa-f]+", "", repr(estimator.get_params())) for estimator in (loaded, model)]
    assert shown[0] == shown[1]


def test_boolean_keys_are_not_mixed_up(saved):
    assert load_model(saved[1] / "booleans").class_weight == {True: 2.0, False: 1.0}


def test_random_state_goes_on_where_it_was(saved):
    models, folder = saved
    loaded = load_model(folder / "random state").random_state
    assert loaded.randint(1 << 30) == copy.deepcopy(models["random state"].random_state).randint(1 << 30)


def test_paths_and_tuples_come_back(few, path, tmp_path):
    X, y, _ = few
    pipeline = make_pipeline(FaceLoader(image_size=(24, 20), cache=tmp_path / "cache"), make_classifier()).fit(X, y)
    loader = save_and_load(pipeline, path)[0]
    assert loader.image_size == (24, 20)
    assert loader.cache == tmp_path / "cache" and isinstance(loader.cache, Path)


def test_search_comes_back_with_its_results(saved):
    models, folder = saved
    loaded, search = load_model(folder / "search"), models["search"]
    assert repr(loaded.best_params_) == repr(search.best_params_)
    assert loaded.cv_results_.keys() == search.cv_results_.keys()
    for name, column in search.cv_results_.items():
        assert repr(loaded.cv_results_[name]) == repr(column)


def test_history_comes_back_as_plain_numbers(saved):
    models, folder = saved
    loaded = load_model(folder / "early stopping")
    assert loaded.history_ == models["early stopping"].history_
    assert loaded.net_.history[:, "train_loss"] == models["early stopping"].net_.history[:, "train_loss"]


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adamw", "learning_rate": 1e-3}, {"ema": 0.9}])
@pytest.mark.parametrize("way", ["partial_fit", "fit"])
def test_training_goes_on_as_if_it_had_not_been_saved(settings, way, few, path):
    X, y, _ = few
    clf = make_classifier(warm_start=True, **settings).partial_fit(X, y).partial_fit(X, y)
    loaded = save_and_load(clf, path)
    for model in (clf, loaded):
        getattr(model, way)(X, y)
    assert loaded.n_iter_ == 3
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


def test_frozen_model_keeps_its_threshold(trained, few, path):
    X, y, _ = few
    model = FixedThresholdClassifier(FrozenEstimator(trained), threshold=0.4, pos_label="pain").fit(X, y)
    np.testing.assert_array_equal(save_and_load(model, path).predict(X), model.predict(X))


def test_svm_without_probabilities_decides_the_same(svm, few, path):
    np.testing.assert_array_equal(save_and_load(svm, path).decision_function(few[0]), svm.decision_function(few[0]))


def test_routed_groups_are_kept_and_the_model_is_left_as_it_was(few, path):
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
    with pytest.warns(UserWarning, match="callbacks are not kept") as caught:
        save_model(clf, path)
    assert len(caught) == 1
    assert load_model(path).callbacks is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_model_of_a_gpu_runs_where_there_is_none(trained, few, path):
    elsewhere = copy.deepcopy(trained)
    elsewhere.device_ = "cuda"
    loaded = save_and_load(elsewhere, path)
    assert loaded.device_ == "cpu"
    np.testing.assert_array_equal(loaded.predict_proba(few[0]), trained.predict_proba(few[0]))


def test_svm_is_loaded_without_the_classifier(svm, path):
    save_model(svm, path)
    code = "import sys; from sk_emotion import load_model; load_model(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert not {"sk_emotion.classifier", "skorch", "torchvision"} & set(done.stdout.split())


# What is trusted


@pytest.mark.parametrize("trusted", [[Perceptron], ["test_persistence.Perceptron"], iter([Perceptron])])
def test_module_of_the_user_has_to_be_trusted(trusted, saved, few):
    models, folder = saved
    with pytest.raises(ModelFileError, match=r"trusted=\['test_persistence\.Perceptron'\]"):
        load_model(folder / "own module")
    loaded = load_model(folder / "own module", trusted=trusted)
    np.testing.assert_array_equal(loaded.predict(few[0]), models["own module"].predict(few[0]))


@pytest.mark.parametrize("detector, trusted", [(detect_middle, detect_middle), (Detector(3), Detector)])
def test_detector_of_the_user_has_to_be_trusted(detector, trusted, few, path):
    X, y, _ = few
    pipeline = make_hog_svm(image_size=24, probability=False, detector=detector).fit(X, y)
    save_model(pipeline, path)
    with pytest.raises(ModelFileError, match=f"needs test_persistence.{trusted.__name__}. Only if you trust"):
        load_model(path)
    np.testing.assert_array_equal(load_model(path, trusted=[trusted]).predict(X), pipeline.predict(X))


def test_method_of_the_user_is_trusted_with_its_class(few, path):
    X, y, _ = few
    pipeline = make_hog_svm(image_size=24, probability=False, detector=Detector(3).__call__).fit(X, y)
    save_model(pipeline, path)
    with pytest.raises(ModelFileError, match=r"Detector, test_persistence\.Detector\.__call__"):
        load_model(path, trusted=[])
    loaded = load_model(path, trusted=[Detector, Detector.__call__])
    np.testing.assert_array_equal(loaded.predict(X), pipeline.predict(X))


def test_trees_have_to_be_trusted(few, path):
    X, y, _ = few
    forest = make_pipeline(HOGTransformer(), RandomForestClassifier(2, random_state=0)).fit(X, y)
    save_model(forest, path)
    with pytest.raises(ModelFileError, match=r"sklearn\.tree\._tree\.Tree"):
        load_model(path)
    loaded = load_model(path, trusted=["sklearn.tree._tree.Tree"])
    np.testing.assert_array_equal(loaded.predict_proba(X), forest.predict_proba(X))


@pytest.mark.parametrize("trusted", ["test_persistence.Perceptron", Perceptron, True, None, [3]])
def test_what_is_trusted_comes_as_a_list_of_names(trusted, saved):
    with pytest.raises(TypeError, match="expected"):
        load_model(saved[1] / "own module", trusted=trusted)


def test_module_that_is_gone_is_named(saved, path):
    save_model(saved[0]["own module"], path)
    rewrite(path, lambda schema: json.loads(json.dumps(schema).replace("test_persistence", "lost_module")))
    with pytest.raises(ModelFileError, match="No module named 'lost_module'"):
        load_model(path, trusted=["lost_module.Perceptron"])


def test_names_that_are_trusted_lead_somewhere():
    other_versions = {"pathlib._local"}
    for name in ALL_TRUSTED:
        module, _, attribute = name.rpartition(".")
        if module not in other_versions:
            assert callable(getattr(import_module(module), attribute)), name


@pytest.mark.parametrize("name", sorted({*sk_emotion.__all__, *networks.__all__}))
def test_every_public_estimator_and_specification_is_trusted(name):
    value = getattr(sk_emotion, name, None) or getattr(networks, name)
    if inspect.isclass(value) and issubclass(value, sklearn.base.BaseEstimator) and not inspect.isabstract(value):
        assert f"{value.__module__}.{value.__name__}" in TRUSTED_NAMES["ObjectNode"]


@pytest.mark.parametrize("name", get_scorer_names())
def test_every_scorer_of_a_classifier_is_trusted(name):
    function = get_scorer(name)._score_func
    if function.__module__.endswith(("_classification", "_ranking")):
        assert f"{function.__module__}.{function.__name__}" in TRUSTED_NAMES["FunctionNode"]


# What is refused on saving


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


# What is refused on loading


def test_missing_file_is_not_found(path):
    with pytest.raises(FileNotFoundError, match="there is no file") as caught:
        load_model(path)
    assert isinstance(caught.value, ModelFileError)


def write_pickle(path, canary, svm):
    path.write_bytes(pickle.dumps(Trap(canary)))


def write_joblib(path, canary, svm):
    joblib.dump(Trap(canary), path)


def write_checkpoint(path, canary, svm):
    torch.save({"weights": Trap(canary)}, path)


def write_arrays(path, canary, svm):
    with path.open("wb") as file:
        np.savez(file, a=np.array([Trap(canary)], dtype=object))


def write_empty_archive(path, canary, svm):
    zipfile.ZipFile(path, "w").close()


def write_truncated(path, canary, svm):
    save_model(svm, path)
    path.write_bytes(path.read_bytes()[:-200])


def write_damaged(path, canary, svm):
    save_model(svm, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 4 : len(content) // 3] = bytes(len(content) // 3 - len(content) // 4)
    path.write_bytes(content)


def write_deep(path, canary, svm):
    save_model(svm, path)
    rewrite(path, entries={".json": b"[" * 100_000})


def write_without_schema(path, canary, svm):
    save_model(svm, path)
    rewrite(path, entries={".json": b"{}"})


@pytest.mark.parametrize(
    "write",
    [
        lambda path, canary, svm: path.write_bytes(b""),
        lambda path, canary, svm: path.write_bytes(os.urandom(1000)),
        lambda path, canary, svm: path.write_text("model"),
        write_pickle,
        write_joblib,
        write_checkpoint,
        write_arrays,
        write_empty_archive,
        write_truncated,
        write_damaged,
        write_deep,
        write_without_schema,
    ],
)
def test_file_that_is_damaged_or_another_is_refused_in_one_line(write, svm, path, tmp_path):
    write(path, tmp_path / "canary", svm)
    with pytest.raises(ModelFileError, match="is damaged") as caught:
        load_model(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert not (tmp_path / "canary").exists()


def test_file_that_holds_no_model_is_refused(path):
    import skops.io

    skops.io.dump({"a": 1}, path)
    with pytest.raises(ModelFileError, match="holds a dict, expected a fitted estimator"):
        load_model(path)


def test_file_of_an_old_protocol_is_refused(svm, path):
    save_model(svm, path)
    rewrite(path, lambda schema: {**schema, "protocol": 0})
    with pytest.raises(ModelFileError, match="protocol 0"):
        load_model(path)


@pytest.mark.parametrize("make", [lambda array: array, lambda array: [array]])
def test_pickle_inside_of_an_array_is_never_read(make, svm, path, tmp_path):
    save_model(svm, path)
    buffer = io.BytesIO()
    np.save(buffer, np.array(make(Trap(tmp_path / "canary")), dtype=object), allow_pickle=True)
    rewrite(path, entries={".npy": buffer.getvalue()})
    with pytest.raises(ModelFileError, match="allow_pickle=False"):
        load_model(path)
    assert not (tmp_path / "canary").exists()


def test_pickle_inside_of_a_sparse_matrix_is_never_read(svm, path, tmp_path):
    from scipy import sparse

    model = copy.deepcopy(svm)
    model.matrix_ = sparse.csr_matrix(np.eye(2))
    save_model(model, path)
    assert (load_model(path).matrix_ != model.matrix_).nnz == 0
    buffer = io.BytesIO()
    np.savez(buffer, format=np.array([Trap(tmp_path / "canary")], dtype=object))
    rewrite(path, entries={".npz": buffer.getvalue()})
    with pytest.raises(ModelFileError, match="allow_pickle=False"):
        load_model(path)
    assert not (tmp_path / "canary").exists()


def text(value):
    return {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(value)}


def group(kind, *nodes):
    loader = {"list": "ListNode", "tuple": "TupleNode"}[kind]
    return {"__class__": kind, "__module__": "builtins", "__loader__": loader, "content": list(nodes)}


def mapping(**nodes):
    return {
        "__class__": "dict",
        "__module__": "builtins",
        "__loader__": "DictNode",
        "key_types": group(
            "list", *[{"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"}] * len(nodes)
        ),
        "content": nodes,
    }


def make_nodes(name, *arguments):
    """Give every way in which a file could ask for a name, and call it with arguments."""
    module, _, attribute = name.rpartition(".")
    named = {"__class__": attribute, "__module__": module}
    function = {**named, "__loader__": "FunctionNode"}
    arguments = group("tuple", *map(text, arguments))
    partial = {"func": function, "args": arguments, "kwds": mapping(), "namespace": mapping()}
    return {
        "FunctionNode": function,
        "TypeNode": {**named, "__loader__": "TypeNode"},
        "ObjectNode": {**named, "__loader__": "ObjectNode", "content": mapping()},
        "ConstructorFromReduceNode": {**named, "__loader__": "ConstructorFromReduceNode", "content": arguments},
        "ListNode": {**named, "__loader__": "ListNode", "content": []},
        "SetNode": {**named, "__loader__": "SetNode", "content": []},
        "TupleNode": {**named, "__loader__": "TupleNode", "content": []},
        "DictNode": {**mapping(), **named},
        "RandomStateNode": {**named, "__loader__": "RandomStateNode", "content": mapping()},
        "LossNode": {
            **named,
            "__loader__": "LossNode",
            "__reduce__": {"args": arguments},
            "content": mapping(),
        },
        "PartialNode": {
            "__class__": "partial",
            "__module__": "functools",
            "__loader__": "PartialNode",
            "content": partial,
        },
        "DefaultDictNode": {
            "__class__": "defaultdict",
            "__module__": "collections",
            "__loader__": "DefaultDictNode",
            "content": {"main": mapping(), "default_factory": function},
        },
    }


WAYS = list(make_nodes("os.mkdir"))


def plant(path, svm, node):
    save_model(svm, path)
    rewrite(path, lambda schema: find(schema, "StandardScaler").update(with_mean=node))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "name",
    [
        "os.mkdir",
        "builtins.eval",
        "joblib.load",
        "numpy.load",
        "numpy.memmap",
        "sklearn.base.clone",
        "sklearn.datasets._base.load_files",
        "sklearn.datasets._lfw.joblib",
        "sklearn.utils._testing._get_args",
        "sk_emotion.persistence.load_model",
        "sk_emotion.classifier.torch",
        "skops.io.loads",
        "scipy.stats._continuous_distns.reciprocal_gen",
        "torch.load",
        "lost_module.function",
    ],
)
def test_name_that_is_not_trusted_is_refused(name, way, svm, path, tmp_path):
    plant(path, svm, make_nodes(name, str(tmp_path / "canary"))[way])
    with pytest.raises(ModelFileError, match=rf"needs .*{name}\b.*Only if you trust"):
        load_model(path)
    assert not (tmp_path / "canary").exists()
    assert "lost_module" not in sys.modules


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"ObjectNode"}))
@pytest.mark.parametrize("name", ["sk_emotion.preprocessing._face_loader.FaceLoader", "imblearn.pipeline.Pipeline"])
def test_name_that_is_trusted_for_an_object_is_trusted_for_nothing_else(name, way, svm, path):
    plant(path, svm, make_nodes(name)[way])
    with pytest.raises(ModelFileError, match=f"needs .*{name}"):
        load_model(path)


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"FunctionNode", "PartialNode", "DefaultDictNode"}))
def test_function_that_is_trusted_is_not_called(way, svm, path):
    plant(path, svm, make_nodes("sklearn.metrics._classification.f1_score")[way])
    with pytest.raises(ModelFileError, match=r"needs .*f1_score"):
        load_model(path)


@pytest.mark.parametrize("name", ["methodcaller", "attrgetter", "call"])
def test_operators_are_refused(name, svm, path):
    node = {"__class__": name, "__module__": "operator", "__loader__": "OperatorFuncNode"}
    plant(path, svm, {**node, "attrs": group("tuple", text("fit"))})
    with pytest.raises(ModelFileError, match=f"needs operator.{name}"):
        load_model(path)


def test_methods_of_trusted_objects_are_refused(svm, path):
    owner = {"__class__": "FaceLoader", "__module__": "sk_emotion.preprocessing._face_loader"}
    content = {"func": "fit", "obj": {**owner, "__loader__": "ObjectNode", "content": mapping()}}
    plant(path, svm, {**owner, "__loader__": "MethodNode", "content": content})
    with pytest.raises(ModelFileError, match=r"FaceLoader\.fit"):
        load_model(path)


def test_object_is_not_found_by_the_number_of_another(svm, path):
    node = {"__class__": "mkdir", "__module__": "os", "__loader__": "CachedNode", "__id__": 1}
    plant(path, svm, node)
    with pytest.raises(ModelFileError):
        load_model(path)


def test_class_that_is_renamed_in_the_file_is_refused(trained, path):
    save_model(trained, path)
    rewrite(path, lambda schema: {**schema, "__module__": "test_persistence", "__class__": "Trap"})
    with pytest.raises(ModelFileError, match=r"needs test_persistence\.Trap"):
        load_model(path)


def test_function_of_a_transformer_has_to_be_trusted(few, path):
    X, y, _ = few
    rows = X.reshape(len(X), -1).astype(float)
    model = make_pipeline(FunctionTransformer(np.sqrt), StandardScaler(), LogisticRegression()).fit(rows, y)
    np.testing.assert_array_equal(save_and_load(model, path).predict(rows), model.predict(rows))
    rewrite(
        path, lambda schema: find(schema, "FunctionTransformer").update(func=make_nodes("os.mkdir")["FunctionNode"])
    )
    with pytest.raises(ModelFileError, match=r"needs os\.mkdir"):
        load_model(path)


def test_weights_that_do_not_fit_the_network_are_refused(trained, path):
    save_model(trained, path)
    rewrite(path, lambda schema: find(schema, "ResNet").update(width=text(8)))
    with pytest.raises(ModelFileError, match="is damaged"):
        load_model(path)


def test_other_version_of_scikit_learn_is_told(svm, path):
    save_model(svm, path)
    rewrite(path, lambda schema: find(schema, "StandardScaler").update(_sklearn_version=text("1.0")))
    with pytest.warns(InconsistentVersionWarning, match="StandardScaler from version 1.0"):
        load_model(path)
    with warnings.catch_warnings(), pytest.raises(InconsistentVersionWarning):
        warnings.simplefilter("error")
        load_model(path)
