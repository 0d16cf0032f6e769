"""Assets: files that an owner uploads once, and that jobs name by id, such as logos and LUTs."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

import structlog
from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field
from werkzeug.exceptions import UnsupportedMediaType

from api.context import caller, context, json_response, no_content
from api.http.problems import invalid_request
from api.openapi import responses, schemas
from api.openapi.document import VERBATIM
from api.uploads.asset_intake import store_asset
from api.uploads.fields import AssetFields, read_fields
from api.uploads.parse import form_parts
from api.uploads.spool import ReceivedPhoto, Spool, SpooledRequest
from darkroom.asset_errors import UnsupportedAsset
from darkroom.aws.bucket import attachment
from darkroom.errors import Fault, Unavailable
from darkroom.jobs.asset_ids import ASSET_ID
from darkroom.record.asset_views import AssetsView, AssetView, asset_filename, asset_view
from darkroom.record.owner_assets import Asset

log = structlog.get_logger()

assets = APIBlueprint(
    "assets",
    __name__,
    abp_tags=[Tag(name="assets", description="Files that jobs use besides their photo: logos and LUTs")],
    abp_responses=responses.COMMON,
)

PART = "asset"


class AssetPath(BaseModel):
    asset_id: str = Field(
        description="the asset's id: the SHA-256 of its file", json_schema_extra={"pattern": ASSET_ID}
    )


_FORM = {
    "type": "object",
    "properties": {PART: {"type": "string", "format": "binary", "description": "the file"}}
    | schemas.form_fields(AssetFields, examples={"name": "logo"}),
    "required": [PART],
    "additionalProperties": False,
}
_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", schemas.ANY_FILE)
_ADD = {
    "parameters": schemas.query_parameters(AssetFields),
    "requestBody": {
        "required": True,
        "description": "A form with the file; or the file as the body, with the name in the query. A picture as the "
        "body may also have its own Content-Type, such as image/png.",
        "content": {"multipart/form-data": {"schema": _FORM, "encoding": {PART: {"contentType": ", ".join(_TYPES)}}}}
        | schemas.file_body(),
    },
}
_ADDRESS = responses.location(always=True, description="the address of the asset")
_UNKNOWN = responses.problem("You have no such asset")


@assets.post(
    "/v1/assets",
    operation_id="addAsset",
    summary="Upload an asset",
    description="A picture (PNG, JPEG, WebP, GIF, AVIF) or a LUT (.cube); its content says which. Jobs name it by its "
    "`id`, the SHA-256 of the file. The same file is the same asset, so the request may be sent again; a `name` then "
    "replaces the old one.",
    openapi_extensions={VERBATIM: _ADD},
    responses={
        200: responses.success(schemas.ref(AssetView), "You have this file already", _ADDRESS),
        201: responses.success(schemas.ref(AssetView), "The new asset", _ADDRESS),
        409: responses.problem("You have as many assets as are allowed"),
        413: responses.problem("The file is too large"),
        415: responses.problem("The file is neither a picture of these formats nor a .cube file"),
        422: responses.problem("The file is damaged or has too many pixels, or a field is not valid"),
    },
)
def add_asset() -> Response:
    ctx = context()
    file, name = _read_upload(cast(SpooledRequest, request))
    asset, new = store_asset(ctx, caller(), file, name)
    view = asset_view(asset, ctx.settings.base_url)
    response = json_response(view, HTTPStatus.CREATED if new else HTTPStatus.OK)
    response.headers["Location"] = view.links["self"]
    return response


def _read_upload(incoming: SpooledRequest) -> tuple[Spool | ReceivedPhoto, str | None]:
    """The file, and the name if one is given. Raises InvalidRequest, UnsupportedAsset, and errors about the body."""
    if incoming.mimetype == "multipart/form-data":
        files, texts, faults = form_parts(incoming.spool_form(AssetFields.model_fields), PART)
        if len(files) != 1 and not faults:
            faults.append(Fault(PART, f"send one file, not {len(files)}", "too_many_files" if files else "missing"))
        fields, more = read_fields(AssetFields, [incoming.args, texts])
        if faults := faults + more:
            raise invalid_request(faults)
        return files[0].content, fields.name
    if not incoming.mimetype.startswith("image/") and incoming.mimetype not in ("", "application/octet-stream"):
        raise UnsupportedMediaType(
            f"a body of type {incoming.mimetype} is not supported: send multipart/form-data with a part named {PART}, "
            "or the file itself as image/* or application/octet-stream"
        )
    fields, faults = read_fields(AssetFields, [incoming.args])
    if faults:
        raise invalid_request(faults)
    file = incoming.spool_body()
    if not file.size:
        raise UnsupportedAsset(
            f"the body is empty: send a form (multipart/form-data) with a part named {PART}, or the file itself"
        )
    return file, fields.name


@assets.get(
    "/v1/assets",
    operation_id="listAssets",
    summary="List your assets, newest first",
    responses={200: AssetsView},
)
def list_assets() -> Response:
    ctx = context()
    base = ctx.settings.base_url
    found = sorted(ctx.services.assets.get(caller()).assets.values(), key=lambda one: one.created_at, reverse=True)
    return json_response(
        AssetsView(
            assets=[asset_view(asset, base) for asset in found],
            most=ctx.settings.max_assets,
            links={"self": f"{base}/v1/assets"},
        )
    )


@assets.get(
    "/v1/assets/<asset_id>",
    operation_id="getAsset",
    summary="Get an asset",
    responses={200: AssetView, 404: _UNKNOWN},
)
def get_asset(path: AssetPath) -> Response:
    return json_response(asset_view(_own(path), context().settings.base_url))


@assets.get(
    "/v1/assets/<asset_id>/file",
    operation_id="getAssetFile",
    summary="Download the file of an asset",
    responses={
        302: {
            "description": "A redirect to the file",
            "headers": responses.location(always=True, description="a presigned URL that is valid for a limited time"),
        },
        404: _UNKNOWN,
    },
)
def get_asset_file(path: AssetPath) -> Response:
    asset = _own(path)
    response = Response(status=HTTPStatus.FOUND)
    link = context().services.bucket.link(asset.key, attachment(asset_filename(asset)))
    response.headers["Location"] = link
    return response


@assets.delete(
    "/v1/assets/<asset_id>",
    operation_id="removeAsset",
    summary="Remove an asset",
    description="Jobs that name it and are not done yet fail with `asset_missing`. The same file, uploaded again, has "
    "the same id; then these jobs can be retried.",
    responses={204: None, 404: _UNKNOWN},
)
def remove_asset(path: AssetPath) -> Response:
    services, owner = context().services, caller()
    _, asset = services.assets.update(owner, lambda record: record.remove(path.asset_id))
    log.info("asset.removed", asset=asset.id)
    try:
        services.cleanup.remove_assets(owner, [asset.key])
    except Unavailable as error:
        log.warning("asset.object_not_removed", asset=asset.id, detail=error.detail)  # the sweep removes it
    return no_content()


def _own(path: AssetPath) -> Asset:
    """The caller's asset. Raises NotFound."""
    return context().services.assets.get(caller()).asset(path.asset_id)
