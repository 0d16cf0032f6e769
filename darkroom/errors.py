"""Every error that Darkroom raises on purpose.

DarkroomError
├── RequestError              the caller can correct the request
│   ├── InvalidRequest        422  fields are wrong; `faults` names each one
│   ├── Unauthorized          401  no API key, or an unknown one
│   │   ├── TokenInvalid           not an upload token of ours
│   │   └── TokenExpired           the upload token has expired
│   ├── TokenScope            403  the upload token does not allow this
│   │   └── TokenSpent             less is left of the token than the upload needs
│   ├── NotConfigured         501  a setting is missing that the request needs
│   ├── NotFound              404
│   │   └── PhotoGone              the photo was deleted or has expired
│   ├── Conflict              409  the state of the photo or job does not allow the request
│   │   ├── AssetLimitReached      the owner has as many assets as the settings allow
│   │   └── RequestInFlight        another request with the same Idempotency-Key is in progress
│   ├── MalformedKey          400  the Idempotency-Key is not a valid key
│   ├── KeyReused             422  the Idempotency-Key was used for another request
│   ├── TooLarge              413  more bytes than the settings allow
│   │   └── RequestTooLarge        more bytes than the gateway lets through; a direct upload can have them
│   └── TooManyRequests       429  over the rate limit; `retry_after` says when to try again
│       ├── TooManyUploads         too many uploads at the same time
│       └── UploadQuotaSpent       too many bytes in an hour
├── PhotoError                the photo is at fault; another try cannot help
│   ├── UnsupportedPhoto      415  not a supported format
│   ├── UnreadablePhoto       422  damaged or cut short
│   ├── TooManyPixels         422  more pixels than the settings allow
│   ├── NotEnoughMemory       422  the job needs more memory for this photo than a child process may use
│   ├── TooManyFrames         422  an animation with more frames than the settings allow
│   ├── PageMissing                the job asks for a page that the photo does not have
│   └── PersonalMetadata           its result would say something personal that the job does not ask for
├── AssetError                an asset is at fault; another try cannot help
│   ├── UnsupportedAsset      415  neither a picture of a supported format nor a .cube file
│   ├── UnreadableAsset       422  damaged, cut short, or not as its format demands
│   └── AssetMissing               the asset that the job names was removed
├── OriginalMissing           the original is no longer in the bucket
├── UploadNotCompleted        the original was never stored
├── ProcessError              a child process was lost while it worked on a job
│   ├── TimeLimitExceeded     it ran longer than the time limit
│   ├── OutOfMemory           it ran out of memory
│   ├── ChildDied             it crashed
│   └── NotPermitted          it tried something that the sandbox does not allow
├── Unavailable               503  AWS is down, slow or throttling; another try may help
│   └── WrongHash                  S3 got other bytes than their hash says, and stored nothing
├── ClaimLost                 another worker holds the order now
├── LeaseLost                 the message's visibility timeout ran out
├── OrderInProgress           a worker processes another message of the same order
├── ObjectReplaced            the object was replaced after it was read
├── ObjectDenied              S3 refuses to let us read or decrypt the object
├── Interrupted               the worker has to stop; another one will continue
├── DeliveryFailed            a webhook did not reach its receiver
│   └── CallbackRefused            webhooks may not go to this address
├── MessageError              a queue message that is not valid
│   └── IngestRefused              a file that may not be ingested
├── IngestUnknown             a file whose owner or preset this worker does not know yet
├── FutureMessage             a message of a newer release; this worker cannot read it
├── FutureRecord         503  a record of a newer release; this process cannot read it
├── AttemptsExhausted         the order failed as often as the settings allow
├── MessageGivenUp            SQS itself moved the order's message to the dead-letter queue
└── SettingsError             the environment is wrong; the message names every wrong variable

`code` is stable and meant for programs, the message for people. `status` is the HTTP status of the API's answer.
`retryable` says whether the same job may succeed at another try. An error without a message of its own shows the first
line of its class's docstring, so these lines are written for callers and operators.
"""

from __future__ import annotations

from typing import ClassVar

from darkroom.fault import Fault as Fault


class DarkroomError(Exception):
    """An unexpected error inside Darkroom; the service's log has the reason."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = True

    @property
    def detail(self) -> str:
        """The message for people: the error's own, or else its class's."""
        return str(self) or (type(self).__doc__ or "").strip().partition("\n")[0]


class RequestError(DarkroomError):
    """The request is not valid."""

    code = "bad_request"
    status = 400
    retryable = False


class InvalidRequest(RequestError):
    """The request has fields that are missing or wrong."""

    code = "invalid_request"
    status = 422

    def __init__(self, detail: str, faults: list[Fault] | None = None) -> None:
        super().__init__(detail)
        self.faults = faults or []


class Unauthorized(RequestError):
    """An API key is required: send a valid one as `Authorization: Bearer dk_...`."""

    code = "unauthorized"
    status = 401


class NotFound(RequestError):
    """There is nothing at this address."""

    code = "not_found"
    status = 404


class NotConfigured(RequestError):
    """This service lacks a setting that the request needs."""

    code = "not_configured"
    status = 501


class PhotoGone(NotFound):
    """The photo was deleted or has expired."""


class Conflict(RequestError):
    """The state of the photo or job does not allow this."""

    code = "conflict"
    status = 409


class RequestInFlight(Conflict):
    """The same request is still in progress.

    `retry_after`: seconds after which to send it again to get the answer.
    """

    code = "request_in_flight"

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class MalformedKey(RequestError):
    """The Idempotency-Key is not a valid key."""

    code = "malformed_idempotency_key"


class KeyReused(RequestError):
    """The Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"
    status = 422


class TooLarge(RequestError):
    """The upload is too large."""

    code = "too_large"
    status = 413


class RequestTooLarge(TooLarge):
    """The request is too large for the gateway; send the file as a direct upload."""

    code = "request_too_large"


class PhotoError(DarkroomError):
    """The photo cannot be processed."""

    code = "photo_error"
    status = 422
    retryable = False


class UnsupportedPhoto(PhotoError):
    """The file is not a photo in a supported format."""

    code = "unsupported_photo"
    status = 415


class UnreadablePhoto(PhotoError):
    """The photo is damaged or cut short."""

    code = "unreadable_photo"


class TooManyPixels(PhotoError):
    """The photo has more pixels than are allowed."""

    code = "too_many_pixels"


class NotEnoughMemory(PhotoError):
    """The job needs more memory for this photo than a child process may use."""

    code = "not_enough_memory"


class TooManyFrames(PhotoError):
    """The animation has more frames than are allowed."""

    code = "too_many_frames"


class PageMissing(PhotoError):
    """The photo has fewer pages than the job asks for."""

    code = "page_missing"


class PersonalMetadata(PhotoError):
    """The result would contain personal metadata."""

    code = "personal_metadata"


class OriginalMissing(DarkroomError):
    """The original is missing from the bucket: upload the photo again."""

    code = "original_missing"
    retryable = False


class UploadNotCompleted(DarkroomError):
    """The upload was not completed, because storage was unavailable or the API stopped: upload the photo again."""

    code = "unavailable"
    retryable = False


class ProcessError(DarkroomError):
    """The child process was lost."""

    code = "process_error"
    retryable = False


class TimeLimitExceeded(ProcessError):
    """The job ran longer than the time limit."""

    code = "time_limit_exceeded"


class OutOfMemory(ProcessError):
    """The job needed more memory than it may use."""

    code = "out_of_memory"


class ChildDied(ProcessError):
    """The child process crashed."""

    code = "child_died"


class NotPermitted(ProcessError):
    """The child process tried something that the sandbox does not allow."""

    code = "not_permitted"


class Unavailable(DarkroomError):
    """A service that Darkroom depends on is not available.

    `certain`: True if the request was certainly not carried out. False if it may have been: the answer was lost, so a
    message may have been sent or a record written.
    """

    code = "unavailable"
    status = 503

    def __init__(self, detail: str = "", *, certain: bool = False) -> None:
        super().__init__(*([detail] if detail else []))
        self.certain = certain


class WrongHash(Unavailable):
    """The storage got other bytes than their hash says, and stored nothing."""


class ClaimLost(DarkroomError):
    """Another worker has claimed the order."""

    code = "claim_lost"


class LeaseLost(DarkroomError):
    """The visibility timeout of the message ran out."""

    code = "lease_lost"


class OrderInProgress(DarkroomError):
    """A worker processes another message of the same order."""

    code = "order_in_progress"


class ObjectReplaced(DarkroomError):
    """The file was replaced after it was read."""

    code = "object_replaced"


class ObjectDenied(DarkroomError):
    """S3 refuses to let Darkroom read the file."""

    code = "object_denied"


class Interrupted(DarkroomError):
    """The worker was stopped before the job was done."""

    code = "interrupted"


class DeliveryFailed(DarkroomError):
    """A webhook did not reach its receiver."""

    code = "delivery_failed"


class CallbackRefused(DeliveryFailed):
    """The callback URL is not allowed."""

    code = "callback_refused"
    retryable = False


class MessageError(DarkroomError):
    """The queue message is not valid."""

    code = "undecodable_message"
    retryable = False


class IngestRefused(MessageError):
    """The file cannot be ingested."""

    code = "ingest_refused"


class IngestUnknown(DarkroomError):
    """This worker does not know the file's owner or preset."""

    code = "ingest_refused"


class FutureMessage(DarkroomError):
    """The queue message was written by a newer release."""

    code = "future_message"


class FutureRecord(DarkroomError):
    """The photo's record was written by a newer release."""

    code = "future_record"
    status = 503


class AttemptsExhausted(DarkroomError):
    """The order failed as often as the settings allow."""

    code = "attempts_exhausted"
    retryable = False


class MessageGivenUp(DarkroomError):
    """SQS moved the order's message to the dead-letter queue, because it was received too often."""

    code = "message_given_up"
    retryable = False


class SettingsError(DarkroomError):
    """The settings are wrong."""

    code = "invalid_settings"
    retryable = False
