"""
The same person in training and test set
========================================

Ten photos of one person are not ten independent witnesses. If some are trained on and others tested, the classifier may
recognise the person instead of the expression. In a clinic every patient is new.
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
figure.suptitle("Two of ten people, each drawn forty times")
plt.show()

# %%
# Wrong: split photos
# -------------------
#
# The interval is wrong too: it takes 400 photos for 400 independent ones.

folds = StratifiedKFold(5, shuffle=True, random_state=0)
predicted = cross_val_predict(model, X, y, cv=folds)
wrong = ske.EmotionReport.from_predictions(y, predicted).scores_.loc["f1_macro"]
print(f"Macro F1, seemingly: {wrong['value']:.2f} [{wrong['low']:.2f}, {wrong['high']:.2f}]")

# %%
# Right: split people
# -------------------
#
# Give the persons as ``groups``, to the folds and to the report. Its bootstrap then draws whole people.

folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
predicted = cross_val_predict(model, X, y, groups=people, cv=folds)
right = ske.EmotionReport.from_predictions(y, predicted, groups=people).scores_.loc["f1_macro"]
print(f"Macro F1: {right['value']:.2f} [{right['low']:.2f}, {right['high']:.2f}]")

# %%
# The truth
# ---------
#
# 3000 faces of 3000 people, none of whom was trained on.

X_new, y_new, _ = ske.make_faces(3000, emotions=emotions, image_size=32, n_subjects=3000, random_state=1)
truth = ske.EmotionReport.from_estimator(model.fit(X, y), X_new, y_new, n_resamples=0).scores_.loc["f1_macro"]

figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
for name, score, color in (("split photos", wrong, "tab:red"), ("split people", right, "tab:blue")):
    error = [[score["value"] - score["low"]], [score["high"] - score["value"]]]
    axes.errorbar(score["value"], name, xerr=error, fmt="o", capsize=4, color=color)
axes.axvline(truth["value"], color="0.6", label="the truth")
axes.set(xlabel="macro F1, 95 % interval", ylim=(1.5, -0.5))
axes.legend()
plt.show()

print(f"The truth: {truth['value']:.2f}")

# %%
# Exercises
# ---------
#
# 1. Draw ``n_subjects=400`` people instead. What becomes of the difference between both ways to split?
# 2. Train the same classifier to tell the *person* (``model.fit(X, people)``). How well does it do, and what does this
#    say?
# 3. Your photos carry no names. What can you group them by?
