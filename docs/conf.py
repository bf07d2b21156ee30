"""Settings of the documentation's build: sphinx-build -W docs docs/_build/html."""

from importlib.metadata import version as installed_version

project = "fluxstore"
author = "the fluxstore authors"
copyright = "the fluxstore authors"
version = release = installed_version("fluxstore-core")

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "decisions/template.md"]
nitpicky = True

html_theme = "furo"
html_title = f"fluxstore {release}"
html_show_sphinx = False
