"""The ids in the paths of routes."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field


class PhotoPath(BaseModel):
    photo_id: UUID = Field(description="the photo's id")


class JobPath(PhotoPath):
    job_id: UUID = Field(description="the job's id")


class OrderPath(PhotoPath):
    order_id: UUID = Field(description="the order's id")
