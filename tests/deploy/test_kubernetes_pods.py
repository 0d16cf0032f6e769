"""What would bite somebody who runs the pods of deploy/kubernetes: that they fit our settings and our code."""

from __future__ import annotations

import importlib.util
import re

import pytest
import yaml

from api.__main__ import GRACE
from api.app import create_app
from darkroom.aws.readiness import CHECKED_WITHIN
from darkroom.capacity import RESERVE, SLOTS_PER_CHILD, Capacity, worker_capacity
from darkroom.errors import SettingsError
from darkroom.services import Services
from darkroom.settings import PREFIX, Settings, read_settings
from tests.support.kustomize import Manifest, render, the
from tests.support.manifests import FOLDERS, KUBERNETES, OUR_CONTAINERS, PROJECT, our_pods, pods, settings, size


@pytest.fixture(params=FOLDERS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(KUBERNETES / request.param)


def test_settings_exist_and_do_not_contradict_each_other(manifests: list[Manifest]) -> None:
    ours = settings(manifests)
    for _, _, container in our_pods(manifests):
        for variable in container.get("env", []):
            assert variable["name"].removeprefix(PREFIX).lower() in Settings.model_fields
            assert variable["valueFrom"]["secretKeyRef"]["key"] == variable["name"]
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert "/tmp" in mounts
        assert container["name"] == "provision" or str(ours.spool_dir) in mounts


def test_kubernetes_adds_no_variables_that_look_like_settings(
    manifests: list[Manifest],
) -> None:
    with pytest.raises(SettingsError, match="API_SERVICE_HOST"):
        read_settings({"DARKROOM_API_SERVICE_HOST": "10.0.0.1", "DARKROOM_API_PORT": "tcp://10.0.0.1:80"})
    assert all(pod["enableServiceLinks"] is False for _, pod, _ in pods(manifests))


# --- start and stop


def test_a_pods_grace_period_is_longer_than_its_work(manifests: list[Manifest]) -> None:
    worker = the(manifests, "Deployment", "darkroom-worker")["spec"]["template"]["spec"]
    assert worker["terminationGracePeriodSeconds"] > settings(manifests).stop_grace
    assert "lifecycle" not in worker["containers"][0]  # it would count against the same time
    api = the(manifests, "Deployment", "darkroom-api")["spec"]["template"]["spec"]
    sleep = api["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert api["terminationGracePeriodSeconds"] > sleep + GRACE


def test_commands_and_probes_exist(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    ours = settings(manifests).model_copy(update={"auth": "off"})
    routes = {rule.rule for rule in create_app(ours, Services.connect(ours)).url_map.iter_rules()}
    probed = set()
    for _, _, container in our_pods(manifests):
        commands = [container["command"]]
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            if action := container.get(name, {}).get("httpGet"):
                probed.add(action["path"])
                assert action["port"] in {port["name"] for port in container["ports"]}
            elif name in container:
                commands.append(container[name]["exec"]["command"])
        for command in commands:
            assert command[:2] == ["python", "-m"] or command == ["darkroom", "provision"]
            assert command[0] == "darkroom" or importlib.util.find_spec(command[2])
    assert probed == {"/healthz", "/readyz"} <= routes


def test_readiness_probes_wait_long_enough_for_the_apis_answer(manifests: list[Manifest]) -> None:
    (container,) = the(manifests, "Deployment", "darkroom-api")["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["timeoutSeconds"] > CHECKED_WITHIN


# --- what a pod may do and take


def test_pods_keep_the_restricted_profile(manifests: list[Manifest]) -> None:
    """The rules of the Pod Security Standards that leave a choice, and more: a root that cannot be written to."""
    user = re.search(r"^USER (\d+):(\d+)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert user
    enforced = the(manifests, "Namespace", "darkroom")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    exceptions = [
        one["metadata"]["name"] for one, _, container in pods(manifests) if container["name"] not in OUR_CONTAINERS
    ]
    assert enforced == ("baseline" if exceptions == ["localstack"] else "restricted")
    for _, pod, container in pods(manifests):
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"} & pod.keys()
        assert all(volume.keys() <= {"name", "emptyDir", "secret", "configMap"} for volume in pod.get("volumes", []))
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert not {"privileged", "seccompProfile", "runAsUser", "procMount"} & container["securityContext"].keys()
        assert not [port for port in container.get("ports", []) if "hostPort" in port]
    for _, pod, container in our_pods(manifests):
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert (context["runAsUser"], context["runAsGroup"]) == (int(user[1]), int(user[2]))
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_requests_and_limits_are_those_of_compose(manifests: list[Manifest]) -> None:
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    for _, _, container in pods(manifests):
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert requests.keys() & limits.keys() >= {"cpu", "memory"}
        assert size(requests["memory"]) <= size(limits["memory"])
        if container["name"] in ("api", "worker"):
            under_compose = re.search(
                r":-(\d+)([mg])}", compose[container["name"]]["deploy"]["resources"]["limits"]["memory"]
            )
            assert under_compose
            assert limits["memory"] == f"{under_compose[1]}{under_compose[2].upper()}i"


def test_a_worker_works_on_one_photo_with_all_its_memory(manifests: list[Manifest]) -> None:
    (container,) = the(manifests, "Deployment", "darkroom-worker")["spec"]["template"]["spec"]["containers"]
    limits = container["resources"]["limits"]
    memory = size(limits["memory"])
    capacity = worker_capacity(settings(manifests), int(limits["cpu"]), memory)
    assert capacity == Capacity(1, SLOTS_PER_CHILD, memory - RESERVE)
