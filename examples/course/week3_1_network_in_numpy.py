"""
Week 3: a neural network from scratch
=====================================

A neural network consists of layers of weights, a loss, its gradient and gradient descent, and NumPy is sufficient to
implement it. On the next page, PyTorch computes the gradient.
"""

import matplotlib.pyplot as plt
import numpy as np

import sk_emotion as ske

emotions = ["anger", "happiness", "pain", "sadness"]
images, labels, people = ske.make_faces(1200, emotions=emotions, image_size=24, noise=3, random_state=0)
X = images.reshape(len(images), -1) / 255
X = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
X_train, X_val, _, y_train, y_val, _ = ske.train_val_test_split(X, labels, groups=people, random_state=0)
codes_train, codes_val = np.searchsorted(emotions, y_train), np.searchsorted(emotions, y_val)

# %%
# Forward pass
# ------------
#
# 576 pixels are mapped to 48 hidden values, negative values are set to zero (ReLU), and the result is mapped to one
# number per class. The softmax function converts the four numbers to probabilities.

rng = np.random.default_rng(0)


def make_weights(n_in, n_hidden, n_out):
    # With this variance, the outputs of a layer have about the same scale as its inputs (He et al. 2015).
    return {
        "W1": rng.normal(0, np.sqrt(2 / n_in), (n_in, n_hidden)),
        "b1": np.zeros(n_hidden),
        "W2": rng.normal(0, np.sqrt(1 / n_hidden), (n_hidden, n_out)),
        "b2": np.zeros(n_out),
    }


def forward(weights, X):
    hidden = np.maximum(X @ weights["W1"] + weights["b1"], 0)
    logits = hidden @ weights["W2"] + weights["b2"]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))  # subtracting the maximum avoids overflow
    return hidden, exponentials / exponentials.sum(axis=1, keepdims=True)


def loss(probabilities, codes):
    return -np.log(probabilities[np.arange(len(codes)), codes]).mean()


weights = make_weights(X.shape[1], 48, 4)
print(f"Loss before training: {loss(forward(weights, X_train)[1], codes_train):.3f}, of guessing: {np.log(4):.3f}")

# %%
# Backward pass
# -------------
#
# The chain rule is applied from the loss back to the weights. The gradient of the loss with respect to the logits is
# the difference between the predicted and the true probabilities.


def backward(weights, X, codes):
    hidden, probabilities = forward(weights, X)
    by_logits = probabilities.copy()
    by_logits[np.arange(len(codes)), codes] -= 1
    by_logits /= len(codes)
    by_hidden = (by_logits @ weights["W2"].T) * (hidden > 0)  # zero gradient where ReLU is zero
    return {
        "W1": X.T @ by_hidden,
        "b1": by_hidden.sum(axis=0),
        "W2": hidden.T @ by_logits,
        "b2": by_logits.sum(axis=0),
    }


# %%
# Always check a gradient numerically: change one weight slightly, and compare the change of the loss.

by_rule = backward(weights, X_train, codes_train)["W1"][100, 7]
moved = {name: value.copy() for name, value in weights.items()}
moved["W1"][100, 7] += 1e-5
before, after = (loss(forward(w, X_train)[1], codes_train) for w in (weights, moved))
print(f"Chain rule: {by_rule:.6f}, finite difference: {(after - before) / 1e-5:.6f}")

# %%
# Gradient descent
# ----------------
#
# Stochastic gradient descent with momentum: small batches, shuffled in each epoch.

velocity = {name: np.zeros_like(value) for name, value in weights.items()}
curves = {"training": [], "validation": []}
for _ in range(40):
    order = rng.permutation(len(X_train))
    for rows in np.array_split(order, len(order) // 32):
        slopes = backward(weights, X_train[rows], codes_train[rows])
        for name in weights:
            velocity[name] = 0.9 * velocity[name] - 0.01 * slopes[name]
            weights[name] += velocity[name]
    curves["training"].append(loss(forward(weights, X_train)[1], codes_train))
    curves["validation"].append(loss(forward(weights, X_val)[1], codes_val))

accuracy = (forward(weights, X_val)[1].argmax(axis=1) == codes_val).mean()
print(f"Accuracy on new people: {accuracy:.2f} (random guessing: 0.25)")

figure, ax = plt.subplots(figsize=(5.5, 2.8), layout="constrained")
for name, values in curves.items():
    ax.plot(range(1, 41), values, label=name)
ax.set(xlabel="epoch", ylabel="loss")
ax.legend()
plt.show()

# %%
# The training loss approaches 0, while the validation loss starts to rise: the network memorizes the training faces.
#
# Hidden weights
# --------------

figure, axes = plt.subplots(2, 8, figsize=(8, 2.2), layout="constrained")
for ax, column in zip(axes.flat, weights["W1"].T, strict=False):
    ax.imshow(column.reshape(24, 24), cmap="RdBu_r")
    ax.axis("off")
plt.show()

# %%
# Exercises
# ---------
#
# 1. Implement early stopping: keep the weights of the epoch with the lowest validation loss.
# 2. Add weight decay: subtract ``0.01 * 1e-3 * weights[name]`` in each step. How do the two curves change?
# 3. Remove the momentum (0 instead of 0.9). How many epochs are needed now?
# 4. Shift all validation faces by three pixels (``np.roll``). How does the accuracy change, and why would convolutions
#    help?
