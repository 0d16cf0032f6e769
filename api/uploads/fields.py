"""What can be said along with a photo, in a form's fields or in the address, and how it is checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import pydantic_core
from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError
from werkzeug.datastructures import MultiDict

from darkroom.errors import CallbackRefused, Fault
from darkroom.jobs.faults import faults_of
from darkroom.jobs.job_types import Job, Jobs
from darkroom.jobs.spec import Spec
from darkroom.presets import Presets
from darkroom.record.labels import MAX_METADATA, MAX_REFERENCE, Metadata, Text
from darkroom.settings import Settings
from darkroom.webhooks.callback import MAX_URL, read_callback


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return pydantic_core.from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise PydanticCustomError("json_invalid", "not valid JSON: {reason}", {"reason": str(error)}) from None


class UploadFields(Spec):
    """What is asked for, and what the caller wants to find again."""

    jobs: Annotated[Jobs | None, BeforeValidator(_from_json)] = Field(
        None,
        description="what to make of each photo: a JSON list as in POST /v1/photos/{photo_id}/jobs; "
        "without jobs and preset the default preset is used",
    )
    preset: str | None = Field(None, description="a named list of jobs instead, as GET /v1/operations lists them")
    reference: Text | None = Field(
        None, max_length=MAX_REFERENCE, description="the caller's own id, kept and sent with events"
    )
    metadata: Annotated[Metadata | None, BeforeValidator(_from_json)] = Field(
        None, description=f"JSON object of the caller's, kept and sent with events; at most {MAX_METADATA} bytes"
    )
    callback_url: Text | None = Field(
        None,
        max_length=MAX_URL,
        description="https address that is told when all jobs have ended, by a webhook as in Standard Webhooks; "
        "without it, the owner's own if there is one. A photo found by dedupe keeps the address that it has",
    )
    dedupe: bool | None = Field(
        None,
        description="true: if you have a photo of the same bytes with the same jobs, and it is neither gone nor failed "
        "nor cancelled, it is answered as it is, and no other one is made",
    )


class RawFields(UploadFields):
    """The same in the address of a raw upload."""

    filename: Text | None = Field(None, max_length=1024, description="the photo's file name")


def read_fields(model: type[UploadFields], given: Iterable[MultiDict[str, str]]) -> tuple[UploadFields, list[Fault]]:
    """Read the fields from wherever they stand; faulty ones are left out, so that the others can be checked further."""
    values: dict[str, list[str]] = {}
    for part in given:
        for name, several in part.lists():
            if any(several):  # a form in a browser sends what was left empty too
                values.setdefault(name, []).extend(several)
    faults = [
        Fault(name, "given more than once", "duplicate_field") for name, several in values.items() if len(several) > 1
    ] + one_choice(values)
    first = {name: several[0] for name, several in values.items()}
    try:
        return model.model_validate(first), faults
    except ValidationError as error:
        wrong = {fault["loc"][0] for fault in error.errors()}
        sound = {name: text for name, text in first.items() if name not in wrong}
        return model.model_validate(sound), faults + faults_of(error)


def one_choice(given: Iterable[str]) -> list[Fault]:
    """Jobs or a preset: whoever gives both means something that we do not know."""
    both = {"jobs", "preset"} <= set(given)
    return [Fault("preset", "give jobs or a preset, not both", "jobs_and_preset")] if both else []


def callback_asked_for(url: str | None, settings: Settings) -> tuple[str | None, list[Fault]]:
    """The address as the URL standard writes it, and what is wrong with it. Nothing is looked up or asked for that."""
    if url is None:
        return None, []
    if settings.webhook_secret is None:
        detail = "no webhooks are sent here: DARKROOM_WEBHOOK_SECRET is not set"
        return None, [Fault("callback_url", detail, "webhooks_off")]
    try:
        return read_callback(url, settings.webhook_private_hosts).url, []
    except CallbackRefused as error:
        return None, [Fault("callback_url", error.detail, error.code)]


def jobs_asked_for(
    jobs: list[Job] | None, preset: str | None, presets: Presets, default: str | None
) -> tuple[list[Job], list[Fault]]:
    """The jobs themselves, those of the preset, or those of the default one; and what is wrong with the choice."""
    faults = []
    name = preset if preset is not None else default
    if preset is not None and preset not in presets:
        faults.append(Fault("preset", f"there is no such preset; there are {', '.join(presets)}", "unknown_preset"))
    if jobs is None and name is None:
        faults.append(Fault("jobs", "give jobs or a preset", "missing"))
    if faults:
        return [], faults
    return (jobs if jobs is not None else presets[str(name)].jobs), []
