"""Plain Python values, and DynamoDB's typed ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from darkroom.aws.plain_values import plain, typed

PAIRS: list[tuple[Any, dict[str, Any]]] = [
    ("", {"S": ""}),
    ("photo#1", {"S": "photo#1"}),
    (True, {"BOOL": True}),
    (False, {"BOOL": False}),
    (7, {"N": "7"}),
    (Decimal("1764500000.125"), {"N": "1764500000.125"}),
    (b"\x00", {"B": b"\x00"}),
    (None, {"NULL": True}),
    ({"b", "a"}, {"SS": ["a", "b"]}),
    (["a", 1], {"L": [{"S": "a"}, {"N": "1"}]}),
    ({"a": {"b": []}}, {"M": {"a": {"M": {"b": {"L": []}}}}}),
]


@pytest.mark.parametrize(("value", "in_dynamodb"), PAIRS)
def test_a_value_comes_back_as_it_was_written(value: Any, in_dynamodb: dict[str, Any]) -> None:
    assert typed(value) == in_dynamodb
    assert plain(in_dynamodb) == value
    assert type(plain(in_dynamodb)) is type(value)


@pytest.mark.parametrize("number", ["7", "7.0", "7E+0", "1E+3"])
def test_a_whole_number_is_an_int_however_dynamodb_writes_it(number: str) -> None:
    assert type(plain({"N": number})) is int


@pytest.mark.parametrize("value", [1.5, 1j, object()])
def test_a_type_without_an_equivalent_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="DynamoDB has no"):
        typed(value)


def test_a_type_that_darkroom_never_writes_is_refused() -> None:
    with pytest.raises(TypeError, match="NS"):
        plain({"NS": ["1"]})
