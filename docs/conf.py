"""Sphinx configuration. Run `make docs`; neither building nor reading the pages downloads anything."""

import sys
from pathlib import Path

import sk_emotion

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "sk_emotion"
author = "The sk_emotion developers"
project_copyright = f"2026, {author}"
version = release = sk_emotion.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "public_names",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "gallery/**/*.md5", "gallery/**/*.py", "gallery/**/*.ipynb"]
default_role = "literal"
toc_object_entries_show_parents = "hide"
# A broken reference fails the build. _ext/public_names.py resolves references to other projects.
nitpicky = True

# -- Prose
myst_enable_extensions = ["colon_fence", "tasklist"]
myst_heading_anchors = 3

# -- API reference
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_use_plots = False

# -- Examples
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "subsection_order": ["../examples/course", "../examples/pitfalls"],
    "within_subsection_order": "FileNameSortKey",
    "filename_pattern": r"\.py",
    "backreferences_dir": "api/examples",
    "doc_module": ("sk_emotion",),
    "inspect_global_variables": False,
    "abort_on_example_error": False,
    "capture_repr": ("_repr_html_", "__repr__"),
    # Use the number of jobs of `sphinx-build -j`.
    "parallel": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 3600,
    "remove_config_comments": True,
    # For examples without a figure.
    "default_thumb_file": str(Path(__file__).parent / "comparison.png"),
    "thumbnail_size": (400, 280),
}

# -- Look
html_theme = "pydata_sphinx_theme"
html_title = "sk_emotion"
html_static_path = ["_static"]
html_css_files = ["sk_emotion.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "logo": {"text": "sk_emotion"},
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "install": [], "tour": [], "responsible_use": [], "changelog": []}
