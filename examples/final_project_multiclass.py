"""Final project: six emotions
==============================

Split, balance, train, evaluate and predict:
``python examples/final_project_multiclass.py [FOLDER [NEW_PHOTO]]``. FOLDER contains one folder of photos per
emotion; without it, synthetic faces are used. Results are written to ``results/``.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from PIL import Image
from sklearn.pipeline import make_pipeline

import sk_emotion as ske

results = Path("results")
results.mkdir(exist_ok=True)

# 1. Load faces, labels and groups: images of the same person, or near-duplicates of a photo.
loader = ske.FaceLoader(image_size=48)
if len(sys.argv) > 1:
    photos = ske.load_face_folder(sys.argv[1])
    X, y, groups, pretrained = loader.fit_transform(photos.data), photos.target, photos.groups, "fer2013"
else:
    (X, y, groups), pretrained = ske.make_faces(700, random_state=0), None

# 2. Split into training, validation and test sets. No group is in two of them.
X_train, X_val, X_test, y_train, y_val, y_test, _, _, test = ske.train_val_test_split(
    X, y, groups=groups, return_indices=True, random_state=0
)

# 3. Balance the classes of the training set by augmentation.
X_equal, y_equal = ske.AugmentationOverSampler(random_state=0).fit_resample(X_train, y_train)

# 4. Train a convolutional network, for photos from weights learned on faces, and validate it after each epoch.
network = ske.EmotionClassifier(ske.networks.ResNet(pretrained=pretrained), max_epochs=30, random_state=0, verbose=1)
network.fit(X_equal, y_equal, X_val=X_val, y_val=y_val)
ske.TrainingCurves.from_estimator(network).figure.savefig(results / "training_curves.png", dpi=100)

# %%
# 5. Compute F1, ROC and the confusion matrix on the test set, and compare with the baseline on the same images.
report = ske.EmotionReport.from_estimator(network, X_test, y_test, groups=groups[test], random_state=0)
print(f"\n{report}\n")
report.plot().figure.savefig(results / "report.png", dpi=100)
baseline = ske.EmotionReport.from_estimator(ske.make_hog_svm().fit(X_train, y_train), X_test, y_test, random_state=0)
print(f"HOG+SVM, for comparison: macro F1 {baseline.scores['value']['f1_macro']:.3f}\n")

# 6. Save the model, and use it to predict a new photo.
ske.save_model(make_pipeline(loader.fit(X), network), results / "model.skops")
new_photo = sys.argv[2] if len(sys.argv) > 2 else results / "new_photo.png"
if len(sys.argv) <= 2:
    Image.fromarray(X_test[0]).save(new_photo)
table = ske.predict_faces(ske.load_model(results / "model.skops"), [new_photo], min_confidence=0.3)
print(table.T.to_string(header=False))
print(f"\nWritten: {', '.join(str(path) for path in sorted(results.iterdir()))}")
