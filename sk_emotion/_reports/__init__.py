"""How results are shown: plain summaries in, text, charts and self-contained HTML pages out."""

from ._charts import draw_svg
from ._pages import describe_environment, name_estimator, show_estimator

__all__ = ["describe_environment", "draw_svg", "name_estimator", "show_estimator"]
