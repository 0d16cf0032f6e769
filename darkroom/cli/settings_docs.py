"""Write .env.example and the table of settings in docs/operations.md from darkroom/setting_fields/: `make docs`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from darkroom.setting_fields import GROUPS, PROJECT
from darkroom.settings import PREFIX

EXAMPLE = PROJECT / ".env.example"
OPERATIONS = PROJECT / "docs" / "operations.md"

BEGIN, END = "<!-- settings:begin -->", "<!-- settings:end -->"
"""The table in docs/operations.md stands between these lines."""

WIDTH = 118

EXAMPLE_HEADER = """\
# Every setting with its default. `make docs` writes this file; the settings are defined in darkroom/setting_fields/.
#
# docker compose: copy this file to .env and remove the # from what you change, or set variables in the shell.
# make run, and everywhere else: set environment variables.
# A process with a wrong value or a misspelt name does not start, and names everything that is wrong.
"""


@dataclass(frozen=True)
class Variable:
    name: str
    value: str
    """The default, as it is written in an environment; empty if the default is not to be written as a value."""
    meaning: str
    default: str
    """What happens without the variable, where `value` does not say it."""


@dataclass(frozen=True)
class Section:
    heading: str
    note: str
    variables: tuple[Variable, ...]


AWS = Section(
    "AWS",
    "boto3 reads these. Without an endpoint Darkroom talks to AWS itself; a role or a profile can replace the keys. "
    "docker compose sets all four for LocalStack. make run sets them for its emulator, unless AWS_ENDPOINT_URL is set.",
    (
        Variable("AWS_ENDPOINT_URL", "http://127.0.0.1:4566", "Address of a stand-in for AWS.", "AWS itself"),
        Variable("AWS_DEFAULT_REGION", "us-east-1", "Region; AWS_REGION works too.", "none; one is required"),
        Variable("AWS_ACCESS_KEY_ID", "test", "Access key; stand-ins take any.", "a profile or a role"),
        Variable("AWS_SECRET_ACCESS_KEY", "test", "Secret of the access key.", "a profile or a role"),
    ),
)

COMMAND_LINE = Section(
    "Command line",
    "The `darkroom` command reads these; the services ignore them.",
    (
        Variable("DARKROOM_URL", "http://127.0.0.1:8080", "Address of the API.", ""),
        Variable("DARKROOM_API_KEY", "", "API key that the command line sends.", "no key"),
    ),
)

COMPOSE = Section(
    "docker compose",
    "docker-compose.yml passes every setting of the services to the containers, from .env or from the shell. The "
    "exceptions are DARKROOM_HOST and DARKROOM_SPOOL_DIR, which it sets itself, and DARKROOM_PORT, which is the API's "
    "port on the host: in its container the API listens on 8080. Some defaults differ there: DARKROOM_AUTH=auto, "
    "DARKROOM_LOG_FORMAT=json, DARKROOM_POLL_WAIT=2, and the two public addresses are those of the ports on 127.0.0.1. "
    "The following variables matter to docker compose only.",
    (
        Variable("LOCALSTACK_PORT", "4566", "LocalStack's port on the host.", ""),
        Variable("WORKER_REPLICAS", "2", "Worker containers. `docker compose up --scale worker=4` overrides it.", ""),
        Variable("WORKER_CPUS", "1", "CPUs of each worker container.", ""),
        Variable(
            "WORKER_MEMORY",
            "4g",
            "Memory limit of each worker container. Photos of 100 megapixels can need up to 3.8 GB.",
            "",
        ),
        Variable(
            "WORKER_STOP_GRACE_PERIOD",
            "120s",
            "Time until Docker kills a worker container that does not stop; more than DARKROOM_STOP_GRACE.",
            "",
        ),
        Variable(
            "API_MEMORY",
            "896m",
            "Memory limit of the API container; raise it together with DARKROOM_MAX_UPLOAD_BYTES.",
            "",
        ),
        Variable("PIDS_LIMIT", "512", "Most threads and processes of each container.", ""),
    ),
)


def sections() -> list[Section]:
    """Everything that can be set, in the order in which it is documented."""
    ours = [
        Section(
            heading_of(group),
            "",
            tuple(_variable(name, group.model_fields[name]) for name in group.__annotations__),
        )
        for group in GROUPS
    ]
    return [AWS, *ours, COMMAND_LINE, COMPOSE]


def heading_of(group: type[Any]) -> str:
    return (group.__doc__ or "").strip()


def example() -> str:
    """The text of .env.example."""
    lines = [EXAMPLE_HEADER]
    for section in sections():
        lines.append(f"# --- {section.heading}\n")
        if section.note:
            lines += [*_comment(section.note), ""]
        for variable in section.variables:
            default = f" Default: {variable.default}." if variable.default else ""
            lines += [*_comment(variable.meaning + default), f"#{variable.name}={variable.value}"]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def table() -> str:
    """The section of docs/operations.md, markers included."""
    lines = [BEGIN, "<!-- `make docs` writes this part from darkroom/setting_fields/ -->", ""]
    for section in sections():
        lines += [f"### {section.heading}", ""]
        if section.note:
            lines += [*textwrap.wrap(section.note, WIDTH), ""]
        lines += ["| variable | default | meaning |", "|---|---|---|"]
        lines += [f"| `{one.name}` | {one.default or f'`{one.value}`'} | {one.meaning} |" for one in section.variables]
        lines.append("")
    return "\n".join([*lines, END])


def with_table(page: str) -> str:
    """The page with the table put between its markers. Raises ValueError when it has no markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/operations.md needs the lines {BEGIN} and {END}")
    return before + table() + after


def main() -> None:
    EXAMPLE.write_text(example())
    OPERATIONS.write_text(with_table(OPERATIONS.read_text()))


def _variable(name: str, field: FieldInfo) -> Variable:
    meaning, _, default = (field.description or "").partition(" Default: ")
    return Variable(PREFIX + name.upper(), _written(field.default), meaning, default.removesuffix("."))


def _written(value: Any) -> str:
    """A default as an environment holds it; empty for none, and for a path in the folder that Darkroom lies in."""
    if value is None or value == () or (isinstance(value, Path) and value.is_absolute()):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False))


if __name__ == "__main__":
    main()
