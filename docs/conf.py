"""How the pages of this folder become a site: Sphinx reads them as they are (`ci/docs`)."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "restic-verify"
author = "restic-verify developers"
release = re.findall(
    r'__version__ = "(.+)"', (ROOT / "verifier" / "__init__.py").read_text(encoding="utf-8")
)[0]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["README.md"]
root_doc = "index"
nitpicky = True
# A heading is a target by the name that code hosts give it too: `alerts.md#silences`.
myst_heading_anchors = 3
# TOML blocks hold configuration of ours, shortened by dots here and there.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"restic-verify {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
# What the theme would fetch from elsewhere, or offer to fetch, is left out.
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {"color-brand-primary": "#1a7f37", "color-brand-content": "#2f6fd0"},
    "dark_css_variables": {"color-brand-primary": "#4ccb82", "color-brand-content": "#6ea8fe"},
}
