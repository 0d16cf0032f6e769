"""Assets as callers see them."""

from __future__ import annotations

from pydantic import Field

from darkroom.filenames import EXTENSIONS, safe_filename
from darkroom.jobs.asset_ids import AssetKind
from darkroom.record.owner_assets import Asset
from darkroom.record.views import Time, View


class AssetView(View):
    id: str = Field(description="the SHA-256 of the file; jobs name the asset by it")
    kind: AssetKind = Field(description="picture, or lut: a table of colours from a .cube file")
    name: str
    content_type: str
    size: int = Field(description="bytes")
    width: int | None = Field(description="pixels of a picture; null for a LUT")
    height: int | None
    dimensions: int | None = Field(description="1 or 3, of a LUT; null for a picture")
    points: int | None = Field(description="entries of a LUT along each side; null for a picture")
    created_at: Time
    links: dict[str, str]


class AssetsView(View):
    """All assets of the owner, newest first."""

    assets: list[AssetView]
    most: int = Field(description="how many assets the owner may have")
    links: dict[str, str]


def asset_view(asset: Asset, base_url: str) -> AssetView:
    self_link = f"{base_url}/v1/assets/{asset.id}"
    return AssetView(
        **asset.model_dump(include={"id", "name", "size", "created_at"}),
        **asset.content.model_dump(),
        links={"self": self_link, "file": f"{self_link}/file"},
    )


def asset_filename(asset: Asset) -> str:
    """The file name under which a browser saves the asset."""
    format_ = "cube" if asset.content.kind == "lut" else asset.content.content_type.partition("/")[2]
    extension = EXTENSIONS.get(format_, format_)
    name = safe_filename(asset.name) or asset.id[:12]
    return name if name.lower().endswith(f".{extension}") else f"{name}.{extension}"
