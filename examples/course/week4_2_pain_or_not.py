"""
Week 4: pain or no pain
=======================

The same project as a binary question, with a decision threshold and a balanced test set.
"""

import matplotlib.pyplot as plt
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import RocCurveDisplay
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, StratifiedGroupKFold

import sk_emotion as ske

X, emotions, people = ske.make_faces(900, image_size=32, random_state=0)
y = ske.consolidate_emotions(emotions, positive="pain", names=("no pain", "pain"))
X_train, X_val, X_test, y_train, y_val, y_test, train, _, test = ske.train_val_test_split(
    X, y, groups=people, return_indices=True, random_state=0
)
print(f"{(y_train == 'pain').mean():.0%} of the training faces are in pain")

# %%
# Tune
# ----
#
# ROC AUC measures how well faces in pain are ranked above others, independent of the threshold.

grid = {"hogtransformer__pixels_per_cell": [(4, 4), (8, 8)], "svc__C": [1, 10], "svc__gamma": ["scale", 0.001]}
search = GridSearchCV(ske.make_hog_svm(image_size=32), grid, scoring="roc_auc", cv=StratifiedGroupKFold(3))
search.fit(X_train, y_train, groups=people[train])
print(search.best_params_, f"{search.best_score_:.3f}")

# %%
# Choose the threshold
# --------------------
#
# By default, "pain" is predicted if its probability is at least 0.5. A ward may instead require that nine of ten faces
# without pain raise no alarm. The threshold for this is chosen on the validation set.

probability = search.predict_proba(X_val)[:, 1]
point = ske.find_operating_point(y_val, probability, specificity=0.9, pos_label="pain")
print(point)

display = RocCurveDisplay.from_predictions(y_val, probability, pos_label="pain", name="validation set")
display.ax_.plot(
    1 - point.specificity, point.sensitivity, "o", color="tab:red", label=f"threshold {point.threshold:.2f}"
)
display.ax_.legend(loc="lower right")
plt.show()

# %%
# The model is frozen, so ``fit`` only sets the threshold:

alarm = FixedThresholdClassifier(FrozenEstimator(search), threshold=point.threshold, pos_label="pain")
alarm.fit(X_val, y_val)

# %%
# Evaluate on the original and balanced test sets
# -----------------------------------------------
#
# In the balanced test set, half of the faces are in pain. This changes accuracy, precision and F1; sensitivity,
# specificity and ROC AUC hardly change. Report both.

report = ske.EmotionReport.from_estimator(
    alarm, X_test, y_test, groups=people[test], equalize=True, pos_label="pain", random_state=0
)
print(report)

# %%

report.plot()
plt.show()

# %%
# Exercises
# ---------
#
# 1. Specificity on the test set is not exactly 0.9. How large may the difference be according to its interval?
# 2. Require a specificity of 0.99. How does sensitivity change?
# 3. Missing a face in pain costs five times as much as a false alarm. Which threshold minimizes the cost on the
#    validation set?
# 4. Repeat the analysis with a network (:ref:`sphx_glr_gallery_final_project_binary.py`), and compare both with
#    :func:`~sk_emotion.compare_classifiers`.
