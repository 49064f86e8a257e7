"""Train a network on labels and on people's votes at once: two questions on the same features.

The labels of FER2013 are noisy, the votes of ten people (FER+) less so, but they are answers to another question. One
layer answers both, and the answers to the second are cut off in the end.
"""

import time

import numpy as np
import torch
from torch.nn import functional

from sk_emotion import FaceAugmentation, networks
from sk_emotion.training.preparation import Preparation, learn_pixel_statistics

BATCH_SIZE = 32
LEARNING_RATE = 0.04
WEIGHT_DECAY = 5e-4
WARM_UP = 0.1
SMALL = 40
"""Pixels of a side in the first half of the epochs, which saves a third of their time."""

LABEL_SMOOTHING = 0.1
HEAD = "head"


def train_with_votes(faces, codes, votes, *, width, n_epochs, seed, start=None):
    """Train on Training's faces.

    Parameters
    ----------
    faces : ndarray of shape (n, 48, 48), uint8
    codes : ndarray of shape (n,)
        Labels as numbers from 0.
    votes : ndarray of shape (n, n_answers)
        How often people gave each answer.
    width : int
    n_epochs : int
    seed : int
    start : dict or None
        Weights to go on from.

    Returns
    -------
    weights : dict of str to tensor
        Of ``ResNet(width)``, for the labels alone.
    statistics : tuple of ndarray
        Mean and standard deviation of the pixels.
    history : list of dict
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    n_classes = int(codes.max()) + 1
    module = networks.ResNet(width).build(1, faces.shape[1:], n_classes + votes.shape[1])
    module = module.to(memory_format=torch.channels_last)
    if start is not None:
        module.load_state_dict(_add_answers(start, module.state_dict(), n_classes))
    statistics = learn_pixel_statistics(faces, (0.0, 255.0))
    prepare = Preparation((0.0, 255.0), *statistics, FaceAugmentation(), generator)
    images, labels, shares = torch.from_numpy(faces)[:, None], torch.from_numpy(codes), _share(votes)
    n_batches = len(images) // BATCH_SIZE
    optimizer, schedule = _make_optimizer(module, n_epochs * n_batches)
    history, began = [], time.perf_counter()
    for epoch in range(1, n_epochs + 1):
        size = SMALL if epoch <= n_epochs // 2 else faces.shape[1]
        module.train()
        total, right = 0.0, 0
        for rows in torch.randperm(len(images), generator=generator)[: n_batches * BATCH_SIZE].split(BATCH_SIZE):
            answers = module(_shrink(prepare(images[rows], augment=True), size))
            of_labels, of_votes = answers[:, :n_classes], answers[:, n_classes:]
            loss = functional.cross_entropy(of_labels, labels[rows], label_smoothing=LABEL_SMOOTHING)
            loss = loss + functional.cross_entropy(of_votes, shares[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            right += int((of_labels.argmax(dim=1) == labels[rows]).sum())
        row = {"epoch": epoch, "train_loss": total / n_batches, "train_acc": right / (n_batches * BATCH_SIZE)}
        history.append(row)
        print(f"{row} {time.perf_counter() - began:.0f} s", flush=True)
    weights = module.state_dict()
    return (
        {name: value[:n_classes] if name.startswith(HEAD) else value for name, value in weights.items()},
        statistics,
        history,
    )


def _make_optimizer(module, n_steps):
    weights = list(module.parameters())
    # Biases and scales are not drawn to zero.
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=LEARNING_RATE, momentum=0.9, nesterov=True)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=n_steps, pct_start=WARM_UP, cycle_momentum=False
    )


def _shrink(batch, size):
    if batch.shape[-1] == size:
        return batch
    return functional.interpolate(batch, size=(size, size), mode="bilinear", antialias=True)


def _share(votes):
    """Give the share of each answer; a single vote of ten is a slip, as the authors of FER+ count."""
    counted = np.where(votes > 1, votes, 0).astype(np.float32)
    # A face without any has no say.
    return torch.from_numpy(counted / np.maximum(counted.sum(axis=1, keepdims=True), 1))


def _add_answers(start, own, n_classes):
    """Put the answers to the second question, which are learned anew, below those to the first."""
    return {
        name: torch.cat([start[name], value[n_classes:]]) if name.startswith(HEAD) else start[name]
        for name, value in own.items()
    }
