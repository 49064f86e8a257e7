"""Binary decision values with either class as the positive one."""

import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from sklearn.metrics import RocCurveDisplay
from sklearn.svm import SVC

from sk_emotion import EmotionReport, MulticlassRocCurveDisplay, make_hog_svm


@pytest.mark.filterwarnings("ignore::sk_emotion.exceptions.DatasetWarning")
@pytest.mark.parametrize("pos_label", ["happiness", "pain"])
def test_area_matches_scikit_learn_for_either_pos_label(faces, pos_label):
    X, y, _ = faces
    rows = X.reshape(len(X), -1)
    svm = SVC().fit(rows[:30], y[:30])
    expected = RocCurveDisplay.from_estimator(svm, rows[30:], y[30:], pos_label=pos_label).roc_auc
    report = EmotionReport.from_estimator(svm, rows[30:], y[30:], pos_label=pos_label, n_resamples=0)
    assert report.scores.loc["roc_auc", "value"] == pytest.approx(expected)
    drawn = MulticlassRocCurveDisplay.from_estimator(svm, rows[30:], y[30:], pos_label=pos_label)
    assert drawn.roc_auc == {pos_label: pytest.approx(expected)}


@pytest.mark.filterwarnings("ignore::sk_emotion.exceptions.DatasetWarning")
def test_sampler_of_flattened_images_equalizes_the_test_set(faces):
    X, y, _ = faces
    svm = make_hog_svm(image_size=24).fit(X, y)
    rows = np.flatnonzero((y == "pain") | (np.arange(len(y)) < 20))
    report = EmotionReport.from_estimator(
        svm, X[rows], y[rows], equalize=RandomOverSampler(random_state=0), n_resamples=0
    )
    assert len(set(report.equalized.per_class["support"])) == 1
