"""The JSON Schema of a request body for API Gateway: pydantic writes draft 2020-12, API Gateway reads draft-04.

Keywords that mean the same in both drafts are kept. Keywords that have an equivalent are rewritten. All others are
refused: a gateway ignores keywords that it does not know, and would accept bodies that the model does not allow.

`python -m darkroom.provision.schema` prints the schema for deploy/aws/gateway.yaml.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

DRAFT = "http://json-schema.org/draft-04/schema#"

SAME = {
    *("type", "enum", "required", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties", "minimum", "maximum", "multipleOf"),
}
"""Keywords that mean the same in both drafts."""

OF_ALTERNATIVES = {"allOf", "anyOf", "oneOf"}

WITHOUT_MEANING = {"title", "description", "default", "examples", "deprecated", "$comment", "$defs", "discriminator"}
"""Keywords that restrict nothing. `discriminator` only says which alternative to try first."""

FORMATS = {"date-time", "email", "hostname", "ipv4", "ipv6", "uri"}

FOREIGN = re.compile(r"\\[AzZGQE]|\\[pP]\{|\\k?<|\(\?(?![:=!])|\[\[:|&&|(?<!\\)[*+?}]\+")
"""Regular expressions that are not the same in every dialect (JSON Schema requires ECMA 262): anchors other than ^ and
$, Unicode classes, named groups, flags, lookbehind, nested sets, possessive repetition."""


class NotInDraft04(ValueError):
    """The model needs a keyword that draft-04 does not have."""


def draft_04(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model. Raises NotInDraft04, which names the place and the keyword."""
    schema = model.model_json_schema()
    return {"$schema": DRAFT} | _Converter(schema.get("$defs", {})).convert(schema, model.__name__, ())


class _Converter:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def convert(self, schema: Any, where: str, inside: tuple[str, ...]) -> dict[str, Any]:
        """`inside`: the names of the definitions that contain this schema."""
        if isinstance(schema, bool):
            return {} if schema else {"not": {}}
        if "$ref" in schema:
            return self._definition(schema, where, inside)
        made: dict[str, Any] = {}
        also: list[dict[str, Any]] = []
        for word, value in schema.items():
            place = f"{where}.{word}"
            if word == "propertyNames":
                also.append(_names(value, place))
            elif word not in WITHOUT_MEANING:
                made |= self._word(word, value, schema, place, inside)
        if "patternProperties" in schema and not schema.keys() & {"properties", "additionalProperties"}:
            # This is how pydantic writes a dict whose keys all have to match a pattern.
            made["additionalProperties"] = False
        if also:
            made["allOf"] = [*made.get("allOf", []), *also]
        return made

    def _word(
        self, word: str, value: Any, schema: Mapping[str, Any], where: str, inside: tuple[str, ...]
    ) -> dict[str, Any]:
        match word:
            case "pattern":
                return {word: _pattern(value, where)}
            case "required" if not value:  # draft-04 requires at least one
                return {}
            case _ if word in SAME or (word == "format" and value in FORMATS):
                return {word: value}
            case "const":
                return {"enum": [value]}
            case _ if word in OF_ALTERNATIVES:
                return {word: [self.convert(one, f"{where}[{n}]", inside) for n, one in enumerate(value)]}
            case "not":
                return {word: self.convert(value, where, inside)}
            case "exclusiveMinimum" | "exclusiveMaximum":
                return _exclusive(word, value, schema, where)
            case "properties":
                return {word: {name: self.convert(one, f"{where}.{name}", inside) for name, one in value.items()}}
            case "patternProperties":
                return {word: {_pattern(name, where): self.convert(one, where, inside) for name, one in value.items()}}
            case "additionalProperties":
                return {word: value if isinstance(value, bool) else self.convert(value, where, inside)}
            case "prefixItems":
                return {"items": [self.convert(one, f"{where}[{n}]", inside) for n, one in enumerate(value)]}
            case "items":
                # Beside prefixItems, it is about the items after them.
                name = "additionalItems" if "prefixItems" in schema else "items"
                if isinstance(value, bool) and name == "additionalItems":
                    return {name: value}
                return {name: self.convert(value, where, inside)}
        raise NotInDraft04(f"{where}: draft-04 has no equivalent of {word}: {json.dumps(value)}")

    def _definition(self, schema: Mapping[str, Any], where: str, inside: tuple[str, ...]) -> dict[str, Any]:
        """The definition itself in place of a `$ref`, which in a gateway can only refer to other models."""
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        if beside := schema.keys() - WITHOUT_MEANING - {"$ref"}:
            raise NotInDraft04(f"{where}: draft-04 ignores keywords beside $ref: {', '.join(sorted(beside))}")
        if name in inside:
            raise NotInDraft04(f"{where}: {name} contains itself, so it cannot replace its $ref")
        return self.convert(self._definitions[name], f"{where}.{name}", (*inside, name))


def _pattern(pattern: str, where: str) -> str:
    if found := FOREIGN.search(pattern):
        raise NotInDraft04(f"{where}: {found[0]} is not the same in every dialect of regular expressions: {pattern}")
    return pattern


def _exclusive(word: str, value: Any, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    """In draft-04, `exclusiveMinimum` is a flag beside `minimum`."""
    limit = word.replace("exclusiveM", "m")
    if limit in schema:
        raise NotInDraft04(f"{where}: draft-04 allows only one of {limit} and {word}")
    return {limit: value, word: True}


CHARACTER = r"(?:[\ud800-\udbff][\udc00-\udfff]|[^\ud800-\udbff]|[\ud800-\udbff](?![\udc00-\udfff]))"
"""Any one character, also in dialects that count a character beyond U+FFFF as two surrogate halves.

Each pair of halves matches in one way only. Otherwise a matcher would try every division of a long name before it
refuses the name.
"""


def _names(names: Any, where: str) -> dict[str, Any]:
    """The rules for keys. draft-04 has no keyword for them, so keys that break a rule may not have any value."""
    lengths = {"minLength", "maxLength"}
    if not isinstance(names, dict) or names.keys() - WITHOUT_MEANING - lengths - {"type", "pattern"}:
        raise NotInDraft04(f"{where}: draft-04 can restrict names by pattern and length only: {json.dumps(names)}")
    length = f"{{{names.get('minLength', 0)},{names.get('maxLength', '')}}}"
    allowed = [_pattern(names["pattern"], where)] if "pattern" in names else []
    if names.keys() & lengths:
        allowed.append(f"^{CHARACTER}{length}$")
    every = [{"patternProperties": {one: {}}, "additionalProperties": False} for one in allowed]
    return every[0] if len(every) == 1 else {"allOf": every}


def main() -> None:
    from darkroom.record.ingest_request import IngestRequest

    json.dump(draft_04(IngestRequest), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
