"""The names of HTTP's final statuses, as RFC 9110 (section 15) and RFC 6585 write them.

Python's own table (`http.HTTPStatus`) changed some of them between 3.11 and 3.13: with it, the same error would have
another name on another Python.
"""

from __future__ import annotations

PHRASES = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "Non-Authoritative Information",
    204: "No Content",
    205: "Reset Content",
    206: "Partial Content",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    511: "Network Authentication Required",
}


def error_phrase(status: int) -> str:
    """The name of an error status; for one without a name, the name of its class (RFC 9110, section 15)."""
    return PHRASES.get(status) or ("Server Error" if status >= 500 else "Client Error")


def with_phrase(status: int) -> str:
    """The status with its name if it has one: `410 Gone`."""
    return f"{status} {PHRASES[status]}" if status in PHRASES else str(status)
