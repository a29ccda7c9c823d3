"""The journal of a timeline: for every day, every snapshot that exists and why; and its log.

One JSON object a line and step, so that `grep 2024-06-03` answers what could have been restored
on that day. The log has one a line that was printed, as ClickHouse takes it (`JSONEachRow`).
"""

from __future__ import annotations

import json

from verifier.simulate.timeline import Outcome


def render_entry(outcome: Outcome) -> str:
    """Return one step as a line: its time, and group by group what stayed and what went."""
    entry = {
        "time": outcome.step.at.isoformat(),
        "ran": outcome.step.ran,
        "groups": [
            {
                "host": group.key.host,
                "paths": group.key.paths,
                "tags": group.key.tags,
                "keep": [
                    {"time": s.taken_at.isoformat(), "reasons": why}
                    for s, why in zip(group.keep, group.reasons, strict=True)
                ],
                "remove": [s.taken_at.isoformat() for s in group.remove],
            }
            for group in outcome.groups
        ],
    }
    return json.dumps(entry) + "\n"


def render_log(outcome: Outcome) -> str:
    """Return what a step's scripts printed: lines with the columns of `yamon.logs`."""
    rows = (
        {
            "when": int(line.at.timestamp()),
            "host": line.host,
            "service": line.service,
            "data": line.data,
        }
        for line in outcome.log
    )
    return "".join(f"{json.dumps(row)}\n" for row in rows)
