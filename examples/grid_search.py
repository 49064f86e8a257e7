"""Grid search over a CNN and HOG+SVM
=====================================

``python examples/grid_search.py [FOLDER]`` tunes both with scikit-learn's GridSearchCV and compares them on a test
set not used in the search. FOLDER contains one folder of photos per emotion; without it, synthetic faces are used.
"""

import sys

import pandas as pd
from imblearn.pipeline import make_pipeline
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

import sk_emotion as ske

loader = ske.FaceLoader(image_size=48)
if len(sys.argv) > 1:
    photos = ske.load_face_folder(sys.argv[1])
    # Decoding learns nothing from the data, so it can be done once before splitting.
    X, y, groups = loader.fit_transform(photos.data), photos.target, photos.groups
else:
    X, y, groups = ske.make_faces(500, emotions=["anger", "happiness", "pain"], image_size=32, random_state=0)
X_train, _, X_test, y_train, _, y_test, train, _, test = ske.train_val_test_split(
    X, y, groups=groups, val_size=1, return_indices=True, random_state=0
)

# %%
# The sampler acts only in the training part of each fold; the test part is not changed.
cnn = make_pipeline(
    ske.AugmentationOverSampler(random_state=0),
    ske.EmotionClassifier(learning_rate=0.01, max_epochs=20, random_state=0),
)
searches = {
    "CNN": (
        cnn,
        {
            "emotionclassifier__network": [ske.networks.ResNet(width=8), ske.networks.VGG(width=8)],
            # With few images and epochs, strong augmentation is not helpful.
            "emotionclassifier__augmentation": ["default", ske.FaceAugmentation(rotation=5, scale=0.05, erasing=0)],
        },
    ),
    "HOG+SVM": (
        ske.make_hog_svm(image_size=X.shape[1]),
        {
            "hogtransformer__orientations": [6, 9],
            "hogtransformer__pixels_per_cell": [(4, 4), (8, 8)],
            "svc__C": [1, 10],
        },
    ),
}
folds = StratifiedGroupKFold(2)
columns = ["params", "mean_test_f1_macro", "std_test_f1_macro", "mean_test_roc_auc_ovr", "mean_fit_time"]
for name, (pipeline, grid) in searches.items():
    search = GridSearchCV(pipeline, grid, scoring=["f1_macro", "roc_auc_ovr"], refit="f1_macro", cv=folds)
    search.fit(X_train, y_train, groups=groups[train])
    table = pd.DataFrame(search.cv_results_)[columns].sort_values("mean_test_f1_macro", ascending=False)
    print(f"\n{name}: {len(table)} candidates\n{table.head(4).to_string(index=False, float_format='{:.3f}'.format)}")
    report = ske.EmotionReport.from_estimator(search, X_test, y_test, groups=groups[test], random_state=0)
    value, low, high = report.scores.loc["f1_macro"]
    print(f"On the test set: macro F1 {value:.3f} [{low:.3f}, {high:.3f}]")
