"""What the evidence says of each control, in sentences that name every host without a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from verifier.monitor.render.envelope_evidence import Controls, ControlsHost
from verifier.monitor.render.wording import count, number, printable, size, span

_NAMED = 8
"""How many hosts a sentence names."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control, what it asks for, and what is shown of it.

    Attributes:
        chapters: the numbers of the page's chapters that stand behind it.
    """

    name: str
    asks: str
    shown: tuple[str, ...]
    chapters: str


def controls(section: Controls) -> tuple[Control, ...]:
    """Return the controls with what is shown of each."""
    return (
        Control(
            "ISO/IEC 27001:2022, A.8.13 Information backup",
            "Backups are kept by an agreed policy, and tested regularly.",
            (*_tested(section), *_troubled(section)),
            "1, 2, 5",
        ),
        Control(
            "SOC 2, A1.2 Backup and recovery infrastructure",
            "Data is backed up, and the means of recovery are kept and watched over.",
            tuple(_kept(section)),
            "4, 5",
        ),
        Control(
            "SOC 2, A1.3 Tests of recovery",
            "The procedures of recovery are tested.",
            tuple(_recovered(section)),
            "2, 3",
        ),
    )


def tested_hosts(section: Controls) -> str:
    """Return how many hosts were looked at: `2 hosts`, or `2 of 3 hosts` where one never was."""
    known = {host["host"] for host in section["hosts"]}
    looked_at = {host for test in section["tests"] for host in test["hosts"]}
    all_of_them = count(len(known), "host")
    return all_of_them if known <= looked_at else f"{number(len(looked_at))} of {all_of_them}"


def _tested(section: Controls) -> Iterator[str]:
    tests = section["tests"]
    kinds = Counter(test["kind"] for test in tests)
    if not tests:
        yield "No test is shown."
        return
    listed = ", ".join(f"{number(n)} {printable(kind)}" for kind, n in sorted(kinds.items()))
    yield f"{count(len(tests), 'test')} ({listed}) of {tested_hosts(section)}."
    yield f"The longest time without a test was {span(section['longest_untested_s'])}."
    without = [(host["longest_without_s"], host["host"]) for host in section["hosts"]]
    if without:
        longest, name = max(without)
        yield f"The longest time of a host without a good one was {_of(longest, name)}."
    verdicts = Counter(test["verdict"] for test in tests)
    order = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
    said = ", ".join(f"{number(verdicts[name])} {name}" for name in order if verdicts[name])
    yield f"Verdicts: {said}."
    if section["policies"]:
        yield f"Policy: {printable('; '.join(section['policies']))}."


def _troubled(section: Controls) -> Iterator[str]:
    troubles = section["troubles"]
    open_now = [trouble for trouble in troubles if trouble["ended"] is None]
    if not troubles:
        yield "No failure was seen."
        return
    over = len(troubles) - len(open_now)
    yield (
        f"{count(len(troubles), 'failure')} seen, {number(over)} of them over by a later test; "
        f"{number(len(open_now))} not over."
    )


def _kept(section: Controls) -> Iterator[str]:
    hosts = section["hosts"]
    said = [*_newest(hosts), *_backed_up(section), *_copied(hosts)]
    yield from said or ("No recovery point is shown.",)


def _newest(hosts: Sequence[ControlsHost]) -> Iterator[str]:
    ages = [host["newest_age_s"] for host in hosts if host["newest_age_s"] is not None]
    missing = [host["host"] for host in hosts if host["newest_missing"]]
    if not (ages or missing):
        return
    unseen = [h["host"] for h in hosts if h["newest_age_s"] is None and not h["newest_missing"]]
    if ages:
        found = " that was found" if missing or unseen else ""
        yield f"No newest snapshot{found} was older than {span(max(ages))} when it was looked at."
    if missing:
        yield f"There was a look that found no snapshot, or none to be dated, of {_names(missing)}."
    if unseen:
        yield f"No look for the newest snapshot of {_names(unseen)} is shown."


def _backed_up(section: Controls) -> Iterator[str]:
    told = [(h["host"], h["backups"]) for h in section["hosts"] if h["backups"] is not None]
    if not told:
        return
    good, failed = (sum(one[side] for _, one in told) for side in ("good", "failed"))
    yield f"{count(good, 'backup')} succeeded and {number(failed)} failed."
    gaps = [(one["longest_gap_s"], name) for name, one in told if one["longest_gap_s"] is not None]
    if gaps:
        longest, name = max(gaps)
        yield f"The longest time of a host without a good backup was {_of(longest, name)}."
    begun = datetime.fromisoformat(section["since"])
    late = [n for n, one in told if one["since"] and datetime.fromisoformat(one["since"]) > begun]
    if late:
        yield f"Of {_names(late)} it is counted from the first backup known, in this period."
    unknown = [name for name, one in told if one["longest_gap_s"] is None]
    if unknown:
        yield f"No backup of {_names(unknown)} is known."


def _copied(hosts: Sequence[ControlsHost]) -> Iterator[str]:
    looks = sum(host["copies"] for host in hosts)
    if not looks:
        return
    yield (
        f"The off-site copy was searched for a host's snapshots {count(looks, 'time')}, and "
        f"held a complete one {count(sum(host['copies_whole'] for host in hosts), 'time')}."
    )
    never = [host["host"] for host in hosts if host["copies"] and not host["copies_whole"]]
    if never:
        yield f"It never held a complete one of {_names(never)}."
    unsought = [host["host"] for host in hosts if not host["copies"]]
    if unsought:
        yield f"It was never searched for {_names(unsought)}."


def _of(seconds: float, host: str) -> str:
    return f"{span(seconds)} ({printable(host)})"


def _names(hosts: Sequence[str]) -> str:
    """Return hosts by name: all of them, or the first where they would fill the page."""
    more = len(hosts) - _NAMED
    named = ", ".join(printable(host) for host in hosts[:_NAMED])
    return f"{named} and {count(more, 'more host')}" if more > 0 else named


def _recovered(section: Controls) -> Iterator[str]:
    hosts = [host for host in section["hosts"] if host["rehearsals"]]
    if not hosts:
        yield "No restore is shown."
        return
    rehearsals = sum(host["rehearsals"] for host in hosts)
    restored = sum(host["restored_bytes"] for host in hosts)
    files = sum(host["restored_files"] for host in hosts)
    yield (
        f"{count(rehearsals, 'rehearsal')} of {number(len(hosts))} of "
        f"{count(len(section['hosts']), 'host')} restored {count(files, 'file')} of "
        f"{size(restored)}."
    )
    wholes = [(host["whole_s"], host["host"]) for host in hosts if host["whole_s"] is not None]
    if wholes:
        seconds, name = max(wholes)
        yield (
            f"By the median of its measured rates, the slowest whole host would be back in "
            f"{_of(seconds, name)}."
        )
    unrestored = [host["host"] for host in section["hosts"] if not host["rehearsals"]]
    if unrestored:
        yield f"Nothing was restored of {_names(unrestored)}."
