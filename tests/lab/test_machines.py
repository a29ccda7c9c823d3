"""The provisioned lab at work: real systemd, ssh, users, rights, and every unit in its sandbox.

Goal: what `render` writes makes a working system. Method: the steps of the Vagrantfile on machines
with systemd, then the units are started as their timers would.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.conftest import CONFIG, HOSTS, Lab, provision
from tests.servers.machines import Bare

pytestmark = [pytest.mark.heavy, pytest.mark.long]

SECRETS = {"web1": "/etc/of-root", "db1": "/var/lib/dpkg/of-root"}
RESTIC = "restic --no-cache --no-lock -r /mnt/storage/restic -p /mnt/keys/restic/password"

ANYWHERE = "/var/tmp"  # noqa: S108

# As a package does it: another file takes the place of the old one, and its rights go with that.
UPGRADE = "cd /usr/bin; cp --no-preserve=all restic new && chmod 755 new && mv new restic"


@pytest.fixture(scope="module", autouse=True)
def secrets(lab: Lab) -> None:
    for name, path in SECRETS.items():
        lab.machines[name].shell(f"umask 077; echo of-root-{name} >{path}")


def backed_up(lab: Lab) -> tuple[int, list[str]]:
    """Run the unit of the cycle; return its status, and what each stage came to."""
    status, said = lab.start("run-backups.service")
    stages = [line for line in said.splitlines() if "status=" in line and "duration_s=" in line]
    return status, [line.partition(" duration_s=")[0] for line in stages]


def test_a_run_backs_up_what_only_root_may_read_both_ways(lab: Lab) -> None:
    status, stages = backed_up(lab)

    assert (0, [
        "backup host=web1 status=0", "backup host=db1 status=0", "forget status=0",
        "prune status=0", "offsite status=0", "run status=0",
    ]) == (status, stages)  # fmt: skip
    for name, path in SECRETS.items():
        dump = f"{RESTIC} dump latest --host {name} {path}"
        assert f"of-root-{name}" == lab.jak.shell(dump, user="restic")
    copied = lab.jak.shell("cd /mnt/offsite/restic && ls", user="restic")
    assert {"config", "data", "index", "keys", "snapshots"} <= set(copied.split())


def test_an_upgrade_of_restic_loses_the_right_of_its_file_alone(lab: Lab) -> None:
    for name in HOSTS:
        lab.machines[name].shell(UPGRADE)
    status, stages = backed_up(lab)
    lab.machines["web1"].shell("/usr/local/sbin/permit-restic")

    assert status != 0
    assert ["backup host=web1 status=3", "backup host=db1 status=0"] == stages[:2]


def test_who_may_run_restic_may_read_everything_only_where_its_file_may(lab: Lab) -> None:
    """Anybody in the group `restic`, for anything: a file of root's lands in a backup of theirs."""
    script = (
        "id -u spy >/dev/null 2>&1 || useradd --groups restic --create-home spy; "
        "cd /home/spy; export RESTIC_PASSWORD=x RESTIC_REPOSITORY=/home/spy/r; rm -rf r; "
        "setpriv --reuid=spy --regid=restic --init-groups sh -c "
        "'restic -q --no-cache init; restic -q --no-cache backup {0}; "
        "restic --no-cache dump latest {0}' 2>&1"
    )
    said = {n: lab.machines[n].run("bash", "-c", script.format(p))[1] for n, p in SECRETS.items()}

    assert "of-root-web1" in said["web1"]
    assert "of-root-db1" not in said["db1"]
    assert "permission denied" in said["db1"].lower()


LOCAL = """
schema = 1
[repository]
location = "/mnt/storage/own"
password-file = "/mnt/keys/restic/password"
[coordinator]
name = "jak"
log-service = "run-local"
[schedule]
times = ["04:00"]
timezone = "UTC"
[retention]
keep-daily = 30
[[hosts]]
name = "jak"
address = "local"
include = ["/etc", "/root/of-root"]
capability = "{capability}"
"""


@pytest.mark.parametrize("capability", ["ambient", "file"])
def test_a_coordinator_backs_itself_up_both_ways(lab: Lab, capability: str) -> None:
    """By its file restic has to gain the right, which no filter of systemd's may stand beside."""
    config = LOCAL.format(capability=capability)
    lab.jak.shell(
        f"umask 077; echo of-root-{capability} >/root/of-root; cat >/root/local.toml <<'END'\n"
        f"{config}END\n"
        "restic-verify render --config /root/local.toml --machine jak --into / --yes; "
        "[ ! -e /usr/local/sbin/permit-restic ] || /usr/local/sbin/permit-restic; "
        "systemctl daemon-reload"
    )
    restic = RESTIC.replace("/mnt/storage/restic", "/mnt/storage/own")
    lab.jak.shell("rm -rf /mnt/storage/own; install -d -o restic -m 0700 /mnt/storage/own")
    lab.jak.shell(f"{restic.replace('--no-lock', '')} -q init", user="restic")
    status, said = lab.start("run-local.service")
    dump = f"{restic} dump latest --host jak /root/of-root"
    stored = lab.jak.run("bash", "-c", dump, user="restic")[1].strip()
    lab.jak.shell(f"rm -f /usr/local/sbin/permit-restic; {UPGRADE}")
    provision(lab.jak)

    assert (0, f"of-root-{capability}") == (status, stored), said


def test_nobody_gains_more_than_the_backup_by_the_rule_for_it(lab: Lab) -> None:
    db1 = lab.machines["db1"]
    ask = "sudo -n /usr/local/sbin/permit-backup"

    assert "RESTIC_PASSWORD" in db1.run("bash", "-c", f"{ask} 2>&1", user="restic")[1]
    for forbidden in (f"{ask} --anything", "sudo -n /bin/sh", "sudo -n restic version"):
        status, said = db1.run("bash", "-c", f"{forbidden} 2>&1", user="restic")
        assert status != 0
        assert "password is required" in said


def test_nobody_runs_another_program_by_the_rule_for_the_probe(lab: Lab) -> None:
    """Its own interpreter reads every file, and changes none; nothing else is started at all."""
    ask = "sudo -n /usr/local/sbin/permit-probe"
    for name, path in SECRETS.items():
        machine = lab.machines[name]
        read = f"{ask} python3 -I -c 'print(open(\"{path}\").read())'"
        write = f'{ask} python3 -I -c \'open("{path}", "w")\' 2>&1'

        assert f"of-root-{name}" == machine.shell(read, user="restic").strip()
        assert "Permission denied" in machine.run("bash", "-c", write, user="restic")[1]
        for other in (f"cat {path}", f"python3 -c 1 {path}", "bash -I", ""):
            status, said = machine.run("bash", "-c", f"{ask} {other} 2>&1", user="restic")
            assert (64, True) == (status, "for the drill alone" in said)


def test_the_monthly_drill_works_in_its_sandbox(lab: Lab) -> None:
    """It reads packs, asks both hosts by ssh, restores with restic, and remembers."""
    assert 0 == backed_up(lab)[0]
    status, said = lab.start("restic-verify-monthly.service")

    assert status == 0, said
    assert "OK: " in said
    assert "2 hosts" in said
    state = lab.jak.shell(
        "stat -c '%U %a' /var/lib/restic-verify /var/lib/restic-verify/ledger.sqlite"
    )
    assert ["restic 700", "restic 600"] == state.splitlines()


def test_what_a_run_said_is_remembered_looked_at_and_tidied(lab: Lab) -> None:
    """Each in its own unit: journal to history, history to rules, and the daily end of it."""
    assert 0 == backed_up(lab)[0]
    for job in ("collect", "alert", "tidy"):
        status, said = lab.start(f"restic-verify-{job}.service")
        assert status == 0, said
    listed = lab.jak.shell(
        "restic-verify history list --json --config /etc/restic-verify/verify.toml", user="restic"
    )

    assert "OK" == json.loads(listed)["verdict"]
    assert "web1" in listed


def test_the_pages_are_served_to_this_machine(lab: Lab) -> None:
    ask = """
import time, urllib.error, urllib.request
end = time.monotonic() + 60
while True:
    try:
        page = urllib.request.urlopen("http://127.0.0.1:8642/").read().decode()
        break
    except urllib.error.HTTPError:
        raise
    except OSError:
        assert time.monotonic() < end, "nobody answers"
print(page)
"""
    status, said = lab.start("restic-verify-dashboard.service")
    answered, page = lab.jak.run("python3", "-c", ask)
    lab.jak.shell("systemctl stop restic-verify-dashboard")

    assert (0, 0) == (status, answered), said + page
    assert page.lower().startswith("<!doctype html>")
    assert {"web1", "db1"} <= set(re.findall(r"\w+", page))


@contextmanager
def instead(machine: Bare, unit: str, script: str) -> Iterator[None]:
    """Let a unit run a script in its place, in the same sandbox."""
    folder = f"/run/systemd/system/{unit}.service.d"
    lines = "[Service]\nType=oneshot\nExecStart=\nExecStart=/bin/bash /run/script\n"
    machine.shell(
        f"mkdir -p {folder}; echo -n {shlex.quote(script)} >/run/script; "
        f"echo -n {shlex.quote(lines)} >{folder}/script.conf; systemctl daemon-reload"
    )
    try:
        yield
    finally:
        machine.shell(f"rm -r {folder} /run/script; systemctl daemon-reload")


PLACES = ("/etc", "/usr", "/home/restic", "/mnt/storage/restic", "/mnt/storage/restic/locks",
          "/mnt/offsite/restic", "/var/lib/restic-verify", "/var/cache/restic-verify",
          ANYWHERE)  # fmt: skip
PROBE = f"""\
for folder in {" ".join(PLACES)}; do
  {{ : >$folder/t; }} 2>/dev/null && echo written $folder && rm $folder/t
done
cat /root/secret 2>/dev/null
[ -e /proc/1 ] && echo sees others
grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/self/status
"""


@pytest.mark.parametrize(
    ("unit", "written", "rights"),
    [
        ("run-backups", {"/mnt/storage/restic", "/mnt/storage/restic/locks", "/mnt/offsite/restic",
                         "/var/cache/restic-verify", ANYWHERE}, "0000000000000000"),
        ("restic-verify-monthly", {"/mnt/storage/restic/locks", "/var/lib/restic-verify",
                                   "/var/cache/restic-verify", ANYWHERE}, "0000000000000004"),
        ("restic-verify-alert", {"/var/lib/restic-verify", ANYWHERE}, "0000000000000000"),
        ("restic-verify-tidy", {"/var/lib/restic-verify", ANYWHERE}, "0000000000000000"),
    ],
)  # fmt: skip
def test_a_unit_may_do_what_it_needs_and_no_more(
    lab: Lab, unit: str, written: set[str], rights: str
) -> None:
    lab.jak.shell("umask 077; echo secret of root >/root/secret")
    with instead(lab.jak, unit, PROBE):
        status, said = lab.start(f"{unit}.service")
    lines = said.splitlines()
    facts = dict(line.split(":\t") for line in lines if ":\t" in line)

    assert status == 0, said
    assert written == {line.split()[1] for line in lines if line.startswith("written ")}
    assert ("1", "2", rights) == (facts["NoNewPrivs"], facts["Seccomp"], facts["CapEff"])
    assert ("secret of root" in lines) is (rights != "0" * 16)
    assert "sees others" not in lines


@pytest.mark.parametrize("name", ["jak", *HOSTS])
def test_systemd_has_nothing_to_say_of_what_is_installed(lab: Lab, name: str) -> None:
    machine = lab.machines[name]
    printed = machine.shell(f"restic-verify render --json --machine {name} --config {CONFIG}")
    names = [file["path"].rpartition("/")[2] for file in json.loads(printed)["files"]
             if file["path"].startswith("etc/systemd/")]  # fmt: skip
    _, said = machine.run("systemd-analyze", "verify", "--man=no", *names)

    assert len(names) == (11 if name == "jak" else 2)
    assert [] == [line for line in said.splitlines() if any(unit in line for unit in names)]


def test_provisioning_again_changes_nothing_and_drift_is_seen(lab: Lab) -> None:
    check = f"restic-verify render --config {CONFIG} --check / --machine"
    for name in ("jak", "db1"):
        said = provision(lab.machines[name])
        assert " unchanged" in said
        assert not {"created", "changed"} & set(said.splitlines()[0].split())
    web1 = lab.machines["web1"]
    assert 0 == web1.run("bash", "-c", f"{check} web1")[0]
    web1.shell("echo 'PermitTTY yes' >>/etc/ssh/sshd_config.d/50-restic.conf")

    status, said = web1.run("bash", "-c", f"{check} web1")
    assert (1, True) == (status, "-PermitTTY yes" in said)
    provision(web1)
    assert 0 == web1.run("bash", "-c", f"{check} web1")[0]


def test_a_new_coordinator_makes_its_repository(lab: Lab) -> None:
    lab.jak.shell("cd /mnt/storage/restic; mkdir /root/away; cp -a . /root/away; rm -r ./*")
    provision(lab.jak)
    said = lab.jak.shell(
        f"{RESTIC} snapshots; stat -c %U /mnt/storage/restic/config", user="restic"
    )
    lab.jak.shell("cd /mnt/storage/restic; rm -rf ./*; cp -a /root/away/. .; rm -r /root/away")

    assert said.endswith("restic")


def test_a_locked_key_fails_the_unit_and_says_why(lab: Lab) -> None:
    lab.jak.shell("mv /mnt/keys/restic /mnt/keys/away")
    status, said = lab.start("run-backups.service")
    lab.jak.shell("mv /mnt/keys/away /mnt/keys/restic")

    assert status != 0
    assert "password status=3 reason=key-file-absent" in said
    assert "Failed run backups." in said


def test_a_host_that_is_another_is_not_trusted(lab: Lab) -> None:
    """The coordinator learns no key by itself: the password would go to whoever answers."""
    lab.jak.shell(
        "cp /etc/ssh/ssh_known_hosts /root/known; sed -i /web1/d /etc/ssh/ssh_known_hosts"
    )
    _, stages = backed_up(lab)
    lab.jak.shell("cp /root/known /etc/ssh/ssh_known_hosts")

    assert ["backup host=web1 status=255", "backup host=db1 status=0"] == stages[:2]


def test_timers_are_armed_and_the_machines_answer_on_both_ports(lab: Lab) -> None:
    timers = ["run-backups", "restic-verify-monthly", "restic-verify-tidy"]
    lab.jak.shell(f"systemctl start {' '.join(f'{timer}.timer' for timer in timers)}")
    listed = lab.jak.shell("systemctl list-timers --no-pager --no-legend")

    assert all(f"{timer}.timer" in listed for timer in timers)
    for name in HOSTS:
        ports = lab.machines[name].shell("sshd -T | grep ^port")
        assert {"port 22", "port 50000"} == set(ports.splitlines())
