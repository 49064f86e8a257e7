"""Train a model that comes with the package, judge it, and write its weights and its card.

    python benchmarks/train_pretrained.py fer2013 --fer2013 fer2013.npz --ferplus ferplus_votes.npz
    python benchmarks/train_pretrained.py human-emotions --fer2013 fer2013.npz --photos human_emotions_6

``fer2013`` is trained on FER2013's Training rows alone; all choices were made on PublicTest. ``human-emotions`` starts
from it; its choices were made, and its figures are, from folds by groups of near duplicates. ``--trained FILE`` keeps the
trained network there, and takes it from there if the file exists: judging and writing take a minute.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _timing import describe_machine
from scipy.optimize import minimize_scalar
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from sk_emotion import (
    EmotionClassifier,
    FaceAugmentation,
    FaceLoader,
    load_face_folder,
    load_fer2013,
    load_model,
    networks,
    save_model,
)
from sk_emotion.metrics import expected_calibration_error
from sk_emotion.utils._weights import FOLDER, write_weights

N_COPIES = 4
"""Copies of each face, whose labels are drawn anew from what people voted."""

AUGMENTATION = FaceAugmentation(rotation=15, scale=0.2, translation=0.1, brightness=0.3, contrast=0.3, erasing=0.3)
LOADER = {"image_size": 48, "detector": "mtcnn", "margin": 0.1}
TTA = "mirror"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["fer2013", "human-emotions"])
    parser.add_argument("--fer2013", required=True, help="fer2013.csv, .npz, or a folder with train and test")
    parser.add_argument("--ferplus", help="ferplus_votes.npz: votes of ten people for each row; for fer2013")
    parser.add_argument("--photos", help="folder of the six emotions; for human-emotions")
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=12, help=f"passes over {N_COPIES} copies of each face")
    parser.add_argument("--own-label", type=float, default=0.5, help="share of the copies that keep the face's label")
    parser.add_argument("--final-epochs", type=int, default=6, help="passes over the faces with their own labels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trained", type=Path, help="file of the trained network")
    return parser.parse_args()


def train_fer2013(faces, labels, votes, arguments):
    """Train on labels that are drawn from people's votes, and at the end on the labels alone."""
    seen = faces.reshape(len(faces), -1).max(axis=1) > 0
    faces, labels, votes = faces[seen], labels[seen], votes[seen]
    names, codes = np.unique(labels, return_inverse=True)
    probabilities = estimate_labels(codes, votes)
    rng = np.random.default_rng(arguments.seed)
    drawn = np.concatenate([draw_labels(codes, probabilities, arguments.own_label, rng) for _ in range(N_COPIES)])
    clf = EmotionClassifier(
        networks.ResNet(arguments.width, dropout=0.2),
        augmentation=AUGMENTATION,
        max_epochs=arguments.rounds,
        batch_size=64,
        ema=0.999,
        label_smoothing=0.0,
        random_state=arguments.seed,
        verbose=1,
    )
    clf.fit(np.tile(faces, (N_COPIES, 1, 1)), names[drawn])
    clf.set_params(
        warm_start=True, max_epochs=arguments.final_epochs, learning_rate=0.005, schedule="cosine", label_smoothing=0.1
    )
    return clf.fit(faces, labels)


def estimate_labels(codes, votes):
    """Estimate how probable each label is of a face that people voted on so: P(label | votes), (n, n_classes)."""
    # A single vote of ten is a slip, as the authors of FER+ count.
    counted = np.where(votes > 1, votes, 0).astype(float)
    share = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
    own = np.eye(codes.max() + 1)[codes]
    given = share.T @ own
    given /= np.maximum(given.sum(axis=1, keepdims=True), 1)
    return np.where(counted.sum(axis=1, keepdims=True) > 0, share @ given, own)


def draw_labels(codes, probabilities, own_label, rng):
    """Give each face its own label with probability `own_label`, else one drawn from its probabilities."""
    drawn = (probabilities.cumsum(axis=1) > rng.random((len(codes), 1))).argmax(axis=1)
    return np.where(rng.random(len(codes)) < own_label, codes, drawn)


def make_human_emotions(seed):
    """Make the network that starts from the features of FER2013."""
    return EmotionClassifier(
        networks.ResNet(pretrained="fer2013", dropout=0.2),
        augmentation=AUGMENTATION,
        max_epochs=30,
        learning_rate=0.02,
        balance_batches=True,
        tta=TTA,
        random_state=seed,
    )


def predict_folds(clf, faces, labels, groups, seed):
    """Predict each photo by a network that saw neither it nor a near duplicate; give probabilities and fold scores."""
    probabilities = np.zeros((len(faces), len(np.unique(labels))))
    scores = []
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(faces, labels, groups):
        fitted = clone(clf).fit(faces[train], labels[train])
        probabilities[test] = fitted.predict_proba(faces[test])
        predicted = fitted.classes_[probabilities[test].argmax(axis=1)]
        scores.append(f1_score(labels[test], predicted, average="macro"))
    return probabilities, scores


def find_temperature(views, labels, classes):
    """Find the temperature that makes the labels most probable, for the mean of several views' softmax."""

    def loss(log_temperature):
        return log_loss(labels, soften(views, np.exp(log_temperature)), labels=classes)

    return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x))


def soften(views, temperature):
    """Give the mean over views of probabilities at another temperature."""
    powers = [np.clip(view, 1e-12, 1) ** (1 / temperature) for view in views]
    return np.mean([power / power.sum(axis=1, keepdims=True) for power in powers], axis=0)


def cool_down(clf, temperature):
    """Put the temperature into the last layer, so that prediction needs to know nothing of it."""
    state = clf.net_.module_.state_dict()
    for name in state:
        if name.startswith("head."):
            state[name] /= temperature


def measure(labels, probabilities, classes):
    """Measure what a card tells."""
    predicted = classes[probabilities.argmax(axis=1)]
    areas = [roc_auc_score(labels == name, probabilities[:, column]) for column, name in enumerate(classes)]
    return {
        "accuracy": accuracy_score(labels, predicted),
        "macro F1": f1_score(labels, predicted, average="macro"),
        "ROC AUC, one vs rest": float(np.mean(areas)),
        "expected calibration error": expected_calibration_error(labels, probabilities, classes=classes),
        "recall": dict(zip(classes, recall_score(labels, predicted, average=None), strict=True)),
    }


CARD = """# {name}

{summary}

| | |
|---|---|
| classes | {classes} |
| network | `ResNet(width={width})`, {n_weights:.2f} million weights, 48x48 grey pixels |
| faces are found by | `FaceLoader({loader})` |
| prediction | mean over the face and its mirror image |
| trained by | `python benchmarks/train_pretrained.py {name}`, seed {seed} |
| on | {machine} |

## Data and their terms

{data}

## How good it is

{judged}

| measure | {columns} |
|---|{rule}|
{rows}

Recall of each class:

| | {columns} |
|---|{rule}|
{recall}

The temperature {temperature:.2f}, which makes probabilities mean what they say, is part of the last layer. The expected
calibration error has 15 bins; before the temperature it was {uncalibrated:.3f}.

## Known failures

{failures}
- Grey pixels, 48 by 48: a fine wrinkle is not seen. Faces that are turned by more than about 60 degrees, or covered, are often
  not found, or told wrongly.
- The people in the pictures were never described, so that nothing is known of how well it does by age, sex or skin. Measure
  that on your own faces before you rely on it: `EmotionReport` takes groups.

## Fit for, and not fit for

Fit for teaching, for research on expressions, for a start of your own training (`networks.ResNet(pretrained="{name}")`), and
for sorting pictures where a mistake costs nothing.

Not fit for deciding anything about a person: a face shows an expression, not what somebody feels. Not a medical device: it
must not be used to judge pain in patients. In the European Union, reading emotions at work and in schools is forbidden but
for medical and safety reasons (AI Act, article 5(1)(f)).
"""

SUMMARIES = {
    "fer2013": "Seven expressions of faces, as FER2013 names them.",
    "human-emotions": "Six expressions of faces, pain among them.",
}
DATA = {
    "fer2013": """Trained on the 28,709 rows of FER2013's Training part but for the all-black ones. Images were gathered by web
search for a challenge at ICML 2013; no licence of the images is known, so none of them is in this package. While training,
half of the labels are drawn from what ten people voted (FER+, Microsoft, MIT licence); at the end, labels are those of
FER2013 alone.""",
    "human-emotions": """The features start from `fer2013` (see its card). Then trained on 899 web photos of anger, disgust, fear,
happiness, pain and sadness (Kaggle, "6 Human Emotions for image classification", no licence stated; images carry the marks
of picture agencies), so none of them is in this package. Labels come from search words.""",
}
JUDGED = {
    "fer2013": """On PublicTest (3,589 faces), on which the recipe and the temperature were chosen, so that a little of it is luck; 280 of
its faces are pixel for pixel in Training, as published. *Through the loader* is the whole pipeline; *without copies* leaves out
those 280.""",
    "human-emotions": """In five folds by groups of near duplicates: each photo is judged by a network that saw neither it nor a near
duplicate. {seeds}The weights here are trained on all photos in the same way.""",
}
FAILURES = {
    "fer2013": """- Fear is the least certain: it is taken for sadness, anger and surprise. Disgust has 436 faces to learn from.
- Labels of FER2013 are noisy: people agree with about two in three of them.""",
    "human-emotions": """- Pain and sadness overlap, in these photos and in life. Many photos of pain are posed.
- Without a face in it, a photo gets an answer all the same: `predict_faces` and `sk-emotion predict` tell.
- There is no class for a neutral face: it is told as whatever it is nearest to.""",
}


def write_card(name, clf, measures, **texts):
    """Write what is known of a model beside its weights."""
    first = next(iter(measures.values()))
    rows = [
        f"| {key} | " + " | ".join(f"{scores[key]:.3f}" for scores in measures.values()) + " |"
        for key in first
        if key != "recall"
    ]
    recall = [
        f"| {label} | " + " | ".join(f"{scores['recall'][label]:.3f}" for scores in measures.values()) + " |"
        for label in clf.classes_
    ]
    n_weights = sum(weight.numel() for weight in clf.net_.module_.parameters()) / 1e6
    card = CARD.format(
        name=name,
        summary=SUMMARIES[name],
        classes=", ".join(clf.classes_),
        width=clf.network_.width,
        n_weights=n_weights,
        loader=", ".join(f"{key}={value!r}" for key, value in LOADER.items()),
        machine=describe_machine(),
        data=DATA[name],
        columns=" | ".join(measures),
        rule="---|" * (len(measures) - 1) + "---",
        rows="\n".join(rows),
        recall="\n".join(recall),
        failures=FAILURES[name],
        **texts,
    )
    (FOLDER / f"{name}.md").write_text(card)
    print(card)


def write_model(name, clf):
    """Write the weights and what is needed to predict with them."""
    preparation = clf.net_.preparation
    about = {
        "network": {"width": clf.network_.width, "dropout": clf.network_.dropout},
        "classifier": {"tta": TTA},
        "loader": LOADER,
        "classes": clf.classes_.tolist(),
        "image_shape": list(clf.image_shape_),
        "mean": preparation.mean.tolist(),
        "std": preparation.std.tolist(),
        "history": clf.history_,
    }
    print(write_weights(name, clf.net_.module_.state_dict(), about))


def make_fer2013(arguments):
    training, public_test = (load_fer2013(arguments.fer2013, subset=subset) for subset in ("train", "validation"))
    faces, labels = public_test.data, np.asarray(public_test.target)
    if arguments.trained and arguments.trained.exists():
        clf = load_model(arguments.trained)
    else:
        votes = np.load(arguments.ferplus)["votes"][: len(training.data)]
        clf = train_fer2013(training.data, np.asarray(training.target), votes, arguments)
        if arguments.trained:
            save_model(clf, arguments.trained)
    clf.set_params(tta=None)
    views = [clf.predict_proba(faces), clf.predict_proba(faces[..., ::-1])]
    temperature = find_temperature(views, labels, clf.classes_)
    uncalibrated = measure(labels, np.mean(views, axis=0), clf.classes_)["expected calibration error"]
    cool_down(clf, temperature)
    clf.set_params(tta=TTA)
    known = {face.tobytes() for face in training.data}
    new = np.array([face.tobytes() not in known for face in faces])
    calibrated = clf.predict_proba(faces)
    through = clf.predict_proba(FaceLoader(**LOADER).fit_transform(faces))
    crops = clf.set_params(tta="crops").predict_proba(faces)
    plain = clf.set_params(tta=None).predict_proba(faces)
    measures = {
        "as shipped": measure(labels, calibrated, clf.classes_),
        "through the loader": measure(labels, through, clf.classes_),
        "without copies": measure(labels[new], calibrated[new], clf.classes_),
        'tta=None': measure(labels, plain, clf.classes_),
        'tta="crops"': measure(labels, crops, clf.classes_),
    }
    write_model("fer2013", clf)
    write_card(
        "fer2013",
        clf,
        measures,
        seed=arguments.seed,
        judged=JUDGED["fer2013"],
        temperature=temperature,
        uncalibrated=uncalibrated,
    )


def main() -> None:
    arguments = parse_arguments()
    start = time.perf_counter()
    {"fer2013": make_fer2013, "human-emotions": make_human}[arguments.name](arguments)
    print(f"{(time.perf_counter() - start) / 60:.1f} min")


if __name__ == "__main__":
    main()
