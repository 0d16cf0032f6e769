"""Ids of photos, jobs, orders and messages."""

from __future__ import annotations

from typing import Annotated

import uuid_utils
from pydantic import Field

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


def new_id() -> str:
    """A UUIDv7: ids sort by the time they were made."""
    return str(uuid_utils.uuid7())
