"""Model files of released versions still load and predict the same."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning

from sk_emotion import load_model

GOLDEN = sorted(Path(__file__).with_name("golden").glob("*.skops"))


def test_files_of_the_first_release_exist():
    assert {path.stem for path in GOLDEN} >= {"0.1.0-cnn", "0.1.0-hog-svm", "0.1.0-search"}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_file_of_a_release_predicts_the_same(path):
    known = json.loads(path.with_suffix(".json").read_text())
    with warnings.catch_warnings():
        # The file may come from an older version of scikit-learn.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        model = load_model(path)
    faces = np.array(known["faces"], dtype=np.uint8)
    assert model.classes_.tolist() == known["classes"]
    np.testing.assert_allclose(model.predict_proba(faces), known["probabilities"], atol=1e-4)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_file_of_a_release_is_small(path):
    assert path.stat().st_size < 60_000
