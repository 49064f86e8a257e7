"""Weighted scores match scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from sk_emotion.metrics._scoring import draw_resamples, find_interval, rank_images, score_predictions

N_SAMPLES, N_CLASSES = 200, 4


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(0)
    true = rng.integers(0, N_CLASSES, N_SAMPLES)
    score = rng.dirichlet(np.ones(N_CLASSES), N_SAMPLES)
    score[np.arange(N_SAMPLES), true] += 0.3
    # Rounded for many ties.
    return true, score.argmax(axis=1), score.round(1)


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_match_scikit_learn(predictions, weighted):
    true, predicted, score = predictions
    weight = np.random.default_rng(1).integers(0, 4, N_SAMPLES).astype(float) if weighted else np.ones(N_SAMPLES)
    overall, per_class = score_predictions(
        weight[np.newaxis], true, predicted, rank_images(true, score), N_CLASSES, None
    )
    options = {"sample_weight": weight}
    assert overall["accuracy"][0] == pytest.approx(metrics.accuracy_score(true, predicted, **options))
    assert overall["balanced_accuracy"][0] == pytest.approx(metrics.balanced_accuracy_score(true, predicted, **options))
    for average in ("macro", "weighted"):
        expected = metrics.f1_score(true, predicted, average=average, **options)
        assert overall[f"f1_{average}"][0] == pytest.approx(expected)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(true, predicted, **options)
    for name, expected in {"precision": precision, "recall": recall, "f1": f1, "support": support}.items():
        np.testing.assert_allclose(per_class[name][0], expected)
    for code in range(N_CLASSES):
        area = metrics.roc_auc_score(true == code, score[:, code], **options)
        average_precision = metrics.average_precision_score(true == code, score[:, code], **options)
        assert per_class["roc_auc"][0, code] == pytest.approx(area)
        assert per_class["average_precision"][0, code] == pytest.approx(average_precision)


def test_macro_roc_auc_matches_scikit_learn(predictions):
    true, predicted, score = predictions
    probability = score / score.sum(axis=1, keepdims=True)
    rankings = rank_images(true, probability)
    overall, _ = score_predictions(np.ones((1, N_SAMPLES)), true, predicted, rankings, N_CLASSES, None)
    assert overall["roc_auc_ovr"][0] == pytest.approx(metrics.roc_auc_score(true, probability, multi_class="ovr"))


def test_absent_class_is_excluded_from_averages():
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    overall, per_class = score_predictions(np.ones((1, 4)), true, predicted, None, 3, None)
    assert overall["f1_macro"][0] == pytest.approx(metrics.f1_score(true, predicted, average="macro"))
    assert np.isnan(per_class["f1"][0, 2])
    assert overall["balanced_accuracy"][0] == pytest.approx(0.75)


def test_each_row_of_weights_is_scored_independently(predictions):
    weight = np.random.default_rng(2).integers(0, 3, (5, N_SAMPLES)).astype(float)
    true, predicted, score = predictions
    rest = (true, predicted, rank_images(true, score), N_CLASSES, None)
    together, _ = score_predictions(weight, *rest)
    for row in range(5):
        alone, _ = score_predictions(weight[row : row + 1], *rest)
        for name, values in together.items():
            assert values[row] == pytest.approx(alone[name][0])


def test_resamples_have_the_size_of_the_test_set():
    (weight,) = draw_resamples(30, None, 50, np.random.RandomState(0))
    assert weight.shape == (50, 30)
    assert (weight.sum(axis=1) == 30).all()
    assert weight.std() > 0.5


def test_groups_are_resampled_as_a_whole():
    groups = np.repeat(["anna", "ben", "carl"], [5, 2, 3])
    (weight,) = draw_resamples(10, groups, 100, np.random.RandomState(0))
    for person in ("anna", "ben", "carl"):
        own = weight[:, groups == person]
        assert (own == own[:, :1]).all()
    assert set(weight[:, [0, 5, 7]].sum(axis=1)) == {3}


def test_large_sets_are_resampled_in_chunks_of_bounded_size(monkeypatch):
    monkeypatch.setattr("sk_emotion.metrics._scoring._CHUNK", 100)
    chunks = list(draw_resamples(30, None, 10, np.random.RandomState(0)))
    assert [len(chunk) for chunk in chunks] == [3, 3, 3, 1]
    (whole,) = (np.concatenate(chunks),)
    monkeypatch.undo()
    np.testing.assert_array_equal(whole, next(draw_resamples(30, None, 10, np.random.RandomState(0))))


def test_interval_ignores_nan():
    values = np.array([[0.0, np.nan], [1.0, np.nan], [np.nan, np.nan]])
    low, high = find_interval(values, 0.5)
    np.testing.assert_allclose([low[0], high[0]], [0.25, 0.75])
    assert np.isnan([low[1], high[1]]).all()
