"""The text of a comparison."""

import math
import sys

import pandas as pd
import pytest

from sk_emotion.model_selection import Comparison
from sk_emotion.model_selection._comparison_scores import collect_folds


def make_frame(scores, fit_times, metric="f1_macro"):
    """Return a row per estimator and fold; None is a failed fold."""
    rows = [
        {
            "estimator": name,
            "fold": fold,
            metric: math.nan if score is None else score,
            "fit_time": math.nan if score is None else fit_times[name],
            "score_time": math.nan if score is None else 0.125,
            "n_train": 120,
            "n_test": 30,
        }
        for name, values in scores.items()
        for fold, score in enumerate(values)
    ]
    return pd.DataFrame(rows)


def compare(scores, **options):
    fit_times = dict.fromkeys(scores, 9.96) | {next(iter(scores)): 12.34}
    reference = pd.DataFrame({"f1_macro": [0.2, 0.1]}, index=["chance", "majority class"])
    return Comparison(make_frame(scores, fit_times), reference, n_classes=3, **options)


def test_text_with_failures_and_caveats():
    scores = {
        "CNN": [0.60, 0.65, 0.63, 0.72, 0.70],
        "SVM": [0.50, 0.60, 0.55, 0.70, 0.65],
        "new": [0.5, None, 0.5, None, 0.5],
    }
    errors = [("new", 1, "ValueError: no\n  convergence " + "x" * 200), ("new", 3, "ValueError: other")]
    failures = pd.DataFrame(errors, columns=["estimator", "fold", "error"])
    result = compare(scores, failures=failures, caveats=["One thing. Two things.", "Another."])
    shown = "ValueError: no convergence " + "x" * (159 - len("ValueError: no convergence ")) + "…"
    assert str(result).splitlines() == [
        "5 folds, about 120 training and 30 test images each, 3 classes; mean ± standard deviation over folds",
        "",
        "                      macro F1   fit (s)   predict (s)",
        "──────────────────────────────────────────────────────",
        "CNN              0.660 ± 0.049      12.3          0.12",
        "SVM              0.600 ± 0.079      9.96          0.12",
        "new                          –         –             –",  # noqa: RUF001 - an en dash for "none"
        "──────────────────────────────────────────────────────",
        "chance                   0.200                        ",
        "majority class           0.100                        ",
        "",
        "One thing. Two things.",
        "Another.",
        "",
        f"new failed in 2 of 5 folds, first in fold 1 ({shown}); it has no mean and is neither ranked nor tested.",
        "",
        "Corrected resampled paired t-test on macro F1 (Nadeau & Bengio 2003):",
        "  CNN over SVM: +0.060, t(4) = 2.90, p = 0.044",
    ]
    assert repr(result) == str(result)


def test_text_without_optional_parts():
    result = Comparison(
        make_frame({"CNN": [0.5]}, {"CNN": 0.5}, metric="my_own"), pd.DataFrame({"my_own": []}), n_classes=2
    )
    assert str(result).splitlines() == [
        "One fold, about 120 training and 30 test images, 2 classes",
        "",
        "      my own   fit (s)   predict (s)",
        "────────────────────────────────────",
        "CNN    0.500      0.50          0.12",
    ]
    assert result.failures.empty and result.tests.empty and result.estimators_html == {} and result.caveats == []


def test_text_of_repeats_and_small_p():
    result = compare({"CNN": [0.80, 0.81, 0.805, 0.80], "SVM": [0.1, 0.12, 0.11, 0.1]}, n_repeats=2)
    assert result.describe_folds().startswith("2 x 2 folds, about 120 training")
    assert result.describe_tests()[1].endswith(", p < 0.001")
    assert result.describe_tests()[1].startswith("  CNN over SVM: +0.696, t(3) = ")


def test_failed_metrics_are_named():
    frame = make_frame({"a": [0.5, 0.6], "b": [0.4, 0.5]}, {"a": 1, "b": 1})
    frame.insert(3, "accuracy", [0.5, 0.6, math.nan, 0.5])
    frame.insert(4, "roc_auc", [0.5, 0.6, 0.5, math.nan])
    failures = pd.DataFrame([["b", 0, "E: x"], ["b", 1, "E: y"]], columns=["estimator", "fold", "error"])
    result = Comparison(frame, pd.DataFrame(), n_classes=2, failures=failures)
    assert result.describe_failures() == [
        "b failed in 2 of 2 folds, first in fold 0 (E: x); it has no mean of accuracy or ROC AUC."
    ]
    assert result.metrics == ["f1_macro", "accuracy", "roc_auc"]
    assert result.best == "a"


def test_failed_folds_with_an_error_score_are_named():
    failures = pd.DataFrame([["SVM", 1, "E: x"]], columns=["estimator", "fold", "error"])
    result = compare({"CNN": [0.5, 0.6], "SVM": [0.4, 0.0]}, failures=failures)
    assert result.describe_failures() == [
        "SVM failed in 1 of 2 folds, first in fold 1 (E: x); these folds count with the given error_score."
    ]
    assert result.summary().loc["SVM", ("f1_macro", "mean")] == pytest.approx(0.2)


def test_first_of_equal_means_is_best():
    assert compare({"b": [0.5, 0.6], "a": [0.6, 0.5], "c": [0.4, 0.6]}).best == "b"


def test_pairs_are_tested_on_their_common_folds():
    nan = math.nan
    frame = make_frame(
        {"first": [0.95, 0.50, 0.52, nan], "second": [nan, 0.60, 0.61, 0.10], "third": [nan, nan, 0.20, 0.15]},
        dict.fromkeys(("first", "second", "third"), 1),
    ).assign(n_test=[10, 20, 30, 80] * 3)
    result = Comparison(frame, pd.DataFrame(), n_classes=2)
    assert result.best == "first"
    # The first and the third have one common fold, too few for a test.
    one, other = result.tests.to_dict("records")
    assert (one["better"], one["other"], one["df"]) == ("second", "first", 1)
    assert one["difference"] == pytest.approx(0.095)
    variance = 2 * 0.005**2
    assert one["t"] == pytest.approx(0.095 / math.sqrt((1 / 2 + 25 / 120) * variance))
    assert (other["better"], other["other"]) == ("second", "third")
    assert other["difference"] == pytest.approx((0.41 - 0.05) / 2)
    assert result.describe_tests()[0].endswith(", p Holm-adjusted for the 2 pairs:")


def test_failures_keep_their_order_and_long_errors_are_shortened():
    errors = [("SVM", 0, "E: " + "x" * 157), ("CNN", 0, "E: " + "x" * 158)]
    failures = pd.DataFrame(errors, columns=["estimator", "fold", "error"])
    first, second = compare({"SVM": [None, 0.4], "CNN": [None, 0.5]}, failures=failures).describe_failures()
    assert first.startswith("SVM failed in 1 of 2 folds, first in fold 0 (E: " + "x" * 157 + ");")
    assert second.startswith("CNN failed in 1 of 2 folds, first in fold 0 (E: " + "x" * 156 + "…);")


def test_frame_is_a_copy():
    result = compare({"CNN": [0.5, 0.6]})
    frame = result.to_frame()
    frame["f1_macro"] = 0
    assert result.scores["f1_macro"].tolist() == [0.5, 0.6]


class TestProgress:
    ROWS = [  # noqa: RUF012
        {"estimator": "CNN", "fold": 0, "error": "", "f1_macro": 0.5, "fit_time": 1.25, "score_time": 0.25},
        {"estimator": "CNN", "fold": 1, "error": "", "f1_macro": 0.7, "fit_time": 2.0, "score_time": 0.5},
        {"estimator": "SVM", "fold": 0, "error": "", "f1_macro": 0.5, "fit_time": 1.0, "score_time": 1.0},
        {"estimator": "SVM", "fold": 1, "error": "E", "n_train": 2, "n_test": 1},
        {"estimator": "kNN", "fold": 0, "error": "E", "n_train": 2, "n_test": 1},
        {"estimator": "kNN", "fold": 1, "error": "E", "n_train": 2, "n_test": 1},
        {"estimator": "own", "fold": 0, "error": "", "f1_macro": math.nan, "fit_time": 1.0, "score_time": 1.0},
        {"estimator": "own", "fold": 1, "error": "", "f1_macro": 0.25, "fit_time": 1.0, "score_time": 1.0},
    ]

    def test_line_per_estimator_after_its_last_fold(self, capsys):
        rows = collect_folds(iter(self.ROWS), 2, ["CNN", "SVM", "kNN", "own"], verbose=1)
        assert rows == self.ROWS
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.splitlines() == [
            "[1/4] CNN: f1_macro 0.600, 2 folds, 4.0 s",
            "[2/4] SVM: failed in 1 of 2 folds, 2.0 s",
            "[3/4] kNN: failed in 2 of 2 folds, 0.0 s",
            "[4/4] own: f1_macro 0.250, 2 folds, 4.0 s",
        ]

    def test_line_of_a_single_fold(self, capsys):
        collect_folds(iter(self.ROWS[:1]), 1, ["CNN"], verbose=1)
        assert capsys.readouterr().err == "[1/1] CNN: f1_macro 0.500, 1 folds, 1.5 s\n"

    def test_no_output_without_verbose(self, capsys):
        assert collect_folds(iter(self.ROWS), 2, ["CNN", "SVM", "kNN", "own"], verbose=0) == self.ROWS
        assert capsys.readouterr() == ("", "")

    def test_terminal_shows_a_bar_below_the_lines(self, capsys, monkeypatch):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        for name, value in {"TERM": "xterm", "COLUMNS": "120"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("NO_COLOR", raising=False)
        rows = [row | {"estimator": f"[b]{row['estimator']}[/b]"} for row in self.ROWS[:4]]
        assert collect_folds(iter(rows), 2, ["[b]CNN[/b]", "[b]SVM[/b]"], verbose=1) == rows
        shown = capsys.readouterr().err
        # Names are not parsed as markup, and numbers are not colored.
        assert "[1/2] [b]CNN[/b]: f1_macro 0.600, 2 folds, 4.0 s" in shown
        assert "[b]CNN[/b], fold 1 of 2" in shown and "[b]SVM[/b], fold 1 of 2" in shown
        assert "0/4" in shown and "4/4" in shown
