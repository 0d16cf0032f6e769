"""Every error that the client raises on purpose.

ClientError
├── ApiError                  the API refused a request
│   ├── AccessRefused         401, 403  no API key, an unknown one, or one that does not allow this
│   ├── ResourceMissing       404       there is no such photo, job or result
│   ├── StateConflict         409       the state of the photo or job does not allow this
│   ├── RequestInvalid        400, 413, 415, 422  the request, or the photo, is wrong; `errors` names each field
│   └── ServiceBusy           429, 503  over a limit, or AWS is down; `retry_after` says when to try again
├── StorageRefused            S3 refused a file or a link
├── Unreachable               nothing answers at the address
├── AnswerLost                a request was sent, but no answer came, so its effect is unknown
├── NotDarkroom               another program answers at the address
├── NotFinished               the jobs did not end in the time that the caller has given
└── UnusableFile              the file cannot be sent

An ApiError of another status, such as 500, has no class of its own. Problems of files on this computer are OSErrors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class FieldError(TypedDict):
    """One thing that is wrong with a request."""

    field: str
    detail: str
    code: str


class ClientError(Exception):
    """Darkroom did not do what the client asked for. The message is for people.

    `photo_id`: the photo that the error is about, if one was made or asked for.
    """

    photo_id: str | None = None


class ApiError(ClientError):
    """The API refused a request.

    `code` is for programs and does not change; it is empty when a proxy or gateway answered. `detail` and `errors` say
    what is wrong. `request_id` is the request's id in the API's log. `retry_after`: seconds, as the API has asked.
    """

    def __init__(
        self,
        http_status: int,
        detail: str,
        *,
        code: str = "",
        title: str = "",
        errors: Sequence[FieldError] = (),
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__("\n".join(f"{fault['field']}: {fault['detail']}" for fault in errors) or detail)
        self.http_status = http_status
        self.detail = detail
        self.code = code
        self.title = title
        self.errors = tuple(errors)
        self.request_id = request_id
        self.retry_after = retry_after


class AccessRefused(ApiError):
    """401 or 403: the request has no API key, an unknown one, or one that does not allow this."""


class ResourceMissing(ApiError):
    """404: there is no such photo, job or result, or it belongs to another owner."""


class StateConflict(ApiError):
    """409: the state of the photo or job does not allow this."""


class RequestInvalid(ApiError):
    """400, 413, 415 or 422: the request or the photo is wrong. Another try cannot help."""


class ServiceBusy(ApiError):
    """429 or 503, after all tries: a limit is reached, or AWS does not answer."""


BY_STATUS: dict[int, type[ApiError]] = {
    400: RequestInvalid,
    401: AccessRefused,
    403: AccessRefused,
    404: ResourceMissing,
    409: StateConflict,
    413: RequestInvalid,
    415: RequestInvalid,
    422: RequestInvalid,
    429: ServiceBusy,
    503: ServiceBusy,
}


class StorageRefused(ClientError):
    """S3 refused a file or a link."""

    def __init__(self, http_status: int, detail: str) -> None:
        super().__init__(detail)
        self.http_status = http_status


class Unreachable(ClientError):
    """Nothing answers at the address of the API, or of the storage."""

    def __init__(self, detail: str, is_storage: bool = False) -> None:
        super().__init__(detail)
        self.is_storage = is_storage


class AnswerLost(ClientError):
    """A request was sent, perhaps several times, but no answer came, so its effect is unknown."""


class NotDarkroom(ClientError):
    """Another program answers at the address."""


class NotFinished(ClientError):
    """The photo's jobs did not end within the caller's time limit. They go on."""


class UnusableFile(ClientError):
    """The file cannot be sent."""
