"""Errors of AWS and its client become Unavailable, with a reason in Darkroom's own words."""

from __future__ import annotations

import botocore.exceptions
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from darkroom.aws.failures import AWS_FAULTS, aws_errors
from darkroom.errors import Unavailable

BOTOCORES = [
    kind
    for kind in vars(botocore.exceptions).values()
    if isinstance(kind, type) and issubclass(kind, BotoCoreError) and kind is not BotoCoreError
]


def reason(error: Exception) -> str:
    with pytest.raises(Unavailable) as caught, aws_errors("storing originals/1"):
        raise error
    assert caught.value.detail.startswith("storing originals/1 failed: ")
    return caught.value.detail.removeprefix("storing originals/1 failed: ")


@pytest.mark.parametrize("kind", BOTOCORES, ids=lambda kind: kind.__name__)
def test_no_error_of_the_client_shows_its_own_words(kind: type[BotoCoreError]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "own words")
    given = reason(error)
    assert kind.__name__ not in given
    assert "own words" not in given


@pytest.mark.parametrize("kind", [kind for kind in AWS_FAULTS if kind not in (ClientError, BotoCoreError)])
def test_no_error_of_python_shows_its_own_words(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "own words")
    given = reason(error)
    assert kind.__name__ not in given
    assert "own words" not in given


def test_an_error_of_aws_shows_its_code_but_not_its_text() -> None:
    error = ClientError({"Error": {"Code": "SlowDown", "Message": "Reduce your request rate."}}, "PutObject")
    assert reason(error) == "SlowDown"
