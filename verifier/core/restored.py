"""Compare a restored sample with what the snapshot recorded of it: content and metadata.

Pure. What the restoring user had no right to give back is counted, not held against the backup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from verifier.core.align import Comparison, Links, align, evidence, listing, tally
from verifier.core.entry import Entry, Rights, shown
from verifier.core.finding import Finding

_DEVICES = frozenset({"dev", "chardev"})


def compare_restored(
    recorded: Iterable[Entry],
    restored: Iterable[Entry],
    *,
    failures: Mapping[str, str] | None = None,
    rights: Rights | None = None,
) -> Comparison:
    """Compare the two sides, each sorted by `path_order`.

    Args:
        failures: path -> what restic said when it could not restore its content.
        rights: what the restore was able to do; everything where none are given.
    """
    judge = _Judge(failures or {}, rights or Rights())
    rows = ((row, judge.judge(*row)) for row in align(recorded, restored))
    return tally(rows, judge.skipped)


@dataclass(slots=True)
class _Judge:
    """Judges path after path; hard links are remembered."""

    failures: Mapping[str, str]
    rights: Rights
    skipped: Counter[str] = field(default_factory=Counter)
    _links: Links = field(default_factory=Links)

    def judge(self, recorded: Entry | None, restored: Entry | None) -> Finding | None:
        if recorded is None:
            assert restored is not None, "a row has at least one side"
            detail = "was restored, though the snapshot does not list it"
            return Finding("metadata", shown(restored.path), detail)
        return self._lost(recorded, restored) or self._lacking(recorded, restored)

    def _lost(self, recorded: Entry, restored: Entry | None) -> Finding | None:
        device = recorded.type in _DEVICES and not self.rights.devices
        failure = "" if device else self.failures.get(recorded.path, "")
        subject, sides = shown(recorded.path), evidence(recorded=recorded, restored=restored)
        why = self._why_lost(recorded, restored)
        if why:
            return Finding("lost", subject, ": ".join(filter(None, (why, failure))), sides)
        if restored is not None and restored.error:
            detail = f"its restored copy could not be read: {restored.error}"
            return Finding("could-not-verify", subject, detail, sides)
        if not failure:
            return None
        if restored is not None and restored.sha256 == recorded.sha256:
            detail = f"restored with the recorded content, but: {failure}"
            return Finding("metadata", subject, detail, sides)
        return Finding("lost", subject, f"restic could not restore it: {failure}", sides)

    def _why_lost(self, recorded: Entry, restored: Entry | None) -> str:
        if restored is None:
            if recorded.type == "socket":
                self.skipped["restic never restores a socket"] += 1
            elif recorded.type in _DEVICES and not self.rights.devices:
                self.skipped["device not restored: it takes more rights"] += 1
            else:
                return "the snapshot lists it, but it was not restored"
        elif recorded.type != restored.type:
            return f"recorded as {recorded.type}, restored as {restored.type}"
        elif recorded.type == "file" and recorded.size != restored.size:
            return f"recorded with {recorded.size} bytes, restored with {restored.size}"
        elif recorded.sha256 and restored.sha256 and recorded.sha256 != restored.sha256:
            return "its restored content is not the recorded one"
        return ""

    def _lacking(self, recorded: Entry, restored: Entry | None) -> Finding | None:
        if restored is None:
            return None
        names = self._differences(recorded, restored)
        if not names:
            return Finding("identical", shown(recorded.path), "")
        detail = f"the restored copy does not carry its recorded {listing(names)}"
        sides = evidence(recorded=recorded, restored=restored)
        return Finding("metadata", shown(recorded.path), detail, sides)

    def _differences(self, recorded: Entry, restored: Entry) -> tuple[str, ...]:
        owner = self.rights.owner
        if not owner:
            self.skipped["owner as restored: it takes more rights"] += 1
        # Without the owner's rights the kernel drops setuid and setgid again.
        mask = 0o7777 if owner else 0o777
        symlink = recorded.type == "symlink"
        differs = {
            "mode": not symlink and (recorded.permissions ^ restored.permissions) & mask,
            "uid": owner and recorded.uid != restored.uid,
            "gid": owner and recorded.gid != restored.gid,
            "mtime": recorded.mtime_ns != restored.mtime_ns,
            "link target": recorded.linktarget != restored.linktarget,
            "device number": recorded.device != restored.device,
            "extended attributes": self._attributes_differ(recorded, restored),
            "hard links": self._links.differ(recorded, restored),
        }
        return tuple(name for name, found in differs.items() if found)

    def _attributes_differ(self, recorded: Entry, restored: Entry) -> bool:
        if recorded.attributes is None or restored.attributes is None:
            return False
        within = _within(recorded.attributes, self.rights)
        if within != recorded.attributes:
            self.skipped["extended attributes that take more rights to restore"] += 1
        return within != _within(restored.attributes, self.rights)


def _within(attributes: Mapping[str, str], rights: Rights) -> dict[str, str]:
    return {n: v for n, v in attributes.items() if n.partition(".")[0] in rights.namespaces}
