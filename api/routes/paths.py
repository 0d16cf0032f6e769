"""The ids and names in the paths of routes."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from darkroom.jobs.spec import NAME


class PhotoPath(BaseModel):
    photo_id: UUID = Field(description="the photo's id")


class JobPath(PhotoPath):
    job_id: UUID = Field(description="the job's id")


class ResultPath(PhotoPath):
    name: str = Field(description="the name of a result", json_schema_extra={"pattern": NAME})


class BatchPath(BaseModel):
    batch_id: UUID = Field(description="the batch's id")


class OrderPath(PhotoPath):
    order_id: UUID = Field(description="the order's id")
