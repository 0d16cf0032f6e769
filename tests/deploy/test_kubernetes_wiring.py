"""What would bite somebody who runs deploy/kubernetes: that its parts find each other, and none stands in the way."""

from __future__ import annotations

import re

import pytest

from darkroom.settings import Settings
from tests.support.kustomize import Manifest, render, the
from tests.support.manifests import FOLDERS, KUBERNETES, environment, our_pods, pods, selected, settings


@pytest.fixture(params=FOLDERS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(KUBERNETES / request.param)


def test_selectors_match_the_intended_pods(manifests: list[Manifest]) -> None:
    for one in manifests:
        name, spec = one["metadata"]["name"], one.get("spec", {})
        if one["kind"] in ("Deployment", "PodDisruptionBudget"):
            assert selected(manifests, spec["selector"]["matchLabels"]) == [name]
        elif one["kind"] == "Service":
            assert selected(manifests, spec["selector"]) == [name]
            (container,) = the(manifests, "Deployment", name)["spec"]["template"]["spec"]["containers"]
            assert spec["ports"][0]["targetPort"] in {port["name"] for port in container["ports"]}
        elif one["kind"] == "Ingress":
            for rule in spec["rules"]:
                backend = rule["http"]["paths"][0]["backend"]["service"]
                ports = the(manifests, "Service", backend["name"])["spec"]["ports"]
                assert backend["port"]["name"] in {port["name"] for port in ports}
    for one, pod, _ in pods(manifests):
        for spread in pod.get("topologySpreadConstraints", []):
            assert spread["labelSelector"] == one["spec"]["selector"]
        if name := pod.get("serviceAccountName"):
            assert the(manifests, "ServiceAccount", name)["automountServiceAccountToken"] is False
        assert pod["automountServiceAccountToken"] is False


def test_network_policies_let_only_the_api_be_called_and_hide_the_nodes_credentials(manifests: list[Manifest]) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in manifests if one["kind"] == "NetworkPolicy"}
    assert policies.pop("nothing-else") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    ports: dict[str, set[int]] = {}
    for policy in policies.values():
        for rule in policy.get("ingress", []):
            for name in selected(manifests, policy["podSelector"]["matchLabels"]):
                ports.setdefault(name, set()).update(port["port"] for port in rule["ports"])
    assert ports.pop("darkroom-api") == {Settings.model_fields["port"].default}
    assert ports.keys() <= {"localstack"}

    leaving = policies["names-and-aws"]
    ours = {one["metadata"]["name"] for one, _, _ in our_pods(manifests)}
    assert set(selected(manifests, leaving["podSelector"]["matchLabels"])) == ours
    by_port = {rule["ports"][0]["port"]: rule["to"] for rule in leaving["egress"]}
    assert by_port.keys() == {53, 443, 80}
    assert by_port[443][0]["ipBlock"] == {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}
    assert all(re.search(r"/(32|128)$", to["ipBlock"]["cidr"]) for to in by_port[80])


def test_keda_counts_the_queues_that_the_workers_read() -> None:
    for folder in ("base", "overlays/eks"):
        manifests = render(KUBERNETES / folder)
        ours = settings(manifests)
        triggers = the(manifests, "ScaledObject", "darkroom-worker")["spec"]["triggers"]
        assert [one["metadata"]["queueURL"] for one in triggers] == [ours.photos_queue, ours.ingest_queue]
        for trigger in triggers:
            assert trigger["metadata"]["scaleOnInFlight"] == "true"
            assert trigger["metadata"]["awsRegion"] == environment(manifests)["AWS_DEFAULT_REGION"]
            the(manifests, "TriggerAuthentication", trigger["authenticationRef"]["name"])


def test_nodes_can_be_drained_and_nothing_scales_to_zero(manifests: list[Manifest]) -> None:
    budgets = [one["spec"] for one in manifests if one["kind"] == "PodDisruptionBudget"]
    assert len(budgets) == 2
    for budget in budgets:
        assert "minAvailable" not in budget
        assert int(str(budget["maxUnavailable"]).rstrip("%")) >= 1
    for one in manifests:
        if one["kind"] in ("HorizontalPodAutoscaler", "ScaledObject"):
            spec = one["spec"]
            assert spec.get("minReplicas", spec.get("minReplicaCount", 0)) >= 2
            # An apply would undo what the autoscaler has done.
            assert "replicas" not in the(manifests, "Deployment", spec["scaleTargetRef"]["name"])["spec"]


def test_the_laptop_overlay_needs_nothing_outside_the_cluster() -> None:
    manifests = render(KUBERNETES / "overlays/laptop")
    values = environment(manifests)
    service = the(manifests, "Service", "localstack")
    assert values["AWS_ENDPOINT_URL"] == f"http://localstack:{service['spec']['ports'][0]['port']}"
    assert values["AWS_ACCESS_KEY_ID"] == values["AWS_SECRET_ACCESS_KEY"] == "test"
    assert not {"ScaledObject", "TriggerAuthentication", "HorizontalPodAutoscaler"} & {one["kind"] for one in manifests}
    for one, _, container in pods(manifests):
        assert container["imagePullPolicy"] == "IfNotPresent"
        assert one["kind"] == "Job" or one["spec"]["replicas"] >= 1
