"""Train in one of several processes and save the results.

``accelerate launch ... train_together.py FOLDER`` pickles it to ``FOLDER/0`` and ``FOLDER/1``, one of each process.
"""

import os
import pickle
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, Checkpoint
from torch import nn

from sk_emotion import EmotionClassifier, make_faces, networks, save_model

# Not a multiple of the batch size, so that batches and their parts differ in size.
X, Y, _ = make_faces(75, emotions=["happiness", "pain"], image_size=24, noise=2, random_state=0)
WEIGHT = np.linspace(0.5, 1.5, len(X))
RANK = int(os.environ.get("RANK", "0"))


class Plain(nn.Module):
    """A network without batch normalization and dropout, whose gradients do not depend on how a batch is split."""

    def __init__(self, in_channels, n_classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 8, 5, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(200, n_classes)
        )

    def forward(self, images):
        return self.layers(images)


class ScaledCrossEntropy(nn.Module):
    """Cross-entropy of logits that are scaled by a trained parameter."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, logits, codes):
        return nn.functional.cross_entropy(self.scale * logits, codes, reduction="none")


class RecordImages(Callback):
    """Record the images that this process trains on in each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.epochs = []

    def on_epoch_begin(self, net, **kwargs):
        self.epochs.append([])

    def on_batch_begin(self, net, batch, training, **kwargs):
        if training:
            self.epochs[-1] += [image.numpy().tobytes() for image in batch[0]["images"]]


class Disturb(Callback):
    """Call a function in one process, before the second batch of an epoch or at its end."""

    def __init__(self, epoch, *, in_batch=None, at_end=None):
        self.epoch, self.in_batch, self.at_end = epoch, in_batch, at_end
        self.rank = 1

    def on_batch_begin(self, net, training, **kwargs):
        if self._is_due(net) and self.in_batch and training and len(net.history[-1, "batches"]) == 2:
            self.in_batch(net)

    def on_epoch_end(self, net, **kwargs):
        if self._is_due(net) and self.at_end:
            self.at_end(net)

    def get_params(self, deep=True):
        # So that the callback does not change the fingerprint of the training.
        return {}

    def _is_due(self, net):
        return self.rank == RANK and len(net.history) == self.epoch


def spoil_weights(net):
    with torch.no_grad():
        next(net.module_.parameters()).fill_(torch.nan)


def press_ctrl_c(net):
    raise KeyboardInterrupt


def make_classifier(network=None, **settings):
    """Make a classifier that trains on batches of 16, independent of the number of processes."""
    defaults = {
        "augmentation": None,
        "batch_size": 16 // int(os.environ.get("WORLD_SIZE", "1")),
        "data_parallel": True,
        "device": "cpu",
        "learning_rate": 0.02,
        "max_epochs": 2,
        "optimizer": "sgd",
        "random_state": 0,
    }
    return EmotionClassifier(network or networks.TorchNetwork(Plain), **(defaults | settings))


# Settings with the same result as in one process, up to rounding errors, which are large in bf16.
SETTINGS = {
    "weighted": {"validation_fraction": 0.3, "precision": "fp32"},
    "weighted in bf16": {"validation_fraction": 0.3, "precision": "bf16"},
    "averaged": {
        "ema": 0.8,
        "class_weight": "balanced",
        "optimizer": "adamw",
        "learning_rate": 0.003,
        "precision": "fp32",
    },
    "balanced": {"balance_batches": True, "schedule": None, "precision": "fp32"},
    "balanced in bf16": {"balance_batches": True, "schedule": None, "precision": "bf16"},
    "stopped early": {
        "precision": "fp32",
        "validation_fraction": 0.3,
        "early_stopping": True,
        "n_iter_no_change": 2,
        "max_epochs": 12,
        "learning_rate": 0.1,
    },
    "trained loss": {"criterion": ScaledCrossEntropy, "learning_rate": 0.05, "precision": "fp32"},
    "scalar loss": {"criterion": nn.CrossEntropyLoss, "criterion__reduction": "mean", "precision": "fp32"},
}


def fit_with(name):
    weight = None if name == "scalar loss" else WEIGHT
    return make_classifier(**SETTINGS[name]).fit(X, Y, sample_weight=weight)


def fit_in_parts():
    clf = make_classifier(precision="fp32")
    return clf.partial_fit(X[:40], Y[:40], classes=["happiness", "pain"]).partial_fit(X[40:], Y[40:])


def fit_with_batch_norm():
    return make_classifier(networks.ResNet(4, pool=1, dropout=0)).fit(X, Y)


def list_state(clf):
    """Return the weights of the network and of the loss by name."""
    return {**clf.net_.module_.state_dict(), **clf.net_.criterion_.state_dict(prefix="criterion.")}


def describe(clf, **more):
    """Return what a user sees of a fitted classifier."""
    return {
        "history": clf.history_,
        "n_iter": clf.n_iter_,
        "state": {name: value.numpy().copy() for name, value in list_state(clf).items()},
        "probabilities": clf.predict_proba(X),
        **more,
    }


def fit_expecting_error(clf, X, y):
    """Fit and expect an error; return the error, the time it took, and the fitted state."""
    start = time.monotonic()
    try:
        clf.fit(X, y)
    except BaseException as error:
        kept = describe(clf) if hasattr(clf, "net_") else {}
        return {"error": type(error).__name__, "text": str(error), "seconds": time.monotonic() - start, **kept}
    raise AssertionError("no error was raised")


def interrupt_and_resume(folder):
    """Train with checkpoints and corrupt the weights of one process; then resume without that."""
    network = networks.ResNet(4, dropout=0.3)
    disturbance = Disturb(3, in_batch=spoil_weights)
    settings = {"max_epochs": 4, "augmentation": "default", "ema": 0.5, "callbacks": [disturbance]}
    clf = make_classifier(network, checkpoint_dir=folder / "broken", **settings)
    broken = fit_expecting_error(clf, X, Y)
    disturbance.rank = None
    resumed = describe(clf.fit(X, Y))
    whole = describe(make_classifier(network, checkpoint_dir=folder / "whole", **settings).fit(X, Y))
    return {"broken": broken, "resumed": resumed, "whole": whole}


def fit_with_all_output(folder):
    """Train with everything that writes files or prints."""
    keeper = Checkpoint(dirname=folder / "skorch", monitor="valid_loss_best", load_best=True)
    clf = make_classifier(
        verbose=1, checkpoint_dir=folder / "noisy", callbacks=[keeper], validation_fraction=0.3, random_state=None
    )
    return describe(clf.fit(X, Y))


def fit_and_save(folder):
    """Train a network with batch normalization; save and load it in each process, at different times."""
    listener = RecordImages()
    clf = make_classifier(networks.ResNet(4), precision="bf16", augmentation="default", callbacks=[listener])
    clf.fit(X, Y)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="EmotionClassifier: callbacks are not saved")
        save_model(clf, folder / f"model-{RANK}.skops")
    drawn = clf.net_.preparation.generator.get_state().numpy()
    return describe(clf, seen=listener.epochs, drawn=drawn)


def search():
    grid = GridSearchCV(make_classifier(), {"learning_rate": [0.001, 0.02]}, cv=2).fit(X, Y)
    return {"best": grid.best_params_, "scores": grid.cv_results_["mean_test_score"].tolist()}


def fit_in_a_worker():
    with joblib.parallel_config("threading"):
        return joblib.Parallel(2)(joblib.delayed(fit_expecting_error)(make_classifier(), X, Y) for _ in range(2))[0]


def main(folder):
    written = []
    sys.addaudithook(
        lambda event, details: written.append(details) if event == "open" and set("wax+") & set(details[1] or "") else 0
    )
    warnings.simplefilter("error")
    make_classifier(data_parallel=False, max_epochs=1).fit(X, Y)
    outcome = {"loaded by default": "accelerate" in sys.modules}
    outcome |= {name: describe(fit_with(name)) for name in SETTINGS}
    outcome["in parts"] = describe(fit_in_parts())
    outcome["batch norm"] = describe(fit_with_batch_norm())
    outcome["saved"] = fit_and_save(folder)
    outcome["half precision"] = describe(make_classifier(precision="fp16").fit(X, Y))
    outcome["search"] = search()
    outcome["stopped by one"] = describe(make_classifier(callbacks=[Disturb(1, at_end=press_ctrl_c)]).fit(X, Y))
    outcome["worker"] = fit_in_a_worker()
    outcome["other data"] = fit_expecting_error(make_classifier(), X, Y if RANK == 0 else Y[::-1])
    outcome["too few"] = fit_expecting_error(make_classifier(batch_size=1), X[:5], Y[:5])
    written.clear()
    outcome["checkpoints"] = interrupt_and_resume(folder)
    outcome["noisy"] = fit_with_all_output(folder)
    outcome["written"] = [str(details[0]) for details in written if str(folder) in str(details[0])]
    # This must be last, since it disconnects the processes.
    outcome["failed in one"] = fit_expecting_error(make_classifier(callbacks=[Disturb(2, in_batch=press_ctrl_c)]), X, Y)
    (folder / str(RANK)).write_bytes(pickle.dumps(outcome))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
