"""The JSON Schema of the envelope, generated from its types and committed with the documents.

Apart from the renderings because it alone needs pydantic, which takes longer to import than a
report takes to print.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from verifier.monitor.render.envelope import Envelope

_ENVELOPE: TypeAdapter[Envelope] = TypeAdapter(Envelope)


def schema_text() -> str:
    """Return the JSON Schema as it stands in docs/report.schema.json."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_ENVELOPE.json_schema(),
        "title": "Report of restic-verify, schema 1",
    }
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def problems(envelope: Mapping[str, object]) -> tuple[str, ...]:
    """Return where an envelope breaks the schema, each as `place: complaint`."""
    try:
        # Strict: JSON has types of its own, and a count that is a text is a fault.
        _ENVELOPE.validate_python(envelope, strict=True)
    except ValidationError as error:
        return tuple(
            f"{'.'.join(map(str, fault['loc'])) or 'report'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
    return ()
