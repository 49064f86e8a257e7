"""Models of every kind, custom modules and detectors, and helpers that change files."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import torch
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from torch import nn

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    FaceAugmentation,
    FaceLoader,
    HOGTransformer,
    load_model,
    make_hog_svm,
    make_sensitivity_scorer,
    networks,
    save_model,
)
from sk_emotion.persistence._checks import walk


class Perceptron(nn.Module):
    """Custom module."""

    def __init__(self, in_channels, image_size, n_classes, hidden=8):
        super().__init__()
        n_pixels = in_channels * image_size[0] * image_size[1]
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(n_pixels, hidden), nn.ReLU(), nn.Linear(hidden, n_classes))

    def forward(self, images):
        return self.layers(images)

    class Inner:
        pass


def detect_middle(image):
    """Custom detector."""
    height, width = image.shape[:2]
    return [[width // 4, height // 4, width // 2, height // 2]]


class Detector:
    """Custom detector with parameters."""

    def __init__(self, share=2):
        self.share = share

    def __call__(self, image):
        height, width = image.shape[:2]
        return [[0, 0, width // self.share, height // self.share]]


def make_local_detector():
    def detect_middle(image):
        return None

    return detect_middle


class Trap:
    """Object whose pickle creates a folder when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def make_classifier(**params):
    return EmotionClassifier(**{"network": networks.ResNet(width=4), "max_epochs": 1, "random_state": 0, **params})


def make_search():
    pipeline = make_pipeline(FaceLoader(image_size=24), AugmentationOverSampler(random_state=0), make_classifier())
    grid = [
        {"emotionclassifier__network": [networks.ResNet(width=4), networks.VGG(width=4)]},
        {"emotionclassifier__learning_rate": [0.01], "emotionclassifier__n_iter_no_change": range(2, 3)},
    ]
    return GridSearchCV(pipeline, grid, scoring="f1_macro", cv=StratifiedGroupKFold(2))


def make_color(X):
    return np.repeat(X[..., np.newaxis], 3, axis=-1)


def is_pain(y):
    return y == "pain"


SAME = (lambda X: X, lambda y: y)
MODELS = {
    "strings": (make_classifier, *SAME),
    "integers": (make_classifier, SAME[0], lambda y: is_pain(y).astype(int)),
    "booleans": (lambda: make_classifier(class_weight={True: 2.0, False: 1.0}), SAME[0], is_pain),
    "objects": (make_classifier, SAME[0], lambda y: y.astype(object)),
    "color": (make_classifier, make_color, SAME[1]),
    "floats": (make_classifier, lambda X: X / np.float32(255), SAME[1]),
    "rows": (lambda: make_classifier(image_shape=(24, 24)), lambda X: X.reshape(len(X), -1), SAME[1]),
    "adamw": (lambda: make_classifier(optimizer="adamw", learning_rate=1e-3), *SAME),
    "optimizer class": (lambda: make_classifier(optimizer=torch.optim.NAdam, learning_rate=1e-3), *SAME),
    "ema": (lambda: make_classifier(ema=0.9), *SAME),
    "class weights": (lambda: make_classifier(class_weight={"happiness": np.float64(1.5), "pain": 1}), *SAME),
    "random state": (lambda: make_classifier(random_state=np.random.RandomState(3)), *SAME),
    "augmentation": (lambda: make_classifier(augmentation=FaceAugmentation(flip=0, rotation=np.float32(3))), *SAME),
    "early stopping": (lambda: make_classifier(validation_fraction=0.3, early_stopping=True), *SAME),
    "device": (lambda: make_classifier(device=torch.device("cpu")), *SAME),
    "vgg": (lambda: make_classifier(network=networks.VGG(width=4)), *SAME),
    "torchvision": (lambda: make_classifier(network=networks.TorchvisionNetwork("shufflenet_v2_x0_5")), *SAME),
    "own module": (
        lambda: make_classifier(network=networks.TorchNetwork(Perceptron, module_params={"hidden": 4})),
        *SAME,
    ),
    "pipeline": (
        lambda: make_pipeline(FaceLoader(image_size=(24, 20)), AugmentationOverSampler(), make_classifier()),
        *SAME,
    ),
    "hog and svm": (lambda: make_hog_svm(image_size=24), *SAME),
    "search": (make_search, *SAME),
    "smote": (lambda: make_pipeline(HOGTransformer(), SMOTE(random_state=0), LogisticRegression()), *SAME),
    "isotonic": (lambda: CalibratedClassifierCV(make_classifier(), method="isotonic", cv=StratifiedKFold(2)), *SAME),
    "calibrated": (
        lambda: CalibratedClassifierCV(make_hog_svm(image_size=24, probability=False), cv=2),
        *SAME,
    ),
    "tuned threshold": (
        lambda: TunedThresholdClassifierCV(make_classifier(), cv=2, scoring=make_sensitivity_scorer(0.8)),
        SAME[0],
        lambda y: is_pain(y).astype(int),
    ),
}
TRUSTED = {"own module": [Perceptron]}


def save_and_load(model, path, trusted=()):
    save_model(model, path)
    return load_model(path, trusted)


def rewrite(path, change=lambda schema: schema, entries=None):
    """Rewrite a file with a changed schema, and replace entries by their suffix."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(contents["schema.json"])
    contents["schema.json"] = json.dumps(change(schema) or schema).encode()
    for name in contents:
        contents[name] = (entries or {}).get(Path(name).suffix, contents[name])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def find(schema, name):
    """Find the attributes of the first object of a class in a schema."""
    return next(node for node in walk(schema) if node["__class__"] == name)["content"]["content"]
