"""How results are shown: plain summaries in, text, charts and self-contained HTML pages out."""

from ._environment import describe_environment, name_estimator, show_estimator
from ._svg import draw_svg

__all__ = ["describe_environment", "draw_svg", "name_estimator", "show_estimator"]
