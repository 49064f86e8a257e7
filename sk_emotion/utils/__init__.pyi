from ._estimators import all_estimators
from ._files import list_weights, write_output
from ._progress import show_progress
from ._text import abridge, align, harmless, number, printable, withhold

__all__ = [
    "abridge",
    "align",
    "all_estimators",
    "harmless",
    "list_weights",
    "number",
    "printable",
    "show_progress",
    "withhold",
    "write_output",
]
