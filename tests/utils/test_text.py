"""Names as text cannot control a terminal, a spreadsheet or a page, and no image data is logged."""

import base64
import os

import pytest

from sk_emotion.utils._text import abridge, align, harmless, printable, withhold

FACE = base64.b64encode(bytes(range(256)) * 2).decode()

UNSEEN = [
    (os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"),
    (os.fsdecode("é\xff".encode()[:2] + b"\xff"), r"é\xff"),
    ("\x1b[2Jname", r"\x1b[2Jname"),
    ("\x9b31mname", r"\x9b31mname"),
    ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
    ("bell\a back\b null\0 delete\x7f", r"bell\x07 back\x08 null\x00 delete\x7f"),
    ("gpj.\u202eexe", r"gpj.\u202eexe"),
    ("\u2066isolated\u2069", r"\u2066isolated\u2069"),
    ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
    ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
    ("\U000e0041tag", r"\U000e0041tag"),
    ("\ud800 alone", r"\ud800 alone"),
    (b"by\xfftes", r"by\xfftes"),
]


@pytest.mark.parametrize(("text", "shown"), UNSEEN)
def test_control_and_invisible_characters_are_escaped(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize("text", ["photo.jpg", r"C:\faces\new.png", "é 快乐 😀", "a\xa0b", 3, ""])
def test_other_text_stays_as_it_is(text):
    assert printable(text) == str(text)


def test_bytes_of_a_name_in_another_locale_are_shown_as_text():
    # As a name is decoded in the C locale.
    assert printable("é.png".encode().decode("ascii", "surrogateescape")) == "é.png"


@pytest.mark.parametrize(("text", "shown"), UNSEEN)
def test_tables_and_lists_escape_too(text, shown):
    if isinstance(text, str):
        assert align([[text, "x"], ["", "y"]])[0].startswith(shown)
        assert abridge([text]) == shown


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+cmd|' /C calc'!A0", "@SUM(A1)", "-2+3", "  =1", "\xa0=1", "-photo.png", "=", "＝1", "-1,5", "+49 30 1"],  # noqa: RUF001
)
def test_formulas_become_text(cell):
    assert harmless(cell) == f"'{cell}"
    assert harmless(harmless(cell)) == f"'{cell}"


@pytest.mark.parametrize("cell", ["\t=1", "\r=1", "\n@x", "\u200b-x"])
def test_formulas_behind_controls_begin_with_an_escape(cell):
    assert harmless(cell).startswith("\\")


@pytest.mark.parametrize("cell", ["-5", "+3.25", " -1e-7", "-.5", "happy", "a=b", "", "'=1", "1-2"])
def test_numbers_and_names_are_not_escaped_as_formulas(cell):
    assert harmless(cell) == cell


@pytest.mark.parametrize(
    "source",
    [
        f"data:image/png;base64,{FACE}",
        f"data:,{'x' * 80}",
        FACE,
        FACE.replace("+", "-").replace("/", "_"),
        f"https://example.org/{'a' * 80}",
        f"s3://bucket/{'a' * 80}",
    ],
)
def test_images_and_urls_are_not_echoed(source):
    shown = withhold(f"there is no file '{source}'; {source}", [source])
    assert source[:20] in shown
    assert source[:61] not in shown
    assert not any(source[start : start + 61] in shown for start in range(len(source) - 60))


@pytest.mark.parametrize("length", [20, 50, 60, 64, 76])
@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
@pytest.mark.parametrize("show", [str, repr, printable])
def test_base64_in_lines_is_not_echoed(length, end, prefix, show):
    source = prefix + end.join(FACE[start : start + length] for start in range(0, len(FACE), length))
    shown = withhold(f"there is no file {show(source)}; {show(source)}", [source])
    assert source[:15] in shown
    assert not any(FACE[start : start + 15] in shown for start in range(60, len(FACE) - 15))


@pytest.mark.parametrize(
    "text",
    [
        f"/home/Anna2/{'Pictures/' * 12}face1.png",
        f"{'0123456789abcdef' * 4}.png",
        "see https://scikit-learn.org/stable/modules/linear_model.html#logistic-regression-and-more",
        "a sentence " * 20,
        "data:short",
        f"/data/{'very_long_folder_name/' * 8}Photo1.JPG",
    ],
)
def test_long_names_and_pages_of_documentation_are_shown(text):
    assert withhold(text, ["photo.jpg"]) == text
