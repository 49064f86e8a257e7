"""Groups, faces and training history of a report, and its page."""

import re

import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import make_pipeline
from sklearn import metrics
from sklearn.svm import LinearSVC

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    EmotionReport,
    FaceLoader,
    HOGTransformer,
    load_model,
    make_faces,
    networks,
    save_model,
)
from sk_emotion.exceptions import DatasetWarning, ImageArrayError, LabelError

HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def predictions():
    """True labels and probabilities of three classes, and a face for each."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 240)
    score = rng.dirichlet(np.ones(3), 240) + 0.5 * np.eye(3)[true]
    score /= score.sum(axis=1, keepdims=True)
    faces = rng.integers(0, 256, (240, 24, 24), dtype=np.uint8)
    return np.array(["anger", HOSTILE, "pain"])[true], score, faces


@pytest.fixture(scope="module")
def trained():
    """A network in a pipeline with a sampler, fitted on imbalanced faces."""
    X, y, groups = make_faces(60, emotions=["happiness", "pain"], weights=[2, 1], image_size=24, random_state=0)
    network = EmotionClassifier(
        networks.ResNet(width=4), max_epochs=2, validation_fraction=0.2, random_state=0, verbose=0
    )
    model = make_pipeline(FaceLoader(image_size=24), AugmentationOverSampler(random_state=0), network)
    return model.fit(X, y), X, y, groups


class TestGroups:
    def test_scores_of_each_value_match_scikit_learn(self, predictions):
        y, score, _ = predictions
        camera = np.arange(240) % 2
        report = EmotionReport.from_predictions(y, y_score=score, metadata={"camera": camera})
        assert list(report.per_group["value"]) == ["0", "1"]
        for value, row in enumerate(report.per_group.to_dict("records")):
            inside = camera == value
            assert row["images"] == 120
            assert row["accuracy"] == pytest.approx(metrics.accuracy_score(y[inside], report.y_pred[inside]))
            expected = metrics.f1_score(y[inside], report.y_pred[inside], average="macro")
            assert row["f1_macro"] == pytest.approx(expected)
            assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
            assert row["f1_macro_low"] < row["f1_macro"] < row["f1_macro_high"]

    def test_overall_scores_do_not_change(self, predictions):
        y, score, faces = predictions
        plain, more = (
            EmotionReport.from_predictions(y, y_score=score, random_state=0, **options)
            for options in ({}, {"metadata": {"camera": y}, "images": faces})
        )
        pd.testing.assert_frame_equal(plain.scores, more.scores)
        assert plain.per_group.empty

    def test_macro_f1_covers_the_classes_present(self):
        y_true = np.array(["fear"] * 20 + ["pain"] * 20)
        y_pred = np.array(["fear"] * 18 + ["pain"] * 22)
        report = EmotionReport.from_predictions(y_true, y_pred, metadata={"person": y_true}, n_resamples=0)
        # Of twenty faces of fear, two are predicted as pain; only fear is present.
        assert report.per_group["f1_macro"].tolist() == pytest.approx([18 / 19, 1])
        assert report.per_group["accuracy_low"].isna().all()

    def test_numbers_are_cut_into_quarters(self, predictions):
        y, score, _ = predictions
        table = pd.DataFrame({"age": np.r_[[np.nan] * 40, np.arange(200)], "smiles": np.arange(240) % 3 == 0})
        report = EmotionReport.from_predictions(y, y_score=score, metadata=table, n_resamples=0)
        values = report.per_group.groupby("column", sort=False)["value"].agg(list)
        assert values["age"] == ["0 to 49", "50 to 99", "100 to 149", "150 to 199", "missing"]
        assert values["smiles"] == ["False", "True"]

    def test_intervals_of_a_column_resample_whole_groups(self, predictions):
        y, _, _ = predictions
        people = np.arange(240) // 20
        right = np.where(people % 2 == 0, y, np.roll(np.unique(y), 1)[np.unique(y, return_inverse=True)[1]])
        options = {"metadata": {"camera": ["one"] * 240}, "n_resamples": 300}
        alone, grouped = (EmotionReport.from_predictions(y, right, groups=who, **options) for who in (None, people))
        widths = [
            part.per_group.query("column == 'camera'").eval("accuracy_high - accuracy_low").iloc[0]
            for part in (alone, grouped)
        ]
        assert widths[1] > 3 * widths[0]

    def test_largest_groups_are_shown_and_others_counted(self):
        people = np.repeat(np.arange(30), np.arange(1, 31))
        y = np.resize(["fear", "pain"], len(people))
        report = EmotionReport.from_predictions(y, y, groups=people, n_resamples=20)
        assert report.per_group["images"].tolist() == list(range(30, 10, -1))
        assert report.left_out == {"group": 10}
        assert "and 22 more" in str(report)
        assert "10 more with fewer images" in report.to_html()

    def test_groups_of_few_images_have_no_table(self):
        y = np.resize(["fear", "pain"], 40)
        report = EmotionReport.from_predictions(y, y, groups=np.arange(40), n_resamples=20)
        assert report.per_group.empty
        assert ">Groups</a>" not in report.to_html()

    @pytest.mark.parametrize("values", [["b", "a", None, 3] * 10, pd.Categorical(["x", "y"] * 20)])
    def test_values_of_any_type(self, values):
        y = np.resize(["fear", "pain"], 40)
        report = EmotionReport.from_predictions(y, y, metadata={"what": values}, n_resamples=0)
        assert report.per_group["images"].sum() == 40

    def test_invalid_metadata_raises(self):
        with pytest.raises(LabelError, match="column 'age' of metadata has 2 entries"):
            EmotionReport.from_predictions(["fear", "pain", "pain"], ["fear"] * 3, metadata={"age": [1, 2]})
        with pytest.raises(TypeError, match="metadata is a list, expected a DataFrame or a mapping"):
            EmotionReport.from_predictions(["fear", "pain"], ["fear"] * 2, metadata=[1, 2])


class TestFaces:
    def test_faces_are_labeled_with_file_names(self, predictions):
        y, score, _ = predictions
        names = [f"photos/<{row}>.png" for row in range(len(y))]
        images = np.zeros((len(y), 16, 16), dtype=np.uint8)
        report = EmotionReport.from_predictions(y, y_score=score, images=images, image_names=names, n_resamples=0)
        row = report.mistakes[0]
        page = report.to_html(title="Model & data")
        assert f'<span title="photos/&lt;{row}&gt;.png">&lt;{row}&gt;.png</span>' in page
        assert "<h1>Model &amp; data</h1>" in page
        with pytest.raises(LabelError, match="image_names has 1 names"):
            EmotionReport.from_predictions(y, y_score=score, images=images, image_names=["a"])

    def test_most_confident_mistakes_come_first(self, predictions):
        y, score, faces = predictions
        report = EmotionReport.from_predictions(y, y_score=score, images=faces, n_resamples=0)
        confidence = score.max(axis=1)[report.mistakes]
        assert (report.y_pred != y)[report.mistakes].all()
        assert (np.diff(confidence) <= 0).all()
        assert confidence[0] == score.max(axis=1)[report.y_pred != y].max()
        margins = np.diff(np.sort(score, axis=1)[:, -2:], axis=1).ravel()
        assert report.doubtful[0] == margins.argmin()
        assert len(report.mistakes) == len(report.doubtful) == 24
        assert report.to_html().count('src="data:image/jpeg') == 48

    def test_single_column_of_probabilities_is_least_certain_near_one_half(self):
        column = np.array([0.9, 0.45, 0.2, 0.1] * 10)
        report = EmotionReport.from_predictions([1, 1, 0, 0] * 10, [1, 0, 0, 0] * 10, column, n_resamples=0)
        assert report.doubtful[0] == 1
        assert ">Calibration</a>" in report.to_html()

    @pytest.mark.parametrize("form", ["floats", "color", "one channel"])
    def test_any_images_are_shown(self, predictions, form):
        y, score, faces = predictions
        images = {
            "floats": faces / np.float32(255),
            "color": np.repeat(faces[..., None], 3, axis=-1),
            "one channel": faces[..., None],
        }[form]
        report = EmotionReport.from_predictions(y, y_score=score, images=images, n_resamples=0)
        shown = next(iter(report._thumbnails.items()))
        np.testing.assert_array_equal(shown[1], np.squeeze(images[shown[0]]) if form != "floats" else faces[shown[0]])

    def test_invalid_images_raise(self, predictions):
        y, score, faces = predictions
        with pytest.raises(ImageArrayError, match="images has 3 faces"):
            EmotionReport.from_predictions(y, y_score=score, images=faces[:3])
        with pytest.raises(ImageArrayError, match=r"images has shape \(240, 576\)"):
            EmotionReport.from_predictions(y, y_score=score, images=faces.reshape(240, -1))

    def test_flat_rows_are_shown_and_features_are_not(self, trained):
        _, X, y, _ = trained
        rows = X.reshape(len(X), -1)
        network = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0).fit(rows, y)
        assert "<img" in EmotionReport.from_estimator(network, rows, y, n_resamples=0).to_html()
        features = HOGTransformer().fit_transform(X)
        machine = LinearSVC(random_state=0).fit(features, y)
        assert "<img" not in EmotionReport.from_estimator(machine, features, y, n_resamples=0).to_html()


class TestModel:
    def test_parameters_history_and_class_balance_are_kept(self, trained, tmp_path):
        model, X, y, _ = trained
        save_model(model, tmp_path / "model.skops")
        for each in (model, load_model(tmp_path / "model.skops")):
            report = EmotionReport.from_estimator(each, X, y, n_resamples=0)
            assert "<div>EmotionClassifier</div>" in report.estimator_html and "max_epochs" in report.estimator_html
            assert len(report.history) == 2
            before = pd.Series(y).value_counts().to_dict()
            assert report.class_counts["before"].to_dict() == before
            assert set(report.class_counts["after"]) == {max(before.values())}
            page = report.to_html()
            for section in ("Training", "Class balance", "Parameters", "Doubtful faces"):
                assert f">{section}</a>" in page

    def test_sections_without_data_are_omitted(self, predictions):
        y, score, _ = predictions
        page = EmotionReport.from_predictions(y, y_score=score, n_resamples=0).to_html()
        for section in ("Training", "Class balance", "Parameters", "Doubtful faces", "Groups", "Equalized test set"):
            assert f">{section}</a>" not in page
        labels_only = EmotionReport.from_predictions(y, y, n_resamples=0).to_html()
        for section in ("ROC curves", "Precision and recall", "Calibration"):
            assert f">{section}</a>" in page
            assert f">{section}</a>" not in labels_only


def test_page_is_written_and_self_contained(predictions, tmp_path):
    y, score, faces = predictions
    report = EmotionReport.from_predictions(y, y_score=score, images=faces, groups=np.arange(240) // 10)
    page = report.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    assert not re.search(r'<script|<link rel="(?!icon)|src="(?!data:)|url\("?(?!#|data:)', page)
    assert "nan" not in page.split("<main")[1].split('src="data')[0]
    assert f"Expected calibration error: {compute_error(report):.3f}" in page
    assert "<table" in report._repr_html_()
    assert "<html" not in report._repr_html_()


def compute_error(report):
    from sk_emotion.metrics import expected_calibration_error

    return expected_calibration_error(report.y_true, report.y_score, classes=report.classes)


def test_names_are_escaped_everywhere(predictions):
    y, score, faces = predictions
    metadata = {HOSTILE: [HOSTILE, '"onload="x'] * 120}
    report = EmotionReport.from_predictions(y, y_score=score, images=faces, metadata=metadata, n_resamples=20)
    for page in (report.to_html(), report._repr_html_()):
        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert 'onload="' not in page.replace("&quot;", "")


def test_binary_curves_are_those_of_the_positive_class():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    report = EmotionReport.from_predictions(y, y, rng.normal(size=60), pos_label=1, n_resamples=0)
    page = report.to_html()
    assert page.count(">ROC curve of 1</title>") == 1
    assert ">Calibration</a>" not in page


def test_page_of_a_single_class_and_of_an_equalized_set(predictions, trained):
    y, score, _ = predictions
    rows = y == "pain"
    classes = np.unique(y)
    with pytest.warns(DatasetWarning, match="No test face of "):
        alone = EmotionReport.from_predictions(y[rows], y_score=score[rows], classes=classes, n_resamples=20)
    assert ">ROC curves</a>" not in alone.to_html()
    model, X, labels, _ = trained
    page = EmotionReport.from_estimator(model, X, labels, equalize=True, n_resamples=20).to_html()
    assert "Why they differ" in page
