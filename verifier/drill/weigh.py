"""Weigh what applications say of restored files: whose fault a refusal is, and who hears of it.

Pure. Content that is the recorded one is no fault of the backup: an application that refuses it
would have refused the file that was read, which may have been caught in the middle of a write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from verifier.core.entry import shown
from verifier.core.finding import Finding
from verifier.drill.applications import REFUSED, UNDECIDED, Judged
from verifier.drill.places import covers

AS_BACKED_UP = (
    "restored exactly as backed up: it was already bad then, or was caught in the middle of a write"
)
UNFAITHFUL = "what was restored is not what was recorded"


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the applications said.

    Attributes:
        figures: application -> verdict -> paths.
        as_backed_up: files that nobody asked about, refused and yet restored as recorded.
    """

    findings: tuple[Finding, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    as_backed_up: tuple[str, ...] = ()


def weigh(
    said: Iterable[Judged], host: str, unfaithful: Collection[str], asked: Iterable[str] = ()
) -> Weighed:
    """Weigh every judgement.

    Args:
        unfaithful: paths whose restored content is not known to be the recorded one.
        asked: names that stand among the figures even where no file was there to ask about.
    """
    findings: list[Finding] = []
    as_backed_up: list[str] = []
    skipped: Counter[str] = Counter()
    figures: dict[str, Counter[str]] = {name: Counter() for name in asked}
    for one in said:
        name = one.application.name
        figures.setdefault(name, Counter())[one.verdict] += 1
        faithful = not any(covers(one.path, path) for path in unfaithful)
        if one.verdict == UNDECIDED:
            skipped[f"{name}: could not check it"] += 1
        if one.verdict == REFUSED and faithful and not one.application.asked:
            as_backed_up.append(f"{shown(one.path)}: {one.said}")
        else:
            findings += _finding(one, f"{host}:{shown(one.path)}", faithful=faithful)
    sums = {name: dict(sorted(counts.items())) for name, counts in sorted(figures.items())}
    return Weighed(tuple(findings), dict(skipped), sums, tuple(as_backed_up))


def _finding(one: Judged, subject: str, *, faithful: bool) -> Iterable[Finding]:
    name = one.application.name
    if one.verdict == REFUSED:
        why = AS_BACKED_UP if faithful else UNFAITHFUL
        yield Finding("application-failed", subject, f"{name} refuses it ({one.said}); {why}")
    elif one.verdict == UNDECIDED and one.application.asked:
        yield Finding("could-not-verify", subject, f"{name} could not check it: {one.said}")
