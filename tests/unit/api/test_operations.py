from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from api.routes.operations import FILTERS, JOBS, STEPS
from darkroom.jobs.specs import AnyFilter, Job, Step


def models(union: Any) -> Iterator[type[BaseModel]]:
    """The models of a union, those of unions within it too."""
    for member in get_args(get_args(union)[0]):
        if isinstance(member, type):
            yield member
        else:
            yield from models(member)


def test_everything_that_can_be_asked_for_is_told() -> None:
    assert JOBS.keys() == {model.model_fields["type"].default for model in models(Job)}
    assert STEPS.keys() == {model.model_fields["type"].default for model in models(Step)}
    assert set(FILTERS.values()) == set(models(AnyFilter))
