"""Train and predict many times in one process, and fail if its memory grows.

    python tests/soak/memory.py

Each round fits a new classifier, as a search does, and predicts faces one by one, as a server does: from an array, and
from an encoded image through a FaceLoader. The resident memory of the process is measured after each round, ignoring
the first tenth of the rounds, in which the memory pools of PyTorch grow.
"""

import argparse
import gc
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.pipeline import make_pipeline

from sk_emotion import EmotionClassifier, FaceLoader, make_faces, networks

MOST = 50
"""Allowed growth of memory in MB."""


def measure_memory() -> float:
    """Return the resident memory of this process in MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def encode(face: np.ndarray) -> bytes:
    """Encode a face as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(face).save(buffer, "PNG")
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--predictions", type=int, default=20_000)
    arguments = parser.parse_args()
    X, y, _ = make_faces(64, emotions=["fear", "happiness", "pain"], image_size=32, random_state=0)
    pictures = [encode(face) for face in X]
    per_fit = arguments.predictions // arguments.fits
    memory = []
    for number in range(arguments.fits):
        settings = {"max_epochs": 1, "random_state": number, "ema": 0.9 if number % 2 else None}
        clf = EmotionClassifier(networks.ResNet(width=8), **settings).fit(X, y)
        pipeline = make_pipeline(FaceLoader(image_size=32).fit(pictures), clf)
        for turn in range(per_fit):
            row = turn % len(X)
            (pipeline.predict_proba([pictures[row]]) if turn % 2 else clf.predict_proba(X[row : row + 1]))
        memory.append(measure_memory())
        if number % 20 == 19:
            print(f"{number + 1} fits, {(number + 1) * per_fit} predictions: {memory[-1]:.0f} MB", flush=True)
    steady = memory[len(memory) // 10 :]
    growth = max(steady) - steady[0]
    print(f"Memory grew by {growth:.1f} MB after the first {len(memory) // 10} fits; at most {MOST} are allowed.")
    raise SystemExit(growth > MOST)


if __name__ == "__main__":
    main()
