"""The coordinator's units: the cycle, the monthly drill, the jobs beside them, the pages.

All of them share one template of what they may do (`sandbox.j2`); what one of them needs beyond
that is its `Sandbox`, and its unit says why.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from ipaddress import ip_address
from typing import Literal

from verifier.config.models import Config
from verifier.cycle.file import SETTINGS, File
from verifier.cycle.template import fill, nearest_word

UNITS = "etc/systemd/system"
STATE = "/var/lib/restic-verify"

TIDY_AT = time(5, 30)
"""When old history goes, in the schedule's zone."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a unit may do beyond what all may.

    Attributes:
        right: to read every file: `inherited` by all that it starts, `gained` by a restic that has
            it in its file, `permitted` to one that is not to gain it, or none.
        writes: paths besides its folders of state and cache.
        sees_all: it reads this machine's own files, so none may be hidden from it.
        restores: it gives files their owner back.
        offline: it speaks to nobody.
        loopback: it speaks to this machine alone.
    """

    right: Literal["none", "inherited", "gained", "permitted"] = "none"
    writes: tuple[str, ...] = ()
    sees_all: bool = False
    restores: bool = False
    offline: bool = False
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A unit that runs one command of restic-verify.

    Attributes:
        every_s, daily_at: when its timer fires; one of the two, or none for what serves.
        after: a unit that goes first where both are due.
        success: exit codes, besides 0, with which all is well with the unit itself.
    """

    name: str
    about: str
    arguments: str
    sandbox: Sandbox
    every_s: int = 0
    daily_at: str = ""
    after: str = ""
    success: str = ""
    reads_journal: bool = False
    serves: bool = False

    @property
    def unit(self) -> str:
        """The unit's name, without its ending."""
        return f"restic-verify-{self.name}"


def units(config: Config) -> dict[str, File]:
    """Return every unit of the coordinator by its path."""
    found = _cycle(config) | _monthly(config)
    for job in _jobs(config):
        texts = {f"{job.unit}.service": _filled("restic-verify-job.service", config, job=job)}
        if not job.serves:
            texts[f"{job.unit}.timer"] = _filled("restic-verify-job.timer", config, job=job)
        found |= {f"{UNITS}/{name}": File(text, SETTINGS) for name, text in texts.items()}
    return found


def _cycle(config: Config) -> dict[str, File]:
    local = [host for host in config.hosts if host.is_local]
    offsite = config.offsite
    places = [config.repository.location, offsite.target if offsite else ""]
    sandbox = Sandbox(
        right="permitted"
        if not local
        else "gained"
        if any(host.capability == "file" for host in local)
        else "inherited",
        writes=(*(("/tmp", "/var/tmp") if local else ()), *_writable(places)),  # noqa: S108
        sees_all=bool(local),
    )
    service = _filled("run-backups.service", config, sandbox=sandbox)
    path = f"{UNITS}/{config.coordinator.log_service}"
    return {
        f"{path}.service": File(service, SETTINGS),
        f"{path}.timer": File(_filled("run-backups.timer", config), SETTINGS),
    }


def _monthly(config: Config) -> dict[str, File]:
    drill, repository = config.monthly, config.repository.location
    shared = ("/tmp", "/var/tmp")  # noqa: S108 - as it is, to see what was backed up of it
    # restic locks what it restores from: of the repository, that alone may be written.
    locks = f"{repository.rstrip('/')}/locks"
    sandbox = Sandbox(
        right="inherited",
        writes=_writable([*shared, locks, _above(drill.scratch), *_kept(config)]),
        sees_all=True,
        restores=True,
    )
    path = f"{UNITS}/restic-verify-monthly"
    service = _filled("restic-verify-monthly.service", config, sandbox=sandbox)
    return {
        f"{path}.service": File(service, SETTINGS),
        f"{path}.timer": File(_filled("restic-verify-monthly.timer", config), SETTINGS),
    }


def collect_words(config: Config) -> tuple[str, ...]:
    """Return the command that collects: what somebody else puts into a table is read from there.

    Read from the journal, it would be sent to that table once more.
    """
    table = config.alerts.source == "clickhouse"
    return ("collect", "--from", "clickhouse") if table else ("collect",)


def _jobs(config: Config) -> tuple[Job, ...]:
    every_s = int(config.jobs.alert_every.total_seconds())
    open_line, shut = Sandbox(writes=_kept(config)), Sandbox(writes=_kept(config), offline=True)
    loopback = ip_address(config.dashboard.address).is_loopback
    # A repository far away is read over the network.
    far = config.dashboard.read_repository and not config.repository.location.startswith("/")
    pages = Sandbox(writes=_kept(config), loopback=loopback and not far)
    collect = Job(
        "collect",
        "what the runs said",
        " ".join(collect_words(config)),
        open_line,
        every_s,
        reads_journal=config.alerts.source == "history",
    )
    alert = Job(
        "alert",
        "the alert rules",
        "alert",
        open_line,
        every_s,
        after=f"{collect.unit}.service",
        success="1 2",
    )
    return (
        collect,
        alert,
        Job("tidy", "what is too old to keep", "history tidy", shut, daily_at=f"{TIDY_AT:%H:%M}"),
        Job("dashboard", "the pages", "dashboard", pages, serves=True),
    )


def _kept(config: Config) -> tuple[str, ...]:
    """Return the folders of what restic-verify keeps outside of its folder of state."""
    return tuple(
        path
        for path in _writable(_above(file) for file in _state_files(config))
        if path != STATE and not path.startswith(f"{STATE}/")
    )


def _state_files(config: Config) -> tuple[str, ...]:
    prometheus, evidence = config.sinks.prometheus, config.evidence
    return (
        config.monthly.ledger,
        config.history.file,
        # Folders: what is above them is where they can be made.
        config.history.spool,
        *((evidence.folder,) if evidence else ()),
        *((prometheus.textfile,) if prometheus and prometheus.textfile else ()),
    )


def _above(path: str) -> str:
    folder = posixpath.dirname(posixpath.normpath(path))
    return path if folder == "/" else folder


def _writable(paths: Iterable[str]) -> tuple[str, ...]:
    found = (nearest_word(path) for path in paths if path.startswith("/"))
    return tuple(dict.fromkeys(found))


def _filled(template: str, config: Config, **values: object) -> str:
    return fill(
        template,
        coordinator=config.coordinator,
        times=config.times,
        timezone=config.schedule.timezone,
        jobs=config.jobs,
        delay_s=int(config.jobs.delay.total_seconds()),
        remote=config.offsite and config.offsite.remote,
        keeps_state=any(file.startswith(f"{STATE}/") for file in _state_files(config)),
        **values,
    )
