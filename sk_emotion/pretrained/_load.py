"""Loading of pretrained models."""

from typing import Literal

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline

from ..persistence import load_model
from ..preprocessing import FaceLoader
from ..utils._files import FOLDER, check_weights, read_weights


def load_pretrained(name: str = "human-emotions", engine: Literal["torch", "onnx"] = "torch") -> Pipeline:
    """Load a pretrained model that is included in the package.

    Parameters
    ----------
    name : {"human-emotions", "fer2013"}, default="human-emotions"
        The classes of ``"human-emotions"`` are anger, disgust, fear, happiness, pain and sadness; those of
        ``"fer2013"`` are anger, disgust, fear, happiness, neutral, sadness and surprise.
    engine : {"torch", "onnx"}, default="torch"
        What predicts: PyTorch, or ONNX Runtime, which starts faster and needs no PyTorch, but cannot train. Both
        predict the same: probabilities of a face differ by less than 1e-4. This holds for whole-numbered pixels, as
        files have them; :class:`OnnxClassifier` rounds others.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted :class:`FaceLoader` and :class:`EmotionClassifier`, or :class:`OnnxClassifier`. Its input is a list of
        photos or faces as paths, encoded bytes, PIL images or arrays. With ``engine="torch"``, calling `fit` fine-tunes
        the pretrained weights on new labels.

    Raises
    ------
    ValueError
        If there is no pretrained model or engine of this name.

    See Also
    --------
    FaceEmbedding : Compute features with a pretrained network.
    networks.ResNet : With ``pretrained="fer2013"``, initialize a network with these weights.
    predict_faces : Also report the photos in which no face was found.

    Notes
    -----
    The model card of each model describes its training, evaluation, known failures and intended use. A model recognizes
    what a face shows, not what a person feels.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sk_emotion import load_pretrained
    >>> str(load_pretrained().predict([astronaut()])[0])
    'happiness'
    """
    if engine == "torch":
        return _build(name)
    if engine != "onnx":
        raise ValueError(f"load_pretrained: engine={engine!r:.60}, expected 'torch' or 'onnx'.")
    check_weights(name)
    return load_model(FOLDER / f"{name}.onnx")


def _build(name: str) -> Pipeline:
    """Build a pipeline with a network of PyTorch from the weights of a pretrained model."""
    # PyTorch takes seconds to import, and the other engine does not need it.
    from ..classifier import EmotionClassifier
    from ..networks import ResNet
    from ..utils._device import choose_device

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
            "network_": network.resolve(),
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
    # Any input will do: fit decodes nothing and learns no size.
    loader = FaceLoader(**about["loader"]).fit([b""])
    return make_pipeline(loader, clf)
