"""What is wrong with a request that gunicorn cannot parse, in our words.

gunicorn's own messages repeat what the caller has sent, and a header line without its colon may hold an API key. So
these messages repeat nothing of the request.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from gunicorn.http import errors  # type: ignore[import-untyped]

from api.http.head_rules import MAX_HEADER, MAX_HEADERS, MAX_REQUEST_LINE, InvalidHead
from api.http.request_buffer import MAX_HEAD


class ParseFault(NamedTuple):
    """A fault of the caller."""

    status: HTTPStatus
    detail: str


def _invalid(detail: str) -> ParseFault:
    return ParseFault(HTTPStatus.BAD_REQUEST, detail)


_HEADER_LINE = _invalid("a header line is not valid: expected `Name: value` in one line without control characters")
_BODY_LENGTH = _invalid(
    "the length of the body is not valid: expected one `Content-Length: NUMBER`, or `Transfer-Encoding: chunked` with "
    "HTTP/1.1, and not both"
)

_FAULTS: dict[type[Exception], ParseFault] = {
    errors.InvalidRequestLine: _invalid("the request line is not valid: expected `METHOD /path HTTP/1.1`"),
    errors.InvalidRequestMethod: _invalid("the method is not valid: expected one such as GET, POST or DELETE"),
    errors.InvalidHTTPVersion: _invalid("the version of HTTP is not supported: expected HTTP/1.1 or HTTP/1.0"),
    errors.InvalidHeader: _HEADER_LINE,
    errors.ObsoleteFolding: _HEADER_LINE,
    errors.InvalidHeaderName: _invalid(
        "the name of a header is not valid: expected letters, digits and hyphens, directly followed by a colon"
    ),
    errors.InvalidSchemeHeaders: _invalid(
        "the headers that name the scheme contradict each other: expected http or https in all of them"
    ),
    errors.UnsupportedTransferCoding: ParseFault(
        HTTPStatus.NOT_IMPLEMENTED, "the Transfer-Encoding is not supported: expected `Transfer-Encoding: chunked`"
    ),
    errors.ExpectationFailed: ParseFault(
        HTTPStatus.EXPECTATION_FAILED, "the value of Expect is not supported: expected `Expect: 100-continue`"
    ),
    errors.LimitRequestLine: ParseFault(
        HTTPStatus.REQUEST_URI_TOO_LONG, f"the request line is too long: expected at most {MAX_REQUEST_LINE:,} bytes"
    ),
    errors.LimitRequestHeaders: ParseFault(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"the headers are too long, or too many: expected at most {MAX_HEADERS} headers, {MAX_HEADER:,} bytes in each, "
        f"and {MAX_HEAD:,} bytes in the whole head",
    ),
    errors.InvalidChunkSize: _invalid(
        "the size of a chunk is not valid: expected a hexadecimal number in its own line"
    ),
    errors.ChunkMissingTerminator: _invalid("a chunk does not end where its size says: expected CR LF after its data"),
    errors.InvalidChunkExtension: _invalid(
        "an extension of a chunk is not valid: expected `;name=value` after its size"
    ),
}


def parse_fault(error: Exception) -> ParseFault | None:
    """What is wrong with the request. None for an error that is not the caller's fault."""
    if isinstance(error, InvalidHead):
        return ParseFault(error.status, str(error))
    if isinstance(error, errors.InvalidHeader) and error.hdr in ("CONTENT-LENGTH", "TRANSFER-ENCODING"):
        return _BODY_LENGTH
    return _FAULTS.get(type(error))
