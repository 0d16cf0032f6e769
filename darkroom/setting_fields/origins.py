"""Origins of web pages: `https://photos.example.com`, `https://*.example.com` for its subdomains, or `*` for all."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from darkroom.setting_fields.group import listed

ALL = "*"

_HOST = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ORIGIN = re.compile(rf"https?://(?:(?:\*\.)?{_HOST}|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?")


def _is_origin(text: str) -> str:
    if text != ALL and not _ORIGIN.fullmatch(text):
        raise ValueError(
            f"{text!r} is not an origin: expected scheme, host and port as browsers send them, such as "
            "https://photos.example.com or http://localhost:3000, without a path; or https://*.example.com, or *"
        )
    return text


def _only_all(origins: tuple[str, ...]) -> tuple[str, ...]:
    if ALL in origins and len(origins) > 1:
        raise ValueError("* allows every origin: leave it out, or the others")
    return origins


Origins = Annotated[
    tuple[Annotated[str, AfterValidator(_is_origin)], ...], BeforeValidator(listed), AfterValidator(_only_all)
]


def pattern_of(origin: str) -> re.Pattern[str]:
    """What `origin` allows in the header `Origin`; a `*` in front stands for subdomains of any depth."""
    if origin == ALL:
        return re.compile(r".*\Z", re.DOTALL)
    any_name = rf"(?:{_HOST})"
    return re.compile(re.escape(origin).replace(r"\*", any_name) + r"\Z", re.IGNORECASE)
