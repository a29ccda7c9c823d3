"""Hold signed reports against public keys, their chain, and what is known of its end elsewhere.

Every kind of tampering is a finding `evidence-broken`, one for each cause. What a folder alone
cannot show is that its end was cut off: that takes an anchor, the SHA-256 of a signed report that
was kept elsewhere (in every report that was delivered, and in the history).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.monitor.evidence.envelope import Seen, opened
from verifier.monitor.evidence.folder import Stored, read_file, stored
from verifier.monitor.evidence.keys import PublicKey
from verifier.monitor.render.schema import problems

_SECTIONLESS = (
    *("schema", "kind", "verdict", "started", "finished", "tool"),
    *("inputs", "findings", "measurements", "coverage"),
)
"""What the reports of every release have in common."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A signed report that is known to have existed.

    Attributes:
        number: its place in the chain; none where the digest alone was kept.
        source: who knows of it, for people.
    """

    sha256: str
    source: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """One signed report after its check.

    Attributes:
        name: how it is spoken of: by its file's name in a folder, else by its path.
        number: its place in the chain: as the file's name has it, or the file itself where it was
            named alone; 0 where neither says.
        holds: whether nothing is wrong with it and its place.
    """

    name: str
    number: int
    seen: Seen
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Verified:
    """What signed reports turned out to be worth.

    Attributes:
        total: how many there should be: the chain's length where it is known.
        whole: whether a whole chain was looked at, from its first report.
        anchored: the highest number that something outside vouches for; none where nothing does.
    """

    reports: tuple[Checked, ...]
    findings: tuple[Finding, ...]
    total: int
    whole: bool
    anchored: int | None


def verify_folder(
    folder: Path, keys: Sequence[PublicKey], anchors: Sequence[Anchor], version: str
) -> Verified:
    """Check a folder of signed reports as one chain, from its first to its last.

    Args:
        keys: that may have signed them.
        anchors: what is known of the chain elsewhere; none leaves its end unproven.
        version: of this program; its own reports have to have every field.

    Raises:
        CannotVerify: the folder cannot be listed.
    """
    files = stored(folder)
    checked = [Checked(one.path.name, one.number, _opened(one.path, keys)) for one in files]
    findings = [
        *_missing(files, anchors),
        *(f for one in checked for f in _faults(one, version)),
        *_links(checked),
        *_cut(checked, anchors),
    ]
    if checked and not anchors:
        detail = (
            "nothing outside the folder says which signed report is the last, so one that was cut "
            "off the end would not be seen: give --last SHA256, of the last report that you know of"
        )
        findings.append(Finding("unanchored", str(folder), detail))
    total = max([len(files), *(one.number for one in files), *(a.number or 0 for a in anchors)])
    return Verified(
        _judged(checked, findings), tuple(findings), total, True, _anchored(checked, anchors)
    )


def verify_files(paths: Sequence[Path], keys: Sequence[PublicKey], version: str) -> Verified:
    """Check signed reports by themselves; those that follow one another are held to do so.

    Raises:
        CannotVerify: one of them cannot be read.
    """
    seen = [(path, opened(read_file(path), keys)) for path in paths]
    checked = sorted(
        (Checked(str(path), one.sequence, one) for path, one in seen), key=lambda it: it.number
    )
    findings = [f for one in checked for f in _faults(one, version, named=False)]
    findings += _links(checked)
    return Verified(_judged(checked, findings), tuple(findings), len(checked), False, None)


def _opened(path: Path, keys: Sequence[PublicKey]) -> Seen:
    try:
        return opened(read_file(path), keys)
    except CannotVerify as error:
        return Seen("", error.message)


def _broken(subject: str, detail: str, **evidence: object) -> Finding:
    return Finding("evidence-broken", subject, detail, evidence)


def _faults(one: Checked, version: str, *, named: bool = True) -> Iterator[Finding]:
    subject, seen = one.name, one.seen
    if seen.problem:
        yield _broken(subject, seen.problem, sha256=seen.sha256)
        return
    if named and seen.sequence != one.number:
        detail = f"it is named number {one.number} and holds number {seen.sequence}"
        yield _broken(subject, detail, named=one.number, holds=seen.sequence)
    wrong = report_problems(seen.report or {}, version)
    if wrong:
        yield _broken(subject, f"it is signed and holds no report: {wrong[0]}", problems=wrong[:20])


def report_problems(report: Mapping[str, object], version: str) -> tuple[str, ...]:
    """Return where a signed report breaks the schema.

    One of another release is held to what all have in common: a section may have grown since.
    """
    tool = report.get("tool")
    ours = isinstance(tool, dict) and tool.get("restic-verify") == version
    return problems(report if ours else sectionless(report))


def sectionless(report: Mapping[str, object]) -> dict[str, object]:
    """Return a report without its sections: what those of every release have in common."""
    return {key: report[key] for key in _SECTIONLESS if key in report}


def _missing(files: Sequence[Stored], anchors: Sequence[Anchor]) -> Iterator[Finding]:
    numbers = [one.number for one in files]
    for number in sorted({n for n in numbers if numbers.count(n) > 1}):
        names = ", ".join(one.path.name for one in files if one.number == number)
        yield _broken(f"number {number}", f"several files claim it: {names}", number=number)
    last = max(numbers, default=0)
    for first, end in _runs(sorted(set(range(1, last + 1)) - set(numbers))):
        what = f"number {first} is" if first == end else f"numbers {first} to {end} are"
        yield _broken(f"number {first}", f"{what} missing from the chain", first=first, last=end)
    beyond = [anchor for anchor in anchors if (anchor.number or 0) > last]
    if beyond:
        furthest = max(beyond, key=lambda anchor: anchor.number or 0)
        detail = (
            f"the chain ends with number {last}, and {furthest.source} knows of number "
            f"{furthest.number}: its end is missing"
        )
        yield _broken(f"number {furthest.number}", detail, sha256=furthest.sha256)


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each unbroken run of numbers."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    yield from ((first, last) for first, last in found)


def _links(checked: Sequence[Checked]) -> Iterator[Finding]:
    """Yield where one report does not follow the one before, and neither is itself at fault."""
    sound = [one for one in checked if not one.seen.problem]
    for before, after in pairwise(sound):
        if after.seen.sequence != before.seen.sequence + 1:
            continue
        if after.seen.previous != before.seen.sha256:
            detail = f"it does not follow {before.name}: one of the two was replaced"
            yield _broken(
                after.name,
                detail,
                names=after.seen.previous,
                found=before.seen.sha256,
            )


def _cut(checked: Sequence[Checked], anchors: Sequence[Anchor]) -> Iterator[Finding]:
    """Yield the anchors that the chain does not hold."""
    last = max((one.number for one in checked), default=0)
    by_number = {one.number: one for one in checked}
    digests = {one.seen.sha256 for one in checked}
    for anchor in anchors:
        if anchor.number is None:
            if anchor.sha256 not in digests:
                detail = (
                    f"the chain does not hold the signed report that {anchor.source} names: its "
                    "end is missing, or was replaced"
                )
                yield _broken("chain", detail, sha256=anchor.sha256)
        elif anchor.number <= last:
            there = by_number.get(anchor.number)
            if there and not there.seen.problem and there.seen.sha256 != anchor.sha256:
                detail = f"it is not the one that {anchor.source} knows of: it was replaced"
                yield _broken(there.name, detail, known=anchor.sha256, found=there.seen.sha256)


def _anchored(checked: Sequence[Checked], anchors: Sequence[Anchor]) -> int | None:
    known = {anchor.sha256 for anchor in anchors}
    return max((one.number for one in checked if one.seen.sha256 in known), default=None)


def _judged(checked: Sequence[Checked], findings: Sequence[Finding]) -> tuple[Checked, ...]:
    blamed = {f.subject for f in findings if f.kind == "evidence-broken"}
    return tuple(replace(one, holds=one.name not in blamed) for one in checked)


def reports_that_hold(verified: Verified) -> tuple[tuple[Checked, Mapping[str, object]], ...]:
    """Return the reports with nothing wrong about them, in the order of the chain."""
    return tuple(
        (one, one.seen.report)
        for one in verified.reports
        if one.holds and one.seen.report is not None
    )
