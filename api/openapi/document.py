"""The finished OpenAPI document: what flask-openapi3 cannot write itself."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from api.http.tracing import ACCEPTED_ID
from api.http.tracing import HEADER as REQUEST_ID
from api.openapi.generators import suit_generators
from api.openapi.responses import TOO_LARGE, TOO_LATE
from darkroom.jobs.job_types import jobs_adapter

VERBATIM = "x-verbatim"
"""An operation's extension of this name goes into the operation as it is; flask-openapi3 drops parts of JSON Schema
elsewhere."""


def complete(document: dict[str, Any]) -> None:
    """Add the verbatim parts, the examples, 408, 413 and the headers of every response. Sort responses by status."""
    document["components"]["headers"] = {
        REQUEST_ID: {
            "description": "the request's id in the logs: yours if it fits the pattern, otherwise a new one",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{ACCEPTED_ID}$"},
        }
    }
    schemas = document["components"]["schemas"]
    for name, definition in jobs_adapter.json_schema()["$defs"].items():
        if "examples" in definition:
            schemas[name]["examples"] = definition["examples"]
    for method, operation in (named for methods in document["paths"].values() for named in methods.items()):
        operation |= operation.pop(VERBATIM, {})
        if method != "get":  # the body of a GET is ignored
            operation["responses"].setdefault("408", deepcopy(TOO_LATE))
            operation["responses"].setdefault("413", deepcopy(TOO_LARGE))
        operation["responses"] = dict(sorted(operation["responses"].items()))
        for described in operation["responses"].values():
            described.setdefault("headers", {})[REQUEST_ID] = {"$ref": f"#/components/headers/{REQUEST_ID}"}
    suit_generators(document)
