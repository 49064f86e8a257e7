"""
The same person in training and test set
========================================

Ten photos of one person are not independent. If some are in the training set and others in the test set, the
classifier may recognize the person instead of the expression. In a clinic, every patient is new.
"""

import matplotlib.pyplot as plt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict

import sk_emotion as ske

emotions = ["anger", "fear", "pain"]
X, y, people = ske.make_faces(400, emotions=emotions, image_size=32, n_subjects=10, random_state=0)
model = ske.make_hog_svm(image_size=32)

figure, axes = plt.subplots(2, 8, figsize=(8, 2.3), layout="constrained")
for row, person in enumerate((0, 1)):
    for ax, face in zip(axes[row], X[people == person], strict=False):
        ax.imshow(face, cmap="gray", vmin=0, vmax=255)
        ax.axis("off")
figure.suptitle("Two of ten people, with forty images each")
plt.show()

# %%
# Wrong: split photos
# -------------------
#
# The interval is wrong as well: it treats the 400 photos as independent.

folds = StratifiedKFold(5, shuffle=True, random_state=0)
predicted = cross_val_predict(model, X, y, cv=folds)
wrong = ske.EmotionReport.from_predictions(y, predicted, random_state=0).scores.loc["f1_macro"]
print(f"Apparent macro F1: {wrong['value']:.2f} [{wrong['low']:.2f}, {wrong['high']:.2f}]")

# %%
# Right: split people
# -------------------
#
# Pass the people as ``groups`` to the folds and to the report, whose bootstrap then resamples people.

folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
predicted = cross_val_predict(model, X, y, groups=people, cv=folds)
right = ske.EmotionReport.from_predictions(y, predicted, groups=people, random_state=0).scores.loc["f1_macro"]
print(f"Macro F1: {right['value']:.2f} [{right['low']:.2f}, {right['high']:.2f}]")

# %%
# True score
# ----------
#
# Evaluate on 3000 faces of 3000 new people.

X_new, y_new, _ = ske.make_faces(3000, emotions=emotions, image_size=32, n_subjects=3000, random_state=1)
truth = ske.EmotionReport.from_estimator(model.fit(X, y), X_new, y_new, n_resamples=0).scores.loc["f1_macro"]

figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
for name, score, color in (("split photos", wrong, "tab:red"), ("split people", right, "tab:blue")):
    error = [[score["value"] - score["low"]], [score["high"] - score["value"]]]
    axes.errorbar(score["value"], name, xerr=error, fmt="o", capsize=4, color=color)
axes.axvline(truth["value"], color="0.6", label="new people")
axes.set(xlabel="macro F1, 95% interval", ylim=(1.5, -0.5))
axes.legend()
plt.show()

print(f"Macro F1 on new people: {truth['value']:.2f}")

# %%
# Exercises
# ---------
#
# 1. Use ``n_subjects=400``. How does the difference between the two splits change?
# 2. Train the same classifier to recognize the *person* (``model.fit(X, people)``). How accurate is it, and what does
#    this mean?
# 3. Suppose that the names of the people in your photos are unknown. What can you use as groups?
