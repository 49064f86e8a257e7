"""Compare training on a CUDA GPU with plain skorch and a bare loop; with FER2013, also measure time and accuracy.

    python benchmarks/gpu.py --fer2013 fer2013.npz

The script takes at most 8 minutes. Without FER2013, an epoch of as many synthetic faces is timed, and no accuracy is
measured.
"""

import time

import numpy as np
import pandas as pd
import torch
from _timing import describe_machine, parse_arguments, tabulate, time_side_by_side
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score
from training import BATCH_SIZE, EMOTIONS, NETWORKS, compare_speed, make_ready, train_bare

from sk_emotion import EmotionClassifier, load_fer2013, make_faces, networks

N_TRAINING = 28709
LONGEST_EPOCH = 1.3  # of the bare loop's
LEAST_ACCURACY, MOST_SECONDS = 0.70, 60


def compare_epochs(faces, labels, rounds):
    """Time one epoch of ResNet() with default parameters and of the bare loop."""
    codes = np.unique(labels, return_inverse=True)[1]
    ready, ready_codes = make_ready(faces, "cuda"), torch.from_numpy(codes).cuda()
    ours = EmotionClassifier(networks.ResNet(), max_epochs=1, batch_size=BATCH_SIZE, device="cuda", random_state=0)
    precision = clone(ours).fit(faces[:BATCH_SIZE], labels[:BATCH_SIZE]).net_.precision
    seconds = time_side_by_side(
        {
            "EmotionClassifier, an epoch": lambda: clone(ours).fit(faces, labels),
            "bare loop, an epoch": lambda: train_bare(networks.ResNet(), ready, ready_codes, 1, precision),
        },
        rounds=rounds,
    )
    return tabulate(seconds, len(codes), against="bare loop, an epoch")


def train_well(path, width, epochs, batch_size):
    """Train on Training and evaluate on PublicTest."""
    training, public_test = load_fer2013(path, subset="train"), load_fer2013(path, subset="validation")
    model = EmotionClassifier(
        networks.ResNet(width),
        max_epochs=epochs,
        batch_size=batch_size,
        device="cuda",
        ema=0.999,
        tta="mirror",
        random_state=0,
    )
    start = time.perf_counter()
    model.fit(training.data, training.target)
    seconds = time.perf_counter() - start
    predicted = model.predict(public_test.data)
    scores = {
        "width": width,
        "epochs": epochs,
        "training (s)": seconds,
        "accuracy": accuracy_score(public_test.target, predicted),
        "macro F1": f1_score(public_test.target, predicted, average="macro"),
    }
    return pd.DataFrame([scores])


def main() -> None:
    arguments = parse_arguments(
        __doc__,
        fer2013={"help": "fer2013.csv, .npz, or a folder with train and test"},
        width={
            "type": int,
            "default": networks.ResNet().resolve().width,
            "help": "width of the ResNet that is evaluated",
        },
        epochs={"type": int, "default": 30, "help": "number of epochs of that training"},
        batch_size={"type": int, "default": 128, "help": "batch size of that training"},
    )
    if not torch.cuda.is_available():
        raise SystemExit("benchmarks/gpu.py: no CUDA device is available. On a CPU, run benchmarks/training.py.")
    rounds = 1 if arguments.quick else 3
    faces, labels, _ = make_faces(300 if arguments.quick else 3000, emotions=EMOTIONS, random_state=0)
    speed = pd.concat(
        [compare_speed(network, faces, labels, epochs=2, rounds=rounds, device="cuda") for network in NETWORKS]
    )
    order = np.arange(len(labels) if arguments.quick else N_TRAINING) % len(labels)
    epochs = compare_epochs(faces[order], labels[order], rounds)
    tables = [speed, epochs]
    if arguments.fer2013 and not arguments.quick:
        tables.append(train_well(arguments.fer2013, arguments.width, arguments.epochs, arguments.batch_size))
    print(describe_machine())
    for table in tables:
        print(f"\n{table.to_string(index=False, na_rep='', float_format='{:.3f}'.format)}")
    if arguments.quick:
        return
    ratio = epochs["x bare loop, an epoch"].iloc[0]
    assert ratio >= 1 / LONGEST_EPOCH, (
        f"an epoch takes {1 / ratio:.2f} times as long as the bare loop, expected at most {LONGEST_EPOCH}"
    )
    if arguments.fer2013:
        scores = tables[-1].iloc[0]
        assert scores["accuracy"] >= LEAST_ACCURACY and scores["training (s)"] <= MOST_SECONDS, scores.to_dict()


if __name__ == "__main__":
    main()
