"""The errors about assets. The tree of all errors is in darkroom/errors.py."""

from __future__ import annotations

from darkroom.errors import Conflict, DarkroomError


class AssetLimitReached(Conflict):
    """You have as many assets as are allowed; remove one first."""

    code = "asset_limit_reached"


class AssetError(DarkroomError):
    """The asset cannot be used."""

    code = "asset_error"
    status = 422
    retryable = False


class UnsupportedAsset(AssetError):
    """The file is neither a picture in a supported format nor a .cube file."""

    code = "unsupported_asset"
    status = 415


class UnreadableAsset(AssetError):
    """The asset is damaged or cut short."""

    code = "unreadable_asset"


class AssetMissing(AssetError):
    """An asset that the job names was removed: upload the same file again, and retry the job."""

    code = "asset_missing"
