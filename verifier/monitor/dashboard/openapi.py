"""The API's description in OpenAPI 3.1, made of the table that it is routed by."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from verifier import __version__
from verifier.monitor.dashboard.answers import ErrorAnswer
from verifier.monitor.dashboard.api import OPERATIONS, Operation

_REF = "#/components/schemas/{model}"
_ERRORS = {
    "400": "what was asked for cannot be obeyed",
    "401": "the token is missing or wrong",
    "404": "there is nothing of that name or number",
    "503": "the history cannot be read",
}


@cache
def openapi_text() -> str:
    """Return the description as JSON."""
    described: dict[str, object] = {
        "openapi": "3.1.0",
        "info": {
            "title": "restic-verify dashboard",
            "version": __version__,
            "description": "Read-only: what the pages show, for programs. Instants are RFC 3339.",
        },
        "security": [{"token": []}, {}],
        "paths": {_path(one): {"get": _operation(one)} for one in OPERATIONS},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "needed where [dashboard] names a token",
                }
            },
        },
    }
    return json.dumps(described, indent=1, sort_keys=True) + "\n"


def _path(operation: Operation) -> str:
    return operation.path.replace(":int", "")


def _operation(operation: Operation) -> dict[str, object]:
    parameters = [parameter.described() for parameter in operation.parameters]
    if "{number" in operation.path:
        number = {"type": "integer", "minimum": 1, "maximum": (1 << 63) - 1}
        parameters.insert(0, {"name": "number", "in": "path", "required": True, "schema": number})
    errors = {code: _response(about, ErrorAnswer) for code, about in _ERRORS.items()}
    return {
        "summary": operation.about,
        "operationId": operation.make.__name__,
        "parameters": parameters,
        "responses": {"200": _response(operation.about, operation.answer), **errors},
    }


def _response(about: str, answer: Any) -> dict[str, object]:
    schema = (
        {"type": "object", "description": "see docs/report.schema.json"}
        if answer is None
        else {"$ref": _REF.format(model=answer.__name__)}
    )
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _schemas() -> dict[str, object]:
    found: dict[str, object] = {}
    for answer in (*(one.answer for one in OPERATIONS), ErrorAnswer):
        if answer is None:
            continue
        schema = TypeAdapter(answer).json_schema(ref_template=_REF)
        found |= schema.pop("$defs", {})
        found[answer.__name__] = schema
    return found
