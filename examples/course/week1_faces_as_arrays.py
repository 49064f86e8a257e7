"""
Week 1: faces as arrays
=======================

A grayscale image is an array of numbers, and a set of images is an array with one more axis. This page explores a data
set of faces before training, with NumPy, pandas and Matplotlib.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import sk_emotion as ske

X, y, people = ske.make_faces(600, weights={"anger": 2, "disgust": 1, "happiness": 3, "pain": 1}, random_state=0)
print(X.shape, X.dtype, X.min(), X.max())

# %%
# 600 faces of 48 by 48 pixels; each pixel is an integer from 0 (black) to 255 (white). ``X[0]`` is the first face,
# ``X[:, 20]`` row 20 of all faces, and ``X[y == "pain"]`` all faces in pain: a boolean mask selects samples.

figure, axes = plt.subplots(2, 8, figsize=(8, 2.4), layout="constrained")
for ax, face, emotion in zip(axes.flat, X, y, strict=False):
    ax.imshow(face, cmap="gray", vmin=0, vmax=255)
    ax.set_title(emotion, fontsize=8)
    ax.axis("off")
plt.show()

# %%
# Class counts
# ------------
#
# Start with the class counts. Classes are rarely balanced; the consequences are shown in
# :ref:`sphx_glr_gallery_pitfalls_pitfall_4_accuracy.py`.

table = pd.DataFrame(
    {"emotion": y, "person": people, "brightness": X.mean(axis=(1, 2)), "contrast": X.std(axis=(1, 2))}
)
counts = table["emotion"].value_counts()
figure, ax = plt.subplots(figsize=(5, 2), layout="constrained")
bars = ax.barh(counts.index, counts)
ax.bar_label(bars, padding=3)
ax.set(xlabel="faces", xlim=(0, 1.1 * counts.max()))
ax.invert_yaxis()
plt.show()

# %%
# Mean face
# ---------
#
# The mean over the first axis is an image again. The difference between the mean of an emotion and the mean of all
# faces shows what a classifier can use: brows, lids, mouth.

mean = X.mean(axis=0)
figure, axes = plt.subplots(2, 4, figsize=(7, 3.7), layout="constrained")
for column, emotion in enumerate(counts.index):
    of_emotion = X[y == emotion].mean(axis=0)
    axes[0, column].imshow(of_emotion, cmap="gray")
    axes[0, column].set_title(emotion)
    difference = axes[1, column].imshow(of_emotion - mean, cmap="RdBu_r", vmin=-25, vmax=25)
for ax in axes.flat:
    ax.axis("off")
figure.colorbar(difference, ax=axes[1], label="darker or brighter\nthan the mean")
plt.show()

# %%
# Pixel statistics
# ----------------
#
# If one class were brighter than another, a classifier would learn the lighting instead of the face. Check it with
# ``groupby``.

table.groupby("emotion")[["brightness", "contrast"]].agg(["mean", "std"]).round(1)

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
left.hist(X.ravel(), bins=64, color="0.5")
left.set(xlabel="gray level", ylabel="pixels", title="All pixels")
for emotion, rows in table.groupby("emotion"):
    right.scatter(rows["brightness"], rows["contrast"], s=6, label=emotion)
right.set(xlabel="mean of the face", ylabel="standard deviation", title="Faces")
right.legend(fontsize=8)
plt.show()

# %%
# Standardizing each face removes brightness and contrast and keeps the shape:

Z = (X - X.mean(axis=(1, 2), keepdims=True)) / X.std(axis=(1, 2), keepdims=True)
print(np.abs(Z.mean(axis=(1, 2))).max().round(6), Z.std(axis=(1, 2)).min().round(6))

# %%
# Exercises
# ---------
#
# 1. How many faces does each person have? Does each person show each emotion? (``pd.crosstab``)
# 2. Plot the standard deviation of each pixel over all faces as an image. Where do faces differ most?
# 3. Which face is most similar to ``X[0]``? Compute all distances in one line of NumPy. Is it the same person or the
#    same emotion? Repeat with ``Z``.
# 4. Load a few photos of your own with :class:`~sk_emotion.FaceLoader` and plot their mean face.
