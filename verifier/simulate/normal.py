"""What a scenario's result is, freed of what differs from run to run and from machine to machine.

This is the one place that says what is left out before two results are compared or digested:

- of a finding its `detail` and `evidence`: sentences quote programs, with their folders and times;
- in a finding's subject the IDs of packs, blobs, trees, snapshots and keys: a repository's key is
  random, and everything in it is named by it or by the hash of its content;
- how often one kind of finding was seen for one subject: how content is cut into packs is chance;
- of a snapshot its ID and its tree, for the same reason, and the user who made it;
- the order of findings, snapshots, paths and tags: hosts are seeded side by side;
- how long anything took, and whether a clock was controlled or a result came from the store.

What is left: each kind of finding with its subject; each survivor's host, time with its UTC offset,
paths and tags; every alert; and every host's recovery point on every day.
"""

from __future__ import annotations

import hashlib
import json
import re

from verifier.core.finding import Finding
from verifier.simulate.scenario_expect import Seen
from verifier.simulate.store_watched import render_watched

_ID = re.compile(r"(?:\b[0-9a-f]{2}/)?\b[0-9a-f]{8,64}\b")
"""An ID, with the folder that restic puts it into by its first byte."""


def normal(seen: Seen) -> tuple[str, ...]:
    """Return what a result says, one line a thing, in an order of its own: see this module."""
    findings = {f"finding {f.kind} {_ID.sub('ID', f.subject)}" for f in seen.findings}
    survivors = sorted(
        f"snapshot {s.host} {s.taken_at.isoformat()} {sorted(s.paths)} {sorted(s.tags)}"
        for s in seen.survivors
    )
    watched = render_watched(seen.alerts, seen.recovery)
    lines = (f"{kind} {one}" for kind, listed in watched.items() for one in listed)
    return (*sorted(findings), *survivors, *lines)


def digest_of(seen: Seen) -> str:
    """Return the SHA-256 of a result: equal on every machine with the same inputs."""
    return hashlib.sha256(json.dumps(normal(seen)).encode()).hexdigest()


def differences(name: str, seen: Seen, again: Seen) -> tuple[Finding, ...]:
    """Return a finding where two runs of one scenario did not show the same.

    Args:
        name: of the scenario.
    """
    first, second = normal(seen), normal(again)
    if first == second:
        return ()
    only = [sorted(set(one) - set(other))[:3] for one, other in ((first, second), (second, first))]
    detail = (
        f"two runs showed different things; only the first: {only[0]}; only the second: {only[1]}"
    )
    return (Finding("disagreement", name, detail),)
