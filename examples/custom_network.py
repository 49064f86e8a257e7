"""Custom network
==============

A network written in PyTorch is trained, compared, saved and loaded like those of the library.
``python examples/custom_network.py [FOLDER]``: FOLDER contains one folder of photos per emotion; without it, synthetic
faces are used.
"""

import sys
import tempfile
from pathlib import Path

from torch import nn

import sk_emotion as ske


class SeparableNetwork(nn.Module):
    """Depthwise separable convolutions. The library passes the first three arguments in `fit`."""

    def __init__(self, in_channels, image_size, n_classes, width=24, n_blocks=3):
        super().__init__()
        layers = [nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU()]
        for _ in range(n_blocks):
            layers += [
                nn.Conv2d(width, width, 3, stride=2, padding=1, groups=width, bias=False),
                nn.Conv2d(width, 2 * width, 1, bias=False),
                nn.BatchNorm2d(2 * width),
                nn.ReLU(),
            ]
            width *= 2
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, n_classes)

    def forward(self, images):
        return self.head(self.body(images))


if len(sys.argv) > 1:
    photos = ske.load_face_folder(sys.argv[1])
    X, y, groups = ske.FaceLoader(image_size=48).fit_transform(photos.data), photos.target, photos.groups
else:
    X, y, groups = ske.make_faces(450, emotions=["anger", "happiness", "pain"], image_size=32, random_state=0)

own = ske.networks.TorchNetwork(SeparableNetwork, module_params={"width": 24})
gentle = ske.FaceAugmentation(rotation=5, scale=0.05, erasing=0)
options = {"learning_rate": 0.01, "augmentation": gentle, "max_epochs": 25, "random_state": 0}
classifiers = {
    "separable": ske.EmotionClassifier(own, **options),
    "VGG": ske.EmotionClassifier(ske.networks.VGG(width=8), **options),
}
print(ske.compare_classifiers(classifiers, X, y, groups=groups, cv=3, verbose=1, random_state=0))

# %%
# A model file never runs code: classes from outside the library must be named when it is loaded.
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "separable.skops"
    ske.save_model(classifiers["separable"].fit(X, y), path)
    model = ske.load_model(path, trusted=[SeparableNetwork])
    print(f"\nLoaded: {model.predict(X[:3])}, {path.stat().st_size / 1e6:.1f} MB")
