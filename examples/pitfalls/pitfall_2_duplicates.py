"""
Copies of a picture in several folds
====================================

Collections of web photos hold many pictures twice: in another size, darker, compressed again. A copy in the test set of
a picture in the training set is a question whose answer was given away.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score

import sk_emotion as ske

X, y, _ = ske.make_faces(600, n_subjects=600, random_state=0)

# Half of the pictures were found a second time, brighter or darker, and saved with a little noise.
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
figure.suptitle("Pictures, and the copies found of them")
plt.show()

# %%
# Wrong: take the pictures as they come
# -------------------------------------

model = ske.make_hog_svm()
folds = StratifiedKFold(5, shuffle=True, random_state=0)
wrong = cross_val_score(model, X, y, cv=folds, scoring="f1_macro").mean()
print(f"Macro F1, seemingly: {wrong:.2f}")

# %%
# Right: keep copies together
# ---------------------------
#
# :func:`~sk_emotion.find_duplicates` numbers the pictures so that copies share a number.
# :func:`~sk_emotion.load_face_folder` calls it for you; ``faces.groups`` are its numbers.

groups = ske.find_duplicates(X)
print(f"{len(X)} pictures, {len(np.unique(groups))} of them different")

folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
right = cross_val_score(model, X, y, groups=groups, cv=folds, scoring="f1_macro").mean()
print(f"Macro F1: {right:.2f}")

# %%
# The truth
# ---------

X_new, y_new, _ = ske.make_faces(3000, n_subjects=3000, random_state=1)
truth = ske.EmotionReport.from_estimator(model.fit(X, y), X_new, y_new, n_resamples=0).scores_.loc["f1_macro", "value"]

figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
bars = axes.barh(["copies apart", "copies together", "the truth"], [wrong, right, truth])
for bar, color in zip(bars, ("tab:red", "tab:blue", "0.6"), strict=True):
    bar.set_color(color)
axes.bar_label(bars, fmt="%.2f", padding=3)
axes.set(xlim=(0, 1), xlabel="macro F1")
axes.invert_yaxis()
plt.show()

print(f"Falsely gained: {wrong - truth:+.2f}. With the right code: {right - truth:+.2f}.")

# %%
# Exercises
# ---------
#
# 1. Were all copies found? Compare ``groups[again]`` with the numbers of the last 300 pictures.
# 2. Mirror the copies instead (``X[again][:, :, ::-1]``). Does :func:`~sk_emotion.find_duplicates` see them? Does the
#    classifier profit from them?
# 3. Delete the copies instead of grouping them. Which of the two would you do with your own photos?
