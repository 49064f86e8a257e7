"""Expected calibration error against values computed by hand."""

import numpy as np
import pytest

from sk_emotion.metrics import expected_calibration_error


def test_error_is_zero_when_confidence_equals_accuracy():
    proba = np.tile([0.75, 0.25], (8, 1))
    assert expected_calibration_error(["a"] * 6 + ["b"] * 2, proba) == pytest.approx(0)


def test_bins_are_weighted_by_size():
    # Three faces with confidence 0.9, one of them classified correctly; one correct face with 0.6.
    proba = [[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6]]
    expected = 0.75 * abs(0.9 - 1 / 3) + 0.25 * abs(0.6 - 1)
    assert expected_calibration_error(["a", "b", "b", "b"], proba) == pytest.approx(expected)


def test_single_bin_compares_means():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), size=50)
    y = rng.integers(0, 3, 50)
    gap = proba.max(axis=1).mean() - (proba.argmax(axis=1) == y).mean()
    assert expected_calibration_error(y, proba, n_bins=1) == pytest.approx(abs(gap))


def test_columns_match_classes():
    proba = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert expected_calibration_error(["b", "a"], proba, classes=["a", "b", "c"]) == 0
    with pytest.raises(ValueError, match=r"3 columns for 2 classes: \['a', 'b'\]. Pass classes=model.classes_"):
        expected_calibration_error(["b", "a"], proba)
