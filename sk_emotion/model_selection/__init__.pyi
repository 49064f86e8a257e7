from ._comparison import Comparison, compare_classifiers
from ._consolidated import ConsolidatedClassifier
from ._learning_curve import LearningCurveDisplay
from ._split import train_val_test_split

__all__ = [
    "Comparison",
    "ConsolidatedClassifier",
    "LearningCurveDisplay",
    "compare_classifiers",
    "train_val_test_split",
]
