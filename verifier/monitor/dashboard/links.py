"""Where each page is: the one place that writes paths, with every name in them quoted."""

from __future__ import annotations

from urllib.parse import quote, unquote

NOW = "/"
DURATIONS = "/durations"
CYCLES = "/cycles"
COVERAGE = "/coverage"
RETENTION = "/retention"
REPORTS = "/reports"

NAVIGATION = (
    (NOW, "Now"),
    (DURATIONS, "Durations"),
    (CYCLES, "Logs"),
    (COVERAGE, "Coverage"),
    (RETENTION, "Retention"),
    (REPORTS, "Reports"),
)
"""Pages in the order of the bar above every one of them."""


def link(path: str, **query: str | int | None) -> str:
    """Return a path with a query; what is None or empty is left out."""
    told = "&".join(f"{name}={_quoted(str(v))}" for name, v in query.items() if v not in {None, ""})
    return f"{path}?{told}" if told else path


def host(name: str, days: str = "") -> str:
    """Return the page of one host's backups."""
    return link(DURATIONS, host=name, days=days)


def quoted(text: str) -> str:
    """Return a name as a form may send it: no browser changes a letter of it on the way."""
    return _quoted(text)


def unquoted(text: str) -> str:
    """Return what `quoted` was given."""
    return unquote(text, errors="surrogateescape")


def cycle(place: str | int) -> str:
    """Return the page of one cycle's log."""
    return f"{CYCLES}/{_quoted(str(place))}"


def report(number: int) -> str:
    """Return the page of one report."""
    return f"{REPORTS}/{number}"


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")
