"""No file names a folder that is unpickled from, nor one that is written to without a word."""

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
from sk_emotion.utils._named_folders import FOLDERS

ROWS = np.random.default_rng(0).normal(size=(30, 4))
LABELS = np.arange(30) % 2


class Trap:
    """Whose pickle makes a folder when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def make_pipeline(memory, package=sklearn.pipeline):
    # Only what comes before the last step is kept in the memory.
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
    "a text": str,
    "an object of joblib": lambda folder: joblib.Memory(folder, verbose=0),
}


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("what", MODELS)
def test_memory_is_forgotten_with_a_warning_and_all_else_is_kept(what, memory, path, tmp_path):
    folder = tmp_path / "memory"
    model = MODELS[what](MEMORIES[memory](str(folder))).fit(ROWS, LABELS)
    with pytest.warns(UserWarning, match="memory is not kept in a saved model"):
        save_model(model, path)
    loaded = load_model(path, trusted=["numpy.mean"])
    np.testing.assert_array_equal(loaded.predict_proba(ROWS), model.predict_proba(ROWS))
    entries = poison(folder, tmp_path / "canary")
    np.testing.assert_array_equal(loaded.fit(ROWS, LABELS).predict_proba(ROWS), model.predict_proba(ROWS))
    assert entries or what == "a frozen model"
    assert not (tmp_path / "canary").exists()
    assert set(folder.rglob("*.pkl")) == set(entries)


def poison(folder, canary):
    """Let whoever reads an entry of joblib's make a folder."""
    entries = list(folder.rglob("output.pkl"))
    for entry in entries:
        entry.write_bytes(pickle.dumps(Trap(canary)))
    return entries


def test_model_without_a_memory_is_saved_without_a_warning(path):
    model = make_pipeline(None).fit(ROWS, LABELS)
    assert save_and_load(model, path).memory is None


def test_model_that_is_saved_keeps_its_own_memory(path, tmp_path):
    model = make_pipeline(str(tmp_path / "memory")).fit(ROWS, LABELS)
    with pytest.warns(UserWarning, match="memory is not kept"):
        save_model(model, path)
    assert model.memory == str(tmp_path / "memory")


MEMORY = text("kept")
FORGED = {
    "a text": MEMORY,
    "a text with spaces before it": {**MEMORY, "content": '  "kept"'},
    "a path": call("pathlib.PosixPath", text("kept")),
    "a list": group("list", MEMORY),
    "a list in a list": group("list", group("tuple", MEMORY)),
    "an object": name("ObjectNode", "joblib.memory.Memory", content=mapping(location=MEMORY)),
}


@pytest.mark.parametrize("what", FORGED)
@pytest.mark.parametrize("key", ["memory", "pipeline__memory", "a\nb__memory"])
def test_memory_of_a_forged_file_is_forgotten(what, key, path):
    save_model(make_pipeline(None).fit(ROWS, LABELS), path)
    node = FORGED[what]
    if key == "memory":
        content = forge(path.read_bytes(), lambda schema: find(schema, "Pipeline").update(memory=node))
    else:
        content = forge(
            path.read_bytes(), lambda schema: find(schema, "Pipeline").update(verbose=mapping(**{key: node}))
        )
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"names a memory \(.*It is left out"):
        loaded = load_model(path)
    kept = loaded.memory if key == "memory" else loaded.verbose[key]
    assert "kept" not in str(kept) and "Memory" not in str(kept)


@pytest.mark.parametrize("value", [None, True, 3, 0.5])
def test_memory_that_is_no_folder_is_left_alone(value, path):
    save_model(make_pipeline(None).fit(ROWS, LABELS), path)
    content = forge(path.read_bytes(), lambda schema: find(schema, "Pipeline").update(memory=text(value)))
    path.write_bytes(content)
    assert load_model(path).memory == value


@pytest.mark.parametrize("package", ["sklearn.pipeline", "imblearn.pipeline"])
def test_attributes_do_not_come_as_pairs(package, path):
    """Keys would not be seen, and ``dict.update`` takes pairs."""
    save_model(make_pipeline(None).fit(ROWS, LABELS), path)
    pair = group("tuple", text("memory"), MEMORY)
    state = name("ObjectNode", f"{package}.Pipeline", content=group("list", pair))
    path.write_bytes(forge(path.read_bytes(), lambda schema: find(schema, "Pipeline").update(verbose=state)))
    with pytest.raises(ModelFileError, match="not as skops writes it"):
        load_model(path)


@pytest.fixture
def photos(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((40, 40, 3), 50 * number, np.uint8)).save(path)
    return [str(path) for path in paths]


@pytest.mark.parametrize("make", [str, Path, os.fspath])
@pytest.mark.parametrize("copy_of", [lambda loader: loader, clone, copy.deepcopy])
def test_cache_of_a_file_is_written_to_with_one_warning(make, copy_of, photos, path, tmp_path):
    cache = make(tmp_path / "cache")
    pipeline = sklearn.pipeline.make_pipeline(FaceLoader(image_size=24, cache=cache), make_classifier())
    loaded = save_and_load(pipeline.fit(photos, LABELS[:4]), path)
    loader = copy_of(loaded[0]).fit(photos)
    assert loader.cache == cache
    with pytest.warns(DatasetWarning, match=r"cache=.* comes from a model file"):
        loader.transform(photos)
    # Once is enough, and arrays are not kept at all.
    loader.transform(photos)
    load_model(path)[0].transform(np.zeros((2, 24, 24), np.uint8))


def test_cache_that_is_set_again_is_the_users_own(photos, path, tmp_path):
    loader = FaceLoader(image_size=24, cache=tmp_path / "cache")
    pipeline = sklearn.pipeline.make_pipeline(loader, make_classifier()).fit(photos, LABELS[:4])
    loaded = save_and_load(pipeline, path).set_params(faceloader__cache=tmp_path / "mine")
    loaded.predict(photos)
    assert (tmp_path / "mine").exists()


@pytest.mark.parametrize("grid", [False, True])
def test_checkpoints_of_a_file_are_written_with_a_warning(grid, few, path, tmp_path):
    X, y, _ = few
    folder = tmp_path / "checkpoints"
    model = make_classifier(checkpoint_dir=folder)
    if grid:
        model = GridSearchCV(make_classifier(), {"checkpoint_dir": [str(folder)]}, cv=2)
    loaded = save_and_load(model.fit(X, y), path)
    assert (loaded.param_grid["checkpoint_dir"] == [str(folder)]) if grid else (loaded.checkpoint_dir == folder)
    with pytest.warns(CheckpointWarning, match=r"checkpoint_dir=.* comes from a model file"):
        loaded.fit(X, y)


def test_saving_alone_makes_no_folder_suspect(few, path, tmp_path):
    X, y, _ = few
    model = make_classifier(checkpoint_dir=tmp_path / "checkpoints").fit(X, y)
    save_model(model, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)


@pytest.fixture(autouse=True)
def forget_folders():
    yield
    FOLDERS.clear()
