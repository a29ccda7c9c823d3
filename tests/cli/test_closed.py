"""Who may not look into the state folder is told whom to run the command as: that is no fault."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.drill.unprivileged import as_nobody
from tests.house.tree import ROOT
from verifier.cli.dashboard_terms import read_section
from verifier.cli.main import main
from verifier.core.errors import CannotVerify
from verifier.drill.checkup.room import Place, ask_room
from verifier.drill.ledger import open_ledger
from verifier.monitor.evidence.checkup import ask_folder
from verifier.monitor.history.memory import open_history
from verifier.monitor.reach import ask_textfile

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root's folder is closed to others alone")

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may read, with a configuration and a state folder of root's alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    state = folder / "state"
    state.mkdir(mode=0o700)
    for name in ("evidence", "scratch", "spool"):
        (state / name).mkdir()
    with open_history(state / "history.sqlite"), open_ledger(state / "ledger.sqlite"):
        pass
    example = (ROOT / "fixtures" / "example" / "verify.toml").read_text(encoding="utf-8")
    own = f'\n[history]\nfile = "{state}/history.sqlite"\nspool = "{state}/spool"\n'
    (folder / "verify.toml").write_text(
        example.replace("/var/lib/restic-verify", str(state)) + own, encoding="utf-8"
    )
    (folder / "key.pem").write_text(KEY)
    yield folder
    shutil.rmtree(folder)


KEY = """\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


def said_to_nobody(place: Path, *line: str) -> tuple[int, str]:
    """Run a command, and return its exit code and all that it said to another user."""

    def look() -> list[object]:
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            return [main(line), said.getvalue()]

    with chdir(place):
        # Another user may not read this interpreter's own files: what is needed is imported now.
        look()
        code, text = as_nobody(look)
    return code, text


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (("history",), "history.sqlite"),
        (("history", "export", "--to", "out"), "history.sqlite"),
        (("history", "tidy"), "history.sqlite"),
        (("ledger", "--ledger", "state/ledger.sqlite"), "ledger.sqlite"),
        (("report", "verify", "state/evidence", "--key", "key.pem"), "state/evidence"),
    ],
)
def test_closed_state_folder_is_told_with_its_owner(
    place: Path, line: tuple[str, ...], what: str
) -> None:
    code, said = said_to_nobody(place, *line)

    assert 3 == code, said
    assert "Permission denied" in said
    assert what in said
    assert f"run it as root, who owns {place}/state" in said
    assert "fault" not in said


@pytest.mark.parametrize("question", ["room", "evidence", "textfile"])
def test_doctors_questions_about_closed_folders_are_not_answered(
    place: Path, question: str
) -> None:
    folder = place / "state" / "scratch"

    def look() -> list[str]:
        try:
            match question:
                case "room":
                    ask_room(Place("scratch", folder, 0, "nobody"))
                case "evidence":
                    ask_folder(folder)
                case _:
                    ask_textfile(folder / "restic.prom")
        except CannotVerify as error:
            return [error.message, error.remedy]
        return []

    message, remedy = as_nobody(look)
    assert "cannot be looked at: Permission denied" == message
    assert remedy.startswith(f"run it as root, who owns {place}/state")


def test_ledger_in_a_closed_folder_is_not_shown(place: Path) -> None:
    """Red where the dashboard's page on coverage fails."""
    path = place / "state" / "ledger.sqlite"

    assert read_section(path) is not None
    assert as_nobody(lambda: read_section(path)) is None


@pytest.mark.heavy
def test_doctor_of_another_user_has_no_fault(place: Path) -> None:
    _, said = said_to_nobody(place, "doctor")

    assert "fault of restic-verify" not in said
    assert f"run it as root, who owns {place}/state" in said
