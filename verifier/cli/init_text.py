"""A first `verify.toml` as text: what is known, what is guessed and how sure, what is left open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from verifier.cli.init_guess import Guessed, HostSeen
from verifier.cli.init_seen import Seen
from verifier.config.defaults import PROBE
from verifier.config.models import ROOT
from verifier.config.patterns import ExcludePatterns
from verifier.config.policy import RULES
from verifier.config.values import Name, Paths
from verifier.config.write import toml_comment, toml_commented, toml_pair, toml_text
from verifier.core.policy import UNLIMITED
from verifier.monitor.render.wording import count
from verifier.retention.guess.policy import PolicyGuess, Range

_SAME_NAMED = 3

SURE_RUNS = 7
"""A schedule that made fewer may as well be another: a week shows a daily one."""


_NOT_AS_ROOT = (
    "Root ran restic there. Let ssh log in as a user of its own instead, that can read every file "
    "and change none: docs/production.md makes it, `render` gives it its right."
)


@dataclass(frozen=True, slots=True)
class Guess:
    """One thing that was guessed, for people.

    Attributes:
        sure: whether enough was seen, and nothing of it speaks for another answer.
    """

    about: str
    value: str
    sure: bool
    why: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine and its environment say.

    Attributes:
        name: as it calls itself.
        password_file, password_command: of restic's environment; empty where not given.
    """

    name: str
    password_file: str = ""
    password_command: str = ""


def first_config(seen: Seen, guessed: Guessed, machine: Machine, now: datetime) -> str:
    """Return the file."""
    parts = [
        _head(seen, guessed, now),
        _repository(seen, machine),
        _coordinator(machine),
        _schedule(guessed),
        _retention(guessed),
        _offsite(),
        *(_host(host, seen, machine) for host in configured(guessed)),
        *_left_out(guessed),
    ]
    return "\n\n".join(parts) + "\n"


def configured(guessed: Guessed) -> tuple[HostSeen, ...]:
    """Return the hosts that a configuration can have, of those that are backed up."""
    return tuple(host for host in guessed.hosts if not host.stopped and not _unfit(host))


def guesses(guessed: Guessed) -> tuple[Guess, ...]:
    """Return what was guessed, each with why."""
    habit, policy = guessed.habit, guessed.policy
    enough = habit.runs >= SURE_RUNS
    times_sure = enough and habit.regular >= 1.0
    zone_sure = enough and (habit.zone.changed or habit.zone.name == "UTC")
    policy_sure = policy.exact and policy.missed == 0 and bool(policy.ranges)
    return (
        Guess("schedule.times", _times(guessed), times_sure, _why_times(guessed)),
        Guess("schedule.timezone", habit.zone.name, zone_sure, _why_zone(guessed)),
        Guess("retention", str(policy.policy), policy_sure, _why_policy(policy)),
    )


def _remark(guess: Guess) -> str:
    """Return the comment above what was guessed."""
    return toml_comment(f"Guessed ({'sure' if guess.sure else 'not sure'}): {guess.why}")


def _head(seen: Seen, guessed: Guessed, now: datetime) -> str:
    about = (
        f"A first configuration, made by `restic-verify init` on {now:%Y-%m-%d} from "
        f"{count(len(seen.stored), 'snapshot')} of {count(len(guessed.hosts), 'host')}. What is "
        "guessed "
        "says so: look at it before anything is installed or forgotten by it. "
        "docs/configuration.md explains every key, `restic-verify doctor` says what is missing."
    )
    return f"{toml_comment(about)}\nschema = 1"


def _repository(seen: Seen, machine: Machine) -> str:
    lines = ["[repository]"]
    if seen.location:
        lines.append(toml_pair("location", seen.location))
    else:
        why = "Where it is, as for `restic -r`; or set RESTIC_REPOSITORY (a password goes there)."
        lines += [toml_comment(why), '# location = "/mnt/storage/restic"']
    if machine.password_file.startswith("/"):
        lines.append(toml_pair("password-file", machine.password_file))
    elif machine.password_command:
        lines.append(toml_pair("password-command", machine.password_command))
    else:
        why = "What opens it; the password itself never stands here."
        lines += [toml_comment(why), '# password-file = "/mnt/keys/restic/password"']
    return "\n".join(lines)


def _coordinator(machine: Machine) -> str:
    name = machine.name if _fits(Name, machine.name) else "coordinator"
    about = "The machine that drives the backups: guessed to be the one on which init ran."
    return "\n".join(["[coordinator]", toml_comment(about), toml_pair("name", name)])


def _schedule(guessed: Guessed) -> str:
    habit = guessed.habit
    times, zone, _ = guesses(guessed)
    lines = ["[schedule]", _remark(times)]
    if habit.every_days > 1:
        rare = (
            f"Backups seem to be made every {habit.every_days} days. A schedule here is daily: the "
            "days between will be told as missed."
        )
        lines.append(toml_comment(rare))
    lines.append(toml_pair("times", [f"{at:%H:%M}" for at in habit.times]))
    lines.append(_remark(zone))
    lines.append(toml_pair("timezone", habit.zone.name))
    return "\n".join(lines)


def _times(guessed: Guessed) -> str:
    return ", ".join(f"{at:%H:%M}" for at in guessed.habit.times)


def _why_times(guessed: Guessed) -> str:
    habit = guessed.habit
    sooner, later = (f"{_span(late)}" for late in (habit.earliest, habit.latest))
    after = sooner if sooner == later else f"{sooner} to {later}"
    few = f", of no more than {count(habit.runs, 'run')}," if habit.runs < SURE_RUNS else ""
    return (
        f"{habit.regular:.0%} of the snapshots{few} are dated at these times of day; the first of "
        f"a run {after} after."
    )


def _span(late: timedelta) -> str:
    seconds = int(late.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _why_zone(guessed: Guessed) -> str:
    zone = guessed.habit.zone
    others = ""
    if zone.same:
        named = ", ".join(zone.same[:_SAME_NAMED])
        more = len(zone.same) - _SAME_NAMED
        others = f" {named}{f' and {more} more' if more > 0 else ''} would fit as well."
    if zone.name == "UTC":
        return f"the snapshots are as regular in UTC as in any other zone.{others}"
    if zone.changed:
        return f"the snapshots carry its offsets, over changes of its clocks too.{others}"
    return f"its times of day fit, but no change of its clocks lies in the history.{others}"


def _retention(guessed: Guessed) -> str:
    policy = guessed.policy
    *_, retention = guesses(guessed)
    lines = ["[retention]", _remark(retention)]
    ranges = {f"keep-{one.rule}": one for one in policy.ranges}
    for rule in RULES:
        if not rule.startswith("keep-within") and rule != "keep-tag":
            count = getattr(policy.policy, rule.removeprefix("keep-"))
            if count:
                value = "unlimited" if count == UNLIMITED else count
                lines.append(f"{toml_pair(rule, value)}{_margin(ranges.get(rule))}")
    if policy.group_by != ("host", "paths"):
        lines.append(toml_pair("group-by", ",".join(policy.group_by)))
    if guessed.tags:
        tags = ", ".join(guessed.tags[:5])
        lines.append(toml_comment(f"Some carry tags ({tags}): whether forget spares them is open."))
        lines.append(toml_commented(toml_pair("keep-tag", guessed.tags[:1])))
    return "\n".join(lines)


def _margin(found: Range | None) -> str:
    if found is None:
        return ""
    if found.most is None:
        return f"  # {found.least} or more: the history does not show where it ends"
    if found.least == found.most:
        return "  # this and no other"
    return f"  # {found.least} to {found.most} would leave the same"


def _why_policy(policy: PolicyGuess) -> str:
    if not policy.ranges:
        return (
            "nothing shows that a snapshot was ever removed, so this keeps all of them. Choose "
            "what to keep before `forget` runs by it; `restic-verify plan` shows what would go."
        )
    told = (
        f"these counts leave just the {count(policy.snapshots, 'snapshot')} that "
        f"{_are(policy.snapshots)} there, and explain why {count(policy.removed, 'other')} "
        f"{_are(policy.removed)} not"
    )
    if not policy.exact:
        told = (
            "no counts leave just what is there; these come nearest, over "
            f"{count(policy.snapshots, 'snapshot')} and {policy.removed} that "
            f"{_are(policy.removed)} gone"
        )
    if policy.missed:
        told += f", if {count(policy.missed, 'due backup')} never took place"
    return (
        f"{told}. Rules that kept nothing by themselves so far do not show, as years in a history "
        "of months."
    )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _offsite() -> str:
    about = "The second copy, which a repository does not tell of."
    example = '[offsite]\nmethod = "rclone-sync"\ntarget = "offsite:restic"'
    return f"{toml_comment(about)}\n{toml_commented(example)}"


def _host(host: HostSeen, seen: Seen, machine: Machine) -> str:
    newest = host.newest
    lines = ["[[hosts]]", toml_pair("name", host.name)]
    if host.name == machine.name:
        lines.append(toml_comment("Guessed: it has the name of the machine on which init ran."))
        lines.append(toml_pair("address", "local"))
    elif newest.user == ROOT:
        lines.append(toml_comment(_NOT_AS_ROOT))
        lines.append(toml_pair("user", "restic"))
    elif newest.user not in ("", "restic") and _fits(Name, newest.user):
        why = (
            "Guessed: who ran restic there is who ssh logs in as. `render` leaves that user keys "
            "and no terminal, so let it not be a person's."
        )
        lines.append(toml_comment(why))
        lines.append(toml_pair("user", newest.user))
    if seen.location.startswith("/") and host.name != machine.name:
        lines.append(toml_comment("Where it has the repository mounted, if elsewhere than here:"))
        lines.append(toml_commented(toml_pair("repository", seen.location)))
    at = newest.snapshot.taken_at
    lines.append(
        toml_comment(f"Of its newest snapshot, {newest.snapshot.short_id} of {_minute(at)}.")
    )
    lines.append(toml_pair("include", newest.snapshot.paths))
    if host.name != machine.name:
        why = "What lets the drill read every file there, once `render` has installed it:"
        lines += [toml_comment(why), toml_commented(toml_pair("become", PROBE))]
    lines += _excludes(newest.excludes)
    for other in host.others:
        when = _minute(other.snapshot.taken_at)
        lines.append(toml_comment(f"Until {when} it backed up, as a group of its own:"))
        lines.append(toml_commented(toml_pair("include", _writable(other.snapshot.paths))))
    return "\n".join(lines)


def _minute(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="minutes")


def _excludes(patterns: Sequence[str]) -> Iterator[str]:
    wanted = tuple(dict.fromkeys(patterns))
    fitting = [pattern for pattern in wanted if _fits(ExcludePatterns, [pattern])]
    if fitting:
        yield toml_pair("exclude", fitting)
    odd = [pattern for pattern in wanted if pattern not in fitting]
    if odd:
        yield toml_comment(f"Left out, since restic would refuse them: {', '.join(map(repr, odd))}")


def _left_out(guessed: Guessed) -> Iterator[str]:
    told: list[str] = []
    for host in guessed.hosts:
        why = _unfit(host)
        at = _minute(host.newest.snapshot.taken_at)
        if why:
            told.append(toml_comment(f"{host.name!r} cannot stand here: {why}."))
        elif host.stopped:
            paths = toml_pair("include", host.newest.snapshot.paths)
            table = f"[[hosts]]\n{toml_pair('name', host.name)}\n{paths}"
            told.append(f"{toml_comment(f'Not backed up since {at}:')}\n{toml_commented(table)}")
    if told:
        yield "\n\n".join(told)


def _unfit(host: HostSeen) -> str:
    paths = list(host.newest.snapshot.paths)
    if not _fits(Name, host.name):
        return "its name has other letters than A to Z, a to z, 0 to 9, `.`, `_` and `-`"
    if not _fits(Paths, paths) or tuple(paths) != _writable(paths):
        return f"its newest snapshot is not of full paths ({', '.join(map(repr, paths)) or 'none'})"
    return ""


def _writable(paths: Sequence[str]) -> tuple[str, ...]:
    def fits(path: str) -> bool:
        try:
            toml_text(path)
        except ValueError:
            return False
        return True

    return tuple(path for path in paths if fits(path))


def _fits(kind: Any, value: object) -> bool:
    try:
        TypeAdapter[Any](kind).validate_python(value)
    except ValidationError:
        return False
    return True


def guess_records(guessed: Guessed) -> list[Mapping[str, object]]:
    """Return what was guessed, JSON-ready."""
    return [
        {"about": one.about, "value": one.value, "sure": one.sure, "why": one.why}
        for one in guesses(guessed)
    ]
