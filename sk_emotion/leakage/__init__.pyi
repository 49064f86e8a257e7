from ._duplicates import find_duplicates
from ._groups import find_label_conflicts

__all__ = ["find_duplicates", "find_label_conflicts"]
