"""Self-contained HTML pages of tables and SVG charts, without scripts or external files."""

from ._charts import Lines, Scale, draw_bins, draw_lines
from ._environment import describe_environment, describe_parameters, render_environment, render_parameters
from ._shell import (
    Html,
    Section,
    escape,
    escape_lines,
    figure,
    notes,
    panels,
    render_caveats,
    render_fragment,
    render_page,
    table,
)

__all__ = [
    "Html",
    "Lines",
    "Scale",
    "Section",
    "describe_environment",
    "describe_parameters",
    "draw_bins",
    "draw_lines",
    "escape",
    "escape_lines",
    "figure",
    "notes",
    "panels",
    "render_caveats",
    "render_environment",
    "render_fragment",
    "render_page",
    "render_parameters",
    "table",
]
