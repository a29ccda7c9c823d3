"""`--miss`, `--down` and `--change-paths`, beside what the configuration says of the same."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from datetime import date, timedelta

from verifier.config.models import Simulate
from verifier.core.errors import UsageError
from verifier.simulate.timeline import Days, Deviations, PathChange


def parse_day(option: str, text: str) -> date:
    """Parse `2024-03-03`.

    Raises:
        UsageError: no such day.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(option, f"{text!r} is no day", "write it as 2024-03-03") from error


def parse_days(option: str, text: str) -> Days:
    """Parse one day or `FIRST..LAST`, both ends included.

    Raises:
        UsageError: no such days, or the last before the first.
    """
    first, dots, last = text.partition("..")
    days = Days(parse_day(option, first), parse_day(option, last if dots else first))
    if days.last < days.first:
        raise UsageError(option, f"{text!r} ends before it begins", "put the earlier day first")
    return days


def deviations(
    options: argparse.Namespace, configured: Simulate, hosts: Collection[str]
) -> Deviations:
    """Join what the command line says with what the configuration says.

    Raises:
        UsageError: a host that does not exist, or a text of another form.
    """
    down = [(d.host, Days(d.from_, d.to)) for d in configured.down]
    changes = [PathChange(p.host, p.from_, tuple(p.include)) for p in configured.paths]
    simulated = _simulated(configured)
    for text in options.down:
        host, days = _host_at("--down", text, hosts)
        down.append((host, _within("--down", parse_days("--down", days), simulated)))
    for text in options.change_paths:
        host, rest = _host_at("--change-paths", text, hosts)
        day, equals, paths = rest.partition("=")
        listed = tuple(dict.fromkeys(path.strip() for path in paths.split(",") if path.strip()))
        if not equals or not listed or not all(path.startswith("/") for path in listed):
            raise UsageError(
                "--change-paths",
                f"{text!r} names no absolute paths",
                "write HOST@2024-05-01=/srv,/etc",
            )
        first = parse_day("--change-paths", day)
        # What changed before the first day is how the host is on it.
        _within("--change-paths", Days(first, max(first, simulated.first)), simulated)
        changes.append(PathChange(host, first, listed))
    missed = tuple(Days(d.first, d.last) for d in configured.missed)
    missed += tuple(_within("--miss", parse_days("--miss", t), simulated) for t in options.miss)
    return Deviations(missed, tuple(down), tuple(sorted(changes, key=lambda change: change.first)))


def _simulated(configured: Simulate) -> Days:
    return Days(configured.start, configured.start + timedelta(days=configured.days - 1))


def _within(option: str, days: Days, simulated: Days) -> Days:
    # A slip in the year would prove that an outage does no harm which never took place.
    if days.last < simulated.first or simulated.last < days.first:
        message = f"{days.first} is none of the simulated days"
        raise UsageError(option, message, f"they are {simulated.first}..{simulated.last}")
    return days


def _host_at(option: str, text: str, hosts: Collection[str]) -> tuple[str, str]:
    host, at, rest = text.partition("@")
    if not at:
        raise UsageError(
            option, f"{text!r} names no host", f"write {option} HOST@2024-03-03..2024-03-09"
        )
    if host not in hosts:
        raise UsageError(
            option, f"there is no host {host!r}", f"hosts are {', '.join(sorted(hosts))}"
        )
    return host, rest
