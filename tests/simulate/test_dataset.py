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


def test_include_paths_may_lie_inside_each_other(tmp_path: Path) -> None:
    for number, paths in enumerate(
        [("/srv", "/srv/www"), ("/srv/www", "/srv"), ("/", "/srv/mail")]
    ):
        walked, direct = tmp_path / f"walked{number}", tmp_path / f"direct{number}"
        steps = Dataset(1)
        for day in range(6):
            steps.write(walked, "web1", paths, DAY + timedelta(days=day))
        Dataset(1).write(direct, "web1", paths, DAY + timedelta(days=5))

        assert listing(direct) == listing(walked)


def test_other_include_paths_leave_nothing_of_the_old(tmp_path: Path) -> None:
    changing, direct = tmp_path / "changing", tmp_path / "direct"
    data = Dataset(1)
    for number, paths in enumerate([("/srv/www",), ("/etc",), ("/srv",)]):
        data.write(changing, "web1", paths, DAY + timedelta(days=number))
    Dataset(1).write(direct, "web1", ("/srv",), DAY + timedelta(days=2))

    assert listing(direct) == listing(changing)


def test_times_are_set_on_the_root_and_below_and_nowhere_else(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "hidden").mkdir()
    Dataset(1).write(root, "web1", ("/", "/.config/a"), DAY)

    def is_noon(path: Path) -> bool:
        return path.stat().st_mtime_ns % 86_400_000_000_000 == 43_200_000_000_000

    assert all(map(is_noon, (root, *root.rglob("*"))))
    assert not any(map(is_noon, root.parents))
