"""Write the tables of fields in docs/metadata.md from the models in darkroom/photo_metadata/: `make docs`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic.fields import FieldInfo

from darkroom.photo_metadata.photo_document import PhotoMetadata
from darkroom.photo_metadata.section import MetadataSection
from darkroom.setting_fields import PROJECT

PAGE = PROJECT / "docs" / "metadata.md"

BEGIN, END = "<!-- fields:begin -->", "<!-- fields:end -->"
"""The tables stand between these lines."""


def with_tables(page: str) -> str:
    """The page with the tables of today."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    """A table for the document, and one for each section in it."""
    return "\n".join(_tables("The document", PhotoMetadata, ""))


def _tables(heading: str, model: type[MetadataSection], inside: str) -> Iterator[str]:
    yield f"### {heading}\n"
    if inside:
        yield f"{' '.join((model.__doc__ or '').split())}\n"
    yield "| field | meaning | source | unit | example |"
    yield "|---|---|---|---|---|"
    yield from (_row(name, field) for name, field in model.model_fields.items())
    yield ""
    for name, field in model.model_fields.items():
        if section := _section(field):
            place = f"{inside} / {name}".removeprefix(" / ")
            yield from _tables(place, section, place)


def _row(name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    example = json.dumps((field.examples or [None])[0], ensure_ascii=False)
    meaning = field.description or name.replace("_", " ")
    cells = (f"`{name}`", meaning, str(extra["source"]), str(extra.get("unit") or ""), f"`{example}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _section(field: FieldInfo) -> type[MetadataSection] | None:
    """The model of a field's value, or of the entries of its list."""
    waiting: list[Any] = [field.annotation]
    while waiting:
        part = waiting.pop()
        if isinstance(part, type) and issubclass(part, MetadataSection):
            return part
        waiting += get_args(part)
    return None


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
