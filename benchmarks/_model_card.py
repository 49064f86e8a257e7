"""Write the model card of a pretrained model: data, performance, known failures and intended use."""

import numpy as np
from sklearn.metrics import confusion_matrix

from sk_emotion.utils._weights import FOLDER

CARD = """# {name}

{summary}

| | |
|---|---|
| classes | {classes} |
| network | `ResNet(width={width})`, {n_weights:.2f} million weights, 48x48 grayscale pixels |
| face detection | `FaceLoader({loader})` |
| prediction | {prediction} |
| training | `python benchmarks/train_pretrained.py {name}`, seed {seed} |
| machine | {machine} |

## Training data and licenses

{data}

## Performance

{judged}

| measure | {columns} |
|---|{rule}|
{rows}

Recall of each class:

| | {columns} |
|---|{rule}|
{recall}
{comparison}
Probabilities are scaled by a temperature of {temperature:.2f}, which is part of the last layer. It was chosen to
minimize the log loss on the same faces, which does not always reduce the expected calibration error (15 bins). Without
the temperature, this error is {uncalibrated:.3f}.

## Known failures

- Most frequent mistakes: {mistakes}.
{failures}
- Fine wrinkles are not visible in 48x48 grayscale pixels. Faces rotated by more than about 60 degrees and covered faces
  are often not detected or misclassified.
- The people in the images are not documented, so the performance by age, sex or skin tone is unknown. Measure it on
  your own faces before you rely on the model: `EmotionReport` accepts groups and metadata.

## Intended use

Intended for teaching, for research on expressions, as a starting point for training
(`networks.ResNet(pretrained="{name}")`), and for sorting images where mistakes have no consequences.

Not intended for decisions about people: a face shows an expression, not a feeling. Not a medical device: it must not be
used to assess pain in patients. In the European Union, inferring emotions at work and in schools is prohibited except
for medical and safety reasons (AI Act, Article 5(1)(f)).
"""

PREDICTIONS = {
    None: "one view of the face",
    "mirror": "mean over the face and its mirror image",
    "crops": "mean over the face, four slightly shifted, rotated and enlarged views, and their mirror images",
}
SUMMARIES = {
    "fer2013": "Seven facial expressions, the classes of FER2013.",
    "human-emotions": "Six facial expressions, including pain.",
}
DATA = {
    "fer2013": """\
Trained on the 28,709 rows of FER2013's Training part, except for all-black images. The images were collected by web
search for a challenge at ICML 2013. Their license is unknown, so the package contains none of them. Four wider networks
were trained on the labels of FER2013 and on the votes of ten annotators (FER+, Microsoft, MIT license); this network
was distilled from them.""",
    "human-emotions": """\
Fine-tuned from `fer2013` (see its card) on 899 web photos of anger, disgust, fear, happiness, pain and sadness (Kaggle,
"6 Human Emotions for image classification"). No license is stated, and images have watermarks of photo agencies, so the
package contains none of them. Labels are search terms.""",
}
JUDGED = {
    "fer2013": """\
Measured on PublicTest (3,589 faces). The recipe and the temperature were chosen on it, so scores are slightly
optimistic, and 280 of its faces are identical to faces in Training, as published. *Without copies* excludes those 280;
*enlarged* uses the faces at 192 pixels, so that they are detected again; *8 bits* is the network exported by
`export_onnx(calibration=...)` with 512 faces of Training.""",
    "human-emotions": """\
Measured in five folds by groups of near-duplicate photos; each photo is predicted by a network trained on the other
folds. Near-duplicates that are found only among the cropped faces are reported below.
{seeds}The final weights are trained on all photos in the same way.""",
}
FAILURES = {
    "fer2013": """\
- Disgust has only 436 training faces.
- Labels of FER2013 are noisy: people agree with about two thirds of them.""",
    "human-emotions": """\
- Labels are search terms, and many photos of pain are posed.
- Photos without a face also receive a prediction; `predict_faces` and `sk-emotion predict` reject them.
- There is no neutral class: neutral faces are assigned to one of the six classes.""",
}


def name_mistakes(labels, predicted, classes, n_mistakes=4):
    """Describe the most frequent mistakes with their share of the faces of a class."""
    shares = confusion_matrix(labels, predicted, labels=classes, normalize="true")
    np.fill_diagonal(shares, 0)
    worst = np.argsort(-shares, axis=None)[:n_mistakes]
    pairs = [np.unravel_index(place, shares.shape) for place in worst]
    return ", ".join(f"{classes[true]} as {classes[other]} ({shares[true, other]:.0%})" for true, other in pairs)


def write_card(name, clf, measures, loader, **texts):
    """Write the model card to the folder of the weights."""
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
