"""The schema of a request body as API Gateway takes it: pydantic writes JSON Schema 2020-12, models of a gateway are
draft-04.

Whatever means the same in both is kept, what has an equivalent is rewritten, and what can only be said in 2020-12 is
refused: a gateway ignores words that it does not know, and would let through what nobody allowed.

`python -m darkroom.provision.schema` prints what belongs into deploy/aws/gateway.yaml.
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
"""Words that mean the same in both."""

OF_ALTERNATIVES = {"allOf", "anyOf", "oneOf"}

WITHOUT_MEANING = {"title", "description", "default", "examples", "deprecated", "$comment", "$defs", "discriminator"}
"""What nothing is held to. `discriminator` only says which of the alternatives to look at first."""

FORMATS = {"date-time", "email", "hostname", "ipv4", "ipv6", "uri"}

FOREIGN = re.compile(r"\\[AzZGQE]|\\[pP]\{|\\k?<|\(\?(?![:=!])|\[\[:|&&|(?<!\\)[*+?}]\+")
"""What not every reader of regular expressions takes, or takes alike (ECMA 262 is what JSON Schema asks for): anchors
other than ^ and $, classes of Unicode, named groups, flags, lookbehind, sets of sets, possessive repetition."""


class CannotBeSaid(ValueError):
    """The model asks for something that draft-04 has no word for."""


def draft_04(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model. Raises CannotBeSaid, naming the place and the word."""
    schema = model.model_json_schema()
    return {"$schema": DRAFT} | _Converter(schema.get("$defs", {})).convert(schema, model.__name__, ())


class _Converter:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def convert(self, schema: Any, where: str, inside: tuple[str, ...]) -> dict[str, Any]:
        """`inside`: the definitions that this stands in."""
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
            # pydantic's way to write that all keys of a dict have a pattern.
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
            case "required" if not value:  # draft-04 wants at least one
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
                # Beside prefixItems it is about what follows them.
                name = "additionalItems" if "prefixItems" in schema else "items"
                if isinstance(value, bool) and name == "additionalItems":
                    return {name: value}
                return {name: self.convert(value, where, inside)}
        raise CannotBeSaid(f"{where}: draft-04 cannot say {word}: {json.dumps(value)}")

    def _definition(self, schema: Mapping[str, Any], where: str, inside: tuple[str, ...]) -> dict[str, Any]:
        """Written out in its place: a gateway's `$ref` leads to other models only."""
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        if beside := schema.keys() - WITHOUT_MEANING - {"$ref"}:
            raise CannotBeSaid(f"{where}: draft-04 ignores what stands beside $ref: {', '.join(sorted(beside))}")
        if name in inside:
            raise CannotBeSaid(f"{where}: {name} contains itself, and cannot be written out")
        return self.convert(self._definitions[name], f"{where}.{name}", (*inside, name))


def _pattern(pattern: str, where: str) -> str:
    if found := FOREIGN.search(pattern):
        raise CannotBeSaid(f"{where}: {found[0]} is not in every dialect of regular expressions: {pattern}")
    return pattern


def _exclusive(word: str, value: Any, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    """In draft-04 it is a flag beside the limit."""
    limit = word.replace("exclusiveM", "m")
    if limit in schema:
        raise CannotBeSaid(f"{where}: draft-04 has either {limit} or {word}; give one of them")
    return {limit: value, word: True}


CHARACTER = r"(?:[\ud800-\udbff][\udc00-\udfff]|[^\ud800-\udbff]|[\ud800-\udbff](?![\udc00-\udfff]))"
"""One of any kind, also where regular expressions count halves of those beyond U+FFFF. Two halves that belong together
fit in one way only: with more, a reader of expressions would try every division of a long name before it refuses it."""


def _names(names: Any, where: str) -> dict[str, Any]:
    """What keys must look like, which draft-04 says by what no other key may have: a value."""
    lengths = {"minLength", "maxLength"}
    if not isinstance(names, dict) or names.keys() - WITHOUT_MEANING - lengths - {"type", "pattern"}:
        raise CannotBeSaid(f"{where}: draft-04 can hold names to a pattern and a length: {json.dumps(names)}")
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
