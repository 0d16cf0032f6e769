"""Embed links: results for web pages, by a signed address without a login (darkroom/embed_links.py)."""

from __future__ import annotations

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.context import context
from api.openapi import responses
from api.routes.job_results import ANSWERS, DownloadQuery, result_response
from darkroom.errors import NotFound

embeds = APIBlueprint(
    "embeds",
    __name__,
    abp_tags=[Tag(name="results")],
    abp_responses=responses.OPEN | {"503": responses.COMMON["503"]},
)

REDIRECT_AGE = 300
"""Seconds for which a page may use a redirect again. A newer result with the same name shows after that time."""


class EmbedPath(BaseModel):
    link: str = Field(description="the signed text of `links.embed`")


@embeds.get(
    "/v1/embeds/<link>",
    operation_id="getEmbedded",
    summary="Fetch a result by its embed link",
    description="Needs no key: the link is signed. A link with the name of a result leads to the newest result of that "
    "name. HEAD describes the result and never redirects.",
    responses={
        **ANSWERS,
        403: responses.problem("The link is not one of this service, or has expired"),
        404: responses.problem("The photo was deleted or has expired, or the result has expired"),
    },
)
def get_embedded(path: EmbedPath, query: DownloadQuery) -> Response:
    ctx = context()
    target = ctx.embeds.read(path.link)
    photo = ctx.services.table.get(target.photo_id)
    if photo is None or photo.deleted_or_expired:
        raise NotFound("the photo of this link was deleted or has expired")
    job = photo.job_named(target.name) if target.name else photo.job(str(target.job_id))
    age = min(REDIRECT_AGE, ctx.settings.link_ttl // 2)
    return result_response(
        job, query.download, f"public, max-age={age}", shown_at=lambda key: ctx.embeds.at_cdn(key, target.until)
    )
