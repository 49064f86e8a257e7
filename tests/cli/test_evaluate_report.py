import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import FixedThresholdClassifier

from sk_emotion import consolidate_emotions, load_face_folder, load_model, make_hog_svm, save_model


@pytest.fixture
def model(folder, tmp_path):
    """Model file, trained on the folder."""
    faces = load_face_folder(folder)
    save_model(make_hog_svm(image_size=32).fit(faces.data, faces.target), tmp_path / "model.skops")
    return tmp_path / "model.skops"


def test_html_report(folder, model, tmp_path, run, capsys):
    paths = sorted(folder.rglob("*.jfif"))
    people = [number // 6 for number in range(len(paths))]
    table = pd.DataFrame({"image": paths, "label": [path.parent.name for path in paths], "person": people})
    table.to_csv(tmp_path / "faces.csv", index=False)
    arguments = ["--groups", "person", "--report", tmp_path / "page.html"]
    assert run("evaluate", model, tmp_path / "faces.csv", *arguments) == 0
    captured = capsys.readouterr()
    assert "macro F1" in captured.out
    assert f"Report: {tmp_path / 'page.html'}" in captured.err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    # The estimators include the loader, although the faces were loaded before the report.
    assert "<div>FaceLoader</div>" in page and "image_size" in page
    for section in ("Confusions", "Groups", "Doubtful faces"):
        assert f">{section}</a>" in page
    assert "<img" in page
    assert f"<h1>{model} on {tmp_path / 'faces.csv'}</h1>" in page
    assert any(f'title="{path}">{path.name}</span>' in page for path in paths)


def test_binary_question_to_a_multiclass_model_sums_probabilities(folder, model, run, capsys):
    assert run("evaluate", model, folder, "--binary", "Fear,pain", "--json") == 0
    judged = json.loads(capsys.readouterr().out)
    faces = load_face_folder(folder)
    yes = 1 - load_model(model).predict_proba(faces.data)[:, 1]
    truth = consolidate_emotions(faces.target, ["fear", "pain"])
    assert judged["classes"] == ["fear or pain", "not fear or pain"]
    assert judged["scores"]["roc_auc"]["value"] == pytest.approx(roc_auc_score(truth, yes))
    assert judged["scores"]["accuracy"]["value"] == pytest.approx(((yes > 0.5) == truth).mean())
    assert judged["scores"]["sensitivity"]["value"] == pytest.approx((yes > 0.5)[truth == 1].mean())


def test_binary_question_to_a_binary_model_uses_its_threshold(folder, tmp_path, run, capsys):
    faces = load_face_folder(folder)
    calm = np.where(faces.target == "pain", "pain", "calm")
    model = FixedThresholdClassifier(make_hog_svm(image_size=32), threshold=0.01, pos_label="pain")
    save_model(model.fit(faces.data, calm), tmp_path / "model.skops")
    assert run("evaluate", tmp_path / "model.skops", folder, "--binary", "pain", "--json") == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    answers = model.predict(faces.data)
    assert scores["specificity"]["value"] == pytest.approx((answers[calm == "calm"] == "calm").mean())
    assert scores["specificity"]["value"] < 0.5


def test_question_of_the_model_may_name_classes_missing_from_the_images(folder, tmp_path, run, capsys):
    faces = load_face_folder(folder)
    answers = np.where(faces.target == "pain", "pain or boredom", "not pain or boredom")
    save_model(make_hog_svm(image_size=32).fit(faces.data, answers), tmp_path / "model.skops")
    for question in ([], ["--binary", "boredom, pain"]):
        assert run("evaluate", tmp_path / "model.skops", folder, *question, "--json") == 0
        assert json.loads(capsys.readouterr().out)["classes"] == ["not pain or boredom", "pain or boredom"]


def test_class_with_only_a_damaged_image_is_dropped(folder, model, tmp_path, run, capsys):
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    paths = [*sorted(folder.rglob("*.jfif")), tmp_path / "damaged.png"]
    table = pd.DataFrame({"image": paths, "label": [path.parent.name for path in paths[:-1]] + ["neutral"]})
    table.to_csv(tmp_path / "faces.csv", index=False)
    for command in (["evaluate", model], ["compare", "--cv", "2", "--epochs", "1", "--width", "4"]):
        assert run(*command, tmp_path / "faces.csv", "--quiet", "--json") == 0
        captured = capsys.readouterr()
        assert "1 of 37 images cannot be read" in captured.err
        assert "neutral" not in captured.out


def test_folders_named_by_numbers_match_integer_classes(folder, tmp_path, run, capsys):
    faces = load_face_folder(folder)
    codes = np.unique(faces.target, return_inverse=True)[1]
    save_model(make_hog_svm(image_size=32).fit(faces.data, codes), tmp_path / "model.skops")
    for code, name in enumerate(["FEAR", "HAPPINESS", "PAIN"]):
        (folder / name).rename(folder / str(code))
    assert run("evaluate", tmp_path / "model.skops", folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["scores"]["accuracy"]["value"] > 0.8


def test_unwritable_report_is_an_error_before_evaluation(folder, model, tmp_path, run, capsys):
    assert run("evaluate", model, folder, "--report", tmp_path) == 2
    assert "--report" in capsys.readouterr().err
    assert run("evaluate", model, folder, "--report", tmp_path / "none" / "page.html") == 2
    assert "there is no folder" in capsys.readouterr().err


def test_scores_by_columns_of_the_table(folder, model, tmp_path, run, capsys):
    paths = [*sorted(folder.rglob("*.jfif")), tmp_path / "damaged.png"]
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    table = pd.DataFrame({"image": paths, "label": [path.parent.name for path in paths[:-1]] + ["pain"]})
    table["ward"] = ["A" if number % 3 else "B" for number in range(len(paths))]
    table.to_csv(tmp_path / "faces.csv", index=False)
    assert run("evaluate", model, tmp_path / "faces.csv", "--by", "ward", "--json") == 0
    parts = json.loads(capsys.readouterr().out)["per_group"]
    # The damaged image, the last one of ward B, is left out with its ward.
    assert {part["value"]: part["images"] for part in parts} == {"A": 24, "B": 12}
    assert run("evaluate", model, tmp_path / "faces.csv", "--by", "age") == 2
    assert "there is no column 'age'" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    table.rename(columns={"ward": "label "}).to_csv(tmp_path / "twice.csv", index=False)
    assert run("evaluate", model, tmp_path / "twice.csv") == 2
    assert "the column 'label' 2 times" in capsys.readouterr().err
    table.assign(x="C").rename(columns={"x": "ward"}).to_csv(tmp_path / "twice.csv", index=False)
    assert run("evaluate", model, tmp_path / "twice.csv", "--by", "ward") == 2
    assert "there are several columns 'ward'" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert run("evaluate", model, folder, "--by", "ward") == 2
    assert "CSV file" in capsys.readouterr().err
