"""The coordinator's units, held against systemd's own opinion of them."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cycle.test_render import changed, install, one_host
from verifier.config.models import Config
from verifier.cycle.render import render
from verifier.cycle.units import UNITS

WORST_TENTHS = 29
"""`systemd-analyze security` counts to 10.0; what is above 2.9 is refused."""

LOCAL = one_host(address="local")
SYSTEMS: dict[str, dict[str, Any]] = {
    "example": {},
    "this machine by ambient": {"hosts": one_host(address="local", capability="ambient")},
    "elsewhere": {
        "history": {"file": "/srv/history/h.sqlite", "spool": "/srv/spool"},
        "monthly": {"ledger": "/srv/led ger/50%/l.sqlite", "scratch": "/scratch"},
        "sinks": {"prometheus": {"textfile": "/var/lib/node-exporter/restic.prom"}},
        "evidence": {"key": "/etc/restic-verify/key"},
        "dashboard": {"listen": "0.0.0.0:80", "token": {"file": "/token"}},
        "jobs": {"monthly-day": 7, "monthly-time": "06:30", "delay": "90min", "alert-every": "30s"},
    },
}


def rendered(folder: Path, **tables: Any) -> Path:
    """Install the coordinator's units, each with a program that is there; return their folder."""
    install(render(system(**tables)), folder)
    units = folder / "coordinator" / UNITS
    for service in units.glob("*.service"):
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", service.read_text(), flags=re.M)
        service.write_text(text)
    return units


def system(**tables: Any) -> Config:
    """Return the example with some tables replaced, and a password."""
    return changed(**{"repository": {"location": "/r", "password-file": "/p"}, **tables})


def complaints(units: Path) -> list[str]:
    """Return what systemd says of the units: it exits with 0 on keys that it does not know."""
    names = sorted(str(path) for path in units.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        check=False,
        capture_output=True,
        text=True,
        env={"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": os.environ["PATH"]},
    )
    ours = [str(units), *(path.name for path in units.iterdir())]
    return [line for line in done.stderr.splitlines() if any(name in line for name in ours)]


def exposed(service: Path, tenths: int = WORST_TENTHS) -> bool:
    """Say whether a unit may do more than is allowed."""
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={tenths}"]
    done = subprocess.run([*command, str(service)], check=False, capture_output=True, text=True)
    assert "Overall exposure level" in done.stdout, done.stderr
    return done.returncode != 0


def settings(text: str) -> dict[str, list[str]]:
    """Return the settings of a unit, in order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def service(name: str, **tables: Any) -> dict[str, list[str]]:
    """Return the settings of a rendered service or timer."""
    return settings(render(system(**tables))[f"coordinator/{UNITS}/{name}"].text)


@pytest.mark.parametrize("tables", SYSTEMS.values(), ids=SYSTEMS)
def test_systemd_has_nothing_to_say_and_little_is_exposed(
    tmp_path: Path, tables: dict[str, Any]
) -> None:
    units = rendered(tmp_path, **tables)
    names = {path.name for path in units.glob("*.service")}

    assert {"run-backups", "restic-verify-monthly", "restic-verify-alert", "restic-verify-collect",
            "restic-verify-tidy", "restic-verify-dashboard",
            } == {name.removesuffix(".service") for name in names}  # fmt: skip
    assert [] == complaints(units)
    assert [] == [name for name in sorted(names) if exposed(units / name)]


def test_every_unit_gives_a_command_what_it_understands() -> None:
    """Red where a command is renamed, or no longer takes what its unit tells it."""
    from verifier.cli.main import COMMANDS, Parser

    for name, file in render(system()).items():
        started = re.search(r"^ExecStart=/usr/local/bin/restic-verify (.+)$", file.text, re.M)
        if started:
            command, *words = started[1].split()
            parser = Parser(prog=name)
            importlib.import_module(f"verifier.cli.{command}").add_options(parser)

            assert command in COMMANDS
            assert "/etc/restic-verify/verify.toml" == parser.parse_args(words).config


@pytest.mark.parametrize(
    ("setting", "other"), [("Nice=10", "Nicer=10"), ("ProtectHome=read-only", "ProtectHome=most")]
)
def test_a_slip_in_a_unit_would_be_noticed(tmp_path: Path, setting: str, other: str) -> None:
    units = rendered(tmp_path)
    path = units / "run-backups.service"
    path.write_text(path.read_text().replace(setting, other))

    assert complaints(units)


def test_a_unit_without_its_sandbox_would_be_noticed(tmp_path: Path) -> None:
    path = rendered(tmp_path) / "restic-verify-monthly.service"
    path.write_text(path.read_text().replace("SystemCallFilter=", "# "))

    assert exposed(path)


def test_a_restic_that_gains_its_right_costs_the_filters(tmp_path: Path) -> None:
    """What is a filter of calls to systemd makes NoNewPrivileges of itself: restic would fail."""
    coupled = {"SystemCallFilter", "SystemCallArchitectures", "RestrictAddressFamilies",
               "RestrictNamespaces", "PrivateDevices", "ProtectKernelTunables", "ProtectClock",
               "ProtectKernelModules", "ProtectKernelLogs", "MemoryDenyWriteExecute",
               "RestrictRealtime", "RestrictSUIDSGID", "DynamicUser", "LockPersonality",
               "ProtectHostname", "NoNewPrivileges"}  # fmt: skip

    units = rendered(tmp_path, hosts=LOCAL)

    assert set() == coupled & service("run-backups.service", hosts=LOCAL).keys()
    assert [] == complaints(units)
    assert not exposed(units / "run-backups.service", 69)
    assert coupled - {"DynamicUser"} == coupled & service("run-backups.service").keys()


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (one_host(), (None, "yes")),
        (LOCAL, (None, None)),
        (one_host(address="local", capability="ambient"), ("CAP_DAC_READ_SEARCH", "yes")),
    ],
    ids=["remote", "local by file", "local by ambient"],
)
def test_the_cycle_has_the_right_that_its_own_machine_needs(
    hosts: list[dict[str, Any]], expected: tuple[str | None, str | None]
) -> None:
    found = service("run-backups.service", hosts=hosts)

    assert expected == tuple(
        found.get(name, [None])[0] for name in ("AmbientCapabilities", "NoNewPrivileges")
    )
    assert ["CAP_DAC_READ_SEARCH"] == found["CapabilityBoundingSet"]


def test_the_drill_is_given_one_right_and_sees_the_whole_machine() -> None:
    found = service("restic-verify-monthly.service")
    hiding = {"PrivateTmp", "PrivateMounts", "RootDirectory", "PrivateDevices", "ProtectKernelLogs",
              "ProtectKernelModules", "InaccessiblePaths", "TemporaryFileSystem"}  # fmt: skip

    assert ["CAP_DAC_READ_SEARCH"] == found["AmbientCapabilities"] == found["CapabilityBoundingSet"]
    assert ["read-only"] == found["ProtectHome"]
    assert set() == hiding & found.keys()


def test_the_drill_may_give_back_every_mode() -> None:
    """A rehearsal whose setuid files come back without their mode would tell of `metadata`."""
    drill, cycle = (service(f"{name}.service") for name in ("restic-verify-monthly", "run-backups"))

    assert "RestrictSUIDSGID" not in drill
    assert "@chown" in drill["SystemCallFilter"]
    assert ["yes"] == cycle["RestrictSUIDSGID"]


def test_the_drill_cannot_write_to_what_it_drills() -> None:
    written = service("restic-verify-monthly.service")["ReadWritePaths"]
    backups = service("run-backups.service")["ReadWritePaths"]

    assert ["-/tmp", "-/var/tmp", "-/r/locks"] == written
    assert ["-/r"] == backups


USUAL = {"-/tmp", "-/var/tmp", "-/r/locks"}


@pytest.mark.parametrize(
    ("tables", "more", "own"),
    [
        ({}, set(), True),
        ({"monthly": {"ledger": "/srv/d/l"}}, {"-/srv/d"}, True),
        (SYSTEMS["elsewhere"],
         {"-/scratch", '"-/srv/led ger/50%%"', "-/srv/history", "-/srv",
          "-/var/lib/node-exporter"}, True),
        ({"monthly": {"ledger": "/a/l"}, "history": {"file": "/a/h", "spool": "/a/s"}},
         {"-/a"}, False),
    ],
)  # fmt: skip
def test_what_is_kept_elsewhere_may_be_written(
    tables: dict[str, Any], more: set[str], own: bool
) -> None:
    """Nobody but root may make a folder in /var/lib, and the drill is not root."""
    found = service("restic-verify-monthly.service", **tables)

    assert USUAL | more == set(found["ReadWritePaths"])
    assert own is ("StateDirectory" in found)


def test_no_path_becomes_another_setting() -> None:
    """What cannot stand in a list of paths is allowed by the nearest folder above it that can."""
    ledger = '/srv/a"b/new\nExecStart=/bin/sh/l.sqlite'
    found = service("restic-verify-monthly.service", monthly={"ledger": ledger})

    assert "-/srv" in found["ReadWritePaths"]
    assert 1 == len(found["ExecStart"])


@pytest.mark.parametrize(
    ("name", "tables", "expected"),
    [
        ("run-backups", {}, "*-*-* 04:00:00 America/Los_Angeles"),
        ("restic-verify-monthly", {}, "*-*-01 12:00:00 America/Los_Angeles"),
        ("restic-verify-monthly", SYSTEMS["elsewhere"], "*-*-07 06:30:00 America/Los_Angeles"),
        ("restic-verify-tidy", {}, "*-*-* 05:30:00 America/Los_Angeles"),
    ],
)
def test_timers_fire_as_configured(name: str, tables: dict[str, Any], expected: str) -> None:
    found = service(f"{name}.timer", **tables)

    assert [expected] == found["OnCalendar"]
    assert ["true"] == found["Persistent"]
    command = ["systemd-analyze", "calendar", expected]
    assert 0 == subprocess.run(command, check=False, capture_output=True).returncode


@pytest.mark.parametrize(("tables", "delay"), [({}, "3600s"), (SYSTEMS["elsewhere"], "5400s")])
def test_the_monthly_start_is_put_off_at_random(tables: dict[str, Any], delay: str) -> None:
    assert [delay] == service("restic-verify-monthly.timer", **tables)["RandomizedDelaySec"]
    assert "RandomizedDelaySec" not in service("run-backups.timer", **tables)


@pytest.mark.parametrize("name", ["restic-verify-alert", "restic-verify-collect"])
def test_the_rules_are_looked_at_as_often_as_configured(name: str) -> None:
    assert ["300s"] == service(f"{name}.timer")["OnUnitActiveSec"]
    assert ["30s"] == service(f"{name}.timer", **SYSTEMS["elsewhere"])["OnUnitActiveSec"]


@pytest.mark.parametrize("name", ["run-backups", "restic-verify-monthly", "restic-verify-alert",
                                  "restic-verify-collect", "restic-verify-tidy",
                                  "restic-verify-dashboard"])  # fmt: skip
def test_everything_runs_as_the_coordinators_user(name: str) -> None:
    coordinator = {"name": "jak", "user": "keeper", "group": "backup"}
    usual, other = service(f"{name}.service"), service(f"{name}.service", coordinator=coordinator)

    assert (["restic"], ["restic"]) == (usual["User"], usual["Group"])
    assert (["keeper"], ["backup"]) == (other["User"], other["Group"])


def test_the_pages_speak_to_this_machine_alone_unless_told_otherwise() -> None:
    name = "restic-verify-dashboard.service"

    assert ["any"] == service(name)["IPAddressDeny"]
    assert "IPAddressDeny" not in service(name, **SYSTEMS["elsewhere"])


def test_who_tidies_speaks_to_nobody_and_who_collects_reads_the_journal() -> None:
    assert ["yes"] == service("restic-verify-tidy.service")["PrivateNetwork"]
    assert "PrivateNetwork" not in service("restic-verify-alert.service")
    assert ["systemd-journal"] == service("restic-verify-collect.service")["SupplementaryGroups"]


def test_incident_that_goes_on_is_no_failed_unit() -> None:
    """Its exit codes are those of a verdict; what could not be looked at still fails it."""
    assert ["1 2"] == service("restic-verify-alert.service")["SuccessExitStatus"]
    for name in ("run-backups", "restic-verify-monthly", "restic-verify-collect",
                 "restic-verify-tidy", "restic-verify-dashboard"):  # fmt: skip
        assert "SuccessExitStatus" not in service(f"{name}.service")


TABLE = {
    "sinks": {"clickhouse": {"url": "http://logs:8123"}},
    "alerts": {"source": "clickhouse"},
}


def test_what_somebody_else_puts_into_a_table_is_not_collected_twice() -> None:
    """Read from the journal it would be sent there once more."""
    usual, table = (service("restic-verify-collect.service", **it) for it in ({}, TABLE))

    assert "collect --config" in usual["ExecStart"][0]
    assert "collect --from clickhouse --config" in table["ExecStart"][0]
    assert "SupplementaryGroups" not in table


@pytest.mark.parametrize(("location", "shut"), [("/r", True), ("s3:host/bucket", False)])
def test_pages_reach_the_repository_that_they_are_to_read(location: str, shut: bool) -> None:
    repository = {"location": location, "password-file": "/p"}
    name = "restic-verify-dashboard.service"
    reads = service(name, repository=repository, dashboard={"read-repository": True})

    assert shut is ("IPAddressDeny" in reads)
    assert "IPAddressDeny" in service(name, repository=repository)
