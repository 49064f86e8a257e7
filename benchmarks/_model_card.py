"""The card of a model that comes with the package: what it learned from, how good it is, and what it is not fit for."""

import numpy as np
from sklearn.metrics import confusion_matrix

from sk_emotion.utils._weights import FOLDER

CARD = """# {name}

{summary}

| | |
|---|---|
| classes | {classes} |
| network | `ResNet(width={width})`, {n_weights:.2f} million weights, 48x48 grey pixels |
| faces are found by | `FaceLoader({loader})` |
| prediction | {prediction} |
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
{comparison}
The temperature {temperature:.2f}, which makes probabilities mean what they say, is part of the last layer. The
expected calibration error has 15 bins; before the temperature, which was chosen on the same faces, it was
{uncalibrated:.3f}.

## Known failures

- Most often taken for another: {mistakes}.
{failures}
- Grey pixels, 48 by 48: a fine wrinkle is not seen. Faces that are turned by more than about 60 degrees, or
  covered, are often not found, or told wrongly.
- The people in the pictures were never described, so that nothing is known of how well it does by age, sex or skin.
  Measure that on your own faces before you rely on it: `EmotionReport` takes groups.

## Fit for, and not fit for

Fit for teaching, for research on expressions, for a start of your own training
(`networks.ResNet(pretrained="{name}")`), and for sorting pictures where a mistake costs nothing.

Not fit for deciding anything about a person: a face shows an expression, not what somebody feels. Not a medical
device: it must not be used to judge pain in patients. In the European Union, reading emotions at work and in
schools is forbidden but for medical and safety reasons (AI Act, article 5(1)(f)).
"""

PREDICTIONS = {
    None: "of the face as it is",
    "mirror": "mean over the face and its mirror image",
    "crops": "mean over the face, four views that are shifted, turned and enlarged a little, and their mirror images",
}
SUMMARIES = {
    "fer2013": "Seven expressions of faces, as FER2013 names them.",
    "human-emotions": "Six expressions of faces, pain among them.",
}
DATA = {
    "fer2013": """\
Trained on the 28,709 rows of FER2013's Training part but for the all-black ones. Images were gathered by web search
for a challenge at ICML 2013; no licence of the images is known, so none of them is in this package. Beside the labels
of FER2013, four wider networks learned how ten people voted (FER+, Microsoft, MIT licence), and this one learned what
the four say.""",
    "human-emotions": """\
The features start from `fer2013` (see its card). Then trained on 899 web photos of anger, disgust, fear, happiness,
pain and sadness (Kaggle, "6 Human Emotions for image classification", no licence stated; images carry the marks of
picture agencies), so none of them is in this package. Labels come from search words.""",
}
JUDGED = {
    "fer2013": """\
On PublicTest (3,589 faces), on which the recipe and the temperature were chosen, so that a little of it is luck;
280 of its faces are pixel for pixel in Training, as published. *Without copies* leaves out those
280; *enlarged* are the faces at 192 pixels, so that they have to be found again; *8 bits* is what
`export_onnx(calibration=...)` makes of the network with 512 faces of Training.""",
    "human-emotions": """\
In five folds by groups of near duplicates: each photo is judged by a network that saw neither it nor a near
duplicate. {seeds}The weights here are trained on all photos in the same way.""",
}
FAILURES = {
    "fer2013": """\
- Disgust has 436 faces to learn from.
- Labels of FER2013 are noisy: people agree with about two in three of them.""",
    "human-emotions": """\
- Labels come from search words, and many photos of pain are posed.
- Without a face in it, a photo gets an answer all the same: `predict_faces` and `sk-emotion predict` tell.
- There is no class for a neutral face: it is told as whatever it is nearest to.""",
}


def name_mistakes(labels, predicted, classes, n_mistakes=4):
    """Name the most frequent mistakes, as shares of the faces of a class."""
    shares = confusion_matrix(labels, predicted, labels=classes, normalize="true")
    np.fill_diagonal(shares, 0)
    worst = np.argsort(-shares, axis=None)[:n_mistakes]
    pairs = [np.unravel_index(place, shares.shape) for place in worst]
    return ", ".join(f"{classes[true]} for {classes[told]} ({shares[true, told]:.0%})" for true, told in pairs)


def write_card(name, clf, measures, loader, **texts):
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
        loader=", ".join(f"{key}={value!r}" for key, value in loader.items()),
        data=DATA[name],
        prediction=PREDICTIONS[clf.tta],
        columns=" | ".join(measures),
        rule="---|" * (len(measures) - 1) + "---",
        rows="\n".join(rows),
        recall="\n".join(recall),
        failures=FAILURES[name],
        **texts,
    )
    (FOLDER / f"{name}.md").write_text(card)
    print(card)
