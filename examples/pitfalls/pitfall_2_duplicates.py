"""
Near-duplicates in several folds
================================

Collections of web photos contain many images twice: resized, darker or compressed again. If a test image has a copy in
the training set, the classifier has already seen its label.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score

import sk_emotion as ske

X, y, _ = ske.make_faces(600, n_subjects=600, random_state=0)

# Add copies of half of the images, brighter or darker and with a little noise.
rng = np.random.default_rng(0)
again = rng.choice(len(X), 300, replace=False)
light = rng.uniform(0.7, 1.2, (300, 1, 1))
copies = (X[again] * light + rng.normal(0, 3, X[again].shape)).clip(0, 255).astype(np.uint8)
X, y = np.concatenate([X, copies]), np.concatenate([y, y[again]])

figure, axes = plt.subplots(2, 6, figsize=(7.5, 2.7), layout="constrained")
for column in range(6):
    axes[0, column].imshow(X[again[column]], cmap="gray", vmin=0, vmax=255)
    axes[1, column].imshow(copies[column], cmap="gray", vmin=0, vmax=255)
for ax in axes.flat:
    ax.axis("off")
figure.suptitle("Images and their copies")
plt.show()

# %%
# Wrong: ignore copies
# --------------------

model = ske.make_hog_svm()
folds = StratifiedKFold(5, shuffle=True, random_state=0)
wrong = cross_val_score(model, X, y, cv=folds, scoring="f1_macro").mean()
print(f"Apparent macro F1: {wrong:.2f}")

# %%
# Right: keep copies together
# ---------------------------
#
# :func:`~sk_emotion.find_duplicates` returns a group number per image; copies have the same number.
# :func:`~sk_emotion.load_face_folder` calls it and returns the numbers as ``faces.groups``.

groups = ske.find_duplicates(X)
print(f"{len(X)} images, {len(np.unique(groups))} of them different")

folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
right = cross_val_score(model, X, y, groups=groups, cv=folds, scoring="f1_macro").mean()
print(f"Macro F1: {right:.2f}")

# %%
# True score
# ----------

X_new, y_new, _ = ske.make_faces(3000, n_subjects=3000, random_state=1)
truth = ske.EmotionReport.from_estimator(model.fit(X, y), X_new, y_new, n_resamples=0).scores.loc["f1_macro", "value"]

figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
bars = axes.barh(["copies ignored", "copies grouped", "new people"], [wrong, right, truth])
for bar, color in zip(bars, ("tab:red", "tab:blue", "0.6"), strict=True):
    bar.set_color(color)
axes.bar_label(bars, fmt="%.2f", padding=3)
axes.set(xlim=(0, 1), xlabel="macro F1")
axes.invert_yaxis()
plt.show()

print(f"Error of the wrong score: {wrong - truth:+.2f}; of the right score: {right - truth:+.2f}.")

# %%
# Exercises
# ---------
#
# 1. Were all copies found? Compare ``groups[again]`` with the group numbers of the last 300 images.
# 2. Mirror the copies instead (``X[again][:, :, ::-1]``). Does :func:`~sk_emotion.find_duplicates` find them? Does the
#    classifier benefit from them?
# 3. Delete the copies instead of grouping them. Which of the two would you choose for your own photos?
