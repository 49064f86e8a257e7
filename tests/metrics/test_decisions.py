"""Classifiers that give decisions for the second class alone, asked for the first."""

import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from sklearn.metrics import RocCurveDisplay
from sklearn.svm import SVC

from sk_emotion import EmotionReport, MulticlassRocCurveDisplay, make_hog_svm


@pytest.mark.filterwarnings("ignore::sk_emotion.exceptions.DatasetWarning")
@pytest.mark.parametrize("pos_label", ["happiness", "pain"])
def test_area_is_that_of_scikit_learn_whichever_class_is_asked_for(faces, pos_label):
    X, y, _ = faces
    rows = X.reshape(len(X), -1)
    svm = SVC().fit(rows[:30], y[:30])
    expected = RocCurveDisplay.from_estimator(svm, rows[30:], y[30:], pos_label=pos_label).roc_auc
    report = EmotionReport.from_estimator(svm, rows[30:], y[30:], pos_label=pos_label, n_resamples=0)
    assert report.scores_.loc["roc_auc", "value"] == pytest.approx(expected)
    drawn = MulticlassRocCurveDisplay.from_estimator(svm, rows[30:], y[30:], pos_label=pos_label)
    assert drawn.roc_auc == {pos_label: pytest.approx(expected)}


@pytest.mark.filterwarnings("ignore::sk_emotion.exceptions.DatasetWarning")
def test_sampler_of_rows_equalises_images(faces):
    X, y, _ = faces
    svm = make_hog_svm(image_size=24).fit(X, y)
    rows = np.flatnonzero((y == "pain") | (np.arange(len(y)) < 20))
    report = EmotionReport.from_estimator(
        svm, X[rows], y[rows], equalize=RandomOverSampler(random_state=0), n_resamples=0
    )
    assert len(set(report.equalized_.per_class_["support"])) == 1
