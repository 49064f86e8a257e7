import os
import re
import subprocess
import sys

import matplotlib
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_emotion._reports import draw_svg, name_estimator, show_estimator
from sk_emotion._reports._pages import load_macros, render_fragment, render_page

HOSTILE = "<script>alert('x')</script>"


def draw(ax):
    ax.plot([0, 0.5, 1], [0, 0.2, 1], color="0.6", label="a & b")
    ax.bar([0, 1], [1, 2], color="#0072B2")
    ax.legend()


class TestPage:
    def test_empty_sections_are_omitted_from_the_page_and_its_contents(self):
        sections = {"One two": load_macros("macros.html.jinja").notes(["1"]), "Three": ""}
        page = render_page("Title & more", "What <this> is.", sections)
        assert '<a href="#one-two">One two</a>' in page
        assert '<h2 id="one-two">' in page
        assert "Three" not in page
        assert "<h1>Title &amp; more</h1><p>What &lt;this&gt; is.</p>" in page

    def test_text_is_escaped_and_html_is_not(self):
        macros = load_macros("macros.html.jinja")
        cells = ["<c>", "two\nlines\x1b", macros.bar(0.25, "a quarter")]
        assert str(macros.row("<b>", cells)).split("</th>")[1].replace("\n", "") == (
            '<td>&lt;c&gt;</td><td>two\\nlines\\x1b</td><td class="bar" style="--share: 0.250">a quarter</td></tr>'
        )

    def test_nan_has_no_bar(self):
        assert "--share: 0.000" in load_macros("macros.html.jinja").bar(float("nan"), "none")

    def test_fragment_has_its_style(self):
        fragment = render_fragment(HOSTILE, load_macros("macros.html.jinja").caveats([HOSTILE]))
        assert fragment.strip().startswith('<div class="ske"><style>')
        assert "<script" not in fragment and "&lt;script" in fragment


class TestChart:
    def test_takes_the_colors_of_the_page(self):
        chart = draw_svg(draw, title="A line", description="From <0> to 1")
        assert "stroke: color-mix(in srgb, currentColor 40%, transparent)" in chart
        assert "fill: var(--accent)" in chart
        assert not re.search(r"#(..)\1\1\b", chart)

    def test_has_a_title_and_text_that_can_be_found(self):
        chart = draw_svg(draw, title="A line", description="From <0> to 1")
        title, description = re.search(r'role="img" aria-labelledby="(\S+) (\S+)"', chart).groups()
        assert f'<title id="{title}">A line</title><desc id="{description}">From &lt;0&gt; to 1</desc>' in chart
        assert ">a &amp; b</text>" in chart

    def test_control_characters_and_invalid_text_are_escaped(self):
        chart = draw_svg(draw, title="a\x1b\udcff", description="b\nc")
        assert r">a\x1b\xff</title>" in chart and r">b\nc</desc>" in chart
        assert chart.encode()

    def test_ids_differ_between_charts_and_have_no_effect_elsewhere(self):
        charts = [draw_svg(draw, title=title) for title in ("one", "two")]
        first, second = (set(re.findall(r'\bid="([^"]+)"', chart)) for chart in charts)
        assert first and first.isdisjoint(second)
        for chart, ids in zip(charts, (first, second), strict=True):
            assert set(re.findall(r"#([\w-]+)\)|href=\"#([\w-]+)\"", chart)) <= {(i, "") for i in ids} | {
                ("", i) for i in ids
            }
            assert "<style" not in chart and "http" not in chart

    def test_same_bytes_in_every_process_and_with_any_settings(self):
        code = (
            "import sys; sys.path.insert(0, 'tests/_reports'); from test_page import draw, draw_svg; "
            "print(draw_svg(draw, title='A line'), end='')"
        )
        other = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, env=dict(os.environ)
        ).stdout
        settings = {"axes.grid": True, "font.size": 20, "svg.fonttype": "path", "savefig.facecolor": "red"}
        with matplotlib.rc_context(settings):
            assert draw_svg(draw, title="A line") == other
            assert matplotlib.rcParams["font.size"] == 20

    def test_settings_are_restored_after_an_error(self):
        before = dict(matplotlib.rcParams)
        with pytest.raises(ZeroDivisionError):
            draw_svg(lambda ax: 1 / 0, title="nothing")
        assert dict(matplotlib.rcParams) == before


class TestEstimator:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))

    def test_name_includes_steps_and_inner_estimators(self):
        assert name_estimator(self.pipeline) == "Pipeline of StandardScaler, LogisticRegression"
        search = GridSearchCV(self.pipeline, {"logisticregression__C": [0.1, 1]})
        assert name_estimator(search) == "GridSearchCV over Pipeline of StandardScaler, LogisticRegression"

    def test_view_shows_changed_parameters_first_and_has_no_script(self):
        view = show_estimator(make_pipeline(StandardScaler(), FrozenEstimator(LogisticRegression(C=0.5))))
        assert "FrozenEstimator" in view
        rows = view[view.index("<div>LogisticRegression</div>") :]
        assert rows.index('class="user-set"') < rows.index('class="default"')
        assert "0.5" in rows[: rows.index('class="default"')]
        assert not re.search("<script|<style|<button|onclick|<body", view)

    def test_view_is_the_same_each_time(self):
        assert show_estimator(self.pipeline) == show_estimator(self.pipeline)

    def test_values_are_escaped(self):
        view = show_estimator(LogisticRegression(solver=HOSTILE))
        assert "<script" not in view and "&lt;script" in view

    def test_ids_are_unique_on_a_page_with_several_views(self):
        views = {name: show_estimator(self.pipeline) for name in ("a", "b")}
        page = render_page("Estimators", "", {"Parameters": load_macros("macros.html.jinja").views(views)})
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids)) > 8
        assert set(re.findall(r'\bfor="([^"]+)"', page)) <= set(ids)
