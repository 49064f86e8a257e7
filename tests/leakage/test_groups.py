"""Groups of images that belong together, and images that occur on both sides of a split."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sk_emotion.exceptions import DatasetError, LabelError
from sk_emotion.leakage import _groups, find_duplicates, find_label_conflicts
from sk_emotion.leakage._duplicates import merge_groups
from sk_emotion.leakage._groups import (
    describe_label_conflicts,
    extract_groups,
    find_shared,
    number_copies,
    resolve_groups,
)


@pytest.fixture
def pictures():
    cells = np.random.default_rng(0).integers(0, 200, (6, 8, 8), dtype=np.uint8)
    return np.kron(cells, np.ones((2, 3), dtype=np.uint8))


def brighten(images):
    return np.clip(1.2 * images + 5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X,
        lambda X: np.repeat(X[..., None], 3, axis=-1),
        lambda X: X / 255,
        list,
        lambda X: [Image.fromarray(image) for image in X],
    ],
)
def test_near_copies_share_a_number_across_collections(pictures, form):
    numbers = number_copies(form(pictures[:4]), form(brighten(pictures[[5, 2, 0]])))
    assert numbers[[5, 6]].tolist() == numbers[[2, 0]].tolist()
    assert len(np.unique(numbers)) == 5


def test_files_are_compared_with_arrays_and_broken_ones_have_no_copies(pictures, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path, image in zip(paths, pictures, strict=True):
        Image.fromarray(image).save(path)
    paths[1].write_text("no picture")
    paths[3].unlink()
    for files in (paths, np.array(list(map(str, paths))), pd.Series(paths), pd.DataFrame({"image": paths})):
        numbers = number_copies(files, pictures[::-1])
        assert np.flatnonzero(numbers[:6] == numbers[:5:-1]).tolist() == [0, 2, 4, 5]
        assert len(np.unique(numbers)) == 8


@pytest.mark.parametrize("shape", [(6, 256), (6, 15, 30), (6, 30, 15), (6, 15, 15, 3)])
def test_small_images_and_rows_are_copies_if_they_are_equal(shape):
    rows = np.random.default_rng(0).integers(0, 200, shape, dtype=np.uint8)
    rows[4] = rows[1]
    rows[5] = rows[2]
    rows[5].ravel()[-1] += 1
    numbers = number_copies(rows)
    assert numbers[4] == numbers[1] and len(np.unique(numbers)) == 5


def test_only_equal_images_are_found_among_very_many(pictures, monkeypatch):
    monkeypatch.setattr(_groups, "_MOST_COMPARED", 7)
    few = number_copies(pictures, brighten(pictures[:1]))
    assert few[6] == few[0]
    many = number_copies(pictures, brighten(pictures[:1]), pictures[2:3])
    assert many[6] != many[0] and many[7] == many[2]


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((4, 255)),
        pd.DataFrame(np.zeros((4, 255))),
        [[1.0, 2.0], [3.0, 4.0]],
        ["no such file", "nor this"],
        np.array([1, 2, 3]),
    ],
)
def test_collections_without_images_return_none(X):
    assert number_copies(X) is None


def test_rows_of_a_table_are_those_of_an_array():
    rows = np.arange(1200.0).reshape(4, 300)[[0, 1, 0, 2]]
    np.testing.assert_array_equal(number_copies(pd.DataFrame(rows)), number_copies(rows))


def test_collections_of_different_kinds_have_no_numbers(pictures):
    rows = np.zeros((3, 300), dtype=np.uint8)
    assert number_copies(pictures, rows) is None
    assert number_copies(rows, rows[:, :299]) is None
    assert number_copies(rows, rows.astype(float)) is None
    assert number_copies(rows, np.zeros((3, 5))) is None


def test_shared_rows_are_those_of_the_test_set():
    labels = np.array(["a", "b", "a", "c", "b", "d"])
    assert find_shared(labels, np.array([0, 1]), np.array([5, 4, 2, 3])).tolist() == [4, 2]


class TestResolveGroups:
    def test_duplicates_means_near_duplicates(self, pictures):
        X = np.concatenate([pictures, brighten(pictures[:2])])
        np.testing.assert_array_equal(resolve_groups("duplicates", X, "test"), find_duplicates(X))
        rows = np.concatenate([pictures, pictures[:2]]).reshape(8, -1)
        assert resolve_groups("duplicates", rows, "test").tolist() == [0, 1, 2, 3, 4, 5, 0, 1]

    def test_short_rows_are_not_images(self):
        with pytest.raises(DatasetError, match="expected several images"):
            resolve_groups("duplicates", np.zeros((4, 255)), "test")

    @pytest.mark.parametrize("groups", [None, ["anna", "ben"], np.arange(3)])
    def test_groups_stay_what_they_are(self, groups):
        assert resolve_groups(groups, None, "test") is groups

    def test_other_strings_raise(self):
        with pytest.raises(LabelError, match="groups='twins', expected one group per sample, 'duplicates' or None"):
            resolve_groups("twins", None, "test")


class TestFindDuplicatesByPerson:
    def test_persons_who_share_an_image_are_merged(self, pictures):
        images = [*pictures, brighten(pictures[3])]
        people = ["cleo", "anna", "cleo", "ben", "dora", "dora", "cleo"]
        assert find_duplicates(images, groups=people).tolist() == [0, 1, 0, 0, 2, 2, 0]

    def test_persons_alone_are_kept(self, pictures):
        people = pd.Series([7, 3, 7, 3, 1, 7])
        assert find_duplicates(pictures, groups=people).tolist() == [0, 1, 0, 1, 2, 0]

    def test_number_of_persons_must_fit(self, pictures):
        with pytest.raises(LabelError, match="images has 6 entries, but groups has 2 entries"):
            find_duplicates(pictures, groups=[1, 2])


def test_groups_of_two_kinds_are_merged_as_chains():
    assert merge_groups(["a", "a", "b", "c", "d"], [0, 1, 1, 2, 2]).tolist() == [0, 0, 0, 1, 1]
    assert merge_groups(np.array([5, 3, 5]), np.array(["x", "y", "z"])).tolist() == [0, 1, 0]
    assert merge_groups([], []).tolist() == []


def test_group_of_a_name_is_the_named_group_or_the_first_or_the_match():
    names = ["joy/anna_1.jpg", "fear/ben_2.jpg"]
    for pattern in (r"(\w)\w*/(?P<person>[a-z]+)_", r"/([a-z]+)_(\d)", r"anna|ben"):
        assert extract_groups(names, pattern).tolist() == ["anna", "ben"]
    assert extract_groups(names, {"anna_1.jpg": "anna", "fear/ben_2.jpg": "ben"}).tolist() == ["anna", "ben"]
    assert extract_groups(names, None) is None


def test_duplicates_with_different_labels_are_found_and_named():
    conflicts = find_label_conflicts(["joy", "fear", "joy", "joy", "joy"], [0, 0, 1, 1, 0])
    assert [rows.tolist() for rows in conflicts] == [[0, 1, 4]]
    (sentence,) = describe_label_conflicts(list("abcde"), conflicts)
    assert sentence.startswith("3 photos are near-duplicates of photos with another label: 'a' and 'b' and 'e'.")
    assert find_label_conflicts(["joy", "joy"], [0, 0]) == [] == describe_label_conflicts(["a", "b"], [])
