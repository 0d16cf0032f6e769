"""The API's answers, as the client gives them: JSON, with the types that the OpenAPI document names.

A newer API may add members. docs/api.md and /openapi.json describe each of them.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

JobStatus = Literal["queued", "processing", "succeeded", "failed", "cancelled"]
PhotoStatus = Literal["awaiting_upload", "processing", "succeeded", "failed", "cancelled"]


class ReasonJson(TypedDict):
    """Why a job failed: `code` for programs, `detail` for people."""

    code: str
    detail: str


class ResultJson(TypedDict):
    """What a job has made. Width, height and frames are None for metadata."""

    filename: str
    content_type: str
    size: int
    sha256: str
    width: int | None
    height: int | None
    frames: int | None
    duration_seconds: float | None
    seconds: dict[str, float]
    versions: dict[str, str]
    warnings: list[ReasonJson]
    measures: dict[str, Any] | None


class JobJson(TypedDict):
    id: str
    name: str | None
    type: str
    status: JobStatus
    attempts: int
    spec: dict[str, Any]
    result: ResultJson | None
    error: ReasonJson | None
    errors: list[dict[str, Any]]
    links: dict[str, str]


class OriginalJson(TypedDict):
    """Width and height are pixels as stored, before EXIF orientation."""

    filename: str
    content_type: str
    size: int
    sha256: str
    width: int
    height: int
    frames: int


class PhotoJson(TypedDict):
    """A photo and its jobs. `counts`: jobs by status. `original` is None until the file has arrived."""

    id: str
    status: PhotoStatus
    generation: int
    created_at: str
    owner: str
    batch: str | None
    reference: str | None
    metadata: dict[str, Any]
    original: OriginalJson | None
    upload: dict[str, Any] | None
    source: dict[str, str] | None
    jobs: list[JobJson]
    counts: dict[str, int]
    callback: dict[str, Any] | None
    expires_at: str | None
    links: dict[str, str]


class BatchPhotoJson(TypedDict):
    """A photo of a batch, in short."""

    id: str
    filename: str | None
    status: PhotoStatus
    counts: dict[str, int]
    links: dict[str, str]


class BatchJson(TypedDict):
    """A batch and its photos. `counts`: photos by status. `generation`: how often it has ended."""

    generation: int
    id: str
    owner: str
    status: Literal["processing", "completed"]
    callback: dict[str, Any] | None
    created_at: str
    counts: dict[str, int]
    photos: list[BatchPhotoJson]
    links: dict[str, str]


class BatchUploadJson(TypedDict):
    """The outcome of each photo, in the order sent. A photo that was not accepted has no `id`: in its place stands a
    problem with `status`, `type` and `detail`. `batch` is None for a single photo."""

    batch: str | None
    photos: list[dict[str, Any]]
    links: dict[str, str]


class DeadLetterJson(TypedDict):
    """Jobs that were given up. `id` is that of the photo and that of the order, with a slash between them."""

    id: str
    photo: str
    order: str
    owner: str
    reference: str | None
    filename: str | None
    reason: ReasonJson
    attempts: int
    jobs: list[dict[str, Any]]
    buried_at: str
    expires_at: str | None
    message_expires_at: str
    thumbnail: str | None
    redrives: list[dict[str, Any]]
    links: dict[str, str]


class QueueJson(TypedDict):
    """How much work waits, and how fast it is done."""

    waiting: int
    in_flight: int
    delayed: int
    oldest_seconds: float | None
    per_minute: float
    backlog_seconds: float | None
    workers: int
    dead_letters: int
    at: str


class UploadTokenJson(TypedDict):
    """A token for a browser, and what it allows."""

    token: str
    expires_at: str
    presets: list[str] | None
    jobs: list[dict[str, Any]] | None
    max_photos: int
    max_bytes: int


class AssetJson(TypedDict):
    """A logo or a LUT. A picture has width and height, a LUT dimensions and points; the others are None."""

    id: str
    kind: Literal["picture", "lut"]
    name: str
    content_type: str
    size: int
    width: int | None
    height: int | None
    dimensions: int | None
    points: int | None
    created_at: str
    links: dict[str, str]


class AssetsJson(TypedDict):
    """All assets of the owner, and how many there may be."""

    assets: list[AssetJson]
    most: int
    links: dict[str, str]


class OperationsJson(TypedDict):
    """Every job type, step, filter and preset. The first four are JSON schemas by name."""

    jobs: dict[str, dict[str, Any]]
    steps: dict[str, dict[str, Any]]
    filters: dict[str, dict[str, Any]]
    metadata: dict[str, Any]
    presets: dict[str, Any]
    default_preset: str
    aliases: dict[str, dict[str, str]]
    missing_extras: dict[str, str]
    warnings: dict[str, str]


class MultipartJson(TypedDict):
    """An upload in parts that has begun: the id of its photo, and the size of its parts.

    `parts` stand in the client's note only, from the moment when all are sent: their numbers and ETags.
    """

    uploadId: str
    part_bytes: int
    parts: NotRequired[list[dict[str, Any]]]
