"""The cycle's world: healthy systems agree with the model, and whatever goes wrong is found.

Real restic, real scripts. A program that misbehaves is a script around the real one; its healthy
twin is the program itself, here or in `test_worlds`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, date
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.simulate.lab import program, run
from tests.simulate.systems import (
    RCLONE,
    RESTIC,
    Lab,
    config,
    kinds,
    model_of,
    steps_of,
    subjects,
    survivors,
)
from verifier.config.models import Config
from verifier.core.errors import CannotVerify
from verifier.cycle.render import render
from verifier.retention.rules import rules_for
from verifier.simulate.segments import cut
from verifier.simulate.timeline import Days, Deviations, PathChange
from verifier.simulate.worlds.cycle import CycleWorld, Template
from verifier.simulate.worlds.relocate import relocate

pytestmark = pytest.mark.heavy

Make = Callable[..., Lab]
OFFSITE = {"method": "rclone-sync", "target": "/offsite"}


@pytest.fixture
def lab(tmp_path: Path, template: Template) -> Make:
    """Return a function from a system to its laboratory."""

    numbers = count()

    def make(system: Config, deviations: Deviations | None = None, **more: Any) -> Lab:
        folder = tmp_path / f"world{next(numbers)}"
        return Lab(folder, template, system, steps_of(system, deviations), **more)

    return make


def agree(lab: Lab) -> None:
    """Run a system that is well, and hold it against the model."""
    found = lab.run()
    model = lab.run(model_of(lab.system, lab.rules))

    assert () == found.findings()
    assert survivors(model) == survivors(found)
    assert found.compared == found.agreed > 0
    assert found.read > found.unsound == 0


# Systems that are well.


@pytest.mark.parametrize(
    "offsite",
    [{}, {"offsite": OFFSITE}, {"offsite": {**OFFSITE, "method": "restic-copy"}}],
    ids=["no-copy", "rclone-sync", "restic-copy"],
)
def test_a_healthy_cycle_ends_as_the_model_does(lab: Make, offsite: dict[str, Any]) -> None:
    agree(lab(config(days=4, **offsite)))


def test_a_cycle_runs_what_render_writes(lab: Make) -> None:
    """Byte for byte; what it relocates is the configuration, and no script."""
    simulated = lab(config(days=1, offsite=OFFSITE))
    simulated.run()
    rendered = render(relocate(simulated.system, simulated.folder))
    installed = {name: (simulated.folder / name).read_text() for name in rendered}

    assert {name: file.text for name, file in rendered.items()} == installed


def test_a_cycle_whose_clock_cannot_be_controlled_ends_as_the_model_does(lab: Make) -> None:
    """Backups alone are dated, by `--time`."""
    agree(lab(config(days=4, offsite=OFFSITE), controlled=False))


@pytest.mark.parametrize("release", ["0.14.0", "0.18.0", "0.19.1"])
def test_days_of_the_future_end_as_the_model_does(
    lab: Make, restic_release: Any, release: str
) -> None:
    """Each snapshot is on the edge of a span of whole days, which one nanosecond would move."""
    system = config(days=5, start="2031-03-07", retention={"keep-within": "2d", "keep-yearly": 1})
    agree(lab(system, restic=str(restic_release(release)), rules=rules_for(release)))


def test_every_command_of_a_cycle_runs_at_its_simulated_time(lab: Make, tmp_path: Path) -> None:
    """Hosts in turn, then the coordinator; the last host of the third day cannot be reached."""
    noted = f"""[ "$1" = version ] || echo "$1 $(date -u +%FT%T.%N)" >>{tmp_path}/log"""
    script = f"""{noted}; exec {RESTIC} "$@" """
    days = (("db1", Days(date(2024, 1, 3), date(2024, 1, 3))),)
    timed = lab(config(), Deviations(down=days), restic=program(tmp_path, "timed", script))
    agreed = timed.run()
    expected = []
    for step in timed.steps:
        due = [("backup", snapshot.taken_at) for snapshot in step.due]
        expected += [*due, ("forget", step.forget_at), ("prune", step.forget_at)]

    assert () == agreed.findings()
    assert [
        f"{verb} {at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000000000" for verb, at in expected
    ] == (tmp_path / "log").read_text().splitlines()


@pytest.mark.parametrize("down", [("web1", "db1"), ("web1",), ("db1",)])
def test_forget_has_its_time_whoever_is_down(
    lab: Make, tmp_path: Path, down: tuple[str, ...]
) -> None:
    day = Days(date(2024, 1, 2), date(2024, 1, 2))
    script = f'[ "$1" = forget ] && date +%s >>{tmp_path}/log; exec {RESTIC} "$@"'
    partly = lab(
        config(days=3),
        Deviations(down=tuple((name, day) for name in down)),
        restic=program(tmp_path, "timed", script),
    )
    partly.run()

    assert [int(step.forget_at.timestamp()) for step in partly.steps] == [
        int(line) for line in (tmp_path / "log").read_text().split()
    ]


@pytest.mark.parametrize("group_by", ["paths", "host", "", "tags"])
def test_every_grouping_agrees_with_the_model(lab: Make, group_by: str) -> None:
    """Two hosts with one path list are one group where paths alone make it."""
    hosts = [{"name": name, "include": ["/srv"]} for name in ("web1", "db1")]
    agree(lab(config(hosts=hosts, retention={"keep-last": 3, "group-by": group_by})))


@pytest.mark.parametrize(
    ("at", "zone", "start"),
    [
        ("04:00", "America/Los_Angeles", "2024-03-09"),
        ("04:00", "America/Los_Angeles", "2024-11-02"),
        ("01:30", "America/Los_Angeles", "2024-11-02"),
        ("01:59", "America/Los_Angeles", "2024-03-09"),
        ("02:30", "Europe/Berlin", "2024-10-26"),
        ("02:59", "Europe/Berlin", "2024-10-26"),
    ],
)
@pytest.mark.parametrize("controlled", [True, False], ids=["controlled", "dated"])
def test_backups_carry_the_offset_of_their_instant(
    lab: Make, at: str, zone: str, start: str, controlled: bool
) -> None:
    """Summer time begins or ends: in the gap, and in the hour that comes twice."""
    system = config(at=at, zone=zone, start=start, retention={"keep-last": 9})
    keeping = lab(system, controlled=controlled)
    agree(keeping)
    planned = [s.taken_at.isoformat() for step in keeping.steps for s in step.due]
    stored = [s.taken_at.isoformat() for s in keeping.repository().snapshots()]

    assert planned == stored
    assert 2 == len({time[-6:] for time in stored})


@pytest.mark.parametrize(
    "hosts",
    [
        [{"name": "web1", "include": ["/"], "exclude": ["tmp", "/mail"]}],
        [{"name": "web1", "include": ["/srv/", "/srv/www"], "exclude": ["world*", "hosts"]}],
        [
            {"name": "local", "include": ["/srv"]},
            {"name": "web1", "include": ["/a b"], "address": "local"},
        ],
        [
            {"name": "a", "include": ["/srv"]},
            {"name": "a.zone", "include": ["/srv"], "one-file-system": True},
        ],
    ],
    ids=["root", "nested", "local", "names"],
)
def test_unusual_hosts_are_backed_up_as_they_should(lab: Make, hosts: list[dict[str, Any]]) -> None:
    """Excludes reach below the host's root, and never the folders of the simulation above it."""
    unusual = lab(config(days=2, hosts=hosts))
    agree(unusual)
    repository = unusual.repository()
    for snapshot in repository.snapshots():
        paths = [path for path, node in repository.walk(snapshot) if node.type == "file"]

        assert any("/www/" in path for path in paths)
        assert not any("backup-restic" in path for path in paths)


def test_nothing_above_a_host_is_touched(lab: Make) -> None:
    """An include path of `/` stands for the host's root, not for this machine's."""
    whole = lab(config(days=1, hosts=[{"name": "web1", "include": ["/"]}]))
    whole.folder.parent.joinpath("beside").touch()
    above = [Path("/"), whole.folder.parent]
    before = [path.stat().st_mtime for path in above]
    whole.folder.mkdir()
    after_mkdir = above[1].stat().st_mtime
    agree(whole)

    assert [before[0], after_mkdir] == [path.stat().st_mtime for path in above]


def test_a_host_that_is_down_has_no_snapshot_and_no_finding(lab: Make) -> None:
    day = Days(date(2024, 1, 2), date(2024, 1, 2))
    found = (down := lab(config(), Deviations(down=(("db1", day),)))).run()

    assert () == found.findings()
    assert found.compared == found.agreed
    assert [2, 1, 2] == [len(record.created) for record in found.records]
    assert {("db1", 1), ("db1", 3), ("web1", 2), ("web1", 3)} == {
        (s.host, s.taken_at.day) for s in down.repository().snapshots()
    }


def test_without_prune_nothing_is_called_unreachable(lab: Make) -> None:
    agree(lab(config(days=5, retention={"keep-last": 1, "prune": False})))


def test_a_seeded_world_holds_what_a_walked_one_does(lab: Make) -> None:
    """Include paths that change, lie inside each other, and change back."""
    hosts = [{"name": "web1", "include": ["/srv", "/srv/www"]}]
    changes = (
        PathChange("web1", date(2024, 1, 3), ("/srv/www", "/etc")),
        PathChange("web1", date(2024, 1, 5), ("/srv",)),
    )
    system = config(days=7, hosts=hosts, retention={"keep-last": 2})
    walked = lab(system, Deviations(changes=changes))
    walked_world = walked.open()
    for step in walked.steps[:6]:
        walked_world.run(step)
    seeded_world = lab(system, seed=1).open()
    seeded_world.seed(walked_world.snapshots())
    other_world = lab(system, seed=2).open()
    other_world.seed(walked_world.snapshots())

    assert 6 == len(walked_world.fingerprints())
    assert walked_world.fingerprints() == seeded_world.fingerprints()
    assert walked_world.fingerprints().keys() == other_world.fingerprints().keys()
    assert set(walked_world.fingerprints().values()).isdisjoint(other_world.fingerprints().values())


@pytest.mark.parametrize("start", ["2024-01-01", "2031-03-07"], ids=["past", "future"])
def test_a_seeded_world_goes_on_as_the_model(lab: Make, start: str) -> None:
    system = config(days=6, start=start, retention={"keep-within": "3d", "keep-weekly": 2})
    going = lab(system)
    half = cut(going.steps, model_of(system), 2)[1]
    world = going.open()
    world.seed(half.start)
    outcomes = [world.run(step) for step in half.steps]

    assert () == tuple(finding for outcome in outcomes for finding in outcome.findings)
    assert [2, 2, 2] == [outcome.agreed for outcome in outcomes]


# Systems that are not.


def test_a_seed_that_cannot_be_made_says_how_to_go_on(lab: Make, tmp_path: Path) -> None:
    ill = lab(config(), restic=program(tmp_path, "ill", "echo 'Fatal: no' >&2; exit 1"))

    with pytest.raises(CannotVerify, match="Fatal: no") as raised:
        ill.open().seed(ill.steps[0].due)

    assert "--segments 1" in raised.value.remedy


LOSS = {"disagreement", "newest-removed", "promise-broken"}
WEB, DB = "web1 /srv", "db1 /etc, /srv"
MISBEHAVIOUR = {
    "a-backup-fails": ('[ "$SIMULATED_HOST" = db1 ] && exit 1', {"step-failed"}, "db1"),
    "a-backup-is-not-made": ('[ "$SIMULATED_HOST" = db1 ] && exit 0', LOSS, DB),
    "forget-takes-the-newest": (
        '[ "$1" = forget ] && {real} "$@" && exec {real} forget -q --host web1 latest',
        LOSS,
        WEB,
    ),
    "forget-does-nothing": ('[ "$1" = forget ] && exit 0', {"disagreement", "over-bound"}, WEB),
    "forget-keeps-more": (
        '[ "$1" = forget ] && exec {real} "$@" --keep-last=3',
        {"disagreement", "over-bound"},
        WEB,
    ),
    "forget-fails": ('[ "$1" = forget ] && exit 1', {"step-failed", "over-bound"}, "forget"),
    "forget-fails-half-way": (
        '[ "$1" = forget ] && {real} "$@" --host web1 && exit 1',
        {"step-failed", "over-bound"},
        DB,
    ),
    "forget-fails-and-takes-the-newest": (
        '[ "$1" = forget ] && {real} forget -q --host web1 latest && exit 1',
        {"step-failed", "over-bound", *LOSS},
        WEB,
    ),
    "prune-does-nothing": ('[ "$1" = prune ] && exit 0', {"unreachable-data"}, "2024-01-05"),
    "prune-fails": ('[ "$1" = prune ] && exit 5', {"step-failed"}, "prune"),
}


@pytest.mark.parametrize(
    ("script", "expected", "about"), MISBEHAVIOUR.values(), ids=MISBEHAVIOUR.keys()
)
def test_a_restic_that_misbehaves_is_found(
    lab: Make, tmp_path: Path, script: str, expected: set[str], about: str
) -> None:
    wrong = program(tmp_path, "wrong", script.replace("{real}", RESTIC) + f'\nexec {RESTIC} "$@"')
    found = lab(config(days=5), restic=wrong).run()

    assert expected == kinds(found)
    assert about in subjects(found)
    assert 0 <= found.agreed <= found.compared
    assert ("disagreement" in expected) == (found.agreed < found.compared)


def test_a_backup_made_twice_is_found(lab: Make, tmp_path: Path) -> None:
    """Two snapshots of one host and instant are not what was planned, alike as they are."""
    script = f"""
        if [ "$1" = backup ] && [ ! -e {tmp_path}/done ]; then
            touch {tmp_path}/done
            {RESTIC} "$@"
        fi
        exec {RESTIC} "$@" """
    system = config(retention={"keep-last": 9})
    found = lab(system, restic=program(tmp_path, "wrong", script)).run()

    assert [{"disagreement"}, set(), set()] == [kinds(r.findings) for r in found.records]
    assert {"web1 /srv"} == subjects(found)


def test_a_difference_is_told_once(lab: Make, tmp_path: Path) -> None:
    """Restic forgets one snapshot more on one day; from then on model and cycle agree again."""
    script = f"""
        {RESTIC} "$@" || exit
        if [ "$1" = forget ] && [ ! -e {tmp_path}/done ]; then
            touch {tmp_path}/done
            exec {RESTIC} forget -q --host web1 latest
        fi"""
    found = lab(config(days=4), restic=program(tmp_path, "wrong", script)).run()

    told = [kinds(record.findings) for record in found.records]

    assert [True, False, False, False] == ["disagreement" in kinds for kinds in told]
    # What is owed for that day is broken for as long as it is owed.
    assert [True, True, False, False] == ["promise-broken" in kinds for kinds in told]
    assert found.agreed == found.compared - 1


def test_an_absent_key_file_fails_the_step_and_no_more(lab: Make) -> None:
    keyless = lab(config(days=3))
    world = keyless.open()
    key = keyless.folder / "keys" / "password"
    outcomes = [world.run(keyless.steps[0])]
    key.rename(key.with_suffix(".gone"))
    outcomes.append(world.run(keyless.steps[1]))
    key.with_suffix(".gone").rename(key)
    outcomes.append(world.run(keyless.steps[2]))

    assert [set(), {"step-failed"}, set()] == [kinds(outcome.findings) for outcome in outcomes]
    assert [2, 0, 2] == [len(outcome.created) for outcome in outcomes]


def flip(pack: Path) -> None:
    data = bytearray(pack.read_bytes())
    data[20] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)


@pytest.mark.parametrize("damage", [flip, Path.unlink], ids=["flipped", "deleted"])
@pytest.mark.parametrize("which", [min, max], ids=["tree-pack", "data-pack"])
def test_a_damaged_pack_is_found_by_the_reader(
    lab: Make, damage: Callable[[Path], object], which: Callable[..., Any]
) -> None:
    """Without prune, so that restic itself looks at no pack; the twin runs the same days whole."""
    ill = lab(config(days=2, retention={"keep-last": 9, "prune": False}))
    world = ill.open()
    first = world.run(ill.steps[0])
    packs = [path for path in (ill.folder / "repository" / "data").rglob("*") if path.is_file()]
    damage(which(packs, key=lambda path: path.stat().st_size))
    found = ill.follow([first, world.run(ill.steps[1])])

    assert () == first.findings
    assert {"lost"} == kinds(found)
    assert (1, 1) == (found.read, found.unsound)
    assert any(subject.startswith("data/") for subject in subjects(found))


SYNC, COPY = "rclone-sync", "restic-copy"
LAZY_COPIES = {
    "does-nothing": (SYNC, "exit 0", {"step-failed": "off-site"}),
    "fails": (SYNC, "exit 7", {"step-failed": "offsite"}),
    "loses-the-keys": (SYNC, '{real} "$@" && rm -r {copy}/keys', {"step-failed": "off-site"}),
    "leaves-packs": (
        SYNC,
        '{real} "$1" --exclude \'/data/**\' "${@:2}"',
        {"lost": "off-site data/"},
    ),
    "leaves-indexes": (
        SYNC,
        '{real} "$1" --exclude \'/index/**\' "${@:2}"',
        {"lost": "off-site "},
    ),
    "copies-nothing": (COPY, '[ "$1" = copy ] && exit 0', {"step-failed": "off-site"}),
}


@pytest.mark.parametrize(
    ("method", "script", "expected"), LAZY_COPIES.values(), ids=LAZY_COPIES.keys()
)
def test_an_offsite_copy_that_lacks_something_is_found(
    lab: Make, tmp_path: Path, method: str, script: str, expected: Mapping[str, str]
) -> None:
    ill = lab(config(days=2, offsite={**OFFSITE, "method": method}))
    is_rclone = method == "rclone-sync"
    script = script.replace("{copy}", f"{ill.folder}/offsite").replace("{real}", RCLONE)
    script += "" if is_rclone else f'\nexec {RESTIC} "$@"'
    wrong = program(tmp_path, "wrong", script)
    ill.rclone, ill.restic = (wrong, RESTIC) if is_rclone else (RCLONE, wrong)
    found = ill.run()

    assert expected.keys() <= kinds(found) <= {"lost", "step-failed"}
    for subject in expected.values():
        assert any(known.startswith(subject) for known in subjects(found))
    assert 1 == found.unsound
    assert found.compared == found.agreed


@pytest.mark.parametrize(
    ("release", "expected", "left"),
    [
        ("0.18.0", {"forget-refused", "step-failed"}, 6),
        ("0.14.0", {"group-wiped", "newest-removed"}, 0),
    ],
)
def test_a_policy_of_tags_is_refused_or_takes_all(
    lab: Make, restic_release: Any, release: str, expected: set[str], left: int
) -> None:
    system = config(retention={"keep-tag": ["never"]})
    tagged = lab(system, restic=str(restic_release(release)), rules=rules_for(release))
    found = tagged.run()

    assert expected == kinds(found)
    assert found.compared == found.agreed
    assert [left // 3, 2 * left // 3, left] == [record.kept for record in found.records]
    assert left == len(tagged.repository().snapshots())
    assert [2, 2, 2] == [len(record.created) for record in found.records]


# What is left behind.


def processes(word: str) -> list[str]:
    """Return the command lines and folders of processes that name a word."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found.append(f"{line} in {(process / 'cwd').readlink()}")
        except OSError:
            continue
    return [line for line in found if word in line]


@pytest.mark.parametrize("script", ["", '[ "$1" = backup ] && kill -9 $PPID; sleep 0'])
def test_no_process_and_no_folder_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """Two segments, in the second case with hosts whose script is killed."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    wrong = program(tmp_path, "wrong", f'{script}\nexec {RESTIC} "$@"')
    report = run(f"--fidelity cycle --days 2 --segments 1 --hosts 1 --restic {wrong}")

    assert ("step-failed" in {finding.kind for finding in report.findings}) == bool(script)
    assert [] == list(place.iterdir())
    assert [] == processes(str(place))


def test_an_error_leaves_no_process_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of three segments cannot be seeded: its first backup fails, others go on."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    script = f"""
        case "$*" in *2024-01-05*) exit 1;; esac
        exec {RESTIC} "$@" """
    wrong = program(tmp_path, "wrong", script)

    with pytest.raises(CannotVerify):
        run(f"--fidelity cycle --days 9 --segments 3 --hosts 1 --keep-last 2 --restic {wrong}")

    assert [] == list(place.iterdir())
    assert [] == processes(str(place))


def test_worlds_are_each_other_s_strangers(lab: Make) -> None:
    """Two worlds of one template share no file: what one runs, the other does not see."""
    one, other = lab(config(days=1)), lab(config(days=1))
    worlds: list[CycleWorld] = [one.open(), other.open()]
    worlds[0].run(one.steps[0])

    assert 2 == len(one.repository().snapshots())
    assert () == other.repository().snapshots()
    assert {} == worlds[1].fingerprints()
