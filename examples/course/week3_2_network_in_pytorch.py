"""
Week 3: the same network in PyTorch
===================================

PyTorch records the computation and computes gradients automatically. This page implements the network of the previous
page, then a convolutional network, and finally uses :class:`~sk_emotion.EmotionClassifier`.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import sk_emotion as ske

emotions = ["anger", "happiness", "pain", "sadness"]
images, labels, people = ske.make_faces(1200, emotions=emotions, image_size=24, noise=3, random_state=0)
X = images[:, None].astype(np.float32) / 255  # faces, channels, height, width
X = (X - X.mean(axis=(2, 3), keepdims=True)) / X.std(axis=(2, 3), keepdims=True)
X_train, X_val, _, y_train, y_val, _, train, val, _ = ske.train_val_test_split(
    X, labels, groups=people, return_indices=True, random_state=0
)
X_train, X_val = torch.from_numpy(X_train), torch.from_numpy(X_val)
codes_train, codes_val = (torch.from_numpy(np.searchsorted(emotions, y)) for y in (y_train, y_val))

# %%
# Training loop
# -------------
#
# ``backward()`` of the previous page is now a method of the loss, and an optimizer updates the weights.


def train_network(network, epochs=40):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    curves = {"training": [], "validation": []}
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(X_train)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(X_train[rows]), codes_train[rows]).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for name, faces, codes in (("training", X_train, codes_train), ("validation", X_val, codes_val)):
                curves[name].append(float(nn.functional.cross_entropy(network(faces), codes)))
    with torch.no_grad():
        accuracy = float((network(X_val).argmax(dim=1) == codes_val).float().mean())
    return curves, accuracy


torch.manual_seed(0)
plain = nn.Sequential(nn.Flatten(), nn.Linear(576, 48), nn.ReLU(), nn.Linear(48, 4))
plain_curves, plain_accuracy = train_network(plain)
print(f"Two layers: accuracy {plain_accuracy:.2f} on new people, {sum(p.numel() for p in plain.parameters())} weights")

# %%
# Convolutions
# ------------
#
# A convolution detects the same small pattern at every position, so a shifted mouth is still recognized. It also
# needs fewer weights.

convolutional = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(16 * 6 * 6, 4),
)
curves, accuracy = train_network(convolutional)
print(f"Convolutions: accuracy {accuracy:.2f}, {sum(p.numel() for p in convolutional.parameters())} weights")

figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True, layout="constrained")
for ax, title, shown in zip(axes, ("two layers", "convolutions"), (plain_curves, curves), strict=True):
    for name, values in shown.items():
        ax.plot(range(1, 41), values, label=name)
    ax.set(xlabel="epoch", title=title)
axes[0].set_ylabel("loss")
axes[0].legend()
plt.show()

# %%
# As a scikit-learn estimator
# ---------------------------
#
# :class:`~sk_emotion.EmotionClassifier` implements this loop, and adds augmentation, a learning-rate schedule and GPU
# support. Images remain ``uint8``, and labels remain strings.

# The default augmentation is meant for longer training and larger faces; use a weaker one for 20 epochs and 24 pixels.
gentle = ske.FaceAugmentation(rotation=5, scale=0.05, translation=0.05, erasing=0)
classifier = ske.EmotionClassifier(
    ske.networks.VGG(width=8),
    learning_rate=0.01,
    augmentation=gentle,
    max_epochs=20,
    random_state=0,
)
classifier.fit(images[train], labels[train], X_val=images[val], y_val=labels[val])
print(f"EmotionClassifier: accuracy {classifier.score(images[val], labels[val]):.2f} on new people")
ske.TrainingCurves.from_estimator(classifier)
plt.show()

# %%
# Exercises
# ---------
#
# 1. Print ``plain[1].weight.grad`` after a call of ``backward()``, and compare it with the previous page.
# 2. Add ``nn.Dropout(0.3)`` before the last layer. How do the curves change?
# 3. Set ``augmentation=None``. How large is the gap between training and validation now?
# 4. Wrap ``convolutional`` in :class:`~sk_emotion.networks.TorchNetwork` and train it with ``EmotionClassifier``
#    (:ref:`sphx_glr_gallery_custom_network.py` shows how).
