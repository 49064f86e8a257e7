"""Final project: pain or no pain
==============================

Balance, train, evaluate and predict: ``python examples/final_project_binary.py [FOLDER [NEW_PHOTO]]``. FOLDER contains
one folder of photos per emotion; without it, synthetic faces are used. Results are written to ``results/``.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from PIL import Image
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline

import sk_emotion as ske

results = Path("results")
results.mkdir(exist_ok=True)

# 1. Load faces of all emotions, and convert the labels to a binary question.
loader = ske.FaceLoader(image_size=48)
if len(sys.argv) > 1:
    photos = ske.load_face_folder(sys.argv[1])
    X, emotions, groups, pretrained = loader.fit_transform(photos.data), photos.target, photos.groups, "fer2013"
else:
    (X, emotions, groups), pretrained = ske.make_faces(700, noise=12, random_state=0), None
y = ske.consolidate_emotions(emotions, positive="pain", names=("no pain", "pain"))

# 2. Split into training, validation and test sets; balance only the training set by augmentation.
X_train, X_val, X_test, y_train, y_val, y_test, _, _, test = ske.train_val_test_split(
    X, y, groups=groups, return_indices=True, random_state=0
)
X_equal, y_equal = ske.AugmentationOverSampler(random_state=0).fit_resample(X_train, y_train)

# 3. Train a convolutional network, for photos from weights learned on faces, and plot its training curves.
network = ske.EmotionClassifier(ske.networks.ResNet(pretrained=pretrained), max_epochs=15, random_state=0, verbose=1)
network.fit(X_equal, y_equal, X_val=X_val, y_val=y_val)
ske.TrainingCurves.from_estimator(network).figure.savefig(results / "binary_training_curves.png", dpi=100)

# 4. Choose the threshold for a specificity of 80% on the validation set.
point = ske.find_operating_point(y_val, network.predict_proba(X_val)[:, 1], specificity=0.8)
print(f"\nOn the validation set: {point}")
clinic = FixedThresholdClassifier(FrozenEstimator(network), threshold=point.threshold).fit(X_val, y_val)

# %%
# 5. Compute F1 and ROC on the test set, and on the test set balanced by augmentation.
report = ske.EmotionReport.from_estimator(clinic, X_test, y_test, groups=groups[test], equalize=True, random_state=0)
print(f"\n{report}\n")
report.plot().figure.savefig(results / "binary_report.png", dpi=100)

# 6. Save the model, and use it to predict a new photo.
ske.save_model(make_pipeline(loader.fit(X), clinic), results / "binary_model.skops")
new_photo = sys.argv[2] if len(sys.argv) > 2 else results / "new_photo.png"
if len(sys.argv) <= 2:
    Image.fromarray(X_test[0]).save(new_photo)
print(ske.predict_faces(ske.load_model(results / "binary_model.skops"), [new_photo]).T.to_string(header=False))
