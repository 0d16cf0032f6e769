"""Every fault that gunicorn finds in a request has a message of ours, which repeats nothing of the request."""

from __future__ import annotations

import pytest
from gunicorn.http import errors  # type: ignore[import-untyped]

from api.http.head_rules import UnknownCoding
from api.http.parse_faults import parse_fault

NOT_OF_CALLERS: set[type[Exception]] = {
    errors.ParseException,
    errors.ConfigurationProblem,
    errors.InvalidResponseHeader,
    errors.InvalidResponseHeaderName,
}
NOT_SPOKEN: set[type[Exception]] = {
    errors.InvalidProxyLine,
    errors.InvalidProxyHeader,
    errors.ForbiddenProxyRequest,
    errors.InvalidH2CPreface,
}
"""Of the PROXY protocol and HTTP/2, which are switched off."""

ALL: set[type[Exception]] = {
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ParseException)
}
SENT = "dk_sent"


def made(kind: type[Exception]) -> Exception:
    return kind() if kind is errors.InvalidSchemeHeaders else kind(SENT)


@pytest.mark.parametrize("kind", sorted(ALL - NOT_OF_CALLERS - NOT_SPOKEN, key=str))
def test_each_fault_says_what_would_be_right(kind: type[Exception]) -> None:
    fault = parse_fault(made(kind))

    assert fault is not None
    assert 400 <= fault.status < 600
    assert "expected" in fault.detail
    assert SENT not in fault.detail


@pytest.mark.parametrize("kind", sorted(NOT_OF_CALLERS | {ValueError}, key=str))
def test_other_errors_are_not_the_callers_fault(kind: type[Exception]) -> None:
    assert parse_fault(made(kind)) is None


def test_faults_that_we_find_ourselves_keep_their_message() -> None:
    fault = parse_fault(UnknownCoding("what is wrong"))

    assert fault == (501, "what is wrong")
