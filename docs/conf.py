"""The documentation as a site: `./dev docs` builds it into build/docs.

The pages are plain Markdown, and read as well without this. Their order stands here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

from cephos import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sphinx.application import Sphinx

NAVIGATION: Mapping[str, Mapping[str, Sequence[str]]] = {
    "README": {
        "Use": [
            "docs/operator",
            "docs/shipping",
            "docs/releases",
            "docs/troubleshooting",
            "docs/promises",
            "docs/pains",
            "docs/reviewer",
            "docs/changes",
            "out/RUNBOOK",
        ],
        "Look up": ["docs/reference", "docs/diagnostics", "docs/codes/README", "docs/errors"],
        "Understand": [
            "docs/design",
            "docs/performance",
            "docs/contributor",
            "CONTRIBUTING",
            "CHANGELOG",
        ],
    },
    "docs/codes/README": {"Codes": ["*"]},
}

project = "cephos-compile"
version = release = __version__
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "out/RUNBOOK.md"]
exclude_patterns = [".*", "build", "out/hosts", "tests", "templates"]  # not even looked into
myst_enable_extensions = ["tasklist"]
myst_heading_anchors = 3
nitpicky = True
html_theme = "furo"
html_title = "cephos-compile"
html_copy_source = False
html_show_sourcelink = False


def setup(app: Sphinx) -> None:
    """Add what neither Markdown nor Sphinx has."""
    app.connect("source-read", _add_navigation)
    app.add_lexer("mermaid", TextLexer)


def _add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Append the tables of contents to a page; Markdown has no words for one."""
    for caption, pages in NAVIGATION.get(page, {}).items():
        listed = "\n".join(pages)
        options = f":hidden:\n:glob:\n:caption: {caption}"
        source[0] += f"\n```{{toctree}}\n{options}\n\n{listed}\n```\n"
