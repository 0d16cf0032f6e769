from __future__ import annotations

from http import HTTPStatus

import pytest

from api.http.phrases import PHRASES, phrase
from api.http.problems import code_of

RENAMED = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
"""Names of RFC 9110 that differ from those of Python before 3.13."""


def test_the_names_are_those_of_rfc_9110() -> None:
    assert {status: phrase(status) for status in RENAMED} == RENAMED


def test_every_other_name_is_also_pythons() -> None:
    for status in PHRASES.keys() - RENAMED.keys():
        assert phrase(status) == HTTPStatus(status).phrase


@pytest.mark.parametrize(("status", "name"), [(418, "Client Error"), (499, "Client Error"), (599, "Server Error")])
def test_a_status_without_a_name_has_the_name_of_its_class(status: int, name: str) -> None:
    assert phrase(status) == name


def test_codes_do_not_depend_on_pythons_names() -> None:
    assert {status: code_of(status) for status in (405, 413, 414, 422, 431, 499)} == {
        405: "method_not_allowed",
        413: "too_large",
        414: "uri_too_long",
        422: "unprocessable_content",
        431: "request_header_fields_too_large",
        499: "client_error",
    }
