"""The help texts fit into a terminal, and no summary is cut off."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from darkroom.cli.main import main

WIDTH = 80


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The command and all commands below it, as arguments."""
    yield path
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_help_fits_into_a_terminal(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"], terminal_width=WIDTH)

    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if len(line) > WIDTH] == []


@pytest.mark.parametrize("path", [(), ("dead-letters",)], ids=["darkroom", "dead-letters"])
def test_no_summary_is_cut_off(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"], terminal_width=WIDTH)

    _, _, summaries = result.stdout.partition("Commands:\n")
    assert len(summaries.splitlines()) > 3
    assert "..." not in summaries


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ("jobs.json", "'jobs.json' is not JSON; for a file write --jobs @jobs.json"),
        ("[{'type': 'metadata'}]", "not valid JSON: names need double quotes"),
        ("@/nowhere/jobs.json", "cannot read /nowhere/jobs.json: No such file or directory"),
        ('[{"type": "metadata", "colors": 1}]', "jobs[0].colors: unknown field; did you mean colours?"),
    ],
)
def test_wrong_jobs_are_explained(jobs: str, words: str) -> None:
    result = CliRunner().invoke(main, ["upload", __file__, "--jobs", jobs])

    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
