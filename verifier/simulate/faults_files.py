"""What goes wrong with the files of a host: all of them are rewritten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from verifier.config.scenario_faults import FilesRewritten
from verifier.simulate.dataset import Dataset, File


class RewrittenDataset(Dataset):
    """Generated data of which some hosts' files are rewritten from a day on."""

    def __init__(self, seed: int, faults: Sequence[FilesRewritten]) -> None:
        super().__init__(seed)
        self._rewritten = faults

    def files(self, host: str, path: str, day: date) -> Iterator[File]:
        """Yield the files that exist below an include path on a day; see `Dataset`."""
        since = [f.from_ for f in self._rewritten if f.host == host and f.from_ <= day]
        for file in super().files(host, path, day):
            yield _rewritten(file, min(since)) if since else file


def _rewritten(file: File, since: date) -> File:
    changed = max(file.changed_day, (since - date(1970, 1, 1)).days)
    key = b"rewritten " + file.key
    return replace(file, changed_day=changed, size_bytes=file.size_bytes + 1, key=key)
