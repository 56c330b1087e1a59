"""What every page is made with: escaped templates, the filters they write numbers with, one style."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from bias_platform.errors import counted
from bias_platform.reports import formats

_TEMPLATES = Path(__file__).parent / "templates"


def page_environment() -> jinja2.Environment:
    """Finds the templates, escapes all that is put into them, and refuses what they do not know."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=formats.count, counted=counted, percent=formats.percent, points=formats.points, words=formats.words
    )
    return environment


def page_style() -> Markup:
    """The style sheet, to stand inside a page."""
    return Markup((_TEMPLATES / "style.css").read_text("utf-8"))
