"""Compare HOGTransformer with a loop over scikit-image on one core.

    python benchmarks/hog.py

The script asserts that both compute the same features before they are timed.
"""

import numpy as np
import pandas as pd
import torch
from _timing import describe_machine, parse_arguments, tabulate, time_side_by_side
from skimage.feature import hog

from sk_emotion import HOGTransformer, make_faces

# Minimum ratio to scikit-image.
PROMISED = 8
PROMISED_FOR = ["as in make_hog_svm", "default"]


def describe_one_by_one(images, transformer):
    return [
        hog(
            image,
            orientations=transformer.orientations,
            pixels_per_cell=transformer.pixels_per_cell,
            cells_per_block=transformer.cells_per_block,
            transform_sqrt=transformer.transform_sqrt,
            channel_axis=-1 if image.ndim == 3 else None,
        )
        for image in images
    ]


def main() -> None:
    arguments = parse_arguments(__doc__, images={"type": int, "default": 1000}, rounds={"type": int, "default": 9})
    n_samples, rounds = (100, 2) if arguments.quick else (arguments.images, arguments.rounds)
    torch.set_num_threads(1)
    gray = make_faces(n_samples, random_state=0)[0]
    color = make_faces(n_samples, color=True, random_state=0)[0]
    large = make_faces(n_samples // 4, image_size=96, random_state=0)[0]
    as_in_svm = {"orientations": 8, "cells_per_block": (2, 2)}
    settings = {
        "as in make_hog_svm": (gray, as_in_svm),
        "default": (gray, {}),
        "default, transform_sqrt": (gray, {"transform_sqrt": True}),
        "default, float32": (np.float32(gray / 255), {}),
        "default, float64": (gray / 255, {}),
        "default, color": (color, {}),
        "default, 96x96": (large, {}),
    }
    print(describe_machine())
    rows, ratios = [], {}
    for name, (images, parameters) in settings.items():
        transformer = HOGTransformer(**parameters).fit(images)
        expected = describe_one_by_one(images[:50], transformer)
        np.testing.assert_allclose(transformer.transform(images[:50]), expected, rtol=0, atol=1e-6)
        contenders = {
            "scikit-image": lambda images=images, transformer=transformer: describe_one_by_one(images, transformer),
            "HOGTransformer": lambda images=images, transformer=transformer: transformer.transform(images),
        }
        table = tabulate(time_side_by_side(contenders, rounds=rounds), len(images), against="scikit-image").set_index(
            "contender"
        )
        ratios[name] = table.at["HOGTransformer", "x scikit-image"]
        rows.append(
            {"setting": name, **{f"{contender}, images/s": rate for contender, rate in table["images/s"].items()}}
        )
        rows[-1]["ratio"] = ratios[name]
    print(pd.DataFrame(rows).to_string(index=False))
    if not arguments.quick:
        for name in PROMISED_FOR:
            assert ratios[name] >= PROMISED, f"{name}: {ratios[name]} times scikit-image < {PROMISED}"


if __name__ == "__main__":
    main()
