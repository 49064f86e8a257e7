"""HTML reports in a browser: no network requests, no overflow on a phone, no accessibility violations.

`SK_EMOTION_AXE` is the path of ``axe.min.js`` of axe-core, and `SK_EMOTION_CHROMIUM` that of Chromium, if it is not on
PATH. `.ci/run` installs both.
"""

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_emotion import EmotionReport, compare_classifiers, make_faces
from sk_emotion._reports import show_estimator

CHROMIUM = os.environ.get("SK_EMOTION_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
AXE = os.environ.get("SK_EMOTION_AXE")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium: install it, or set SK_EMOTION_CHROMIUM; .ci/run does"
)

VIEWS = [(width, theme) for width in (1280, 390) for theme in ("light", "dark")]

# Network requests of the page are blocked, and reported on the console.
POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
)

# Each view is an iframe, which posts its results to the outer page.
REPORT = """
<script>
addEventListener("load", async () => {
  document.documentElement.style.colorScheme = THEME;
  const {scrollWidth: width, clientWidth: room} = document.documentElement;
  const found = {view: VIEW, width, room, faults: null,
                 asked: performance.getEntriesByType("resource").map(entry => entry.name)};
  if (window.axe) {
    const {violations} = await axe.run(document, {resultTypes: ["violations"]});
    found.faults = violations.map(({impact, id, help, nodes}) => ({impact, id, help, where: nodes[0].html}));
  }
  parent.postMessage(found, "*");
});
</script>
"""
GATHER = """<!DOCTYPE html><title>views</title><body>FRAMES<script>
const found = [];
addEventListener("message", ({data}) => {
  found.push(data);
  if (found.length === COUNT) {
    const results = document.createElement("pre");
    results.id = "results";
    results.textContent = JSON.stringify(found);
    document.body.append(results);
  }
});
</script>"""


def open_page(page, folder):
    """Open a page in each view; return the results of the views and the lines of the console."""
    axe = f"<script>{Path(AXE).read_text(encoding='utf-8')}</script>" if AXE else ""
    frames = ""
    # Hidden text is not checked: open the parameters of all estimators.
    page = page.replace('type="checkbox"', 'type="checkbox" checked').replace("<details>", "<details open>")
    for number, (width, theme) in enumerate(VIEWS):
        report = REPORT.replace("THEME", json.dumps(theme)).replace("VIEW", json.dumps(f"{width} {theme}"))
        view = page.replace('<meta charset="utf-8">', '<meta charset="utf-8">' + POLICY)
        (folder / f"{number}.html").write_text(view.replace("</body>", axe + report), encoding="utf-8")
        frames += f'<iframe src="{number}.html" style="width: {width}px; height: 800px; border: 0"></iframe>'
    outer = GATHER.replace("FRAMES", frames).replace("COUNT", str(len(VIEWS)))
    (folder / "views.html").write_text(outer, encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--log-level=0"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=60000", "--dump-dom"]
    done = subprocess.run(
        [*command, (folder / "views.html").as_uri()], capture_output=True, text=True, timeout=300, check=True
    )
    results = re.search(r'<pre id="results">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert results, done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(unescape(results[1])), console


@pytest.fixture(scope="module", params=["report", "comparison"])
def opened(request, tmp_path_factory):
    """Results of all views of a page with every section and with long names."""
    names = np.array(["happiness", "a class with a very long name & <script>", "pain"])
    if request.param == "report":
        rng = np.random.default_rng(0)
        faces, _, people = make_faces(120, emotions=["happiness", "pain"], image_size=24, random_state=0)
        true = rng.integers(0, 3, 120)
        score = rng.dirichlet(np.ones(3), 120) + 0.5 * np.eye(3)[true]
        score /= score.sum(axis=1, keepdims=True)
        metadata = {"age": rng.integers(1, 90, 120), "camera" * 12: ["phone" * 20, "web <b>cam</b>"] * 60}
        result = EmotionReport.from_predictions(
            names[true], y_score=score, classes=names, groups=people, metadata=metadata, images=faces, n_resamples=50
        )
        result.estimator_html = show_estimator(make_pipeline(StandardScaler(), GaussianNB(priors=[1 / 3] * 3)))
        result.history = [{"train_loss": 2 / epoch, "valid_loss": 1, "lr": 0.1} for epoch in range(1, 20)]
        result.class_counts = result.per_class[["support"]].assign(after=60).set_axis(["before", "after"], axis=1)
    else:
        y = names[np.arange(90) % 3]
        X = np.random.default_rng(0).normal(size=(90, 2)) + (np.arange(90) % 3)[:, None]
        models = {"Bayes": GaussianNB(), "an estimator with a very long name <script>" * 2: DummyClassifier()}
        result = compare_classifiers(models, X, y, cv=3, random_state=0)
    return open_page(result.to_html(), tmp_path_factory.mktemp(request.param))


def test_console_is_empty_and_nothing_is_requested(opened):
    views, console = opened
    assert console == []
    assert {view["view"]: view["asked"] for view in views} == {f"{width} {theme}": [] for width, theme in VIEWS}


def test_page_fits_the_screen(opened):
    views, _ = opened
    for view in views:
        assert view["width"] <= view["room"], view["view"]


@pytest.mark.skipif(AXE is None, reason="needs axe-core: set SK_EMOTION_AXE to its axe.min.js; .ci/run does")
def test_page_has_no_accessibility_violations(opened):
    views, _ = opened
    for view in views:
        assert view["faults"] == [], view["view"]
