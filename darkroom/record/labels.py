"""What callers attach to a photo for themselves: `reference` and `metadata`, sent back in responses and events.

The API reads them from an upload, workers from a request that a gateway put on the ingest queue.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import pydantic_core
from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

MAX_REFERENCE = 256
MAX_ASSET_NAME = 100
MAX_KEYS = 20
MAX_METADATA = 2048
MAX_NUMBER = 1e37
"""Events carry the numbers to stores of their receivers. A store may keep 38 digits, as DynamoDB does (Amazon DynamoDB
Developer Guide, "Numbers")."""

UNSENDABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""SQS refuses a message with any of these characters, and messages contain texts of callers and errors."""


def _sendable(text: str) -> str:
    if UNSENDABLE.search(text):
        raise PydanticCustomError("string_characters", "must not contain control characters")
    return text


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return _sendable(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        # Many JSON parsers read larger integers with wrong digits.
        if abs(value) > (2**53 if isinstance(value, int) else MAX_NUMBER):
            raise PydanticCustomError("number_too_large", "the number is too large; send it as a string")
        return value
    raise PydanticCustomError("scalar_type", "expected a string, a number, true or false")


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    size = len(pydantic_core.to_json(metadata))
    if size > MAX_METADATA:
        raise PydanticCustomError(
            "metadata_too_long", "has {size} bytes as JSON; the limit is {limit}", {"limit": MAX_METADATA, "size": size}
        )
    return metadata


_PATTERN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]*$"
"""`UNSENDABLE` as a pattern for the OpenAPI document, where text has no surrogates."""

Text = Annotated[str, AfterValidator(_sendable), Field(json_schema_extra={"pattern": _PATTERN})]
AssetName = Annotated[
    str,
    Field(max_length=MAX_ASSET_NAME),
    AfterValidator(_sendable),
    Field(json_schema_extra={"pattern": _PATTERN}),
]
Scalar = Annotated[
    Any,
    AfterValidator(_scalar),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _PATTERN},
                {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
                {"type": "boolean"},
            ]
        }
    ),
]
Metadata = Annotated[
    dict[Annotated[Text, Field(min_length=1, max_length=64)], Scalar],
    Field(max_length=MAX_KEYS, json_schema_extra={"additionalProperties": False}),
    AfterValidator(_small),
]
