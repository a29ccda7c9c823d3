"""Generated data: any day can be written directly, and comes out the same."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from verifier.simulate.dataset import Dataset

DAY = date(2024, 2, 28)


def listing(root: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(root.rglob("*"))
    }


def test_a_day_written_directly_equals_one_reached_step_by_step(tmp_path: Path) -> None:
    steps, direct = tmp_path / "steps", tmp_path / "direct"
    walked = Dataset(1)
    for number in range(9):
        walked.write(steps, "web1", ("/srv", "/var/mail"), DAY + timedelta(days=number))
    Dataset(1).write(direct, "web1", ("/srv", "/var/mail"), DAY + timedelta(days=8))

    assert listing(direct) == listing(steps)


def test_every_day_changes_something_and_not_everything() -> None:
    for number in range(60):
        today = set(Dataset(1).files("web1", "/srv", DAY + timedelta(days=number)))
        tomorrow = set(Dataset(1).files("web1", "/srv", DAY + timedelta(days=number + 1)))

        assert today - tomorrow
        assert today & tomorrow


def test_hosts_paths_and_seeds_have_their_own_data() -> None:
    def contents(seed: int, host: str, path: str) -> set[bytes]:
        return {f.content() for f in Dataset(seed).files(host, path, DAY) if f.size_bytes}

    one = contents(1, "web1", "/srv")

    assert one.isdisjoint(contents(2, "web1", "/srv"))
    assert one.isdisjoint(contents(1, "db1", "/srv"))
    assert one.isdisjoint(contents(1, "web1", "/etc"))


def test_files_come_and_go() -> None:
    days = [DAY + timedelta(days=number) for number in range(120)]
    counts = {len(list(Dataset(1).files("web1", "/srv", day))) for day in days}

    assert len(counts) > 1
