"""Cycles from the lines of a log, whatever else stands between them and however they were cut.

Pure. Lines that are told twice count once, a log may begin or end half-way, and runs that overlap
are told apart by their invocation where the log knows it. Where it does not, a new first line of
the same unit on the same machine ends what was before. Within one instant the order given counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from verifier.monitor.spoken import (
    STARTED,
    UNIT,
    Fatal,
    Release,
    Stage,
    Unit,
    Unread,
    Word,
    parse_end,
    parse_unit,
    parse_word,
    reduced,
)
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine, StageRun
from verifier.restic.events import Backup

SYSTEMD = "systemd"
"""The service under which systemd speaks of units."""

SILENT = timedelta(minutes=5)
"""How long after systemd starts the unit its first line may come, where nothing else ties them."""

_MESSAGE_LONGEST = 500
_ID_LONGEST = 64
_COUNT_MOST = (1 << 63) - 1

_LOOSE = timedelta(seconds=2)
"""How far the end of a run and its duration may miss its beginning, by being whole seconds."""


@dataclass(frozen=True, slots=True)
class CycleLog:
    """A cycle, and the lines that it is read from."""

    cycle: CycleRun
    lines: tuple[LogLine, ...]


def parse_log(lines: Iterable[LogLine], unit: str = UNIT) -> tuple[CycleLog, ...]:
    """Read the cycles that lines tell of, each with its own lines, the oldest first.

    Args:
        unit: which is meant where systemd does not tell its name, or that alone.
    """
    reading = _Reading(unit)
    for line in sorted(lines, key=lambda line: line.at):
        reading.hear(line)
    found = (heard.log() for heard in reading.cycles)
    return tuple(
        sorted(found, key=lambda log: (log.cycle.began_at, log.cycle.coordinator, log.cycle.run))
    )


def dated(texts: Iterable[str], coordinator: str, service: str, began: datetime) -> list[LogLine]:
    """Return the lines of one run that carry no instants, dated by the durations that they tell."""
    at, found = began, []
    for text in texts:
        word = parse_word(text)
        if isinstance(word, Stage) and word.name != "run":
            at += timedelta(seconds=word.duration_s)
        elif isinstance(word, Stage):
            at = max(at, began + timedelta(seconds=word.duration_s))
        found.append(LogLine(at, coordinator, service, text))
    return found


def reduced_line(line: LogLine, unit: str = UNIT) -> LogLine:
    """Return a line as it is kept and sent: of the unit by its description, as queries name it."""
    if line.service != SYSTEMD:
        return line
    data = reduced(line.data, unit)
    return line if data == line.data else replace(line, data=data)


def _text(line: LogLine) -> str:
    return line.data.rstrip()


def _key(line: LogLine, unit: str) -> tuple[datetime, str, str]:
    # What was kept before it was reduced is the same line.
    text = _text(line)
    told = reduced(text, unit) if line.service == SYSTEMD else text
    return _second(line.at), line.service, told


@dataclass(slots=True)
class _Since:
    """What was said since the last stage, and belongs to the next."""

    summary: Backup | None = None
    unread: set[str] = field(default_factory=set)
    fatal: str = ""
    last: str = ""


@dataclass(slots=True, eq=False)
class _Heard:
    """A cycle as far as it has been heard of."""

    coordinator: str
    service: str
    run: str
    unit: str
    lines: list[LogLine] = field(default_factory=list)
    seen: set[tuple[datetime, str, str]] = field(default_factory=set)
    begun_at: datetime | None = None
    spoke: bool = False
    status: int | None = None
    exited: int | None = None
    unit_ended: bool = False
    reckoned_at: datetime | None = None
    since: _Since = field(default_factory=_Since)
    releases: dict[str, str] = field(default_factory=dict)
    backups: list[BackupRun] = field(default_factory=list)
    stages: list[StageRun] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.status is not None

    def take(self, line: LogLine) -> bool:
        """Keep a line; say whether it is new."""
        key = _key(line, self.unit)
        if key in self.seen:
            return False
        self.seen.add(key)
        self.lines.append(line)
        return True

    def hear(self, at: datetime, word: Word | None, text: str) -> None:
        """Take up what the script or restic says."""
        since = self.since
        match word:
            case Stage():
                self._stage(at, word)
            case Backup():
                since.summary = word
            case Unread():
                since.unread.add(word.item)
            case Fatal():
                since.fatal = word.message
            case Release():
                self.releases[word.host] = word.version
            case _:
                ended = parse_end(text)
                if ended is not None and self.status is None:
                    self.status = int(not ended)
                if not text.startswith("{"):
                    since.last = text

    def hear_unit(self, at: datetime, unit: Unit) -> None:
        """Take up what systemd says."""
        if unit.what == "starting":
            self.begun_at = self.begun_at or at
        elif unit.what == "exited":
            self.exited = unit.status
        else:
            self.unit_ended = True
            if self.status is None:
                self.status = (self.exited or 1) if unit.status else 0

    def _stage(self, at: datetime, stage: Stage) -> None:
        began_at = _second(at) - timedelta(seconds=stage.duration_s)
        if stage.name == "run":
            self.status, self.reckoned_at = stage.status, began_at
        elif stage.host:
            self.backups.append(_backup(stage, began_at, self.since))
        else:
            self.stages.append(StageRun(stage.name, began_at, stage.duration_s, stage.status))
        self.since = _Since()

    def log(self) -> CycleLog:
        """Return it as a value."""
        last_at = _second(self.lines[-1].at)
        began_at = self._began_at()
        backups = (
            _with_release(backup, self.releases.get(backup.host, "")) for backup in self.backups
        )
        cycle = CycleRun(
            self.coordinator,
            self.service,
            began_at,
            (last_at - began_at).total_seconds(),
            self.status,
            tuple(sorted(backups, key=lambda run: (run.began_at, run.host))),
            tuple(sorted(self.stages, key=lambda run: (run.began_at, run.name))),
            self.run,
        )
        return CycleLog(cycle, tuple(self.lines))

    def _began_at(self) -> datetime:
        first_at = min([_second(self.lines[0].at), *(run.began_at for run in self.backups)])
        reckoned_at = self.reckoned_at or first_at
        if self.begun_at is None:
            return min(first_at, reckoned_at)
        begun_at = _second(self.begun_at)
        # Lines that were all dated when they were sent, after the run.
        return reckoned_at if reckoned_at < begun_at - _LOOSE else begun_at


class _Reading:
    """All cycles of a log while it is read, line after line."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self.cycles: list[_Heard] = []
        self._current: dict[tuple[str, str, str], _Heard] = {}

    def hear(self, line: LogLine) -> None:
        """Take up the next line."""
        if line.service == SYSTEMD:
            self._hear_systemd(line)
            return
        text = _text(line)
        heard = self._current.get((line.host, line.service, line.run))
        if heard and _key(line, self._unit) in heard.seen:
            return
        word = parse_word(text)
        starts = text == STARTED
        if heard is None and not starts and word is None and parse_end(text) is None:
            # Not of ours, as far as anybody can tell.
            return
        if heard is None or self._is_another(heard, line, word, starts=starts):
            heard = self._silent(line) or self._new(line.host, line.service, line.run)
            heard.service = line.service
            self._current[line.host, line.service, line.run] = heard
        if heard.take(line):
            if starts:
                heard.begun_at = heard.begun_at or line.at
            heard.spoke = True
            heard.hear(line.at, word, "" if starts else text)

    def _is_another(self, heard: _Heard, line: LogLine, word: Word | None, *, starts: bool) -> bool:
        if line.run:
            return False
        return (starts and heard.spoke) or (heard.over and isinstance(word, Stage))

    def _silent(self, line: LogLine) -> _Heard | None:
        """Return the cycle of which systemd alone has spoken, and that this line begins."""
        for heard in reversed(self.cycles):
            if heard.coordinator == line.host and heard.run == line.run:
                begins = line.at - heard.lines[0].at <= SILENT
                return heard if begins and not (heard.spoke or heard.over) else None
        return None

    def _new(self, coordinator: str, service: str, run: str) -> _Heard:
        heard = _Heard(coordinator, service, run, self._unit)
        self.cycles.append(heard)
        return heard

    def _hear_systemd(self, line: LogLine) -> None:
        text = _text(line)
        unit = parse_unit(text, self._unit)
        heard = self._meant(line, unit, text)
        if heard is not None and _key(line, self._unit) in heard.seen:
            return
        if unit is not None and unit.what in {"starting", "ended"}:
            is_over = heard is not None and not line.run and heard.unit_ended
            if heard is None or is_over or (unit.what == "starting" and not line.run):
                heard = self._new(line.host, unit.unit or self._unit, line.run)
        if heard is not None and heard.take(line) and unit is not None:
            heard.hear_unit(line.at, unit)

    def _meant(self, line: LogLine, unit: Unit | None, text: str) -> _Heard | None:
        """Return the cycle that systemd speaks of: the newest that it can be."""
        name = unit.unit if unit else text.partition(".service: ")[0]
        for heard in reversed(self.cycles):
            if heard.coordinator != line.host or (line.run and heard.run != line.run):
                continue
            if line.run or name in ("", heard.service) or (unit and not heard.spoke):
                return heard
        return None


def _backup(stage: Stage, began_at: datetime, since: _Since) -> BackupRun:
    summary = since.summary
    message = (since.fatal or since.last)[:_MESSAGE_LONGEST] if stage.status else ""
    errors = len(since.unread)
    if summary is None:
        return BackupRun(
            stage.host,
            began_at,
            stage.duration_s,
            stage.status,
            errors=errors,
            message=message,
        )
    return BackupRun(
        stage.host,
        began_at,
        stage.duration_s,
        stage.status,
        summary.snapshot[:_ID_LONGEST],
        "",
        _count(summary.files_new),
        _count(summary.files_changed),
        _count(summary.files_unmodified),
        _count(summary.processed_bytes),
        _count(summary.added_bytes),
        errors,
        message,
    )


def _count(number: int) -> int:
    # A line may say anything; a table holds 64 bits.
    return min(max(number, 0), _COUNT_MOST)


def _with_release(backup: BackupRun, release: str) -> BackupRun:
    return replace(backup, restic=release) if release else backup


def _second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)
