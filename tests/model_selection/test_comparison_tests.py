"""Tests of differences where nothing varies, and what is listed of them."""

import math

import numpy as np
import pandas as pd
import pytest

from sk_emotion.model_selection._comparison_tests import corrected_t_test, list_differences


@pytest.mark.parametrize(("difference", "expected"), [(0.5, (math.inf, 0)), (-0.5, (-math.inf, 0)), (0, (0, 1))])
def test_differences_that_do_not_vary_are_certain_unless_there_are_none(difference, expected):
    assert corrected_t_test(np.full(3, float(difference)), 0.25) == expected


def test_differences_are_of_the_best_from_each_other_one_that_has_a_score():
    scores = pd.DataFrame(
        {
            "estimator": np.repeat(["low", "best", "failed", "half"], 2),
            "fold": [0, 1] * 4,
            "f1": [0.25, 0.5, 0.75, 0.625, math.nan, math.nan, 0.5, math.nan],
        }
    )
    differences = list_differences(scores, "f1", "best")
    assert list(differences.columns) == ["low", "half"]
    assert differences["low"].tolist() == [0.5, 0.125]
    np.testing.assert_array_equal(differences["half"], [0.25, math.nan])
    assert list_differences(scores, "f1", None).empty
