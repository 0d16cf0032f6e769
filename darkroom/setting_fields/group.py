"""What the groups of settings share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
)

PROJECT = Path(__file__).parents[2]

MIB = 1024 * 1024

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,46}[a-z0-9]$")]


def _without_query(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.query or url.fragment:
        raise ValueError("expected an address without ? or #")
    return url


BaseUrl = Annotated[AnyHttpUrl, AfterValidator(_without_query)]
"""An address that paths are appended to."""


class Group(BaseModel):
    """Settings that belong together. The first line of a group's docstring is its heading in .env.example and in
    docs/operations.md.

    A description says what the variable means, with its unit. Where the default value alone does not say enough, the
    description ends with a sentence `Default: ...`.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


def listed_as_is(given: object) -> object:
    """`a, B` from the environment, as a tuple."""
    return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


def listed(given: object) -> object:
    """`a, B` from the environment, as a tuple of words in lower case."""
    return listed_as_is(given.lower()) if isinstance(given, str) else given
