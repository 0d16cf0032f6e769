"""The assets of an owner: files that jobs use besides their photo, such as logos and LUTs.

All assets of an owner are in one record, which darkroom/aws/asset_table.py stores. So their number is bounded exactly,
and one strongly consistent read lists them or checks the ids of a request. An asset takes at most 700 bytes, so the 500
that DARKROOM_MAX_ASSETS may allow fit into an item of DynamoDB, which holds 400 KB.

The id of an asset is the SHA-256 of its file. Each upload writes an object under a key of its own. The record knows
each key from before its object is stored until the object is removed: first as a leftover, then as an asset's, then as
a leftover again. The sweep removes leftovers, so no crash leaves an object that the record does not name.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from darkroom.asset_errors import AssetLimitReached
from darkroom.errors import NotFound
from darkroom.jobs.asset_ids import AssetKind
from darkroom.record.clock import now
from darkroom.record.late_writes import LONGEST_PUT, ImportTime
from darkroom.record.stored import Stored

MOST_LEFTOVERS = 200
"""Objects of one owner that may wait for their removal. Most are removed at once, but their keys stay in the record
until no earlier PUT can store them again."""


class AssetContent(Stored):
    """What a file is, by its content. Width and height in pixels of a picture. `dimensions` (1 or 3) and `points`, the
    number of entries along each side, of a LUT."""

    kind: AssetKind
    content_type: str
    width: int | None = None
    height: int | None = None
    dimensions: int | None = None
    points: int | None = None


class Asset(Stored):
    """A stored file. `id`: its SHA-256 in hex. `size` in bytes. `stored_until`: until then a repeated PUT of the upload
    may still be under way, so that the object may come back after it was removed."""

    id: str
    key: str
    name: str = ""
    size: int
    content: AssetContent
    created_at: datetime
    stored_until: datetime


class OwnerAssets(Stored):
    """The assets of one owner by id. `leftovers`: key of an object that no asset needs -> when the sweep removes it."""

    owner: str
    assets: dict[str, Asset] = Field(default_factory=dict)
    leftovers: dict[str, datetime] = Field(default_factory=dict)
    version: int = Field(0, exclude=True)
    """Of the stored item; 0 if there is none."""

    @property
    def due_at(self) -> datetime | None:
        """When the sweep looks at this record; None if there is nothing to remove."""
        return min(self.leftovers.values(), default=None)

    @property
    def overdue(self) -> list[str]:
        """Keys of the objects that the sweep removes now."""
        return [key for key, at in self.leftovers.items() if at <= now()]

    def asset(self, asset_id: str) -> Asset:
        try:
            return self.assets[asset_id]
        except KeyError:
            raise NotFound(f"there is no asset {asset_id}") from None

    def begin_upload(self, asset_id: str, key: str, time: ImportTime, most: int) -> None:
        """An object is about to be stored under this key. Raises AssetLimitReached if it would make more than `most`
        assets, or if too many objects wait for their removal."""
        self._require_room(asset_id, most)
        if len(self.leftovers) >= MOST_LEFTOVERS:
            raise AssetLimitReached("you have removed too many assets within half an hour; try again later")
        self.leftovers[key] = time.until + LONGEST_PUT

    def finish_upload(self, asset: Asset, time: ImportTime, most: int, missing: str | None = None) -> Asset:
        """The object of this asset is stored. `missing`: the key of an earlier object of the same asset, which was
        found to be missing. Returns the asset that counts: the one of another upload, if that was faster.

        Raises AssetLimitReached, and Unavailable if the upload took too long: the sweep may have removed its object.
        """
        time.check()
        before = self.assets.get(asset.id)
        if before and before.key not in (missing, asset.key):
            return before
        self._require_room(asset.id, most)
        if before and before.key != asset.key:
            self._leave(before)
        self.leftovers.pop(asset.key, None)
        self.assets[asset.id] = asset
        return asset

    def _require_room(self, asset_id: str, most: int) -> None:
        if asset_id not in self.assets and len(self.assets) >= most:
            raise AssetLimitReached(f"you have {len(self.assets)} of at most {most} assets, so remove one first")

    def rename(self, asset_id: str, name: str) -> Asset:
        """Raises NotFound."""
        asset = self.asset(asset_id)
        self.assets[asset_id] = asset = asset.model_copy(update={"name": name})
        return asset

    def remove(self, asset_id: str) -> Asset:
        """Remove an asset; its object is left over. Raises NotFound."""
        asset = self.asset(asset_id)
        del self.assets[asset_id]
        self._leave(asset)
        return asset

    def note_removed(self, keys: list[str], at: datetime) -> None:
        """Objects were removed at this time. A leftover that may be stored again after it stays until its time."""
        self.leftovers = {key: due for key, due in self.leftovers.items() if key not in keys or due > at}

    def _leave(self, asset: Asset) -> None:
        self.leftovers[asset.key] = max(now(), asset.stored_until)
