"""Model files cannot set folders that are unpickled from, nor silently set folders that are written to."""

import copy
import os
import pickle
import warnings
from pathlib import Path

import imblearn.pipeline
import joblib
import numpy as np
import pytest
import sklearn.pipeline
from forging import call, find, forge, group, mapping, name, text
from PIL import Image
from saved_models import make_classifier, save_and_load
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import FeatureAgglomeration
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.preprocessing import StandardScaler

from sk_emotion import FaceLoader, load_model, save_model
from sk_emotion.exceptions import CheckpointWarning, DatasetWarning, ModelFileError
from sk_emotion.utils._files import NAMED_FOLDERS

ROWS = np.random.default_rng(0).normal(size=(30, 4))
LABELS = np.arange(30) % 2


class Trap:
    """Object whose pickle creates a folder when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def make_pipeline(memory, package=sklearn.pipeline):
    # The memory only caches the steps before the last.
    steps = [("scaler", StandardScaler()), ("classifier", LogisticRegression())]
    return package.Pipeline(steps, memory=memory)


MODELS = {
    "a pipeline": make_pipeline,
    "a pipeline of imbalanced-learn": lambda memory: make_pipeline(memory, imblearn.pipeline),
    "a pipeline in a pipeline": lambda memory: sklearn.pipeline.make_pipeline(StandardScaler(), make_pipeline(memory)),
    "a search": lambda memory: GridSearchCV(make_pipeline(memory), {"classifier__C": [1.0, 2.0]}, cv=2),
    "a search for a memory": lambda memory: GridSearchCV(make_pipeline(None), {"memory": [memory]}, cv=2),
    "a search in a pipeline": lambda memory: sklearn.pipeline.Pipeline(
        [("search", GridSearchCV(make_pipeline(memory), {"memory": [memory, None]}, cv=2))], memory=memory
    ),
    "a calibration": lambda memory: CalibratedClassifierCV(make_pipeline(memory), cv=2),
    "a frozen model": lambda memory: FixedThresholdClassifier(
        FrozenEstimator(make_pipeline(memory).fit(ROWS, LABELS)), threshold=0.4
    ),
    "a vote": lambda memory: VotingClassifier(
        [("one", make_pipeline(memory)), ("other", LogisticRegression())], voting="soft"
    ),
    "a bag": lambda memory: BaggingClassifier(make_pipeline(memory), n_estimators=2, random_state=0),
    "clusters of features": lambda memory: sklearn.pipeline.make_pipeline(
        FeatureAgglomeration(memory=memory), LogisticRegression()
    ),
    "columns": lambda memory: sklearn.pipeline.make_pipeline(
        ColumnTransformer([("all", FeatureAgglomeration(memory=memory), [0, 1, 2])]), LogisticRegression()
    ),
}
MEMORIES = {
    "a string": str,
    "a joblib.Memory": lambda folder: joblib.Memory(folder, verbose=0),
}


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("what", MODELS)
def test_memory_is_removed_with_a_warning(what, memory, path, tmp_path):
    folder = tmp_path / "memory"
    model = MODELS[what](MEMORIES[memory](str(folder))).fit(ROWS, LABELS)
    with pytest.warns(UserWarning, match=r"memory \(.*\) is not saved"):
        save_model(model, path)
    loaded = load_model(path, trusted=["numpy.mean"])
    np.testing.assert_array_equal(loaded.predict_proba(ROWS), model.predict_proba(ROWS))
    entries = poison(folder, tmp_path / "canary")
    np.testing.assert_array_equal(loaded.fit(ROWS, LABELS).predict_proba(ROWS), model.predict_proba(ROWS))
    assert entries or what == "a frozen model"
    assert not (tmp_path / "canary").exists()
    assert set(folder.rglob("*.pkl")) == set(entries)


def poison(folder, canary):
    """Replace entries of joblib by pickles that create a folder when they are loaded."""
    entries = list(folder.rglob("output.pkl"))
    for entry in entries:
        entry.write_bytes(pickle.dumps(Trap(canary)))
    return entries


def test_model_without_memory_is_saved_without_a_warning(path):
    model = make_pipeline(None).fit(ROWS, LABELS)
    assert save_and_load(model, path).memory is None


def test_saving_does_not_change_the_memory_of_the_model(path, tmp_path):
    model = make_pipeline(str(tmp_path / "memory")).fit(ROWS, LABELS)
    with pytest.warns(UserWarning, match="is not saved"):
        save_model(model, path)
    assert model.memory == str(tmp_path / "memory")


MEMORY = text("kept")
FORGED = {
    "a string": MEMORY,
    "a string after spaces": {**MEMORY, "content": '  "kept"'},
    "a path": call("pathlib.PosixPath", text("kept")),
    "a list": group("list", MEMORY),
    "a list in a list": group("list", group("tuple", MEMORY)),
    "an object": name("ObjectNode", "joblib.memory.Memory", content=mapping(location=MEMORY)),
}


@pytest.mark.parametrize("what", FORGED)
@pytest.mark.parametrize("key", ["memory", "pipeline__memory", "a\nb__memory"])
def test_memory_of_a_forged_file_is_ignored(what, key, path):
    save_model(make_pipeline(None).fit(ROWS, LABELS), path)
    node = FORGED[what]
    if key == "memory":
        content = forge(path.read_bytes(), lambda schema: find(schema, "Pipeline").update(memory=node))
    else:
        content = forge(
            path.read_bytes(), lambda schema: find(schema, "Pipeline").update(verbose=mapping(**{key: node}))
        )
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"sets memory \(.*It is ignored"):
        loaded = load_model(path)
    kept = loaded.memory if key == "memory" else loaded.verbose[key]
    assert "kept" not in str(kept) and "Memory" not in str(kept)


@pytest.mark.parametrize("value", [None, True, 3, 0.5])
def test_memory_that_is_not_a_folder_is_kept(value, path):
    save_model(make_pipeline(None).fit(ROWS, LABELS), path)
    content = forge(path.read_bytes(), lambda schema: find(schema, "Pipeline").update(memory=text(value)))
    path.write_bytes(content)
    assert load_model(path).memory == value


@pytest.mark.parametrize("package", ["sklearn.pipeline", "imblearn.pipeline"])
def test_attributes_as_pairs_are_an_error(package, path):
    """Their keys would not be checked, and ``dict.update`` accepts pairs."""
    save_model(make_pipeline(None).fit(ROWS, LABELS), path)
    pair = group("tuple", text("memory"), MEMORY)
    state = name("ObjectNode", f"{package}.Pipeline", content=group("list", pair))
    path.write_bytes(forge(path.read_bytes(), lambda schema: find(schema, "Pipeline").update(verbose=state)))
    with pytest.raises(ModelFileError, match="not written by skops"):
        load_model(path)


@pytest.fixture
def photos(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((40, 40, 3), 50 * number, np.uint8)).save(path)
    return [str(path) for path in paths]


@pytest.mark.parametrize("make", [str, Path, os.fspath])
@pytest.mark.parametrize("copy_of", [lambda loader: loader, clone, copy.deepcopy])
def test_writing_to_the_cache_of_a_file_warns_once(make, copy_of, photos, path, tmp_path):
    cache = make(tmp_path / "cache")
    pipeline = sklearn.pipeline.make_pipeline(FaceLoader(image_size=24, cache=cache), make_classifier())
    loaded = save_and_load(pipeline.fit(photos, LABELS[:4]), path)
    loader = copy_of(loaded[0]).fit(photos)
    assert loader.cache == cache
    with pytest.warns(DatasetWarning, match=r"cache=.* comes from a model file"):
        loader.transform(photos)
    # No second warning, and no warning for arrays, which are not cached.
    loader.transform(photos)
    load_model(path)[0].transform(np.zeros((2, 24, 24), np.uint8))


def test_cache_set_by_the_user_does_not_warn(photos, path, tmp_path):
    loader = FaceLoader(image_size=24, cache=tmp_path / "cache")
    pipeline = sklearn.pipeline.make_pipeline(loader, make_classifier()).fit(photos, LABELS[:4])
    loaded = save_and_load(pipeline, path).set_params(faceloader__cache=tmp_path / "mine")
    loaded.predict(photos)
    assert (tmp_path / "mine").exists()


@pytest.mark.parametrize("grid", [False, True])
def test_writing_to_the_checkpoint_dir_of_a_file_warns(grid, few, path, tmp_path):
    X, y, _ = few
    folder = tmp_path / "checkpoints"
    model = make_classifier(checkpoint_dir=folder)
    if grid:
        model = GridSearchCV(make_classifier(), {"checkpoint_dir": [str(folder)]}, cv=2)
    loaded = save_and_load(model.fit(X, y), path)
    assert (loaded.param_grid["checkpoint_dir"] == [str(folder)]) if grid else (loaded.checkpoint_dir == folder)
    with pytest.warns(CheckpointWarning, match=r"checkpoint_dir=.* comes from a model file"):
        loaded.fit(X, y)


def test_saving_does_not_mark_folders(few, path, tmp_path):
    X, y, _ = few
    model = make_classifier(checkpoint_dir=tmp_path / "checkpoints").fit(X, y)
    save_model(model, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)


@pytest.fixture(autouse=True)
def clear_folders():
    yield
    NAMED_FOLDERS.clear()
