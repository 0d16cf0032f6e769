"""How long a call to AWS can take. darkroom/aws/clients.py sets these limits on every client."""

from __future__ import annotations

ATTEMPTS = 3
"""How often the SDK tries a call in all."""

LONGEST_CONNECT = 3.0
"""Most seconds until a connection is open."""

LONGEST_AWS_TIMEOUT = 60.0
"""Highest value of DARKROOM_AWS_TIMEOUT, in seconds."""

SIGNATURE_VALID = 900.0
"""Seconds after its signature within which a request must reach S3; S3 refuses it later (Amazon S3 API Reference,
"Authenticating Requests (AWS Signature Version 4)"). Emulators need not check this."""

_RETRY_PAUSES = 13.0
"""Most seconds between the attempts of one call, together: 1 + 5 before the second and 2 + 5 before the third
(botocore, `retries/standard.py`, class ExponentialBackoff: the backoff after throttling, and what S3 may add to it)."""


def connect_timeout(aws_timeout: float) -> float:
    """Seconds until a connection must be open. `aws_timeout`: DARKROOM_AWS_TIMEOUT in seconds."""
    return min(LONGEST_CONNECT, aws_timeout)


def longest_put(aws_timeout: float) -> float:
    """Seconds after which no PUT can store an object any more, counted from the last check that allowed it.

    ATTEMPTS x (connect_timeout + 2 x aws_timeout) + pauses + SIGNATURE_VALID. An attempt opens a connection, sends what
    it read from the file after the last check, and waits for the answer; the socket gives up when either takes
    `aws_timeout` (urllib3, `Timeout`). A process that is paused during this does not notice its timeouts: then S3
    refuses the request because of its old signature, or has closed the connection.
    """
    attempt = connect_timeout(aws_timeout) + 2 * aws_timeout
    return ATTEMPTS * attempt + _RETRY_PAUSES + SIGNATURE_VALID
