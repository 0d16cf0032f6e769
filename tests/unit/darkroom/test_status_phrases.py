from __future__ import annotations

from http import HTTPStatus

import pytest

from darkroom.status_phrases import PHRASES, error_phrase, with_phrase

RENAMED = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
"""Names of RFC 9110 that differ from those of Python before 3.13."""


def test_the_names_are_those_of_rfc_9110() -> None:
    assert {status: error_phrase(status) for status in RENAMED} == RENAMED


def test_every_other_name_is_also_pythons() -> None:
    for status in PHRASES.keys() - RENAMED.keys():
        assert PHRASES[status] == HTTPStatus(status).phrase


@pytest.mark.parametrize(("status", "name"), [(418, "Client Error"), (499, "Client Error"), (599, "Server Error")])
def test_a_status_without_a_name_has_the_name_of_its_class(status: int, name: str) -> None:
    assert error_phrase(status) == name


@pytest.mark.parametrize(("status", "text"), [(410, "410 Gone"), (302, "302 Found"), (299, "299"), (999, "999")])
def test_a_status_is_written_with_its_name_if_it_has_one(status: int, text: str) -> None:
    assert with_phrase(status) == text
