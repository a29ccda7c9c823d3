"""What a machine installs, and the script that it starts with."""

from __future__ import annotations

import subprocess
from pathlib import Path

from verifier.fleet.description import Installed, Machine, render_boot, write_install

MACHINE = Machine(
    "web1",
    ("/bin/echo", "two words", "it's"),
    "ready",
    files={"/etc/a file": Installed(b"\x00\xff", 0o600), "/usr/bin/x": Installed(b"x", 0o755)},
    boot=("echo first", "echo second"),
)


def test_files_stand_below_the_folder_with_their_modes(tmp_path: Path) -> None:
    write_install(MACHINE, tmp_path / "install")
    found = {
        str(path.relative_to(tmp_path / "install" / "files")): (
            path.read_bytes(),
            path.stat().st_mode & 0o777,
        )
        for path in (tmp_path / "install" / "files").rglob("*")
        if path.is_file()
    }

    assert {"etc/a file": (b"\x00\xff", 0o600), "usr/bin/x": (b"x", 0o755)} == found


def test_boot_script_is_one_that_bash_takes(tmp_path: Path) -> None:
    script = tmp_path / "boot"
    script.write_text(render_boot(MACHINE))

    assert 0 == subprocess.run(["bash", "-n", script], check=False).returncode


def test_what_is_served_keeps_its_words() -> None:
    last = render_boot(MACHINE).splitlines()[-1]

    assert "exec /bin/echo 'two words' 'it'\"'\"'s'" == last


def test_boot_lines_run_in_order_and_only_once() -> None:
    script = render_boot(MACHINE)
    once = script[script.index("if [[") : script.index("\nfi\n")]

    assert once.index("cp -r") < once.index("echo first") < once.index("echo second")
    assert once.index("echo second") < once.index("touch")
