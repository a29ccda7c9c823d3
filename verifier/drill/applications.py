"""Ask restored files' own applications whether they can use them.

What the configuration names is asked for, and a refusal of it is an alarm. What is only recognised
is checked too, but where it was backed up as bad as it is, nobody promised that it was good.
Every check runs in a child process with a time limit and an environment without secrets.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from verifier.core.errors import CannotVerify
from verifier.core.exclude import parse_excludes
from verifier.core.host import Command, Completed, Host
from verifier.drill.archives import NAMES, find_kind
from verifier.drill.git import fsck, is_git, lint_only, out_of_memory
from verifier.drill.wholeness import REFUSED_STATUS

ACCEPTED, REFUSED, UNDECIDED = "accepted", "refused", "undecided"

TIMEOUT_S = 60.0
PER_PROBE = 20
"""How many files of one probe are checked that nobody asked for."""

_CHECKER = "verifier.drill.wholeness"
_NO_SUCH_PROGRAM = 127
_NOT_EXECUTABLE = 126
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KILLED = range(129, 193)
"""How a shell tells that a signal ended a program."""

_SAID = 300
_BOUNDED = (
    "sh",
    "-c",
    # Only the end of what it says on standard error is kept: it may say it without end.
    'exec 3>&2; s=$({ { "$@" 2>&1 >/dev/null 3>&- 4>&-; echo $? >&4; } | tail -c 4096 >&3; } 4>&1)'
    '; exit "$s"',
    "sh",
)

_ENDING = re.compile(r"\*[^/*?\[\]\\]+")
_SQLITE = b"SQLite format 3\0"
_POSTGRES = b"PGDMP"


@dataclass(frozen=True, slots=True)
class Application:
    """Files, or directories taken whole, that a program can judge.

    Attributes:
        files: patterns of names, or of whole paths where they hold a `/`.
        probe: `sqlite`, `git`, `archive`, `json`, `xml` or `pg-restore`; empty for
        command: words, `{path}` for the restored file; it accepts by ending with 0.
        asked: the configuration names it, so that a refusal is an alarm.
    """

    files: tuple[str, ...]
    probe: str = ""
    command: tuple[str, ...] = ()
    timeout_s: float = TIMEOUT_S
    asked: bool = True

    @property
    def name(self) -> str:
        """What it is called in findings and figures."""
        return self.probe or Path(self.command[0]).name

    def matches(self, path: str) -> bool:
        """Say whether it can judge what is at a path.

        Raises:
            ValueError: a pattern is malformed, with a sentence for the user.
        """
        endings, patterns = _compiled(self.files)
        return path.endswith(endings) or any(pattern.search(path) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Judged:
    """What an application said of one path; `said` is empty where it accepted it."""

    path: str
    application: Application
    verdict: str
    said: str = ""


RECOGNISED = (
    Application(("*.sqlite", "*.sqlite3", "*.db", "*.db3"), "sqlite", asked=False),
    Application(("*.git",), "git", asked=False),
    Application(tuple(f"*{end}" for end in NAMES), "archive", asked=False),
    Application(("*.json",), "json", asked=False),
    Application(("*.xml",), "xml", asked=False),
    Application(("*.dump", "*.pgdump"), "pg-restore", asked=False),
)
"""What is looked for by name where the configuration names nothing."""


def groups(applications: Iterable[Application]) -> Mapping[str, Callable[[str], bool]]:
    """Return what `Wanted.applications` takes: those of the configuration, then the recognised."""
    named = (*applications, *RECOGNISED)
    return {f"{place:03} {one.name}": one.matches for place, one in enumerate(named)}


def judge(
    files: Iterable[tuple[str, Path]],
    applications: Iterable[Application],
    here: Host,
    work: Path,
) -> Iterator[Judged]:
    """Yield what applications say of restored files.

    Args:
        files: the path that patterns are matched with, and the restored file or directory.
        work: an empty folder of our own, which the checks may use.

    Raises:
        Interrupted: a signal arrived.
    """
    asked = tuple(applications)
    counted: dict[str, int] = {}
    for path, file in files:
        own = [one for one in asked if one.matches(path) and _may_judge(one, file)]
        recognised = None if own else _recognised(file)
        if recognised is not None:
            counted[recognised.name] = counted.get(recognised.name, 0) + 1
            if counted[recognised.name] <= PER_PROBE:
                own = [recognised]
            else:
                said = f"{PER_PROBE} of its kind were checked"
                yield Judged(path, recognised, UNDECIDED, said)
        for application in own:
            yield Judged(path, application, *_ask(application, file, here, work))


def _may_judge(application: Application, file: Path) -> bool:
    # The `.git` of a worktree or a submodule is a file that names the repository.
    return application.probe != "git" or file.is_dir()


def recognise(file: Path) -> Application | None:
    """Return what can judge a restored file by its first bytes, or by its name and those."""
    if file.is_symlink():
        return None
    if file.is_dir():
        return _RECOGNISED["git"] if is_git(file) and file.name.endswith(".git") else None
    if not file.is_file() or file.stat().st_size == 0:
        return None
    with file.open("rb") as stream:
        start = stream.read(512)
    if start.startswith(_SQLITE):
        return _RECOGNISED["sqlite"]
    if start.startswith(_POSTGRES):
        return _RECOGNISED["pg-restore"]
    if find_kind(file) or file.suffix.lower() in NAMES:
        return _RECOGNISED["archive"]
    return _RECOGNISED.get(file.suffix.lower().lstrip(".")) if _is_text(file) else None


def _recognised(file: Path) -> Application | None:
    # What cannot even be opened was said by the comparison, which read all of it.
    try:
        return recognise(file)
    except OSError:
        return None


def _is_text(file: Path) -> bool:
    return file.suffix.lower() in (".json", ".xml")


_RECOGNISED = {one.name: one for one in RECOGNISED}


@lru_cache(maxsize=256)
def _compiled(files: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[re.Pattern[str], ...]]:
    """Return the endings and the patterns: of a million names each is asked, and endings are quick.

    A pattern of `--exclude` matches what lies beneath a match too: here it has to reach the end.
    """
    endings = tuple(text[1:] for text in files if _ENDING.fullmatch(text))
    others = [text for text in files if not _ENDING.fullmatch(text)]
    patterns = [one for one in parse_excludes(others).patterns if not one.negated]
    return endings, tuple(re.compile(rf"(?:{one.regex})\Z") for one in patterns)


def _ask(application: Application, file: Path, here: Host, work: Path) -> tuple[str, str]:
    try:
        if application.probe == "git":
            return _ask_git(application, file, here, work)
        done = _run(_argv(application, file), file.parent, application, here, work)
    except CannotVerify as error:
        return UNDECIDED, error.message
    return _verdict(application, done)


def _argv(application: Application, file: Path) -> tuple[str, ...]:
    if application.command:
        return (*_BOUNDED, *(word.replace("{path}", str(file)) for word in application.command))
    if application.probe == "pg-restore":
        return (*_BOUNDED, "pg_restore", "--list", "--", str(file))
    return (sys.executable, "-I", "-m", _CHECKER, application.probe, str(file))


def _run(
    argv: tuple[str, ...], folder: Path, application: Application, here: Host, work: Path
) -> Completed:
    # The drill's own environment may hold passwords: nothing of it is passed on.
    clean = ("env", "-i", f"PATH={_PATH}", "LC_ALL=C.UTF-8", f"HOME={work}", f"TMPDIR={work}")
    command = Command((*clean, *argv), cwd=str(folder), stdout_file="/dev/null")
    try:
        return here.run(command, timeout_s=application.timeout_s)
    except CannotVerify as error:
        # The words before its own, and the scratch folder, mean nothing to who reads a report.
        message = error.message.replace(f"`{command}`", "it")
        raise CannotVerify(error.subject, message, error.remedy) from error


def _verdict(application: Application, done: Completed) -> tuple[str, str]:
    said = done.last_lines()[:_SAID] or f"it ended with {done.status} and without a word"
    if done.status == 0:
        return ACCEPTED, ""
    if done.status in (_NO_SUCH_PROGRAM, _NOT_EXECUTABLE):
        return UNDECIDED, said
    if application.probe in ("", "pg-restore"):
        killed = done.status < 0 or done.status in _KILLED
        return (UNDECIDED if killed else REFUSED), said
    return (REFUSED if done.status == REFUSED_STATUS else UNDECIDED), said


def _ask_git(application: Application, folder: Path, here: Host, work: Path) -> tuple[str, str]:
    prepared = fsck(folder, work)
    if isinstance(prepared, str):
        return UNDECIDED, prepared
    done = _run(prepared, work, application, here, work)
    if done.status in (_NO_SUCH_PROGRAM, _NOT_EXECUTABLE) or done.status < 0:
        return UNDECIDED, done.last_lines()[:_SAID]
    if out_of_memory(done):
        return UNDECIDED, "git needs more memory for it than a check may take"
    if done.status == 0 or lint_only(done):
        return ACCEPTED, ""
    return REFUSED, done.last_lines()[:_SAID]
