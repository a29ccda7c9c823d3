"""Pages as text: the template engine with what the dashboard's own templates need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from verifier.core.finding import Verdict
from verifier.monitor.dashboard import links
from verifier.monitor.dashboard.assets import GLYPHS, PACKAGE, icon, style
from verifier.monitor.dashboard.site import Site
from verifier.monitor.render.environment import environment
from verifier.monitor.render.wording import moment

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context


def shown(
    site: Site,
    template: str,
    values: Mapping[str, object],
    *,
    title: str,
    here: str = "",
    verdict: Verdict | None = None,
) -> str:
    """Return a page as one HTML document.

    Args:
        here: the page of the bar above that it belongs to.
        verdict: the state that its icon tells.
    """
    context = {
        "title": title,
        "here": here,
        "pages": links.NAVIGATION,
        "style": style(),
        "icon": icon(verdict),
        "zone": str(site.terms.schedule.zone),
        "now": site.clock.now(),
        "leave": site.doors.token is not None,
        "refresh": 0,
        **values,
    }
    return _templates(site.terms.schedule.zone.key).get_template(template).render(context)


def prepare(site: Site) -> None:
    """Read and compile all templates: the first who asks for a page should not wait for it."""
    templates = _templates(site.terms.schedule.zone.key)
    for name in templates.list_templates(extensions=["j2"]):
        templates.get_template(name)


@cache
def _templates(zone: str) -> Environment:
    from zoneinfo import ZoneInfo

    from jinja2 import pass_context

    there = ZoneInfo(zone)

    def instant(at: datetime) -> str:
        return moment(at.astimezone(there).isoformat())

    def day(at: datetime) -> str:
        return f"{at.astimezone(there):%Y-%m-%d}"

    def clock(at: datetime) -> str:
        return f"{at.astimezone(there):%H:%M:%S}"

    @pass_context
    def age(context: Context, at: datetime) -> float:
        # A clock that is ahead of ours makes no age of less than nothing.
        now: datetime = context["now"]
        return max((now - at).total_seconds(), 0.0)

    made = environment(PACKAGE).overlay()
    made.filters = made.filters | {"instant": instant, "day": day, "clock": clock, "age": age}
    made.globals = dict(made.globals) | {"links": links, "glyphs": GLYPHS, "Verdict": Verdict}
    return made
