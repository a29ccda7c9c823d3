"""A whole `monthly` over ssh, as a user who may not read everything, and as one who may.

Goal: what the timer's job says of a host where only restic reads everything. Method: a real sshd
lets an ordinary user in; the live tree holds what only root may read; then the very files that
`render` prints are installed there, and sudo runs the probe. Red where what cannot be read passes
for verified, or alarms; where the rendered files do not give the right; or where a host that is
lost takes the others with it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drill.lab import PASSWORD, Lab
from tests.servers.outpost import USER, Outpost, outpost
from verifier.cli.main import main
from verifier.simulate.forge import cheapen

__all__ = ("outpost",)

pytestmark = [pytest.mark.heavy]

CONFIG = """
schema = 1
[repository]
location = "{lab.repository}"
password-file = "{lab.root}/password"
[coordinator]
name = "jak"
[schedule]
times = ["04:00"]
timezone = "UTC"
[retention]
keep-daily = 30
[history]
file = "{lab.ledger}.history"
[monthly]
scratch = "{lab.scratch}"
ledger = "{lab.ledger}"
workers = 1
[[hosts]]
name = "web1"
address = "127.0.0.1"
port = {host.port}
user = "{user}"
python = "/usr/bin/python3"
include = ["{lab.live}/web1"]
{become}
[[hosts]]
name = "db1"
address = "local"
include = ["{lab.live}/db1"]
"""

BECOME = 'become = ["sudo", "-n", "/usr/local/sbin/permit-probe"]'
Report = dict[str, Any]
Run = Callable[[], tuple[int, Report]]


@pytest.fixture
def lab(outpost: Outpost, restic_program: str) -> Iterator[Lab]:
    """Two hosts with a snapshot each; of the one behind ssh half the files are for root alone."""
    root = outpost.root / "lab"
    (root / "live").mkdir(parents=True)
    lab = Lab(root, restic_program)
    (root / "password").write_text(PASSWORD)
    lab.restic("init")
    cheapen(lab.repository, PASSWORD)
    lab.write(
        web1__page=os.urandom(3 << 20), web1__key=b"key", web1__shut__in=b"in", db1__rows=b"r"
    )
    (lab.live / "web1" / "key").chmod(0o600)
    (lab.live / "web1" / "shut").chmod(0o700)
    for name in ("web1", "db1"):
        lab.backup(f"{lab.live}/{name}", host=name)
    return lab


@pytest.fixture
def run(lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command; return its exit code and its report."""
    monkeypatch.chdir(lab.root)
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(lab.root / "cache"))

    def call(*words: str) -> tuple[int, Report]:
        status = main([*(words or ("monthly",)), "--json"])
        said = capsys.readouterr()
        assert "Traceback" not in said.err, said.err
        return status, json.loads(said.out)

    return call


def configure(lab: Lab, host: Outpost, become: str = "") -> None:
    """Write the configuration."""
    text = CONFIG.format(lab=lab, host=host, user=USER, become=become)
    (lab.root / "verify.toml").write_text(text)


def install(run: Run, host: Outpost) -> None:
    """Install on the host what `render` prints for it."""
    _, report = run("render", "all")
    files = {f["path"]: f for f in report["files"]}
    for path, folder in (
        ("hosts/web1/usr/local/sbin/permit-probe", host.sbin),
        ("hosts/web1/etc/sudoers.d/restic-verify", host.sudoers),
    ):
        target = folder / Path(path).name
        target.write_text(files[path]["text"])
        target.chmod(int(files[path]["mode"], 8))


def above_ok(lab: Lab, report: Report) -> set[tuple[str, str]]:
    """Return kind and subject of what is above OK, the live folder left out."""
    return {
        (f["kind"], f["subject"].replace(str(lab.live), ""))
        for f in report["findings"]
        if f["severity"] != "OK"
    }


def test_what_the_user_may_not_read_is_a_warning_with_a_way_out(
    lab: Lab, outpost: Outpost, run: Run
) -> None:
    configure(lab, outpost)
    status, report = run()
    found = [f for f in report["findings"] if f["kind"] == "unreadable"]

    assert (1, "WARNING") == (status, report["verdict"])
    assert {("unreadable", f"web1:/web1/{name}") for name in ("key", "shut", "shut/in")} == (
        above_ok(lab, report)
    )
    assert 2 == sum("restic-verify render all" in f["detail"] for f in found)


def test_the_rendered_files_let_the_probe_read_everything(
    lab: Lab, outpost: Outpost, run: Run
) -> None:
    configure(lab, outpost, BECOME)
    refused, before = run()
    install(run, outpost)
    status, report = run()

    assert (3, {("could-not-verify", "web1")}) == (refused, above_ok(lab, before))
    assert (0, set()) == (status, above_ok(lab, report))
    assert report["coverage"]["checked"] == report["coverage"]["total"]
    (lab.live / "web1" / "shut" / "in").write_bytes(b"IN")
    status, report = run()
    assert (0, set()) == (status, above_ok(lab, report))
    assert ["changed"] == [f["kind"] for f in report["findings"] if f["kind"] != "added"]


def gone(host: Outpost) -> None:
    """Switch the host off."""
    host.stop()


def replaced(host: Outpost) -> None:
    """Put a host with another key in its place."""
    host.stop()
    for name in ("host", "host.pub"):
        (host.root / name).unlink()
    keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host.root / "host"))
    subprocess.run(keygen, check=True)
    host.start()


def chatty(host: Outpost) -> None:
    """Let a login print something of its own."""
    host.stop()
    settings = host.root / "sshd_config"
    line = 'ForceCommand echo Welcome to web1; eval "$SSH_ORIGINAL_COMMAND"'
    settings.write_text(f"{settings.read_text()}{line}\n")
    host.start()


@pytest.mark.parametrize(
    ("befall", "said", "remedy"),
    [
        (gone, "Connection refused", "works by itself"),
        (replaced, "Host key verification failed", "works by itself"),
        (chatty, "the answer of the probe is not whole", "prints nothing of its own"),
    ],
)
def test_a_host_that_cannot_be_looked_at_is_unknown_and_the_others_stand(
    lab: Lab, outpost: Outpost, run: Run, befall: Callable[[Outpost], None], said: str, remedy: str
) -> None:
    configure(lab, outpost)
    run()
    befall(outpost)
    status, report = run()
    (finding,) = (f for f in report["findings"] if f["severity"] != "OK")

    assert (3, "could-not-verify", "web1") == (status, finding["kind"], finding["subject"])
    assert said in finding["detail"]
    assert remedy in finding["evidence"]["remedy"]
    assert ["db1"] == [host["host"] for host in report["drill"]["hosts"]]
    assert ["web1", "db1"] == [one["host"] for one in report["drill"]["rehearsals"]]
    assert {"web1", "db1"} == {host["host"] for host in report["audit"]["hosts"]}
