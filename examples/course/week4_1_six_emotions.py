"""
Week 4: six emotions
====================

The final project: two classifiers are tuned on the training set and evaluated once on other people. For your
own photos, replace :func:`~sk_emotion.make_faces` by :func:`~sk_emotion.load_face_folder`, or start from
:ref:`sphx_glr_gallery_final_project_multiclass.py`, which accepts a folder.
"""

import matplotlib.pyplot as plt
import pandas as pd
from imblearn.pipeline import make_pipeline
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

import sk_emotion as ske

X, y, people = ske.make_faces(900, weights=[3, 2, 2, 4, 2, 3], image_size=32, random_state=0)
X_train, X_val, X_test, y_train, y_val, y_test, train, _, test = ske.train_val_test_split(
    X, y, groups=people, return_indices=True, random_state=0
)
print(pd.Series(y_train).value_counts().to_string())

# %%
# Baseline: HOG and an SVM
# ------------------------
#
# Search over the cell size of HOG and the SVM's ``C``, with folds by people. Macro F1 weights all emotions equally.

folds = StratifiedGroupKFold(3)
grid = {"hogtransformer__pixels_per_cell": [(4, 4), (8, 8)], "svc__C": [1, 10]}
classic = GridSearchCV(ske.make_hog_svm(image_size=32, class_weight="balanced"), grid, scoring="f1_macro", cv=folds)
classic.fit(X_train, y_train, groups=people[train])
columns = ["param_hogtransformer__pixels_per_cell", "param_svc__C", "mean_test_score", "std_test_score"]
pd.DataFrame(classic.cv_results_)[columns].round(3)

# %%
# The network
# -----------
#
# The over-sampler balances the classes of each training part. With small faces and few epochs, weak augmentation works
# better. Two learning rates, two folds and a few epochs keep this page fast; use more of each in a real search.

gentle = ske.FaceAugmentation(rotation=5, scale=0.05, translation=0.05, erasing=0)
sampler = ske.AugmentationOverSampler(augmentation=gentle, random_state=0)
network = ske.EmotionClassifier(ske.networks.VGG(width=8), augmentation=gentle, max_epochs=16, random_state=0)
tuned = GridSearchCV(
    make_pipeline(sampler, network),
    {"emotionclassifier__learning_rate": [0.003, 0.01]},
    scoring="f1_macro",
    cv=StratifiedGroupKFold(2),
    refit=False,
)
tuned.fit(X_train, y_train, groups=people[train])
print(tuned.best_params_, f"{tuned.best_score_:.3f}")

# %%
# Train again on the complete training set, with the better learning rate and more epochs:

X_equal, y_equal = sampler.fit_resample(X_train, y_train)
final = network.set_params(learning_rate=tuned.best_params_["emotionclassifier__learning_rate"], max_epochs=25)
final.fit(X_equal, y_equal, X_val=X_val, y_val=y_val)
ske.TrainingCurves.from_estimator(final)
plt.show()

# %%
# Select on the validation set
# ----------------------------

for name, model in (("HOG+SVM", classic), ("network", final)):
    score = ske.EmotionReport.from_estimator(model, X_val, y_val, n_resamples=0).scores.loc["f1_macro", "value"]
    print(f"{name}: macro F1 {score:.3f}")

# %%
# Evaluate on the test set
# ------------------------
#
# Use the test set only once. For the confidence intervals, the bootstrap resamples people.

report = ske.EmotionReport.from_estimator(final, X_test, y_test, groups=people[test], random_state=0)
print(report)

# %%

report.plot()
plt.show()

# %%
# Exercises
# ---------
#
# 1. Which emotions are confused most often, and what do they have in common? (See ``report.confusion_matrix``.)
# 2. Evaluate HOG+SVM on the test set as well. Do the intervals overlap? Why is
#    :func:`~sk_emotion.compare_classifiers` a better way to decide which of the two is better?
# 3. Search over ``emotionclassifier__network`` with :class:`~sk_emotion.networks.ResNet` and
#    :class:`~sk_emotion.networks.VGG`.
# 4. Start from ``ResNet(pretrained="fer2013")`` on photos of your own. How many photos do you need now?
