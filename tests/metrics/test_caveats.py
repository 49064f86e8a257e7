"""Sentences about what limits scores, and the warnings of reports that consist of them."""

import numpy as np
import pytest
from PIL import Image
from sklearn.naive_bayes import GaussianNB

from sk_emotion import EmotionReport, find_duplicates
from sk_emotion.exceptions import DatasetWarning, LabelError
from sk_emotion.metrics._caveats import describe_absent_in_folds, describe_copies, describe_few, describe_groups

ROWS = np.arange(96)
HALVES = (ROWS[:48], ROWS[48:])


class Flat(GaussianNB):
    """Accept images."""

    def fit(self, X, y):
        return super().fit(X.reshape(len(X), -1), y)

    def predict_proba(self, X):
        return super().predict_proba(X.reshape(len(X), -1))

    def predict(self, X):
        return super().predict(X.reshape(len(X), -1))


@pytest.fixture
def evaluated():
    """A model, its training images, and 40 test images with labels."""
    cells = np.random.default_rng(0).integers(0, 200, (80, 8, 8), dtype=np.uint8)
    X, y = np.kron(cells, np.ones((2, 2), dtype=np.uint8)), np.resize(["fear", "pain"], 80)
    return Flat().fit(X[:40], y[:40]), X[:40], X[40:].copy(), y[40:]


def evaluate(model, X, y, **options):
    """Evaluate a model; return the text of the only warning, and the report."""
    with pytest.warns(DatasetWarning) as record:
        report = EmotionReport.from_estimator(model, X, y, n_resamples=0, **options)
    (warning,) = record
    assert warning.filename == __file__
    assert str(warning.message) == "EmotionReport: " + " ".join(report.caveats)
    return str(warning.message), report


def test_no_caveats_without_problems(evaluated):
    model, X_train, X, y = evaluated
    people = np.arange(40) // 8
    report = EmotionReport.from_estimator(
        model, X, y, groups=people, X_train=X_train, groups_train=people + 5, n_resamples=0
    )
    assert report.caveats == []
    assert 'class="failed"' not in report.to_html()


def test_copies_of_training_images_are_warned_of(evaluated, tmp_path):
    model, X_train, X, y = evaluated
    X[7], X[9] = np.clip(1.2 * X_train[30] + 3, 0, 255), X_train[31]
    message, _ = evaluate(model, X, y, X_train=X_train)
    assert "2 of 40 test images have a copy or near copy in the training set" in message
    assert "(test image 7 matches training image 30, for example), so scores are too high." in message
    assert message.endswith("Split by groups='duplicates', as in train_val_test_split.")
    paths = [tmp_path / f"{number}.png" for number in range(40)]
    for path, image in zip(paths, X_train, strict=True):
        Image.fromarray(image).save(path)
    assert evaluate(model, X, y, X_train=paths)[0] == message


def test_copies_within_the_test_set_are_not_leakage(evaluated):
    model, X_train, X, y = evaluated
    X[7] = X[9]
    assert EmotionReport.from_estimator(model, X, y, X_train=X_train, n_resamples=0).caveats == []


def test_shared_groups_are_warned_of(evaluated):
    model, _, X, y = evaluated
    message, _ = evaluate(model, X, y, groups=np.arange(40) // 8, groups_train=["x", 4, 9, 3])
    assert "2 of 5 groups (3, for example) are in both the training and the test set, so scores are too high" in message
    assert message.endswith("Split by groups, as train_val_test_split(X, y, groups=...) does.")


@pytest.mark.parametrize("groups", [None, "duplicates"])
def test_groups_train_without_groups_raises(evaluated, groups):
    model, _, X, y = evaluated
    with pytest.raises(
        LabelError, match=f"groups_train was passed, but groups={groups!r}. Pass the groups of the test"
    ):
        EmotionReport.from_estimator(model, X, y, groups=groups, groups_train=np.arange(40))


def test_groups_duplicates_resamples_copies_together(evaluated):
    model, _, X, y = evaluated
    X[20:30] = X[:10]
    options = {"n_resamples": 20, "random_state": 3}
    report = EmotionReport.from_estimator(model, X, y, groups="duplicates", **options)
    same = EmotionReport.from_estimator(model, X, y, groups=find_duplicates(X), **options)
    assert report.n_groups == 30
    assert report.scores.equals(same.scores)
    with pytest.raises(LabelError, match="EmotionReport: groups='person', expected one group per sample, 'duplicates'"):
        EmotionReport.from_estimator(model, X, y, groups="person")


@pytest.mark.parametrize(("n_pain", "few"), [(20, ""), (19, "pain (19)"), (1, "pain (1)"), (25, "fear (15)")])
def test_small_class_is_warned_of(evaluated, n_pain, few):
    model, _, X, y = evaluated
    y = np.where(np.arange(40) < n_pain, "pain", "fear")
    if few:
        _, report = evaluate(model, X, y)
        assert report.caveats[0].startswith(f"Fewer than 20 test faces: {few}. Scores based on so few")
    else:
        report = EmotionReport.from_estimator(model, X, y, n_resamples=0)
    assert len(report.caveats) == bool(few)


def test_absent_class_is_warned_of():
    y_true, y_score = ["fear"] * 20 + ["pain"] * 20, np.eye(4)[[0] * 19 + [3] + [1] * 20]
    classes = ["fear", "pain", "joy", "anger"]
    with pytest.warns(DatasetWarning, match=r"^EmotionReport: No test face of anger, joy: macro F1 counts") as record:
        report = EmotionReport.from_predictions(y_true, y_score=y_score, classes=classes, n_resamples=0)
    assert len(record) == 1 and record[0].filename == __file__
    # Anger is predicted once, joy never.
    assert report.scores.loc["f1_macro", "value"] == pytest.approx((38 / 39 + 1 + 0) / 3)
    assert report.scores.loc["balanced_accuracy", "value"] == pytest.approx((19 / 20 + 1) / 2)
    assert report.scores.loc["roc_auc_ovr", "value"] == pytest.approx((0.975 + 1) / 2)


def test_equalized_set_adds_no_warning(evaluated):
    model, _, X, y = evaluated
    _, report = evaluate(model, X[:15], y[:15], equalize=True)
    assert report.equalized.per_class["support"].tolist() == [8, 8]
    assert len(report.caveats) == 1


def test_text_page_and_notebook_show_caveats(evaluated):
    model, X_train, X, y = evaluated
    X[7] = X_train[30]
    _, report = evaluate(model, X[:39], y[:39], X_train=X_train)
    text = " ".join(str(report).split())
    assert len(report.caveats) == 2
    assert all(caveat in text for caveat in report.caveats)
    assert max(map(len, str(report).splitlines())) <= 100
    for page in (report.to_html(), report._repr_html_()):
        assert page.count('class="failed"') == 2
        assert "test image 7 matches training image 30" in page and "pain (19)" in page


def test_copies_are_counted_once_over_all_folds():
    (caveat,) = describe_copies(ROWS % 48, [HALVES, HALVES, HALVES[::-1]], "Group them.")
    assert caveat.startswith("96 of 96 test images have a copy or near copy in the training set")


def test_first_copy_is_named_from_its_fold():
    splits = [(ROWS[24:], ROWS[:24]), (ROWS[:95], ROWS[95:])]
    assert describe_copies(np.where(ROWS == 95, 90, ROWS), splits, "Group them.") == [
        "1 of 25 test images have a copy or near copy in the training set (test image 95 matches training image 90, "
        "for example), so scores are too high. Group them."
    ]


def test_copies_and_groups_within_one_set_are_not_a_leak():
    copies = ROWS.copy()
    copies[[3, 60]] = [7, 61]
    assert describe_copies(copies, [HALVES], "Group them.") == describe_groups(copies, [HALVES], "Group them.") == []


def test_groups_in_both_sets_are_counted():
    people = np.array(["anna", "ben", "cleo", "dora", "emil", "fay"])[ROWS // 16]
    assert describe_groups(people, [(ROWS[:40], ROWS[40:])], "Group them.") == [
        "1 of 4 groups (cleo, for example) are in both the training and the test set, so scores are too high for new "
        "groups. Group them."
    ]


@pytest.mark.parametrize(("n_pain", "few"), [(0, []), (1, ["pain (1)"]), (19, ["pain (19)"]), (20, [])])
def test_classes_with_few_test_images_are_named(n_pain, few):
    labels = np.where(n_pain > ROWS, "pain", "fear")
    assert describe_few(labels, np.array(["fear", "pain"])) == [
        f"Fewer than 20 test faces: {names}. Scores based on so few faces are unreliable." for names in few
    ]


def test_many_small_classes_are_abridged():
    (caveat,) = describe_few(ROWS % 8, np.arange(8))
    assert caveat.startswith("Fewer than 20 test faces: 0 (12), 1 (12), 2 (12), 3 (12), 4 (12) and 3 more. ")


def test_folds_without_a_class_are_counted():
    people = ROWS // 24
    y = np.where((people == 0) & (ROWS % 2 == 1), "joy", np.resize(["fear", "pain"], 96))
    y[30:50] = "joy"
    (caveat,) = describe_absent_in_folds(y, [(ROWS[people != each], ROWS[people == each]) for each in range(4)])
    assert caveat.startswith("2 of 4 folds have no test face of a class (fold 0 lacks pain): macro F1")
    assert describe_absent_in_folds(y, [(ROWS, ROWS)]) == []
