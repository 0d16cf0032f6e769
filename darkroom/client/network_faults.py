"""What the errors of requests and urllib3 say about a request that failed."""

from __future__ import annotations

import requests
from urllib3.exceptions import MaxRetryError, ProtocolError, ReadTimeoutError


def may_have_arrived(error: requests.RequestException) -> bool:
    """Whether the server may have received the last try. urllib3 tells by the reason with which it gives up."""
    last = error.args[0] if error.args else None
    return not isinstance(last, MaxRetryError) or isinstance(last.reason, ReadTimeoutError | ProtocolError)


def root_cause(error: BaseException) -> str:
    """The operating system's words, such as `Connection refused`, which requests and urllib3 wrap several times."""
    while inner := error.__cause__ or error.__context__ or _argument(error):
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _argument(error: BaseException) -> BaseException | None:
    """urllib3's errors hold their cause as a plain argument."""
    return next((argument for argument in error.args if isinstance(argument, BaseException)), None)
