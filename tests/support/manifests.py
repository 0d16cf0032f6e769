"""Queries of the rendered manifests of deploy/kubernetes: pods, their selectors and their settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from darkroom.settings import Settings, read_settings
from tests.support.kustomize import Manifest

PROJECT = Path(__file__).parents[2]
KUBERNETES = PROJECT / "deploy" / "kubernetes"
FOLDERS = ["base", "overlays/eks", "overlays/laptop"]

OUR_CONTAINERS = {"api", "worker", "provision"}
"""Containers of our image."""

UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}

Pod = tuple[Manifest, dict[str, Any], dict[str, Any]]
"""A Deployment or Job, the spec of its pods, and their only container."""


def size(quantity: str) -> int:
    """Bytes, of `768Mi`."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def pods(manifests: list[Manifest]) -> Iterator[Pod]:
    for manifest in manifests:
        if template := manifest["spec"].get("template") if "spec" in manifest else None:
            (container,) = template["spec"]["containers"]
            yield manifest, template["spec"], container


def our_pods(manifests: list[Manifest]) -> Iterator[Pod]:
    yield from (pod for pod in pods(manifests) if pod[2]["name"] in OUR_CONTAINERS)


def selected(manifests: list[Manifest], labels: dict[str, str]) -> list[str]:
    """The Deployments and Jobs whose pods have these labels."""
    return [
        manifest["metadata"]["name"]
        for manifest, _, _ in pods(manifests)
        if labels.items() <= manifest["spec"]["template"]["metadata"]["labels"].items()
    ]


def environment(manifests: list[Manifest]) -> dict[str, str]:
    """The variables that the ConfigMap sets in all containers of our image."""
    (config_map,) = [manifest for manifest in manifests if manifest["kind"] == "ConfigMap"]
    for _, _, container in our_pods(manifests):
        assert container["envFrom"] == [{"configMapRef": {"name": config_map["metadata"]["name"]}}]
    return dict(config_map["data"])


def settings(manifests: list[Manifest]) -> Settings:
    """The settings of our containers. Raises SettingsError when they are not valid."""
    return read_settings(environment(manifests))
