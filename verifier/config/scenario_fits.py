"""Whether the faults of a scenario fit its system: hosts that it has, and an off-site copy."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from verifier.config.install import split_remote
from verifier.config.locate import Location
from verifier.config.models import Config, Offsite
from verifier.config.problems import Problem
from verifier.config.scenario_faults import Faults

_OF_THE_COPY = ("offsite-unreachable", "offsite-refused")

_OF_A_COPY = frozenset({"sync", "off-site"})
"""What a fault may befall that is only there where a copy is made."""


def misfits(faults: Faults, config: Config, fidelity: Collection[str]) -> Iterator[Problem]:
    """Yield what a fault names or needs and the system does not have.

    Args:
        fidelity: the rungs on which the scenario runs.
    """
    hosts = {host.name for host in config.hosts}
    machines = hosts | {config.coordinator.name}
    for kind, listed in faults.model_dump(by_alias=True).items():
        for index, fault in enumerate(listed):
            if fault.get("host") is not None:
                yield from unknown_host(fault["host"], hosts, ("faults", kind, index, "host"))
            for place, name in enumerate(fault.get("hosts", ())):
                yield from unknown_host(name, machines, ("faults", kind, index, "hosts", place))
            if kind in _OF_THE_COPY and not _can_fail(config.offsite, fidelity):
                found = "no off-site copy that can fail"
                remedy = 'add [offsite] with method = "rclone-sync" and a target'
                yield Problem(("faults", kind, index), found, "one by rclone-sync", remedy)
            if config.offsite is None and _OF_A_COPY & {fault.get("what"), fault.get("where")}:
                remedy = "add [offsite], or take the fault out of the file"
                yield Problem(
                    ("faults", kind, index), "no off-site copy", "a copy to go wrong", remedy
                )
            if fault.get("what") == "sync" and "fleet" in fidelity and _is_served(faults, config):
                # What is written to a store is seen by nobody whom the moment could be told by.
                remedy = (
                    "take `fleet` out of the fidelities, or give the copy a folder as its target"
                )
                found = "a copy in a store, whose sync no one can stop half-way"
                yield Problem(("faults", kind, index), found, "a copy in a folder", remedy)


def _can_fail(offsite: Offsite | None, fidelity: Collection[str]) -> bool:
    # In a cycle the store is a server of rclone's, of which restic itself knows nothing.
    return offsite is not None and ("cycle" not in fidelity or offsite.method == "rclone-sync")


def _is_served(faults: Faults, config: Config) -> bool:
    # A fleet gives a store of its own to a named remote, and to whatever is to fail.
    offsite = config.offsite
    return offsite is not None and (faults.store_fails or bool(split_remote(offsite.target)[0]))


def unknown_host(name: str, known: Collection[str], where: Location) -> Iterator[Problem]:
    """Yield what is wrong with a host that is named and may not be there."""
    if name not in known:
        near = difflib.get_close_matches(name, sorted(known), n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "add a [[hosts]] table for it"
        expected = f"one of the hosts {', '.join(sorted(known))}"
        yield Problem(where, repr(name), expected, remedy)
