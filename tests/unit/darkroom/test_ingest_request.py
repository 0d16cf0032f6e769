"""The body that the gateway validates."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from darkroom.record.ingest_request import IngestRequest


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"key": "incoming/alice/x.jpg", "preset": "web"}, True),
        ({"key": "incoming/alice/a/b c.jpg", "preset": "web", "reference": "r", "metadata": {"a": 1, "b": True}}, True),
        ({"key": "incoming/alice", "preset": "web"}, False),
        ({"key": "incoming/alice/", "preset": "web"}, False),
        ({"key": "uploads/x", "preset": "web"}, False),
        ({"key": "incoming/alice/\n", "preset": "web"}, False),
        ({"key": "incoming/alice/x.jpg", "preset": "We b"}, False),
        ({"key": "incoming/alice/x.jpg"}, False),
        ({"key": "incoming/alice/x.jpg", "preset": "web", "owner": "bob"}, False),
        ({"key": "incoming/alice/x.jpg", "preset": "web", "reference": "x" * 257}, False),
        ({"key": "incoming/alice/x.jpg", "preset": "web", "metadata": {"a": []}}, False),
    ],
)
def test_the_json_schema_accepts_what_the_model_accepts(body: dict[str, Any], good: bool) -> None:
    schema = jsonschema.Draft202012Validator(IngestRequest.model_json_schema())
    assert schema.is_valid(body) == good
    if good:
        IngestRequest.model_validate(body)
    else:
        with pytest.raises(ValidationError):
            IngestRequest.model_validate(body)
