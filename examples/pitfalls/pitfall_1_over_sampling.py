"""
Over-sampling before the split
==============================

Balanced classes help training. But if classes are balanced before the split, copies of the same face are on both
sides: the classifier is tested on faces from the training set.
"""

import matplotlib.pyplot as plt
from imblearn.pipeline import make_pipeline
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score

import sk_emotion as ske

emotions = ["happiness", "pain", "sadness"]
frequency = {"happiness": 1, "pain": 0.1, "sadness": 1}
X, y, people = ske.make_faces(600, emotions=emotions, weights=frequency, image_size=32, random_state=0)
print({emotion: int((y == emotion).sum()) for emotion in emotions})

# %%
# Wrong: balance, then split
# --------------------------
#
# The few faces in pain are copied until there are as many as happy ones. Nearly every copy in the test set has other
# copies of the same face in the training set.

X_equal, y_equal = ske.AugmentationOverSampler(random_state=0).fit_resample(X, y)
folds = StratifiedKFold(5, shuffle=True, random_state=0)
wrong = cross_val_score(ske.make_hog_svm(image_size=32), X_equal, y_equal, cv=folds, scoring="balanced_accuracy").mean()
print(f"Apparent balanced accuracy: {wrong:.2f}")

# %%
# Right: split, then balance
# --------------------------
#
# In an imbalanced-learn pipeline, the sampler acts only in ``fit``, that is, on the training part of each fold. The
# test part is not changed, and with ``groups`` no person is on both sides.

balanced = make_pipeline(ske.AugmentationOverSampler(random_state=0), ske.make_hog_svm(image_size=32))
folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
right = cross_val_score(balanced, X, y, groups=people, cv=folds, scoring="balanced_accuracy").mean()
print(f"Balanced accuracy: {right:.2f}")

# %%
# True score
# ----------
#
# Since faces can be generated, we can measure the performance on 3000 new faces of other people.

X_new, y_new, _ = ske.make_faces(3000, emotions=emotions, weights=frequency, image_size=32, random_state=1)
truth = balanced_accuracy_score(y_new, balanced.fit(X, y).predict(X_new))

figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
bars = axes.barh(["balance, then split", "split, then balance", "new people"], [wrong, right, truth])
for bar, color in zip(bars, ("tab:red", "tab:blue", "0.6"), strict=True):
    bar.set_color(color)
axes.bar_label(bars, fmt="%.2f", padding=3)
axes.set(xlim=(0, 1), xlabel="balanced accuracy: the mean recall of the three classes")
axes.invert_yaxis()
plt.show()

print(f"Error of the wrong score: {wrong - truth:+.2f}; of the right score: {right - truth:+.2f}.")

# %%
# Exercises
# ---------
#
# 1. Use the same weight for all three classes. How large is the error of the wrong score now, and why?
# 2. Replace the over-sampler by ``make_hog_svm(class_weight="balanced")``, which makes no copies. Can this leak?
# 3. Set ``frequency["pain"]`` to 0.02. What does scikit-learn say, and what would you do with so few faces?
