"""The corrected t-test of constant differences, and the table of differences."""

import math

import numpy as np
import pandas as pd
import pytest

from sk_emotion.model_selection._comparison_tests import corrected_t_test, list_differences


@pytest.mark.parametrize(("difference", "expected"), [(0.5, (math.inf, 0)), (-0.5, (-math.inf, 0)), (0, (0, 1))])
def test_constant_differences_have_p_zero_or_one(difference, expected):
    assert corrected_t_test(np.full(3, float(difference)), 0.25) == expected


def test_differences_of_the_best_skip_estimators_without_scores():
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
