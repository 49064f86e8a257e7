"""From a file of weights to a pipeline that predicts."""

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline

from ..classifier import EmotionClassifier
from ..networks import ResNet
from ..preprocessing import FaceLoader
from ..utils._device import choose_device
from ..utils._weights import read_weights


def load_pretrained(name: str = "human-emotions") -> Pipeline:
    """Load a model that comes with the package.

    Parameters
    ----------
    name : {"human-emotions", "fer2013"}, default="human-emotions"
        ``"human-emotions"`` tells anger, disgust, fear, happiness, pain and sadness apart; ``"fer2013"`` the classes of
        FER2013: anger, disgust, fear, happiness, neutral, sadness and surprise.

    Returns
    -------
    sklearn.pipeline.Pipeline
        A fitted :class:`FaceLoader` and a fitted :class:`EmotionClassifier`. It takes a list of pictures: paths,
        encoded bytes, PIL images or arrays, of whole photos or of faces. To `fit` it trains on, from the same
        features, for the labels that it is given.

    Raises
    ------
    ValueError
        If no model of this name comes with the package.

    See Also
    --------
    networks.ResNet : ``pretrained="fer2013"`` starts a network of your own from these weights.
    predict_faces : Tells in which pictures no face was seen.

    Notes
    -----
    How each was trained and judged, where it fails, and what it is not fit for, is in its model card. A model knows
    what a face shows, not what a person feels.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sk_emotion import load_pretrained
    >>> str(load_pretrained().predict([astronaut()])[0])
    'happiness'
    """
    weights, about = read_weights(name)
    network = ResNet(**about["network"], pretrained=name)
    clf = EmotionClassifier(network, **about["classifier"])
    shape = tuple(about["image_shape"])
    clf.__setstate__(
        {
            **clf.__getstate__(),
            "classes_": np.array(about["classes"]),
            "image_shape_": shape,
            "n_features_in_": int(np.prod(shape)),
            "pixel_range_": (0.0, 255.0),
            "device_": choose_device("auto"),
            "network_": clone(network),
            "history_": about["history"],
            "n_iter_": len(about["history"]),
            "net_state": {
                "weights": {key: value.numpy() for key, value in weights.items()},
                "training_weights": None,
                "optimizer": None,
                "optimizer_state": {},
                "precision": "fp32",
                "mean": np.array(about["mean"], dtype=np.float32),
                "std": np.array(about["std"], dtype=np.float32),
            },
        }
    )
    # Any picture: nothing is decoded, and no size learned.
    loader = FaceLoader(**about["loader"]).fit([b""])
    return make_pipeline(loader, clf)
