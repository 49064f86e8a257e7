from ._duplicates import find_duplicates, merge_groups
from ._groups import describe_label_conflicts, extract_groups, find_label_conflicts

__all__ = ["describe_label_conflicts", "extract_groups", "find_duplicates", "find_label_conflicts", "merge_groups"]
