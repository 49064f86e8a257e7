from ._estimators import all_estimators
from ._files import is_copy, list_weights, write_copy, write_output
from ._progress import show_progress
from ._text import abridge, align, harmless, number, printable, withhold

__all__ = [
    "abridge",
    "align",
    "all_estimators",
    "harmless",
    "is_copy",
    "list_weights",
    "number",
    "printable",
    "show_progress",
    "withhold",
    "write_copy",
    "write_output",
]
