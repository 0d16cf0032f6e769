"""The fields of an upload request, in its form or in its query, and how they are checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError
from werkzeug.datastructures import MultiDict

from darkroom.errors import CallbackRefused, Fault
from darkroom.jobs.faults import faults_of
from darkroom.jobs.job_types import Job, Jobs, PictureJob
from darkroom.jobs.json_text import NotJson, read_json
from darkroom.jobs.output_formats import missing_extra, without_extra
from darkroom.jobs.spec import Spec
from darkroom.presets import Presets
from darkroom.record.labels import MAX_METADATA, MAX_REFERENCE, AssetName, Metadata, Text
from darkroom.settings import PREFIX, Settings
from darkroom.webhooks.callback import MAX_URL, PATTERN, read_callback


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return read_json(value)
    except NotJson as error:
        raise PydanticCustomError("json_invalid", "{detail}", {"detail": str(error)}) from None


CallbackUrl = Annotated[Text, Field(max_length=MAX_URL, json_schema_extra={"pattern": PATTERN})]
"""`check_callback` checks the pattern, and what it cannot say: the host must be public, and the port allowed."""


class UploadFields(Spec):
    """The fields that may accompany photos."""

    jobs: Annotated[Jobs | None, BeforeValidator(_from_json)] = Field(
        None,
        description="the jobs for each photo: a JSON list as in POST /v1/photos/{photo_id}/jobs; "
        "without jobs and preset, the default preset applies",
    )
    preset: str | None = Field(
        None, description="the name of a list of jobs, instead of jobs; GET /v1/operations shows the presets"
    )
    reference: Text | None = Field(
        None,
        max_length=MAX_REFERENCE,
        description="your own id of the photo; Darkroom stores it and sends it in events",
    )
    metadata: Annotated[Metadata | None, BeforeValidator(_from_json)] = Field(
        None,
        description="a JSON object of your own; Darkroom stores it and sends it in events; "
        f"at most {MAX_METADATA} bytes",
    )
    callback_url: CallbackUrl | None = Field(
        None,
        description="an https URL that gets a webhook (Standard Webhooks) when all jobs have ended; without it, the "
        "owner's own URL does, if there is one. A photo found by dedupe keeps the URL that it has",
    )
    public: bool | None = Field(
        None,
        description="true: the embed links of the photo's results never expire. Only the owners in "
        "DARKROOM_PUBLIC_OWNERS may say so",
    )
    dedupe: bool | None = Field(
        None,
        description="true: if you already have a photo with the same bytes and the same jobs, and it is not deleted, "
        "expired, failed or cancelled, you get that photo, and no other one is made",
    )


class RawFields(UploadFields):
    """The same fields in the query of a raw upload."""

    filename: Text | None = Field(None, max_length=1024, description="the photo's file name")


class AssetFields(Spec):
    """The fields that may accompany the file of an asset."""

    name: AssetName | None = Field(None, description="a name for people; lists show it")


F = TypeVar("F", bound=Spec)


def read_fields(model: type[F], sources: Iterable[MultiDict[str, str]]) -> tuple[F, list[Fault]]:
    """The fields from all sources, and what is wrong with them. Invalid fields are left out of the result, so that the
    caller can check the others too."""
    values: dict[str, list[str]] = {}
    for source in sources:
        for name, texts in source.lists():
            if any(texts):  # a browser also sends the fields that were left empty
                values.setdefault(name, []).extend(texts)
    faults = [
        Fault(name, "given more than once", "duplicate_field") for name, texts in values.items() if len(texts) > 1
    ] + one_choice(values)
    first = {name: texts[0] for name, texts in values.items()}
    try:
        return model.model_validate(first), faults
    except ValidationError as error:
        invalid = {fault["loc"][0] for fault in error.errors()}
        valid = {name: text for name, text in first.items() if name not in invalid}
        return model.model_validate(valid), faults + faults_of(error, fields=model.model_fields)


def one_choice(fields: Iterable[str]) -> list[Fault]:
    """A fault when both jobs and a preset are given."""
    both = {"jobs", "preset"} <= set(fields)
    return [Fault("preset", "give jobs or a preset, not both", "jobs_and_preset")] if both else []


def check_callback(url: str | None, settings: Settings) -> tuple[str | None, list[Fault]]:
    """The URL in the normal form of the URL standard, and what is wrong with it. Makes no network request."""
    if url is None:
        return None, []
    if settings.webhook_secret is None:
        detail = "this service sends no webhooks: DARKROOM_WEBHOOK_SECRET is not set"
        return None, [Fault("callback_url", detail, "webhooks_off")]
    try:
        return read_callback(url, settings.webhook_private_hosts).url, []
    except CallbackRefused as error:
        return None, [Fault("callback_url", error.detail, error.code)]


def check_public(public: bool | None, owner: str, settings: Settings) -> list[Fault]:
    """A fault if the owner may not upload photos as public."""
    if not public or owner in settings.public_owners or "*" in settings.public_owners:
        return []
    return [
        Fault("public", f"the owner {owner} may not: {PREFIX}PUBLIC_OWNERS does not list them", "public_not_allowed")
    ]


def choose_jobs(
    jobs: list[Job] | None, preset: str | None, presets: Presets, default: str | None
) -> tuple[list[Job], list[Fault]]:
    """The given jobs, or those of the given preset, or those of the default one; and what is wrong with the choice."""
    faults = []
    name = preset if preset is not None else default
    if preset is not None and preset not in presets:
        faults.append(Fault("preset", f"unknown preset; the presets are {', '.join(presets)}", "unknown_preset"))
    if jobs is None and name is None:
        faults.append(Fault("jobs", "give jobs or a preset", "missing"))
    if faults:
        return [], faults
    chosen = jobs if jobs is not None else presets[str(name)].jobs
    return chosen, _missing_extras(chosen, None if jobs is not None else name)


def _missing_extras(jobs: Iterable[Job], preset: str | None) -> list[Fault]:
    """A fault for each format that cannot be written, because this installation lacks an extra. `preset`: the name of
    the preset that the jobs come from."""
    faults = []
    for number, job in enumerate(jobs):
        for field, name in _asked_formats(job):
            if missing_extra(name):
                place, detail = f"jobs[{number}].output.{field}", f"{without_extra(name)}: ask for another format"
                if preset:
                    place, detail = "preset", f"{place} of preset {preset}: {detail}"
                faults.append(Fault(place, detail, "missing_extra"))
    return faults


def _asked_formats(job: Job) -> list[tuple[str, str]]:
    """The formats that the job asks for, each with the field of `output` that names it."""
    if not isinstance(job, PictureJob):
        return []
    accepted: list[tuple[str, str]] = [("accept", name) for name in job.output.accept or ()]
    asked = job.output.format
    return accepted if asked is None or asked == "auto" else [("format", asked)]
