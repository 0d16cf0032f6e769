"""The files of the assets that the jobs of an order name: from the worker's cache, or else from S3."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path

import structlog

from darkroom.errors import NotFound, Unavailable
from darkroom.record.owner_assets import Asset
from darkroom.services import Services
from worker.child.asset_cache import AssetCache

log = structlog.get_logger()


class AssetFiles:
    """Fetches files of assets, for any number of threads."""

    def __init__(self, services: Services, cache: AssetCache) -> None:
        self._assets = services.assets
        self._bucket = services.bucket
        self._cache = cache

    def fetch(self, owner: str, ids: Collection[str], folder: Path, check: Callable[[], None]) -> dict[str, Path]:
        """Have the assets of an owner as files in a folder. Returns id -> file. An asset that the owner does not have,
        or not any more, is left out.

        Without ids it sends no request. Raises Unavailable, and the errors of `check`, which is called before each MB.
        """
        if not ids:
            return {}
        stored = self._assets.get(owner).assets
        found: dict[str, Path] = {}
        for asset_id in ids:
            path = folder / f"asset-{asset_id}"
            if asset_id in stored and self._fetch(owner, stored[asset_id], path, check):
                found[asset_id] = path
        return found

    def _fetch(self, owner: str, asset: Asset, path: Path, check: Callable[[], None]) -> bool:
        """False if the object of the asset does not exist."""
        if self._cache.take(asset.key, path):
            return True
        try:
            self._bucket.fetch(asset.key, path, check)
        except NotFound as error:
            now_stored = self._assets.get(owner).assets.get(asset.id)
            if now_stored and now_stored.key != asset.key:
                raise Unavailable(f"asset {asset.id} was uploaded again while it was fetched") from error
            log.warning("asset.missing", asset=asset.id, recorded=now_stored is not None)
            return False
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != asset.id:
                raise Unavailable(f"S3 gave other bytes for asset {asset.id} than were stored")
        try:
            self._cache.keep(asset.key, path)
        except OSError as error:  # such as a file system without hard links: the order has its file
            log.warning("asset.not_cached", asset=asset.id, detail=error.strerror)
        return True
