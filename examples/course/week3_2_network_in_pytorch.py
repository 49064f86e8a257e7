"""
Week 3: the same network in PyTorch
===================================

PyTorch follows what is computed and gives the derivatives. First the network of the last page, then convolutions,
then the same with :class:`~sk_emotion.EmotionClassifier`, which is what one uses in the end.
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
# What PyTorch takes over
# -----------------------
#
# ``backward()`` of the last page is now a method of the loss, and the steps belong to an optimiser.


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
print(f"Two layers: {plain_accuracy:.2f} right on new people, {sum(p.numel() for p in plain.parameters())} weights")

# %%
# Convolutions
# ------------
#
# A convolution looks for the same small pattern everywhere, so that a mouth is a mouth three pixels lower too. It also
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
print(f"Convolutions: {accuracy:.2f} right, {sum(p.numel() for p in convolutional.parameters())} weights")

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
# :class:`~sk_emotion.EmotionClassifier` does what the loop above does, and what it left out: random changes of the
# faces in each epoch, a schedule of the learning rate, the GPU where there is one. Images stay ``uint8``, labels stay
# names.

# The default changes are for long trainings and larger faces; gentle ones suit 20 epochs and 24 pixels.
gentle = ske.FaceAugmentation(rotation=5, scale=0.05, translation=0.05, erasing=0)
classifier = ske.EmotionClassifier(
    ske.networks.VGG(width=8),
    optimizer="adamw",
    learning_rate=0.01,
    augmentation=gentle,
    max_epochs=20,
    random_state=0,
)
classifier.fit(images[train], labels[train], X_val=images[val], y_val=labels[val])
print(f"EmotionClassifier: {classifier.score(images[val], labels[val]):.2f} right on new people")
ske.TrainingCurves.from_estimator(classifier)
plt.show()

# %%
# Exercises
# ---------
#
# 1. Print ``plain[1].weight.grad`` after a ``backward()``, and compare it with that of the last page.
# 2. Add ``nn.Dropout(0.3)`` before the last layer. Look at both curves.
# 3. Set ``augmentation=None``. How far apart are training and validation now?
# 4. Put ``convolutional`` into :class:`~sk_emotion.networks.TorchNetwork` and train it with ``EmotionClassifier``
#    (:ref:`sphx_glr_gallery_custom_network.py` shows how).
