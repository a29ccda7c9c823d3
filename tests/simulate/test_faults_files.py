"""Files that somebody rewrites have other contents than they ever had, from that day on."""

from __future__ import annotations

from datetime import date

from verifier.config.scenario_faults import FilesRewritten
from verifier.simulate.dataset import Dataset
from verifier.simulate.faults_files import RewrittenDataset

SINCE = FilesRewritten.model_validate({"host": "web1", "from": date(2024, 1, 3)})


def contents(dataset: Dataset, host: str, day: int) -> dict[str, bytes]:
    files = dataset.files(host, "/srv", date(2024, 1, day))
    return {file.path: file.content() for file in files}


def test_every_file_of_that_host_is_another_from_that_day_on() -> None:
    rewritten, before = RewrittenDataset(1, [SINCE]), Dataset(1)
    ever = {one for day in range(1, 9) for one in contents(before, "web1", day).values()}
    for day in (3, 8):
        found = contents(rewritten, "web1", day)

        assert contents(before, "web1", day).keys() == found.keys()
        assert set() == ever & set(found.values())


def test_before_that_day_and_elsewhere_nothing_is_rewritten() -> None:
    rewritten, before = RewrittenDataset(1, [SINCE]), Dataset(1)

    assert contents(before, "web1", 2) == contents(rewritten, "web1", 2)
    assert contents(before, "db1", 8) == contents(rewritten, "db1", 8)


def test_no_rewritten_file_is_older_than_the_night_in_which_that_was_done() -> None:
    day = date(2024, 1, 3)
    files = RewrittenDataset(1, [SINCE]).files("web1", "/srv", day)

    assert {(day - date(1970, 1, 1)).days} == {file.changed_day for file in files}
