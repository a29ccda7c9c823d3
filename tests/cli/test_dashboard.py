"""`dashboard` as a user runs it: it serves, ends well by a signal, and refuses what is not safe."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, time
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.cli.console import LIMIT_S, report, run, start, wait_for
from tests.cli.test_ledger import write
from tests.monitor.dashboard.ground import TOKEN, fill
from verifier.cli.dashboard_terms import read_section
from verifier.cycle.coordinator import fire_times
from verifier.monitor.dashboard.terms import Schedule
from verifier.monitor.history.memory import open_history

EXAMPLE = Path(__file__).parents[2] / "fixtures" / "example" / "verify.toml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and a history."""
    made = tmp_path_factory.mktemp("served")
    named = '\n[dashboard]\nhost-names = ["pages.example"]\n'
    (made / "verify.toml").write_text(EXAMPLE.read_text() + named)
    (made / "token").write_text(f"{TOKEN}\nanother line\n")
    with open_history(made / "h.sqlite") as history:
        fill(history, days=3)
    return made


def words(folder: Path, *more: str, config: str = "verify.toml") -> tuple[str, ...]:
    """Return the command's line for a folder."""
    named = ("--config", str(folder / config), "--history", str(folder / "h.sqlite"))
    return ("dashboard", *named, *more)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


@contextmanager
def serving(*line: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command until it answers, and to its end afterwards."""
    process = start(*line)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, process)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.heavy),
        pytest.param(signal.SIGHUP, marks=pytest.mark.heavy),
    ],
)
def test_signal_ends_it_well_in_one_report(folder: Path, number: signal.Signals) -> None:
    port = free_port()
    line = words(folder, "--listen", f"127.0.0.1:{port}", "--json")
    with serving(*line, port=port) as process:
        assert "web1" in httpx.get(f"http://127.0.0.1:{port}/").text
        evil = {"Host": "evil.example"}
        assert 421 == httpx.get(f"http://127.0.0.1:{port}/", headers=evil).status_code
        ours = {"Host": f"pages.example:{port}"}
        assert 200 == httpx.get(f"http://127.0.0.1:{port}/", headers=ours).status_code
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT_S)

    found = report(out)
    assert (0, "dashboard", "OK") == (process.returncode, found["kind"], found["verdict"])
    assert number.name == found["inputs"]["stopped_by"]
    assert found["measurements"]["requests"] >= 3
    assert 1 == found["measurements"]["requests_refused"]
    assert f"The dashboard is at http://127.0.0.1:{port}/" in err.decode()


@pytest.mark.heavy
def test_browser_that_keeps_its_connection_holds_nobody_up(folder: Path) -> None:
    port = free_port()
    with (
        serving(*words(folder, "--listen", f"127.0.0.1:{port}"), port=port) as process,
        httpx.Client() as browser,
    ):
        browser.get(f"http://127.0.0.1:{port}/")
        process.terminate()
        out, _ = process.communicate(timeout=LIMIT_S)

    assert 0 == process.returncode
    assert out.startswith(b"OK: ")


@pytest.mark.heavy
def test_history_is_not_touched(folder: Path) -> None:
    before = (folder / "h.sqlite").read_bytes()
    port = free_port()
    with serving(*words(folder, "--listen", f"127.0.0.1:{port}"), port=port):
        for place in ("/", "/cycles", "/retention", "/api/now"):
            assert 200 == httpx.get(f"http://127.0.0.1:{port}{place}").status_code

    assert before == (folder / "h.sqlite").read_bytes()


@pytest.mark.heavy
def test_token_is_asked_of_everybody(folder: Path) -> None:
    port = free_port()
    table = f'\n[dashboard]\nlisten = "0.0.0.0:{port}"\ntoken = {{ file = "{folder}/token" }}\n'
    (folder / "locked.toml").write_text(EXAMPLE.read_text() + table)
    with serving(*words(folder, config="locked.toml"), port=port):
        url = f"http://127.0.0.1:{port}"
        known = {"Authorization": f"Bearer {TOKEN}"}

        assert 303 == httpx.get(url).status_code
        assert 401 == httpx.get(f"{url}/api/now").status_code
        assert 200 == httpx.get(f"{url}/api/now", headers=known).status_code


def test_taken_port_is_one_clear_sentence(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        done = run(*words(folder, "--listen", f"127.0.0.1:{port}", "--json"))

    assert 3 == done.returncode
    assert "UNKNOWN" == report(done.stdout)["verdict"]
    first, remedy = done.stderr.decode().splitlines()
    assert f"restic-verify: 127.0.0.1:{port}: another program listens there already" == first
    assert "--listen" in remedy


@pytest.mark.parametrize(
    "zone", ["America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "UTC"]
)
def test_pages_know_when_the_timer_fires(zone: str) -> None:
    times, first = ("01:30", "02:00", "02:30", "04:00"), date(2026, 1, 1)
    schedule = Schedule(tuple(map(time.fromisoformat, times)), ZoneInfo(zone))

    # Python holds a time that comes twice for unequal to the same instant in another zone.
    fired = tuple(at.astimezone(UTC) for at in fire_times(times, ZoneInfo(zone), first, 400))
    assert fired == schedule.fires(first, 400)


@pytest.mark.parametrize(
    ("listen", "said", "code"),
    [
        ("0.0.0.0:8642", "nothing keeps them out", 64),
        ("[::]:8642", "nothing keeps them out", 64),
        ("192.0.2.7:8642", "nothing keeps them out", 64),
        ("localhost:8642", "is no address and port", 64),
        ("127.0.0.1", "is no address and port", 64),
        ("127.0.0.1:0", "is no address and port", 64),
        ("127.0.0.1:70000", "is no address and port", 64),
    ],
)
def test_address_that_is_not_safe_is_refused(
    folder: Path, listen: str, said: str, code: int
) -> None:
    done = run(*words(folder, "--listen", listen))

    assert code == done.returncode
    assert said in done.stderr.decode()


@pytest.mark.heavy
def test_address_of_another_machine_is_said(folder: Path) -> None:
    table = f'\n[dashboard]\nlisten = "192.0.2.7:8642"\ntoken = {{ file = "{folder}/token" }}\n'
    (folder / "elsewhere.toml").write_text(EXAMPLE.read_text() + table)
    done = run(*words(folder, config="elsewhere.toml"))

    assert 3 == done.returncode
    assert "this machine has no such address" in done.stderr.decode()


def test_missing_history_is_said_before_anybody_asks(folder: Path, tmp_path: Path) -> None:
    done = run("dashboard", "--config", str(folder / "verify.toml"), "--history", f"{tmp_path}/h")

    assert 3 == done.returncode
    assert "there is no history yet" in done.stderr.decode()
    assert [] == list(tmp_path.iterdir())


@pytest.mark.heavy
@pytest.mark.parametrize("wanted", ["option", "key"])
def test_repository_is_read_where_that_is_wanted(
    tmp_path: Path, restic_program: str, wanted: str
) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "file").write_text("content")
    (tmp_path / "password").write_text("of a test")
    repository = ("-r", str(tmp_path / "repository"), "--password-file", str(tmp_path / "password"))
    for words_ in (("init",), ("backup", "--host=web1", str(tmp_path / "live"))):
        subprocess.run([restic_program, "-q", *repository, *words_], check=True)
    config = EXAMPLE.read_text().replace("/mnt/storage/restic", f"{tmp_path}/repository")
    config = config.replace("/mnt/keys/restic/password", f"{tmp_path}/password")
    key = "\n[dashboard]\nread-repository = true\n" if wanted == "key" else ""
    (tmp_path / "verify.toml").write_text(config + key)
    with open_history(tmp_path / "h.sqlite"):
        pass
    port = free_port()
    place = f"http://127.0.0.1:{port}/api/retention?host=web1"
    option = ("--read-repository",) if wanted == "option" else ()
    line = words(tmp_path, *option, "--listen", f"127.0.0.1:{port}")
    with serving(*line, port=port) as process:
        wait_for(lambda: httpx.get(place).json()["source"] == "repository", process)
        found = httpx.get(place).json()["restore_points"]

    assert 1 == len(found)
    assert found[0]["reasons"]


@pytest.mark.parametrize(("name", "shown"), [("none", False), ("broken", False), ("sound", True)])
def test_ledger_that_cannot_be_read_stops_no_page(tmp_path: Path, name: str, shown: bool) -> None:
    file = tmp_path / "ledger.sqlite"
    if name == "broken":
        file.write_bytes(b"no ledger at all" * 100)
    elif name == "sound":
        write(file, {1: (3, 3 << 24)})

    assert shown is (read_section(file) is not None)


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_missing_extra_is_named(folder: Path, package: str) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None
from verifier.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    line = (sys.executable, "-c", program, *words(folder))
    done = subprocess.run(line, capture_output=True, check=False, timeout=LIMIT_S)

    assert 3 == done.returncode
    assert "pip install '.[dashboard]'" in done.stderr.decode()


def test_short_token_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("1234\n")
    table = f'\n[dashboard]\ntoken = {{ file = "{tmp_path}/token" }}\n'
    (tmp_path / "verify.toml").write_text(EXAMPLE.read_text() + table)
    done = run(
        "dashboard", "--config", f"{tmp_path}/verify.toml", "--history", f"{folder}/h.sqlite"
    )

    assert 64 == done.returncode
    assert "1234" not in done.stderr.decode()
    assert "can be guessed" in done.stderr.decode()
