"""Plain Python values instead of DynamoDB's typed ones, such as 7 instead of {"N": "7"}.

boto3's own resource client does this too, but looks through the whole model of each request and response for values. We
know where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from botocore.client import BaseClient

MAPS = ("Item", "Key", "ExpressionAttributeValues", "ExclusiveStartKey", "LastEvaluatedKey", "Attributes")
"""Members of requests and responses that map names to values."""


def use_plain_values(client: BaseClient) -> None:
    """Have a client of DynamoDB take and return plain values.

    It knows the operations that Darkroom uses: single items, queries, scans, BatchGetItem and TransactWriteItems.
    """
    client.meta.events.register("provide-client-params.dynamodb", cast(Any, _typed_request))
    client.meta.events.register("after-call.dynamodb", _plain_response)


def typed(value: Any) -> dict[str, Any]:
    """A value as DynamoDB's API has it. Raises TypeError for a type that it has no equivalent for, such as float."""
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case None:
            return {"NULL": True}
        case Mapping():
            return {"M": {name: typed(member) for name, member in value.items()}}
        case set() | frozenset():
            return {"SS": sorted(value)}
        case list() | tuple():
            return {"L": [typed(member) for member in value]}
    raise TypeError(f"DynamoDB has no {type(value).__name__}: {value!r}")


def plain(value: Mapping[str, Any]) -> Any:
    """A value of DynamoDB's API as a plain one. A number is an int, or a Decimal if it is not whole."""
    ((kind, content),) = value.items()
    match kind:
        case "S" | "BOOL" | "B":
            return content
        case "N":
            number = Decimal(content)
            return int(number) if number == number.to_integral_value() else number
        case "NULL":
            return None
        case "M":
            return {name: plain(member) for name, member in content.items()}
        case "SS":
            return set(content)
        case "L":
            return [plain(member) for member in content]
    raise TypeError(f"Darkroom writes no values of DynamoDB's type {kind}")


def _typed_map(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: typed(value) for name, value in values.items()}


def _plain_map(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in values.items()}


def _typed_request(params: Mapping[str, Any], **_: Any) -> dict[str, Any]:
    request = dict(params)
    for name in MAPS:
        if name in request:
            request[name] = _typed_map(request[name])
    if "RequestItems" in request:  # of BatchGetItem
        request["RequestItems"] = _with_keys(request["RequestItems"], _typed_map)
    if "TransactItems" in request:
        request["TransactItems"] = [
            {action: _typed_request(part) for action, part in item.items()} for item in request["TransactItems"]
        ]
    return request


def _plain_response(parsed: dict[str, Any], **_: Any) -> None:
    for name in MAPS:
        if name in parsed:
            parsed[name] = _plain_map(parsed[name])
    if "Items" in parsed:
        parsed["Items"] = [_plain_map(item) for item in parsed["Items"]]
    if "Responses" in parsed:  # of BatchGetItem
        parsed["Responses"] = {
            table: [_plain_map(item) for item in items] for table, items in parsed["Responses"].items()
        }
    if "UnprocessedKeys" in parsed:
        parsed["UnprocessedKeys"] = _with_keys(parsed["UnprocessedKeys"], _plain_map)


def _with_keys(tables: Mapping[str, Any], convert: Any) -> dict[str, Any]:
    return {table: {**wanted, "Keys": [convert(key) for key in wanted["Keys"]]} for table, wanted in tables.items()}
