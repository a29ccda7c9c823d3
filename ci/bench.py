"""Benchmarks as ratios against a peer measured in the same run; `ci/bench [NAME...]` runs some.

The peer of `simulate` is the loop that a user would write with stock restic: for every day one
`backup --time` a host, `forget`, `prune`. Ten days of it are run and extrapolated to 400.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERIFY = str(ROOT / ".venv" / "bin" / "restic-verify")
PYTHON = str(ROOT / ".venv" / "bin" / "python")
KEEP = ("--keep-daily=30", "--keep-weekly=5", "--keep-monthly=12", "--keep-yearly=10")
LOOP_DAYS = 10
DAYS = 400
FIRST_DAY = date(2024, 1, 1)


# A machine may forbid Python to keep its bytecode; a user's does not.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def wall(*argv: str, runs: int = 1) -> float:
    """Return the least wall time of a command, in seconds."""
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        subprocess.run(
            argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRON
        )
        times.append(time.perf_counter() - begun)
    return min(times)


def say(name: str, measured: str, ratio: float, wanted: str, met: bool) -> None:
    """Print one line of the table."""
    print(
        f"{name:<34} {measured:<46} {ratio:>8.2f}   {wanted:<22} {'met' if met else 'NOT MET'}",
        flush=True,
    )


def stock_loop_s() -> float:
    """Return the seconds that 400 days of three hosts take with stock restic, extrapolated."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = {**os.environ, "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": str(folder / "cache")}
        restic = ("restic", "-q", "-r", str(folder / "repository"))
        subprocess.run([*restic, "init"], check=True, env=env, stdout=subprocess.DEVNULL)
        hosts = [folder / host for host in ("web1", "db1", "mail1")]
        for host in hosts:
            host.mkdir()
            for number in range(16):
                (host / f"file-{number}").write_bytes(os.urandom(4_000))
        begun = time.perf_counter()
        for day in range(LOOP_DAYS):
            at = f"{FIRST_DAY + timedelta(days=day)} 04:00:00"
            for host in hosts:
                (host / "file-0").write_bytes(os.urandom(4_000))
                subprocess.run(
                    [*restic, "backup", "--host", host.name, "--time", at, str(host)],
                    check=True,
                    env=env,
                )
            subprocess.run(
                [*restic, "forget", *KEEP], check=True, env=env, stdout=subprocess.DEVNULL
            )
            subprocess.run([*restic, "prune"], check=True, env=env, stdout=subprocess.DEVNULL)
        return (time.perf_counter() - begun) / LOOP_DAYS * DAYS


def bench_help() -> None:
    """`restic-verify --help` against the interpreter's own start."""
    start, shown = wall(PYTHON, "-c", "pass", runs=7), wall(VERIFY, "--help", runs=7)
    say(
        "--help / python start",
        f"{shown * 1000:.0f} ms / {start * 1000:.0f} ms",
        shown / start,
        "at most 4",
        shown / start <= 4,
    )


def bench_model() -> None:
    """The model: 400 days of 3 hosts, ten years of 50, and how the cost grows."""
    simulate = (VERIFY, "simulate", "--fidelity", "model", "--days")
    short = wall(*simulate, "400", runs=3)
    say("model 400 days x 3 hosts", f"{short:.2f} s in all", short, "under 1 s", short < 1)
    long = wall(*simulate, "3650", "--hosts", "50")
    say("model 10 years x 50 hosts", f"{long:.2f} s in all", long, "under 10 s", long < 10)
    half = wall(*simulate, "1825", "--hosts", "50")
    growth = (long - short) / (half - short)
    say(
        "model 10 years / 5 years",
        f"{long:.2f} s / {half:.2f} s",
        growth,
        "about 2 (linear)",
        growth < 2.6,
    )


def bench_decisions() -> None:
    """Every decision by the real forget, against the stock loop."""
    loop = stock_loop_s()
    ours = wall(VERIFY, "simulate", "--days", str(DAYS))
    measured = f"{loop:.0f} s (extrapolated) / {ours:.1f} s"
    say("stock loop / decisions, 400 days", measured, loop / ours, "at least 40", loop / ours >= 40)


def bench_cycle() -> None:
    """The production scripts with every command real, in sequence and in segments."""
    loop = stock_loop_s()
    short, long = (
        wall(VERIFY, "simulate", "--fidelity", "cycle", "--days", str(days), "--segments", "1")
        for days in (LOOP_DAYS, 4 * LOOP_DAYS)
    )
    # Making the repository is no part of the loop, and is not multiplied here either.
    sequence = short + (long - short) / (3 * LOOP_DAYS) * (DAYS - LOOP_DAYS)
    measured = f"{loop:.0f} s / {sequence:.0f} s (both extrapolated)"
    say(
        "stock loop / cycle in sequence",
        measured,
        loop / sequence,
        "at least 2",
        loop / sequence >= 2,
    )
    parallel = wall(VERIFY, "simulate", "--fidelity", "cycle", "--days", str(DAYS))
    measured = f"{loop:.0f} s (extrapolated) / {parallel:.0f} s"
    say(
        "stock loop / cycle in segments",
        measured,
        loop / parallel,
        "at least 6",
        loop / parallel >= 6,
    )


def bench_drill() -> None:
    """Both sides of a whole drill, against a restore that is compared, and a check of one side."""
    import bench_drill as peers

    found = peers.measure(VERIFY)
    for name, peer, drill, least, wanted in (
        ("restore + diff -r / drill", "restore_s", "drill_s", 4, "at least 4"),
        ("restore + sync + diff, cold / drill", "cold_restore_s", "cold_drill_s", 4, "at least 4"),
        ("check --read-data / drill", "check_s", "drill_s", 1 / 1.3, "at least 1 / 1.3"),
    ):
        if peer not in found:
            print(f"{name:<34} not measured: it takes root to empty the caches", flush=True)
            continue
        ratio = found[peer] / found[drill]
        measured = f"{found[peer]:.1f} s / {found[drill]:.1f} s"
        say(name, measured, ratio, wanted, ratio >= least)
    peak_mb = found["peak_mb"]
    say("drill, largest process", f"{peak_mb:.0f} MB", peak_mb, "at most 150 MB", peak_mb <= 150)


def bench_growth() -> None:
    """The reader's time for each file, as the files become more."""
    found = {count: growth(count) for count in (10_000, 100_000, 1_000_000)}
    for count, figures in found.items():
        print(f"{count:>9} files: {json.dumps(figures)}", flush=True)
    for part in ("index_s", "walk_s", "verify_s", "packs_s"):
        few, many = (found[count][part] / count for count in (100_000, 1_000_000))
        measured = f"{few * 1e6:.0f} us / {many * 1e6:.0f} us a file"
        say(f"growth of {part[:-2]}", measured, many / few, "at most 1.3", many / few <= 1.3)
    for who, most in (("worker", 150), ("coordinator", 300)):
        peak_mb = found[1_000_000][f"{who}_mb"]
        say(
            f"{who}, 1 million files",
            f"{peak_mb} MB",
            peak_mb,
            f"at most {most} MB",
            peak_mb <= most,
        )


def growth(count: int) -> dict[str, float]:
    """Measure a repository of so many files, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        argv = (PYTHON, str(ROOT / "ci" / "bench_growth.py"), f"{folder}/repository", str(count))
        done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, env=ENVIRON)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def bench_clock() -> None:
    """The controlled clock: a cycle with it and without, an exec, a look at the time."""
    import bench_clock as costs

    found = costs.measure()
    ratio = found["cycle_s"] / found["plain_cycle_s"]
    measured = f"{found['cycle_s']:.2f} s / {found['plain_cycle_s']:.2f} s a day"
    say("cycle with clock / without", measured, ratio, "at most 1.25", ratio <= 1.25)
    each_ms = found["exec_ms"]
    measured = f"{each_ms:.2f} ms more each, {found['start_ms']:.0f} ms once a command"
    say("an exec under the clock", measured, each_ms, "at most 1 ms", each_ms <= 1)
    ratio = found["look_ns"] / found["plain_look_ns"]
    measured = f"{found['look_ns']:.0f} ns / {found['plain_look_ns']:.0f} ns by Python"
    say("a look at the clock", measured, ratio, "at most 2", ratio <= 2)


def bench_fleet() -> None:
    """The whole system in containers: ready and gone again, a day, and 400 of them in sequence."""
    import bench_fleet as costs

    found = costs.measure(VERIFY)
    ready_s, day_s = found["ready_s"], found["day_s"]
    say(
        "fleet of jak + 3 ready, and gone",
        f"{ready_s:.1f} s",
        ready_s,
        "at most 20 s",
        ready_s <= 20,
    )
    say("fleet, a simulated day", f"{day_s:.2f} s", day_s, "at most 3 s", day_s <= 3)
    all_min = (ready_s + DAYS * day_s) / 60
    measured = f"{all_min:.1f} min (extrapolated, one segment)"
    say("fleet, 400 days", measured, all_min, "at most 20 min", all_min <= 20)


def bench_explore() -> None:
    """Random timelines of 400 days and 3 hosts, followed in the model; each count has one cycle."""
    few, many = (
        wall(VERIFY, "simulate", "--explore", str(count), "--days", str(DAYS), "--hosts", "3")
        for count in (200, 700)
    )
    a_minute = 500 / (many - few) * 60
    measured = f"{many:.1f} s for 700, {few:.1f} s for 200"
    say("timelines explored a minute", measured, a_minute, "at least 1000", a_minute >= 1000)


def bench_scenarios() -> None:
    """The quick suite of scenarios, and once more when nothing has changed."""
    line = (VERIFY, "scenario", "run", "--fidelity", "model,decisions,cycle")
    first = wall(*line, "--rebuild")
    say("scenarios, without containers", f"{first:.0f} s", first, "under 360 s", first < 360)
    again = wall(*line)
    say("scenarios, nothing changed", f"{again:.1f} s", again, "under 3 s", again < 3)


def bench_dashboard() -> None:
    """Every page of the dashboard over five years of a hundred hosts."""
    import bench_dashboard as costs

    for place, took_ms in costs.measure().items():
        say(f"page {place[:29]}", f"{took_ms:.0f} ms", took_ms, "under 300 ms", took_ms < 300)


BENCHES: dict[str, Callable[[], None]] = {
    "help": bench_help,
    "model": bench_model,
    "decisions": bench_decisions,
    "cycle": bench_cycle,
    "drill": bench_drill,
    "growth": bench_growth,
    "clock": bench_clock,
    "fleet": bench_fleet,
    "explore": bench_explore,
    "scenarios": bench_scenarios,
    "dashboard": bench_dashboard,
}


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown or shutil.which("restic") is None:
        sys.exit(
            f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHES)}"
            if unknown
            else "restic is missing"
        )
    print(f"{'what':<34} {'measured':<46} {'ratio':>8}   {'wanted':<22}")
    for name in names or BENCHES:
        BENCHES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
