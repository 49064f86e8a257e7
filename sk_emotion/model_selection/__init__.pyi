from ._comparison import Comparison, compare_classifiers
from ._consolidated import ConsolidatedClassifier
from ._split import draw_folds, train_val_test_split

__all__ = ["Comparison", "ConsolidatedClassifier", "compare_classifiers", "draw_folds", "train_val_test_split"]
