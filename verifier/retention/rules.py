"""The differences between restic's releases, as data.

`decide` knows these flags and no version number. Sources: restic's changelogs from 0.11.0 to
0.19.1, and recorded decisions of 0.11.0, 0.14.0, 0.18.0 and 0.19.1 (fixtures/vectors).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from verifier.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Rules:
    """How one release of restic forgets.

    Attributes:
        release: the release asked for, as text.
        anchor_may_be_future: `within` windows end at the newest snapshot even if it is dated
            after now (until 0.12.0).
        within_buckets: `--keep-within-hourly` and its kin exist (0.12.1, #3414).
        empty_tag_is_untagged: `--keep-tag ''` matches untagged snapshots (0.12.1, #3456).
        oldest_kept: every rule with counts left keeps the oldest snapshot (0.16, #3624).
        knows_unlimited: `unlimited` is a count; before, a negative one kept nothing (0.16, #2565).
        refuses_empty_group: forget stops before it empties a group (0.17, #4568).
        refuses_empty_policy: no rule at all is an error (0.17, #4568).
        oldest_named: reasons say `oldest ...` (0.18, #4806).
    """

    release: str = "0.11.0"
    anchor_may_be_future: bool = True
    within_buckets: bool = False
    empty_tag_is_untagged: bool = False
    oldest_kept: bool = False
    knows_unlimited: bool = False
    refuses_empty_group: bool = False
    refuses_empty_policy: bool = False
    oldest_named: bool = False


Release = tuple[int, int, int]

OLDEST: Release = (0, 11, 0)
NEWEST: Release = (0, 19, 1)
"""The newest release whose decisions were compared with the model."""

RELEASED = tuple(
    f"0.{minor}.{patch}"
    for minor, last in (
        (11, 0),
        (12, 1),
        (13, 1),
        (14, 0),
        (15, 2),
        (16, 5),
        (17, 3),
        (18, 1),
        (19, 1),
    )
    for patch in range(last + 1)
)
"""Every release there is from `OLDEST` to `NEWEST`."""

_CHANGES: tuple[tuple[Release, dict[str, Any]], ...] = (
    (
        (0, 12, 1),
        {"anchor_may_be_future": False, "within_buckets": True, "empty_tag_is_untagged": True},
    ),
    ((0, 16, 0), {"oldest_kept": True, "knows_unlimited": True}),
    ((0, 17, 0), {"refuses_empty_group": True, "refuses_empty_policy": True}),
    ((0, 18, 0), {"oldest_named": True}),
)


def parse_release(text: str) -> Release:
    """Parse `0.18.0`, or `0.18` for its first release.

    Raises:
        UsageError: not a release, or one older than 0.11.0.
    """
    found = re.fullmatch(r"v?([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?(?:-.*)?", text.strip())
    if found is None:
        raise UsageError("restic release", f"{text!r} is not a release", "write it as 0.18.0")
    release = int(found[1]), int(found[2]), int(found[3] or 0)
    if release < OLDEST:
        raise UsageError(
            "restic release",
            f"{text} is older than {release_text(OLDEST)}, the first whose rules are known",
            "name a release from 0.11.0 on",
        )
    return release


def is_released(release: Release) -> bool:
    """Say whether there is such a release; of those newer than `NEWEST` nothing is known."""
    return release > NEWEST or release_text(release) in RELEASED


def release_text(release: Release) -> str:
    """Render a release as restic writes it."""
    return ".".join(map(str, release))


def rules_for(text: str) -> Rules:
    """Return the rules of a release; a release newer than `NEWEST` gets that one's.

    Raises:
        UsageError: not a release, or one older than 0.11.0.
    """
    release = parse_release(text)
    rules = Rules(release=release_text(release))
    for since, change in _CHANGES:
        if since <= release:
            rules = replace(rules, **change)
    return rules
