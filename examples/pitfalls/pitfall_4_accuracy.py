"""
Accuracy on imbalanced classes
==============================

If one face in twenty shows pain, always predicting "no pain" has an accuracy of 95%.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sk_emotion as ske

emotions = ["anger", "happiness", "pain", "sadness"]
frequency = {"anger": 1, "happiness": 1, "pain": 0.15, "sadness": 1}
X, shown, people = ske.make_faces(3000, emotions=emotions, weights=frequency, image_size=32, random_state=0)
y = ske.consolidate_emotions(shown, positive="pain", names=("no pain", "pain"))
X_train, _, X_test, y_train, _, y_test = ske.train_val_test_split(X, y, groups=people, random_state=0)

classifiers = {
    "never pain": DummyClassifier(strategy="prior"),
    "HOG, linear": make_pipeline(ske.HOGTransformer(), StandardScaler(), LogisticRegression(C=0.001)),
    "the same, balanced": make_pipeline(
        ske.HOGTransformer(), StandardScaler(), LogisticRegression(C=0.001, class_weight="balanced")
    ),
}
reports = {
    name: ske.EmotionReport.from_estimator(model.fit(X_train, y_train), X_test, y_test, pos_label="pain", n_resamples=0)
    for name, model in classifiers.items()
}

# %%
# Wrong: use accuracy
# -------------------
#
# A classifier that ignores the image has the highest accuracy, or nearly so.

accuracy = pd.Series({name: report.scores.loc["accuracy", "value"] for name, report in reports.items()})
print(accuracy.round(3).to_string())

# %%
# Right: consider both classes
# ----------------------------
#
# *Sensitivity* is the share of faces in pain that are detected, *specificity* the share of other faces that raise no
# alarm. Balanced accuracy is their mean and 0.5 for random guessing. F1 also depends on how many of the alarms are
# correct. ROC AUC needs no threshold: it is the probability that a face in pain has a higher score than another face.

rows = ["sensitivity", "specificity", "balanced_accuracy", "f1", "roc_auc"]
table = pd.DataFrame({name: report.scores.loc[rows, "value"] for name, report in reports.items()}).T
table.round(2)

# %%

figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
table.insert(0, "accuracy", accuracy)
table.plot.bar(ax=axes, rot=0, width=0.8)
axes.axhline(0.5, color="0.6", linewidth=0.8, zorder=0)
axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
axes.set_ylim(0, 1)
plt.show()

# %%
# Accuracy also depends on how frequent pain is, even for the same classifier. It can be computed for any frequency from
# sensitivity and specificity:

share = np.array([0.01, 0.05, 0.2, 0.5])
expected = np.outer(table["sensitivity"], share) + np.outer(table["specificity"], 1 - share)
pd.DataFrame(expected, table.index, [f"{s:.0%} in pain" for s in share]).round(2)

# %%
# Exercises
# ---------
#
# 1. Why does :func:`~sk_emotion.compare_classifiers` rank by macro F1, and print the scores of chance and of the
#    majority class?
# 2. A ward accepts at most one false alarm in ten faces. Find the threshold with
#    :func:`~sk_emotion.find_operating_point` on a validation set. What share of the faces in pain is detected?
# 3. Evaluate on the test set balanced by augmentation: ``EmotionReport.from_estimator(..., equalize=True)``. Which
#    scores change, and which do not?
