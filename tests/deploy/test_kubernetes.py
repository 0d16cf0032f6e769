"""deploy/kubernetes: it renders as kustomize has it, and Kubernetes and KEDA know every word of it."""

from __future__ import annotations

import copy
import shutil
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.support.keda import SCHEMAS
from tests.support.kustomize import Manifest, render, the
from tests.support.manifests import FOLDERS, KUBERNETES, PROJECT

OLDEST, NEWEST = "1.30", "1.37"
"""Kubernetes' releases: the one that the README asks for, and the newest that the checker knows."""


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    return KUBERNETES / request.param


def kustomize(folder: Path) -> list[Manifest]:
    """What the real one makes of it. kubectl has it built in."""
    commands = {"kustomize": "build", "kubectl": "kustomize"}
    found = [(path, verb) for name, verb in commands.items() if (path := shutil.which(name))]
    if not found:
        pytest.skip("neither kustomize nor kubectl is installed")
    done = subprocess.run([*found[0], str(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def by_name(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    named = {(one["kind"], one["metadata"]["name"]): one for one in manifests}
    assert len(named) == len(manifests), "two of one kind and name"
    return named


def test_our_rendering_equals_that_of_kustomize(folder: Path) -> None:
    assert by_name(render(folder)) == by_name(kustomize(folder))


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(folder: Path, version: str) -> None:
    core = [one for one in render(folder) if not one["apiVersion"].startswith("keda.sh/")]
    assert {one["kind"] for one in core} >= {"Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget"}
    for manifest in core:
        assert kubernetes_validate.validate(manifest, version, strict=True) == version


def test_keda_knows_every_field(folder: Path) -> None:
    ours = [one for one in render(folder) if one["apiVersion"].startswith("keda.sh/")]
    expected = [] if folder.name == "laptop" else sorted(SCHEMAS)
    assert sorted(one["kind"] for one in ours) == expected
    for manifest in ours:
        jsonschema.validate(manifest, SCHEMAS[manifest["kind"]])


def test_a_misspelt_field_is_found() -> None:
    manifests = render(KUBERNETES / "base")
    worker = copy.deepcopy(the(manifests, "Deployment", "darkroom-worker"))
    worker["spec"]["template"]["spec"]["terminationGracePeriod"] = 120
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriod"):
        kubernetes_validate.validate(worker, NEWEST, strict=True)
    scaled = copy.deepcopy(the(manifests, "ScaledObject", "darkroom-worker"))
    scaled["spec"]["triggers"][0]["metadata"]["scaleOnInflight"] = "true"
    with pytest.raises(jsonschema.ValidationError, match="scaleOnInflight"):
        jsonschema.validate(scaled, SCHEMAS["ScaledObject"])


def test_manifests_contain_no_secret(folder: Path) -> None:
    manifests = render(folder)
    assert not [one for one in manifests if one["kind"] == "Secret"]
    text = yaml.safe_dump_all(manifests)
    assert "whsec_" not in text
    assert "dk_" not in text
    assert "AKIA" not in text


def test_the_example_for_eks_replaces_everything_that_depends_on_the_account() -> None:
    base, eks = (render(KUBERNETES / name) for name in ("base", "overlays/eks"))
    placeholders = {"us-east-1", "darkroom-photos"}
    for kind, name in [("ServiceAccount", "darkroom-api"), ("ServiceAccount", "darkroom-worker")]:
        placeholders.add(the(base, kind, name)["metadata"]["annotations"]["eks.amazonaws.com/role-arn"])
    settings = next(one["data"] for one in eks if one["kind"] == "ConfigMap")
    accounts = [one["metadata"]["annotations"] for one in eks if one["kind"] == "ServiceAccount"]
    for values in [settings, *accounts]:
        assert not placeholders & set(values.values())
    images = {
        c["image"] for one in eks if one["kind"] == "Deployment" for c in one["spec"]["template"]["spec"]["containers"]
    }
    assert len(images) == 1
    assert not images & {"darkroom", "darkroom:latest"}


def test_the_laptop_overlay_runs_the_localstack_of_the_compose_file() -> None:
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]["localstack"]
    pod = the(render(KUBERNETES / "overlays/laptop"), "Deployment", "localstack")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == compose["image"]
