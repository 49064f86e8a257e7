"""Write the model files of a release, which all later versions must load.

    python tests/persistence/make_golden.py

writes ``golden/VERSION-*.skops`` and, for each, a ``.json`` with synthetic faces and the predictions of the model.
Run it once per release, and never overwrite the files of a release.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline

from sk_emotion import (
    EmotionClassifier,
    FaceLoader,
    HOGTransformer,
    LeastSquaresSVC,
    __version__,
    make_faces,
    make_hog_svm,
    networks,
    save_model,
)

FOLDER = Path(__file__).with_name("golden")


def make_models(X, y, groups):
    """Fit a small model of each kind."""
    # Without optimizer state and with few weights, so that the files are small.
    clf = EmotionClassifier(networks.ResNet(width=1), max_epochs=1, momentum=0, random_state=0)
    svm = make_pipeline(HOGTransformer(), LeastSquaresSVC())
    search = GridSearchCV(svm, {"leastsquaressvc__C": [1.0]}, cv=StratifiedGroupKFold(2))
    return {
        "cnn": make_pipeline(FaceLoader(image_size=24), clf).fit(X, y),
        "hog-svm": make_hog_svm(image_size=16).fit(X, y),
        "search": search.fit(X, y, groups=groups),
    }


def main():
    FOLDER.mkdir(exist_ok=True)
    X, y, groups = make_faces(24, emotions=["happiness", "pain"], image_size=24, noise=2, random_state=0)
    release = __version__.partition(".dev")[0]
    for name, model in make_models(X, y, groups).items():
        path = FOLDER / f"{release}-{name}.skops"
        save_model(model, path)
        known = {
            "faces": X[:4].tolist(),
            "classes": model.classes_.tolist(),
            "probabilities": np.round(model.predict_proba(X[:4]), 6).tolist(),
            "made_with": {package: version(package) for package in ("numpy", "scikit-learn", "skops", "torch")},
        }
        path.with_suffix(".json").write_text(json.dumps(known) + "\n")
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
