"""One self-contained HTML file: template, styles, scripts, Plotly and numbers in one text that asks nobody for anything.

Knows templates and plain values; neither manifests nor figures. Whatever comes from a file's name or metadata reaches the page
through Jinja2's escaping or as JSON that cannot end its element.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_UNSAFE_IN_JSON = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_DECIMALS = 5
_BASE_STYLES = ("base.css",)
_BASE_SCRIPTS = ("figures.js",)


def page(template: str, title: str, data: object, *, scripts: Sequence[str] = (), styles: Sequence[str] = (), **values: object) -> str:
    """The page made from a template of this room that extends ``base.html.j2``.

    `data` is what the scripts find in ``syncqc.data``; `scripts` and `styles` are files of the template folder, read after the base's
    own; `values` are for the template. A policy in the page forbids every request, and every script but these.

    Raises:
        ValueError: a number in `data` is not finite.
    """
    texts = [_plotly(), *(_resource(name) for name in (*_BASE_SCRIPTS, *scripts))]
    style = "\n".join(_resource(name) for name in (*_BASE_STYLES, *styles))
    environment = _environment()
    return environment.get_template(template).render(
        title=title,
        data=_marked(json_in_html(data)),
        style=_marked(style),
        scripts=[_marked(text) for text in texts],
        policy=_policy(texts),
        **values,
    )


def json_in_html(value: object) -> str:
    """The value as JSON that may stand inside any element: no character of it can end one.

    Raises:
        ValueError: a number is not finite; what was not measured is None.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character, escaped in _UNSAFE_IN_JSON.items():
        text = text.replace(character, escaped)
    # Half a character, from a file name that is no UTF-8, cannot be written.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def finite(value: float | None, n_decimals: int = 4) -> float | None:
    """The number rounded for a page; None for what is not finite."""
    return None if value is None or not math.isfinite(value) else round(value, n_decimals)


def as_data(value: object) -> Any:
    """The same as lists and tables of numbers, texts and None: floats rounded to 5 decimals, whole ones as integers, None for others."""
    if is_dataclass(value):
        return {field.name: as_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): as_data(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        if {type(one) for one in value} <= {int, str}:
            return list(value)
        return [as_data(one) for one in value]
    if isinstance(value, float):
        rounded = finite(value, _DECIMALS)
        return int(rounded) if rounded is not None and rounded.is_integer() else rounded
    return value


def data_url(content: bytes, media_type: str) -> str:
    """The bytes as an address that needs no request."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts)
    # Plotly sets style attributes.
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:"


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("syncqc.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _marked(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


def _resource(name: str) -> str:
    return (files("syncqc.report") / "templates" / name).read_text(encoding="utf-8").strip()


def _plotly() -> str:
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8").strip()
