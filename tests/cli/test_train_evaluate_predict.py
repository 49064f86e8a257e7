"""Train on a folder, then predict and evaluate with the model file."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut

from sk_emotion import FaceLoader, consolidate_emotions, load_face_folder, load_model, make_faces, save_model
from sk_emotion.cli._evaluate import _find_question

QUICK = ["--epochs", "2", "--width", "4", "--image-size", "24"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Faces of nine people in folders, by emotion."""
    path = tmp_path_factory.mktemp("photos")
    X, y, people = make_faces(
        90, emotions=["happiness", "fear", "pain"], image_size=32, n_subjects=9, noise=2, random_state=0
    )
    for number, (face, emotion, person) in enumerate(zip(X, y, people, strict=True)):
        (path / emotion).mkdir(exist_ok=True)
        Image.fromarray(face).save(path / emotion / f"person{person} ({number}).png")
    return path


@pytest.mark.parametrize(
    ("kind", "question"), [("cnn", []), ("cnn", ["--binary", "pain"]), ("hog-svm", ["--binary", "pain"])]
)
def test_probabilities_equal_those_of_the_saved_model(photos, tmp_path, run, capsys, kind, question):
    file = tmp_path / "model.skops"
    groups = ["--groups", r"person(\d+)"]
    assert run("train", photos, "--out", file, "--model", kind, *question, *groups, *QUICK, "--json") == 0
    trained = json.loads(capsys.readouterr().out)
    model = load_model(file)
    assert trained["classes"] == model.classes_.tolist()
    faces = load_face_folder(photos)
    assert run("predict", photos, "--model", file, "--json") == 0
    predictions = json.loads(capsys.readouterr().out)
    assert [row["picture"] for row in predictions] == faces.data.tolist()
    expected = model.predict_proba(faces.data)
    printed = np.array([[row["faces"][0]["probabilities"][name] for name in model.classes_] for row in predictions])
    np.testing.assert_array_equal(printed, expected)

    assert run("evaluate", file, photos, *groups, "--json") == 0
    judged = json.loads(capsys.readouterr().out)
    truth = consolidate_emotions(faces.target, "pain", names=("not pain", "pain")) if question else faces.target
    assert judged["scores"]["accuracy"]["value"] == pytest.approx(np.mean(model.predict(faces.data) == truth))
    assert judged["n"] == 90
    assert ("roc_auc" if question else "roc_auc_ovr") in judged["scores"]


def test_train_prints_scores_of_held_out_people(photos, tmp_path, run, capsys):
    arguments = ["train", photos, "--out", tmp_path / "m.skops", "--groups", r"person(\d+)", *QUICK]
    assert run(*arguments, "--curves", tmp_path / "curves.png") == 0
    captured = capsys.readouterr()
    assert "macro F1" in captured.out
    assert "groups" in captured.out
    assert "90 images: fear 30, happiness 30, pain 30" in captured.err
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_finished_training_with_checkpoints_is_not_repeated(photos, tmp_path, run, capsys):
    command = ["train", photos, "--out", tmp_path / "model.skops", "--checkpoints", tmp_path / "kept", *QUICK, "--json"]
    assert run(*command) == 0
    first = json.loads(capsys.readouterr().out)
    finished = next((tmp_path / "kept").rglob("finished.*"))
    before = finished.stat().st_mtime_ns
    assert run(*command) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert finished.stat().st_mtime_ns == before
    assert load_model(tmp_path / "model.skops")[-1].checkpoint_dir is None


def test_train_without_validation(photos, tmp_path, run, capsys):
    assert run("train", photos, "--out", tmp_path / "m.skops", "--validation", 0, *QUICK, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["n_train"] == 90
    assert "validation" not in result


def test_threshold_for_a_specificity_is_saved(photos, tmp_path, run, capsys):
    file = tmp_path / "m.skops"
    arguments = ["train", photos, "--out", file, "--model", "hog-svm", "--binary", "pain", *QUICK, "--json"]
    assert run(*arguments, "--specificity", "0.9") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["validation"]["specificity"] >= 0.9
    model = load_model(file)
    faces = load_face_folder(photos)
    answers = model.predict_proba(faces.data)[:, 1] >= result["threshold"]
    np.testing.assert_array_equal(model.predict(faces.data), np.where(answers, "pain", "not pain"))


def test_network_with_a_threshold_is_saved(photos, tmp_path, run, capsys):
    file = tmp_path / "m.skops"
    assert run("train", photos, "--out", file, "--binary", "fear,pain", "--specificity", 0.5, *QUICK) == 0
    assert "evaluate it on others" in capsys.readouterr().out
    assert run("evaluate", file, photos, "--quiet") == 0
    assert "F1 (fear or pain)" in capsys.readouterr().out


def test_positive_class_may_come_first_in_sorted_order(photos, tmp_path, run, capsys):
    file = tmp_path / "m.skops"
    assert run("train", photos, "--out", file, "--model", "hog-svm", "--binary", "fear", *QUICK, "--quiet") == 0
    assert run("evaluate", file, photos, "--quiet") == 0
    assert capsys.readouterr().out.count("F1 (fear)") == 2


def test_evaluate_with_equalize_and_plot(photos, tmp_path, run, capsys):
    file = tmp_path / "m.skops"
    run("train", photos, "--out", file, "--model", "hog-svm", "--binary", "pain", *QUICK, "--quiet")
    capsys.readouterr()
    assert run("evaluate", file, photos, "--equalize", "--plot", tmp_path / "report.png") == 0
    assert "Why they differ: pain is 33% of the original images and 50%" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "report.png").stat().st_size > 10_000


class TestPredict:
    @pytest.fixture
    def file(self, photos, tmp_path, run):
        run("train", photos, "--out", tmp_path / "m.skops", "--model", "hog-svm", *QUICK, "--quiet")
        return tmp_path / "m.skops"

    def test_damaged_photo_is_named_and_the_others_are_predicted(self, photos, tmp_path, run, capsys, file):
        damaged = tmp_path / "damaged.jpg"
        damaged.write_bytes(b"no picture")
        whole = next((photos / "pain").iterdir())
        capsys.readouterr()
        assert run("predict", damaged, whole, "--model", file) == 1
        lines = capsys.readouterr().out.splitlines()
        assert "cannot be read" in lines[1]
        assert any(emotion in lines[2] for emotion in ("fear", "happiness", "pain"))

    def test_photos_below_min_confidence_get_no_label(self, photos, tmp_path, run, capsys, file):
        capsys.readouterr()
        assert run("predict", photos, "--model", file, "--min-confidence", 0.999, "--json") == 0
        rows = json.loads(capsys.readouterr().out)
        answers = [face for row in rows for face in row["faces"]]
        assert {face["rejected"] for face in answers} >= {"not confident"}
        assert all((face["label"] is None) == (face["rejected"] is not None) for face in answers)

    def test_photo_without_a_face(self, tmp_path, photos, run, capsys):
        file = tmp_path / "few.skops"
        for folder in photos.iterdir():
            (tmp_path / "few" / folder.name).mkdir(parents=True)
            for path in sorted(folder.iterdir())[:4]:
                (tmp_path / "few" / folder.name / path.name).symlink_to(path)
        options = ["--model", "hog-svm", "--image-size", 24, "--validation", 0]
        run("train", tmp_path / "few", "--out", file, *options)
        assert "Found a face in" in capsys.readouterr().err
        Image.new("L", (60, 60), 128).save(tmp_path / "wall.png")
        assert run("predict", tmp_path / "wall.png", "--model", file) == 0
        assert "no face seen" in capsys.readouterr().out
        assert run("predict", tmp_path / "wall.png", "--model", file, "--accept-missing", "--json") == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert row["n_faces"] == 0 and row["rejected"] is None
        assert row["faces"][0]["label"] is not None and row["faces"][0]["x"] is None

    @pytest.mark.parametrize("model", ["human-emotions", "fer2013"])
    def test_pretrained_models_work_beside_a_folder_of_the_same_name(self, model, tmp_path, monkeypatch, run, capsys):
        monkeypatch.chdir(tmp_path)
        Path(model).mkdir()
        Image.fromarray(astronaut()).save("astronaut.png")
        named = [] if model == "human-emotions" else ["--model", model]
        assert run("predict", "astronaut.png", *named) == 0
        captured = capsys.readouterr()
        assert "happiness" in captured.out
        assert f"Model: {model}" in captured.err

    def test_missing_model_error_suggests_training(self, tmp_path, run, capsys):
        assert run("predict", "photo.jpg", "--model", tmp_path / "none.skops") == 2
        error = capsys.readouterr().err
        assert "none.skops" in error
        assert "sk-emotion train" in error


def test_damaged_photos_of_a_table_are_left_out_with_a_warning(photos, tmp_path, run, capsys):
    paths = [str(path) for path in sorted(photos.rglob("*.png"))]
    labels = [path.split("/")[-2] for path in paths]
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    table = pd.DataFrame({"image": [*paths, str(tmp_path / "damaged.png")], "label": [*labels, "pain"]})
    table.to_csv(tmp_path / "faces.csv", index=False)
    file = tmp_path / "m.skops"
    assert run("train", tmp_path / "faces.csv", "--out", file, "--model", "hog-svm", *QUICK) == 0
    assert "1 of 91 images cannot be read and are left out" in capsys.readouterr().err
    assert run("evaluate", file, tmp_path / "faces.csv", "--json", "--quiet") == 0
    judged = json.loads(capsys.readouterr().out)
    assert (judged["n"], judged["unread"]) == (90, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "{photos}", "--out", "no/such/folder/m.skops"], "no/such/folder"),
        (["train", "{photos}", "--out", "{photos}"], "is a folder"),
        (["train", "{photos}", "--model", "svm"], "'cnn', 'hog-svm'"),
        (["train", "{photos}", "--detector", "haar"], "'centerface'"),
        (["train", "{photos}", "--curves", "curves.txt"], "ending in .png"),
        (["train", "{photos}", "--curves", "curves.png", "--model", "hog-svm"], "needs --model cnn"),
        (["train", "{photos}", "--specificity", "0.9"], "this option needs --binary"),
        (["train", "no/such/photos"], "no/such/photos"),
        (["train", "{photos}", "--checkpoints", "kept", "--model", "hog-svm"], "needs --model cnn"),
        (["train", "--image-size", "4800"], "--image-size"),
        (["evaluate", "none.skops", "{photos}"], "none.skops"),
        (["evaluate", "human_emotions", "{photos}"], "Did you mean human-emotions?"),
        (["evaluate", "{photos}/fear", "{photos}"], "fear"),
        (["predict", "{photos}", "--min-confidence", "60"], "--min-confidence"),
    ],
)
def test_invalid_arguments_exit_with_code_2(photos, run, capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(*(argument.format(photos=photos) for argument in arguments)) == 2
    # Messages of Typer may be wrapped in a box.
    error = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert message in error
    assert "Traceback" not in error


def test_evaluate_with_unknown_labels_is_an_error(photos, tmp_path, run, capsys):
    file = tmp_path / "m.skops"
    run("train", photos, "--out", file, "--model", "hog-svm", *QUICK, "--quiet")
    (tmp_path / "other").mkdir()
    for name in ("boredom", "pain"):
        (tmp_path / "other" / name).symlink_to(photos / "pain")
    assert run("evaluate", file, tmp_path / "other", "--quiet") == 2
    assert "boredom" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("classes", "question"),
    [
        (["not pain", "pain"], "pain"),
        (["anger", "not anger"], "anger"),
        (["fear or pain", "not fear or pain"], "fear or pain"),
        (["fear", "pain"], None),
        (["fear", "not pain", "pain"], None),
        ([0, 1], None),
    ],
)
def test_find_question(classes, question):
    assert _find_question(classes) == question


def test_loader_of_a_trained_model_raises_on_error(photos, tmp_path, run):
    file = tmp_path / "m.skops"
    run("train", photos, "--out", file, "--model", "hog-svm", *QUICK, "--quiet")
    loader = load_model(file)[0]
    assert isinstance(loader, FaceLoader)
    assert loader.on_error == "raise"


@pytest.fixture
def table(photos, tmp_path):
    """CSV file with the labels as names, as numbers, and in another language."""
    paths = sorted(photos.rglob("*.png"))
    names = [path.parent.name for path in paths]
    frame = pd.DataFrame({"image": paths, "label": names})
    frame["number"] = (frame["label"] == "pain").astype(int)
    frame["foreign"] = frame["label"].map({"pain": "Schmerz", "fear": "Angst", "happiness": "Freude"})
    frame["one"] = np.where(frame["label"] == "pain", "p", [str(number) for number in range(len(frame))])
    frame.to_csv(tmp_path / "faces.csv", index=False)
    return tmp_path / "faces.csv"


def test_unknown_labels_are_not_taken_for_the_negative_class(table, tmp_path, run, capsys):
    file = tmp_path / "m.skops"
    assert run("train", table, "-o", file, "--model", "hog-svm", "--binary", "pain", *QUICK, "--quiet") == 0
    capsys.readouterr()
    for column in ("number", "foreign"):
        assert run("evaluate", file, table, "--label-column", column) == 2
        assert "no label is pain" in capsys.readouterr().err


def test_numeric_labels_are_predicted(table, tmp_path, run, capsys):
    file = tmp_path / "m.skops"
    options = ["-o", file, "--model", "hog-svm", "--label-column", "number", *QUICK, "--quiet"]
    assert run("train", table, *options) == 0
    capsys.readouterr()
    picture = next(path for path in pd.read_csv(table)["image"])
    assert run("predict", picture, "--model", file) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[-2] in ("0", "1")
    assert run("train", table, *options, "--binary", "1") == 0


def test_specificity_without_positive_validation_samples_is_an_error(table, tmp_path, run, capsys):
    options = ["--binary", "pain", "--specificity", "0.9", "--groups", "one", "--model", "hog-svm", *QUICK]
    codes = {run("train", table, "-o", tmp_path / "m.skops", *options, "--seed", seed) for seed in range(2)}
    errors = capsys.readouterr().err
    assert codes <= {0, 2}
    assert "--groups" in errors
    assert "Training ..." not in errors.split("Error")[0]


def test_evaluate_on_negative_samples_only(photos, table, tmp_path, run, capsys):
    file = tmp_path / "m.skops"
    run("train", table, "-o", file, "--model", "hog-svm", "--binary", "pain", *QUICK, "--quiet")
    frame = pd.read_csv(table)
    frame[frame["label"] != "pain"].to_csv(tmp_path / "negative.csv", index=False)
    capsys.readouterr()
    assert run("evaluate", file, tmp_path / "negative.csv", "--plot", tmp_path / "report.png") == 0
    assert "specificity" in capsys.readouterr().out
    assert (tmp_path / "report.png").exists()


def test_file_of_another_estimator_is_an_error(photos, tmp_path, run, capsys):
    save_model(FaceLoader().fit([str(next(photos.rglob("*.png")))]), tmp_path / "loader.skops")
    for arguments in (
        ["predict", photos, "-m", tmp_path / "loader.skops"],
        ["evaluate", tmp_path / "loader.skops", photos],
    ):
        assert run(*arguments) == 2
        assert "holds a FaceLoader, expected a classifier" in capsys.readouterr().err


def test_too_few_images_to_validate_are_an_error(table, tmp_path, run, capsys):
    few = pd.read_csv(table).groupby("label").head(1)
    few.to_csv(tmp_path / "few.csv", index=False)
    assert run("train", tmp_path / "few.csv", "-o", tmp_path / "m.skops", *QUICK) == 2
    assert "--validation 0.2 cannot split" in capsys.readouterr().err
    few.head(1).to_csv(tmp_path / "one.csv", index=False)
    options = ["--model", "hog-svm", "--validation", "0", *QUICK]
    assert run("train", tmp_path / "one.csv", "-o", tmp_path / "m.skops", *options) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "{photos}", "--cv", 31], "--cv: class fear has 30 sample(s), fewer than the 31 folds"),
        (["train", "{photos}", "--groups", "(person)"], "check --groups"),
        (["train", "{photos}", "--binary", "pain,boredom"], "no label is boredom"),
        (["evaluate", "fer2013", "{photos}"], "labeled pain, but the classes of the model are anger, disgust"),
        (
            ["evaluate", "fer2013", "{photos}", "--binary", "pain,fear"],
            "the model has no class pain; its classes are anger, disgust",
        ),
        (
            ["evaluate", "fer2013", "{photos}", "--binary", "boredom"],
            "no label is boredom. The labels are fear,",
        ),
        (["predict", "{photos}", "--cache", "{photos}/cache"], "inside the folder of photos"),
        (["train", "{photos}", "--cache", "/proc/none"], "the folder '/proc/none' is not writable"),
    ],
)
def test_errors_are_raised_before_photos_are_read(photos, monkeypatch, capsys, run, arguments, message):
    monkeypatch.setattr("sk_emotion.FaceLoader.load", None)
    assert run(*(str(argument).format(photos=photos) for argument in arguments)) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_cached_faces_are_not_detected_again(tmp_path, photos, monkeypatch, capsys, run):
    file, cache = tmp_path / "model.skops", ["--cache", tmp_path / "cache"]
    assert run("train", photos, "-o", file, "--model", "hog-svm", *cache, *QUICK) == 0
    assert load_model(file)[0].cache is None
    capsys.readouterr()
    monkeypatch.setattr("sk_emotion.preprocessing._faces.decode", None)
    assert run("predict", photos, "--model", file, *cache, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 90
    assert run("evaluate", file, photos, *cache, "--json") == 0
    assert json.loads(capsys.readouterr().out)["n"] == 90


def test_duplicates_are_grouped_even_with_groups_of_people(tmp_path, photos, capsys, run):
    table = pd.DataFrame({"image": sorted(photos.rglob("*.png"))})
    table["label"] = [path.parent.name for path in table["image"]]
    table = pd.concat([table.assign(person=np.arange(90)), table.assign(person=np.arange(90, 180))])
    table.to_csv(tmp_path / "twice.csv", index=False)
    command = ["train", tmp_path / "twice.csv", "--model", "hog-svm", *QUICK, "--json"]
    assert run(*command, "-o", tmp_path / "people.skops", "--groups", "person") == 0
    assert run(*command, "-o", tmp_path / "none.skops", "--groups", "none") == 0
    grouped, ungrouped = (json.loads(text + "}")["validation"] for text in capsys.readouterr().out.split("\n}\n")[:2])
    # Each photo occurs twice: copies of training photos are classified correctly.
    assert grouped["accuracy"] < 0.6 < 0.8 < ungrouped["accuracy"]


def test_validation_on_one_person_warns(tmp_path, photos, capsys, run):
    table = pd.DataFrame({"image": sorted(photos.rglob("*.png"))})
    table["label"] = [path.parent.name for path in table["image"]]
    table["person"] = ["anna" if "person0" in path.name else "ben" for path in table["image"]]
    table.to_csv(tmp_path / "two.csv", index=False)
    command = ["train", tmp_path / "two.csv", "-o", tmp_path / "m.skops", "--model", "hog-svm", *QUICK]
    assert run(*command, "--groups", "person") == 0
    captured = capsys.readouterr()
    assert "all validation images belong to one group" in captured.err
    assert "of one group (no confidence intervals)" in captured.out


def test_photo_with_two_labels_warns(tmp_path, photos, capsys, run):
    folder = shutil.copytree(photos, tmp_path / "faces")
    twice = next((folder / "fear").iterdir())
    shutil.copy(twice, folder / "pain" / "twice.png")
    assert run("train", folder, "-o", tmp_path / "m.skops", "--model", "hog-svm", *QUICK) == 0
    assert "2 photos are near-duplicates of photos with another label" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["train"], ["compare"], ["evaluate", "human-emotions"]])
def test_unknown_positive_class_is_an_error_before_photos_are_read(tmp_path, photos, monkeypatch, capsys, run, command):
    folder = shutil.copytree(photos, tmp_path / "faces")
    (folder / "fear").rename(folder / "boredom")
    monkeypatch.setattr("sk_emotion.FaceLoader.load", None)
    assert run(*command, folder, "--binary", "pian") == 2
    assert "no label is pian" in " ".join(capsys.readouterr().err.split())


def test_system_files_are_ignored(tmp_path, photos, capsys, run):
    folder = shutil.copytree(photos / "fear", tmp_path / "faces")
    (folder / "Thumbs.db").write_bytes(b"no picture")
    assert run("predict", folder, "--model", "fer2013", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == len(list(folder.glob("*.png")))
