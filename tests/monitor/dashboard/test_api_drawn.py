"""Whatever the API is asked, it answers as it is described: requests are drawn by schemathesis.

No status but those described, no shape but theirs, no fault; what breaks the description is
refused, what follows it is not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.failures import FailureGroup

from tests.monitor.dashboard.ground import application
from verifier.monitor.dashboard.api import OPERATIONS
from verifier.monitor.dashboard.doors import Doors
from verifier.monitor.dashboard.openapi import openapi_text

EVERY_NAME = Doors(frozenset({"testserver"}), any_address=True, token=None)
LABELS = [f"GET {operation.path.replace(':int', '')}" for operation in OPERATIONS]
WITH_QUERIES = [
    label for label, operation in zip(LABELS, OPERATIONS, strict=True) if operation.parameters
]
FOLLOWS = schemathesis.GenerationMode.POSITIVE
BREAKS = schemathesis.GenerationMode.NEGATIVE


@pytest.fixture(scope="session")
def described(ordinary: Path) -> dict[str, Any]:
    """Every operation by its label, from the description as the dashboard itself serves it."""
    app = application(ordinary, opens=EVERY_NAME)
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app)
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


def test_every_operation_is_drawn(described: dict[str, Any]) -> None:
    assert set(LABELS) == set(described)


def hold(operation: Any, mode: Any) -> None:
    """Ask an operation what follows its description, or breaks it, and hold the answers to it."""

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def answers(case: schemathesis.Case) -> None:
        case.call_and_validate()

    answers()


@pytest.mark.parametrize("label", LABELS)
def test_answers_are_as_described(described: dict[str, Any], label: str) -> None:
    hold(described[label], FOLLOWS)


@pytest.mark.parametrize("label", WITH_QUERIES)
def test_what_breaks_the_description_is_refused(described: dict[str, Any], label: str) -> None:
    hold(described[label], BREAKS)


def test_answer_of_another_shape_is_seen(ordinary: Path) -> None:
    lies = json.loads(openapi_text())
    lies["components"]["schemas"]["NowAnswer"]["required"].append("weather")

    with pytest.raises(FailureGroup):
        hold(operation_of(lies, "/api/now", ordinary), FOLLOWS)


def test_value_that_is_taken_against_the_description_is_seen(ordinary: Path) -> None:
    lies = json.loads(openapi_text())
    schema = {"type": "string", "enum": ["web1"]}
    asked = {"name": "host", "in": "query", "required": True, "schema": schema}
    lies["paths"]["/api/backups"]["get"]["parameters"] = [asked]

    with pytest.raises(FailureGroup):
        hold(operation_of(lies, "/api/backups", ordinary), BREAKS)


def operation_of(description: dict[str, Any], path: str, file: Path) -> Any:
    """Return one operation of a description that is not the dashboard's own."""
    schema = schemathesis.openapi.from_dict(description)
    schema.app = application(file, opens=EVERY_NAME)
    return schema[path]["GET"]
