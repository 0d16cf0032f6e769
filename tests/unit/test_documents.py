"""What the documentation names is there: links, files, settings, make targets, tests; and its commands are tested."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from darkroom.asset_errors import AssetMissing, UnreadableAsset
from darkroom.errors import DarkroomError, PhotoError, ProcessError
from darkroom.jobs.job_types import jobs_adapter
from darkroom.jobs.step_types import FILTERS
from darkroom.settings import PREFIX, PROJECT, Settings
from tests.support.documents import SHELLS, blocks, pages

PAGES = pages()

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)

FILES = {"css", "html", "js", "md", "mts", "py", "toml", "yaml", "yml"}
"""How names of files end."""

NOT_OF_THE_SERVICES = {"DARKROOM_API_KEY", "DARKROOM_URL"}
"""Variables that only the command line reads."""

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 130


@every_page
def test_a_comment_says_of_each_command_how_it_is_tested(page: Path) -> None:
    for block in blocks(page):
        if block.language in SHELLS or block.test:
            assert block.test, (
                f"{block}: write `<!-- test: run -->` or another mark of tests/support/documents.py before it"
            )
            known = block.test in {"run", "compose", "AWS"} or (PROJECT / block.test).is_file()
            assert known, f"{block}: there is no test {block.test}"


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    headings = HEADING.findall(FENCED.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "count"), [("api.md", 2), ("geometry.md", 1)])
def test_the_examples_of_jobs_are_valid(page: str, count: int) -> None:
    examples = [block for block in blocks(PROJECT / "docs" / page) if block.language == "jsonc"]
    assert len(examples) == count
    for block in examples:
        assert jobs_adapter.validate_python([json.loads(line) for line in block.text.splitlines()])


def test_the_filters_that_are_listed_exist() -> None:
    listed = re.search(r"^- \*\*filter\*\*: (.*?)\.$", (PROJECT / "docs/api.md").read_text(), re.MULTILINE | re.DOTALL)
    assert listed
    assert set(CODE.findall(listed[1])) - set(FILTERS) == set()


def test_every_filter_has_its_definition() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \|$", (PROJECT / "docs/filters.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(FILTERS)


def test_every_code_of_a_failed_job_has_its_row() -> None:
    page = (PROJECT / "docs/api.md").read_text()
    listed = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)))
    failures: list[type[DarkroomError]] = [PhotoError, *PhotoError.__subclasses__(), *ProcessError.__subclasses__()]
    assert {error.code for error in (*failures, AssetMissing, UnreadableAsset)} <= set(listed)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    known = {"api", "bench", "darkroom", "deploy", "docs", "examples", "tests", "worker"}
    for code in CODE.findall(FENCED.sub("", page.read_text())):
        if code.partition("/")[0] in known and re.fullmatch(r"[\w./-]+/[\w./-]*", code):
            assert (PROJECT / code).exists(), code


@every_page
def test_settings_that_are_named_exist(page: Path) -> None:
    compose = set(re.findall(r"\$\{(\w+)", (PROJECT / "docker-compose.yml").read_text()))
    known = {PREFIX + name.upper() for name in Settings.model_fields} | NOT_OF_THE_SERVICES | compose
    assert set(re.findall(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]\b", page.read_text())) - known == set()


@every_page
def test_make_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()
    named = re.findall(r"`make ([a-z0-9-]+)", text) + re.findall(r"^(?:.* )?make ([a-z0-9-]+)$", text, re.MULTILINE)
    assert set(named) - targets == set()


@every_page
def test_tests_that_are_named_exist(page: Path) -> None:
    files = list((PROJECT / "tests").rglob("test_*.py"))
    names = {file.stem for file in files}
    names |= {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert set(re.findall(r"`(test_\w+)`", page.read_text())) - names == set()


@every_page
def test_log_actions_and_events_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`([a-z]+\.[a-z_]+)`", page.read_text())
    actions = [name for name in named if name.rpartition(".")[2] not in FILES]
    code = "".join(
        file.read_text() for root in ("api", "darkroom", "worker") for file in (PROJECT / root).rglob("*.py")
    )
    assert [action for action in actions if f'"{action}"' not in code] == []
