"""Photos and clinical columns
===========================

A table with a photo, an age and a heart rate for each visit: which of them show whether a patient is in pain? The
features of a pretrained network are columns like any other, so scikit-learn joins, scales and cross-validates them.
The faces are drawn, and the other columns are simulated.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sk_emotion as ske

folder = TemporaryDirectory()
faces, emotions, patients = ske.make_faces(300, image_size=64, noise=30, n_subjects=60, random_state=0)
in_pain = emotions == "pain"
paths = [Path(folder.name, f"visit_{number:03}.png") for number in range(len(faces))]
for path, face in zip(paths, faces, strict=True):
    Image.fromarray(face).save(path)

rng = np.random.default_rng(0)
visits = pd.DataFrame({"photo": paths, "age": rng.integers(20, 90, len(faces))})
visits["heart_rate"] = (75 + 12 * in_pain + rng.normal(0, 10, len(faces))).round()
print(visits.assign(photo=[path.name for path in paths], in_pain=in_pain).head().to_string(index=False))

# %%
# Each column is transformed in its own way. A cache saves reading the photos again in each fold.

photo = (ske.FaceEmbedding(cache=Path(folder.name, "cache")), "photo")
numbers = ("passthrough", ["age", "heart_rate"])
models = {
    name: make_pipeline(make_column_transformer(*columns), StandardScaler(), LogisticRegression(C=0.01))
    for name, columns in {"numbers": [numbers], "photo": [photo], "both": [photo, numbers]}.items()
}

# %%
# No patient is in both the training and the test set.

folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
for name, model in models.items():
    scores = cross_validate(model, visits, in_pain, groups=patients, cv=folds, scoring=["roc_auc", "average_precision"])
    auc, precision = scores["test_roc_auc"], scores["test_average_precision"]
    print(f"{name:7} ROC AUC {auc.mean():.2f} ± {auc.std():.2f}, average precision {precision.mean():.2f}")

# %%
# As a table, the features keep their names and the index of the visits.

joined = models["both"][0].set_output(transform="pandas").fit_transform(visits)
print(f"{joined.shape[1]} columns, from {joined.columns[0]} to {joined.columns[-1]}")
folder.cleanup()
