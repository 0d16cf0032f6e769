"""Looking into what deploy/kubernetes renders to: who is who, who selects whom, with which settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from darkroom.settings import Settings, read_settings
from tests.support.kustomize import Manifest

PROJECT = Path(__file__).parents[2]
KUBERNETES = PROJECT / "deploy" / "kubernetes"
FOLDERS = ["base", "overlays/eks", "overlays/laptop"]

OURS = {"api", "worker", "provision"}
"""Containers of our image."""

UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}

Pod = tuple[Manifest, dict[str, Any], dict[str, Any]]
"""A Deployment or Job, what it says of its pods, and their only container."""


def size(quantity: str) -> int:
    """Bytes, of `768Mi`."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def pods(manifests: list[Manifest]) -> Iterator[Pod]:
    for one in manifests:
        if template := one["spec"].get("template") if "spec" in one else None:
            (container,) = template["spec"]["containers"]
            yield one, template["spec"], container


def our_pods(manifests: list[Manifest]) -> Iterator[Pod]:
    yield from (made for made in pods(manifests) if made[2]["name"] in OURS)


def selected(manifests: list[Manifest], labels: dict[str, str]) -> list[str]:
    """The Deployments and Jobs whose pods have these labels."""
    return [
        one["metadata"]["name"]
        for one, _, _ in pods(manifests)
        if labels.items() <= one["spec"]["template"]["metadata"]["labels"].items()
    ]


def environment(manifests: list[Manifest]) -> dict[str, str]:
    """What the ConfigMap gives to all of our containers."""
    (config_map,) = [one for one in manifests if one["kind"] == "ConfigMap"]
    for _, _, container in our_pods(manifests):
        assert container["envFrom"] == [{"configMapRef": {"name": config_map["metadata"]["name"]}}]
    return dict(config_map["data"])


def settings(manifests: list[Manifest]) -> Settings:
    """Raises SettingsError when one is misspelt, or when they do not fit together."""
    return read_settings(environment(manifests))
