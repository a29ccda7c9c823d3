"""Scenarios in lines: as listed, as shown, and as run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifier.monitor.render.drill import Table
from verifier.monitor.render.envelope import ScenarioRecord
from verifier.monitor.render.wording import count, number, printable, span


def scenario_headline(scenarios: Sequence[ScenarioRecord]) -> str:
    """Return how many there are, or how many of those that were run were as expected."""
    ran = [one for one in scenarios if "met" in one]
    if not ran:
        return count(len({one["name"] for one in scenarios}), "scenario")
    met, stored = (sum(one.get(key) is True for one in ran) for key in ("met", "stored"))
    return f"{number(met)} of {count(len(ran), 'scenario')} as expected, {number(stored)} stored"


def scenario_tables(scenarios: Sequence[ScenarioRecord]) -> Iterator[Table]:
    """Yield a table of what was run, or of what there is; what is shown is no table."""
    ran = [one for one in scenarios if "met" in one]
    if ran:
        rows = tuple(map(_ran, ran))
        names = ("scenario", "fidelity", "result", "took", "from")
        yield Table("Scenarios", (names, *rows), frozenset({3}))
        told = sorted({(one["name"], note) for one in ran for note in one.get("notes", [])})
        if told:
            lines = tuple((printable(name), printable(note)) for name, note in told)
            yield Table("Not seen", (("scenario", "what"), *lines), frozenset())
    elif scenarios and "about" in scenarios[0]:
        listed = tuple(
            (printable(one["name"]), one["fidelity"], printable(one.get("about", "")))
            for one in scenarios
        )
        yield Table("Scenarios", (("scenario", "fidelity", "about"), *listed), frozenset())


def scenario_files(scenarios: Sequence[ScenarioRecord]) -> str:
    """Return the files that are shown, each with its keys and inputs behind it as comments."""
    by_file: dict[str, list[ScenarioRecord]] = {}
    for one in scenarios:
        by_file.setdefault(one.get("file", ""), []).append(one)
    return "\n".join(
        ("" if len(by_file) == 1 else f"# ==> {printable(file)}\n")
        + rungs[0].get("text", "").rstrip("\n")
        + "\n\n"
        + "".join(line + "\n" for rung in rungs for line in _told(rung))
        for file, rungs in by_file.items()
    )


def _ran(one: ScenarioRecord) -> tuple[str, ...]:
    met = one.get("met")
    return (
        printable(one["name"]),
        one["fidelity"],
        "not run" if met is None else "met" if met else "NOT MET",
        span(one.get("duration_s", 0.0)),
        "the store" if one.get("stored") else "a run" if met is not None else "",
    )


def _told(rung: ScenarioRecord) -> Iterator[str]:
    state = "stored" if rung.get("stored") else "not stored"
    yield f"# {rung['fidelity']}: {state}"
    named = {"key": rung.get("key"), "digest": rung.get("digest"), **rung.get("inputs", {})}
    for name, value in named.items():
        if value:
            yield f"#   {printable(name)} = {printable(value)}"
    for note in rung.get("notes", []):
        yield f"#   {printable(note)}"
