"""Store an asset: note its key in the owner's record, store the object, then make it an asset.

So the record knows every object. If the API dies in between, the sweep removes what was stored. If the request is sent
again, it makes the same asset, because the id is the hash of the file.
"""

from __future__ import annotations

from typing import BinaryIO, cast

import structlog

from api.context import Context
from api.uploads.asset_content import read_content
from api.uploads.spool import ReceivedPhoto, Spool
from darkroom.errors import TooLarge, Unavailable
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.keys import asset_key
from darkroom.record.late_writes import LONGEST_PUT, ImportTime
from darkroom.record.owner_assets import Asset, AssetContent

log = structlog.get_logger()


def store_asset(ctx: Context, owner: str, file: Spool | ReceivedPhoto, name: str | None) -> tuple[Asset, bool]:
    """Store a file as an asset of its owner, unless the owner has it already; then a given name replaces the old one.

    Returns the asset, and whether it is new. Raises TooLarge, AssetError and TooManyPixels when the file is not
    accepted, AssetLimitReached, and Unavailable.
    """
    if file.too_large:
        raise TooLarge(f"the asset has more than {ctx.settings.max_asset_bytes:,} bytes")
    content = read_content(cast(BinaryIO, file), ctx.settings.max_asset_pixels)
    services = ctx.services
    found = services.assets.get(owner).assets.get(file.sha256)
    if found is None:
        return _store(ctx, owner, file, content, name or "")
    if not services.bucket.exists(found.key):  # somebody has removed it from the bucket
        log.warning("asset.object_missing", asset=found.id)
        return _store(ctx, owner, file, content, found.name if name is None else name, missing=found.key)
    if name is None or name == found.name:
        return found, False
    return services.assets.update(owner, lambda record: record.rename(file.sha256, name))[1], False


def _store(
    ctx: Context,
    owner: str,
    file: Spool | ReceivedPhoto,
    content: AssetContent,
    name: str,
    missing: str | None = None,
) -> tuple[Asset, bool]:
    services, time = ctx.services, ImportTime()
    asset = Asset(
        id=file.sha256,
        key=asset_key(owner, file.sha256, new_id()),
        name=name,
        size=file.size,
        content=content,
        created_at=now(),
        stored_until=time.until + LONGEST_PUT,
    )
    most = ctx.settings.max_assets
    services.assets.update(owner, lambda record: record.begin_upload(asset.id, asset.key, time, most))
    services.bucket.put(asset.key, cast(BinaryIO, file), content.content_type, asset.id, time.check)
    _, counting = services.assets.update(owner, lambda record: record.finish_upload(asset, time, most, missing))
    if counting.key == asset.key:
        log.info("asset.added", asset=asset.id, kind=content.kind, size=asset.size)
        return asset, missing is None
    try:  # another request with the same file was faster
        services.cleanup.remove_assets(owner, [asset.key])
    except Unavailable as error:
        log.warning("asset.object_not_removed", asset=asset.id, detail=error.detail)  # the sweep removes it
    return counting, False
