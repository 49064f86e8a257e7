import base64

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from matplotlib import pyplot as plt
from PIL import Image
from sklearn import metrics
from sklearn.metrics import classification_report
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from sk_emotion import (
    AugmentationOverSampler,
    EmotionReport,
    FaceAugmentation,
    HOGTransformer,
    consolidate_emotions,
    make_faces,
    make_hog_svm,
)
from sk_emotion.exceptions import DatasetWarning, LabelError


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def predictions():
    """True labels, predicted labels and probabilities of three classes."""
    rng = np.random.default_rng(0)
    names = np.array(["anger", "fear", "pain"])
    true = rng.integers(0, 3, 120)
    score = rng.dirichlet(np.ones(3), 120) + 0.5 * np.eye(3)[true]
    score /= score.sum(axis=1, keepdims=True)
    return names[true], names[score.argmax(axis=1)], score


@pytest.fixture(scope="module")
def fitted():
    X, y, groups = make_faces(
        240, emotions=["happiness", "neutral", "pain"], weights=[2, 2, 1], image_size=24, noise=2, random_state=0
    )
    # Enough people for 20 test faces of pain, the rarest class.
    test = np.isin(groups, np.unique(groups)[: len(np.unique(groups)) // 2])
    model = make_hog_svm(image_size=24).fit(X[~test], y[~test])
    return model, X[test], y[test], groups[test]


def test_scores_match_scikit_learn(predictions):
    y_true, y_pred, y_score = predictions
    report = EmotionReport.from_predictions(y_true, y_pred, y_score)
    value = report.scores["value"]
    assert value["accuracy"] == pytest.approx(metrics.accuracy_score(y_true, y_pred))
    assert value["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y_true, y_pred))
    assert value["f1_macro"] == pytest.approx(metrics.f1_score(y_true, y_pred, average="macro"))
    assert value["f1_weighted"] == pytest.approx(metrics.f1_score(y_true, y_pred, average="weighted"))
    assert value["roc_auc_ovr"] == pytest.approx(metrics.roc_auc_score(y_true, y_score, multi_class="ovr"))
    expected = metrics.average_precision_score(np.eye(3)[np.unique(y_true, return_inverse=True)[1]], y_score)
    assert value["average_precision_macro"] == pytest.approx(expected)
    np.testing.assert_array_equal(report.confusion_matrix, metrics.confusion_matrix(y_true, y_pred))


def test_frame_matches_classification_report(predictions):
    y_true, y_pred, y_score = predictions
    frame = EmotionReport.from_predictions(y_true, y_pred, y_score).to_frame()
    expected = pd.DataFrame(classification_report(y_true, y_pred, output_dict=True)).T.drop(index="accuracy")
    assert list(frame.index) == list(expected.index)
    for ours, theirs in {"precision": "precision", "recall": "recall", "f1": "f1-score", "support": "support"}.items():
        np.testing.assert_allclose(frame[ours], expected[theirs])


def test_binary_scores_match_scikit_learn(predictions):
    y_true, _, y_score = predictions
    truth = consolidate_emotions(y_true, positive="pain")
    guess = (y_score[:, 2] > 0.5).astype(int)
    value = EmotionReport.from_predictions(truth, guess, y_score[:, 2]).scores["value"]
    assert value["f1"] == pytest.approx(metrics.f1_score(truth, guess))
    assert value["precision"] == pytest.approx(metrics.precision_score(truth, guess))
    assert value["sensitivity"] == pytest.approx(metrics.recall_score(truth, guess))
    assert value["specificity"] == pytest.approx(metrics.recall_score(truth, guess, pos_label=0))
    assert value["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, y_score[:, 2]))
    assert value["average_precision"] == pytest.approx(metrics.average_precision_score(truth, y_score[:, 2]))
    assert "roc_auc_ovr" not in value


def test_pos_label_selects_the_positive_class(predictions):
    y_true, _, y_score = predictions
    # "not anger" is the last of the sorted labels.
    truth = consolidate_emotions(y_true, positive="anger", names=("not anger", "anger"))
    guess = np.where(y_score[:, 0] > 0.5, "anger", "not anger")
    both = np.column_stack([y_score[:, 0], 1 - y_score[:, 0]])
    report = EmotionReport.from_predictions(truth, guess, both, pos_label="anger")
    assert report.scores.loc["f1", "value"] == pytest.approx(metrics.f1_score(truth, guess, pos_label="anger"))
    assert "F1 (anger)" in str(report)
    with pytest.raises(LabelError, match="pos_label='pain'"):
        EmotionReport.from_predictions(truth, guess, pos_label="pain")


def test_highest_score_is_predicted_without_y_pred(predictions):
    y_true, y_pred, y_score = predictions
    report = EmotionReport.from_predictions(y_true, y_score=y_score)
    np.testing.assert_array_equal(report.y_pred, y_pred)
    with pytest.raises(ValueError, match="pass y_pred, or y_score"):
        EmotionReport.from_predictions(y_true)


def test_classes_may_be_in_any_order(predictions):
    y_true, y_pred, y_score = predictions
    sorted_first = EmotionReport.from_predictions(y_true, y_pred, y_score, random_state=0)
    reversed_ = EmotionReport.from_predictions(
        y_true, y_pred, y_score[:, ::-1], classes=["pain", "fear", "anger"], random_state=0
    )
    pd.testing.assert_frame_equal(reversed_.scores, sorted_first.scores)
    pd.testing.assert_frame_equal(reversed_.per_class.sort_index(), sorted_first.per_class)


def test_intervals_contain_the_score_and_are_reproducible(predictions):
    report = EmotionReport.from_predictions(*predictions, random_state=3)
    assert (report.scores["low"] <= report.scores["value"]).all()
    assert (report.scores["value"] <= report.scores["high"]).all()
    assert (report.per_class["f1_low"] < report.per_class["f1_high"]).all()
    pd.testing.assert_frame_equal(report.scores, EmotionReport.from_predictions(*predictions, random_state=3).scores)


def test_interval_has_about_the_theoretical_width():
    rng = np.random.default_rng(0)
    y_true = np.repeat(["fear", "pain"], 200)
    y_pred = np.where(rng.random(400) < 0.8, y_true, y_true[::-1])
    low, high = EmotionReport.from_predictions(y_true, y_pred).scores.loc["accuracy", ["low", "high"]]
    accuracy = np.mean(y_true == y_pred)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(accuracy * (1 - accuracy) / 400), rel=0.15)


def test_intervals_are_wider_when_groups_are_homogeneous():
    people = np.repeat(np.arange(20), 20)
    y_true = np.tile(["fear", "pain"], 200)
    y_pred = np.where(people % 4 == 0, y_true[::-1], y_true)
    alone = EmotionReport.from_predictions(y_true, y_pred)
    grouped = EmotionReport.from_predictions(y_true, y_pred, groups=people)
    widths = [part.scores.loc["accuracy", "high"] - part.scores.loc["accuracy", "low"] for part in (alone, grouped)]
    assert widths[1] > 3 * widths[0]
    assert "20 groups" in str(grouped)


def test_without_resamples_there_are_no_intervals(predictions):
    report = EmotionReport.from_predictions(*predictions, n_resamples=0)
    assert report.scores[["low", "high"]].isna().all(axis=None)
    assert "[" not in str(report)


def test_estimator_predicts_labels_and_scores(fitted):
    model, X, y, groups = fitted
    report = EmotionReport.from_estimator(model, X, y, groups=groups)
    np.testing.assert_array_equal(report.y_pred, model.predict(X))
    np.testing.assert_allclose(report.y_score, model.predict_proba(X))
    assert report.n_groups == len(np.unique(groups))
    text = str(report)
    for expected in (
        "macro F1",
        "ROC AUC",
        "happiness",
        "balanced accuracy",
        "true \\ predicted",
        "A model that always predicts",
    ):
        assert expected in text


def test_paths_are_read_once(fitted, tmp_path):
    model, X, y, _ = fitted
    paths = [tmp_path / f"{number}.png" for number in range(len(X))]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(image).save(path)
    report = EmotionReport.from_estimator(model, paths, y, equalize=True, n_resamples=0)
    assert report.scores.loc["accuracy", "value"] == metrics.accuracy_score(y, model.predict(X))
    assert report.equalized.n_samples > report.n_samples


def test_search_and_classifier_without_scores_are_evaluated(fitted):
    _, X, y, _ = fitted
    features = HOGTransformer().fit_transform(X)
    search = GridSearchCV(LinearSVC(random_state=0), {"C": [0.1, 1.0]}, cv=2).fit(features, y)
    by_decision = EmotionReport.from_estimator(search, features, y, n_resamples=0)
    assert "roc_auc_ovr" in by_decision.scores.index
    labels_alone = EmotionReport.from_predictions(y, search.predict(features), n_resamples=0)
    assert "roc_auc_ovr" not in labels_alone.scores.index
    assert "ROC AUC" not in str(labels_alone).split("\n\n")[1]


class TestEqualized:
    def test_classes_are_equal_and_original_scores_stay(self, fitted):
        model, X, y, groups = fitted
        options = {"groups": groups, "n_resamples": 50, "random_state": 0}
        plain = EmotionReport.from_estimator(model, X, y, **options)
        report = EmotionReport.from_estimator(model, X, y, equalize=True, **options)
        pd.testing.assert_frame_equal(report.scores, plain.scores)
        assert report.equalized.per_class["support"].nunique() == 1
        assert plain.equalized is None

    def test_custom_sampler(self, fitted):
        model, X, y, _ = fitted
        unchanged = AugmentationOverSampler(augmentation=None, random_state=0)
        report = EmotionReport.from_estimator(model, X, y, equalize=unchanged, n_resamples=0)
        # Copies are classified like their originals, so scores that ignore class shares hardly change.
        values = [part.scores.loc["balanced_accuracy", "value"] for part in (report, report.equalized)]
        assert values[0] == pytest.approx(values[1], abs=0.05)
        rows = X.reshape(len(X), -1)
        neighbors = KNeighborsClassifier().fit(rows, y)
        by_copies = EmotionReport.from_estimator(neighbors, rows, y, equalize=RandomOverSampler(random_state=0))
        assert by_copies.equalized.per_class["support"].nunique() == 1
        with pytest.raises(TypeError, match="expected a sampler"):
            EmotionReport.from_estimator(model, X, y, equalize=FaceAugmentation())

    def test_images_are_drawn_with_their_copies(self):
        # One image of pain and its nine copies are a single unit of the bootstrap.
        X = np.full((11, 16, 16), 100, dtype=np.uint8)
        X[0] = 200
        y = np.array(["pain"] + ["calm"] * 10)
        model = make_hog_svm(image_size=16, probability=False).fit(np.repeat(X, 3, axis=0), np.repeat(y, 3))
        copies = AugmentationOverSampler(augmentation=None, random_state=0)
        with pytest.warns(DatasetWarning, match=r"Fewer than 20 test faces: calm \(10\), pain \(1\)"):
            report = EmotionReport.from_estimator(model, X, y, equalize=copies, n_resamples=20)
        assert report.equalized.n_groups == 11

    def test_text_explains_why_scores_differ(self, fitted):
        model, X, y, _ = fitted
        text = " ".join(str(EmotionReport.from_estimator(model, X, y, equalize=True, n_resamples=0)).split())
        rarest = pd.Series(y).value_counts()
        assert f"Why they differ: {rarest.idxmin()} is {rarest.min() / len(y):.0%} of the original images" in text
        assert "33% of the equalized" in text
        assert "Balanced accuracy and ROC AUC do not" in text


def test_majority_line_matches_a_dummy_classifier(predictions):
    y_true, y_pred, _ = predictions
    names, counts = np.unique(y_true, return_counts=True)
    constant = np.full(len(y_true), names[counts.argmax()])
    line = f"accuracy {metrics.accuracy_score(y_true, constant):.3f}, balanced accuracy 0.333 and macro F1 "
    line += f"{metrics.f1_score(y_true, constant, average='macro'):.3f}."
    assert line in str(EmotionReport.from_predictions(y_true, y_pred, n_resamples=0))


@pytest.mark.parametrize("with_scores", [True, False])
def test_plot_draws_panels_and_returns_the_report(predictions, with_scores):
    y_true, y_pred, y_score = predictions
    report = EmotionReport.from_predictions(y_true, y_pred, y_score if with_scores else None, n_resamples=20)
    assert report.plot() is report
    assert len(report.axes) == (4 if with_scores else 2)
    texts = [text.get_text() for text in report.axes[0].texts]
    counts = report.confusion_matrix.to_numpy()
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert texts == [f"{count}\n{share:.0%}" for count, share in zip(counts.flat, shares.flat, strict=True)]
    np.testing.assert_allclose(report.axes[0].images[0].get_array(), shares)
    assert [name.get_rotation() for name in report.axes[0].get_xticklabels()] == [0] * 3
    with pytest.raises(ValueError, match="3 axes"):
        report.plot(plt.subplots(1, 3)[1])


def test_long_names_below_the_confusion_matrix_are_rotated():
    y = ["a name of 20 letters", "b"] * 20
    (ax, _) = EmotionReport.from_predictions(y, y, n_resamples=0).plot().axes
    assert {name.get_rotation() for name in ax.get_xticklabels()} == {35}
    plt.close("all")


def test_page_shows_the_estimator_that_is_passed(fitted):
    model, X, y, _ = fitted
    shown = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [7]})
    report = EmotionReport.from_estimator(model, X, y, display_estimator=shown, n_resamples=0)
    assert "<div>KNeighborsClassifier</div>" in report.estimator_html
    assert "GridSearchCV over KNeighborsClassifier: " in report.to_html()


def test_page_is_the_same_each_time(predictions):
    report = EmotionReport.from_predictions(*predictions, n_resamples=20, random_state=0)
    assert report.to_html() == report.to_html()


def test_plot_of_two_classes_draws_one_curve(predictions):
    y_true, _, y_score = predictions
    truth = consolidate_emotions(y_true, positive="pain", names=("well", "pain"))
    report = EmotionReport.from_predictions(
        truth, np.where(y_score[:, 2] > 0.5, "pain", "well"), y_score[:, 2], pos_label="pain", n_resamples=0
    ).plot()
    assert "pain" in report.axes[2].get_title()
    assert "macro" not in "".join(text.get_text() for text in report.axes[2].get_legend().texts)


def test_class_without_test_images_is_shown_as_absent(predictions):
    y_true, y_pred, y_score = predictions
    known = np.append(np.unique(y_true), "surprise")
    wide = np.column_stack([y_score, np.zeros(len(y_score))])
    with pytest.warns(DatasetWarning, match="No test face of surprise: "):
        report = EmotionReport.from_predictions(y_true, y_pred, wide, classes=known, random_state=0)
    narrow = EmotionReport.from_predictions(y_true, y_pred, y_score, random_state=0)
    pd.testing.assert_frame_equal(report.scores, narrow.scores)
    assert np.isnan(report.per_class.loc["surprise", "f1"])
    np.testing.assert_allclose(report.to_frame().loc["macro avg", "f1"], narrow.to_frame().loc["macro avg", "f1"])
    report.plot()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": ["fear", "pain"]}, "same length; got 2 and 3"),
        ({"y_pred": ["fear", "pain", "calm"], "classes": ["fear", "pain"]}, "y_pred contains \\['calm'\\]"),
        ({"y_true": ["fear", "pain", "calm"], "classes": ["fear", "pain"]}, "y_true contains \\['calm'\\]"),
        ({"y_score": [[0.5, 0.5]]}, "y_score has shape"),
        ({"y_score": [0.1, np.nan, 0.4]}, "not finite"),
        ({"y_score": ["fear", "pain", "fear"]}, "y_score is not numeric"),
        ({"groups": [1, 2]}, "groups has 2 entries"),
        ({"y_true": ["fear", None, "pain"]}, "NaN or None"),
        ({"classes": ["fear", "pain", "fear"]}, "has duplicates"),
        ({"y_true": [], "y_pred": []}, "y_true is empty"),
        ({"n_resamples": -1}, "n_resamples=-1"),
        ({"confidence_level": 95}, "confidence_level=95"),
    ],
)
def test_invalid_input_raises(change, message):
    arguments = {"y_true": ["fear", "pain", "pain"], "y_pred": ["fear", "pain", "fear"], **change}
    with pytest.raises(ValueError, match=message):
        EmotionReport.from_predictions(**arguments)


def test_unknown_labels_raise(fitted):
    model, X, y, _ = fitted
    with pytest.raises(LabelError, match="consolidated"):
        EmotionReport.from_estimator(model, X, consolidate_emotions(y, positive="pain", names=("no pain", "pain")))
    with pytest.raises(LabelError, match="images, but y has 3 labels"):
        EmotionReport.from_estimator(model, X, y[:3])


def test_single_column_is_that_of_the_positive_class(predictions):
    y_true, _, y_score = predictions
    for name in ("anger", "pain"):
        truth = consolidate_emotions(y_true, positive=name, names=(f"not {name}", name))
        column = y_score[:, ["anger", "fear", "pain"].index(name)]
        guess = np.where(column > 0.5, name, f"not {name}")
        report = EmotionReport.from_predictions(truth, guess, column, pos_label=name, n_resamples=0)
        assert report.scores.loc["roc_auc", "value"] == pytest.approx(metrics.roc_auc_score(truth == name, column))


def test_report_of_a_single_class_has_no_curves(predictions):
    y_true, y_pred, y_score = predictions
    rows = y_true == "fear"
    with pytest.warns(DatasetWarning, match="No test face of anger, pain: "):
        report = EmotionReport.from_predictions(y_true[rows], y_pred[rows], y_score[rows], classes=np.unique(y_true))
    assert report.to_frame().loc["weighted avg", ["roc_auc", "average_precision"]].isna().all()
    assert "at least two classes" in report.plot().axes[2].texts[0].get_text()


def test_single_group_has_no_interval_and_few_groups_are_flagged(predictions):
    y_true, y_pred, _ = predictions
    alone = EmotionReport.from_predictions(y_true, y_pred, groups=["anna"] * len(y_true))
    assert alone.scores[["low", "high"]].isna().all(axis=None)
    few = EmotionReport.from_predictions(y_true, y_pred, groups=np.arange(len(y_true)) % 4)
    assert "approximate, with only 4 groups" in str(few)


def test_sampler_without_sample_indices_raises(fitted):
    from imblearn.over_sampling import SMOTE

    _, X, y, _ = fitted
    rows = X.reshape(len(X), -1)
    neighbors = KNeighborsClassifier().fit(rows, y)
    with pytest.raises(TypeError, match="sample_indices_"):
        EmotionReport.from_estimator(neighbors, rows, y, equalize=SMOTE(k_neighbors=1))
    with pytest.raises(TypeError, match="expected a sampler"):
        EmotionReport.from_estimator(neighbors, rows, y, equalize="smote")


@pytest.mark.parametrize("place", ["y_true", "y_pred", "classes"])
def test_pictures_in_the_place_of_labels_are_not_echoed(place):
    face = base64.b64encode(np.random.default_rng(0).bytes(300)).decode()
    given = {"y_true": ["a", "b", "a"], "y_pred": ["a", "b", "b"], "classes": ["a", "b"]}
    given[place] = [*given[place][:-1], face]
    with pytest.raises(LabelError) as caught:
        EmotionReport.from_predictions(given["y_true"], given["y_pred"], classes=given["classes"])
    assert face[:61] not in str(caught.value)
