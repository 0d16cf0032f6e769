"""draft-04 from pydantic's JSON Schema: the same bodies pass, and what cannot be said is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from darkroom.provision.schema import NotInDraft04, draft_04
from darkroom.record.ingest_request import IngestRequest
from tests.support.templates import load


def takes(schema: dict[str, Any], body: object) -> bool:
    return jsonschema.Draft4Validator(schema).is_valid(body)


def test_the_template_has_the_current_schema() -> None:
    model = load("gateway.yaml")["Resources"]["IngestRequest"]["Properties"]
    assert model["Schema"] == draft_04(IngestRequest), "python -m darkroom.provision.schema prints what belongs there"


def test_the_schema_is_valid_draft_04() -> None:
    schema = draft_04(IngestRequest)
    jsonschema.Draft4Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-04/schema#"


GOOD = {"key": "incoming/alice/rome.jpg", "preset": "web"}

BODIES: list[object] = [
    GOOD,
    GOOD | {"reference": "it's \U0001f600 mine", "metadata": {"a": 1, "b": "x", "c": 1.5, "d": True}},
    GOOD | {"reference": None, "metadata": None},
    GOOD | {"metadata": {}},
    GOOD | {"metadata": {"a": 1e37, "b": -1e37}},
    GOOD | {"metadata": {"a": 1e38}},
    GOOD | {"metadata": {"\U0001f600" * 64: 1}},
    GOOD | {"key": "incoming/alice/" + "x" * 1009},
    {},
    [],
    "incoming/alice/rome.jpg",
    None,
    {"key": "incoming/alice/rome.jpg"},
    {"preset": "web"},
    GOOD | {"key": ""},
    GOOD | {"key": 7},
    GOOD | {"key": "originals/1"},
    GOOD | {"key": "incoming/"},
    GOOD | {"key": "incoming/alice"},
    GOOD | {"key": "incoming/alice/" + "x" * 1010},
    GOOD | {"preset": "../web"},
    GOOD | {"preset": None},
    GOOD | {"reference": "x" * 257},
    GOOD | {"reference": "bell\x07"},
    GOOD | {"metadata": {"a": [1]}},
    GOOD | {"metadata": {"a": None}},
    GOOD | {"metadata": {"": 1}},
    GOOD | {"metadata": {"x" * 65: 1}},
    GOOD | {"metadata": {"bell\x07": 1}},
    GOOD | {"metadata": {str(n): n for n in range(21)}},
    GOOD | {"metadata": "a"},
    GOOD | {"owner": "bob"},
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body)[:60])
def test_gateway_and_model_accept_the_same_bodies(body: object) -> None:
    try:
        IngestRequest.model_validate(body)
        by_the_model = True
    except ValidationError:
        by_the_model = False

    assert takes(draft_04(IngestRequest), body) == by_the_model


@pytest.mark.timeout(60)
def test_a_name_of_surrogate_halves_matches_in_only_one_way() -> None:
    """As readers of regular expressions see it that know no characters beyond U+FFFF, only their halves. With two ways
    to read each of them this would not come to an end."""
    schema = draft_04(IngestRequest)
    high, low = "\ud83d", "\ude00"
    for name, good in (
        (64 * (high + low), True),
        (65 * (high + low), False),
        (64 * "x", True),
        (64 * high, True),
        (65 * low, False),
        (63 * (high + low) + high, True),
        (low + 63 * (high + low) + high, False),
    ):
        assert takes(schema, GOOD | {"metadata": {name: 1}}) == good, ascii(name)


class Inner(BaseModel):
    size: int = Field(gt=0, le=9)


class Everything(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["one"]
    inner: Inner
    pair: tuple[int, str]
    sizes: list[Annotated[float, Field(ge=0, lt=1)]] = Field(max_length=2)
    names: dict[Annotated[str, Field(pattern="^[a-z]+$", max_length=3)], int] = {}
    choice: Inner | str | None = None


WHOLE = {"kind": "one", "inner": {"size": 9}, "pair": [1, "x"], "sizes": [0, 0.5], "names": {"abc": 1}}


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"choice": {"size": 1}}, True),
        ({"choice": {"size": 0}}, False),
        ({"kind": "two"}, False),
        ({"inner": {"size": 0}}, False),
        ({"pair": [1]}, False),
        ({"pair": [1, "x", 2]}, False),
        ({"pair": ["x", 1]}, False),
        ({"sizes": [1]}, False),
        ({"sizes": [0, 0, 0]}, False),
        ({"names": {"abcd": 1}}, False),
        ({"names": {"A": 1}}, False),
        ({"more": 1}, False),
    ],
)
def test_rewritten_keywords_mean_the_same(change: dict[str, Any], good: bool) -> None:
    schema = draft_04(Everything)
    jsonschema.Draft4Validator.check_schema(schema)
    assert takes(schema, WHOLE | change) == good


class Tree(BaseModel):
    children: list[Tree] = []


class _Said(BaseModel):
    value: int


def saying(**more: Any) -> type[BaseModel]:
    """A model whose schema says this as well."""

    class Said(_Said):
        model_config = ConfigDict(json_schema_extra=more)

    return Said


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Tree, "Tree contains itself"),
        (saying(contains={"type": "string"}), r"Said\.contains: draft-04 has no equivalent of contains"),
        (saying(unevaluatedProperties=False), "no equivalent of unevaluatedProperties"),
        (saying(dependentRequired={"value": ["other"]}), "no equivalent of dependentRequired"),
        (saying(**{"if": {}, "then": {}}), "no equivalent of if"),
        (saying(format="uuid"), 'no equivalent of format: "uuid"'),
        (saying(minimum=1, exclusiveMinimum=1), "only one of minimum and exclusiveMinimum"),
        (saying(propertyNames={"enum": ["a"]}), "by pattern and length only"),
        (saying(pattern=r"^(?P<name>x)$"), "not the same in every dialect"),
        (saying(pattern=r"\Ax\Z"), "not the same in every dialect"),
        (saying(pattern=r"\p{L}"), "not the same in every dialect"),
        (
            RootModel[dict[str, Annotated[Inner, Field(json_schema_extra={"minProperties": 1})]]],
            r"ignores keywords beside \$ref: minProperties",
        ),
        (RootModel[Annotated[str, Field(pattern="(?i)x")]], "not the same in every dialect"),
    ],
)
def test_keywords_without_an_equivalent_are_refused(model: type[BaseModel], why: str) -> None:
    with pytest.raises(NotInDraft04, match=why):
        draft_04(model)
