"""The files that production installs, really run by bash, with hostile values in every place."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from verifier.config.defaults import PROBE, defaults
from verifier.config.models import Config
from verifier.config.words import split_command
from verifier.core.errors import UsageError
from verifier.cycle.file import File
from verifier.cycle.render import render

HOSTILE = (
    "plain",
    "two words",
    'it\'s "quoted"',
    "$(touch pwned)`touch pwned`",
    "new\nline",
    "a;touch pwned&&x|y",
    "*?[a]{b,c}~",
    "back\\slash $HOME !x",
    "{{ 7 * 7 }}{% raw %}",
    "-rf --delete",
    "ünïcode 雪",
)
RUN_BACKUPS = "coordinator/usr/local/bin/run-backups"
BACKUP = "hosts/web1/usr/local/bin/backup-restic"

real_restic = pytest.mark.skipif(shutil.which("restic") is None, reason="needs restic on PATH")


def changed(**tables: Any) -> Config:
    """Return the example with some tables replaced."""
    stored = defaults().model_dump(by_alias=True, exclude={"simulate"}, exclude_unset=True)
    stored.pop("monthly", None)
    stored["schedule"]["times"] = ["04:00"]
    stored["hosts"] = [
        {k: list(v) if isinstance(v, tuple) else v for k, v in h.items()} for h in stored["hosts"]
    ]
    return Config.model_validate(stored | tables)


def one_host(**settings: Any) -> list[dict[str, Any]]:
    """Return a [[hosts]] list of one."""
    return [{"name": "web1", "include": ["/etc"], **settings}]


def install(files: dict[str, File] | Any, folder: Path) -> None:
    """Write the files as an installation would."""
    for path, file in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.text, encoding="utf-8")
        target.chmod(file.mode)


def shim(folder: Path, name: str, body: str) -> None:
    """Put a program of that name into the folder that comes first on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
    (folder / name).chmod(0o755)


RECORD = r"""
if [[ ${0##*/} == restic && ${1-} == version ]]; then
    echo 'restic 0.18.0 compiled with go1.24.4 on linux/amd64'
    exit 0
fi
printf '%s\0' "${0##*/}" "$@" >>"$LOG.args"
printf '%s %s %s %s %s\n' "${0##*/}" "${1-}" "${RESTIC_REPOSITORY-}" "${RESTIC_PASSWORD-}" \
    "${RESTIC_FROM_PASSWORD-}" >>"$LOG"
"""


class Machine:
    """A coordinator on which `ssh`, `restic` and `rclone` only write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.password = folder / "password"
        self.password.write_text(" secret \n")
        for name in ("ssh", "restic", "rclone", "backup-restic"):
            shim(folder / "bin", name, RECORD)

    def fail(self, name: str, when: str, status: int) -> None:
        """Let a program fail where its arguments hold a text."""
        body = f'{RECORD}\n[[ "$*" == *"{when}"* ]] && exit {status}\nexit 0'
        shim(self.folder / "bin", name, body)

    def run(
        self, config: Config, path: str = RUN_BACKUPS, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Install everything and run one of the scripts."""
        install(render(config), self.folder)
        inherited = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "LOG": str(self.folder / "log"),
            "LC_ALL": "C.UTF-8",
        }
        return subprocess.run(
            [str(self.folder / path)],
            check=False,
            cwd=self.folder,
            env=inherited | env,
            capture_output=True,
            text=True,
        )

    def calls(self) -> list[str]:
        """Return the recorded calls, a line each."""
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    def arguments(self) -> list[str]:
        """Return every recorded argument, exactly."""
        return (self.folder / "log.args").read_text().split("\0")[:-1]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A coordinator with a password file."""
    return Machine(tmp_path)


def keyed(machine: Machine, **tables: Any) -> Config:
    """Return the example with the machine's password file."""
    coordinator = {"name": "jak", "key-file": str(machine.password)}
    return changed(**{"coordinator": coordinator, **tables})


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what was logged, durations left out."""
    return [line.partition(" duration_s=")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("path", "file"), render(defaults()).items())
def test_every_script_is_valid_bash(path: str, file: File, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(file.text)

    done = subprocess.run(["bash", "-n", "script"], check=False, cwd=tmp_path, capture_output=True)

    assert file.text.endswith("\n")
    assert not any(line != line.rstrip() for line in file.text.splitlines())
    if "bin/" in path:
        assert 0o755 == file.mode
        assert (0, b"") == (done.returncode, done.stderr)
        assert "set -euo pipefail" in file.text


def test_rendering_is_pure() -> None:
    assert render(defaults()) == render(defaults())


def test_a_cycle_runs_every_stage_in_order(machine: Machine) -> None:
    done = machine.run(keyed(machine))

    assert 0 == done.returncode
    assert [
        "Started run backups.",
        "backup host=web1 status=0",
        "backup host=db1 status=0",
        "backup host=mail1 status=0",
        "forget status=0",
        "prune status=0",
        "offsite status=0",
        "run status=0",
        "Finished run backups.",
    ] == lines(done)


def test_a_host_is_called_as_production_does(machine: Machine) -> None:
    machine.run(keyed(machine))

    called = machine.arguments()

    assert ["ssh", "-p", "50000", "-o", "BatchMode=yes"] == called[:5]
    assert "SendEnv=RESTIC_PASSWORD" in called
    assert ["restic@web1", "/usr/local/bin/backup-restic"] == called[13:15]


def test_forget_has_the_policys_own_options(machine: Machine) -> None:
    config = keyed(machine)
    machine.run(config)

    called = machine.arguments()
    start = called.index("forget")

    options = ["-q", "--group-by=host,paths", *config.policy().options()]
    assert options == called[start + 1 : start + 1 + len(options)]


def test_the_password_is_trimmed_and_never_an_argument(machine: Machine) -> None:
    machine.run(keyed(machine))

    assert "secret" not in machine.arguments()
    assert all(
        line.rstrip().endswith(" secret") for line in machine.calls() if "rclone" not in line
    )


def test_a_failing_host_does_not_stop_the_others(machine: Machine) -> None:
    machine.fail("ssh", "restic@db1", 255)

    done = machine.run(keyed(machine))

    assert 1 == done.returncode
    assert "backup host=db1 status=255" in lines(done)
    assert {"backup host=mail1 status=0", "offsite status=0"} <= set(lines(done))
    assert ["run status=1", "Failed run backups."] == lines(done)[-2:]


@pytest.mark.parametrize("stage", ["forget", "prune"])
def test_nothing_goes_off_site_after_a_failed_stage(machine: Machine, stage: str) -> None:
    machine.fail("restic", stage, 11)

    done = machine.run(keyed(machine))

    assert 1 == done.returncode
    assert f"{stage} status=11" in lines(done)
    assert "offsite skipped=1 reason=forget-or-prune-failed" in lines(done)
    assert not any(call.startswith("rclone") for call in machine.calls())


def test_a_failed_sync_fails_the_run(machine: Machine) -> None:
    machine.fail("rclone", "sync", 5)

    done = machine.run(keyed(machine))

    assert (1, "offsite status=5") == (done.returncode, lines(done)[-3])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "key-file-absent"), ("", "key-file-empty"), (" \n", "key-file-empty")],
)
def test_a_locked_data_set_is_said_and_nothing_runs(
    machine: Machine, content: str | None, reason: str
) -> None:
    machine.password.unlink()
    if content is not None:
        machine.password.write_text(content)

    done = machine.run(keyed(machine))

    assert 3 == done.returncode
    assert f"password status=3 reason={reason}" in done.stdout
    assert "Failed run backups." == done.stdout.splitlines()[-1]
    assert [] == machine.calls()


def commanded(command: str) -> Config:
    """Return the example with a password command and no file."""
    return changed(repository={"location": "/r", "password-command": command})


def test_password_of_a_command_is_trimmed_and_never_an_argument(machine: Machine) -> None:
    done = machine.run(commanded(f'cat "{machine.password}"'))

    assert 0 == done.returncode
    assert "secret" not in machine.arguments()
    assert all(
        line.rstrip().endswith(" secret") for line in machine.calls() if "rclone" not in line
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [("echo secret; echo secret >&2; exit 1", "command-failed"), ("echo '  '", "command-silent"),
     ("read -r word && echo $word", "command-failed")],
)  # fmt: skip
def test_a_command_that_gives_no_password_is_said(machine: Machine, body: str, reason: str) -> None:
    """And not what it said, which may be the password; nobody answers it, either."""
    shim(machine.folder / "bin", "ask", body)
    done = machine.run(commanded("ask"))

    assert 3 == done.returncode
    assert f"password status=3 reason={reason}" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    assert [] == machine.calls()


@pytest.mark.parametrize("value", HOSTILE)
def test_no_shell_reads_a_password_command(machine: Machine, value: str) -> None:
    """It has the words that restic would give it."""
    command = f"tell {value if value.count(chr(34)) % 2 == 0 and chr(39) not in value else ''} x"
    shim(machine.folder / "bin", "tell", 'printf "%s\\0" "$@" >"$LOG.told"; echo secret')
    done = machine.run(commanded(command))

    told = (machine.folder / "log.told").read_text().split("\0")[:-1]
    assert (0, list(split_command(command)[1:])) == (done.returncode, told)
    assert not (machine.folder / "pwned").exists()


@pytest.mark.parametrize("by", ["file", "command"])
def test_whoever_traces_the_script_sees_no_password(machine: Machine, by: str) -> None:
    by_command = commanded(f"cat {machine.password}")
    install(render(keyed(machine) if by == "file" else by_command), machine.folder)
    env = {"PATH": f"{machine.folder / 'bin'}:{os.environ['PATH']}", "LOG": f"{machine.folder}/l"}
    command = ["bash", "-x", str(machine.folder / RUN_BACKUPS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)

    assert "+ read_password" in done.stderr
    assert "secret" not in done.stderr


def test_inherited_settings_do_not_reach_restic(machine: Machine) -> None:
    done = machine.run(keyed(machine), RESTIC_REPOSITORY="/other", RESTIC_PASSWORD="other")

    assert 0 == done.returncode
    assert not any("other" in call for call in machine.calls())


def test_no_prune_and_no_offsite_where_none_is_wanted(machine: Machine) -> None:
    retention = {"keep-last": 1, "prune": False}

    done = machine.run(keyed(machine, retention=retention, offsite=None))

    assert 0 == done.returncode
    assert ["forget status=0", "run status=0", "Finished run backups."] == lines(done)[-3:]


def test_this_machine_is_backed_up_without_ssh(machine: Machine) -> None:
    done = machine.run(keyed(machine, hosts=one_host(address="local")))

    assert "backup host=web1 status=0" in lines(done)
    assert not any(call.startswith("ssh") for call in machine.calls())


@pytest.mark.parametrize("own_password", [True, False])
def test_restic_copy_opens_both_ends(machine: Machine, own_password: bool) -> None:
    offsite = {"method": "restic-copy", "target": "/off site"}
    if own_password:
        offsite["password-file"] = "/keys/offsite"

    done = machine.run(keyed(machine, offsite=offsite))

    password = "" if own_password else "secret"
    assert "offsite status=0" in lines(done)
    assert [
        f"restic {verb} /off site {password} secret" for verb in ("copy", "forget", "prune")
    ] == machine.calls()[-3:]


def test_a_missing_key_file_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        render(changed(repository={"location": "/r"}))

    assert "coordinator.key-file" in caught.value.remedy


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_becomes_a_command_on_a_host(machine: Machine, value: str) -> None:
    hosts = one_host(
        include=[f"/{value}", "/etc"],
        exclude=[value],
        repository=f"/r/{value}",
        **{"one-file-system": True},
    )

    done = machine.run(keyed(machine, hosts=hosts), BACKUP, RESTIC_PASSWORD="secret")

    assert (0, "") == (done.returncode, done.stderr)
    assert [
        "restic", "backup", "-q", "--json", "--host=web1", "--one-file-system",
        f"--exclude={value}", "--", f"/{value}", "/etc",
    ] == machine.arguments()  # fmt: skip
    assert f"/r/{value}" in (machine.folder / "log").read_text()
    assert not list(machine.folder.rglob("pwned"))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("echo 'restic 0.18.0 compiled with go'", ["restic host=web1 version=0.18.0"]),
        ("echo 'restic v0.14.0 (v0.14.0) compiled'", ["restic host=web1 version=0.14.0"]),
        ("echo something else", []),
        ("exit 1", []),
    ],
    ids=["release", "v", "no-restic", "failure"],
)
def test_the_hosts_release_is_told_and_stops_no_backup(
    machine: Machine, answer: str, told: list[str]
) -> None:
    body = f"if [[ ${{1-}} == version ]]; then {answer}; exit; fi\n{RECORD}"
    shim(machine.folder / "bin", "restic", body)

    done = machine.run(keyed(machine, hosts=one_host()), BACKUP, RESTIC_PASSWORD="secret")

    assert (0, "", told) == (done.returncode, done.stderr, done.stdout.splitlines())
    assert ["restic", "backup"] == machine.arguments()[:2]


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_becomes_a_command_on_the_coordinator(machine: Machine, value: str) -> None:
    folder = machine.folder / f"k {value.replace('/', '')}"
    folder.mkdir()
    machine.password = machine.password.rename(folder / "password")
    tables = {
        "repository": {"location": f"/r/{value}"},
        "retention": {"keep-last": 1, "keep-tag": [value]},
        "offsite": {"method": "rclone-sync", "target": value},
        "hosts": one_host(),
    }

    done = machine.run(keyed(machine, **tables))

    tags = ",".join(tag.strip() for tag in value.split(","))
    assert (0, "") == (done.returncode, done.stderr)
    assert ["sync", "--exclude", "/locks/**", "--", f"/r/{value}", value] == machine.arguments()[
        -6:
    ]
    assert f"--keep-tag={tags}" in machine.arguments()
    assert not list(machine.folder.rglob("pwned"))


def test_a_host_without_password_says_so(machine: Machine) -> None:
    done = machine.run(keyed(machine), BACKUP)

    assert 3 == done.returncode
    assert "AcceptEnv RESTIC_PASSWORD" in done.stderr
    assert [] == machine.calls()


PERMIT = "hosts/web1/usr/local/sbin/permit-probe"
SUDOERS = "hosts/web1/etc/sudoers.d/restic-verify"


def permit_probe(folder: Path, **more: Any) -> Path:
    """Install the script for a user that every machine has."""
    hosts = one_host(user="nobody", become=list(PROBE), **more)
    install(
        render(changed(repository={"location": "/r", "password-file": "/p"}, hosts=hosts)), folder
    )
    return folder / PERMIT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a right on")
def test_the_probe_may_read_everything_and_nothing_more(tmp_path: Path) -> None:
    """The folder is root's alone, so whoever reads the file has the right that was asked for."""
    permit = permit_probe(tmp_path)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "shut").mkdir(mode=0o700)

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(words, check=False, capture_output=True, text=True, cwd="/")
        return done.returncode, done.stdout

    def python(code: str, *words: str) -> tuple[int, str]:
        return run(str(permit), "python3", "-I", "-c", f"import os, sys; {code}", *words)

    plain = ("setpriv", "--reuid=65534", "--clear-groups", "--no-new-privs")
    secret = str(tmp_path / "secret")
    assert (1, "") == run(*plain, "cat", secret)
    assert (0, "secret\n") == python("print(open(sys.argv[1]).read())", secret)
    assert (0, "65534\n") == python("print(os.getuid())")
    assert 0 != python("open(sys.argv[1], 'w')", str(tmp_path / "shut/new"))[0]
    assert 0 != python("os.chmod(sys.argv[1], 0o644)", secret)[0]
    assert (0, "['a b', '$x']\n") == python("print(sys.argv[1:])", "a b", "$x")
    assert (3, "") == python("sys.exit(3)")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a right on")
@pytest.mark.parametrize("manifest", [None, "/var/lib/m"])
def test_no_other_program_is_given_the_probes_right(tmp_path: Path, manifest: str | None) -> None:
    shim(tmp_path / "bin", "python3", "echo another")
    permit = permit_probe(tmp_path, **({"manifest": manifest} if manifest else {}))
    # What whoever asks has put before the interpreter that is meant.
    env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def run(*words: str) -> tuple[int, str]:
        command = [str(permit), *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
        return done.returncode, done.stdout

    for words in ((), ("cat", "/etc/shadow"), ("python3", "-c", "1"), ("/srv/python3", "-I"),
                  ("restic-manifest", "x"), ("bash", "-I")):  # fmt: skip
        assert (64, "") == run(*words)
    assert (0, "1\n") == run("python3", "-I", "-c", "print(1)")
    # Permitted, and not there.
    assert (127 if manifest else 64, "") == run("restic-manifest")


@pytest.mark.skipif(shutil.which("visudo") is None, reason="needs sudo")
def test_sudo_takes_the_line(tmp_path: Path) -> None:
    permit_probe(tmp_path)
    path = tmp_path / SUDOERS

    def check() -> int:
        command = ["visudo", "-c", "-f", str(path)]
        return subprocess.run(command, check=False, capture_output=True).returncode

    assert 0o440 == path.stat().st_mode & 0o777
    assert 0 == check()
    path.write_text(path.read_text().replace("NOPASSWD:", "NOPASSWORT:"))
    assert 0 != check()


def test_this_machine_needs_no_way_in() -> None:
    files = render(changed(repository={"location": "/r", "password-file": "/p"},
                           hosts=one_host(address="local")))  # fmt: skip

    assert not any("sudoers" in path or "permit-probe" in path for path in files)


@pytest.mark.heavy
@real_restic
def test_a_real_cycle_makes_forgets_and_copies(tmp_path: Path) -> None:
    """The rendered files against real restic: an `ssh` that runs the host's script right here.

    Red if a host's snapshot is missing, forget keeps more than the policy, or the copy differs.
    """
    data, primary, target = tmp_path / "data", tmp_path / "primary", tmp_path / "off site"
    data.mkdir()
    (data / "file").write_text("content")
    (tmp_path / "password").write_text("secret\n")
    hosts = [
        {"name": name, "include": [str(data)], "repository": str(primary)}
        for name in ("web1", "db1")
    ]
    config = changed(
        repository={"location": str(primary), "password-file": str(tmp_path / "password")},
        retention={"keep-last": 1},
        offsite={"method": "restic-copy", "target": str(target)},
        hosts=hosts,
    )
    install(render(config), tmp_path)
    scripts = f"{tmp_path}/hosts/${{h#restic@}}/usr/local/bin/backup-restic"
    shim(tmp_path / "bin", "ssh", f'h="${{@: -2:1}}"\nexec "{scripts}"')
    env = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "RESTIC_PASSWORD": "secret",
        "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
    }

    def run(*command: str) -> str:
        done = subprocess.run(command, check=True, env=env, capture_output=True, text=True)
        return done.stdout

    for location in (primary, target):
        run("restic", "-r", str(location), "init")
    logs = [run(str(tmp_path / RUN_BACKUPS)) for _ in range(2)]

    assert all(log.endswith("Finished run backups.\n") for log in logs)
    for location in (primary, target):
        table = run("restic", "-r", str(location), "snapshots", "-c")
        assert (1, 1) == (table.count("web1"), table.count("db1"))
