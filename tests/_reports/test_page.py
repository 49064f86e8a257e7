from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_emotion._reports import Html, Lines, Scale, Section, describe_parameters, draw_lines, render_page, table


def test_empty_sections_are_omitted_from_the_page_and_its_contents():
    page = render_page("Title & more", "What <this> is.", [Section("One two", "<p>1</p>"), Section("Three", "")])
    assert '<a href="#one-two">One two</a>' in page
    assert '<h2 id="one-two">' in page
    assert "Three" not in page
    assert "<h1>Title &amp; more</h1><p>What &lt;this&gt; is.</p>" in page


def test_text_in_tables_is_escaped_and_html_is_not():
    text = table('"quoted"', ["<a>"], [["<b>", "<c>", Html("<i>x</i>")]])
    assert 'aria-label="&quot;quoted&quot;"' in text
    assert "&lt;a&gt;" in text
    assert '<th scope="row">&lt;b&gt;</th><td>&lt;c&gt;</td><td><i>x</i></td>' in text


def test_parameters_include_those_of_nested_estimators():
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
    described = describe_parameters(pipeline)
    assert described[""] == "Pipeline of StandardScaler, LogisticRegression"
    assert described["logisticregression"] == "LogisticRegression"
    assert described["logisticregression__C"] == "0.5"
    assert "steps" not in described
    search = describe_parameters(GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1]}))
    assert search[""] == "GridSearchCV over Pipeline of StandardScaler, LogisticRegression"
    assert search["param_grid"] == "{'logisticregression__C': [0.1, 1]}"


def test_nan_is_not_drawn():
    nan = float("nan")
    scale = Scale(-1, 1)
    assert scale.strip(scale.dot(nan), scale.bar(nan), scale.interval(nan, 1), scale.rule(nan, "mean")).count("<") == 2
    assert scale.dot(0).startswith('<circle class="dot" cx="50.00%"')
    assert "nan" not in draw_lines([Lines([0, 1, 2], [0.1, nan, 0.3])], label="a line", x_label="x")


def test_long_lines_are_thinned():
    many = [step / 10_000 for step in range(10_001)]
    drawing = draw_lines([Lines(many, many)], label="a line", x_label="x")
    assert len(drawing) < 6_000
    assert 'aria-label="a line"' in drawing
