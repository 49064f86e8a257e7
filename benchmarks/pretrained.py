"""Measure the prediction speed of the pretrained models.

    python benchmarks/pretrained.py

``classifier`` is the network without test-time augmentation on 64 faces; ``one face`` is the complete pipeline with
test-time augmentation on one cropped face. ``benchmarks/photos.py`` measures photos and the command.
"""

import copy
import statistics

import numpy as np
import pandas as pd
from _timing import describe_machine, parse_arguments, time_side_by_side

from sk_emotion import load_pretrained

MODELS = ["fer2013", "human-emotions"]
PROMISED = {"classifier (faces/s)": 1000, "one face (ms)": 15}


def measure(name, rounds):
    """Measure one model; return medians."""
    model = load_pretrained(name)
    classifier = copy.copy(model[-1]).set_params(tta=None)
    faces = np.random.default_rng(0).integers(0, 256, (64, 48, 48), dtype=np.uint8)
    contenders = {
        "classifier": lambda: classifier.predict_proba(faces),
        "one": lambda: model.predict_proba(faces[:1]),
    }
    seconds = time_side_by_side(contenders, rounds=rounds)
    medians = {contender: statistics.median(runs) for contender, runs in seconds.items()}
    return {
        "model": name,
        "classifier (faces/s)": len(faces) / medians["classifier"],
        "one face (ms)": 1000 * medians["one"],
    }


def main() -> None:
    arguments = parse_arguments(__doc__)
    rows = pd.DataFrame([measure(name, 2 if arguments.quick else 30) for name in MODELS])
    print(describe_machine())
    print(rows.to_string(index=False, float_format="{:.1f}".format))
    if not arguments.quick:
        assert rows["classifier (faces/s)"].min() >= PROMISED["classifier (faces/s)"]
        assert rows["one face (ms)"].max() <= PROMISED["one face (ms)"]


if __name__ == "__main__":
    main()
