"""Limits of threads and disk of the containers: they exist, and are above what API and workers need."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from darkroom.capacity import SLOTS_PER_CHILD
from darkroom.settings import MIB, PROJECT, Settings, read_settings
from tests.support.container_needs import IMAGE, api_pids, api_spool, worker_pids, worker_spool
from tests.support.kustomize import render, the
from tests.support.manifests import FOLDERS, KUBERNETES, settings, size
from tests.support.templates import load
from worker.child.limits import MOST_FILES
from worker.child.runner import MOST_WAITING_RESULTS

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if name != "localstack"}

GIB = 1024 * MIB

MANY_CHILDREN = 20
"""No container has more child processes with the limits as they are."""


def defaults() -> Settings:
    return read_settings({})


def task(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = load("fargate.yaml")["Resources"][name]["Properties"]
    return properties


def fargate_pids(name: str) -> int:
    (container,) = task(name)["ContainerDefinitions"]
    (limit,) = container["Ulimits"]
    assert limit["Name"] == "nproc"
    assert limit["SoftLimit"] == limit["HardLimit"]
    return int(limit["HardLimit"])


def compose_pids() -> int:
    (limit,) = {service["pids_limit"] for service in OURS.values()}
    found = re.fullmatch(r"\$\{PIDS_LIMIT:-(\d+)\}", limit)
    assert found
    return int(found[1])


def test_limits_of_threads_are_above_what_is_needed() -> None:
    for limit in compose_pids(), fargate_pids("ApiTask"), fargate_pids("WorkerTask"):
        assert limit > 2 * api_pids(defaults())
        assert limit > worker_pids(MANY_CHILDREN, MANY_CHILDREN * SLOTS_PER_CHILD)


def test_the_largest_fargate_task_has_fewer_children() -> None:
    assert max(load("fargate.yaml")["Parameters"]["WorkerCpu"]["AllowedValues"]) / 1024 < MANY_CHILDREN


def test_the_documentation_has_the_formulas() -> None:
    page = " ".join((PROJECT / "docs/deploy.md").read_text().split())
    constant = worker_pids(0, 0)
    assert f"{constant} + {worker_pids(1, 0) - constant} for each child process" in page
    assert worker_pids(0, 1) - constant == 1
    assert f"{MOST_FILES} x `DARKROOM_MAX_RESULT_BYTES`" in page
    assert f"{MOST_WAITING_RESULTS / GIB:.0f} GiB for results" in page
    assert f"{worker_spool(defaults(), 1, SLOTS_PER_CHILD) / GIB + 0.05:.1f} GiB by default" in page
    one = defaults()
    none = one.model_copy(update={"api_processes": 0})
    assert f"{api_pids(none)} + `DARKROOM_API_PROCESSES` x (`DARKROOM_API_THREADS` + 8)" in page


def test_services_with_other_limits_repeat_the_limit_of_threads() -> None:
    """Otherwise Compose refuses the file."""
    limited = {name: service["deploy"]["resources"]["limits"] for name, service in OURS.items() if "deploy" in service}
    assert limited.keys() == {"api", "worker"}
    assert {limits["pids"] for limits in limited.values()} == {OURS["api"]["pids_limit"]}


def test_tmp_is_bounded_under_compose() -> None:
    assert {tuple(service["tmpfs"]) for service in OURS.values()} == {("/tmp:size=64m",)}


def test_a_fargate_task_has_disk_for_the_largest_orders() -> None:
    assert api_spool(defaults()) + IMAGE <= task("ApiTask")["EphemeralStorage"]["SizeInGiB"] * GIB
    assert task("WorkerTask")["EphemeralStorage"] == {"SizeInGiB": {"Ref": "DiskSpace"}}
    assert (
        worker_spool(defaults(), 1, SLOTS_PER_CHILD) + IMAGE
        <= load("fargate.yaml")["Parameters"]["DiskSpace"]["Default"] * GIB
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_pod_has_disk_for_the_largest_orders(folder: str) -> None:
    manifests = render(KUBERNETES / folder)
    ours = settings(manifests)
    needs = {"darkroom-api": api_spool(ours), "darkroom-worker": worker_spool(ours, 1, SLOTS_PER_CHILD)}
    for name, needed in needs.items():
        pod = the(manifests, "Deployment", name)["spec"]["template"]["spec"]
        (volume,) = [one["emptyDir"] for one in pod["volumes"] if one["name"] == "spool"]
        assert volume.keys() == {"sizeLimit"}  # on disk; with a medium it would be memory
        assert size(volume["sizeLimit"]) >= needed
        assert size(pod["containers"][0]["resources"]["limits"]["ephemeral-storage"]) > size(volume["sizeLimit"])
