"""Known people and new people
==============================

Why no person may be in both the training and the test set: the same classifiers evaluated with and without overlap.
``python examples/subject_wise_evaluation.py [TABLE]``: TABLE is a CSV file with the columns image, label and person;
without it, synthetic faces of a few people are used.
"""

import sys

import pandas as pd
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

import sk_emotion as ske

if len(sys.argv) > 1:
    photos = ske.load_face_table(sys.argv[1], group="person")
    X, y, people = ske.FaceLoader(image_size=48).fit_transform(photos.data), photos.target, photos.groups
else:
    X, y, people = ske.make_faces(400, emotions=["anger", "fear", "pain"], image_size=32, n_subjects=10, random_state=1)

classifiers = {
    "CNN": ske.EmotionClassifier(ske.networks.VGG(width=8), max_epochs=20, random_state=0),
    "HOG+SVM": ske.make_hog_svm(image_size=X.shape[1]),
}

# Folds of images: other images of the tested people are in the training set.
known = ske.compare_classifiers(classifiers, X, y, cv=3, verbose=1, random_state=0)
# Folds of people: the tested people are new, as in practice.
new = ske.compare_classifiers(classifiers, X, y, groups=people, cv=3, verbose=1, random_state=0)
scores = {
    "people known": known.summary()[("f1_macro", "mean")],
    "people new": new.summary()[("f1_macro", "mean")],
}
print(f"\nMacro F1\n{pd.DataFrame(scores).to_string(float_format='{:.3f}'.format)}\n")

# %%
# Leave out one person at a time to see how much accuracy depends on the person.
predicted = cross_val_predict(classifiers["HOG+SVM"], X, y, groups=people, cv=LeaveOneGroupOut())
right = pd.Series(predicted == y).groupby(people).mean()
print(f"HOG+SVM, accuracy for each person: {right.min():.2f} to {right.max():.2f}, median {right.median():.2f}\n")

# A confidence interval that accounts for people is wider, and valid.
for name, groups in (("images", None), ("people", people)):
    report = ske.EmotionReport.from_predictions(y, predicted, groups=groups, random_state=0)
    low, high = report.scores.loc["f1_macro", ["low", "high"]]
    print(f"HOG+SVM, macro F1, 95% interval by {name}: {low:.3f} to {high:.3f}")
