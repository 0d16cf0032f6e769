"""POST /v1/upload-tokens: a token with which a browser uploads photos, without the owner's API key."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from http import HTTPStatus

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from api.context import caller, context, json_response
from api.http.problems import invalid_request
from api.openapi import responses, schemas
from api.openapi.document import VERBATIM
from api.token_scope import MAX_LENGTH, UploadToken
from api.uploads.asset_check import check_assets
from api.uploads.fields import CallbackUrl, check_callback, choose_jobs
from darkroom.errors import Fault, NotConfigured
from darkroom.jobs.job_types import Jobs
from darkroom.jobs.spec import StrictSpec
from darkroom.record.ids import new_id
from darkroom.record.views import Time
from darkroom.settings import PREFIX

upload_tokens = APIBlueprint(
    "upload_tokens",
    __name__,
    abp_tags=[Tag(name="upload tokens", description="What a browser gets in place of an API key")],
    abp_responses=responses.COMMON,
)

MAX_SECONDS = 86_400


class UploadTokenBody(StrictSpec):
    """What the token allows."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {"required": ["jobs", "presets"]},
            "example": {"presets": ["web"], "max_photos": 10, "expires_in": 3600},
        }
    )

    presets: list[str] | None = Field(
        None,
        min_length=1,
        max_length=20,
        description="presets that an upload may name; the first is its default. Without presets "
        "and jobs: the default preset",
    )
    jobs: Jobs | None = Field(None, description="the jobs of each photo, in place of presets")
    max_photos: int = Field(1, ge=1, le=10_000, description="most photos that are uploaded with it")
    max_bytes: int | None = Field(
        None, ge=1, description="most bytes of these photos together; without it, those of max_photos largest photos"
    )
    expires_in: int = Field(3600, ge=60, le=MAX_SECONDS, description="seconds for which it is valid, also for reading")
    callback_url: CallbackUrl | None = Field(
        None, description="an https URL that gets a webhook when all jobs of a photo have ended"
    )


class UploadTokenView(BaseModel):
    """A token and what it allows."""

    token: str = Field(
        description="send it as `Authorization: Bearer dt_...`, or as the parameter `token` of the query"
    )
    expires_at: Time
    presets: list[str] | None
    jobs: Jobs | None
    max_photos: int
    max_bytes: int


@upload_tokens.post(
    "/v1/upload-tokens",
    operation_id="makeUploadToken",
    openapi_extensions={VERBATIM: {"requestBody": schemas.json_body(UploadTokenBody)}},
    summary="Make a token with which a browser uploads photos",
    description="Your server asks for a token with its API key, and gives it to a browser. With it the browser uploads "
    "photos (POST /v1/photos, POST /v1/uploads), follows them, and reads their results; nothing else, and no other "
    "photos. The token counts what is uploaded with it, and what the owner may do limits it, too. It cannot be "
    "revoked: it expires.",
    responses={
        201: responses.success(schemas.ref(UploadTokenView), "The token"),
        400: responses.problem("The request is not valid HTTP, or the body is not valid JSON"),
        415: responses.NOT_JSON,
        422: responses.INVALID,
        501: responses.problem("The service has no key to sign tokens with: DARKROOM_SIGNING_KEYS is not set"),
    },
)
def make_upload_token(body: UploadTokenBody) -> Response:
    ctx = context()
    if ctx.signer is None:
        raise NotConfigured(f"{PREFIX}SIGNING_KEYS is not set: this service has no key to sign upload tokens with")
    most = body.max_bytes or body.max_photos * ctx.settings.max_upload_bytes
    callback_url, faults = check_callback(body.callback_url, ctx.settings)
    presets = None if body.jobs is not None else body.presets or [ctx.settings.default_preset]
    token = UploadToken(
        id=new_id(),
        owner=caller(),
        until=int(time.time()) + body.expires_in,
        photos=body.max_photos,
        size=most,
        presets=presets,
        jobs=body.jobs,
        callback=callback_url,
    )
    if faults := faults + _check_jobs(body, presets):
        raise invalid_request(faults)
    text = token.write(ctx.signer)
    if len(text) > MAX_LENGTH:
        detail = (
            f"a token with these jobs would have {len(text):,} characters, of {MAX_LENGTH:,}: make a preset of them"
        )
        raise invalid_request([Fault("jobs", detail, "jobs_too_large")])
    view = UploadTokenView(
        token=text,
        expires_at=datetime.fromtimestamp(token.until, UTC),
        presets=presets,
        jobs=body.jobs,
        max_photos=token.photos,
        max_bytes=token.size,
    )
    return json_response(view, HTTPStatus.CREATED)


def _check_jobs(body: UploadTokenBody, presets: list[str] | None) -> list[Fault]:
    """What is wrong with the jobs and presets: an upload that used them would be refused."""
    ctx, faults = context(), []
    if body.jobs is not None and body.presets is not None:
        faults.append(Fault("presets", "give jobs or presets, not both", "jobs_and_preset"))
    choices: list[str | None] = [*presets] if presets else [None]
    for preset in choices:
        jobs, wrong = choose_jobs(body.jobs, preset, ctx.presets, None)
        faults += [*wrong, *check_assets(ctx, jobs, preset)]
    return faults
