"""The template engine of the report and what keeps text from elsewhere from becoming markup.

Templates escape everything; the page's policy lets only its own script run, by its hash, and
forbids the browser to load or send anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["content_policy", "environment", "json_text", "static_text"]


def json_text(data: Any) -> str:
    """JSON that may stand inside a script element: no letter in it can end the element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for letter, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(letter, code)
    return text


def content_policy(script: str) -> str:
    """A content security policy: this script may run, and nothing may be loaded or sent."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def static_text(name: str) -> str:
    """The text of a style sheet or script of the report."""
    return (files(__package__) / "static" / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """The template engine: everything is escaped, an unknown name is an error."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    def source(name: str) -> str:
        return (files(__package__) / "templates" / name).read_text(encoding="utf-8")

    engine = Environment(
        loader=FunctionLoader(source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters["svg"] = lambda text: Markup(text)  # rebuilt by `svg`
    engine.filters["code"] = _code
    engine.filters["any_bad"] = lambda lines: any(c.bad for row in lines for c in row.cells)
    return engine


def _code(text: str) -> Any:
    """Text, escaped, in which names in backquotes become code."""
    from markupsafe import Markup, escape

    parts = [
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts) if len(parts) % 2 else text
