"""Train wide networks on labels and votes of annotators, and distill them into a narrow network.

The labels of FER2013 are noisier than the votes of ten annotators (FER+), but the votes use other classes. One layer
predicts both, and its outputs for the votes are removed in the end. Wide networks reach higher accuracies than the
narrow network of the package, and their predictions for augmented faces are better targets than labels [1]_.

References
----------
.. [1] Beyer, L., Zhai, X., Royer, A., Markeeva, L., Anil, R., & Kolesnikov, A. (2022). Knowledge distillation: a good
   teacher is patient and consistent. CVPR.
"""

import time

import numpy as np
import torch
from torch.nn import functional

from sk_emotion import FaceAugmentation
from sk_emotion._training._hardware import autocast, choose_precision
from sk_emotion._training._standardize import Preparation

AUGMENTATION = FaceAugmentation(rotation=15, scale=0.2, translation=0.1, brightness=0.3, contrast=0.3, erasing=0.4)
BATCH_SIZE = 128
LEARNING_RATE = 0.1
WEIGHT_DECAY = 5e-4
WARM_UP = 0.1
LABEL_SMOOTHING = 0.1
EMA = 0.999
SMALLEST_MAP = 6
"""Side length, in pixels, of the feature maps of the last layers."""


class Lessons:
    """Faces on a device. Shuffling and augmentation of an epoch are determined by its number."""

    def __init__(self, faces, statistics, device):
        self.faces = torch.from_numpy(faces)[:, None].to(device)
        self.prepare = Preparation((0.0, 255.0), *statistics, AUGMENTATION)
        self.precision = choose_precision("auto", self.faces.device.type, tuple(faces.shape[1:]), SMALLEST_MAP)

    def autocast(self):
        """Return the autocast context for the faces."""
        return autocast(self.precision, self.faces.device.type)

    def __len__(self):
        return len(self.faces) // BATCH_SIZE

    def epoch(self, number):
        """Yield the rows of each batch and their augmented faces."""
        generator = self.prepare.generator = torch.Generator().manual_seed(number)
        order = torch.randperm(len(self.faces), generator=generator)[: len(self) * BATCH_SIZE]
        for rows in order.to(self.faces.device).split(BATCH_SIZE):
            yield rows, self.prepare(self.faces[rows], augment=True)


def learn(network, lessons, n_answers, loss_of, *, epochs, seed):
    """Train a network by SGD with a one-cycle schedule.

    Parameters
    ----------
    network : ResNet
    lessons : Lessons
    n_answers : int
        Width of the last layer.
    loss_of : callable
        ``loss_of((number, batch), rows, changed, answers)`` returns a tensor.
    epochs : sequence of int
        Epoch numbers of `lessons`.
    seed : int
        Seed of the initial weights.

    Returns
    -------
    module : Module
        The network with the moving average of the weights.
    history : list of dict
    """
    torch.manual_seed(seed)
    device, size = lessons.faces.device, tuple(lessons.faces.shape[2:])
    module, averaged = (
        network.build(1, size, n_answers).to(device, memory_format=torch.channels_last) for _ in range(2)
    )
    averaged.load_state_dict(module.state_dict())
    averaged.eval()
    optimizer, schedule = _make_optimizer(module, len(epochs) * len(lessons))
    history, began = [], time.perf_counter()
    for epoch, number in enumerate(epochs, start=1):
        module.train()
        total = torch.zeros((), device=device)
        for batch, (rows, changed) in enumerate(lessons.epoch(number)):
            with lessons.autocast():
                answers = module(changed)
            loss = loss_of((number, batch), rows, changed, answers.float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
            _average(averaged, module)
        history.append({"epoch": epoch, "train_loss": total.item() / len(lessons)})
        print(f"{network}: {history[-1]} of {len(epochs)}, {time.perf_counter() - began:.0f} s", flush=True)
    return averaged, history


def learn_from_people(network, lessons, codes, votes, *, n_epochs, seed):
    """Train on labels (n,), encoded from 0, and on the number of votes for each answer (n, n_answers)."""
    device = lessons.faces.device
    labels, shares = torch.from_numpy(codes).to(device), share(votes).to(device)
    n_classes = int(codes.max()) + 1

    def loss_of(_place, rows, _changed, answers):
        of_labels, of_votes = answers.tensor_split([n_classes], dim=1)
        of_labels = functional.cross_entropy(of_labels, labels[rows], label_smoothing=LABEL_SMOOTHING)
        return of_labels + functional.cross_entropy(of_votes, shares[rows])

    # Networks with different seeds use different augmentations.
    epochs = range(seed * n_epochs, (seed + 1) * n_epochs)
    return learn(network, lessons, n_classes + votes.shape[1], loss_of, epochs=epochs, seed=seed)


def learn_from_networks(network, lessons, teachers, n_classes, *, n_epochs, n_lessons, seed):
    """Train on the mean prediction of `teachers` for each augmented face, for both tasks.

    Augmentations are repeated after `n_lessons` epochs, so that each teacher prediction is computed once.
    """
    n_answers = teachers[0].head[-1].out_features
    questions = [slice(n_classes), slice(n_classes, n_answers)]
    predictions = {}

    def predict(changed):
        with torch.no_grad(), lessons.autocast():
            logits = torch.stack([teacher(changed) for teacher in teachers]).float()
        return torch.cat([logits[:, :, question].softmax(dim=2).mean(dim=0) for question in questions], dim=1).half()

    def loss_of(place, _rows, changed, answers):
        if place not in predictions:
            predictions[place] = predict(changed)
        targets = predictions[place].float()
        return sum(functional.cross_entropy(answers[:, question], targets[:, question]) for question in questions)

    epochs = [epoch % n_lessons for epoch in range(n_epochs)]
    return learn(network, lessons, n_answers, loss_of, epochs=epochs, seed=seed)


def share(votes):
    """Return the share of each answer. Single votes are ignored, as by the authors of FER+."""
    counted = np.where(votes > 1, votes, 0).astype(np.float32)
    # Avoid a division by zero for faces without votes.
    return torch.from_numpy(counted / np.maximum(counted.sum(axis=1, keepdims=True), 1))


def _make_optimizer(module, n_steps):
    weights = list(module.parameters())
    # No weight decay for biases and scales.
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=LEARNING_RATE, momentum=0.9, nesterov=True, fused=True)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=n_steps, pct_start=WARM_UP, cycle_momentum=False
    )


@torch.no_grad()
def _average(averaged, module):
    pairs = [
        (mean, value)
        for mean, value in zip(averaged.state_dict().values(), module.state_dict().values(), strict=True)
        if mean.is_floating_point()
    ]
    means, values = zip(*pairs, strict=True)
    torch._foreach_lerp_(means, values, 1 - EMA)
