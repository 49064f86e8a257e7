from . import (
    datasets,
    exceptions,
    feature_extraction,
    inspection,
    leakage,
    metrics,
    model_selection,
    networks,
    over_sampling,
    persistence,
    prediction,
    preprocessing,
    pretrained,
    svm,
    utils,
)
from .augmentation import FaceAugmentation
from .baselines import make_hog_svm
from .classifier import EmotionClassifier
from .datasets import (
    iter_face_blocks,
    load_face_folder,
    load_face_table,
    load_faces,
    load_fer2013,
    make_faces,
    open_faces,
)
from .emotions import EMOTIONS, consolidate_emotions, normalize_emotion
from .feature_extraction import HOGTransformer
from .inspection import AugmentationDisplay, FaceGridDisplay, GradCAMDisplay, OcclusionDisplay
from .leakage import find_duplicates
from .metrics import (
    EmotionReport,
    MulticlassCalibrationDisplay,
    MulticlassPrecisionRecallDisplay,
    MulticlassRocCurveDisplay,
    OperatingPoint,
    TrainingCurves,
    find_operating_point,
    make_sensitivity_scorer,
)
from .model_selection import ConsolidatedClassifier, compare_classifiers, draw_folds, train_val_test_split
from .networks import VGG, ResNet, TimmNetwork, TorchNetwork, TorchvisionNetwork
from .over_sampling import AugmentationOverSampler
from .persistence import OnnxClassifier, export_onnx, load_model, save_model
from .prediction import annotate_faces, crop_faces, predict_faces
from .preprocessing import FaceLoader, detect_faces
from .pretrained import FaceEmbedding, load_pretrained
from .svm import LeastSquaresSVC

__version__: str

__all__ = [
    "EMOTIONS",
    "VGG",
    "AugmentationDisplay",
    "AugmentationOverSampler",
    "ConsolidatedClassifier",
    "EmotionClassifier",
    "EmotionReport",
    "FaceAugmentation",
    "FaceEmbedding",
    "FaceGridDisplay",
    "FaceLoader",
    "GradCAMDisplay",
    "HOGTransformer",
    "LeastSquaresSVC",
    "MulticlassCalibrationDisplay",
    "MulticlassPrecisionRecallDisplay",
    "MulticlassRocCurveDisplay",
    "OcclusionDisplay",
    "OnnxClassifier",
    "OperatingPoint",
    "ResNet",
    "TimmNetwork",
    "TorchNetwork",
    "TorchvisionNetwork",
    "TrainingCurves",
    "__version__",
    "annotate_faces",
    "compare_classifiers",
    "consolidate_emotions",
    "crop_faces",
    "datasets",
    "detect_faces",
    "draw_folds",
    "exceptions",
    "export_onnx",
    "feature_extraction",
    "find_duplicates",
    "find_operating_point",
    "inspection",
    "iter_face_blocks",
    "leakage",
    "load_face_folder",
    "load_face_table",
    "load_faces",
    "load_fer2013",
    "load_model",
    "load_pretrained",
    "make_faces",
    "make_hog_svm",
    "make_sensitivity_scorer",
    "metrics",
    "model_selection",
    "networks",
    "normalize_emotion",
    "open_faces",
    "over_sampling",
    "persistence",
    "predict_faces",
    "prediction",
    "preprocessing",
    "pretrained",
    "save_model",
    "svm",
    "train_val_test_split",
    "utils",
]
