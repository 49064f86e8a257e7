"""Estimate three constants for the time of an epoch on this machine, and test them on other data sets.

    python benchmarks/scaling.py

An epoch takes ``steps * a + images * (b + pixels * c)`` seconds. The constants are estimated from small data sets with
two image sizes and two batch sizes; then the times for larger data sets are predicted and measured.
"""

import itertools

import numpy as np
import pandas as pd
from _timing import describe_machine, parse_arguments
from scipy.optimize import nnls

from sk_emotion import EmotionClassifier, make_faces, networks

EMOTIONS = ["anger", "happiness", "pain"]
LEARNED = {"n_samples": [640], "image_size": [32, 64], "batch_size": [16, 64]}
PREDICTED = [(1000, 48, 32), (2000, 40, 32), (3000, 56, 64)]
MOST_OFF = 0.25


def time_epoch(network, n_samples, image_size, batch_size, n_epochs=3):
    """Return the median time per epoch in seconds."""
    faces, labels, _ = make_faces(min(n_samples, 200), emotions=EMOTIONS, image_size=image_size, random_state=0)
    rows = np.arange(n_samples) % len(labels)
    clf = EmotionClassifier(network, max_epochs=n_epochs, batch_size=batch_size, random_state=0)
    clf.fit(faces[rows], labels[rows])
    return float(np.median([epoch["dur"] for epoch in clf.history_]))


def describe(n_samples, image_size, batch_size):
    """Return the factors of the three constants."""
    return [-(-n_samples // batch_size), n_samples, n_samples * image_size**2]


def main() -> None:
    arguments = parse_arguments(__doc__)
    network = networks.VGG(width=8) if arguments.quick else networks.ResNet()
    shrink = 10 if arguments.quick else 1
    cases = list(itertools.product(*LEARNED.values()))
    # Measure each case twice, alternately, because the speed of the machine may vary.
    seconds = [[time_epoch(network, *case) for case in cases] for _ in range(1 if arguments.quick else 2)]
    per_step, per_image, per_pixel = constants = nnls(
        np.array([describe(*case) for case in cases]), np.min(seconds, axis=0)
    )[0]
    rows = []
    for n_samples, image_size, batch_size in PREDICTED:
        case = (n_samples // shrink, image_size, batch_size)
        predicted, measured = float(np.dot(describe(*case), constants)), time_epoch(network, *case)
        rows.append([*case, predicted, measured, measured / predicted])
    table = pd.DataFrame(rows, columns=["images", "size", "batch", "predicted (s)", "measured (s)", "ratio"])
    print(describe_machine())
    print(f"{network}: {1e3 * per_step:.2f} ms/step, {1e6 * per_image:.0f} us/image, {1e9 * per_pixel:.0f} ns/pixel\n")
    print(table.to_string(index=False, float_format="{:.2f}".format))
    if not arguments.quick:
        assert (table["ratio"] - 1).abs().max() <= MOST_OFF


if __name__ == "__main__":
    main()
