"""The ingest door in OpenAPI's words: a leaner application serves it, so nothing derives this description."""

from __future__ import annotations

from typing import Any

_PLACE = {
    "equipment": {"type": "string", "description": "Key of the machine"},
    "at": {"type": "string", "format": "date-time", "description": "With its offset from UTC"},
    "sequence": {"type": "integer", "description": "Tells rows of one instant apart"},
    "roll": {"type": "integer"},
    "web_m": {"type": "number", "description": "Metres of web since the roll began"},
}
_SNAPSHOT = {
    "type": "object",
    "required": ["equipment", "at", "values"],
    "properties": {
        **_PLACE,
        "values": {"type": "object", "additionalProperties": {"type": "number", "nullable": True}},
    },
}
_MEASUREMENT = {
    "type": "object",
    "required": ["equipment", "at", "stream", "value"],
    "properties": {
        **_PLACE,
        "stream": {"type": "string", "description": "characteristic/lane-side, as in loading/1-top"},
        "value": {"type": "number", "nullable": True, "description": "Of what is counted: the count, a whole number"},
        "n": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "Of what is counted, and required there: pieces of the sample, or area or units looked at",
        },
        "unit": {"type": "string"},
        "by": {"type": "string", "enum": ["gauge", "lab"]},
    },
}
_RECEIPT = {
    "type": "object",
    "description": "What is counted as stored is committed",
    "properties": {
        "stored": {"type": "integer"},
        "doubled": {"type": "integer", "description": "Rows that were there already"},
        "refused": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "row": {"type": "integer"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_ERRORS = {
    "400": "The body cannot be read",
    "401": "The token is missing or not valid",
    "408": "The body came too slowly",
    "413": "Too many bytes or rows",
    "415": "Another content type, charset or encoding",
    "429": "Too many bodies at once; try again after Retry-After",
    "503": "The database is away; try again after Retry-After",
}


def _operation(what: str, row: str) -> dict[str, Any]:
    rows = {"type": "object", "required": ["rows"]}
    rows["properties"] = {"rows": {"type": "array", "items": {"$ref": f"#/components/schemas/{row}"}}}
    receipt = {"application/json": {"schema": {"$ref": "#/components/schemas/Receipt"}}}
    failure = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
    return {
        "post": {
            "tags": ["ingest"],
            "operationId": f"ingest_{what}",
            "summary": f"Send {what}; sending the same rows again changes nothing",
            "security": [{"SourceToken": []}],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": rows},
                    "application/x-ndjson": {"schema": {"type": "string", "description": "One row a line"}},
                    "text/csv": {"schema": {"type": "string", "description": "A header line, then one row a line"}},
                },
            },
            "responses": {
                "200": {"description": "Some or all rows are stored", "content": receipt},
                "422": {"description": "No row could be stored", "content": receipt},
                **{code: {"description": text, "content": failure} for code, text in _ERRORS.items()},
            },
        }
    }


DESCRIPTION: dict[str, Any] = {
    "paths": {
        "/api/v1/ingest/snapshots": _operation("snapshots", "Snapshot"),
        "/api/v1/ingest/measurements": _operation("measurements", "Measurement"),
    },
    "components": {
        "schemas": {"Snapshot": _SNAPSHOT, "Measurement": _MEASUREMENT, "Receipt": _RECEIPT},
        "securitySchemes": {"SourceToken": {"type": "http", "scheme": "bearer", "description": "Token of a source"}},
    },
}
