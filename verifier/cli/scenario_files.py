"""Where scenarios are found, and what is said of them without running one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

from verifier.config.scenario import Scenario, load_scenario
from verifier.core.errors import UsageError

_SUFFIX = ".toml"


def find(names: Sequence[str], folder: str) -> dict[Path, Scenario]:
    """Return the scenarios that are meant, by their files, in the order given.

    Args:
        names: of scenarios in the folder, or paths of files and folders; none for the whole folder.

    Raises:
        UsageError: there is none.
        ConfigError: a file is not right.
    """
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
        raise UsageError(name, "is no scenario", remedy)


def list_scenarios(scenarios: dict[Path, Scenario]) -> list[dict[str, str]]:
    """Return each scenario's name, what it is about, where it runs and what it expects."""
    return [
        {
            "name": scenario.name,
            "about": scenario.about.about,
            "fidelity": ", ".join(scenario.about.fidelity),
            "verdict": scenario.expect.verdict,
            "file": str(path),
        }
        for path, scenario in scenarios.items()
    ]


def show_scenarios(scenarios: dict[Path, Scenario]) -> list[dict[str, str]]:
    """Return the files themselves, as the report shows files."""
    return [
        {"path": str(path), "mode": "0644", "text": path.read_text(encoding="utf-8")}
        for path in scenarios
    ]
