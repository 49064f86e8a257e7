from ._comparison import Comparison, compare_classifiers
from ._split import train_val_test_split

__all__ = ["Comparison", "compare_classifiers", "train_val_test_split"]
