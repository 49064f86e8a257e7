"""Names that a file may use, and names that the user must trust."""

import inspect
import json
import sys
import warnings
from importlib import import_module

import numpy as np
import pytest
import sklearn
from imblearn.pipeline import make_pipeline
from saved_models import Detector, Perceptron, detect_middle, find, rewrite, save_and_load
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import sk_emotion
from sk_emotion import (
    HOGTransformer,
    load_model,
    make_hog_svm,
    networks,
    save_model,
)
from sk_emotion.exceptions import ModelFileError
from sk_emotion.persistence._trusted import ALL_TRUSTED
from sk_emotion.persistence._trusted import TRUSTED as TRUSTED_NAMES


@pytest.mark.parametrize("trusted", [[Perceptron], ["saved_models.Perceptron"], iter([Perceptron])])
def test_custom_module_must_be_trusted(trusted, saved, few):
    models, folder = saved
    with pytest.raises(ModelFileError, match=r"trusted=\['saved_models\.Perceptron'\]"):
        load_model(folder / "own module")
    loaded = load_model(folder / "own module", trusted=trusted)
    np.testing.assert_array_equal(loaded.predict(few[0]), models["own module"].predict(few[0]))


@pytest.mark.parametrize("detector, trusted", [(detect_middle, detect_middle), (Detector(3), Detector)])
def test_custom_detector_must_be_trusted(detector, trusted, few, path):
    X, y, _ = few
    pipeline = make_hog_svm(image_size=24, probability=False, detector=detector).fit(X, y)
    save_model(pipeline, path)
    with pytest.raises(ModelFileError, match=f"needs saved_models.{trusted.__name__}. Only if you trust"):
        load_model(path)
    np.testing.assert_array_equal(load_model(path, trusted=[trusted]).predict(X), pipeline.predict(X))


def test_custom_method_must_be_trusted_with_its_class(few, path):
    X, y, _ = few
    pipeline = make_hog_svm(image_size=24, probability=False, detector=Detector(3).__call__).fit(X, y)
    save_model(pipeline, path)
    with pytest.raises(ModelFileError, match=r"Detector, saved_models\.Detector\.__call__"):
        load_model(path, trusted=[])
    loaded = load_model(path, trusted=[Detector, Detector.__call__])
    np.testing.assert_array_equal(loaded.predict(X), pipeline.predict(X))


def test_trees_must_be_trusted(few, path):
    X, y, _ = few
    forest = make_pipeline(HOGTransformer(), RandomForestClassifier(2, random_state=0)).fit(X, y)
    save_model(forest, path)
    with pytest.raises(ModelFileError, match=r"sklearn\.tree\._tree\.Tree"):
        load_model(path)
    loaded = load_model(path, trusted=["sklearn.tree._tree.Tree"])
    np.testing.assert_array_equal(loaded.predict_proba(X), forest.predict_proba(X))


@pytest.mark.parametrize("trusted", ["saved_models.Perceptron", Perceptron, True, None, [3]])
def test_trusted_must_be_a_list_of_names(trusted, saved):
    with pytest.raises(TypeError, match="expected"):
        load_model(saved[1] / "own module", trusted=trusted)


def test_missing_module_is_named(saved, path):
    save_model(saved[0]["own module"], path)
    rewrite(path, lambda schema: json.loads(json.dumps(schema).replace("saved_models", "lost_module")))
    with pytest.raises(ModelFileError, match="No module named 'lost_module'"):
        load_model(path, trusted=["lost_module.Perceptron"])


def test_trusted_names_exist():
    other_versions = {"pathlib._local"}
    for name in ALL_TRUSTED:
        module, _, attribute = name.rpartition(".")
        if module not in other_versions:
            assert callable(getattr(import_module(module), attribute)), name


# OnnxClassifier would open another file.
@pytest.mark.parametrize("name", sorted({*sk_emotion.__all__, *networks.__all__} - {"OnnxClassifier"}))
def test_every_public_estimator_and_network_is_trusted(name):
    value = getattr(sk_emotion, name, None) or getattr(networks, name)
    if inspect.isclass(value) and issubclass(value, sklearn.base.BaseEstimator) and not inspect.isabstract(value):
        assert f"{value.__module__}.{value.__name__}" in TRUSTED_NAMES["ObjectNode"]


@pytest.mark.parametrize("name", get_scorer_names())
def test_every_classification_scorer_is_trusted(name):
    function = get_scorer(name)._score_func
    if function.__module__.endswith(("_classification", "_ranking")):
        assert f"{function.__module__}.{function.__name__}" in TRUSTED_NAMES["FunctionNode"]


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
    """Return every kind of node that could use a name and call it with arguments."""
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
def test_untrusted_name_is_rejected(name, way, svm, path, tmp_path):
    plant(path, svm, make_nodes(name, str(tmp_path / "canary"))[way])
    with pytest.raises(ModelFileError, match=rf"needs .*{name}\b.*Only if you trust"):
        load_model(path)
    assert not (tmp_path / "canary").exists()
    assert "lost_module" not in sys.modules


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"ObjectNode"}))
@pytest.mark.parametrize("name", ["sk_emotion.preprocessing._face_loader.FaceLoader", "imblearn.pipeline.Pipeline"])
def test_name_trusted_for_objects_is_rejected_elsewhere(name, way, svm, path):
    plant(path, svm, make_nodes(name)[way])
    with pytest.raises(ModelFileError, match=f"needs .*{name}"):
        load_model(path)


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"FunctionNode", "PartialNode", "DefaultDictNode"}))
def test_trusted_function_is_not_called(way, svm, path):
    plant(path, svm, make_nodes("sklearn.metrics._classification.f1_score")[way])
    with pytest.raises(ModelFileError, match=r"needs .*f1_score"):
        load_model(path)


@pytest.mark.parametrize("name", ["methodcaller", "attrgetter", "call"])
def test_operators_are_rejected(name, svm, path):
    node = {"__class__": name, "__module__": "operator", "__loader__": "OperatorFuncNode"}
    plant(path, svm, {**node, "attrs": group("tuple", text("fit"))})
    with pytest.raises(ModelFileError, match=f"needs operator.{name}"):
        load_model(path)


def test_methods_of_trusted_objects_are_rejected(svm, path):
    owner = {"__class__": "FaceLoader", "__module__": "sk_emotion.preprocessing._face_loader"}
    content = {"func": "fit", "obj": {**owner, "__loader__": "ObjectNode", "content": mapping()}}
    plant(path, svm, {**owner, "__loader__": "MethodNode", "content": content})
    with pytest.raises(ModelFileError, match=r"FaceLoader\.fit"):
        load_model(path)


def test_cached_node_is_rejected(svm, path):
    node = {"__class__": "mkdir", "__module__": "os", "__loader__": "CachedNode", "__id__": 1}
    plant(path, svm, node)
    with pytest.raises(ModelFileError):
        load_model(path)


def test_renamed_class_is_rejected(trained, path):
    save_model(trained, path)
    rewrite(path, lambda schema: {**schema, "__module__": "saved_models", "__class__": "Trap"})
    with pytest.raises(ModelFileError, match=r"needs saved_models\.Trap"):
        load_model(path)


def test_function_of_a_transformer_must_be_trusted(few, path):
    X, y, _ = few
    rows = X.reshape(len(X), -1).astype(float)
    model = make_pipeline(FunctionTransformer(np.sqrt), StandardScaler(), LogisticRegression()).fit(rows, y)
    np.testing.assert_array_equal(save_and_load(model, path).predict(rows), model.predict(rows))
    rewrite(
        path, lambda schema: find(schema, "FunctionTransformer").update(func=make_nodes("os.mkdir")["FunctionNode"])
    )
    with pytest.raises(ModelFileError, match=r"needs os\.mkdir"):
        load_model(path)


def test_weights_that_do_not_match_the_network_are_rejected(trained, path):
    save_model(trained, path)
    rewrite(path, lambda schema: find(schema, "ResNet").update(width=text(8)))
    with pytest.raises(ModelFileError, match="is damaged"):
        load_model(path)


def test_other_version_of_scikit_learn_warns(svm, path):
    save_model(svm, path)
    rewrite(path, lambda schema: find(schema, "StandardScaler").update(_sklearn_version=text("1.0")))
    with pytest.warns(InconsistentVersionWarning, match="StandardScaler from version 1.0"):
        load_model(path)
    with warnings.catch_warnings(), pytest.raises(InconsistentVersionWarning):
        warnings.simplefilter("error")
        load_model(path)
