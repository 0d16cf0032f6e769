"""The settings, one by one: type, default, limits and meaning. darkroom/settings.py puts them together.

`make docs` writes .env.example and the table in docs/operations.md from these files.
"""

from __future__ import annotations

from darkroom.setting_fields.api_limits import ApiSettings
from darkroom.setting_fields.aws_and_logs import LogSettings, ResourceSettings
from darkroom.setting_fields.group import MIB, PROJECT, Group
from darkroom.setting_fields.photos_and_assets import AssetSettings, PhotoSettings
from darkroom.setting_fields.workers import FetchSettings, SweepSettings, WebhookSettings, WorkerSettings

__all__ = [
    "GROUPS",
    "MIB",
    "PROJECT",
    "ApiSettings",
    "AssetSettings",
    "FetchSettings",
    "LogSettings",
    "PhotoSettings",
    "ResourceSettings",
    "SweepSettings",
    "WebhookSettings",
    "WorkerSettings",
]

GROUPS: tuple[type[Group], ...] = (
    ResourceSettings,
    ApiSettings,
    PhotoSettings,
    AssetSettings,
    WorkerSettings,
    WebhookSettings,
    FetchSettings,
    SweepSettings,
    LogSettings,
)
"""In the order in which they are documented."""
