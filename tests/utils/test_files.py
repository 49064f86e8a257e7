"""Files are written completely or not at all."""

import os
import resource
import stat
import threading

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageCms

from sk_emotion import EmotionReport
from sk_emotion.exceptions import FileWriteError
from sk_emotion.model_selection import Comparison
from sk_emotion.utils import is_copy, write_copy
from sk_emotion.utils._files import write_output, write_whole


def make_comparison():
    frame = pd.DataFrame({"estimator": "SVM", "fold": [0, 1], "f1_macro": 0.5, "fit_time": 1.0, "score_time": 1.0})
    return Comparison(
        frame.assign(n_train=10, n_test=5), pd.DataFrame({"f1_macro": [0.2]}, index=["chance"]), n_classes=2
    )


def make_report():
    return EmotionReport(["fear", "pain"] * 9, ["fear"] * 18, n_resamples=0)


@pytest.fixture
def full_disk():
    """Limit the size of files, as a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("make", [make_report, make_comparison])
def test_full_disk_leaves_an_earlier_page_as_it_was(make, tmp_path, full_disk):
    page = tmp_path / "report.html"
    page.write_text("earlier")
    with pytest.raises(FileWriteError, match=r"report\.html' cannot be written .*Free some disk space"):
        make().to_html(page)
    assert page.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize("make", [make_report, make_comparison])
def test_page_is_written_whole(make, tmp_path):
    result = make()
    page = result.to_html(str(tmp_path / "report.html"))
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "error"),
    [("none/report.html", FileNotFoundError), (".", IsADirectoryError), ("file/report.html", NotADirectoryError)],
)
def test_error_names_what_was_asked_for(tmp_path, name, error):
    (tmp_path / "file").touch()
    with pytest.raises(error, match=name):
        write_output(tmp_path / name, b"new")


def test_link_stays_a_link_and_its_file_is_written(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "latest.html").symlink_to(tmp_path / "kept/3.html")
    write_output(tmp_path / "latest.html", b"new")
    assert (tmp_path / "latest.html").is_symlink()
    assert (tmp_path / "kept/3.html").read_bytes() == b"new"


def test_link_in_a_folder_of_the_library_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "other").write_bytes(b"of somebody else")
    (tmp_path / "entry").symlink_to(tmp_path / "other")
    write_whole(tmp_path / "entry", b"new")
    assert (tmp_path / "other").read_bytes() == b"of somebody else"
    assert (tmp_path / "entry").read_bytes() == b"new"


def test_pipe_and_device_are_written_to_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    heard = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_output(tmp_path / "pipe", b"new")
    reader.join()
    assert heard == [b"new"]
    write_output(os.devnull, b"new")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(FileWriteError, match="No space left"):
        write_output("/dev/full", b"new")


def test_permissions_of_an_earlier_file_are_kept(tmp_path):
    (tmp_path / "private").touch(mode=0o600)
    write_output(tmp_path / "private", b"new")
    assert stat.S_IMODE(os.stat(tmp_path / "private").st_mode) == 0o600


def test_name_may_be_as_long_as_a_name_can_be(tmp_path):
    write_output(tmp_path / ("x" * 250), b"new")
    assert (tmp_path / ("x" * 250)).read_bytes() == b"new"


@pytest.mark.parametrize("raw", [b"\xff\xfe.html", "é\n.html".encode()])
def test_file_of_any_name_is_written(tmp_path, raw):
    path = os.path.join(tmp_path, os.fsdecode(raw))
    write_output(path, b"new")
    assert os.listdir(os.fsencode(tmp_path)) == [raw]


@pytest.mark.parametrize("profile", [None, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()])
def test_copy_is_an_intact_picture_that_carries_a_mark(tmp_path, profile):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8))
    image.save(tmp_path / "plain.png")
    assert not is_copy(tmp_path / "plain.png")
    if profile is not None:
        image.info["icc_profile"] = profile
    write_copy(tmp_path / "copy.png", image)
    assert is_copy(tmp_path / "copy.png")
    with Image.open(tmp_path / "copy.png") as copy:
        # Pillow checks the sums of all chunks.
        copy.verify()
    with Image.open(tmp_path / "copy.png") as copy:
        np.testing.assert_array_equal(copy, image)
        assert copy.text == {"Comment": "Made from a photo by sk_emotion"}
        assert copy.info.get("icc_profile") == profile
