"""Errors of the client in the command's words: what its user can do about them."""

from __future__ import annotations

from darkroom.client import AccessRefused, AnswerLost, ApiError, NotFinished, Unreachable

USE_DIRECT = "; `darkroom upload --direct` sends larger photos, directly to the storage"

TOO_LARGE_HERE = ("request_too_large", "")
"""Codes of a 413 that a direct upload avoids: the API's own for its gateway, and none when a gateway itself answers."""


def advised(error: Exception) -> str:
    """The message of an error, with what the user of the command can do."""
    text = str(error)
    match error:
        case AccessRefused(http_status=401):
            return (
                f"{text}.\nGive it with --api-key or DARKROOM_API_KEY. (DARKROOM_API_KEYS is the API's, "
                "with hashes of keys.)"
            )
        case ApiError(http_status=413) if error.code in TOO_LARGE_HERE:
            return text + USE_DIRECT
        case Unreachable(is_storage=False):
            return (
                f"{text}.\n"
                "Start it with `docker compose up` or `make run`, or give its address with --url or DARKROOM_URL."
            )
        case NotFinished():
            return f"{text}: darkroom status {error.photo_id}"
        case AnswerLost() if error.photo_id:
            return f"{text}; `darkroom status {error.photo_id}` shows whether it does"
    return text
