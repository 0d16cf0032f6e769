"""docs/architecture.md and docs/glossary.md describe the code that is there."""

from __future__ import annotations

import re

import pytest

from darkroom.settings import PROJECT

ARCHITECTURE = (PROJECT / "docs/architecture.md").read_text()
GLOSSARY = (PROJECT / "docs/glossary.md").read_text()

PACKAGES = ("api", "worker", "darkroom")


def test_every_package_folder_has_its_paragraph_and_no_other_one_has() -> None:
    folders = {
        f"{init.parent.relative_to(PROJECT)}/" for root in PACKAGES for init in (PROJECT / root).rglob("__init__.py")
    }
    assert set(re.findall(r"^### `([^`]+)`$", ARCHITECTURE, re.MULTILINE)) == folders


def test_every_paragraph_names_a_file_to_read_first() -> None:
    paragraphs = re.split(r"^### `([^`]+)`$", ARCHITECTURE.partition("\n## Names that stand twice")[0], flags=re.M)[1:]
    for folder, text in zip(paragraphs[::2], paragraphs[1::2], strict=True):
        first = re.search(r"Read\s+`([\w/.]+)`", text)
        assert first, f"{folder}: say what to read first"
        assert (PROJECT / folder / first[1]).is_file(), f"{folder}: there is no {first[1]}"


def test_the_drawing_shows_every_room() -> None:
    drawing = re.search(r"```mermaid\n(.*?)```", ARCHITECTURE, re.DOTALL)
    assert drawing
    rooms = {init.parent.name for root in PACKAGES for init in (PROJECT / root).glob("*/__init__.py")}
    assert {room for room in rooms if not re.search(rf"\b{room}\b", drawing[1])} == set()


TERMS = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \| (.+?) \|$", GLOSSARY, re.MULTILINE)


def test_the_glossary_is_sorted_and_names_each_term_once() -> None:
    terms = [term.lower() for term, _, _ in TERMS]
    assert terms == sorted(set(terms))
    assert len(terms) == GLOSSARY.count("\n| ") - 1, "a row has another form than the others"


@pytest.mark.parametrize(("term", "where"), [(term, where) for term, _, where in TERMS])
def test_a_term_of_the_glossary_lives_where_it_says(term: str, where: str) -> None:
    paths = re.findall(r"`([^`]+)`", where)
    assert paths, f"{term}: say in which file it lives"
    for path in paths:
        assert (PROJECT / path).exists(), f"{term}: there is no {path}"
