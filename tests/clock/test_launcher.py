"""Whatever a command starts, and however, sees the page's time; what cannot is killed.

Real processes throughout. The healthy twin of every refusal is the same command without its cause.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clock.lab import AT, YEAR, compiled, forbid_ptrace, run, start
from verifier.clock.control import under
from verifier.clock.page import ClockPage

CLOCKS = """
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
int main(void) {
  struct timespec t; struct timeval v; time_t s;
  int ids[] = {CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI};
  for (int i = 0; i < 3; i++) {
    clock_gettime(ids[i], &t); printf("%ld.%09ld ", t.tv_sec, t.tv_nsec);
  }
  gettimeofday(&v, 0); printf("%ld.%06ld ", v.tv_sec, v.tv_usec);
  time_t now = time(&s); printf("%ld %d\\n", now, s == now);
}
"""

PYTHON_THREADS = """
import threading, time
seen = []
threads = [threading.Thread(target=lambda: seen.append(time.gmtime().tm_year)) for _ in range(50)]
[t.start() for t in threads]; [t.join() for t in threads]
print(*sorted(set(seen)))
"""

EXEC_IN_A_THREAD = """
import os, threading
threading.Thread(target=os.execv, args=("/bin/date", ["date", "-u", "+%Y"])).start()
threading.Event().wait()
"""

POSIX_SPAWN = """
import os
pids = [os.posix_spawn("/bin/date", ["date", "-u", "+%Y"], {}) for _ in range(20)]
[os.waitpid(pid, 0) for pid in pids]
"""


@pytest.mark.parametrize(
    "argv",
    [
        ("date", "-u", "+%Y"),
        ("sh", "-c", "date -u +%Y"),
        ("bash", "-c", "printf '%(%Y)T'"),
        ("bash", "-c", 'TZ=UTC printf "%(%Y)T" "$EPOCHSECONDS"'),
        ("perl", "-e", "print 1900 + (gmtime)[5]"),
        (sys.executable, "-c", "import time; print(time.gmtime().tm_year)"),
        (sys.executable, "-c", "import datetime as d; print(d.datetime.now(d.UTC).year)"),
        (sys.executable, "-c", PYTHON_THREADS),
        (sys.executable, "-c", EXEC_IN_A_THREAD),
        ("setpriv", "--reuid=65534", "--clear-groups", "date", "-u", "+%Y"),
    ],
    ids=lambda argv: " ".join(argv)[:40].replace("\n", " "),
)
def test_a_program_sees_the_page_s_year(page: ClockPage, argv: tuple[str, ...]) -> None:
    if argv[0] == "setpriv" and os.geteuid() != 0:
        pytest.skip("another user's process needs root")
    done = run(page, *argv)

    assert (0, YEAR) == (done.returncode, done.stdout.strip()), done.stderr


def test_programs_started_by_vfork_see_it(page: ClockPage) -> None:
    assert [YEAR] * 20 == run(page, sys.executable, "-c", POSIX_SPAWN).stdout.split()


@pytest.mark.parametrize("options", [(), ("-static",)], ids=["dynamic", "static"])
def test_every_way_to_ask_says_the_same(
    page: ClockPage, tmp_path: Path, options: tuple[str, ...]
) -> None:
    page.set(AT, AT - AT.replace(hour=0))
    clocks = run(page, str(compiled(tmp_path, CLOCKS, *options))).stdout.split()
    second = str(int(AT.timestamp()))

    assert [f"{second}.000000000"] * 3 + [f"{second}.000000", second, "1"] == clocks


def test_a_running_program_sees_the_clock_move(page: ClockPage) -> None:
    with start(
        page, ("sh", "-c", "while read -r _; do date -u +%Y; done"), stdin=-1, stdout=-1
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        years = []
        for year in (2031, 2040, 1999):
            page.set(AT.replace(year=year))
            shell.stdin.write("\n")
            shell.stdin.flush()
            years.append(int(shell.stdout.readline()))
        shell.stdin.close()

    assert [2031, 2040, 1999] == years


# How a command ends.


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_the_exit_status_is_the_command_s(page: ClockPage, status: int) -> None:
    assert status == run(page, "sh", "-c", f"exit {status}").returncode


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "SEGV", "PIPE"])
def test_the_signal_that_ends_it_is_the_command_s(page: ClockPage, name: str) -> None:
    assert -signal.Signals[f"SIG{name}"] == run(page, "sh", "-c", f"kill -{name} $$").returncode


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "ALRM", "IO", "PROF"])
def test_a_signal_reaches_the_command(page: ClockPage, name: str) -> None:
    # A signal just before bash's read is seen after it: it must not wait for ever.
    script = f"trap 'exit 9' {name}; echo ready; while :; do read -r -t 0.1 _; done"
    with start(page, ("bash", "-c", script), stdin=-1, stdout=-1) as bash:
        assert bash.stdout is not None
        bash.stdout.readline()
        bash.send_signal(signal.Signals[f"SIG{name}"])

        assert 9 == bash.wait()


def test_an_alarm_that_was_set_before_is_the_command_s(page: ClockPage) -> None:
    """As `perl -e 'alarm 9; exec @ARGV'` limits the time of a command: the kernel sends it."""
    with start(
        page,
        ("bash", "-c", "trap 'exit 9' ALRM; while :; do read -r -t 0.1 _ <> <(:); done"),
        preexec_fn=lambda: signal.alarm(2),
    ) as bash:
        assert 9 == bash.wait(30)


def test_what_it_ignores_is_ignored(page: ClockPage) -> None:
    with start(page, ("sh", "-c", "trap '' USR1; kill -USR1 $$; exit 4")) as shell:
        assert 4 == shell.wait()


def test_a_stopped_process_stays_stopped_until_it_may_go_on(
    page: ClockPage, tmp_path: Path
) -> None:
    """Its state is looked at once it is about to stop: at an exec it is a traced one's, too."""
    script = (
        "sh -c ': >about; kill -STOP $$; echo on' & p=$!; until [ -e about ]; do :; done;"
        ' until grep -q "^State:.[tT]" /proc/$p/status; do :; done;'
        " echo stopped; kill -CONT $p; wait $p"
    )

    assert "stopped\non\n" == run(page, "sh", "-c", script, cwd=tmp_path).stdout


def test_a_program_finds_its_environment_as_it_was(page: ClockPage) -> None:
    """Python adds LC_CTYPE to its own in the C locale, and ignores two signals."""
    done = subprocess.run(
        under(page.path, ("/usr/bin/env",)), env={"A": "b"}, capture_output=True, check=True
    )
    ignored = run(page, "sed", "-n", "s/^SigIgn:\t//p", "/proc/self/status").stdout.strip()

    assert b"A=b\n" == done.stdout
    assert "0" * 16 == ignored


def test_a_closed_pipe_ends_the_command(page: ClockPage) -> None:
    argv = under(page.path, ("sh", "-c", "yes; echo $? >&2"))
    with subprocess.Popen(argv, stdout=-1, stderr=-1) as noisy:
        assert noisy.stdout is not None
        assert noisy.stderr is not None
        noisy.stdout.read(1)
        noisy.stdout.close()

        assert b"141\n" == noisy.stderr.read()


# What outlives its parent.


def test_a_daemon_stays_under_the_clock(page: ClockPage, tmp_path: Path) -> None:
    said, go = tmp_path / "said", tmp_path / "go"
    os.mkfifo(go)
    daemon = f"read -r _ <{go}; date -u +%Y >{said}"
    script = f"setsid sh -c '({daemon}) </dev/null >/dev/null 2>&1 &'; echo parent is done"
    with start(page, ("sh", "-c", script), stdout=-1) as shell:
        assert shell.stdout is not None
        assert "parent is done\n" == shell.stdout.readline()
        go.write_text("\n")

        assert 0 == shell.wait()
    assert YEAR == said.read_text().strip()


def _wait_until_gone(pid: int) -> None:
    while Path(f"/proc/{pid}").exists():
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
        if state.startswith("Z"):
            return
        os.sched_yield()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_runs_on_where_the_launcher_is_gone(page: ClockPage, how: signal.Signals) -> None:
    """The parent has ended, so a SIGTERM is meant for what it left behind."""
    script = "sh -c 'while :; do sleep 100; done' >/dev/null & echo $!; exec 1>&-"
    script += "; sleep 100" if how is signal.SIGKILL else ""
    with start(page, ("sh", "-c", script), stdout=-1) as shell:
        assert shell.stdout is not None
        left = int(shell.stdout.readline())
        if how is signal.SIGTERM:
            # The launcher knows of the shell's end a moment after the shell's output ends.
            children = Path(f"/proc/{shell.pid}/task/{shell.pid}/children")
            while children.read_text().split()[:1] not in ([], [str(left)]):
                os.sched_yield()
        shell.send_signal(how)
        shell.wait()

    _wait_until_gone(left)


# What cannot be controlled.


def test_no_program_goes_on_where_the_page_is_gone(page: ClockPage, tmp_path: Path) -> None:
    said = tmp_path / "said"
    script = "rm $1; date -u +%Y >$2; echo $? >>$2"
    healthy = run(page, "sh", "-c", script, "", str(tmp_path / "other"), str(said))

    assert 0 == healthy.returncode
    assert [YEAR, "0"] == said.read_text().split()

    done = run(page, "sh", "-c", "echo $$ && unlink $1; date", "", str(page.path))
    assert 3 == done.returncode
    assert "the clock page is gone" in done.stderr


def test_a_page_that_is_missing_is_said(tmp_path: Path) -> None:
    argv = under(tmp_path / "nowhere", ("date",))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert (64, "") == (done.returncode, done.stdout)
    assert "nowhere: cannot be a clock page" in done.stderr
    assert 2 == len(done.stderr.splitlines())


def test_a_program_that_is_missing_is_said(page: ClockPage) -> None:
    done = run(page, "no-such-program")

    assert 3 == done.returncode
    assert "there is no such program" in done.stderr


@pytest.mark.parametrize(("said", "expected"), [("$(/bin/date +%s)", 0), ("123", 3), ("", 3)])
def test_date_is_asked_before_the_command_runs(
    page: ClockPage, tmp_path: Path, said: str, expected: int
) -> None:
    date = tmp_path / "date"
    date.write_text(f'#!/bin/sh\necho "{said}"\n')
    date.chmod(0o755)
    ran = tmp_path / "ran"
    done = run(page, "touch", str(ran), env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})

    assert expected == done.returncode
    assert (expected == 0) == ran.exists()
    assert (expected == 3) == ("`date` says" in done.stderr)


def test_a_32_bit_program_is_killed(page: ClockPage, tmp_path: Path) -> None:
    source = 'void _start(void) { __asm__("mov $1, %eax; xor %ebx, %ebx; int $0x80"); }'
    program = compiled(tmp_path, source, "-m32", "-nostdlib", "-static", "-fno-pie", "-no-pie")
    if subprocess.run([program], check=False).returncode != 0:
        pytest.skip("this kernel runs no 32-bit programs")
    done = run(page, "sh", "-c", '"$1"; echo $?', "", str(program))

    assert "137" == done.stdout.strip()
    assert 3 == done.returncode
    assert "is a 32-bit program" in done.stderr


def test_where_nothing_may_be_traced_nothing_runs(page: ClockPage, tmp_path: Path) -> None:
    said = tmp_path / "said"
    argv = under(page.path, ("sh", "-c", f"date >{said}"))
    done = subprocess.run(
        argv, preexec_fn=forbid_ptrace, capture_output=True, text=True, check=False
    )

    assert 3 == done.returncode
    assert "no process may be traced here: Operation not permitted" in done.stderr
    assert not said.exists()


def test_no_clock_runs_inside_another(page: ClockPage) -> None:
    done = run(page, *under(page.path, ("date",)))

    assert (3, "") == (done.returncode, done.stdout)
    assert "outside of strace, gdb and other controlled clocks" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")
def test_a_program_that_cannot_open_the_page_has_the_right_time(
    page: ClockPage, tmp_path: Path
) -> None:
    """In a chroot it gets a copy, which no longer follows the page."""
    cell = tmp_path / "cell"
    cell.mkdir()
    shutil.move(compiled(tmp_path, CLOCKS, "-static"), cell / "clocks")
    page.set(AT, AT - AT.replace(hour=0))
    done = run(page, "chroot", str(cell), "/clocks")

    assert 0 == done.returncode
    assert str(int(AT.timestamp())) == done.stdout.split()[-2]


# Many at once.


@pytest.mark.heavy
def test_a_thousand_programs_at_once_see_it(page: ClockPage) -> None:
    script = "for i in $(seq 1000); do date -u +%Y & done; wait"
    done = run(page, "bash", "-c", script)

    assert 0 == done.returncode
    assert [YEAR] * 1000 == done.stdout.split()


@pytest.mark.heavy
def test_programs_that_die_at_once_are_no_failure(page: ClockPage) -> None:
    """Each is killed at some point of its start; the launcher must not stumble over any."""
    script = "for i in $(seq 300); do date >/dev/null & kill -9 $!; done; wait; date -u +%Y"
    done = run(page, "bash", "-c", script)

    assert (0, YEAR) == (done.returncode, done.stdout.strip()), done.stderr
