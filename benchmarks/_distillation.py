"""Train wide networks on labels and on people's votes, and let a narrow one learn what they say.

The labels of FER2013 are noisy, the votes of ten people (FER+) less so, but they are answers to another question: one
layer answers both, and the answers to the second are cut off in the end. Wide networks learn more of either than the
narrow one that comes with the package, and what they say of a changed face is a better lesson than a label [1]_.

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
from sk_emotion._training._preparation import Preparation

AUGMENTATION = FaceAugmentation(rotation=15, scale=0.2, translation=0.1, brightness=0.3, contrast=0.3, erasing=0.4)
BATCH_SIZE = 128
LEARNING_RATE = 0.1
WEIGHT_DECAY = 5e-4
WARM_UP = 0.1
LABEL_SMOOTHING = 0.1
EMA = 0.999
SMALLEST_MAP = 6
"""Pixels of a side of what the networks' last layers see."""


class Lessons:
    """Faces on a device; each epoch in another order and changed in another way, the same one for the same number."""

    def __init__(self, faces, statistics, device):
        self.faces = torch.from_numpy(faces)[:, None].to(device)
        self.prepare = Preparation((0.0, 255.0), *statistics, AUGMENTATION)
        self.precision = choose_precision("auto", self.faces.device.type, tuple(faces.shape[1:]), SMALLEST_MAP)

    def autocast(self):
        """Give the context in which networks see them."""
        return autocast(self.precision, self.faces.device.type)

    def __len__(self):
        return len(self.faces) // BATCH_SIZE

    def epoch(self, number):
        """Give the rows of each batch, and their changed faces."""
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
        ``loss_of((number, batch), rows, changed, answers)``, a tensor.
    epochs : sequence of int
        Numbers of the epochs of `lessons`.
    seed : int
        Of the weights that the network begins with.

    Returns
    -------
    module : Module
        With the moving average of the weights.
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
    """Learn labels (n,), as numbers from 0, and how often people gave each answer (n, n_answers)."""
    device = lessons.faces.device
    labels, shares = torch.from_numpy(codes).to(device), share(votes).to(device)
    n_classes = int(codes.max()) + 1

    def loss_of(_place, rows, _changed, answers):
        of_labels, of_votes = answers.tensor_split([n_classes], dim=1)
        of_labels = functional.cross_entropy(of_labels, labels[rows], label_smoothing=LABEL_SMOOTHING)
        return of_labels + functional.cross_entropy(of_votes, shares[rows])

    # Networks of different seeds see different changes.
    epochs = range(seed * n_epochs, (seed + 1) * n_epochs)
    return learn(network, lessons, n_classes + votes.shape[1], loss_of, epochs=epochs, seed=seed)


def learn_from_networks(network, lessons, teachers, n_classes, *, n_epochs, n_lessons, seed):
    """Learn what the mean of `teachers` says of each changed face, to both questions.

    After `n_lessons` epochs the same changes come again, so that the teachers are asked once for each.
    """
    n_answers = teachers[0].head[-1].out_features
    questions = [slice(n_classes), slice(n_classes, n_answers)]
    heard = {}

    def ask(changed):
        with torch.no_grad(), lessons.autocast():
            logits = torch.stack([teacher(changed) for teacher in teachers]).float()
        return torch.cat([logits[:, :, question].softmax(dim=2).mean(dim=0) for question in questions], dim=1).half()

    def loss_of(place, _rows, changed, answers):
        if place not in heard:
            heard[place] = ask(changed)
        said = heard[place].float()
        return sum(functional.cross_entropy(answers[:, question], said[:, question]) for question in questions)

    epochs = [epoch % n_lessons for epoch in range(n_epochs)]
    return learn(network, lessons, n_answers, loss_of, epochs=epochs, seed=seed)


def share(votes):
    """Give the share of each answer; a single vote of ten is a slip, as the authors of FER+ count."""
    counted = np.where(votes > 1, votes, 0).astype(np.float32)
    # A face without any has no say.
    return torch.from_numpy(counted / np.maximum(counted.sum(axis=1, keepdims=True), 1))


def _make_optimizer(module, n_steps):
    weights = list(module.parameters())
    # Biases and scales are not drawn to zero.
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
