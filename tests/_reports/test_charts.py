"""Names in plots."""

import io

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt

from sk_emotion import (
    EmotionReport,
    FaceGridDisplay,
    MulticlassCalibrationDisplay,
    MulticlassPrecisionRecallDisplay,
    MulticlassRocCurveDisplay,
)
from sk_emotion._reports._charts import literal

matplotlib.use("Agg")

CLASSES = {
    "mathematics": ["$a_1$", "$b^2$ and $c$", "cost $5"],
    "broken mathematics": [r"$\frac{1}$", r"\$5", r"$\notacommand$"],
    "underscores": ["_hidden", "__both__", "plain"],
    "controls": ["one\ntwo", "tab\tbed", "\x1b[31mred"],
    "surrogates": ["\udcff", "ok"],
    "markup": ["a&b<c>", "%d {} #1"],
    "nothing": ["", "  ", "x"],
    "very long": ["W" * 300 + letter for letter in "abcdefgh"],
    "integers": [0, 1, 2],
    "booleans": [False, True],
    "small integers": np.array([-1, 1], dtype=np.int8),
}


def draw_all(classes):
    """Plot every display that shows class names; return the figures."""
    known = np.unique(classes)
    rng = np.random.default_rng(0)
    y = np.repeat(known, 8)
    scores = rng.dirichlet(np.ones(len(known)), size=len(y))
    predicted = known[scores.argmax(axis=1)]
    X = rng.integers(0, 255, (len(y), 16, 16)).astype(np.uint8)
    curves = (MulticlassRocCurveDisplay, MulticlassPrecisionRecallDisplay, MulticlassCalibrationDisplay)
    figures = [display.from_predictions(y, scores, classes=known).figure_ for display in curves]
    figures.append(FaceGridDisplay.from_predictions(X, y, predicted, scores, n_faces=6, order="mistakes").figure_)
    report = EmotionReport(y, predicted, scores, n_resamples=0)
    return [*figures, report.plot().figure]


def write_svg(figure):
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file, format="svg")
    return file.getvalue().decode()


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_any_class_name_can_be_plotted(classes):
    for figure in draw_all(classes):
        write_svg(figure)


@pytest.mark.parametrize("name", ["$a_1$", r"$\frac{1}$", r"back\slash $x$ $y$", "_hidden", "$", "a$b", r"\$x\$"])
def test_name_is_shown_verbatim_in_legend_ticks_and_titles(name):
    _, ax = plt.subplots()
    ax.plot([0, 1], label=f"{literal(name)} (AUC 1)")
    ax.set(title=literal(name), xlabel=literal(name), yticks=[0], yticklabels=[literal(name)])
    ax.legend()
    drawn = write_svg(ax.figure)
    assert drawn.count(f">{name}<") + drawn.count(f"> {name}<") == 3
    assert drawn.count(f"{name} (AUC 1)<") == 1


def test_every_class_is_in_the_legend():
    y = np.repeat(["_a", "__b", "$c$"], 5)
    scores = np.random.default_rng(0).dirichlet(np.ones(3), size=15)
    for display in (MulticlassRocCurveDisplay, MulticlassPrecisionRecallDisplay):
        shown = [text.get_text() for text in display.from_predictions(y, scores).ax_.get_legend().get_texts()]
        assert sum(any(name in text for name in ("_a (", "__b (", r"\$c\$ (")) for text in shown) == 3


@pytest.mark.parametrize(
    ("name", "shown"), [("", "''"), ("  ", "'  '"), ("a\nb", r"a\nb"), (b"x\xff", r"x\xff"), (1.5, "1.5")]
)
def test_name_is_a_single_visible_line(name, shown):
    assert literal(name) == shown


def test_long_names_are_abbreviated_in_the_middle():
    assert literal("a" * 50 + "b" * 50) == "a" * 15 + "…" + "b" * 8
