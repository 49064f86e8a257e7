import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from sk_emotion import EmotionClassifier, FaceLoader, make_faces, networks
from sk_emotion._images import _stored as stored_images
from sk_emotion.datasets import iter_face_blocks, load_face_shards
from sk_emotion.exceptions import DatasetError, DatasetNotFoundError, DatasetWarning, ImageReadError


def encode(face):
    picture = io.BytesIO()
    Image.fromarray(face).save(picture, format="jpeg")
    return picture.getvalue()


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def faces():
    """Generated faces, labels and encoded images."""
    X, y, _ = make_faces(24, emotions=["happiness", "pain"], image_size=24, random_state=0)
    return X, y, [encode(face) for face in X]


@pytest.fixture
def shards(tmp_path, faces):
    """Three shards of eight samples, labeled by a word."""
    _, labels, pictures = faces
    for shard in range(3):
        rows = range(8 * shard, 8 * shard + 8)
        write_tar(
            tmp_path / f"faces-{shard}.tar",
            [
                member
                for row in rows
                for member in ((f"{row:06}.jpg", pictures[row]), (f"{row:06}.txt", labels[row].encode() + b"\n"))
            ],
        )
    return tmp_path / "*.tar"


def test_faces_are_those_of_the_loader(shards, faces):
    _, labels, pictures = faces
    found = load_face_shards(shards, loader=FaceLoader(24))
    expected = FaceLoader(24).fit_transform(pictures)
    assert (found.data.shape, found.data.dtype, found.data.ndim, len(found.data)) == ((24, 24, 24), np.uint8, 3, 24)
    np.testing.assert_array_equal(found.data[:], expected)
    np.testing.assert_array_equal(found.data[5:11], expected[5:11])
    np.testing.assert_array_equal(found.data[np.array([20, 3, 3, 11])], expected[[20, 3, 3, 11]])
    np.testing.assert_array_equal(found.data[-1], expected[-1])
    np.testing.assert_array_equal(np.asarray(found.data), expected)
    np.testing.assert_array_equal(found.target, labels)
    assert found.target_names.tolist() == ["happiness", "pain"] and found.groups is None
    assert "24 images in 2 classes" in found.DESCR and "3 shards" in repr(found.data)
    assert found.data[:0].shape == (0, 24, 24)


def test_classifier_trains_on_shards_as_on_arrays(shards, faces):
    X, y = load_face_shards(shards, loader=FaceLoader(24), return_X_y=True)
    classifier = EmotionClassifier(networks.VGG(width=4), max_epochs=1, random_state=0)
    found = classifier.fit(X, y).predict_proba(X)
    decoded = FaceLoader(24).fit_transform(faces[2])
    np.testing.assert_array_equal(found, classifier.fit(decoded, y).predict_proba(decoded))


def test_shards_become_a_zarr_array(shards, tmp_path):
    pytest.importorskip("zarr")
    found = load_face_shards(shards, loader=FaceLoader(24))
    np.testing.assert_array_equal(FaceLoader(24).to_zarr(found.data, tmp_path / "faces.zarr")[:], found.data[:])


def test_classes_name_integers(tmp_path, faces):
    members = [
        member for row in range(4) for member in ((f"{row}.jpg", faces[2][row]), (f"{row}.cls", b"%d" % (row % 2)))
    ]
    write_tar(tmp_path / "faces.tar", members)
    assert load_face_shards(tmp_path / "faces.tar").target.tolist() == [0, 1, 0, 1]
    named = load_face_shards([tmp_path / "faces.tar"], classes=["Happy", "pain"])
    assert named.target.tolist() == ["happiness", "pain"] * 2
    with pytest.raises(DatasetError, match=r"the label of .*faces\.tar"):
        load_face_shards(tmp_path / "faces.tar", classes=["pain"])


def test_json_holds_label_and_group(tmp_path, faces):
    rows = [json.dumps({"emotion": emotion, "who": f"p{row}"}).encode() for row, emotion in enumerate(["pain", "fear"])]
    members = [
        (f"a/{row}.{kind}", part) for row in range(2) for kind, part in (("png", faces[2][row]), ("json", rows[row]))
    ]
    write_tar(tmp_path / "faces.tar", members)
    found = load_face_shards(tmp_path / "faces.tar", label="emotion", group="who")
    assert found.target.tolist() == ["pain", "fear"] and found.groups.tolist() == ["p0", "p1"]
    with pytest.raises(DatasetError, match="KeyError: 'person'"):
        load_face_shards(tmp_path / "faces.tar", label="emotion", group="person")


def test_samples_without_image_or_label_are_left_out(tmp_path, faces):
    pictures = faces[2]
    members = [
        ("0.jpg", pictures[0]),
        ("0.txt", b"pain"),
        ("1.jpg", pictures[1]),
        ("2.txt", b"fear"),
        ("._3.jpg", b"of macOS"),
        ("3.seg.png", pictures[0]),
        ("4.jpg", pictures[2]),
        ("4.txt", b"fear"),
    ]
    write_tar(tmp_path / "faces.tar", members)
    with pytest.warns(DatasetWarning, match="2 samples without an image or a label"):
        found = load_face_shards(tmp_path / "faces.tar")
    assert found.target.tolist() == ["pain", "fear"] and "2 samples were left out" in found.DESCR


def test_image_that_cannot_be_read_is_named(tmp_path, faces):
    members = [("0.jpg", faces[2][0]), ("0.txt", b"pain"), ("1.jpg", b"none"), ("1.txt", b"fear")]
    write_tar(tmp_path / "faces.tar", members)
    with pytest.raises(ImageReadError, match=r"faces\.tar: 1\.jpg' is not an image"):
        load_face_shards(tmp_path / "faces.tar").data[:]
    found = load_face_shards(tmp_path / "faces.tar", loader=FaceLoader(on_error="blank"))
    with pytest.warns(DatasetWarning, match=r"1 images cannot be read.*1\.jpg"):
        assert not found.data[:][1].any()
    # The warning is issued only once; a second one would be an error here.
    assert found.data[:][0].any()


def test_image_that_is_too_large_is_not_read(tmp_path, faces):
    write_tar(
        tmp_path / "faces.tar", [("0.jpg", faces[2][0]), ("0.txt", b"pain"), ("1.jpg", bytes(9)), ("1.txt", b"fear")]
    )
    with pytest.raises(ImageReadError, match="is too large"):
        load_face_shards(tmp_path / "faces.tar", loader=FaceLoader(max_file_size=100)).data[:]


@pytest.mark.parametrize("damage", ["cut", "compressed", "none"])
def test_damaged_shard_is_named(tmp_path, shards, damage):
    path = tmp_path / "faces-1.tar"
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:5000])
    elif damage == "compressed":
        with tarfile.open(path, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo("0.jpg"))
    else:
        path.write_bytes(b"none")
    with pytest.raises(DatasetError, match=r"faces-1\.tar' is not an intact, uncompressed tar file"):
        load_face_shards(shards)


def test_missing_and_empty_shards_raise(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="there is no file"):
        load_face_shards(tmp_path / "*.tar")
    write_tar(tmp_path / "faces.tar", [])
    with pytest.raises(DatasetError, match="contain no labeled image"):
        load_face_shards(tmp_path / "faces.tar")


def test_blocks_of_shards_train_by_partial_fit(shards):
    faces = load_face_shards(shards, loader=FaceLoader(24))
    classifier = EmotionClassifier(networks.VGG(width=4), random_state=0)
    for X, y in iter_face_blocks(faces.data, faces.target, block_size=10, random_state=0):
        classifier.partial_fit(X, y, classes=faces.target_names)
    assert classifier.n_iter_ == 3
    assert classifier.predict(faces.data).shape == (24,)


@pytest.mark.parametrize("in_chunks", [False, True])
def test_pass_shows_each_image_with_its_label_in_the_order_of_the_seed(shards, monkeypatch, in_chunks):
    if in_chunks:
        monkeypatch.setattr(stored_images, "_LEAST_READ", 1)
        monkeypatch.setattr(stored_images, "_BUFFER", 8 * 24 * 24)
        monkeypatch.setattr("sk_emotion.datasets._shards._CHUNK_BYTES", 4 * 24 * 24)
    faces = load_face_shards(shards, loader=FaceLoader(24))
    expected, numbers = faces.data[:], np.arange(24)

    def show(**parameters):
        blocks = list(iter_face_blocks(faces.data, numbers, block_size=7, **parameters))
        for X, rows in blocks:
            np.testing.assert_array_equal(X, expected[rows])
        return np.concatenate([rows for _, rows in blocks]).tolist()

    first = show(random_state=0)
    assert sorted(first) == numbers.tolist() and first != numbers.tolist()
    assert show(random_state=0) == first != show(random_state=1)
    assert show(shuffle=False) == numbers.tolist()
    if in_chunks:
        # Two chunks of four are in memory at once.
        assert [len({row // 4 for row in first[start : start + 8]}) for start in (0, 8, 16)] == [2, 2, 2]
