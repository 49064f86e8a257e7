"""Sentences about what limits scores."""

import numpy as np
import pytest

from sk_emotion.metrics._caveats import describe_absent_in_folds, describe_copies, describe_few, describe_groups

ROWS = np.arange(96)
HALVES = (ROWS[:48], ROWS[48:])


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
