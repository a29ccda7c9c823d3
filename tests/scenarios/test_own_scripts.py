"""Scripts of the user's own under test: run as they are, and judged by what they leave behind.

Real scripts with full paths, written as such scripts are; each wrong one differs from the right one
in what its name says, and must be found out by that.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.cli.console import report
from tests.cli.console import run as console
from tests.simulate.lab import run as simulate
from tests.simulate.lab import timeline
from verifier.cli.context import Context
from verifier.cli.scenario_worlds import Laboratory, open_laboratory
from verifier.clock.system import SystemClock
from verifier.config.scenario import load_scenario, parse_scenario
from verifier.core.errors import CannotVerify, ConfigError
from verifier.core.host import Command, Completed
from verifier.fleet.local import LocalHost
from verifier.simulate.scenario_expect import Seen
from verifier.simulate.worlds.machines import Machines
from verifier.simulate.worlds.unspoken import UNSEEN

FORGET = "restic forget -q --keep-daily 2 --group-by host,paths --prune || rc=1\n"
SCRIPT = """\
#!/bin/bash
# Our nightly run, grown over the years.
export RESTIC_REPOSITORY=/mnt/storage/restic
RESTIC_PASSWORD=$(< /mnt/keys/restic/password) || exit 9
export RESTIC_PASSWORD
rc=0
for h in web1 db1.example.org; do
    ssh -oBatchMode=yes -o SendEnv=RESTIC_PASSWORD -p 50000 "restic@$h" backup-restic || rc=1
done
restic forget -q --keep-daily 2 --group-by host,paths --prune || rc=1
rclone sync --exclude "/locks/**" /mnt/storage/restic offsite:restic || rc=1
date "+%F done by $(hostname)" >> /var/log/our-backups.log
exit $rc
"""

HOST_SCRIPT = """\
#!/bin/sh
export RESTIC_REPOSITORY=/mnt/jak/restic
exec restic backup -q --exclude-caches /srv/www /etc
"""

FILE = """\
schema = 1

[scenario]
about = "Our own script."
fidelity = ["cycle"]

[system]
run-backups = "./our-run-backups.sh"

[retention]
keep-daily = 2

[[hosts]]
name = "web1"
include = ["/etc", "/srv/www"]
repository = "/mnt/jak/restic"

[[hosts]]
name = "db1"
address = "db1.example.org"
include = ["/var/backups"]

[offsite]
method = "rclone-sync"
target = "offsite:restic"

[simulate]
start = 2024-03-04
days = 4

[[simulate.down]]
host = "db1"
from = 2024-03-05
to = 2024-03-05

[expect]
verdict = "OK"

[[expect.survivors]]
host = "web1"
count = 2
"""


SYSTEM = """\
[repository]
location = "/mnt/storage/restic"
password-file = "/mnt/keys/restic/password"

[coordinator]
name = "jak"

[schedule]
times = ["04:00"]
timezone = "America/Los_Angeles"

"""
CONFIG = (
    FILE[: FILE.index("[scenario]")]
    + SYSTEM
    + FILE[FILE.index("[system]") : FILE.index("[expect]")]
)


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with open_laboratory(Context(SystemClock(), dict(os.environ), io.StringIO())) as opened:
        yield opened


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def show(
    laboratory: Laboratory, folder: Path, script: str, file: str = FILE, rung: str = "cycle"
) -> Seen:
    """Run the scenario with that script."""
    write(folder, "our-run-backups.sh", script)
    (folder / "own.toml").write_text(file)
    return laboratory.run(load_scenario(folder / "own.toml"), rung)


def found(seen: Seen) -> set[tuple[str, str]]:
    """Return the findings but for what the audit says of the day on which db1 is down."""
    return {(f.kind, f.subject) for f in seen.findings if f.kind != "gap"}


@pytest.mark.heavy
@pytest.mark.parametrize("rung", ["cycle", "fleet"])
def test_script_that_is_right_is_run_as_it_is_and_well(
    laboratory: Laboratory, tmp_path: Path, rung: str
) -> None:
    """Goal: full paths, an alias, a log file, `rclone` and `hostname` mean the simulation's.

    Both scripts are the user's; the second names paths in another order than the file does.
    """
    write(tmp_path, "web1.sh", HOST_SCRIPT)
    own = 'repository = "/mnt/jak/restic"\nbackup-restic = "web1.sh"\n'
    file = FILE.replace('repository = "/mnt/jak/restic"\n', own)
    seen = show(laboratory, tmp_path, SCRIPT, file, rung)

    assert set() == found(seen)
    assert {"web1": 2, "db1": 2} == {
        host: sum(s.host == host for s in seen.survivors) for host in ("web1", "db1")
    }
    assert {("/etc", "/srv/www"), ("/var/backups",)} == {
        tuple(sorted(s.paths)) for s in seen.survivors
    }
    assert not Path("/var/log/our-backups.log").exists()
    assert not Path("/mnt/storage/restic").exists()


GROUPS = ("web1 /etc, /srv/www", "db1 /var/backups")
FORGETS_FIRST = SCRIPT.replace(FORGET, "").replace("rc=0\n", f"rc=0\n{FORGET}")
WRONG = {
    "forgets before it backs up": (
        FORGETS_FIRST,
        {(kind, group) for kind in ("disagreement", "over-bound") for group in GROUPS},
    ),
    "keeps the last one only": (
        SCRIPT.replace("--keep-daily 2", "--keep-last 1"),
        {(kind, group) for kind in ("disagreement", "promise-broken") for group in GROUPS},
    ),
    "swallows errors": (
        SCRIPT.replace("exit $rc", "exit 0"),
        {("step-failed", "run-backups")},
    ),
    "leaves a host out": (
        SCRIPT.replace(" db1.example.org", ""),
        {("step-failed", "db1"), ("step-failed", "run-backups"), ("empty", "db1")},
    ),
    "does not sync": (
        SCRIPT.replace("rclone sync", ": rclone sync"),
        {("step-failed", "off-site")},
    ),
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", WRONG)
def test_script_that_is_wrong_is_found_out(
    laboratory: Laboratory, tmp_path: Path, name: str
) -> None:
    script, expected = WRONG[name]
    assert SCRIPT != script

    assert expected == found(show(laboratory, tmp_path, script))


@pytest.mark.heavy
def test_prune_that_was_forgotten_is_found_out(laboratory: Laboratory, tmp_path: Path) -> None:
    """Every file is another one on the last day, so that what forget removed is needed nowhere."""
    change = '[[faults.files-rewritten]]\nhost = "web1"\nfrom = 2024-03-06\n\n[expect]'
    file = FILE.replace("[expect]", change)

    assert ("unreachable-data", "2024-03-07") not in found(show(laboratory, tmp_path, SCRIPT, file))
    without = SCRIPT.replace(" --prune", "")
    assert ("unreachable-data", "2024-03-07") in found(show(laboratory, tmp_path, without, file))


@pytest.mark.heavy
def test_host_script_that_backs_nothing_up_is_found_out(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    """The generated coordinator believes its exit status; the repository does not."""
    write(tmp_path, "all.sh", "#!/bin/sh\nrestic backup -q /nowhere || true\n")
    file = FILE.replace('run-backups = "./our-run-backups.sh"', 'backup-restic = "all.sh"')
    seen = show(laboratory, tmp_path, SCRIPT, file)

    assert ("disagreement", "web1 /etc, /srv/www") in found(seen)
    assert () == seen.survivors


@pytest.mark.heavy
def test_include_that_no_machine_of_a_cycle_can_have_is_refused(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    with pytest.raises(CannotVerify, match="backs up /usr"):
        show(laboratory, tmp_path, SCRIPT, FILE.replace('"/var/backups"', '"/usr/local"'))


@pytest.mark.heavy
def test_simulation_runs_the_scripts_of_its_configuration(tmp_path: Path) -> None:
    """A script that swallows errors, on a day on which a host is down; and it says what it sees."""
    write(tmp_path, "our-run-backups.sh", WRONG["swallows errors"][0])
    (tmp_path / "verify.toml").write_text(CONFIG.replace("days = 4", "days = 2"))
    ended = simulate(f"--config {tmp_path / 'verify.toml'} --fidelity cycle --segments 2")

    assert [("step-failed", "run-backups")] == [(f.kind, f.subject) for f in ended.findings]
    assert UNSEEN in timeline(ended)["notes"]
    assert 1 == ended.inputs["segments"]


@dataclass(frozen=True)
class Powerless:
    """This machine without the right to make namespaces."""

    name = "powerless"

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        argv = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", *command.argv)
        return LocalHost().run(replace(command, argv=argv), timeout_s=timeout_s)


@pytest.mark.heavy
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give the right away")
def test_machine_that_permits_no_namespaces_is_refused(tmp_path: Path) -> None:
    scenario = parse_scenario(FILE, "own.toml")
    folder = tmp_path / "system"
    machines = Machines(folder, scenario.config, ())
    for name in ("keys", "repository", "offsite"):
        (folder / name).mkdir(parents=True)
    machines.install({})
    machines.check(LocalHost())

    with pytest.raises(CannotVerify, match="no machines of their own can be made here"):
        machines.check(Powerless())


def refused(folder: Path, file: str = FILE) -> ConfigError:
    (folder / "own.toml").write_text(file)
    with pytest.raises(ConfigError) as caught:
        load_scenario(folder / "own.toml").own()
    return caught.value


def test_script_that_is_not_there_is_said_with_file_key_and_remedy(tmp_path: Path) -> None:
    error = refused(tmp_path)

    assert (str(tmp_path / "own.toml"), 8, "system.run-backups") == (
        error.file,
        error.line,
        error.key,
    )
    assert "no such file" in error.found
    assert str(tmp_path / "our-run-backups.sh") in error.remedy


def test_script_that_may_not_be_executed_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "our-run-backups.sh", SCRIPT)
    (tmp_path / "our-run-backups.sh").chmod(0o644)
    error = refused(tmp_path)

    assert "may not be executed" in error.found
    assert f"chmod +x {tmp_path / 'our-run-backups.sh'}" == error.remedy


def test_folder_is_no_script(tmp_path: Path) -> None:
    (tmp_path / "our-run-backups.sh").mkdir()

    assert "is no file" in refused(tmp_path).found


@pytest.mark.parametrize(
    ("more", "key"),
    [
        (
            '[[faults.tagged]]\nhost = "web1"\nfrom = 2024-03-05\nto = 2024-03-05\ntags = ["x"]\n',
            "scenario.fidelity",
        ),
        ("[[faults.disk-full]]\nfrom = 2024-03-05\nto = 2024-03-05\n", "faults.disk-full"),
    ],
)
def test_fault_that_cannot_be_done_beside_own_scripts_is_refused(
    tmp_path: Path, more: str, key: str
) -> None:
    error = refused(tmp_path, FILE.replace("[expect]", f"{more}\n[expect]"))

    assert key == error.key


def test_path_list_of_a_script_of_ones_own_does_not_change(tmp_path: Path) -> None:
    own = FILE.replace("[system]\n", '[system]\nbackup-restic = "all.sh"\n')
    paths = '[[simulate.paths]]\nhost = "web1"\nfrom = 2024-03-05\ninclude = ["/x"]\n\n[expect]'
    error = refused(tmp_path, own.replace("[expect]", paths))

    assert "simulate.paths[0]" in str(error)


def test_what_is_replaced_is_not_rendered(tmp_path: Path) -> None:
    """Who installs all that is rendered must not lose a script of their own by it."""
    (tmp_path / "verify.toml").write_text(CONFIG)
    line = ("render", "all", "--json", "--config", "verify.toml")
    paths = {file["path"] for file in report(console(*line, cwd=tmp_path).stdout)["files"]}

    assert "coordinator/usr/local/bin/run-backups" not in paths
    assert "hosts/web1/usr/local/bin/backup-restic" in paths


def test_own_files_are_inputs_of_the_result(laboratory: Laboratory, tmp_path: Path) -> None:
    write(tmp_path, "our-run-backups.sh", SCRIPT)
    (tmp_path / "own.toml").write_text(FILE)
    scenario = load_scenario(tmp_path / "own.toml")
    before = laboratory.inputs(scenario.file, scenario, "cycle")
    write(tmp_path, "our-run-backups.sh", f"{SCRIPT}# another word\n")
    after = laboratory.inputs(scenario.file, scenario, "cycle")

    assert {"own coordinator/usr/local/bin/run-backups"} == {
        name for name in before if before[name] != after[name]
    }
