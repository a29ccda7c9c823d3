"""The API answers what it describes, to whatever it is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.monitor.dashboard.ground import DAY, HOSTS, NOW, application, ask, incident, terms
from verifier.core.snapshot import Snapshot
from verifier.monitor.dashboard.api import OPERATIONS
from verifier.monitor.dashboard.guard import Guard
from verifier.monitor.dashboard.openapi import openapi_text
from verifier.monitor.dashboard.terms import Reading
from verifier.monitor.history.memory import open_history

DESCRIBED = json.loads(openapi_text())


@pytest.fixture(scope="module")
def app(ordinary: Path) -> Guard:
    """A dashboard over an ordinary history."""
    return application(ordinary)


def answered(app: Guard, path: str) -> Any:
    """Return what an operation answers."""
    answer = ask(app, path)

    assert 200 == answer.status_code
    assert "application/json" == answer.headers["content-type"]
    return answer.json()


def test_every_answer_has_its_shape(app: Guard) -> None:
    for operation in OPERATIONS:
        path = operation.path.replace("{number:int}", "1")
        path += "?host=web1" if operation.path.endswith("retention") else ""
        found = answered(app, path)
        if operation.answer is not None:
            TypeAdapter(operation.answer).validate_python(found, strict=True)


def test_now_says_what_the_page_says(app: Guard) -> None:
    found = answered(app, "/api/now")

    assert ("OK", "All is well", []) == (found["verdict"], found["heading"], found["reasons"])
    assert sorted(HOSTS) == sorted(host["host"] for host in found["hosts"])
    assert "2026-11-29T12:00:00+00:00" == found["ahead"][0]["at"]


def test_backups_are_the_newest_and_can_be_bounded(app: Guard) -> None:
    newest = answered(app, "/api/backups?limit=2")
    web1 = answered(app, "/api/backups?host=web1&since=2026-11-20&until=2026-11-23")

    assert [True, "mail1", "db1"] == [newest["more"], *(b["host"] for b in newest["backups"])]
    assert ["2026-11-22", "2026-11-21", "2026-11-20"] == [b["began"][:10] for b in web1["backups"]]
    assert not web1["more"]
    for nobody in ("nobody", "%ff", "%00"):
        assert [] == answered(app, f"/api/backups?host={nobody}")["backups"]


def test_cycles_can_be_followed_to_their_lines(app: Guard) -> None:
    newest = answered(app, "/api/cycles?limit=1")["cycles"][0]
    older = answered(app, f"/api/cycles?limit=1&before={newest['number']}")["cycles"][0]
    lines = answered(app, f"/api/cycles/{newest['number']}/lines?offset=2&limit=5")

    assert newest == answered(app, f"/api/cycles/{newest['number']}")
    assert older["began"] < newest["began"]
    assert (3, ["Finished run backups."]) == (
        lines["total"],
        [line["line"] for line in lines["lines"]],
    )


def test_report_is_what_json_printed(app: Guard, ordinary: Path) -> None:
    with open_history(ordinary, read_only=True) as history:
        stored = history.report(1)

    assert stored == answered(app, "/api/reports/1")
    assert [3, 2, 1] == [
        one["number"] for one in answered(app, "/api/reports?kind=monthly")["reports"]
    ]
    assert [] == answered(app, "/api/reports?kind=audit")["reports"]


def test_restore_points_say_their_source(ordinary: Path) -> None:
    snapshots = (Snapshot("f" * 64, NOW - DAY, "web1", ("/etc",)),)
    held = terms(reading=lambda: Reading(snapshots, NOW))
    read = answered(application(ordinary, held), "/api/retention?host=web1")
    model = answered(application(ordinary), "/api/retention?host=web1")

    assert ("repository", 1) == (read["source"], len(read["restore_points"]))
    assert ("model", None) == (model["source"], model["read"])
    assert len(model["restore_points"]) > 30


def test_incident_is_told_while_it_is_open_and_later(tmp_path: Path) -> None:
    watch, told = incident("db1", hours_ago=3)
    with open_history(tmp_path / "h.sqlite") as history:
        history.save_look({watch.subject: watch}, [told], NOW)
    app = application(tmp_path / "h.sqlite")

    (found,) = answered(app, "/api/incidents")["incidents"]
    assert ("backup db1", "warning", None) == (found["subject"], found["level"], found["resolved"])
    assert [found] == answered(app, "/api/now")["incidents"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/backups?limit=0", "limit is a whole number from 1 to 1000"),
        ("/api/backups?limit=1.5", "limit is a whole number"),
        ("/api/backups?since=yesterday", "since is a date, as 2026-11-28"),
        ("/api/backups?since=2026-02-30", "since is a date"),
        ("/api/retention", "host is missing"),
    ],
)
def test_what_cannot_be_obeyed_is_said(app: Guard, path: str, said: str) -> None:
    answer = ask(app, path)

    assert 400 == answer.status_code
    assert said in answer.json()["error"]


def test_description_is_openapi_3_1_and_names_every_operation(app: Guard) -> None:
    assert DESCRIBED == answered(app, "/api/openapi.json")
    assert "3.1.0" == DESCRIBED["openapi"]
    assert len(OPERATIONS) == len(DESCRIBED["paths"])
    references = set(_references(DESCRIBED))
    assert references <= {
        f"#/components/schemas/{name}" for name in DESCRIBED["components"]["schemas"]
    }


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for inner in value.values() for found in _references(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in _references(inner)]
    return []
