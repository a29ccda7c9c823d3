"""Where scenarios are found, and what is said of them without running one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.config.scenario import Scenario, load_scenario
from verifier.core.errors import UsageError

if TYPE_CHECKING:
    from verifier.cli.scenario_bench import Bench
    from verifier.cli.scenario_running import Due

_SUFFIX = ".toml"


def find(names: Sequence[str], folder: str) -> dict[Path, Scenario]:
    """Return the scenarios that are meant, by their files, in the order given.

    Args:
        names: of scenarios in the folder, or paths of files and folders; none for the whole folder.

    Raises:
        UsageError: there is none.
        ConfigError: a file is not right.
    """
    if not names and not Path(folder).is_dir():
        message = f"there is no folder ./{folder} here"
        raise UsageError("scenario", message, "name a file or a folder")
    paths = [path for name in names or [folder] for path in _paths(name, Path(folder))]
    return {path: load_scenario(path) for path in dict.fromkeys(paths)}


def _paths(name: str, folder: Path) -> Iterator[Path]:
    given = Path(name)
    if given.is_dir():
        found = sorted(given.glob(f"*{_SUFFIX}"))
        if not found:
            raise UsageError(name, "holds no scenario", f"name a folder with *{_SUFFIX} in it")
        yield from found
    elif given.suffix == _SUFFIX:
        yield given
    elif (folder / f"{name}{_SUFFIX}").is_file():
        yield folder / f"{name}{_SUFFIX}"
    else:
        known = [path.stem for path in sorted(folder.glob(f"*{_SUFFIX}"))]
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"name a file, or one of ./{folder}"
        if not folder.is_dir():
            remedy = f"name a file or a folder: there is no folder ./{folder} here"
        raise UsageError(name, "is no scenario", remedy)


def list_scenarios(due: Iterable[Due]) -> list[dict[str, object]]:
    """Return each scenario's name, what it is about, where it runs and what it expects."""
    scenarios = {path: scenario for path, scenario, _ in due}
    return [
        {
            "name": scenario.name,
            "fidelity": ", ".join(scenario.about.fidelity),
            "about": scenario.about.about,
            "verdict": scenario.expect.verdict,
            "file": str(path),
        }
        for path, scenario in scenarios.items()
    ]


def show_scenarios(due: Iterable[Due], context: Context) -> list[dict[str, object]]:
    """Return for each rung the file, what the result is a function of, and what is stored of it."""
    from verifier.cli.scenario_bench import open_bench

    with open_bench(context) as bench:
        return [_shown(bench, *one) for one in due]


def _shown(bench: Bench, path: Path, scenario: Scenario, rung: str) -> dict[str, object]:
    from verifier.cli.scenario_bench import notes, remedy_for
    from verifier.simulate.normal import digest_of

    found, told = bench.find(path, scenario, rung), list(notes(scenario, rung))
    if found.refusal is not None:
        remedy = remedy_for(scenario, found.refusal)
        told.append(f"{found.refusal.subject}: {found.refusal.message} ({remedy})")
    return {
        "name": scenario.name,
        "fidelity": rung,
        "file": str(path),
        "text": path.read_text(encoding="utf-8"),
        "stored": found.seen is not None,
        "key": found.key,
        "digest": digest_of(found.seen) if found.seen else None,
        "inputs": dict(found.inputs),
        "notes": told,
    }
