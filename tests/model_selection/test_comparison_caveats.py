"""Warnings of a comparison: leaks, folds without a class, classes with few images."""

import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

from sk_emotion import compare_classifiers, find_duplicates
from sk_emotion.exceptions import DatasetError, DatasetWarning, LabelError
from sk_emotion.model_selection._comparison import _list_caveats

# Train on the first half, test on the second.
HALVES = [(np.arange(48), np.arange(48, 96))]


class Recorder(ClassifierMixin, BaseEstimator):
    """Guesses, and records the images of each fit."""

    trainings: list = []  # noqa: RUF012 - shared by clones

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.trainings.append(X)
        return self

    def predict(self, X):
        return np.resize(self.classes_, len(X))

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


@pytest.fixture
def images():
    """Return distinct images of noise, and alternating labels of two classes."""
    X = np.random.default_rng(0).integers(20, 256, (96, 16, 16), dtype=np.uint8)
    # The last pixel makes all images distinct.
    X[:, -1, -1] = np.arange(96)
    return X, np.resize(["fear", "pain"], 96)


def compare_quietly(X, y, **options):
    return compare_classifiers([Recorder()], X, y, **{"scoring": "accuracy", "random_state": 0, **options})


def compare(X, y, **options):
    """Return the message of the only warning, and the result."""
    with pytest.warns(DatasetWarning) as record:
        result = compare_quietly(X, y, **options)
    (warning,) = [each for each in record if issubclass(each.category, DatasetWarning)]
    message = str(warning.message)
    assert message == "compare_classifiers: " + " ".join(result.caveats)
    return message, result


def test_no_caveats_without_problems(images):
    result = compare_quietly(*images, cv=3)
    assert result.caveats == []
    assert "test face" not in str(result) and 'class="failed"' not in result.to_html()


def test_warning_points_at_the_caller(images):
    X, y = images
    X[50] = X[7]
    with pytest.warns(DatasetWarning) as record:
        compare_classifiers([Recorder()], X, y, scoring="accuracy", cv=HALVES, random_state=0)
    assert record[0].filename == __file__


@pytest.mark.parametrize("change", [lambda image: image, lambda image: (0.8 * image).astype(np.uint8)])
def test_copy_in_training_and_test_set_warns(images, change):
    X, y = images
    X[50], X[52] = change(X[7]), change(X[7])
    message, _ = compare(X, y, cv=HALVES)
    assert "2 of 48 test images have a copy or near copy in the training set" in message
    assert "(test image 50 matches training image 7, for example), " in message
    assert message.endswith(
        "Pass groups='duplicates', and a cv that keeps groups together, such as StratifiedGroupKFold."
    )


def test_copies_are_counted_once_over_all_folds(images):
    X, y = images
    X[48:] = X[:48]
    splits = [*HALVES, *HALVES, (np.arange(48, 96), np.arange(48))]
    assert "96 of 96 test images" in compare(X, y, cv=splits)[0]


def test_first_copy_is_named_from_its_fold(images):
    X, y = images
    X[95] = X[90]
    rows = np.arange(96)
    splits = [(rows[rows >= 24], rows[:24]), (rows[rows != 95], rows[95:])]
    assert "1 of 25 test images" in compare(X, y, cv=splits)[0]
    assert "test image 95 matches training image 90" in compare(X, y, cv=splits)[0]


def test_copies_within_one_set_are_not_a_leak(images):
    X, y = images
    X[3], X[60] = X[7], X[61]
    assert compare_quietly(X, y, cv=HALVES).caveats == []


def test_groups_can_be_duplicates(images):
    X, y = images
    X[50:60] = X[:10]
    message, _ = compare(X, y, cv=3)
    assert message.endswith("Pass groups='duplicates'.")
    Recorder.trainings.clear()
    result = compare_quietly(X, y, groups="duplicates", cv=3)
    assert result.caveats == []
    expected = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(X, y, find_duplicates(X))
    for (train, _), shown in zip(expected, Recorder.trainings, strict=True):
        np.testing.assert_array_equal(shown, X[train])


def test_splitter_that_separates_duplicates_warns_once(images):
    X, y = images
    X[50:60] = X[:10]
    message, _ = compare(X, y, groups="duplicates", cv=HALVES)
    assert "10 of 48 test images" in message and "groups='duplicates', and a cv" in message
    assert "are in both the training and the test set" not in message


def test_splitter_that_separates_persons_warns(images):
    people = np.array(["anna", "ben", "cleo", "dora", "emil", "fay"])[np.arange(96) // 16]
    splits = [(np.arange(40), np.arange(40, 96))]
    message, _ = compare(*images, groups=people, cv=splits)
    assert "1 of 4 groups (cleo, for example) are in both the training and the test set" in message
    assert message.endswith("Pass a cv that keeps groups together, such as StratifiedGroupKFold.")
    assert compare_quietly(*images, groups=people, cv=3).caveats == []


def test_persons_who_share_an_image_can_be_merged(images):
    X, y = images
    # Six of twelve persons, so that no fold of three can contain them all.
    X[50::8] = X[7]
    people = np.arange(96) // 8
    message, _ = compare(X, y, groups=people, cv=StratifiedGroupKFold(3))
    assert "of 96 test images" in message and "Pass groups=find_duplicates(X, groups=groups), and a cv" in message
    message, _ = compare(X, y, groups=people, cv=3)
    assert message.endswith("Pass groups=find_duplicates(X, groups=groups).")
    merged = find_duplicates(X, groups=people)
    assert compare_quietly(X, y, groups=merged, cv=3).caveats == []


def test_files_are_read_and_broken_ones_have_no_copy(images, tmp_path):
    X, y = images
    paths = [str(tmp_path / f"{number}.png") for number in range(96)]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(image).save(path)
    for number in (0, 50):
        (tmp_path / f"{number}.png").write_bytes(b"broken")
    assert compare_quietly(paths, y, cv=HALVES).caveats == []
    Image.fromarray(X[7]).save(paths[51], quality=50)
    assert "test image 51 matches training image 7" in compare(paths, y, cv=HALVES)[0]


def test_equal_rows_are_copies_of_images_but_not_of_tables(images):
    X, y = images
    X[50] = X[7]
    rows = X.reshape(96, -1)
    assert "1 of 48 test images" in compare(rows, y, cv=HALVES)[0]
    assert compare_quietly(rows, y, groups="duplicates", cv=3).caveats == []
    table = rows[:, :255]
    assert compare_quietly(table, y, cv=HALVES).caveats == []
    with pytest.raises(DatasetError, match="expected several images"):
        compare_quietly(table, y, groups="duplicates")


def test_unknown_groups_string_raises(images):
    with pytest.raises(LabelError, match="compare_classifiers: groups='persons', expected one group per sample, 'dupl"):
        compare_quietly(*images, groups="persons")


def test_fold_without_a_class_warns(images):
    X, _ = images
    people = np.arange(96) // 24
    y = np.where((people == 0) & (np.arange(96) % 2 == 1), "joy", np.resize(["fear", "pain"], 96))
    y[30:50] = "joy"
    message, result = compare(X, y, groups=people, cv=LeaveOneGroupOut(), scoring=None)
    assert "2 of 4 folds have no test face of a class (fold 0 lacks pain): macro F1" in message
    assert len(result.caveats) == 1
    assert result.scores["roc_auc_ovr"].notna().all()


@pytest.mark.parametrize(("n_pain", "n_caveats"), [(19, 1), (20, 0)])
def test_class_with_few_images_warns(images, n_pain, n_caveats):
    X, _ = images
    y = np.where(np.arange(96) < n_pain, "pain", "fear")
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        result = compare_quietly(X, y, cv=3)
    assert len(record) == len(result.caveats) == n_caveats
    if n_caveats:
        assert result.caveats[0].startswith("Fewer than 20 test faces: pain (19). Scores based on so few")


def test_only_tested_images_are_counted(images):
    assert compare_quietly(*images, cv=StratifiedKFold(8)).caveats == []
    message, _ = compare(*images, cv=[(np.arange(60), np.arange(60, 96))])
    assert "Fewer than 20 test faces: fear (18), pain (18)." in message


def test_many_small_classes_are_abridged(images):
    X, _ = images
    message, _ = compare(X, np.arange(96) % 8, cv=3)
    assert "Fewer than 20 test faces: 0 (12), 1 (12), 2 (12), 3 (12), 4 (12) and 3 more. " in message


def test_caveats_are_in_text_page_and_notebook_view(images):
    X, y = images
    X[50] = X[7]
    y = np.where(np.isin(np.arange(96), [0, 60]), "<joy>", y)
    _, result = compare(X, y, cv=HALVES)
    assert [caveat in str(result).splitlines() for caveat in result.caveats] == [True, True]
    for page in (result.to_html(), result._repr_html_()):
        assert "&lt;joy&gt; (1)" in page and "training image 7" in page
        assert "<joy>" not in page
        assert page.count('class="failed"') == 2


PERSONS = np.arange(96) // 8
KEEP_TOGETHER = ", and a cv that keeps groups together, such as StratifiedGroupKFold"


@pytest.mark.parametrize(
    ("groups", "cv", "by_copies", "remedy"),
    [
        (None, 3, False, "'duplicates'"),
        (None, np.int64(3), False, "'duplicates'"),
        (None, None, False, "'duplicates'"),
        (None, StratifiedKFold(3), False, "'duplicates'" + KEEP_TOGETHER),
        (PERSONS, 3, False, "find_duplicates(X, groups=groups)"),
        (PERSONS, HALVES, False, "find_duplicates(X, groups=groups)" + KEEP_TOGETHER),
        (np.arange(96) % 95, HALVES, True, "'duplicates'" + KEEP_TOGETHER),
    ],
)
def test_remedy_depends_on_groups_and_cv(images, groups, cv, by_copies, remedy):
    X, y = images
    if not by_copies:
        X[95] = X[0]
    assert _list_caveats(X, y, groups, HALVES, cv, by_copies=by_copies, n_jobs=None) == [
        "1 of 48 test images have a copy or near copy in the training set (test image 95 matches training image 0, "
        f"for example), so scores are too high. Pass groups={remedy}."
    ]


def test_shared_persons_come_before_copies(images):
    X, y = images
    X[95] = X[0]
    persons = np.arange(96) // 9
    caveats = _list_caveats(X, y, persons, HALVES, HALVES, by_copies=False, n_jobs=None)
    assert caveats[0] == (
        "1 of 6 groups (5, for example) are in both the training and the test set, so scores are too high for new "
        "groups. Pass a cv that keeps groups together, such as StratifiedGroupKFold."
    )
    assert "test image 95" in caveats[1] and len(caveats) == 2


def test_images_tested_twice_are_counted_once(images):
    X, y = images
    (few,) = _list_caveats(X, y, None, [(np.arange(60), np.arange(60, 96))] * 2, 3, by_copies=False, n_jobs=None)
    assert few.startswith("Fewer than 20 test faces: fear (18), pain (18).")
