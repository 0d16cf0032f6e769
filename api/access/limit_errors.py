"""The errors about the limits of callers. The tree of all errors is in darkroom/errors.py."""

from __future__ import annotations

from darkroom.errors import RequestError


class TooManyRequests(RequestError):
    """The caller sends more requests than are allowed.

    `retry_after`: whole seconds until the next request is allowed.
    """

    code = "too_many_requests"
    status = 429
    retryable = True

    def __init__(self, detail: str = "", retry_after: int = 1) -> None:
        super().__init__(*([detail] if detail else []))
        self.retry_after = retry_after


class TooManyUploads(TooManyRequests):
    """The caller has more uploads in progress than are allowed."""

    code = "too_many_uploads"


class UploadQuotaSpent(TooManyRequests):
    """The caller has uploaded all bytes that are allowed in an hour."""

    code = "upload_quota_spent"
