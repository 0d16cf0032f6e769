"""Why a photo could not be fetched from the URL that its owner gave. Callers read these as the errors of its jobs."""

from __future__ import annotations

from darkroom.errors import DarkroomError


class FetchFailed(DarkroomError):
    """The photo could not be fetched. This may pass, so it is tried again."""

    code = "fetch_failed"


class FetchRefused(DarkroomError):
    """The photo cannot be fetched from this URL."""

    code = "fetch_refused"
    retryable = False


class FetchInProgress(DarkroomError):
    """Another message has a worker fetch the photo now."""

    code = "fetch_in_progress"
