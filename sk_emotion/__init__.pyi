from . import (
    datasets,
    exceptions,
    feature_extraction,
    model_selection,
    networks,
    over_sampling,
    preprocessing,
    utils,
)
from .augmentation import FaceAugmentation
from .baselines import make_hog_svm
from .classifier import EmotionClassifier
from .datasets import find_duplicates, load_face_folder, load_face_table, load_fer2013, make_faces
from .emotions import EMOTIONS, consolidate_emotions, normalize_emotion
from .feature_extraction import HOGTransformer
from .model_selection import compare_classifiers, train_val_test_split
from .networks import VGG, ResNet, TimmNetwork, TorchNetwork, TorchvisionNetwork
from .over_sampling import AugmentationOverSampler
from .preprocessing import FaceLoader

__version__: str

__all__ = [
    "EMOTIONS",
    "VGG",
    "AugmentationOverSampler",
    "EmotionClassifier",
    "FaceAugmentation",
    "FaceLoader",
    "HOGTransformer",
    "ResNet",
    "TimmNetwork",
    "TorchNetwork",
    "TorchvisionNetwork",
    "__version__",
    "compare_classifiers",
    "consolidate_emotions",
    "datasets",
    "exceptions",
    "feature_extraction",
    "find_duplicates",
    "load_face_folder",
    "load_face_table",
    "load_fer2013",
    "make_faces",
    "make_hog_svm",
    "model_selection",
    "networks",
    "normalize_emotion",
    "over_sampling",
    "preprocessing",
    "train_val_test_split",
    "utils",
]
