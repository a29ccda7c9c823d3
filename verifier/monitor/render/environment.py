"""The template engine of every page: each value is made printable, then escaped."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from verifier.monitor.render.wording import count, moment, number, printable, size, span

if TYPE_CHECKING:
    from jinja2 import Environment

_OURS = "verifier.monitor.render"


@cache
def environment(package: str = _OURS) -> Environment:
    """Return the engine over a package's templates; those of reports are found from everywhere."""
    # Here and not above: a report on a terminal should not wait for a template engine.
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: object) -> object:
        return value if isinstance(value, Markup) else printable(str(value))

    packages = dict.fromkeys((package, _OURS))
    made = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": count,
        "number": number,
        "size": size,
        "span": span,
        "moment": moment,
        "picture": Markup,
        "capitalize_first": lambda text: text[:1].upper() + text[1:],
    }
    return made
