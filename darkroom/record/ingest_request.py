"""The body of POST /v1/ingest, which the API gateway validates and puts on the ingest queue."""

from __future__ import annotations

from pydantic import Field

from darkroom.jobs.spec import Name, Spec
from darkroom.record.keys import Key
from darkroom.record.labels import MAX_REFERENCE, Metadata, Text


class IngestRequest(Spec):
    """A file that is already in the bucket, and the jobs that its owner wants."""

    key: Key = Field(
        pattern=r"^incoming/[^/]+/[^\x00-\x1f]+$",
        description="the object: incoming/{owner}/..., where the owner is you",
    )
    preset: Name = Field(description="a named list of jobs, as GET /v1/operations lists them")
    reference: Text | None = Field(
        None, max_length=MAX_REFERENCE, description="the caller's own id, kept and sent with events"
    )
    metadata: Metadata | None = Field(None, description="the caller's, kept and sent with events")
