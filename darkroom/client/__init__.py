"""A client of Darkroom's HTTP API. It needs none of the services' packages.

from darkroom.client import Client

with Client("http://127.0.0.1:8080") as darkroom:
    photo = darkroom.upload("cat.jpg", preset="web")
    darkroom.wait(photo["id"])
    darkroom.result(photo["id"], "thumbnail", to="thumbnail.jpg")
"""

from darkroom.client.answers import (
    AssetJson,
    AssetsJson,
    BatchJson,
    BatchPhotoJson,
    BatchUploadJson,
    DeadLetterJson,
    JobJson,
    OperationsJson,
    OriginalJson,
    PhotoJson,
    QueueJson,
    ReasonJson,
    ResultJson,
    UploadTokenJson,
)
from darkroom.client.client import Client
from darkroom.client.client_errors import (
    AccessRefused,
    AnswerLost,
    ApiError,
    ClientError,
    FieldError,
    NotDarkroom,
    NotFinished,
    RequestInvalid,
    ResourceMissing,
    ServiceBusy,
    StateConflict,
    StorageRefused,
    Unreachable,
    UnusableFile,
)
from darkroom.client.file_to_send import PhotoSource
from darkroom.client.upload_arguments import UploadArguments

__all__ = [
    "AccessRefused",
    "AnswerLost",
    "ApiError",
    "AssetJson",
    "AssetsJson",
    "BatchJson",
    "BatchPhotoJson",
    "BatchUploadJson",
    "Client",
    "ClientError",
    "DeadLetterJson",
    "FieldError",
    "JobJson",
    "NotDarkroom",
    "NotFinished",
    "OperationsJson",
    "OriginalJson",
    "PhotoJson",
    "PhotoSource",
    "QueueJson",
    "ReasonJson",
    "RequestInvalid",
    "ResourceMissing",
    "ResultJson",
    "ServiceBusy",
    "StateConflict",
    "StorageRefused",
    "Unreachable",
    "UnusableFile",
    "UploadArguments",
    "UploadTokenJson",
]
