"""What a scenario cannot ask for where scripts of the user's own run."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from verifier.config.locate import Location
from verifier.config.models import Config
from verifier.config.own import named_files, own_misfits
from verifier.config.problems import Problem
from verifier.config.scenario_faults import Faults

BESIDE_OWN = frozenset({"pack-damaged", "lock-left", "files-rewritten", "key-locked"})
"""Faults that a cycle can do where it runs scripts of the user's own."""

IN_SCRIPTS = frozenset({"exclude-added", "host-renamed"})
"""Faults that are done in the generated script of a host."""

_REMEDY = "take the fault out of the file, or the script of your own"


def misfits_of_own(faults: Faults, config: Config, fidelity: Collection[str]) -> Iterator[Problem]:
    """Yield what does not go together with the user's own files, where there are any."""
    named = tuple(named_files(config))
    if not named:
        return
    yield from own_misfits(config)
    hosts = {name.split("/")[1] for one in named for name in one.backups()}
    for kind, listed in faults.model_dump(by_alias=True).items():
        if listed and "cycle" in fidelity and kind not in BESIDE_OWN:
            found = f"{kind} on a cycle with a script of your own"
            fit = f"none but {', '.join(sorted(BESIDE_OWN))}"
            yield Problem(("faults", kind), found, fit, _REMEDY)
        for index, fault in enumerate(listed):
            if kind in IN_SCRIPTS and fault["host"] in hosts and "fleet" in fidelity:
                where: Location = ("faults", kind, index, "host")
                found = f"{fault['host']}, whose script is your own"
                yield Problem(where, found, "a host whose script is generated", _REMEDY)
    if config.system.permit_restic and "cycle" in fidelity:
        remedy = 'take "cycle" out of scenario.fidelity: no cycle gives capabilities'
        found = "a script that no cycle runs"
        yield Problem(("system", "permit-restic"), found, "fleet as the fidelity", remedy)
