"""Turns a report into the text of one HTML file."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from mayfly_cli.html_report import geometry
from mayfly_cli.html_report.model import Report
from mayfly_cli.html_report.operators import HOUR

_TEMPLATES = resources.files("mayfly_cli.html_report") / "templates"
DENSE = 60
"""Rows of a chart above which its rows are low."""


def page(report: Report) -> str:
    """The report's HTML, whole and by itself. Every text of the report is escaped."""
    style, script = _text("report.css"), _text("report.js")
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            style=Markup(style),  # noqa: S704 - a file of this package
            script=Markup(script),  # noqa: S704
            policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}';"
            f" script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'",
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = seconds
    environment.globals.update(scale_of=geometry.scale, one_hour=HOUR, dense=DENSE)
    return environment


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The source expression of Content-Security-Policy that allows exactly this inline text.

    https://www.w3.org/TR/CSP3/#grammardef-hash-source
    """
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def seconds(value: float) -> str:
    """Seconds for people: two decimals below a minute, one below ten, else none."""
    size = abs(value)
    return f"{value:.2f}" if size < 60 else f"{value:.1f}" if size < 600 else f"{value:.0f}"
