"""Is a CNN better than HOG+SVM?
================================

A comparison on synthetic faces, without a download: ``python examples/compare_cnn_and_hog.py`` prints a table and
writes ``demo/report.html`` and ``demo/comparison.png``.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from imblearn.pipeline import make_pipeline

from sk_emotion import (
    EMOTIONS,
    AugmentationOverSampler,
    EmotionClassifier,
    FaceLoader,
    compare_classifiers,
    make_faces,
    make_hog_svm,
    networks,
)

# Pain is rare, as in practice: the over-sampler balances the classes in the training part of each fold.
X, y, people = make_faces(900, weights={**dict.fromkeys(EMOTIONS, 1.0), "pain": 0.5}, random_state=0)

cnn = make_pipeline(
    FaceLoader(image_size=48),
    AugmentationOverSampler(random_state=0),
    EmotionClassifier(networks.ResNet(width=16), max_epochs=30, random_state=0),
)
# No person is in both the training and the test set. Folds are fitted in parallel, one on each core.
result = compare_classifiers(
    {"CNN": cnn, "HOG+SVM": make_hog_svm()}, X, y, groups=people, cv=5, n_jobs=-1, verbose=1, random_state=0
)
print(result)

# %%
# Plot a face of each emotion and the score of each fold:

figure, axes = plt.subplot_mosaic(
    [list(EMOTIONS), ["scores"] * len(EMOTIONS)], height_ratios=[1, 1.6], figsize=(9, 4.4), layout="constrained"
)
for emotion in EMOTIONS:
    axes[emotion].imshow(X[y == emotion][0], cmap="gray", vmin=0, vmax=255)
    axes[emotion].set_title(emotion)
    axes[emotion].axis("off")
result.plot(axes["scores"])

folder = Path("demo")
folder.mkdir(exist_ok=True)
figure.savefig(folder / "comparison.png", dpi=150)
result.to_html(folder / "report.html")
print(f"\nWritten: {folder / 'report.html'} and {folder / 'comparison.png'}")
