"""docker-compose.yml, without Docker."""

from pathlib import Path
from typing import Any

import yaml

from darkroom.settings import PREFIX, Settings

COMPOSE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if name != "localstack"}


def test_every_setting_reaches_the_containers() -> None:
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for service in OURS.values():
        names = {name for name in service["environment"] if name.startswith(PREFIX)}
        assert names == settings


def test_one_service_builds_the_image_that_all_use() -> None:
    assert [name for name, service in OURS.items() if "build" in service] == ["check-settings"]
    assert {service["image"] for service in OURS.values()} == {"darkroom"}


def test_everything_starts_after_the_check_of_the_settings() -> None:
    completed = {"condition": "service_completed_successfully"}
    assert OURS["provision"]["depends_on"]["check-settings"] == completed
    for name in ("api", "worker"):
        assert OURS[name]["depends_on"] == {"provision": completed}
