"""Every error that Darkroom raises on purpose.

DarkroomError
├── RequestError              the caller can put it right
│   ├── InvalidRequest        422  a field is wrong; `faults` names each one
│   ├── Unauthorized          401  no API key, or one that nobody has
│   ├── NotFound              404
│   │   └── PhotoGone              the photo was deleted or has expired
│   ├── Conflict              409  the photo or job is not in a state that allows it
│   │   └── RequestInFlight        the same request, by its Idempotency-Key, is under way
│   ├── MalformedKey          400  the Idempotency-Key is none
│   ├── KeyReused             422  the Idempotency-Key belongs to another request
│   ├── TooLarge              413  more bytes than the settings allow
│   │   └── RequestTooLarge        more bytes than a request can have here; a direct upload can
│   └── TooManyRequests       429  more requests than the settings allow; `retry_after` says when again
│       ├── TooManyUploads         more at the same time
│       └── UploadQuotaSpent       more bytes in an hour
├── PhotoError                the photo itself is at fault; trying again cannot help
│   ├── UnsupportedPhoto      415  not a format that we take
│   ├── UnreadablePhoto       422  damaged or cut short
│   └── TooManyPixels         422  more pixels than the settings allow
├── ProcessError              a child process was lost while it worked on a job
│   ├── TimeLimitExceeded     it ran longer than the time limit
│   ├── OutOfMemory           it got no more memory
│   ├── ChildDied             it crashed
│   └── NotPermitted          it tried what a child must not do
├── Unavailable               503  AWS is down, slow or throttling; worth trying again
├── ClaimLost                 somebody else holds the order now
├── LeaseLost                 the message's visibility ran out
├── OrderInWork               another message of the same order is being worked on
├── ObjectReplaced            the object is another one by now than the one that was read
├── ObjectDenied              S3 does not let us read the object, or decrypt it
├── Interrupted               the worker has to stop; another one goes on
├── DeliveryFailed            a webhook did not reach its receiver
│   └── CallbackRefused            its address is none that may be asked
├── MessageError              a queue message that nobody can read
│   └── IngestRefused              a file that nobody may bring in so
├── IngestUnknown             a file whose owner or preset this worker does not know, or not yet
├── FutureMessage             a message of a newer release; not for this worker
├── FutureRecord         503  a record of a newer release; not for this process
├── AttemptsExhausted         the order was tried as often as the settings allow
├── MessageGivenUp            SQS itself moved the order's message to the dead letters
└── SettingsError             the environment is wrong; names every faulty variable

`code` is stable and for programs, the message is for people. `status` is the HTTP
status that the API answers with. `retryable` says whether the same job may succeed
when it is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class DarkroomError(Exception):
    """Something went wrong inside Darkroom."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = True

    @property
    def detail(self) -> str:
        """The message for people; an error raised without one says what its class is for."""
        return str(self) or (type(self).__doc__ or "").strip().partition("\n")[0]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request: where, what, and a stable code."""

    field: str
    detail: str
    code: str


class RequestError(DarkroomError):
    """The request cannot be carried out as it stands."""

    code = "bad_request"
    status = 400
    retryable = False


class InvalidRequest(RequestError):
    """The request does not say what to do, or says it wrongly."""

    code = "invalid_request"
    status = 422

    def __init__(self, detail: str, faults: list[Fault] | None = None) -> None:
        super().__init__(detail)
        self.faults = faults or []


class Unauthorized(RequestError):
    """Send an API key that this service knows: `Authorization: Bearer dk_...`."""

    code = "unauthorized"
    status = 401


class NotFound(RequestError):
    """There is nothing under this address."""

    code = "not_found"
    status = 404


class PhotoGone(NotFound):
    """The photo was deleted or has expired."""


class Conflict(RequestError):
    """The photo or job is not in a state that allows this."""

    code = "conflict"
    status = 409


class RequestInFlight(Conflict):
    """The same request is under way. `retry_after`: seconds after which to ask again for its answer."""

    code = "request_in_flight"

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class MalformedKey(RequestError):
    """The Idempotency-Key is none."""

    code = "malformed_idempotency_key"


class KeyReused(RequestError):
    """The Idempotency-Key came with another request before."""

    code = "idempotency_key_reused"
    status = 422


class TooLarge(RequestError):
    """The upload has more bytes than are allowed."""

    code = "too_large"
    status = 413


class RequestTooLarge(TooLarge):
    """The request has more bytes than a gateway lets through; a direct upload does not pass it."""

    code = "request_too_large"


class TooManyRequests(RequestError):
    """The caller asks more often than is allowed.

    `retry_after` is in whole seconds.
    """

    code = "too_many_requests"
    status = 429
    retryable = True

    def __init__(self, detail: str = "", retry_after: int = 1) -> None:
        super().__init__(*([detail] if detail else []))
        self.retry_after = retry_after


class TooManyUploads(TooManyRequests):
    """The caller uploads more at the same time than is allowed."""

    code = "too_many_uploads"


class UploadQuotaSpent(TooManyRequests):
    """The caller has uploaded as many bytes as are allowed in an hour."""

    code = "upload_quota_spent"


class PhotoError(DarkroomError):
    """The photo cannot be processed, however often it is tried."""

    code = "photo_error"
    status = 422
    retryable = False


class UnsupportedPhoto(PhotoError):
    """The file is not a photo of a format that Darkroom takes."""

    code = "unsupported_photo"
    status = 415


class UnreadablePhoto(PhotoError):
    """The photo is damaged or cut short."""

    code = "unreadable_photo"


class TooManyPixels(PhotoError):
    """The photo has more pixels than are allowed."""

    code = "too_many_pixels"


class ProcessError(DarkroomError):
    """The process that held the pixels was lost."""

    code = "process_error"
    retryable = False


class TimeLimitExceeded(ProcessError):
    """The job ran longer than the time limit."""

    code = "time_limit_exceeded"


class OutOfMemory(ProcessError):
    """The job needed more memory than there is."""

    code = "out_of_memory"


class ChildDied(ProcessError):
    """The process that held the pixels died."""

    code = "child_died"


class NotPermitted(ProcessError):
    """The process that held the pixels tried what it must not."""

    code = "not_permitted"


class Unavailable(DarkroomError):
    """A service that Darkroom depends on does not answer as it should.

    `certain` is True when the request was for sure not carried out. False means nobody knows:
    the answer was lost, and a message may well have been sent or a record written.
    """

    code = "unavailable"
    status = 503

    def __init__(self, detail: str = "", *, certain: bool = False) -> None:
        super().__init__(*([detail] if detail else []))
        self.certain = certain


class ClaimLost(DarkroomError):
    """Another worker has claimed the order."""

    code = "claim_lost"


class LeaseLost(DarkroomError):
    """The message became visible to other workers."""

    code = "lease_lost"


class OrderInWork(DarkroomError):
    """Another message of the same order is in work."""

    code = "order_in_work"


class ObjectReplaced(DarkroomError):
    """The file was replaced while it was read."""

    code = "object_replaced"


class ObjectDenied(DarkroomError):
    """S3 does not let us read the file."""

    code = "object_denied"


class Interrupted(DarkroomError):
    """The worker was stopped before the work was done."""

    code = "interrupted"


class DeliveryFailed(DarkroomError):
    """A webhook did not reach its receiver."""

    code = "delivery_failed"


class CallbackRefused(DeliveryFailed):
    """The callback URL is none that may be asked."""

    code = "callback_refused"
    retryable = False


class MessageError(DarkroomError):
    """The queue message cannot be read."""

    code = "undecodable_message"
    retryable = False


class IngestRefused(MessageError):
    """The file cannot be brought in so."""

    code = "ingest_refused"


class IngestUnknown(DarkroomError):
    """The file's owner or preset is not known here."""

    code = "ingest_refused"


class FutureMessage(DarkroomError):
    """The queue message was written by a newer release."""

    code = "future_message"


class FutureRecord(DarkroomError):
    """The photo's record was written by a newer release."""

    code = "future_record"
    status = 503


class AttemptsExhausted(DarkroomError):
    """The order was tried as often as the settings allow."""

    code = "attempts_exhausted"
    retryable = False


class MessageGivenUp(DarkroomError):
    """SQS itself gave up the order's message: it was received too often."""

    code = "message_given_up"
    retryable = False


class SettingsError(DarkroomError):
    """The environment does not hold working settings."""

    code = "invalid_settings"
    retryable = False
